"""`ceremony check --recompute` and `ceremony inventory`: what a ceremony leaves, a year later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def held(cli: Cli) -> Cli:
    """A home that has made its keys, and held the first ceremony with them."""
    policy, keys = cli.home / "policy.toml", cli.home / "keys.json"
    cli.ok("ceremony", "keygen", "ACME", "--holder", "Ada", "--policy-out", str(policy), "-o", str(keys))
    cli.ok("ceremony", "keys", str(keys))
    cli.env["SEEDLESS_POLICY"] = str(policy)
    plan, request = cli.home / "first.plan", cli.home / "first.json"
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key", "--plan", str(plan))
    words = ("--reason", "the first", "--by", "Ada", "-o", str(request), "--json")
    digest = cli.ok("ceremony", "prepare", str(plan), *words).data["request"]
    sign = ("ceremony", "sign", str(request), "-o", str(cli.home / "first.result"))
    cli.ok(*sign, "--expect", digest, "--clock-checked", "--first-use", "ACME")
    return cli


def folder(cli: Cli) -> Path:
    (only,) = (cli.store / "ceremonies").iterdir()
    return only  # type: ignore[no-any-return]  # a path


def check_of(cli: Cli) -> tuple[str, ...]:
    rows = cli.ok("key", "list", "--role", "operator", "--json").data["keys"]
    (operator,) = (row["public_key"] for row in rows if row["name"] == "ACME")
    files = (str(folder(cli) / "request.json"), str(folder(cli) / "result.json"))
    return ("ceremony", "check", *files, "--operator-key", operator, "--recompute")


def test_a_past_ceremony_is_computed_anew_and_every_byte_agrees(held: Cli) -> None:
    data = held.ok(*check_of(held), "--json").data
    assert data["recomputed"] == {"agrees": True, "text": "every byte agrees"}
    assert data["compare_with_paper"] == ["request", "policy", "transcript"]
    shown = held.ok(*check_of(held)).out
    assert "witnesses   none required" in shown
    assert shown.endswith("recomputed  every byte agrees\ncompare with paper: request, policy, transcript\n")


def test_a_ceremony_that_comes_out_otherwise_is_reported_with_its_place(held: Cli) -> None:
    words = check_of(held)
    path = folder(held) / "result.json"
    path.write_text(path.read_text().replace('"present":[]', '"present":["Eve"]'))
    done = held.run(*words)
    assert done.code == 3
    assert done.out.startswith("false: result.transcript[1].previous")


def test_who_types_replay_gets_the_command_that_took_its_place(cli: Cli) -> None:
    done = cli.run("ceremony", "replay", "x")
    assert (done.code, done.err.splitlines()[-1]) == (2, "hint: seedless ceremony check --recompute x")


def test_the_keys_of_the_transcripts_are_on_their_tokens(held: Cli) -> None:
    rows = held.ok("ceremony", "inventory", "--json").data["keys"]
    assert {row["state"] for row in rows} == {"present"}
    assert {row["token"] for row in rows} == {held.token.label}
    signed = {row["public_key"][0] for row in rows}
    assert signed == {"O", "A"}


def test_a_key_that_has_gone_is_missing(held: Cli) -> None:
    rows = held.ok("ceremony", "inventory", "--json").data["keys"]
    account = next(row["public_key"] for row in rows if row["public_key"].startswith("A"))
    keys = held.ok("key", "list", "--json").data["keys"]
    name = next(row["name"] for row in keys if row["public_key"] == account)
    held.ok("key", "delete", account, "--name", name)
    done = held.run("ceremony", "inventory", "--json")
    assert done.code == 3
    assert {row["public_key"]: row["state"] for row in done.data["keys"]}[account] == "missing"


def test_without_tokens_the_inventory_matches_the_transcripts(held: Cli) -> None:
    rows = held.ok("ceremony", "inventory", "--offline", "--json", SEEDLESS_MODULE="/nowhere.so").data["keys"]
    assert {row["state"] for row in rows} == {"not looked for"}


def test_where_no_ceremony_was_held_that_is_reported(cli: Cli) -> None:
    done = cli.run("ceremony", "inventory")
    assert (done.code, done.out) == (2, "")
    assert "no ceremony was held here" in done.err
