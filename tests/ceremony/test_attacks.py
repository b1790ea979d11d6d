"""What somebody with a bad mind, or a slip of the hand, may try on a ceremony."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.ceremony import documents, offline, transcript
from seedless.ceremony import keys as inventory
from seedless.ceremony.check import recompute
from seedless.ceremony.request import parse
from seedless.change import Change, StoreWrite
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.jwt import draft
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    Hall = Any  # the fixture in conftest.py
    Cli = Any  # the fixture in tests/conftest.py

T0 = 1_800_000_000
"""When the first jwts of a hall were signed, Unix seconds."""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        pytest.param("", "has 1 to 500 characters", id="nobody"),
        pytest.param("Grace\nAda", "holds characters that cannot be seen", id="two lines"),
        pytest.param("\u202eadA", "holds characters that cannot be seen", id="turned around"),
        pytest.param("\u0421\u0430\u0440\u0430", "or that look like others", id="letters that look Latin"),
        pytest.param("A" * 501, "has 1 to 500 characters", id="a long one"),
    ],
)
def test_a_name_that_no_check_would_take_ends_a_ceremony_before_anything_is_signed(
    hall: Hall, name: str, sentence: str
) -> None:
    run = dataclasses.replace(hall.run(hall.review_context(hall.request())), present=("Grace", name))
    with pytest.raises(UsageError, match="the name of somebody present") as caught:
        offline.run_ceremony(
            run, review=lambda _plan, _report: True, keys=lambda: contextlib.nullcontext(hall.keys)
        )
    assert sentence in caught.value.message
    assert not run.folder.exists()


STRANGE = [None, True, 1, "", [], [[]], {}, {"at": 1}]
"""What stands in the place of an entry, or of a member of one."""


@pytest.mark.parametrize("place", [(), (0,), (0, "kind"), (0, "at"), (4, "public_key"), (4, "says")], ids=str)
def test_whatever_stands_in_a_result_is_no_crash(hall: Hall, place: tuple[Any, ...]) -> None:
    request, result = hall.held()
    for strange in STRANGE:
        whole = json.loads(result)
        holder, names = whole, ("transcript", *place)
        for name in names[:-1]:
            holder = holder[name]
        holder[names[-1]] = strange
        changed = documents.to_bytes(whole)
        assert hall.check(request, changed).verdict == "false"
        with contextlib.suppress(Refused):
            assert {type(one.at) for one in inventory.reported_keys([transcript.parse(changed)])} <= {int}


def test_a_result_is_not_taken_into_the_store_of_another_operator(hall: Hall, cli: Cli) -> None:
    now = int(time.time())
    operator = hall.operator_jwt(at=now - 100)
    new = Change(hall.account_draft(hall.billing, "BILLING", now - 50), None, "new account", ("BILLING",))
    request = hall.request(Plan((new,), now - 50, ()), at=now - 50, operator=operator)
    result = cli.home / "result.json"
    result.write_bytes(hall.sit(hall.review_context(request, now=now - 10)))
    other = hall.__class__(hall.folder, operator=hall.signing).operator_jwt(hall.signing, at=now - 100)
    folder = cli.store / "ceremonies" / request.digest
    folder.mkdir(parents=True)
    (folder / "request.json").write_bytes(request.data)
    cli.ok("operator", "import", "-", stdin=operator.text)
    stranger = hall.folder / "elsewhere"
    cli.ok("operator", "import", "-", "--store", str(stranger), stdin=other.text)
    (stranger / "ceremonies").symlink_to(cli.store / "ceremonies")
    done = cli.run("ceremony", "accept", str(result), "--store", str(stranger))
    assert (done.code, done.out) == (1, "")
    assert "the store has another jwt of ACME than the plan" in done.err
    assert cli.run("account", "show", "BILLING", "--store", str(stranger)).code == 2
    cli.ok("ceremony", "accept", str(result))
    assert cli.ok("account", "show", "BILLING", "--json").data["issuer"] == str(hall.signing.public_key)


def _forged(hall: Hall, **plan: object) -> bytes:
    """A request that no `prepare` has made: what *plan* says is in it as it is."""
    request = hall.request()
    forged = dataclasses.replace(request, plan=msgspec.structs.replace(request.plan, **plan))
    data: bytes = forged.data
    return data


def test_a_request_that_shows_two_jwts_of_one_account_as_standing_is_refused(hall: Hall) -> None:
    later = hall.account_jwt(hall.orders, "ORDERS", T0 + 50, "team:z")
    with pytest.raises(UsageError, match="two jwts of ORDERS as current"):
        parse(_forged(hall, around=(hall.operator_jwt(), later)))


def test_a_request_that_takes_the_operator_away_is_refused(hall: Hall) -> None:
    gone = StoreWrite((), None, hall.operator_jwt(), "tidied")
    with pytest.raises(UsageError, match="takes the operator away"):
        parse(_forged(hall, store_writes=(gone,)))


def test_a_request_with_two_drafts_of_one_account_is_refused(hall: Hall) -> None:
    twice = tuple(
        Change(hall.account_draft(hall.billing, name, at), None, "new account", (name,))
        for name, at in (("BILLING", T0 + 101), ("BILLING-2", T0 + 100))
    )
    with pytest.raises(UsageError, match="two drafts of one subject"):
        parse(_forged(hall, changes=twice))


def test_a_request_whose_operator_replaces_another_than_it_brings_is_refused(hall: Hall) -> None:
    old, now = hall.operator_jwt(hall.signing, hall.ada, at=T0 - 10), hall.operator_jwt()
    again = draft(now.claims, hall.operator.public_key, T0 + 100)
    with pytest.raises(UsageError, match="replaces is not the operator of the request"):
        parse(_forged(hall, around=(), changes=(Change(again, old, "again", ()),)))


def test_a_result_whose_last_entries_are_cut_off_is_false_and_does_not_come_out_again(hall: Hall) -> None:
    request, result = hall.held()
    whole = json.loads(result)
    for left in range(len(whole["transcript"])):
        cut = documents.to_bytes(whole | {"transcript": whole["transcript"][:left]})
        found = hall.check(request, cut)
        assert (found.verdict, found.text) == (
            "false", "result.transcript stops before its end, and has receipts",
        )  # fmt: skip
        with contextlib.suppress(SeedlessError):
            assert not recompute(request, cut).agrees


def test_a_witness_is_reported_that_others_can_read_the_file_of_the_key(hall: Hall, cli: Cli) -> None:
    now = int(time.time())
    new = Change(hall.account_draft(hall.billing, "BILLING", now - 50), None, "new account", ("BILLING",))
    operator = hall.operator_jwt(at=now - 100)
    request = hall.request(Plan((new,), now - 50, ()), at=now - 50, operator=operator)
    asked, policy, key = (cli.home / name for name in ("request.json", "policy.toml", "ada.nk"))
    asked.write_bytes(request.data)
    policy.write_text(hall.witnessed_policy_text)
    key.write_text(hall.ada.reveal())
    words = (
        "ceremony",
        "witness",
        str(asked),
        "--policy",
        str(policy),
        "--key-file",
        str(key),
        "--first-use",
        "all",
        "--expect",
        request.digest,
        "--clock-checked",
        "-o",
        str(cli.home / "w"),
    )
    key.chmod(0o644)
    assert "others on this machine can read" in cli.ok(*words).err
    key.chmod(0o600)
    (cli.home / "w").unlink()
    done = cli.ok(*words)
    assert "others on this machine" not in done.err
    assert hall.ada.reveal() not in done.out + done.err


def test_a_lost_ledger_hides_no_ceremony_that_has_begun_and_it_can_be_given_up(hall: Hall, cli: Cli) -> None:
    there = dataclasses.replace(hall, folder=cli.store)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        there.sit(there.review_context(there.request()), keys=dataclasses.replace(there.keys, on_sign=stop))
    (cli.store / "ledger.json").unlink()
    begun, other, policy = (cli.home / name for name in ("begun.json", "other.json", "policy.toml"))
    begun.write_bytes(there.request().data)
    other.write_bytes(there.request(reason="another").data)
    policy.write_text(there.policy_text)
    words = ("ceremony", "review", str(other), "--policy", str(policy), "--first-use", "all")
    done = cli.run(*words)
    assert (done.code, "R005 request: must wait" in done.err) == (3, True)
    assert "ceremony abandon" in done.err
    digest = there.request().digest
    done = cli.ok("ceremony", "abandon", str(begun), "--expect", digest, "--json")
    assert (done.data["request"], done.data["signed"]) == (digest, 0)
    assert "R005" not in cli.run(*words).err
    assert cli.run("ceremony", "abandon", str(begun), "--expect", digest).code == 2


def test_a_ceremony_that_is_given_up_without_a_ledger_leaves_one_that_goes_on(hall: Hall) -> None:
    last = "a" * 64
    operator = str(hall.operator.public_key)
    after = hall.review_context(hall.request()).ledger.abandoned(operator, "b" * 64, "c" * 64, last)
    assert after.books[operator].last == last


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("ledger.json", id="the ledger"),
        pytest.param("ceremonies/{}/transcript.jsonl", id="the transcript"),
        pytest.param("ceremonies/{}", id="the folder"),
        pytest.param("elsewhere/../ceremonies/{}/x", id="below the folder, said otherwise"),
    ],
)
def test_an_output_in_the_place_of_a_file_of_the_ceremony_is_refused_before_anything_is_signed(
    hall: Hall, place: str
) -> None:
    request = hall.request()
    output = hall.folder / place.format(request.digest)
    (hall.folder / "elsewhere").mkdir()
    run = dataclasses.replace(hall.run(hall.review_context(request)), output=output)
    with pytest.raises(UsageError, match="where the ceremony keeps its own files"):
        offline.run_ceremony(
            run,
            review=lambda _plan, _report: True,
            keys=lambda: contextlib.nullcontext(hall.keys),
        )
    assert [path.name for path in hall.folder.iterdir()] == ["elsewhere"]


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "a line end": b"\n",
    "nested lists": b"[" * 200_000 + b"\n",
    "nested objects": b'{"a":' * 100_000 + b"\n",
    "a nested plan": b'{"format":"seedless ceremony request 1","plan":' + b"[" * 100_000 + b"\n",
    "no UTF-8": b"\xff\n",
    "no number": b"NaN\n",
    "half a character": b'"\\ud800"\n',
    "a number without end": b'{"at":' + b"9" * 5_000 + b"}\n",
    "infinity": b'{"expires":1e999}\n',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_get_a_verdict_and_a_page(hall: Hall, cli: Cli, name: str) -> None:
    request, result = hall.held()
    for number, files in enumerate(((HOSTILE[name], result), (request, HOSTILE[name]))):
        paths = []
        for what, data in zip(("request", "result"), files, strict=True):
            paths.append(cli.home / f"{what}-{number}")
            paths[-1].write_bytes(data)
        words = (*map(str, paths), "--operator-key", str(hall.operator.public_key))
        page = cli.home / f"page-{number}"
        checked = cli.run("ceremony", "check", *words, "--recompute")
        reported = cli.run("ceremony", "report", *words, "-o", str(page))
        assert (checked.code, reported.code) == (3, 3), (checked, reported)
        assert checked.out.startswith(("false: ", "incomplete: "))
        assert page.read_text().startswith("<!doctype html>")
