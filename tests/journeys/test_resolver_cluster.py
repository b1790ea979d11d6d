"""Three servers with full resolvers, asked through one: who is there, and who falls silent."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import Account, Operator, User
from seedless.errors import ServerError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.resolver import PushStatus, ServerAddress, ServerLogin, compare, open_cluster, send
from seedless.resolver.cluster import AT_ONCE
from seedless.seeds import SoftwareKey
from seedless.server_config import full, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    StartServer = Callable[[str], Any]
    StartCluster = Callable[[str], Any]

NOW = int(time.time())


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, number.to_bytes(32, "big"))


OPERATOR, SYSTEM, ADMIN, NOBODY = (
    key(Role.OPERATOR, 1),
    key(Role.ACCOUNT, 1),
    key(Role.USER, 1),
    key(Role.USER, 2),
)


def text(of: SoftwareKey) -> str:
    return str(of.public_key)


def sign(by: SoftwareKey, about: SoftwareKey, body: Any, name: str = "x", age: int = 100) -> Jwt[Any]:  # noqa: ANN401 - any claims
    made = draft(Claims(sub=text(about), name=name, body=body), by.public_key, NOW - age)
    return made.complete(by.sign(made.signing_input))


ROOT = sign(OPERATOR, OPERATOR, Operator(system_account=text(SYSTEM)))
SYS = sign(OPERATOR, SYSTEM, Account.new())
USER = sign(SYSTEM, ADMIN, User.new())


def accounts(count: int, age: int) -> list[Jwt[Any]]:
    return [sign(OPERATOR, key(Role.ACCOUNT, 100 + n), Account.new(), f"A{n}", age) for n in range(count)]


@pytest.fixture
def cluster(nats_cluster: StartCluster) -> Any:  # noqa: ANN401 - a Cluster
    return nats_cluster(full(ROOT, [SYS], interval="1h"))


def held(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.glob("*.jwt")}


@pytest.fixture
def stopped(cluster: Any) -> Iterator[Callable[[], None]]:  # noqa: ANN401 - a Cluster
    """Stop n2 in the middle of its work, until the test is over."""
    process = cluster.servers[2].process

    def stop() -> None:
        process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{process.pid}/stat")
        # The signal is sent before its threads have stopped, and one of them may answer yet.
        while state.read_text().rpartition(") ")[2][0] != "T":
            time.sleep(0.001)

    yield stop
    process.send_signal(signal.SIGCONT)


def test_hundreds_of_accounts_come_to_every_server_and_each_answer_is_reported(cluster: Any) -> None:  # noqa: ANN401 - a Cluster
    some = accounts(3 * AT_ONCE + 1, 50)
    with open_cluster(ServerLogin(ServerAddress((cluster.url,)), ADMIN, USER)) as target:
        assert {one.state for one in compare(target, some)} == {PushStatus.NEW}
        sent = send(target, some)
        assert [one.ok for one in sent] == [True] * len(some)
        assert {tuple(answer.server.name for answer in one.answer.answers) for one in sent if one.answer} == {
            ("n0", "n1", "n2")
        }
        assert {one.state for one in compare(target, some)} == {PushStatus.CURRENT}
    assert [held(cluster.folder(n)) >= {one.text for one in some} for n in range(3)] == [True] * 3


def test_a_server_that_falls_silent_is_named_and_the_rest_is_not_sent(
    cluster: Any,  # noqa: ANN401 - a Cluster
    stopped: Callable[[], None],
) -> None:
    some = accounts(2 * AT_ONCE, 40)
    with open_cluster(ServerLogin(ServerAddress((cluster.url,), patience=0.5), ADMIN, USER)) as target:
        stopped()
        sent = send(target, some)
        first, last = sent[0], sent[-1]
        assert first.answer is not None
        assert [one.name for one in first.answer.missing] == ["n2"]
        assert [one.server.name for one in first.answer.answers] == ["n0", "n1"]
        assert (first.ok, last.ok, last.answer) == (False, False, None)
        with pytest.raises(ServerError, match="2 of 3 servers answered what they hold of A"):
            target.held([text(SYSTEM)])
    assert len(held(cluster.folder(0))) == 1 + AT_ONCE
    with (
        pytest.raises(ServerError, match=r"2 of 3 servers answered \(n0, n1\): n2 did not"),
        open_cluster(ServerLogin(ServerAddress((cluster.url,), patience=0.5), ADMIN, USER)),
    ):
        pass


def test_more_servers_than_there_are_are_missing(cluster: Any) -> None:  # noqa: ANN401 - a Cluster
    login = ServerLogin(ServerAddress((cluster.url,), patience=0.3), ADMIN, USER)
    with pytest.raises(ServerError, match=r"3 of 4 servers answered \(n0, n1, n2\)$"), open_cluster(login, 4):
        pass


def test_a_server_whose_accounts_are_in_its_configuration_cannot_be_pushed_to(
    nats_server: StartServer,
) -> None:
    server = nats_server(memory(ROOT, [SYS], text(SYSTEM)) + "server_name: hub\n")
    with (
        pytest.raises(
            ServerError, match="1 of 1 servers did not report which accounts they hold: hub"
        ) as told,
        open_cluster(ServerLogin(ServerAddress((server.url,)), ADMIN, USER)),
    ):
        pass
    assert "accounts are pushed to full resolvers" in told.value.hint


def test_a_user_of_another_account_is_reported(nats_server: StartServer) -> None:
    (other,) = accounts(1, 50)
    server = nats_server(memory(ROOT, [SYS, other], text(SYSTEM)))
    user = sign(key(Role.ACCOUNT, 100), NOBODY, User.new())
    with (
        pytest.raises(ServerError, match="no server answered as to a user of its system account"),
        open_cluster(ServerLogin(ServerAddress((server.url,)), NOBODY, user)),
    ):
        pass


def test_a_user_who_may_not_ask_gets_the_error_of_the_server(nats_server: StartServer) -> None:
    from seedless.claims import Permission

    server = nats_server(full(ROOT, [SYS]))
    body = User(subs=-1, data=-1, payload=-1, pub=Permission(allow=("orders",)))
    with (
        pytest.raises(ServerError, match="the server reported: permissions violation") as told,
        open_cluster(ServerLogin(ServerAddress((server.url,)), NOBODY, sign(SYSTEM, NOBODY, body))),
    ):
        pass
    assert "may use $SYS.REQ.>" in told.value.hint


def test_a_connection_that_is_lost_is_reported(nats_server: StartServer) -> None:
    server = nats_server(full(ROOT, [SYS]))
    with open_cluster(ServerLogin(ServerAddress((server.url,), patience=2), ADMIN, USER)) as target:
        server.stop()
        with pytest.raises(ServerError, match="the connection to the server was lost"):
            send(target, accounts(2, 40))


def test_the_system_account_goes_last(nats_server: StartServer) -> None:
    server = nats_server(full(ROOT, [SYS]))
    newer = sign(OPERATOR, SYSTEM, Account.new(), age=50)
    with open_cluster(ServerLogin(ServerAddress((server.url,)), ADMIN, USER)) as target:
        sent = send(target, [newer, *accounts(2, 40)])
    assert [one.account.claims.sub == text(SYSTEM) for one in sent] == [False, False, True]
    assert [one.ok for one in sent] == [True] * 3
