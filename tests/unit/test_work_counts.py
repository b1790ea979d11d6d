"""Guards against slowness that count work, not seconds: what is done for a jwt is done just so often."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless import base64url, nkey, wire
from seedless.change import Context, Statement
from seedless.claims import Account, Export, Operator, Scope, Template, User, canonical, codec
from seedless.errors import StoreError
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import PublicKey, Role
from seedless.rules import judge_statement, places
from seedless.seeds import SoftwareKey
from seedless.store import NscStore, create_store
from seedless.verification import verify_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = 1_700_000_000
OPERATOR = SoftwareKey(Role.OPERATOR, bytes(32))
OWNER = SoftwareKey(Role.ACCOUNT, bytes(32))


class Counting:
    """Stands before an encoder or a decoder, and counts its use under a name."""

    def __init__(self, real: Any, counts: Counter[str], name: str) -> None:  # noqa: ANN401 - either of msgspec's
        self._real, self._counts, self._name = real, counts, name

    def encode(self, value: object) -> bytes:
        self._counts[self._name] += 1
        written: bytes = self._real.encode(value)
        return written

    def decode(self, data: Any) -> Any:  # noqa: ANN401 - bytes and text
        self._counts[self._name] += 1
        return self._real.decode(data)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the passes over JSON and base64, signatures verified, digests, and fsyncs."""
    counted: Counter[str] = Counter()
    decoders = {kind: Counting(codec._decoder(kind), counted, "decode") for kind in codec.KINDS}
    monkeypatch.setattr(codec, "_decoder", decoders.__getitem__)
    monkeypatch.setattr(wire, "_ENCODER", Counting(wire._ENCODER, counted, "encode"))
    monkeypatch.setattr(base64url, "_ENCODER", Counting(base64url._ENCODER, counted, "to base64"))
    monkeypatch.setattr(base64url, "_DECODER", Counting(base64url._DECODER, counted, "from base64"))
    monkeypatch.setattr(wire, "parse", _counted(wire.parse, counted, "parse"))
    monkeypatch.setattr(os, "fsync", _counted(os.fsync, counted, "fsync"))
    opened, bad = nkey._libsodium()
    monkeypatch.setattr(nkey, "_libsodium", lambda: (_counted(opened, counted, "verify"), bad))
    return counted


def _counted(real: Callable[..., Any], counts: Counter[str], name: str) -> Callable[..., Any]:
    def counting(*given: object) -> object:
        counts[name] += 1
        return real(*given)

    return counting


def key(role: Role, number: int) -> str:
    return str(PublicKey(role, number.to_bytes(32, "big")))


def signed(claims: Claims[Any], by: SoftwareKey = OPERATOR) -> Jwt[Any]:
    made = draft(claims, by.public_key, NOW)
    return made.complete(by.sign(made.signing_input))


def account(name: str = "ORDERS") -> Claims[Account]:
    scope = Scope(key=key(Role.ACCOUNT, 9), role="reader", template=Template())
    exports = (Export(subject="a.>", type="stream"), Export(subject="b.<c>", type="service"))
    body = msgspec.structs.replace(Account.new(), exports=exports, signing_keys=(scope,))
    return Claims(sub=str(OWNER.public_key), name=name, body=body)


def test_reading_decodes_once_encodes_once_and_verifies_once(counts: Counter[str]) -> None:
    text = signed(account()).text
    counts.clear()
    read(text)
    assert counts == {"from base64": 2, "decode": 1, "encode": 1, "verify": 1}


def test_a_draft_is_written_once_read_back_once_and_written_once_more(counts: Counter[str]) -> None:
    draft(account(), OPERATOR.public_key, NOW)
    assert counts == {"encode": 3, "decode": 1, "to base64": 1}  # one of the three is for the id


def test_a_jwt_is_completed_with_one_verification(counts: Counter[str]) -> None:
    made = draft(account(), OPERATOR.public_key, NOW)
    signature = OPERATOR.sign(made.signing_input)
    counts.clear()
    made.complete(signature)
    assert counts == {"to base64": 1, "verify": 1}


