"""A program rotates, pushes, pulls and deletes with a real server: no command line, no stdout, no fork."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless import Refused, Remote, UsageError, Workspace
from seedless.app.rotations.replacement import sign_all
from seedless.creds import parse_creds

sys.path.insert(0, str(Path(__file__).parents[1]))

from office import Office, open_office

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import NatsServer

    import pytest_softhsm

    OpenSession = Callable[..., Any]

FOUND = """
from seedless import Workspace
from seedless.server_config import full

with Workspace(**ARGUMENTS) as ws:
    acme = ws.operators.add("ACME", system_account=True, signing_key=True).sign()
    for name in ("ORDERS", "SHOP"):
        ws.accounts.add(name).sign()
    key = ws.signing_keys.add("ORDERS").sign().jwt.claims.body.signing_keys[0]
    app = ws.users.add("ORDERS", "app", issuer=key).sign()
    result["configuration"] = full(ws.operator(), ws.all_accounts(), allow_delete=True)
"""

ROTATE = """
from seedless import Remote, Workspace
from seedless.app.rotations.run import sign_all

there = Remote(urls=(URL,), temporary_user=True)
with Workspace(**ARGUMENTS) as ws:
    first = ws.resolver.push(everything=True, remote=there)
    first.send().require_done()
    old = ws.account("ORDERS").claims.body.signing_keys[0]
    named = {str(entry.public_key): entry.name for entry in ws.inventory()}
    rotation = ws.rotations.account_key("ORDERS")
    signed = sign_all(rotation.begin())
    both = ws.account("ORDERS").claims.body.signing_keys
    overlap = ws.resolver.push("ORDERS", remote=there)
    pushed = overlap.send()
    seen = ws.resolver.open(there, *ASKED).connections(ws.account("ORDERS").claims.sub)
    finished = sign_all(ws.rotations.account_key("ORDERS", ending=True).finish(seen))
    ws.accounts.revoke("ORDERS", "app").sign()
    last = ws.resolver.push("ORDERS", remote=there).send()
    again = ws.resolver.push(everything=True, remote=there)
    result |= {
        "kinds": [jwt.claims.body.kind for jwt in signed], "old": old, "both": both,
        "left": ws.account("ORDERS").claims.body.signing_keys, "finished": len(finished),
        "sent": [one.account.claims.name for one in pushed.accounts], "ok": [pushed.ok, last.ok],
        "empty": again.is_empty, "clients": len(seen.clients), "is_done": ws.rotations.account_key(
            "ORDERS", ending=True).is_done,
        "named": named[old], "names": {str(entry.public_key): entry.name for entry in ws.inventory()},
    }
"""

RUN = """
import sys
from seedless import Remote, Workspace
from seedless.app.rotations.run import Phase

there = Remote(urls=(URL,), temporary_user=True)
with Workspace(**ARGUMENTS) as ws:
    ws.accounts.edit("ORDERS", limits={"conn": 7}).sign()
    (old,) = ws.account("ORDERS").claims.body.signing_keys
    run = ws.rotations.run(there)
    begun = run.account_key("ORDERS")
    finished = run.account_key("ORDERS", phase=Phase.FINISH)
    ws.resolver.push("SHOP", remote=there).send().require_done()
    ws.accounts.revoke("ORDERS", "app").sign()
    ws.resolver.push("ORDERS", remote=there).send().require_done()
    operator = run.operator_key()
    try:
        import click
        result["click"] = "imported"
    except ImportError:
        result["click"] = "not importable"
    result |= {
        "stdout": str(sys.stdout), "stages": [begun.stage, finished.stage, str(operator.stage)],
        "sent": [begun.sent, finished.sent, operator.sent],
        "signed": [[jwt.claims.body.kind for jwt in report.signed] for report in (begun, finished, operator)],
        "is_gone": old not in ws.account("ORDERS").claims.body.signing_keys,
        "conn": ws.account("ORDERS").claims.body.limits.conn,
        "revoked": len(ws.account("ORDERS").claims.body.revocations),
        "push": ws.resolver.push(everything=True, remote=there).is_empty,
    }
