"""The ledger as a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import Account, Activation, Operator
from seedless.errors import StoreError
from seedless.jwt import Claims, draft
from seedless.ledger import LastJwt, Ledger, OperatorRecord, load
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.jwt import Jwt

REQUEST, TRANSCRIPT = "1" * 64, "2" * 64
OPERATOR = SoftwareKey(Role.OPERATOR, b"o" * 32)
ACCOUNT = SoftwareKey(Role.ACCOUNT, b"a" * 32)


def signed(body: Any, key: SoftwareKey, subject: SoftwareKey, at: int = 1_800_000_000) -> Jwt[Any]:  # noqa: ANN401 - any body
    one = draft(Claims(sub=str(subject.public_key), name="x", body=body), key.public_key, at)
    return one.complete(key.sign(one.signing_input))


def test_a_missing_file_is_an_empty_ledger(tmp_path: Path) -> None:
    assert load(tmp_path / "ledger.json") == Ledger()


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    account = signed(Account.new(), OPERATOR, ACCOUNT)
    book = OperatorRecord().ended(REQUEST, TRANSCRIPT, [account])
    ledger = Ledger().with_book("O1", book).with_open("O2", REQUEST)
    (tmp_path / "ledger.json").write_text(ledger.text())
    found = load(tmp_path / "ledger.json")
    assert found == ledger
    assert found.books["O1"].last == TRANSCRIPT
    assert found.books["O1"].requests == {REQUEST: TRANSCRIPT}
    assert found.books["O1"].subjects == {str(ACCOUNT.public_key): LastJwt.of(account)}
    assert found.open == {"O2": REQUEST}


def test_the_last_jwt_of_a_subject_is_kept_and_activations_are_not() -> None:
    first, second = (signed(Account.new(), OPERATOR, ACCOUNT, at) for at in (1_800_000_000, 1_800_000_001))
    leave = signed(Activation(subject="a", import_type="stream"), ACCOUNT, ACCOUNT)
    operator = signed(Operator.new(), OPERATOR, OPERATOR)
    book = OperatorRecord().ended(REQUEST, TRANSCRIPT, [operator, first, second, leave])
    assert {sub: known.issued_at for sub, known in book.subjects.items()} == {
        str(OPERATOR.public_key): 1_800_000_000,
        str(ACCOUNT.public_key): 1_800_000_001,
    }


def test_a_ceremony_that_ends_closes_the_request_of_its_operator_alone() -> None:
    ledger = Ledger().with_open("O1", REQUEST).with_open("O2", REQUEST)
    assert ledger.with_book("O1", OperatorRecord()).open == {"O2": REQUEST}


DAMAGED = {
    "no JSON": ("{", "not JSON"),
    "another version": ('{"version":2,"open":{},"operators":{}}', "it is of version 2, this program reads 1"),
    "a member missing": ('{"version":1,"operators":{}}', "open is missing"),
    "an unknown member": ('{"version":1,"open":{},"operators":{},"x":1}', "x is not known"),
    "an open request that is not a digest": (
        '{"version":1,"open":{"O1":"x"},"operators":{}}', "open holds something",
    ),
    "a book that is a list": (
        '{"version":1,"open":{},"operators":{"O1":[]}}', "operators.O1 is not an object",
    ),
    "a last ceremony that is not a digest": (
        '{"version":1,"open":{},"operators":{"O1":{"last":"X","requests":{},"subjects":{}}}}',
        "not a SHA-256",
    ),
    "a subject without a time": (
        json.dumps({"version": 1, "open": {}, "operators": {"O1": {
            "last": None, "requests": {}, "subjects": {"A1": {"sha256": REQUEST}}}}}),
        "operators.O1.subjects.A1.iat is missing",
    ),
    "a subject whose time is true": (
        json.dumps({"version": 1, "open": {}, "operators": {"O1": {
            "last": None, "requests": {}, "subjects": {"A1": {"sha256": REQUEST, "iat": True}}}}}),
        "operators.O1.subjects.A1.iat is not an integer",
    ),
    "a digest in capitals": (
        json.dumps({"version": 1, "open": {}, "operators": {"O1": {
            "last": None, "requests": {}, "subjects": {"A1": {"sha256": "A" * 64, "iat": 1}}}}}),
        "operators.O1.subjects.A1.sha256 is not a SHA-256",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_ledger_is_refused_with_the_place(tmp_path: Path, name: str) -> None:
    text, sentence = DAMAGED[name]
    (tmp_path / "ledger.json").write_text(text)
    with pytest.raises(StoreError, match=r"ledger.json is damaged") as caught:
        load(tmp_path / "ledger.json")
    assert sentence in caught.value.message
    assert caught.value.hint == "restore it from a backup; do not sign without it"
