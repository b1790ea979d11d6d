"""`rotate operator-key` and `operator reissue` with three servers, which are restarted one after another."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any  # the fixture in tests/conftest.py
    Cluster = Any  # of conftest.py
    StartCluster = Callable[[str], Any]
    OpenSession = Callable[..., Any]

ROTATE = ("rotate", "operator-key", "--json")


@pytest.fixture
def old(cli: Cli) -> str:
    """The signing key of ACME, by which the accounts SYS and ORDERS are."""
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    cli.ok("account", "add", "ORDERS")
    cli.ok("user", "add", "-a", "ORDERS", "app")
    (key,) = listed(cli)
    return key


@pytest.fixture
def cluster(cli: Cli, old: str, nats_cluster: StartCluster) -> Cluster:
    """Three servers that hold the accounts of the store."""
    started = nats_cluster(configuration(cli))
    cli.ok("push", "--all", "--url", started.url)
    return started


def configuration(cli: Cli) -> str:
    """The configuration of a server, as the store would have it now."""
    made: str = cli.ok("server", "config", "--nats-resolver", "--interval", "1s").out
    return made


def listed(cli: Cli) -> list[str]:
    """The signing keys that the operator lists."""
    found: list[str] = cli.ok("operator", "show", "--json").data["claims"]["nats"]["signing_keys"]
    return found


def issuers(cli: Cli, cluster: Cluster) -> set[str]:
    """Who has issued the accounts that servers hold."""
    files = [path for number in range(3) for path in cluster.folder(number).glob("*.jwt")]
    return {cli.ok("show", str(path), "--json").data["issuer"] for path in files}


def is_let_in(cli: Cli, session: OpenSession, cluster: Cluster) -> list[bool]:
    """Whether the user app is let in at each server."""
    creds = parse_creds(cli.ok("user", "creds", "-a", "ORDERS", "app").out)
    return [session(server.url, creds.key, creds.jwt).refusal == "" for server in cluster.servers]


def asked(cli: Cli, *words: str) -> Any:  # noqa: ANN401 - a Done of tests/conftest.py
    """Run a command, and again while a server has only just started and is not known everywhere yet."""
    done = cli.run(*words)
    end = time.monotonic() + 10
    while done.code == 1 and "servers answered" in done.err and time.monotonic() < end:
        time.sleep(0.1)
        done = cli.run(*words)
    assert done.code == 0, done
    return done


def test_each_step_waits_for_its_barrier_and_everybody_is_let_in_all_the_time(
    cli: Cli, old: str, cluster: Cluster, session: OpenSession
) -> None:
    rotate = (*ROTATE, "--url", cluster.url)
    done = asked(cli, *rotate).data
    new = done["new"]
    assert (done["stage"], listed(cli)) == ("spread", [old, new])
    assert [one["trusts_new"] for one in done["servers"]] == [False, False, False]

    for number in (0, 1):
        cluster.restart(number, configuration(cli))
    done = asked(cli, *rotate).data
    assert (done["stage"], done["signed"], issuers(cli, cluster)) == ("spread", [], {old})
    assert [(one["server"], one["trusts_new"]) for one in done["servers"]] == [
        ("n0", True), ("n1", True), ("n2", False),
    ]  # fmt: skip
    refused = cli.run(*rotate, "--finish")
    assert (refused.code, "the new key is not trusted yet by n2" in refused.err) == (3, True)
    assert is_let_in(cli, session, cluster) == [True, True, True]

    cluster.restart(2, configuration(cli))
    done = asked(cli, *rotate).data
    assert (done["stage"], [one["name"] for one in done["signed"]]) == ("remove", ["ORDERS", "SYS"])
    assert (done["pushed"], issuers(cli, cluster)) == (2, {new})
    done = asked(cli, *rotate, "--finish").data
    assert (done["stage"], listed(cli)) == ("forget", [new])
    assert [one["trusts_others"] for one in done["servers"]] == [[old], [old], [old]]
    assert is_let_in(cli, session, cluster) == [True, True, True]

    for number in (0, 1, 2):
        assert asked(cli, *rotate, "--finish").data["stage"] == "forget"
        cluster.restart(number, configuration(cli))
    done = asked(cli, *rotate, "--finish").data
    assert (done["stage"], done["signed"]) == ("done", [])
    assert is_let_in(cli, session, cluster) == [True, True, True]


def test_a_run_that_was_killed_before_its_push_is_finished_by_the_same_command(
    cli: Cli, old: str, cluster: Cluster
) -> None:
    rotate = (*ROTATE, "--url", cluster.url)
    asked(cli, *rotate)
    for number in (0, 1, 2):
        cluster.restart(number, configuration(cli))
    new = cli.ok(*ROTATE, "--without-servers").data["new"]
    assert issuers(cli, cluster) == {old}
    refused = cli.run(*rotate, "--finish")
    assert (refused.code, listed(cli)) == (3, [old, new])
    assert re.search(
        rf"servers hold accounts by operator ACME signing before \w+ \({old}\): ORDERS, SYS", refused.err
    )
    done = asked(cli, *rotate).data
    assert (done["stage"], done["signed"], done["pushed"]) == ("remove", [], 2)
    assert issuers(cli, cluster) == {new}


def test_another_identity_that_keeps_the_old_one_as_a_signing_key_locks_nobody_out(
    cli: Cli, old: str, cluster: Cluster, session: OpenSession
) -> None:
    identity = cli.ok("operator", "show", "--json").data["subject"]
    cli.ok("account", "add", "BY-IDENTITY", "--issuer", identity)
    cli.ok("push", "--all", "--url", cluster.url)
    new = cli.ok("operator", "reissue", "--convert-to-signing-key", "--json").data["subject"]
    assert listed(cli) == [old, identity]
    for number in (0, 1, 2):
        cluster.restart(number, configuration(cli))
        assert is_let_in(cli, session, cluster) == [True, True, True]
    words = ("push", "--all", "--diff", "--url", cluster.url)
    assert "BY-IDENTITY: current" in asked(cli, *words).out
    rotate = (*ROTATE, "--key", identity, "--url", cluster.url)
    assert asked(cli, *rotate).data["stage"] == "spread"
    for number in (0, 1, 2):
        cluster.restart(number, configuration(cli))
    done = asked(cli, *rotate).data
    assert (done["stage"], [one["name"] for one in done["signed"]]) == ("remove", ["BY-IDENTITY"])
    asked(cli, *rotate, "--finish")
    assert identity not in {new, *listed(cli)}


def test_in_an_emergency_accounts_are_there_when_a_server_starts_anew(
    cli: Cli, old: str, cluster: Cluster, session: OpenSession
) -> None:
    done = cli.ok(*ROTATE, "--emergency", "--key", old, "--url", cluster.url).data
    assert (done["stage"], done["pushed"], issuers(cli, cluster)) == ("forget", 2, {done["new"]})
    for number in (0, 1, 2):
        cluster.restart(number, configuration(cli))
    assert is_let_in(cli, session, cluster) == [True, True, True]
    assert asked(cli, *ROTATE, "--finish", "--url", cluster.url).data["stage"] == "done"
