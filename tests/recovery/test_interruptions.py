"""What ends a recovery from outside: a closed terminal, no PIN, a token or a folder that is gone.

Signals at each stage before the import are in test_nothing_is_left.py.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py
    Holders = Any  # the class in conftest.py

CREATE = (
    "recovery", "create", "ACME", "--threshold", "2", "--shares", "2", "--bits", "128",
    "--key", "operator:ACME", "--yes",
)  # fmt: skip


@dataclass
class Stopped:
    """A `recovery create` that waits for the last word of the last share."""

    cli: Cli
    people: Any
    folder: Path
    softhsm: pytest_softhsm.SoftHSM

    @property
    def record(self) -> Path:
        return self.folder / "record.json"

    def type_last_word(self) -> None:
        self.people.terminal.type(f"{self.people.shares[1][19]}\n")

    def ended(self) -> int:
        code: int = self.people.terminal.end()
        return code

    def keys(self) -> list[Any]:
        """The keys on the token, as it is listed without the inventory."""
        rows: list[Any] = self.cli.ok("key", "list", "--token", self.cli.token.uri, "--json").data["keys"]
        return rows


@pytest.fixture
def stopped(
    cli: Cli, holders: Holders, softhsm: pytest_softhsm.SoftHSM, request: pytest.FixtureRequest
) -> Stopped:
    cli.env.update(getattr(request, "param", {}))
    folder = cli.home / "records"
    folder.mkdir()
    people = holders(cli.terminal_for(*CREATE, "-o", str(folder / "record.json")))
    people.write_down_all(2)
    people.read_back(1)
    people.terminal.wait_for("Words 1 to 20, several on a line: ")
    people.terminal.type(" ".join(people.shares[1][:19]) + "\n")
    people.terminal.wait_for("Words 20 to 20, several on a line: ")
    return Stopped(cli, people, folder, softhsm)


def hang_up(stopped: Stopped) -> None:
    """Close the terminal, as whoever closes its window does."""
    os.close(stopped.people.terminal.terminal)
    assert stopped.people.terminal.process.wait(20) == -signal.SIGHUP


def test_a_closed_terminal_leaves_no_key_and_no_record(stopped: Stopped) -> None:
    hang_up(stopped)
    assert (stopped.keys(), stopped.record.exists()) == ([], False)
    assert not (stopped.cli.store / "recovery").exists()


@pytest.mark.parametrize("stopped", [{"SEEDLESS_PIN_SOURCE": "prompt"}], indirect=True)
def test_an_interrupt_where_the_pin_is_asked_leaves_no_key_and_no_record(stopped: Stopped) -> None:
    stopped.type_last_word()
    stopped.people.terminal.wait_for("PIN")
    stopped.people.terminal.interrupt(lambda: stopped.people.terminal.type("\x03"))
    assert stopped.ended() == 130, stopped.people.terminal.said
    stopped.cli.env["SEEDLESS_PIN_SOURCE"] = "env:TOKEN_PIN"
    assert (stopped.keys(), stopped.record.exists()) == ([], False)


def test_a_token_that_is_gone_before_the_import_leaves_the_record_that_restores_elsewhere(
    stopped: Stopped, holders: Holders
) -> None:
    serial = stopped.cli.token.serial
    for path in stopped.softhsm.token_dir.iterdir():
        if path.name.replace("-", "").endswith(serial):
            shutil.rmtree(path)
    stopped.type_last_word()
    assert stopped.ended() == 4, stopped.people.terminal.said
    assert "no key was imported" in stopped.people.terminal.said
    assert "Traceback" not in stopped.people.terminal.said
    spare = stopped.softhsm.create("SPARE", pin=stopped.cli.token.pin)
    words = ("recovery", "restore", str(stopped.record), "--token", spare.uri, "--yes")
    again = holders(stopped.cli.terminal_for(*words))
    again.type_share(stopped.people.shares[1])
    again.terminal.wait_for("Any of the shares, 2 of 2 that are required:")
    again.type_share(stopped.people.shares[0])
    assert again.terminal.end() == 0, again.terminal.said


def test_a_record_that_cannot_be_written_where_it_was_meant_to_is_in_the_store(stopped: Stopped) -> None:
    shutil.rmtree(stopped.folder)
    stopped.folder.write_text("a file where the folder was")
    stopped.type_last_word()
    assert stopped.ended() == 1, stopped.people.terminal.said
    (record,) = (stopped.cli.store / "recovery").iterdir()
    assert f"copy it from the store: {record}" in stopped.people.terminal.text
    assert [row["name"] for row in stopped.cli.ok("key", "list", "--json").data["keys"]] == ["ACME"]


def test_a_record_that_no_file_takes_is_printed_and_restores_the_keys(
    stopped: Stopped, holders: Holders
) -> None:
    for folder in (stopped.folder, stopped.cli.store):
        shutil.rmtree(folder, ignore_errors=True)
        folder.write_text("a file where the folder was")
    stopped.type_last_word()
    assert stopped.ended() == 1, stopped.people.terminal.said
    said = stopped.people.terminal.said
    assert "Traceback" not in said
    (text,) = re.findall(r'without it no share restores a key:\s+(\{"at":.*\})', said)
    stopped.cli.store.unlink()
    record = stopped.cli.home / "saved.json"
    record.write_text(f"{text}\n")
    again = holders(stopped.cli.terminal_for("recovery", "restore", str(record), "--yes"))
    again.type_share(stopped.people.shares[0])
    again.terminal.wait_for("Any of the shares, 2 of 2 that are required:")
    again.type_share(stopped.people.shares[1])
    assert again.terminal.end() == 0, again.terminal.said
