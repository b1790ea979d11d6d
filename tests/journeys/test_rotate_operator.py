"""`rotate operator-key` and `operator reissue` with three servers, which are restarted one after another."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from collections.abc import Callable

    Desk = Any  # the fixture in tests/conftest.py
    Cluster = Any  # of conftest.py
    StartCluster = Callable[[str], Any]
    OpenSession = Callable[..., Any]

ROTATE = ("rotate", "operator-key", "--json")


@pytest.fixture
def old(desk: Desk) -> str:
    """The signing key of ACME, by which the accounts SYS and ORDERS are."""
    desk.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    desk.ok("account", "add", "ORDERS")
    desk.ok("user", "add", "-a", "ORDERS", "app")
    (key,) = listed(desk)
    return key


@pytest.fixture
def cluster(desk: Desk, old: str, nats_cluster: StartCluster) -> Cluster:
    """Three servers that hold the accounts of the store."""
    started = nats_cluster(configuration(desk))
    desk.ok("push", "--all", "--url", started.url)
    return started


def configuration(desk: Desk) -> str:
    """The configuration of a server, as the store would have it now."""
    made: str = desk.ok("server", "config", "--nats-resolver", "--interval", "1s").out
    return made


def listed(desk: Desk) -> list[str]:
    """The signing keys that the operator lists."""
    found: list[str] = desk.ok("operator", "show", "--json").data["claims"]["nats"]["signing_keys"]
    return found


def issuers(desk: Desk, cluster: Cluster) -> set[str]:
    """Who has issued the accounts that servers hold."""
    files = [path for number in range(3) for path in cluster.folder(number).glob("*.jwt")]
    return {desk.ok("show", str(path), "--json").data["issuer"] for path in files}


def is_let_in(desk: Desk, session: OpenSession, cluster: Cluster) -> list[bool]:
    """Whether the user app is let in at each server."""
    creds = parse_creds(desk.ok("user", "creds", "-a", "ORDERS", "app").out)
    return [session(server.url, creds.key, creds.jwt).refusal == "" for server in cluster.servers]


def asked(desk: Desk, *words: str) -> Any:  # noqa: ANN401 - a Done of tests/conftest.py
    """Run a command, and again while a server has only just started and is not known everywhere yet."""
    done = desk.run(*words)
    end = time.monotonic() + 10
    while done.code == 1 and "servers answered" in done.err and time.monotonic() < end:
        time.sleep(0.1)
        done = desk.run(*words)
    assert done.code == 0, done
    return done


def test_each_step_waits_for_its_barrier_and_everybody_is_let_in_all_the_time(
    desk: Desk, old: str, cluster: Cluster, session: OpenSession
) -> None:
    rotate = (*ROTATE, "--url", cluster.url)
    done = asked(desk, *rotate).data
    new = done["new"]
    assert (done["stage"], listed(desk)) == ("spread", [old, new])
    assert [one["trusts_new"] for one in done["servers"]] == [False, False, False]

    for number in (0, 1):
        cluster.restart(number, configuration(desk))
    done = asked(desk, *rotate).data
    assert (done["stage"], done["signed"], issuers(desk, cluster)) == ("spread", [], {old})
    assert [(one["server"], one["trusts_new"]) for one in done["servers"]] == [
        ("n0", True), ("n1", True), ("n2", False),
    ]  # fmt: skip
    refused = desk.run(*rotate, "--finish")
    assert (refused.code, "the new key is not trusted yet by n2" in refused.err) == (3, True)
    assert is_let_in(desk, session, cluster) == [True, True, True]

    cluster.restart(2, configuration(desk))
    done = asked(desk, *rotate).data
    assert (done["stage"], [one["name"] for one in done["signed"]]) == ("remove", ["ORDERS", "SYS"])
    assert (done["pushed"], issuers(desk, cluster)) == (2, {new})
    done = asked(desk, *rotate, "--finish").data
    assert (done["stage"], listed(desk)) == ("forget", [new])
    assert [one["trusts_others"] for one in done["servers"]] == [[old], [old], [old]]
    assert is_let_in(desk, session, cluster) == [True, True, True]

    for number in (0, 1, 2):
        assert asked(desk, *rotate, "--finish").data["stage"] == "forget"
        cluster.restart(number, configuration(desk))
    done = asked(desk, *rotate, "--finish").data
    assert (done["stage"], done["signed"]) == ("done", [])
    assert is_let_in(desk, session, cluster) == [True, True, True]


def test_a_run_that_was_killed_before_its_push_is_finished_by_the_same_command(
    desk: Desk, old: str, cluster: Cluster
) -> None:
    rotate = (*ROTATE, "--url", cluster.url)
    asked(desk, *rotate)
    for number in (0, 1, 2):
        cluster.restart(number, configuration(desk))
    new = desk.ok(*ROTATE, "--without-servers").data["new"]
    assert issuers(desk, cluster) == {old}
    refused = desk.run(*rotate, "--finish")
    assert (refused.code, listed(desk)) == (3, [old, new])
    assert re.search(
        rf"servers hold accounts by operator ACME signing before \w+ \({old}\): ORDERS, SYS", refused.err
    )
    done = asked(desk, *rotate).data
    assert (done["stage"], done["signed"], done["pushed"]) == ("remove", [], 2)
    assert issuers(desk, cluster) == {new}


def test_another_identity_that_keeps_the_old_one_as_a_signing_key_locks_nobody_out(
    desk: Desk, old: str, cluster: Cluster, session: OpenSession
) -> None:
    identity = desk.ok("operator", "show", "--json").data["subject"]
    desk.ok("account", "add", "BY-IDENTITY", "--issuer", identity)
    desk.ok("push", "--all", "--url", cluster.url)
    new = desk.ok("operator", "reissue", "--convert-to-signing-key", "--json").data["subject"]
    assert listed(desk) == [old, identity]
    for number in (0, 1, 2):
        cluster.restart(number, configuration(desk))
        assert is_let_in(desk, session, cluster) == [True, True, True]
    words = ("push", "--all", "--diff", "--url", cluster.url)
    assert "BY-IDENTITY: current" in asked(desk, *words).out
    rotate = (*ROTATE, "--key", identity, "--url", cluster.url)
    assert asked(desk, *rotate).data["stage"] == "spread"
    for number in (0, 1, 2):
        cluster.restart(number, configuration(desk))
    done = asked(desk, *rotate).data
    assert (done["stage"], [one["name"] for one in done["signed"]]) == ("remove", ["BY-IDENTITY"])
    asked(desk, *rotate, "--finish")
    assert identity not in {new, *listed(desk)}


def test_in_an_emergency_accounts_are_there_when_a_server_starts_anew(
    desk: Desk, old: str, cluster: Cluster, session: OpenSession
) -> None:
    done = desk.ok(*ROTATE, "--emergency", "--key", old, "--url", cluster.url).data
    assert (done["stage"], done["pushed"], issuers(desk, cluster)) == ("forget", 2, {done["new"]})
    for number in (0, 1, 2):
        cluster.restart(number, configuration(desk))
    assert is_let_in(desk, session, cluster) == [True, True, True]
    assert asked(desk, *ROTATE, "--finish", "--url", cluster.url).data["stage"] == "done"
