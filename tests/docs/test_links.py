"""Links lead somewhere, and commands in the pages are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from seedless.cli.main import seedless

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", ".github/*.md", "softhsm/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(?:console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_MENTION = re.compile(r"`(seedless [^`|]+)`")
_FORMAT = re.compile(r"seedless [a-z ]+ 1")  # the first line of a file
_END = re.compile(r" (?:>>?|\|\|?|&&|;) ")
_OPERATOR = "OBTL47RTFR5EKMZSXWOQU735WBK7LRPPDIDK3JTNTCZZ7NUBBRDTVSBZ"
_USER = "UCI2FCQLOQ4BLE5E3FDJK6JARETK7SFNQLEIHG3WIQ2ZXHV2TJFTV7CT"
_ACCOUNT = "ACFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYYOU"
_SAMPLES = {  # of variables that pages set to a public key
    **dict.fromkeys(("$ADA", "$BOB"), _USER),
    **dict.fromkeys(("$ACME", "$NEXT", "$PREVIOUS", "$SECOND"), _OPERATOR),
    **dict.fromkeys(("$SPARE", "$LOST_SIGNING", "$LOST_IDENTITY", "$(key 'ACME spare')"), _OPERATOR),
}
_SHORTENED = {"A": _ACCOUNT, "O": _OPERATOR, "U": _USER}  # of keys as in ACIX…


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of *text*."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> Iterator[str]:
    """Each relative link of *page* that leads nowhere."""
    for link in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and not (target.exists() and _has(target, anchor)):
            yield link


def _has(page: Path, anchor: str) -> bool:
    return not anchor or anchor in anchors(page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[str]:
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    lines = [line.removeprefix("$ ") for block in found for line in block.replace("\\\n", "").splitlines()]
    return [line for line in lines if line.startswith("seedless ")]


def mentions(page: Path) -> list[str]:
    """The commands that the sentences of *page* name; parts of them may be missing."""
    found = _MENTION.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))
    lines = [" ".join(line.split()) for line in found]
    return [line for line in lines if not _FORMAT.fullmatch(line)]


COMMANDS = sorted({line for page in PAGES for line in commands(ROOT / page)})


def parse(line: str) -> click.Context:
    """Parse *line* as the command line does, up to running it."""
    line = re.sub(r"\b([AOU])[A-Z0-9]{3}…", lambda match: _SHORTENED[match[1]], _END.split(line)[0])
    words = [_SAMPLES.get(word, word) for word in shlex.split(line, comments=True)][1:]
    command: click.Command = seedless
    context = click.Context(seedless, help_option_names=["-h", "--help"])
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"there is no command {name}")
        command = found
    return command.make_context(line, words, parent=context)


def is_command(line: str) -> bool:
    """Whether *line* is a command, or the beginning of one, as sentences have it."""
    try:
        parse(line)
    except (click.MissingParameter, click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
        return True
    except click.UsageError as error:
        return "requires an argument" in error.message
    return True


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    assert list(broken(ROOT / page)) == []


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_in_the_pages_can_be_parsed(line: str) -> None:
    assert line == "seedless --version" or parse(line).command is not seedless


@pytest.mark.parametrize("page", sorted({*PAGES} - {"docs/changelog.md"}))
def test_a_command_that_a_sentence_names_exists_with_its_options(page: str) -> None:
    assert [line for line in mentions(ROOT / page) if not is_command(line)] == []


def test_there_are_pages_and_commands() -> None:
    assert {"README.md", "docs/index.md", ".github/SECURITY.md"} <= set(PAGES)
    assert "seedless operator add ACME --sys" in COMMANDS


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    index = ROOT / "docs/index.md"
    linked = {
        (index.parent / link.partition("#")[0]).resolve()
        for link in _LINK.findall(index.read_text(encoding="utf-8"))
    }
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")} - {index.resolve()}
    assert pages - linked == set()


def test_links_and_commands_that_are_wrong_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n[a](nowhere.md) [b](#a-page) [c](#elsewhere) `[d](code.md)`\n")
    assert list(broken(page)) == ["nowhere.md", "#elsewhere"]
    for line in ("seedless operator ad ACME", "seedless operator add ACME --syss", "seedless account add"):
        with pytest.raises(click.UsageError):
            parse(line)
    named = ("operator ad", "account add --syss", "account add")
    assert [is_command(f"seedless {line}") for line in named] == [False, False, True]
