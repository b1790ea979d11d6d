"""Whatever is changed in the files of a ceremony afterwards, `check` finds it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from seedless import plan_file
from seedless.ceremony import transcript
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.statements import RECEIPT, ceremony_draft
from seedless.jwt import read
from seedless.nkey import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Hall = Any  # of conftest.py

STEP = 3
"""Every third byte is flipped, a bit that depends on where it is: some five thousand flips."""


@pytest.fixture(scope="module")
def hall(new_hall: Callable[[Path], Hall], tmp_path_factory: pytest.TempPathFactory) -> Hall:
    return new_hall(tmp_path_factory.mktemp("hall"))


@pytest.fixture(scope="module")
def held(hall: Hall) -> dict[str, bytes]:
    """The files of one ceremony."""
    request, result = hall.held()
    (path,) = hall.folder.rglob("transcript.jsonl")
    return {"request": request, "result": result, "transcript": path.read_bytes()}


def checked(hall: Hall, held: dict[str, bytes], what: str, data: bytes) -> Any:  # noqa: ANN401 - Checked
    files = held | {what: data}
    return hall.check(files["request"], files["transcript" if what == "transcript" else "result"])


def test_the_ceremony_is_complete_before_anything_is_changed(hall: Hall, held: dict[str, bytes]) -> None:
    found = hall.check(held["request"], held["result"])
    assert (found.verdict, found.text) == (CeremonyVerdict.COMPLETE, "2 jwts, 1 receipt")
    assert [one.issuer for one in found.witnesses] == [hall.ada.public_key, hall.bob.public_key]
    assert checked(hall, held, "transcript", held["transcript"]).verdict is CeremonyVerdict.INCOMPLETE


@pytest.mark.parametrize("what", ["request", "result", "transcript"])
def test_every_flip_of_a_bit_is_found(hall: Hall, held: dict[str, bytes], what: str) -> None:
    data = held[what]
    unseen = []
    for at in range(0, len(data), STEP):
        flipped = bytearray(data)
        flipped[at] ^= 1 << (at // STEP % 8)
        found = checked(hall, held, what, bytes(flipped))
        if found.verdict is not CeremonyVerdict.FALSE or not found.text:
            unseen.append((at, found))
    assert len(data) // STEP > 1000
    assert unseen == []


def leaves(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            yield (*path, name)
            yield from leaves(item, (*path, name))


def without(value: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401 - JSON
    made = copy.deepcopy(value)
    inner = made
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return made


@pytest.mark.parametrize("what", ["request", "result"])
def test_every_member_that_is_taken_away_is_missed(hall: Hall, held: dict[str, bytes], what: str) -> None:
    value = json.loads(held[what])
    paths = list(leaves(value))
    assert len(paths) > 20
    unseen = [
        path
        for path in paths
        if checked(hall, held, what, plan_file.canonical(without(value, path)) + b"\n").verdict
        is not CeremonyVerdict.FALSE
    ]
    assert unseen == []


def test_every_member_that_is_taken_away_from_a_transcript_is_missed(
    hall: Hall, held: dict[str, bytes]
) -> None:
    entries = [json.loads(line) for line in held["transcript"].splitlines()]
    unseen = []
    for path in leaves(entries):
        changed = without(entries, path)
        data = b"".join(transcript.line(entry) for entry in changed)
        found = checked(hall, held, "transcript", data)
        is_prefix = path == (len(entries) - 1,)  # without its last entry it is one that was interrupted
        if found.verdict is not (CeremonyVerdict.INCOMPLETE if is_prefix else CeremonyVerdict.FALSE):
            unseen.append((path, found))
    assert unseen == []


def chained(request: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return *entries* with every number and hash computed again."""
    made: list[dict[str, Any]] = []
    for entry in entries:
        said = {name: item for name, item in entry.items() if name not in {"n", "kind", "previous"}}
        made.append(transcript.entry_after(made, entry["kind"], request, said))
    return made


