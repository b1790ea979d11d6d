"""Hostile JSON in the files of a ceremony, by somebody who has the keys: hashes and receipts are right.

Whatever stands there, a check, a report and a recomputation end in a verdict or in a sentence.
"""

from __future__ import annotations

import contextlib
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony import documents, transcript
from seedless.ceremony.check import recompute
from seedless.ceremony.report import report
from seedless.ceremony.request import parse
from seedless.ceremony.statements import receipt_drafts
from seedless.errors import SeedlessError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.ceremony.request import CeremonyRequest

    Hall = Any  # the fixture beside this file
    Path_ = tuple[str | int, ...]

HOSTILE: dict[str, object] = {
    "null": None,
    "true": True,
    "zero": 0,
    "below zero": -1,
    "the largest integer": 2**63 - 1,
    "empty text": "",
    "text": "x",
    "markup": "<script>alert(1)</script>\u202e\x1b[31m",
    "a digest of nothing": "0" * 64,
    "a jwt of nothing": "eyJhbGciOiJub25lIn0.e30.",
    "an empty list": [],
    "a list": [None, {}, []],
    "an empty object": {},
    "an object": {"a": {"b": [1]}, "__class__": "x"},
    "deep": {"a": [[[[[[[[[[]]]]]]]]]]},
    "policy text": 'operator = "O"\n[witnesses]\nkeys = 1\n',
    "TOML that is none": "[[[\x00",
    "canonical JSON for a policy": '{"operator":1,"witnesses":{"keys":[[]],"threshold":-1}}',
}


def paths(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of everything in a JSON *value*, but for the whole."""
    items: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, item in items:
        yield (*path, name)
        yield from paths(item, (*path, name))


def replaced(value: Any, path: Path_, new: object) -> Any:  # noqa: ANN401 - JSON
    changed = copy.deepcopy(value)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = new
    return changed


_CHAINED = {"kind", "n", "previous"}


def forgeries(hall: Hall, request: CeremonyRequest, original: list[Any]) -> tuple[bytes, bytes]:
    """Return a result and a transcript of these entries, their hashes and receipts right."""
    entries: list[Any] = []
    for one in original:
        said = {name: item for name, item in one.items() if name not in _CHAINED}
        entries.append(transcript.entry_after(entries, one["kind"], request.digest, said))
    drafts = receipt_drafts(request, transcript.digest(entries), request.plan.prepared_at + 100)
    receipts = [hall.signed(one).text for one in drafts]
    return transcript.to_bytes(entries, receipts), b"".join(documents.to_bytes(one) for one in entries)


def read_all(hall: Hall, request: bytes, held: bytes) -> None:
    """Let everything read the files that reads them afterwards; nothing but `SeedlessError` may come out."""
    try:
        page = report(hall.check(request, held))
    except SeedlessError:
        pass
    else:
        page.encode("utf-8")
        assert "<script>" not in page
    with contextlib.suppress(SeedlessError):
        recompute(request, held)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_transcript_with_hostile_json_ends_in_a_verdict(hall: Hall, value: object) -> None:
    data, held = hall.held()
    request, original = parse(data), json.loads(held)["transcript"]
    count = 0
    for number, entry in enumerate(original):
        for path in paths(entry):
            if path[0] not in _CHAINED:
                changed = [*original[:number], replaced(entry, path, value), *original[number + 1 :]]
                for forged in forgeries(hall, request, changed):
                    read_all(hall, data, forged)
                count += 1
    assert count > 20


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_transcript_with_a_hostile_policy_ends_in_a_verdict(hall: Hall, value: object) -> None:
    data, held = hall.held()
    request, original = parse(data), json.loads(held)["transcript"]
    (number,) = (at for at, entry in enumerate(original) if "policy" in entry)
    policy = json.loads(original[number]["policy"])
    for path in paths(policy):
        text = documents.to_bytes(replaced(policy, path, value)).decode().strip()
        changed = replaced(original, (number, "policy"), text)
        for forged in forgeries(hall, request, changed):
            read_all(hall, data, forged)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_request_or_a_result_with_hostile_json_ends_in_a_verdict(hall: Hall, value: object) -> None:
    files = hall.held()
    for number in (0, 1):
        content = json.loads(files[number])
        for path in paths(content):
            given = list(files)
            given[number] = documents.to_bytes(replaced(content, path, value))
            read_all(hall, *given)


@pytest.mark.parametrize(
    "junk",
    [b"", b"\xff", b"{", b"[]", b"null", b"1e999", b'"\\ud800"', b"{}{}", b"[" * 100_000, b'{"a":1,"a":2}'],
    ids=["empty", "no text", "half", "a list", "null", "huge", "surrogate", "two", "deep", "twice"],
)  # fmt: skip
def test_what_is_no_file_of_a_ceremony_ends_in_a_sentence(hall: Hall, junk: bytes) -> None:
    request, held = hall.held()
    read_all(hall, junk, held)
    read_all(hall, request, junk)
