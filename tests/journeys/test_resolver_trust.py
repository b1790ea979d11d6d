"""Accounts that a rule speaks against: servers take them, and refuse them or parts of them later."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.change import Context, Statement
from seedless.claims import Account, Activation, Export, Import, Operator, User
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.rules import judge_statement
from seedless.seeds import SoftwareKey
from seedless.server_config import full, memory

if TYPE_CHECKING:
    from collections.abc import Callable

    StartServer = Callable[[str], Any]
    OpenSession = Callable[..., Any]

NOW = int(time.time())


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, bytes([number] * 32))


OPERATOR, STRANGER = key(Role.OPERATOR, 1), key(Role.OPERATOR, 2)
SYSTEM, ORDERS, PAYROLL, FORMER = (key(Role.ACCOUNT, number) for number in (1, 2, 3, 4))
ADMIN, ALICE, BOB = (key(Role.USER, number) for number in (1, 2, 3))


def text(of: SoftwareKey) -> str:
    return str(of.public_key)


def sign(by: SoftwareKey, about: SoftwareKey, body: Any, age: int = 100) -> Jwt[Any]:  # noqa: ANN401 - any claims
    made = draft(Claims(sub=text(about), name=body.kind, body=body), by.public_key, NOW - age)
    return made.complete(by.sign(made.signing_input))


def codes(jwt: Jwt[Any], *around: Jwt[Any]) -> list[str]:
    """Return the codes of trust that are found in *jwt* among the operator and the accounts *around* it."""
    claims = {one.claims.sub: one.claims for one in around}
    found = judge_statement(Statement.of(jwt), Context(NOW, ROOT.claims, claims))
    return [one.code for one in found if one.code.startswith("T")]


ROOT = sign(OPERATOR, OPERATOR, Operator(system_account=text(SYSTEM)))
SYS = sign(OPERATOR, SYSTEM, Account.new())


def test_a_resolver_stores_an_account_by_a_stranger_and_refuses_it_at_its_next_start_t001(
    nats_server: StartServer, session: OpenSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    configuration = full(ROOT, [SYS], folder=str(tmp_path_factory.mktemp("resolver")))
    alice = sign(ORDERS, ALICE, User.new())
    first = nats_server(configuration)
    admin = session(first.url, ADMIN, sign(SYSTEM, ADMIN, User.new()))
    admin.subscribe("answer")
    for by, age, found in ((OPERATOR, 50, []), (STRANGER, 20, ["T001"])):
        account = sign(by, ORDERS, Account.new(), age)
        assert codes(account) == found
        admin.publish("$SYS.REQ.CLAIMS.UPDATE", account.text.encode(), reply="answer")
        assert b'"message":"jwt updated"' in admin.message()
        assert session(first.url, ALICE, alice).refusal == ""
    first.stop()
    second = nats_server(configuration)
    assert session(second.url, ALICE, alice).refusal == "Authorization Violation"


ORDER = Activation(subject="orders.new", import_type="stream")
PRIVATE = Export(subject="orders.>", type="stream", token_req=True)


@pytest.mark.parametrize(
    ("leave", "wanted", "found", "arrives"),
    [
        pytest.param(
            sign(PAYROLL, ORDERS, ORDER),
            "orders.new", [], True, id="as it should be",
        ),
        pytest.param(
            sign(PAYROLL, ORDERS, Activation(subject="wages", import_type="stream")),
            "wages", ["T008"], False, id="T008 not exported",
        ),
        pytest.param(
            sign(FORMER, ORDERS, msgspec.structs.replace(ORDER, issuer_account=text(PAYROLL))),
            "orders.new", ["T007"], False, id="T007 by a key that the account does not have",
        ),
    ],
)  # fmt: skip
def test_an_import_lives_only_by_a_leave_that_is_right(
    nats_server: StartServer,
    session: OpenSession,
    leave: Jwt[Any],
    wanted: str,
    found: list[str],
    *,
    arrives: bool,
) -> None:
    exporter = sign(OPERATOR, PAYROLL, msgspec.structs.replace(Account.new(), exports=(PRIVATE,)))
    item = Import(subject=wanted, type="stream", account=text(PAYROLL), token=leave.text)
    importer = sign(OPERATOR, ORDERS, msgspec.structs.replace(Account.new(), imports=(item,)))
    assert codes(leave, exporter) == found
    url = nats_server(memory(ROOT, [SYS, exporter, importer], text(SYSTEM))).url
    receiver = session(url, ALICE, sign(ORDERS, ALICE, User.new()))
    sender = session(url, BOB, sign(PAYROLL, BOB, User.new()))
    receiver.subscribe(wanted)
    sender.publish(wanted, b"1")
    receiver.flush()
    assert receiver.heard == ([b"1"] if arrives else [])