def forged(hall: Hall, held: dict[str, bytes], change: Callable[[list[Any]], None], **more: Any) -> Any:  # noqa: ANN401 - Checked
    """Check the result after *change* to its entries, every hash computed again."""
    value = json.loads(held["result"])
    entries = copy.deepcopy(value["transcript"])
    change(entries)
    value["transcript"] = chained(value["transcript"][0]["request"], entries)
    return hall.check(held["request"], plan_file.canonical(value | more) + b"\n")


def _swap(one: int, other: int) -> Callable[[list[Any]], None]:
    def change(entries: list[Any]) -> None:
        entries[one], entries[other] = entries[other], entries[one]

    return change


def _set(number: int, **members: object) -> Callable[[list[Any]], None]:
    return lambda entries: entries[number].update(members)


def _again(number: int) -> Callable[[list[Any]], None]:
    return lambda entries: entries.insert(number, copy.deepcopy(entries[number]))


def _drop(number: int) -> Callable[[list[Any]], None]:
    return lambda entries: entries.pop(number)


# The entries: 0 opened, 1 reviewed, 2 3 witnessed, 4 key, 5 intent, 6 signed, 7 intent, 8 signed, 9 ended.
FORGED: dict[str, tuple[Callable[[list[Any]], None], str]] = {
    "the first entry is missing": (_drop(0), "transcript[0] is reviewed, where opened has to be"),
    "a review is missing": (_drop(1), "transcript[1] is witnessed, where reviewed has to be"),
    "a witness is missing": (_drop(2), "1 of 2 witnesses have signed"),
    "a key is missing": (_drop(4), "transcript[4] is intent, where witnessed or readiness or key has to be"),
    "an intent is missing": (_drop(5), "transcript[5] is signed, where intent has to be"),
    "a signed jwt is missing": (_drop(6), "transcript[6] is intent, where signed has to be"),
    "the end is missing": (_drop(9), "stops before its end, and has receipts"),
    "witnesses are swapped": (_swap(2, 3), "receipts[0].sub is sha256:"),
    "intents are swapped": (_swap(5, 7), "transcript[5].change is 1, where 0 has to be"),
    "signed jwts are swapped": (_swap(6, 8), "transcript[6].change is 1, where 0 has to be"),
    "a witness stands twice": (_again(2), "a witness has signed twice, and counts once"),
    "a key stands twice": (_again(4), "transcript[5] is key, where intent has to be"),
    "an intent stands twice": (_again(5), "transcript[6] is intent, where signed has to be"),
    "the end stands twice": (_again(9), "transcript[10] is ended, where no entry has to be"),
    "another time": (_set(0, at=1_800_000_199), "receipts[0].sub is sha256:"),
    "a time before that of the entry before": (_set(4, at=1_800_000_199), "transcript[4].at is earlier than"),
    "a time before the preparation": (_set(0, at=1_799_999_000), "transcript[0].at is not between"),
    "a time after the expiry": (_set(0, at=1_900_000_000), "transcript[0].at is not between"),
    "another program": (_set(0, tool="seedless 9"), "receipts[0].sub is sha256:"),
    "other people": (_set(0, present=["Mallory"]), "receipts[0].sub is sha256:"),
    "people who deceive": (_set(0, present=["Gr\u202eace"]), "characters that cannot be seen"),
    "a mark": (_set(0, mark="REHEARSAL"), "transcript[0].mark is not that of the request"),
    "another format": (_set(0, format="seedless ceremony transcript 2"), "transcript[0].format is not"),
    "another request": (_set(0, request="0" * 64), "transcript[0].request is 0000"),
    "a policy without witnesses": (_set(1, policy="{}"), "transcript[1].policy: this is not a valid policy"),
    "a policy in another spelling": (_set(1, policy='{"operator": ""}'), "transcript[1].policy: this is no"),
    "no policy": (_set(1, policy="none"), "transcript[1].policy: this is not a policy"),
    "a policy that is not an object": (_set(1, policy="[]"), "transcript[1].policy: this is not a policy"),
    "a policy without end": (_set(1, policy="[" * 100_000), "transcript[1].policy: this is not a policy"),
    "something lifted": (_set(1, lifted=["C014 account ORDERS"]), "signed with other findings waived"),
    "a finding": (_set(1, findings=["warning: C001 account ORDERS: odd"]), "receipts[0].sub is sha256:"),
    "a finding against it": (_set(1, findings=["error: P005 account ORDERS: no"]), "findings holds an error"),
    "what the driver says": (_set(4, says={"token": "safe"}), "receipts[0].sub is sha256:"),
    "another key": (_set(4, public_key="OABC"), "transcript[4].public_key is OABC"),
    "another intent": (_set(5, sha256="0" * 64), "sha256 is not that of request.plan.changes[0].draft"),
    "another count": (_set(9, signed=3), "transcript[9].signed is 3, and 2 jwts are signed"),
    "an unknown kind": (_set(9, kind="signed off"), "is no entry of a transcript, where ended has to be"),
    "an unknown member": (_set(9, by="Grace"), "transcript[9].by is not known"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_transcript_is_found_though_every_hash_is_right(
    hall: Hall, held: dict[str, bytes], name: str
) -> None:
    change, sentence = FORGED[name]
    found = forged(hall, held, change)
    assert found.verdict is CeremonyVerdict.FALSE
    assert sentence in found.text


def test_a_number_that_was_changed_is_found_though_the_hashes_are_right(
    hall: Hall, held: dict[str, bytes]
) -> None:
    lines = held["transcript"].splitlines(keepends=True)
    last = json.loads(lines[-1]) | {"n": 10}
    found = checked(hall, held, "transcript", b"".join([*lines[:-1], transcript.line(last)]))
    assert (found.verdict, found.text) == (CeremonyVerdict.FALSE, "transcript[9].n is 10, not 9")


def test_a_jwt_of_another_draft_is_found(hall: Hall, held: dict[str, bytes]) -> None:
    other = json.loads(held["result"])["transcript"][8]["jwt"]
    found = forged(hall, held, _set(6, jwt=other))
    assert found.verdict is CeremonyVerdict.FALSE
    assert found.text == "result.transcript[6].jwt is not that of request.plan.changes[0].draft"


@pytest.mark.parametrize("said", [{}, {"request": "0" * 64}, {"request": None, "more": "x"}])
def test_a_receipt_with_other_content_is_found(
    hall: Hall, held: dict[str, bytes], said: dict[str, Any]
) -> None:
    value = json.loads(held["result"])
    right = read(value["receipts"][0])
    if said.get("request", "") is None:
        said = said | {"request": right.claims.body.data["request"]}
    one = ceremony_draft(
        RECEIPT, right.claims.sub.removeprefix("sha256:"), said, right.issuer, right.issued_at
    )
    receipt = one.complete(hall.signing.sign(one.signing_input)).text
    found = forged(hall, held, lambda _: None, receipts=[receipt])
    assert (found.verdict, found.text) == (
        CeremonyVerdict.FALSE, "result.receipts[0] differs from what it should contain",
    )  # fmt: skip


def test_a_receipt_by_another_key_is_found(hall: Hall, held: dict[str, bytes]) -> None:
    digest = transcript.digest(json.loads(held["result"])["transcript"])
    receipt = read(json.loads(held["result"])["receipts"][0])
    assert receipt.claims.sub == f"sha256:{digest}"
    assert receipt.issuer == hall.signing.public_key
    own = _receipt(hall, hall.operator, digest, receipt.issued_at, held)
    found = forged(hall, held, lambda _: None, receipts=[own])
    assert (found.verdict, found.text[:27]) == (CeremonyVerdict.FALSE, "result.receipts[0].iss is O")


def _receipt(hall: Hall, key: Any, digest: str, at: int, held: dict[str, bytes]) -> str:  # noqa: ANN401 - a SoftwareKey
    said = {"request": plan_file.digest(held["request"])}
    one = ceremony_draft(RECEIPT, digest, said, key.public_key, at)
    return str(one.complete(key.sign(one.signing_input)).text)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        pytest.param(0, "result.receipts holds 0, and 1 keys have signed", id="none"),
        pytest.param(2, "result.receipts holds 2, and 1 keys have signed", id="one too many"),
    ],
)
def test_receipts_are_counted(hall: Hall, held: dict[str, bytes], count: int, sentence: str) -> None:
    receipts = json.loads(held["result"])["receipts"] * count
    found = forged(hall, held, lambda _: None, receipts=receipts)
    assert (found.verdict, found.text) == (CeremonyVerdict.FALSE, sentence)


