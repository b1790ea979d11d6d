"""docs/reference/coming-from-nsc.md: every flag of nsc has a row, and every command on the page runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/coming-from-nsc.md").read_text(encoding="utf-8")
FLAGS = (ROOT / "tests/docs/nsc-2.13.txt").read_text(encoding="utf-8").splitlines()[1:]
LEFT_OUT = ("update", "tool", "load")
ELSEWHERE = {  # what stands in braces
    "account": str(SoftwareKey(Role.ACCOUNT, bytes([1] * 32)).public_key),
    "user": str(SoftwareKey(Role.USER, bytes([2] * 32)).public_key),
}


def rows() -> Iterator[tuple[str, str, str]]:
    """The rows of the page: of which section, what nsc has, what does it here."""
    section = ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 2 and cells[0] not in {"`nsc`", "---"}:
            yield section, cells[0], cells[1]


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def covered() -> set[tuple[str, str]]:
    """Command and flag of nsc for each that a row names; what is alike everywhere has the command *."""
    found = set()
    for section, cell, _ in rows():
        command = "" if section else "*"
        for span in spans(cell):
            if span.startswith("--"):
                found |= {(one, span) for one in command.split(", ")}
            elif not span.startswith("-"):
                command = f"{command}, {span}" if command and (command, "") in found else span
                found.add((span, ""))
    return found


def wanted() -> list[tuple[str, str]]:
    every = []
    for line in FLAGS:
        command, _, flags = line.partition(":")
        if command.split(" ")[0] not in LEFT_OUT:
            every += [(command, flag) for flag in flags.split()] or [(command, "")]
    return every


def test_every_command_and_flag_of_nsc_has_a_row() -> None:
    there = covered()
    alike = {flag for command, flag in there if command == "*"}
    missing = [
        one
        for one in wanted()
        if one not in there and (one[1] not in alike or one[1] == "") and one[0] != "*"
    ]
    assert missing == []


def test_what_is_left_out_is_what_was_meant_to_be() -> None:
    cells = [cell for section, cell, _ in rows() if section == "Left out on purpose"]
    assert [spans(cell)[0] for cell in cells] == ["update", "tool", "load", "init"]


@pytest.fixture
def place(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A home where the names of files on the page are files of its home."""
    monkeypatch.chdir(cli.home)
    return cli


def test_every_command_of_the_page_runs(place: Cli, nats_server: Callable[[str], Any]) -> None:
    known = dict(ELSEWHERE)
    failed = []
    for section, _, cell in rows():
        if section == "Servers" and "server" not in known and (place.home / "trust.conf").exists():
            known["server"] = nats_server((place.home / "trust.conf").read_text()).url
        for span in spans(cell):
            if not span.startswith("seedless "):
                continue
            words = shlex.split(span)[1:]
            if "{orders}" in words:
                known["orders"] = place.ok("account", "show", "ORDERS", "--json").data["subject"]
            words = [word.format(**known) if word.startswith("{") else word for word in words]
            done = place.run(*words)
            code = re.search(rf"{re.escape(span)}` ends with (\d)", cell)
            if done.code != (int(code[1]) if code else 0):
                failed.append((span, done.code, done.err))
    assert failed == [], "\n".join(map(str, failed))