"""


@pytest.fixture
def office(softhsm_token: pytest_softhsm.Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """An office of a program, with a fresh token."""
    return open_office(softhsm_token, tmp_path, monkeypatch)


@pytest.fixture
def server(office: Office, nats_server: Callable[[str], NatsServer]) -> NatsServer:
    """A server of the operator ACME, whose accounts ORDERS and SHOP it does not hold yet."""
    return nats_server(office.run(FOUND)["configuration"])


def creds_of(office: Office) -> tuple[Any, Any]:
    """Key and jwt of the user app, as its creds are now."""
    (path,) = (office.folder / "store").rglob("app.creds")
    creds = parse_creds(path.read_text(encoding="utf-8"))
    return creds.key, creds.jwt


def test_a_program_rotates_pushes_and_revokes_without_click_or_stdout(
    office: Office, server: NatsServer, session: OpenSession
) -> None:
    from seedless.resolver.connections import ASKED

    found = office.run(ROTATE, {"URL": server.url, "ASKED": list(ASKED)})
    new = next(key for key in found["both"] if key != found["old"])
    assert (found["kinds"], found["sent"]) == (["account", "user"], ["ORDERS"])
    assert (sorted(found["both"]), found["left"]) == (sorted([found["old"], new]), [new])
    assert (found["finished"], found["ok"], found["empty"]) == (1, [True, True], True)
    assert (found["clients"], found["is_done"]) == (0, True)
    assert found["names"][new] == found["named"]
    assert found["names"][found["old"]] == f"{found['named']} before {new[:12]}"
    assert str(creds_of(office)[1].issuer) == new
    assert session(server.url, *creds_of(office)).refusal == "Authorization Violation"


def test_a_program_goes_from_operator_add_to_revoke_and_each_phase_of_a_rotation_is_one_call(
    office: Office, server: NatsServer, session: OpenSession
) -> None:
    found = office.run(RUN, {"URL": server.url})
    assert (found["click"], found["stdout"]) == ("not importable", "None")
    assert found["stages"] == ["overlap", "finished", "spread"]
    assert found["signed"] == [["account", "user"], ["account"], ["operator"]]
    assert (found["sent"], found["is_gone"], found["conn"]) == ([1, 1, 0], True, 7)
    assert (found["revoked"], found["push"]) == (1, True)
    assert session(server.url, *creds_of(office)).refusal == "Authorization Violation"


def test_a_previous_key_stays_while_a_client_is_connected_by_it(
    office: Office, server: NatsServer, session: OpenSession
) -> None:
    there = Remote(urls=(server.url,))
    with office.workspace() as ws:
        ws.resolver.push(everything=True, remote=there).send()
        (old,) = ws.account("ORDERS").claims.body.signing_keys
        client = session(server.url, *creds_of(office))
        sign_all(ws.rotations.account_key("ORDERS").begin())
        ws.resolver.push("ORDERS", remote=there).send().require_done()
        seen = ws.resolver.open(there).connections(ws.account("ORDERS").claims.sub)
        rotation = ws.rotations.account_key("ORDERS", ending=True)
        with pytest.raises(Refused, match="1 connections still use the old key: app at"):
            rotation.finish(seen)
        with pytest.raises(UsageError, match="an emergency is about one key, and none is named"):
            rotation.replace_at_once(seen)
        emergency = ws.rotations.account_key("ORDERS", str(old)).replace_at_once(seen)
    client.close()
    assert [notice.text.partition(":")[0] for notice in emergency.notices] == [
        "this locks out, until they have their new creds",
        "  connected now",
    ]


def test_what_the_store_has_no_more_is_deleted_on_servers_and_only_by_consent(
    office: Office, server: NatsServer
) -> None:
    with office.workspace() as ws:
        ws.resolver.push(everything=True, remote=server.url).send()
        ws.accounts.delete("SHOP").sign()
        pruning = ws.resolver.prune(server.url)
        assert [one.name for one in pruning.orphaned] == ["SHOP"]
        with pytest.raises(Refused, match="not confirmed: nothing was deleted"):
            pruning.send(approve=lambda _: False)
        assert pruning.send().ok
        assert ws.resolver.prune(server.url).is_empty


def test_an_account_that_servers_have_later_is_pulled_into_the_store(
    office: Office, server: NatsServer, tmp_path: Path
) -> None:
    with office.workspace() as ws:
        before = ws.account("SHOP")
        ws.accounts.edit("SHOP", limits={"conn": 7}).sign()
        ws.resolver.push("SHOP", remote=server.url).send()
        ws.store.put({("SHOP",): before})
        pull = ws.resolver.pull("SHOP", remote=server.url)
        assert (pull.replaced, ws.account("SHOP").text) == (("SHOP",), before.text)
        with pytest.raises(Refused, match="not confirmed: the store is as it was"):
            pull.write(approve=lambda _: False)
        pull.write()
        assert ws.account("SHOP").claims.body.limits.conn == 7
        assert ws.resolver.pull("SHOP", remote=server.url).is_empty


def test_in_a_running_event_loop_servers_are_asked_by_functions_to_await(
    office: Office, server: NatsServer
) -> None:
    ws = Workspace(**office.arguments)

    async def program() -> tuple[str, bool, bool]:
        with pytest.raises(UsageError) as refused:
            ws.resolver.push(everything=True, remote=server.url)
        preview = await ws.resolver.push_async(everything=True, remote=server.url)
        pushed = await preview.send_async()
        pull = await ws.resolver.pull_async(everything=True, remote=server.url)
        login = await ws.resolver.login_async(server.url)
        return refused.value.message, pushed.ok and pull.is_empty, login.is_empty

    assert asyncio.run(program()) == (
        "servers are asked by a loop of their own, and an event loop is running in this thread",
        True,
        True,
    )


def test_a_target_of_another_type_ends_in_a_sentence(office: Office) -> None:
    office.run(FOUND)
    ws = Workspace(**office.arguments)
    with pytest.raises(UsageError, match="remote is of the type int"):
        ws.resolver.push("ORDERS", remote=4222)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"^urls and folder name two targets$"):
        ws.resolver.push("ORDERS", remote=Remote(urls=("nats://localhost",), folder=office.folder))


def test_a_program_rotates_a_key_of_the_operator_as_far_as_servers_prove(
    office: Office, server: NatsServer
) -> None:
    with office.workspace() as ws, ws.resolver.open(server.url) as session:
        ws.resolver.push(everything=True, remote=server.url).send()
        (old,) = ws.operator().claims.body.signing_keys
        sign_all(ws.rotations.operator_key().add())
        rotation = ws.rotations.operator_key()
        assert [str(rotation.stage()), str(rotation.stage(rotation.seen(session)))] == ["reissue", "spread"]
        with pytest.raises(Refused, match="the new key is not trusted yet by "):
            rotation.remove(rotation.seen(session))
        assert len(sign_all(rotation.reissue())) == 3
        rotation = rotation.again()
        assert (str(rotation.stage()), rotation.by_old) == ("remove", {})
        sign_all(rotation.remove())
        (new,) = ws.operator().claims.body.signing_keys
        assert (new != old, {str(jwt.issuer) for jwt in ws.all_accounts()}) == (True, {new})
        assert ws.rotations.operator_key(ending=True).replacement is None