def test_a_jwt_of_the_ceremony_is_no_receipt(hall: Hall, held: dict[str, bytes]) -> None:
    jwt = json.loads(held["result"])["transcript"][6]["jwt"]
    found = forged(hall, held, lambda _: None, receipts=[jwt])
    assert (found.verdict, found.text) == (CeremonyVerdict.FALSE, "result.receipts[0] holds account claims")


def test_the_result_of_a_request_with_the_same_drafts_is_found(
    new_hall: Callable[[Path], Hall], hall: Hall, held: dict[str, bytes], tmp_path: Path
) -> None:
    other = new_hall(tmp_path)
    request = other.request(reason="another")
    other.sit(other.review_context(request))
    found = hall.check(request.data, held["result"])
    assert found.verdict is CeremonyVerdict.FALSE
    asked = plan_file.digest(held["request"])
    assert found.text == f"the result is that of the request {asked}, and this request is {request.digest}"
    assert found.hint == "the request was changed, or prepared again, after this was signed"


def test_another_operator_than_the_pinned_one_is_found(hall: Hall, held: dict[str, bytes]) -> None:
    from seedless.ceremony.check import check

    stranger = type(hall.operator).generate(Role.OPERATOR).public_key
    found = check(held["request"], held["result"], stranger)
    assert found.verdict is CeremonyVerdict.FALSE
    assert (
        found.text == f"request.operator is {hall.operator.public_key}, and the pinned operator is {stranger}"
    )


