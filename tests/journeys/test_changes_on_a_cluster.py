"""Changes on a cluster: two hundred accounts on three servers, through a year's work in a minute.

They are made from one desired-state file, pushed, edited, revoked from, deleted; keys of accounts and of the
operator are rotated by rolling restarts; and clients are at work all the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import nats
import pytest

from seedless.jwt import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py
    Cluster = Any  # of conftest.py
    StartCluster = Callable[[str], Any]

LIVE = ("live-0", "live-1", "live-2")
TENANTS = 200 - len(LIVE)
LONGEST_SILENCE = 10.0


class Work:
    """A client of an account that asks and another that answers, in a thread of their own, until the end.

    `served` are the moments of answers, `refused` what servers said against a login, `reconnects` how often a
    connection was made anew.
    """

    def __init__(self, urls: list[str], creds: Path) -> None:
        self._urls, self._creds = urls, creds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.served: list[float] = []
        self.refused: list[str] = []
        self.reconnects = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_served()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def wait_served(self) -> None:
        """Wait until another question is answered."""
        before, end = len(self.served), time.monotonic() + LONGEST_SILENCE
        while len(self.served) == before and time.monotonic() < end and not self.refused:
            time.sleep(0.01)
        assert len(self.served) > before, self.refused

    @property
    def longest_silence(self) -> float:
        """Seconds between two answers."""
        return max(after - before for before, after in zip(self.served, self.served[1:], strict=False))

    async def _connected(self) -> Any:  # noqa: ANN401 - nats-py's client
        async def heard(error: Exception) -> None:
            text = str(error).lower()
            if "auth" in text or "permission" in text or "revoked" in text:
                self.refused.append(text)

        async def again() -> None:
            self.reconnects += 1

        async def closed() -> None:  # what a server says besides is not handed to anybody by nats-py
            if not self._ended.is_set():
                self.refused.append(f"closed: {client.last_error}")

        client = await nats.connect(
            self._urls,
            user_credentials=str(self._creds),
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.05,
            error_cb=heard,
            reconnected_cb=again,
            closed_cb=closed,
        )
        return client

    async def _run(self) -> None:
        asks, answers = await self._connected(), await self._connected()

        async def answer(message: Any) -> None:  # noqa: ANN401 - nats-py's message
            with contextlib.suppress(Exception):  # while it is connecting anew
                await message.respond(message.data)

        await answers.subscribe("work", cb=answer)
        while not self._ended.is_set():
            with contextlib.suppress(Exception):  # while one of both is connecting anew
                await asks.request("work", b"1", timeout=0.5)
                self.served.append(time.monotonic())
            await asyncio.sleep(0.02)
        for client in (asks, answers):
            with contextlib.suppress(Exception):
                await client.close()


@pytest.fixture
def system(cli: Cli) -> Cli:
    """The operator ACME, its signing key and its system account, and a policy that pins it."""
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    return cli


def desired(cli: Cli, *, tenants: int, connections: int = 100) -> str:
    """Write the file of the accounts: so many tenants, and those in which clients are at work."""
    text = f"""
        [templates.standard]
        limits.conn = 50
        tags = ["env:test"]
        [templates.live]
        limits.conn = {connections}
        signing_keys.main = {{}}
        users.app.issuer = "main"
    """
    text += "".join(f'[[tenants]]\ntemplate = "live"\nname = "{name}"\n' for name in LIVE)
    names = (f"tenant-{number:03}" for number in range(tenants))
    text += "".join(f'[[tenants]]\ntemplate = "standard"\nname = "{name}"\n' for name in names)
    path = cli.home / "tenants.toml"
    path.write_text(text)
    return str(path)


def configuration(cli: Cli) -> str:
    made: str = cli.ok("server", "config", "--nats-resolver", "--allow-delete", "--interval", "1s").out
    return made


def stored(cli: Cli) -> dict[str, str]:
    """The accounts of the store: the texts by their keys."""
    paths = (cli.store / "stores/ACME/accounts").glob("*/*.jwt")
    return {read(text).claims.sub: text for text in (path.read_text() for path in paths)}


def held(cluster: Cluster) -> list[dict[str, str]]:
    """The accounts of each server."""
    folders = (cluster.folder(number) for number in range(3))
    return [{path.stem: path.read_text() for path in folder.glob("*.jwt")} for folder in folders]


def asked(cli: Cli, *words: str) -> Any:  # noqa: ANN401 - a Done of tests/conftest.py
    """Run a command, and again while a server has only just started and is not known everywhere yet."""
    done = cli.run(*words)
    end = time.monotonic() + 10
    while done.code == 1 and "servers answered" in done.err and time.monotonic() < end:
        time.sleep(0.1)
        done = cli.run(*words)
    assert done.code == 0, done
    return done


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + LONGEST_SILENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@contextlib.contextmanager
def at_work(cli: Cli, cluster: Cluster, user: str, *accounts: str) -> Iterator[list[Work]]:
    """Clients of *user* in each of *accounts*."""
    urls = [server.url for server in cluster.servers]
    folder = cli.store / "keys/creds/ACME"
    with contextlib.ExitStack() as all_of_them:
        yield [all_of_them.enter_context(Work(urls, folder / name / f"{user}.creds")) for name in accounts]


def test_clients_of_a_cluster_are_served_through_edits_and_rotations(
    system: Cli, nats_cluster: StartCluster
) -> None:
    cli = system
    path = desired(cli, tenants=TENANTS)
    cli.ok("apply", path)
    cluster = nats_cluster(configuration(cli))
    at = ("--url", cluster.url)
    cli.ok("push", "--all", *at)
    assert held(cluster) == [stored(cli)] * 3
    assert len(stored(cli)) == len(LIVE) + TENANTS + 1
    with at_work(cli, cluster, "app", *LIVE) as workers:
        edit_revoke_and_delete(cli, cluster, path)
        for worker in workers:
            worker.wait_served()
        for name in LIVE:
            assert cli.ok("rotate", "account-key", name, *at, "--json").data["stage"] == "overlap"
        rotate_operator_key(cli, cluster)
        for name in LIVE:
            assert asked(cli, "rotate", "account-key", name, "--finish", *at, "--json").data["pushed"] == 1
        for worker in workers:
            worker.wait_served()
    assert [worker.refused for worker in workers] == [[], [], []]
    assert all(worker.reconnects >= 2 for worker in workers)
    assert max(worker.longest_silence for worker in workers) < LONGEST_SILENCE
    assert held(cluster) == [stored(cli)] * 3
    assert cli.ok("verify", "--json").data["ok"]
    assert cli.ok("push", "--all", "--diff", *at)
    assert cli.ok("apply", desired(cli, tenants=TENANTS - 1, connections=90), "--plan-only")


def edit_revoke_and_delete(cli: Cli, cluster: Cluster, path: str) -> None:
    """Edit accounts while a server is down, revoke a user who is connected, and delete an account."""
    at = ("--url", cluster.url)
    cluster.servers[2].stop()
    assert desired(cli, tenants=TENANTS, connections=90) == path
    cli.ok("apply", path)
    asked(cli, "push", "--all", *at)
    cluster.restart(2)
    assert eventually(lambda: held(cluster) == [stored(cli)] * 3)

    (key,) = cli.ok("account", "show", LIVE[0], "--json").data["claims"]["nats"]["signing_keys"]
    cli.ok("user", "add", "-a", LIVE[0], "guest", "--issuer", key)
    with at_work(cli, cluster, "guest", LIVE[0]) as (guest,):
        cli.ok("account", "revoke", "-a", LIVE[0], "guest")
        asked(cli, "push", LIVE[0], *at)
        assert eventually(lambda: bool(guest.refused))
        assert "revoked" in guest.refused[0]

    assert desired(cli, tenants=TENANTS - 1, connections=90) == path
    cli.ok("apply", path, "--prune")
    done = asked(cli, "push", "--all", "--prune", "--expect-count", "1", *at, "--json")
    assert [one["account"] for one in done.data["pruned"]["victims"]] == [f"tenant-{TENANTS - 1:03}"]
    assert held(cluster) == [stored(cli)] * 3


def rotate_operator_key(cli: Cli, cluster: Cluster) -> None:
    """Let the operator's signing key give way, by two rolling restarts."""
    rotate = ("rotate", "operator-key", "--url", cluster.url, "--json")
    assert asked(cli, *rotate).data["stage"] == "spread"
    for number in range(3):
        cluster.restart(number, configuration(cli))
    done = asked(cli, *rotate).data
    assert (done["stage"], len(done["signed"]), done["pushed"]) == (
        "remove",
        len(LIVE) + TENANTS,
        len(LIVE) + TENANTS,
    )
    assert asked(cli, *rotate, "--finish").data["stage"] == "forget"
    for number in range(3):
        cluster.restart(number, configuration(cli))
    assert asked(cli, *rotate, "--finish").data["stage"] == "done"
