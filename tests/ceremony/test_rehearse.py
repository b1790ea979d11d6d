"""`ceremony rehearse`: the whole walk with other keys, of which nothing is left and nothing is accepted."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.app.ceremony_rehearsal import require_softhsm
from seedless.ceremony.request import parse
from seedless.errors import UsageError
from seedless.pkcs11.module import load
from seedless.pkcs11.token import find_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def asked(cli: Cli) -> tuple[Cli, Path]:
    """A home whose keys are made, with the request of the first ceremony."""
    policy, keys = cli.home / "policy.toml", cli.home / "keys.json"
    cli.ok("ceremony", "keygen", "ACME", "--holder", "Ada", "--policy-out", str(policy), "-o", str(keys))
    cli.ok("ceremony", "keys", str(keys))
    cli.env["SEEDLESS_POLICY"] = str(policy)
    plan, request = cli.home / "first.plan", cli.home / "first.json"
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key", "--plan", str(plan))
    cli.ok("ceremony", "prepare", str(plan), "--reason", "the first", "--by", "Ada", "-o", str(request))
    return cli, request


def test_a_rehearsal_is_complete_and_leaves_everything_as_it_was(asked: tuple[Cli, Path]) -> None:
    cli, request = asked
    before, keys = cli.files(), cli.ok("key", "list", "--token", cli.token.uri, "--json").data
    done = cli.child("ceremony", "rehearse", str(request), "--json")
    assert done.code == 0, done
    assert (done.data["mark"], done.data["verdict"]) == ("REHEARSAL", "complete")
    real = {str(key) for key in parse(request.read_bytes()).issuers}
    assert set(done.data["stand_ins"]) == real
    assert not real & set(done.data["stand_ins"].values())
    assert cli.files() == before
    assert cli.ok("key", "list", "--token", cli.token.uri, "--json").data == keys


def test_what_a_rehearsal_makes_is_marked_and_refused(asked: tuple[Cli, Path]) -> None:
    cli, request = asked
    folder = cli.home / "rehearsal"
    cli.child("ceremony", "rehearse", str(request), "-o", str(folder))
    assert json.loads((folder / "request.json").read_text())["mark"] == "REHEARSAL"
    operator = parse((folder / "request.json").read_bytes()).operator_key
    checked = cli.ok("ceremony", "check", str(folder / "request.json"), str(folder / "result.json"),
                      "--operator-key", operator, "--recompute").out  # fmt: skip
    assert "REHEARSAL" in checked
    assert "recomputed  every byte agrees" in checked
    held = cli.store / "ceremonies" / parse((folder / "request.json").read_bytes()).digest
    shutil.copytree(folder, held)
    accepted = cli.run("ceremony", "accept", str(folder / "result.json"))
    assert accepted.code != 0
    assert "REHEARSAL" in accepted.err or "rehearsal" in accepted.err


def test_the_end_reports_what_the_real_ceremony_will_need(asked: tuple[Cli, Path]) -> None:
    cli, request = asked
    done = cli.child("ceremony", "rehearse", str(request))
    assert done.code == 0, done
    assert "the real ceremony will need" in done.err
    assert cli.token.label in done.err.rpartition("the real ceremony will need")[2]
    assert "signatures  3, and 3 for the receipts" in done.err
    # The words of the request with the other keys are not those on paper: nobody is to compare them.
    assert [line for line in done.err.splitlines() if line.startswith("request ")] == []
    assert f"request     sha256 {parse(request.read_bytes()).digest}, in words, typed" in done.err


def test_a_request_that_would_be_refused_is_rehearsed_all_the_same_and_reported(
    asked: tuple[Cli, Path],
) -> None:
    cli, request = asked
    (cli.store / "ledger.json").unlink()
    done = cli.child("ceremony", "rehearse", str(request), "--json")
    assert (done.code, done.data["verdict"]) == (3, "complete")
    assert "this machine has no ledger of the operator" in done.data["refused"][0]
    assert "today the real request would be refused" in done.err


def test_without_softhsm_the_sentence_reports_what_to_install(asked: tuple[Cli, Path]) -> None:
    cli, request = asked
    done = cli.child("ceremony", "rehearse", str(request), "--softhsm", "/nowhere.so")
    assert done.code == 4
    assert "Traceback" not in done.err


def test_a_blank_device_that_is_not_of_softhsm_is_left_alone(cli: Cli) -> None:
    info = find_token(load(cli.token.module), KeyUri.parse(cli.token.uri))
    require_softhsm(info)
    with pytest.raises(UsageError, match="is not a token of SoftHSM, and a rehearsal touches no other"):
        require_softhsm(msgspec.structs.replace(info, model="Luna K7"))
