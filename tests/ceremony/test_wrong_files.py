"""Files that are whole and right, and not what was asked for: each is named, and none is called false."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless import file_kind, plan_file
from seedless.ceremony import documents
from seedless.ceremony.check import check
from seedless.ceremony.keys import CeremonyKey
from seedless.ceremony.keys import to_bytes as keys_file
from seedless.change import Change
from seedless.errors import Refused, WrongFile
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    from pathlib import Path

    Hall = Any  # of conftest.py
    Cli = Any  # the fixture in tests/conftest.py

T0 = 1_800_000_000


@pytest.fixture
def files(hall: Hall) -> dict[str, bytes]:
    """A file of each kind that lies about after a ceremony."""
    request, result = hall.held()
    review_context = hall.review_context(
        hall.request(reason="other"), policy=hall.policy(hall.witnessed_policy_text)
    )
    key = CeremonyKey(public_key=hall.ada.public_key, name="ada", holder="Ada", uri="pkcs11:token=x", at=T0)
    made = key.draft().complete(hall.ada.sign(key.draft().signing_input)).text
    (transcript,) = hall.folder.rglob("transcript.jsonl")
    return {
        "a plan": plan_file.to_bytes(hall.plan()),
        "the request of a ceremony": request,
        "the result of a ceremony": result,
        "the transcript of a ceremony": transcript.read_bytes(),
        "the statement of a witness": hall.statement(review_context, hall.ada).encode() + b"\n",
        "the receipt of a ceremony": json.loads(result)["receipts"][0].encode(),
        "the statement of a ceremony key": made.encode(),
        "a file of ceremony keys": keys_file([made]),
        "a policy": hall.witnessed_policy_text.encode(),
        "a ledger of ceremonies": (hall.folder / "ledger.json").read_bytes(),
        "an inventory of keys": b'{"version": 1, "keys": {}}',
        "a desired state": b'[operator]\nname = "ACME"\n\n[accounts.ORDERS]\n',
        "a file of claims": b'{"sub": "A", "nats": {"type": "account"}}',
        "a jwt of an operator": hall.operator_jwt().text.encode(),
        "a jwt of an account": hall.account_jwt(hall.orders, "ORDERS").text.encode() + b"\n",
        "a creds file": b"-----BEGIN NATS USER JWT-----\nx\n",
        "a seed": hall.ada.reveal().encode() + b"\n",
        "a public key": str(hall.ada.public_key).encode(),
        "the report of a ceremony": b"<!doctype html>\n<html><head><title>Ceremony of ACME</title>",
    }


def test_each_file_is_recognised_by_its_bytes(files: dict[str, bytes]) -> None:
    assert {name: getattr(file_kind.identify(data), "label", None) for name, data in files.items()} == {
        name: name for name in files
    }


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\xff\xfe", b"{", b"[]", b"{}", b"a.b.c", b"x = ", b"[" * 100_000, b'{"a":' * 100_000],
)
def test_what_is_none_of_them_is_not_guessed(data: bytes) -> None:
    assert file_kind.identify(data) is None


# What each command takes: its words, with FILE where the wrong file goes, and the kinds that are right there.
TAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "prepare": (
        ("prepare", "FILE", "--reason", "r", "-o", "out"), ("a plan",),
        "--plan FILE, with a command that signs, makes a plan",
    ),
    "review": (
        ("review", "FILE"), ("the request of a ceremony",),
        "seedless ceremony prepare PLAN -o FILE makes the request of a ceremony",
    ),
    "witness": (
        ("witness", "FILE", "--key-file", "seed", "-o", "out"), ("the request of a ceremony",),
        "seedless ceremony prepare PLAN -o FILE makes the request of a ceremony",
    ),
    "sign": (
        ("sign", "FILE", "-o", "out"), ("the request of a ceremony",),
        "seedless ceremony prepare PLAN -o FILE makes the request of a ceremony",
    ),
    "sign --witness": (
        ("sign", "REQUEST", "--witness", "FILE", "-o", "out"), ("the statement of a witness",),
        "seedless ceremony witness REQUEST -o FILE makes the statement of a witness",
    ),
    "rehearse": (
        ("rehearse", "FILE"), ("the request of a ceremony",),
        "seedless ceremony prepare PLAN -o FILE makes the request of a ceremony",
    ),
    "abandon": (
        ("abandon", "FILE"), ("the request of a ceremony",),
        "seedless ceremony prepare PLAN -o FILE makes the request of a ceremony",
    ),
    "accept": (
        ("accept", "FILE"), ("the result of a ceremony", "the transcript of a ceremony"),
        "seedless ceremony sign REQUEST -o FILE makes the result of a ceremony",
    ),
    "check, the request": (
        ("check", "FILE", "RESULT", "--operator-key", "KEY"), ("the request of a ceremony",),
        "seedless ceremony prepare PLAN -o FILE makes the request of a ceremony",
    ),
    "check, the result": (
        ("check", "REQUEST", "FILE", "--operator-key", "KEY"),
        ("the result of a ceremony", "the transcript of a ceremony"),
        "seedless ceremony sign REQUEST -o FILE makes the result of a ceremony",
    ),
    "check, the policy": (
        ("check", "REQUEST", "RESULT", "--operator-key", "KEY", "--policy", "FILE"), ("a policy",),
        "seedless ceremony keygen NAME --policy-out FILE makes a policy",
    ),
    "report": (
        ("report", "REQUEST", "FILE", "--operator-key", "KEY", "-o", "out"),
        ("the result of a ceremony", "the transcript of a ceremony"),
        "seedless ceremony sign REQUEST -o FILE makes the result of a ceremony",
    ),
    "keys": (
        ("keys", "FILE"), ("a file of ceremony keys",),
        "seedless ceremony keygen NAME -o FILE makes a file of ceremony keys",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKES)
def test_a_command_names_what_it_was_given_and_what_it_takes(
    hall: Hall, files: dict[str, bytes], cli: Cli, name: str
) -> None:
    command, right, maker = TAKES[name]
    (cli.home / "policy.toml").write_text(hall.policy_text)
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    places = {"REQUEST": "the request of a ceremony", "RESULT": "the result of a ceremony"}
    for place, kind in places.items():
        (cli.home / place).write_bytes(files[kind])
    for kind, data in files.items():
        given = cli.home / "given"
        given.write_bytes(data)
        words = {"FILE": str(given), "KEY": str(hall.operator.public_key), "out": str(cli.home / "out")}
        words |= {place: str(cli.home / place) for place in places}
        if kind in right and name == "rehearse":
            continue  # tests/ceremony/test_rehearse.py rehearses, in a process of its own
        done = cli.run("ceremony", *(words.get(word, word) for word in command))
        if kind in right:
            assert "is needed" not in done.err, (kind, done)
            (cli.home / "out").unlink(missing_ok=True)
            continue
        assert (done.code, done.out) == (2, ""), (kind, done)
        assert done.err.splitlines()[0] == f"error: {given} is {kind}, and {right[0]} is needed"
        assert maker in done.err
        assert hall.ada.reveal() not in done.err
        assert not (cli.home / "out").exists()


def test_a_file_that_is_no_policy_is_named_where_one_is_pinned(files: dict[str, bytes], cli: Cli) -> None:
    given = cli.home / "given"
    for kind in ("the request of a ceremony", "a desired state", "a public key"):
        given.write_bytes(files[kind])
        done = cli.run("ceremony", "review", str(given), "--policy", str(given))
        assert done.code == 2
        wanted = "the request of a ceremony" if kind != "the request of a ceremony" else "a policy"
        assert f"is {kind}, and {wanted} is needed" in done.err


def test_sign_and_sign_plan_name_what_they_were_given(files: dict[str, bytes], cli: Cli) -> None:
    given = cli.home / "given"
    for kind in (
        "the request of a ceremony",
        "the result of a ceremony",
        "a ledger of ceremonies",
        "a policy",
    ):
        given.write_bytes(files[kind])
        done = cli.run("sign", "--plan", str(given))
        assert done.err.startswith(f"error: {given} is {kind}, and a plan is needed\n"), done
        done = cli.run("sign", str(given))
        assert done.err.startswith(f"error: {given} is {kind}, and a"), done
        assert done.code == 2


def test_a_key_file_that_holds_no_seed_is_named(hall: Hall, files: dict[str, bytes], cli: Cli) -> None:
    (cli.home / "policy.toml").write_text(hall.witnessed_policy_text)
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    request, given = cli.home / "request", cli.home / "given"
    now = int(time.time())
    new = Change(hall.account_draft(hall.billing, "BILLING", now - 50), None, "new account", ("BILLING",))
    plan = Plan((new,), now - 50, ())
    request.write_bytes(hall.request(plan, at=now - 50, operator=hall.operator_jwt(at=now - 100)).data)
    for kind in ("a public key", "a creds file", "a policy", "the statement of a witness"):
        given.write_bytes(files[kind])
        done = cli.run(
            "ceremony",
            "witness",
            str(request),
            "--first-use",
            "all",
            "--key-file",
            str(given),
            "-o",
            str(cli.home / "out"),
        )
        assert (done.code, f"is {kind}, and a seed is needed" in done.err) == (2, True), done


@pytest.mark.parametrize("later", [pytest.param(0, id="at once"), pytest.param(3600, id="an hour later")])
def test_a_statement_about_the_request_before_is_named_as_such(hall: Hall, later: int) -> None:
    policy = hall.policy(hall.witnessed_policy_text)
    before, now = hall.request(), hall.request(reason="prepared again", at=T0 + 100 + later)
    old = hall.statement(hall.review_context(before, policy=policy), hall.ada)
    with pytest.raises(Refused) as caught:
        hall.sit(hall.review_context(now, policy=policy, now=T0 + 200 + later), old)
    assert caught.value.message == (
        f"witness 1 is a statement about another request, sha256:{before.digest}, "
        f"and this one is sha256:{now.digest}"
    )
    assert "seedless ceremony witness" in caught.value.hint


def test_the_result_of_another_ceremony_is_named_and_not_called_false(hall: Hall, tmp_path: Path) -> None:
    request, result = hall.held()
    change = Change(hall.account_draft(hall.billing, "BILLING", T0 + 300), None, "new", ("BILLING",))
    other = hall.request(hall.plan(change, at=T0 + 300), at=T0 + 300)
    with pytest.raises(WrongFile) as caught:
        hall.check(other.data, result)
    digest = plan_file.digest(request)
    assert caught.value.message == (
        f"the result is that of the request {digest}, and this request is {other.digest}"
    )
    assert caught.value.hint.endswith(f"ceremonies/{digest}/request.json")
    transcript = next(hall.folder.rglob("transcript.jsonl")).read_bytes()
    for begun in (transcript, b"".join(transcript.splitlines(keepends=True)[:2])):
        with pytest.raises(WrongFile, match="the result is that of the request"):
            hall.check(other.data, begun)


def test_a_program_that_checks_gets_the_same_error(hall: Hall) -> None:
    request, result = hall.held()
    with pytest.raises(WrongFile, match="the first file is the result of a ceremony, and the request"):
        check(result, request, hall.operator.public_key)


def test_what_is_edited_is_not_taken_for_another_kind(hall: Hall) -> None:
    request, result = hall.held()
    value = json.loads(request)
    del value["format"]
    assert hall.check(documents.to_bytes(value), result).text == "request.format is missing"
