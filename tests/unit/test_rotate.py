"""Rotation: which key is replaced, what is next, and who is connected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.app.identity import new_identity
from seedless.app.rotations.operator import RotationStage, ServersSeen, ServerTrust, stage_of
from seedless.app.rotations.replacement import (
    KeyReplacement,
    find_replacement,
    replacement_key,
    with_new,
    without,
)
from seedless.claims import Account, Operator, Scope, Template
from seedless.errors import ServerError, UsageError
from seedless.jwt import Claims, draft
from seedless.nkey import PublicKey, Role
from seedless.resolver.connections import CONNZ, PAGE, ConnectedClient, connected
from seedless.resolver.protocol import AccountServer
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import NewKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.resolver.cluster import Question


def key(role: Role, number: int) -> PublicKey:
    return PublicKey(role, bytes([number]) * 32)


A1, A2, A3 = (key(Role.ACCOUNT, number) for number in (1, 2, 3))
O1, O2, O3 = (key(Role.OPERATOR, number) for number in (1, 2, 3))


def account(*keys: PublicKey | Scope) -> Claims[Any]:
    entries = tuple(one if isinstance(one, Scope) else str(one) for one in keys)
    return Claims(sub=str(key(Role.ACCOUNT, 9)), name="ORDERS", body=Account(signing_keys=entries))


def operator(*keys: PublicKey) -> Claims[Any]:
    body = Operator(signing_keys=tuple(map(str, keys)))
    return Claims(sub=str(key(Role.OPERATOR, 9)), name="ACME", body=body)


AFTER_A1 = {replacement_key("ORDERS", A1): A2}


def test_a_new_key_is_named_after_the_one_that_gives_way() -> None:
    assert replacement_key("ORDERS", A1) == NewKey(Role.ACCOUNT, "ORDERS after AAAQCAIBAEAQ")
    assert len(replacement_key("x" * 300, A1).name) == 150 + len(" after ") + 12


@pytest.mark.parametrize(
    ("claims", "made", "wanted", "found"),
    [
        pytest.param(account(A1), {}, {}, (A1, None), id="the only one"),
        pytest.param(account(A1), AFTER_A1, {}, (A1, A2), id="its successor is made already"),
        pytest.param(account(A1, A2), AFTER_A1, {}, (A1, A2), id="both are listed"),
        pytest.param(account(A1, A2, A3), AFTER_A1, {}, (A1, A2), id="a third one is left alone"),
        pytest.param(account(A2), AFTER_A1, {}, (A2, None), id="the next rotation"),
        pytest.param(account(A1, A3), {}, {"key": str(A3)}, (A3, None), id="named"),
        pytest.param(account(A1, A2), {}, {"new": A2}, (A1, A2), id="the new one is given"),
        pytest.param(account(A1, Scope(key=str(A3), role="r")), {}, {"key": "r"}, (A3, None), id="a role"),
        pytest.param(
            account(Scope(key=str(A1), role="r"), Scope(key=str(A2), role="r")),
            AFTER_A1, {"key": "r"}, (A1, A2), id="a role in the overlap",
        ),
    ],
)  # fmt: skip
def test_the_key_that_gives_way_is_found(
    claims: Claims[Any],
    made: dict[NewKey, PublicKey],
    wanted: dict[str, Any],
    found: tuple[PublicKey, PublicKey | None],
) -> None:
    pair = find_replacement(claims, made, **wanted)
    assert (pair.old, pair.new) == found


@pytest.mark.parametrize(
    ("claims", "wanted", "sentence"),
    [
        pytest.param(account(), {}, "has no signing key", id="none"),
        pytest.param(account(A1, A3), {}, "has 2 signing keys that may be meant", id="two"),
        pytest.param(account(A1), {"key": "r"}, '"r" is not a signing key or role of', id="no such role"),
        pytest.param(account(A1), {"key": str(A1), "new": A1}, "cannot take its own place", id="itself"),
        pytest.param(account(A1), {"new": O1}, "is not the key of an account", id="of another role"),
    ],
)
def test_what_is_not_clear_is_refused(claims: Claims[Any], wanted: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        find_replacement(claims, {}, **wanted)


def test_a_signing_key_that_is_no_key_is_passed_over() -> None:
    claims = account(A1, A2)
    body = msgspec.structs.replace(claims.body, signing_keys=("junk", str(A1), str(A2)))
    pair = find_replacement(msgspec.structs.replace(claims, body=body), AFTER_A1)
    assert (pair.old, pair.new) == (A1, A2)


def test_the_new_key_stands_beside_the_old_one_with_its_scope_until_that_goes() -> None:
    scope = Scope(key=str(A1), role="r", template=Template(payload=7), description="d")
    both = with_new(account(scope, A3), A1, A2)
    moved = msgspec.structs.replace(scope, key=str(A2))
    assert both.body.signing_keys == (scope, moved, str(A3))
    assert without(both, A1).body.signing_keys == (moved, str(A3))


def trust(name: str, *keys: PublicKey) -> ServerTrust:
    return ServerTrust(AccountServer(name, name), frozenset({str(key(Role.OPERATOR, 9)), *map(str, keys)}))


BOTH, NEW = KeyReplacement(operator(O1, O2), O1, O2), KeyReplacement(operator(O1), O1, None)


@pytest.mark.parametrize(
    ("pair", "by_old", "seen", "stage"),
    [
        pytest.param(NEW, 2, None, RotationStage.ADD, id="nothing is begun"),
        pytest.param(
            KeyReplacement(operator(O1), O1, O2),
            2,
            None,
            RotationStage.ADD,
            id="the key is made and not listed",
        ),
        pytest.param(
            BOTH,
            2,
            ServersSeen((trust("n0", O1, O2), trust("n1", O1))),
            RotationStage.SPREAD,
            id="one is behind",
        ),
        pytest.param(
            BOTH, 0, ServersSeen((trust("n0", O1),)), RotationStage.SPREAD, id="behind, with all signed"
        ),
        pytest.param(BOTH, 2, ServersSeen((trust("n0", O1, O2),)), RotationStage.REISSUE, id="all trust it"),
        pytest.param(BOTH, 2, None, RotationStage.REISSUE, id="vouched for"),
        pytest.param(
            BOTH, 0, ServersSeen((trust("n0", O1, O2),), ("A",)), RotationStage.PUSH, id="not pushed"
        ),
        pytest.param(BOTH, 0, ServersSeen((trust("n0", O1, O2),)), RotationStage.REMOVE, id="pushed"),
        pytest.param(BOTH, 0, None, RotationStage.REMOVE, id="signed, and vouched for"),
        pytest.param(
            None,
            0,
            ServersSeen((trust("n0", O1, O2), trust("n1", O2))),
            RotationStage.FORGET,
            id="one remembers",
        ),
        pytest.param(None, 0, None, RotationStage.FORGET, id="nobody is asked"),
        pytest.param(None, 0, ServersSeen((trust("n0", O2),)), RotationStage.DONE, id="all is done"),
    ],
)
def test_what_comes_next_follows_from_the_store_and_the_servers(
    pair: KeyReplacement | None, by_old: int, seen: ServersSeen | None, stage: RotationStage
) -> None:
    assert stage_of(pair, by_old, seen, operator(O2) if pair is None else pair.parent) is stage


N0, N1 = AccountServer("N0", "n0"), AccountServer("N1", "n1")


def answer(server: AccountServer, **data: object) -> bytes:
    return json.dumps({"server": {"id": server.id, "name": server.name}, "data": data}).encode()


def connection(number: int) -> dict[str, object]:
    return {
        "cid": number,
        "name": "app",
        "authorized_user": "UA",
        "issuer_key": str(A1),
        "ip": "::1",
        "port": 5,
    }


def test_connections_are_asked_for_page_by_page_on_every_server() -> None:
    asked = []

    def ask(questions: Sequence[Question]) -> list[list[bytes]]:
        (question,) = questions
        if question.subject != CONNZ:
            return [[answer(N0, leafs=[{"account": "AB"}, {"account": "AC"}]), answer(N1, leafs=None)]]
        said = json.loads(question.data)
        asked.append(said["offset"])
        assert (said["acc"], said["auth"]) == ("AB", True)
        rest = range(said["offset"], min(said["offset"] + PAGE, PAGE + 1))
        first = answer(N0, total=PAGE + 1, connections=[connection(number) for number in rest])
        return [[first, answer(N1, total=0, connections=[])]]

    found = connected(ask, [N0, N1], "AB")
    assert (asked, len(found.clients), found.leafs) == ([0, PAGE], PAGE + 1, 1)
    assert found.clients[PAGE] == ConnectedClient("n0", PAGE, "app", "UA", str(A1), "::1:5")
    assert (len(found.by(str(A1))), found.by(str(A2))) == (PAGE + 1, ())


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        pytest.param([answer(N0, total=0)], "n1 did not report who is connected", id="a server is silent"),
        pytest.param([b"{", b"{"], "cannot be understood", id="no JSON"),
    ],
)
def test_an_answer_that_does_not_come_or_is_none_is_reported(answers: list[bytes], sentence: str) -> None:
    with pytest.raises(ServerError, match=sentence):
        connected(lambda _: [answers], [N0, N1], "AB")


def test_another_identity_is_later_than_the_jwt_it_follows_also_within_a_second() -> None:
    old, new = (SoftwareKey(Role.OPERATOR, bytes([number]) * 32) for number in (5, 6))
    claims = Claims(sub=str(old.public_key), name="ACME", body=Operator(signing_keys=(str(O1),)))
    made = draft(claims, old.public_key, 1_800_000_000)
    before = made.complete(old.sign(made.signing_input))
    plan = new_identity(before, {}, new.public_key, 1_800_000_000, keep_old=True)
    (change,) = plan.changes
    assert (change.draft.issued_at, change.draft.issuer) == (1_800_000_001, new.public_key)
    assert change.draft.claims.body.signing_keys == (str(O1), str(old.public_key))
    assert [(one.address, one.jwt, one.replaces) for one in plan.store_writes] == [((), None, before)]