def test_another_policy_than_the_named_one_is_found(hall: Hall, held: dict[str, bytes]) -> None:
    policy = hall.policy(hall.witnessed_policy_text).digest
    assert hall.check(held["request"], held["result"], policy=policy).verdict is CeremonyVerdict.COMPLETE
    found = hall.check(held["request"], held["result"], policy=hall.policy().digest)
    assert found.verdict is CeremonyVerdict.FALSE
    assert found.text.startswith(f"transcript[1].policy is {policy}, and the policy that was named is")
    assert found.hint == "each transcript has the policy of its time: name the one that was written down then"


def _reordered(data: bytes) -> bytes:
    value = json.loads(data)
    return json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode() + b"\n"


SPELLED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "members reordered": (_reordered, "is not canonical JSON"),
    "a space": (lambda data: data.replace(b'"kind":', b'"kind": ', 1), "is not canonical JSON"),
    "an escaped name": (lambda data: data.replace(b'"kind"', b'"k\\u0069nd"', 1), "is not canonical JSON"),
    "an explicit zero": (lambda data: data.replace(b'"n":0', b'"n":0,"nn":0', 1), ".nn is not known"),
    "a name twice": (lambda data: data.replace(b'"n":0', b'"n":0,"n":0', 1), "the name occurs twice"),
    "a folded name": (lambda data: data.replace(b'"kind":', b'"Kind":', 1), "is not canonical JSON"),
    "a number in another spelling": (lambda data: data.replace(b'"n":0', b'"n":0.0', 1), "is not canonical"),
    "cut off": (lambda data: data[: len(data) // 2], "was cut off"),
    "empty lines at its end": (lambda data: data + b"\n", ""),
}


@pytest.mark.parametrize("name", SPELLED)
def test_a_result_in_another_spelling_is_found(hall: Hall, held: dict[str, bytes], name: str) -> None:
    change, sentence = SPELLED[name]
    data = change(held["result"])
    assert data != held["result"]
    found = hall.check(held["request"], data)
    assert found.verdict is CeremonyVerdict.FALSE
    assert sentence in found.text
