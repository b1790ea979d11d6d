"""The tutorial of the first ceremony is walked, command by command, and shows what the commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from seedless.ceremony.words import EVEN, ODD

if TYPE_CHECKING:
    from pathlib import Path

    import pytest_softhsm

_BLOCK = re.compile(r"^```(console|text|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WORDS = "|".join((*EVEN.split(), *ODD.split()))
_CHANGING = (
    (re.compile(rf"^ *(?:(?:{_WORDS}) *){{8}}$", re.MULTILINE), "WORDS"),
    (re.compile(r"\b([OAU])[A-Z2-7]{55}\b"), r"\1…"),
    (re.compile(r"\b([OAU])[A-Z2-7]{11}…"), r"\1…"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "SERIAL"),
    (re.compile(r";id=[%0-9A-F]+"), ";id=ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "TIME"),
    (re.compile(r" +$", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Walked:
    """The blocks of the page, what each of the commands printed, and how those ended that are refused."""

    blocks: tuple[tuple[str, str], ...]
    printed: tuple[str, ...]
    codes: tuple[str, ...]


def normalised(text: str) -> str:
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return text.strip()


@pytest.fixture(scope="module")
def walked(root: Path, tmp_path_factory: pytest.TempPathFactory, softhsm: pytest_softhsm.SoftHSM) -> Walked:
    page = (root / "docs/tutorial/first-ceremony.md").read_text(encoding="utf-8")
    blocks = tuple((block[1], block[2]) for block in _BLOCK.finditer(page))
    cli, shown = tmp_path_factory.mktemp("cli"), tmp_path_factory.mktemp("shown")
    steps = []
    for number, (kind, text) in enumerate(blocks):
        lines = "\n".join(line.removeprefix("$ ") for line in text.splitlines())
        if kind == "console":
            steps.append(f"{{\n{lines}\n}} > {shown}/{number} 2>&1")
        elif kind == "sh":
            steps.append(f"({lines}) > /dev/null 2>&1 && echo 0 >> {shown}/codes || echo $? >> {shown}/codes")
    script = "\n".join(steps).replace("/usr/lib/softhsm/libsofthsm2.so", str(softhsm.module))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDLESS", "SOFTHSM"))}
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=cli, env={**kept, "PATH": path, "HOME": str(cli), "COLUMNS": "100"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    printed = tuple(
        (shown / str(number)).read_text() if (shown / str(number)).exists() else ""
        for number in range(len(blocks))
    )
    assert done.returncode == 0, next(text for text in reversed(printed) if text)
    return Walked(blocks, printed, tuple((shown / "codes").read_text().split()))


def test_the_page_shows_what_the_commands_print(walked: Walked) -> None:
    shown = 0
    for number, (kind, text) in enumerate(walked.blocks):
        if kind == "text":
            assert normalised(text) == normalised(walked.printed[number - 1])
            shown += 1
    assert shown >= 8


def test_what_the_page_lists_as_refused_is_refused(walked: Walked) -> None:
    assert walked.codes == ("3", "3")


def test_the_numbers_of_two_walks_differ_in_the_places_that_are_made_equal(walked: Walked) -> None:
    text = "prowler     caretaker   drunken     Dakota      buzzard     pedigree    frighten    pharmacy"
    assert normalised(text) == "WORDS"
    assert normalised("prowler caretaker drunken Dakota") == "prowler caretaker drunken Dakota"
