"""What stands against sending an account to a real server, or deleting it there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.claims import Account, Export, Operator, User
from seedless.errors import Refused
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.resolver import (
    ServerAddress,
    ServerContext,
    ServerLogin,
    compare,
    delete_request,
    delete_request_issuer,
    held_jwts,
    open_cluster,
    preflight,
    preflight_delete,
    send,
)
from seedless.seeds import SoftwareKey
from seedless.server_config import full

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.resolver import Cluster

    StartServer = Callable[[str], Any]

NOW = int(time.time())


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, bytes([number] * 32))


OPERATOR, SIGNING, STRANGER = (key(Role.OPERATOR, number) for number in (1, 2, 3))
SYSTEM, ORDERS, SYSTEM_SIGNING = (key(Role.ACCOUNT, number) for number in (1, 2, 3))
ADMIN = key(Role.USER, 1)


def text(of: SoftwareKey) -> str:
    return str(of.public_key)


def sign(by: SoftwareKey, about: SoftwareKey, body: Any, age: int = 100, **claims: int) -> Jwt[Any]:  # noqa: ANN401 - any claims
    said: Claims[Any] = Claims(sub=text(about), name=body.kind.upper(), body=body)
    made = draft(msgspec.structs.replace(said, **claims), by.public_key, NOW - age)
    return made.complete(by.sign(made.signing_input))


ROOT = sign(
    OPERATOR,
    OPERATOR,
    Operator(system_account=text(SYSTEM), signing_keys=(text(SIGNING),), strict_signing_key_usage=True),
)
SYSTEM_BODY = msgspec.structs.replace(Account.new(), signing_keys=(text(SYSTEM_SIGNING),))
SYS = sign(SIGNING, SYSTEM, SYSTEM_BODY)
USER = sign(SYSTEM_SIGNING, ADMIN, msgspec.structs.replace(User.new(), issuer_account=text(SYSTEM)))


@pytest.fixture(scope="module")
def url(shared_nats_server: StartServer) -> str:
    """A server of a strict operator, with the account ORDERS of 50 seconds ago, which deletes nothing."""
    found: str = shared_nats_server(full(ROOT, [SYS]) + "max_payload: 4096\nserver_name: hub\n").url
    with open_cluster(ServerLogin(ServerAddress((found,)), ADMIN, USER)) as cluster:
        (sent,) = send(cluster, [sign(SIGNING, ORDERS, Account.new(), 50)])
        assert sent.ok
    return found


def against(cluster: Cluster, account: Jwt[Any], operator: Jwt[Any] = ROOT) -> list[tuple[str, str]]:
    compared = compare(cluster, [account])
    there = ServerContext(
        operator=operator, server_reports=cluster.server_reports, held=held_jwts(compared), user=USER
    )
    return [(one.code, one.text) for one in preflight([account], there, NOW).errors]


BIG = msgspec.structs.replace(
    Account.new(),
    exports=tuple(Export(subject=f"{'orders' * 5}.{number}", type="service") for number in range(60)),
)
LOCKED = msgspec.structs.replace(SYSTEM_BODY, revocations={"*": NOW})
CLOSED = msgspec.structs.replace(SYSTEM_BODY, limits=msgspec.structs.replace(Account.new().limits, conn=0))


@pytest.mark.parametrize(
    ("account", "code", "words"),
    [
        pytest.param(
            sign(STRANGER, ORDERS, Account.new(), 10),
            "R001",
            f"is issued by {text(STRANGER)}, which is not trusted by hub",
            id="signed by a stranger",
        ),
        pytest.param(
            sign(OPERATOR, ORDERS, Account.new(), 10),
            "R001",
            f"is issued by {text(OPERATOR)}, the operator's identity, which is not trusted by ",
            id="signed by the identity of a strict operator",
        ),
        pytest.param(
            sign(ORDERS, ORDERS, Account.new(), 10),
            "R001",
            "is a request, signed by itself: not trusted by hub",
            id="a request to the operator",
        ),
        pytest.param(
            sign(SIGNING, ORDERS, Account.new(), 90), "R002", "and on the servers is one of ", id="older"
        ),
        pytest.param(
            sign(SIGNING, ORDERS, CLOSED, 50), "R002", "another of the same second, ", id="same second"
        ),
        pytest.param(sign(SIGNING, ORDERS, BIG, 10), "R003", "at most 4096 are taken by hub", id="too long"),
        pytest.param(
            sign(SIGNING, SYSTEM, LOCKED, 10),
            "R005",
            "would lock USER out, who is revoked in it",
            id="system account that revokes us",
        ),
        pytest.param(
            sign(SIGNING, SYSTEM, CLOSED, 10), "R005", "lets nobody in", id="system account that is closed"
        ),
        pytest.param(
            sign(SIGNING, SYSTEM, Account.new(), 10),
            "R005",
            "would lock USER out, who is not issued by its keys",
            id="system account without our key",
        ),
        pytest.param(
            sign(SIGNING, ORDERS, Account.new(), 10, exp=NOW - 5), "C001", "has expired", id="expired"
        ),
    ],
)
def test_what_would_lock_somebody_out_is_refused_before_it_is_sent(
    url: str, account: Jwt[Any], code: str, words: str
) -> None:
    with open_cluster(ServerLogin(ServerAddress((url,)), ADMIN, USER)) as cluster:
        found = against(cluster, account)
    assert [one for one, said in found if words in said] == [code]


def test_what_is_right_has_nothing_against_it(url: str) -> None:
    with open_cluster(ServerLogin(ServerAddress((url,)), ADMIN, USER)) as cluster:
        assert against(cluster, sign(SIGNING, ORDERS, Account.new(), 10)) == []
        assert against(cluster, sign(SIGNING, SYSTEM, SYSTEM_BODY, 10)) == []


def test_servers_of_another_operator_are_reported(url: str) -> None:
    other = sign(STRANGER, STRANGER, Operator())
    with open_cluster(ServerLogin(ServerAddress((url,)), ADMIN, USER)) as cluster:
        found = against(cluster, sign(SIGNING, ORDERS, Account.new(), 10), other)
    assert [code for code, _ in found] == ["R004"]
    assert f"another operator than OPERATOR ({text(STRANGER)}) is trusted by " in found[0][1]


def test_a_server_without_deletion_reports_it_and_the_system_account_stays(url: str) -> None:
    with open_cluster(ServerLogin(ServerAddress((url,)), ADMIN, USER)) as cluster:
        said = cluster.who_deletes()
        refusing = tuple(answer.server for answer in said.answers if not answer.ok)
        there = ServerContext(operator=ROOT, server_reports=cluster.server_reports, refusing=refusing)
    found = preflight_delete([text(ORDERS), text(SYSTEM)], there).errors
    assert [(one.code, one.text) for one in found] == [
        ("R006", "accounts are not deleted by hub (allow_delete is not set)"),
        ("R007", f"{text(SYSTEM)} is the system account"),
    ]


def test_the_order_to_delete_is_by_a_key_that_servers_obey(url: str) -> None:
    with open_cluster(ServerLogin(ServerAddress((url,)), ADMIN, USER)) as cluster:
        issuer = delete_request_issuer(ROOT, {text(SIGNING)}, cluster.server_reports)
    assert str(issuer) == text(SIGNING)
    claims = delete_request([text(ORDERS)], issuer)
    assert (claims.sub, claims.body.data, claims.exp) == (text(SIGNING), {"accounts": [text(ORDERS)]}, 0)


def test_without_a_key_that_servers_obey_nothing_is_ordered(url: str) -> None:
    with (
        open_cluster(ServerLogin(ServerAddress((url,)), ADMIN, USER)) as cluster,
        pytest.raises(Refused, match="none of the operator's keys that are known here is trusted by hub"),
    ):
        delete_request_issuer(ROOT, {text(OPERATOR)}, cluster.server_reports)