def test_claims_that_are_not_canonical_yet_are_the_only_ones_that_are_looked_at_twice(
    counts: Counter[str],
) -> None:
    claims = account()
    body = msgspec.structs.replace(claims.body, exports=tuple(reversed(claims.body.exports)))
    made = draft(msgspec.structs.replace(claims, body=body), OPERATOR.public_key, NOW)
    assert [export.subject for export in made.claims.body.exports] == ["a.>", "b.<c>"]
    assert counts["decode"] == 3


def test_a_key_is_parsed_once_however_often_it_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: Counter[str] = Counter()
    monkeypatch.setattr(nkey, "unpack", _counted(nkey.unpack, counted, "unpack"))
    text = key(Role.ACCOUNT, 10**9)
    assert PublicKey.parse(text) is PublicKey.parse(text)
    assert counted == {"unpack": 1}


def test_nothing_is_fitted_that_comes_back_from_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the long way was taken")

    monkeypatch.setattr(canonical, "_fitted", refuse)
    assert draft(account(), OPERATOR.public_key, NOW).claims == account()


def fill(root: Path, users: int) -> NscStore:
    store = create_store(root, "ACME")
    store.put(
        {
            (): signed(Claims(sub=str(OPERATOR.public_key), name="ACME", body=Operator.new())),
            ("ORDERS",): signed(account()),
            **{
                ("ORDERS", f"u{n}"): signed(
                    Claims(sub=key(Role.USER, n), name=f"u{n}", body=User.new()), OWNER
                )
                for n in range(users)
            },
        }
    )
    return store


def test_one_jwt_is_recorded_with_two_syncs_its_file_and_its_folder(
    tmp_path: Path, counts: Counter[str]
) -> None:
    store = fill(tmp_path, 1)
    again = signed(account())
    counts.clear()
    store.put({("ORDERS",): again})
    assert counts == {"fsync": 2}


def test_many_jwts_are_recorded_with_one_sync_each_and_one_for_their_folder(
    tmp_path: Path, counts: Counter[str]
) -> None:
    store = fill(tmp_path, 1)
    jwts = {
        ("ORDERS", f"v{n}"): signed(Claims(sub=key(Role.USER, n), name=f"v{n}", body=User.new()), OWNER)
        for n in range(50)
    }
    counts.clear()
    store.put(jwts)
    assert counts == {"fsync": 51}


def test_while_the_lock_is_held_a_file_is_verified_once_and_again_when_it_holds_another_jwt(
    tmp_path: Path, counts: Counter[str]
) -> None:
    store = fill(tmp_path, 1)
    place = store.path("ORDERS", "u0")
    counts.clear()
    with store.lock():
        assert store.get("ORDERS", "u0") is store.get("ORDERS", "u0")
        assert counts["verify"] == 1
        place.write_text(place.read_text().replace(".", "..", 1))
        with pytest.raises(StoreError, match="is damaged"):
            store.get("ORDERS", "u0")
    assert store.get("ORDERS") is not store.get("ORDERS")


def test_a_store_is_verified_with_one_verification_for_each_jwt_and_two_for_its_operator(
    tmp_path: Path, counts: Counter[str]
) -> None:
    fill(tmp_path, 30)
    counts.clear()
    assert all(verdict.ok for verdict in verify_store(tmp_path, "ACME", NOW))
    assert counts["verify"] == 32 + 1
    assert counts["decode"] == 32 + 1
    assert counts["parse"] == 0


def test_a_file_is_read_in_one_call_into_room_for_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = os.read

    def spy(descriptor: int, size: int) -> bytes:
        asked.append(size)
        return real(descriptor, size)

    store = fill(tmp_path, 1)
    size = store.path("ORDERS").stat().st_size
    monkeypatch.setattr(os, "read", spy)
    store.get("ORDERS")
    assert asked == [size + 1]


def test_permissions_and_subjects_are_walked_once_for_all_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: Counter[str] = Counter()
    monkeypatch.setattr(places, "entries", _counted(places.entries, counted, "walk"))
    for number in (1, 2):
        claims = Claims(sub=key(Role.USER, number), name="u", body=User.new())
        list(judge_statement(Statement(claims, str(OWNER.public_key), NOW), Context(NOW)))
    assert counted == {"walk": 2}
