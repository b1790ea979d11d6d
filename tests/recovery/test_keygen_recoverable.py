"""Recoverable keys that a ceremony creates: shares, transcript and record, and the keys on another token."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from share_holders import keygen, prepare

if TYPE_CHECKING:
    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py
    Holders = Any  # the class in conftest.py


def test_a_recoverable_key_is_created_checked_lost_and_restored_as_the_policy_allows(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, holders: Holders
) -> None:
    digest = prepare(cli)
    people = holders(cli.terminal_for(*keygen(cli, digest)))
    people.write_down_all()
    people.read_back_all()
    assert people.terminal.end() == 0, people.terminal.said
    entries = json.loads((cli.home / "result.json").read_bytes())["transcript"]
    assert [entry["kind"] for entry in entries] == [
        "opened", "shares", "readiness", "intent", "created", "intent", "created", "ended",
    ]  # fmt: skip
    record = json.loads(entries[1]["record"])
    assert [share["holder"] for share in record["shares"]] == ["Ada", "Bo", "Cy"]
    assert [entry["signed"]["challenge"] for entry in entries if entry["kind"] == "created"] == [2, 1]
    counted = cli.ok("key", "challenges", "--json").data["keys"]
    assert sorted(one["in_transcripts"] for one in counted) == [1, 2]
    assert [one["commands"] for one in counted] == [{"ceremony keygen": one["count"]} for one in counted]
    for share in people.shares:
        assert " ".join(share[4:8]) not in (cli.home / "result.json").read_text()
    operator = record["keys"][0]["public_key"]
    paths = (str(cli.home / "request.json"), str(cli.home / "result.json"), "--operator-key", operator)
    assert cli.ok("ceremony", "check", *paths, "--json").data["verdict"] == "complete"
    cli.ok("ceremony", "report", *paths, "-o", str(cli.home / "report.html"))
    page = (cli.home / "report.html").read_text()
    assert "2 of 3 shares restore the recoverable keys." in page
    assert record["shares"][2]["sha256"] in page
    assert 'recoverable = "allowed"' in (cli.home / "policy.toml").read_text()

    softhsm.remove(cli.token)
    spare = softhsm.create("SPARE", pin=cli.token.pin)
    (kept,) = (cli.store / "key-ceremonies").glob("*/recovery.json")
    again = holders(cli.terminal_for("recovery", "restore", str(kept), "--token", spare.uri, "--yes"))
    again.type_share(people.shares[2])
    again.type_share(people.shares[0])
    assert again.terminal.end() == 0, again.terminal.said
    assert operator in again.terminal.said


def test_without_a_terminal_no_share_is_made_and_no_key_is_created(cli: Cli) -> None:
    digest = prepare(cli)
    done = cli.child(*keygen(cli, digest))
    assert (done.code, "terminal" in done.err) == (2, True), done
    assert cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"] == []
    assert not (cli.home / "result.json").exists()
