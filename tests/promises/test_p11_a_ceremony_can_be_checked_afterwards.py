"""Promise 11: a ceremony can be checked afterwards by somebody who was not there, with public material alone.

The auditor has a folder of their own with request and result, the public key of the operator, and nothing of
the environment in which the ceremony was held. tests/ceremony/test_tampering.py flips the files bit by bit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from nacl.signing import VerifyKey

from seedless.nkey import PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py


@dataclass(frozen=True)
class Auditor:
    """Somebody with request and result in a folder, and the operator's public key on paper."""

    folder: Path
    operator: str

    def check(self, result: str = "first.result", *more: str, key: str = "") -> tuple[int, Any]:
        """Check with a bare environment, and return the exit code and what was printed."""
        pinned = ("--operator-key", key or self.operator)
        words = ("ceremony", "check", "first.json", result, *pinned, *more, "--json")
        done = subprocess.run(
            [sys.executable, "-m", "seedless", *words],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            cwd=self.folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)


@dataclass(frozen=True)
class Held:
    """The home of a ceremony that was held, what it read aloud, and the auditor who comes later."""

    cli: Cli
    said: dict[str, Any]
    auditor: Auditor


@pytest.fixture
def held(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Held:
    policy, keys = cli.home / "policy.toml", cli.home / "keys.json"
    cli.ok("ceremony", "keygen", "ACME", "--holder", "Ada", "--policy-out", str(policy), "-o", str(keys))
    cli.ok("ceremony", "keys", str(keys))
    cli.env["SEEDLESS_POLICY"] = str(policy)
    plan, request, result = (cli.home / name for name in ("first.plan", "first.json", "first.result"))
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key", "--plan", str(plan))
    cli.ok("ceremony", "prepare", str(plan), "--reason", "the first", "--by", "Ada", "-o", str(request))
    words = ("--expect", hashlib.sha256(request.read_bytes()).hexdigest(), "--clock-checked", "--json")
    said = cli.ok("ceremony", "sign", str(request), "-o", str(result), *words, "--present", "Bob").data
    folder = tmp_path_factory.mktemp("auditor")
    for path in (request, result):
        (folder / path.name).write_bytes(path.read_bytes())
    return Held(cli, said, Auditor(folder, tomllib.loads(policy.read_text())["operator"]))


def canonical(value: object) -> bytes:
    """RFC 8785 for what a ceremony holds: no floats, and names in ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def digest(value: object) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def said_in(part: str) -> Any:  # noqa: ANN401 - what JSON holds
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def test_somebody_who_was_not_there_finds_a_ceremony_complete(held: Held) -> None:
    code, found = held.auditor.check()
    assert (code, found["verdict"], found["text"]) == (0, "complete", "3 jwts, 3 receipts")
    assert (found["reason"], found["prepared_by"], found["present"]) == ("the first", "Ada", ["Bob"])
    assert found["transcript"] == held.said["transcript"]
    assert sorted(path.name for path in held.auditor.folder.iterdir()) == ["first.json", "first.result"]


def test_it_can_be_computed_anew_and_what_no_file_proves_is_named(held: Held) -> None:
    code, found = held.auditor.check("first.result", "--recompute")
    assert (code, found["recomputed"]) == (0, {"agrees": True, "text": "every byte agrees"})
    assert found["compare_with_paper"] == ["request", "policy", "transcript"]


def test_a_file_that_is_another_is_named_and_not_called_false(held: Held) -> None:
    (held.auditor.folder / "mine").write_bytes((held.auditor.folder / "first.json").read_bytes())
    code, found = held.auditor.check("mine")
    assert code == 2
    assert found["error"]["message"] == (
        "mine is the request of a ceremony, and the result of a ceremony is needed"
    )


def test_it_can_be_checked_without_this_program(held: Held) -> None:
    request = (held.auditor.folder / "first.json").read_bytes()
    result = json.loads((held.auditor.folder / "first.result").read_bytes())
    entries = result["transcript"]
    before = hashlib.sha256(request).hexdigest()
    for entry in entries:
        assert entry["previous"] == before
        before = digest(entry)
    assert before == held.said["transcript"]

    signed = [entry["jwt"] for entry in entries if entry["kind"] == "signed"]
    drafts = [change["draft"] for change in json.loads(request)["plan"]["changes"]]
    assert [jwt.rpartition(".")[0] for jwt in signed] == drafts
    for jwt in (*signed, *result["receipts"]):
        message, _, signature = jwt.rpartition(".")
        issuer = PublicKey.parse(said_in(message.split(".")[1])["iss"])
        VerifyKey(issuer.raw).verify(message.encode(), base64.urlsafe_b64decode(signature + "=="))
    receipts = [said_in(jwt.split(".")[1]) for jwt in result["receipts"]]
    assert {one["sub"] for one in receipts} == {f"sha256:{before}"}
    assert {one["iss"] for one in receipts} == {said_in(jwt.split(".")[1])["iss"] for jwt in signed}


def edited(text: str, change: Callable[[Any], object]) -> str:
    value = json.loads(text)
    change(value)
    return canonical(value).decode() + "\n"


def chained(result: dict[str, Any], request: str) -> None:
    """Compute the hashes of the transcript anew, as a forger would."""
    before = request
    for entry in result["transcript"]:
        entry["previous"] = before
        before = digest(entry)


def forged_presence(result: dict[str, Any]) -> None:
    result["transcript"][0]["present"] = ["Eve"]
    chained(result, result["transcript"][0]["request"])


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "somebody else was present": (
        lambda result: result["transcript"][0].update(present=["Eve"]), "false", "transcript[1].previous",
    ),
    "and every hash computed anew": (forged_presence, "false", "receipts[0]"),
    "a receipt is missing": (lambda result: result["receipts"].pop(), "false", "and 3 keys have signed"),
    "a signature is missing": (lambda result: result["transcript"].pop(6), "false", "transcript[6]"),
    "the end is missing": (lambda result: result["transcript"].pop(), "false", "before its end"),
}  # fmt: skip


def test_what_was_changed_afterwards_is_false_with_its_place(held: Held) -> None:
    text = (held.auditor.folder / "first.result").read_text()
    for name, (change, verdict, place) in CHANGES.items():
        (held.auditor.folder / "changed").write_text(edited(text, change))
        code, found = held.auditor.check("changed")
        assert (code, found["verdict"], place in found["text"]) == (3, verdict, True), (name, found)


def test_another_operator_than_the_pinned_one_is_false(held: Held) -> None:
    other = "OCLBDDFSY6QJOLIORRD7OVAMEQWMV4HQB6FKHYZHDGRQYGPX72H4OUCP"
    code, found = held.auditor.check(key=other)
    assert (code, found["verdict"]) == (3, "false")
    assert f"the pinned operator is {other}" in found["text"]


def test_a_ceremony_without_receipts_is_never_complete(held: Held) -> None:
    (transcript,) = held.cli.store.rglob("transcript.jsonl")
    (held.auditor.folder / "interrupted").write_bytes(transcript.read_bytes())
    code, found = held.auditor.check("interrupted")
    assert (code, found["verdict"]) == (3, "incomplete")
