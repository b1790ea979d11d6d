"""The journal has every test signature that a device has in its log: both are counted, here in the driver."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.challenges import ChallengeJournal, counts, load
from seedless.errors import StoreError
from seedless.nkey import Role
from seedless.pkcs11.signing import challenge
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any  # the fixture in tests/conftest.py
    Misbehaving = Any

SEED = SoftwareKey(Role.ACCOUNT, bytes(range(32)))
TOKEN = "pkcs11:token=ACME;serial=1"


@pytest.fixture
def counted(cli: Cli, misbehaving: Misbehaving) -> Callable[..., tuple[int, int]]:
    """Run a command; return how many signatures the token made, and how many lines the journal got."""
    cli.env["SEEDLESS_MODULE"] = str(misbehaving.made.module)
    journal = cli.store / "challenges.jsonl"

    def run(*words: str, **more: Any) -> tuple[int, int]:  # noqa: ANN401 - of `Cli.ok`
        misbehaving.forget()
        before = len(load(journal))
        cli.ok(*words, **more)
        return misbehaving.calls("C_Sign"), len(load(journal)) - before

    return run


def test_each_challenge_that_a_token_signs_is_in_the_journal(
    cli: Cli, counted: Callable[..., tuple[int, int]]
) -> None:
    new = ("key", "new", "--role", "operator", "-n", "ACME", "--yes")
    imported = ("key", "import", "--role", "account", "-n", "ORDERS", "--yes")
    assert counted(*new) == (1, 1)
    assert counted(*imported, stdin=SEED.reveal()) == (1, 1)
    assert counted("key", "audit") == (2, 2)
    assert counted("key", "register", "--all", "--yes") == (2, 2)
    signatures, lines = counted("token", "doctor", "--yes")
    assert (signatures >= 10, lines) == (True, signatures)
    found = cli.ok("key", "challenges", "--json").data
    by_name = {one["name"]: one for one in found["keys"]}
    assert by_name["ORDERS"]["commands"] == {"key audit": 1, "key import": 1, "key register": 1}
    assert by_name["ACME"]["commands"] == {"key audit": 1, "key new": 1, "key register": 1}
    assert by_name[None]["commands"] == {"token doctor": signatures}
    assert found["count"] == 6 + signatures
    assert cli.token.serial in by_name["ORDERS"]["token"]
    assert cli.ok("key", "challenges", "--since", "2100-01-01", "--json").data["keys"] == []
    shown = cli.ok("key", "challenges").out
    assert "CHALLENGES" in shown
    assert "account ORDERS" in shown
    assert cli.token.pin not in Path(cli.store / "challenges.jsonl").read_text()


def test_signatures_of_claims_are_in_jwts_and_not_in_the_journal(
    cli: Cli, counted: Callable[..., tuple[int, int]]
) -> None:
    assert counted("operator", "add", "ACME", "--yes") == (2, 1)  # the new key, and the jwt
    assert counted("operator", "edit", "--tag", "a", "--yes") == (1, 0)


def test_the_jwts_of_a_drill_which_nobody_keeps_are_in_the_journal(
    cli: Cli, counted: Callable[..., tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    cli.ok("key", "new", "--role", "account", "--name", "LOST")
    inventory = json.loads((cli.store / "keyring.json").read_text())
    (lost,) = (entry for entry in inventory["keys"].values() if entry["name"] == "LOST")
    lost["uri"] = "pkcs11:token=GONE;serial=1;id=%01"
    (cli.store / "keyring.json").write_text(json.dumps(inventory))
    drill = ("recovery", "drill", "GONE", "--sign")
    assert counted(*drill) == (2, 2)  # ORDERS, and a user of it
    monkeypatch.setattr("seedless.app.tokens.MANY", 1)
    cli.env["SEEDLESS_MODULE"] = str(cli.token.module)
    cli.ok(*drill)  # signed in worker processes, which write the same journal
    rows = cli.ok("key", "challenges", "--json").data["keys"]
    assert sum(row["commands"].get("recovery drill", 0) for row in rows) == 4


def test_a_line_is_written_before_the_token_signs_and_without_it_nothing_is_signed(
    cli: Cli, misbehaving: Misbehaving
) -> None:
    cli.env["SEEDLESS_MODULE"] = str(misbehaving.made.module)
    cli.ok("key", "new", "--role", "operator", "-n", "ACME", "--yes")
    journal = cli.store / "challenges.jsonl"
    journal.unlink()
    journal.mkdir()
    misbehaving.forget()
    done = cli.run("key", "audit")
    assert (done.code, misbehaving.calls("C_Sign")) == (1, 0)
    assert "challenges.jsonl" in done.err


def test_a_line_that_was_cut_off_gives_way_to_the_next_one(tmp_path: Path) -> None:
    journal = ChallengeJournal(path=tmp_path / "root/challenges.jsonl", command="key audit", time=lambda: 7.9)
    journal.record(TOKEN, b"\x0a", bytes(32), challenge("audit", b"1"))
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[:40])
    assert len(load(journal.path)) == 1
    journal.record(TOKEN, b"\x0a", bytes(32), challenge("audit", b"2"))
    first, second = load(journal.path)
    assert (first.at, first.id, first.key, first.command) == (7, "0a", "00" * 32, "key audit")
    assert first.sha256 != second.sha256
    (count,) = counts(load(journal.path), since=7)
    assert (count.count, count.in_transcripts, counts(load(journal.path), since=8)) == (2, 0, ())
    assert journal.path.stat().st_mode & 0o777 == 0o600


def _write_lines(path: Path) -> None:
    journal = ChallengeJournal(path=path, command="x" * 900)  # a page of memory ends within every fourth line
    for number in range(400):
        journal.record(TOKEN, b"\x0a", bytes(32), challenge("audit", number.to_bytes(2)))


def test_no_line_is_lost_where_several_processes_write(tmp_path: Path) -> None:
    path = tmp_path / "challenges.jsonl"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write_lines, args=(path,)) for _ in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert ([process.exitcode for process in processes], len(load(path))) == ([0] * 6, 2400)


def test_a_line_that_was_changed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "challenges.jsonl"
    ChallengeJournal(path=path).record(TOKEN, b"\x0a", bytes(32), challenge("audit", b"1"))
    path.write_bytes(path.read_bytes() + json.dumps({"at": "yesterday"}).encode() + b"\n")
    with pytest.raises(StoreError, match=r"line 2 of .*challenges\.jsonl is damaged"):
        load(path)
