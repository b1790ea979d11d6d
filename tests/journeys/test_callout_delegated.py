"""`seedless serve callout` whose users are signed by keys that the token delegates, at a real nats-server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedless import Role, SoftwareKey
from seedless.claims import ExternalAuthorization, Permission, Template, User
from seedless.creds import parse_creds
from seedless.serve.backends.users import hash_password
from seedless.server_config import full

sys.path.insert(0, str(Path(__file__).parents[1]))

from msgspec.structs import replace
from office import open_office

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    import pytest_softhsm
    from seedless.jwt import Claims

_PATIENCE = 30.0
_CONFIGURATION = """
servers = ["{url}"]
mode = "operator"
account = "{auth}"
creds = "{creds}"
system-creds = "{system}"
signing-key = "file:{folder}/answers.nk"

[accounts.ORDERS]
key = "{orders}"
roles = {{ clerk = "delegated" }}

[delegation]
for = "1h"

[backends.staff]
kind = "users"
file = "{folder}/users.toml"

[[rules]]
account = "ORDERS"
role = "clerk"
"""


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def _wait(log: Path, event: str, count: int = 1) -> dict[str, Any]:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
        if len(found := [line for line in lines if line["event"] == event]) >= count:
            return found[count - 1]
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def test_users_are_signed_by_a_delegated_key_and_the_token_is_asked_at_the_start(
    few_tokens: None,
    softhsm_token: pytest_softhsm.Token,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nats_server: Callable[[str], Any],
    session: Callable[..., Any],
) -> None:
    office = open_office(softhsm_token, tmp_path, monkeypatch)
    answers = SoftwareKey.generate(Role.ACCOUNT)
    with office.workspace() as ws:
        ws.operators.add("ACME", system_account=True).sign()
        ws.accounts.add("AUTH").sign()
        ws.accounts.add("ORDERS").sign()
        own = Permission(allow=("orders.{{name()}}.>",))
        ws.signing_keys.add("ORDERS", role="clerk", template=Template(pub=own, sub=own)).sign()
        ws.signing_keys.add("AUTH", answers.public_key).sign()
        service = ws.users.add("AUTH", "service").sign()
        nothing = Permission(deny=(">",))

        def bearer(claims: Claims[User]) -> Claims[User]:
            body = replace(claims.body, bearer_token=True, pub=nothing, sub=nothing)
            return replace(claims, body=body)

        sentinel = ws.users.add("AUTH", "sentinel", bearer).sign()
        watcher = ws.users.add("SYS", "watcher").sign()
        orders, auth = (ws.account(name).claims.sub for name in ("ORDERS", "AUTH"))
        delegated = ExternalAuthorization(auth_users=(service.jwt.claims.sub,), allowed_accounts=(orders,))
        ws.auth_callouts.edit("AUTH", lambda _: delegated).sign()
        server = nats_server(full(ws.operator(), ws.all_accounts(), allow_delete=True))
        ws.resolver.push(everything=True, remote=server.url).send().require_done()
    _write(tmp_path / "answers.nk", answers.reveal())
    _write(tmp_path / "users.toml", f'[ann]\npassword = "{hash_password("correct horse")}"\n')
    configuration = tmp_path / "callout.toml"
    _write(
        configuration,
        _CONFIGURATION.format(
            url=server.url, auth=auth, orders=orders, folder=tmp_path,
            creds=service.creds_path, system=watcher.creds_path,
        ),
    )  # fmt: skip
    arguments = office.arguments
    env = os.environ | {f"SEEDLESS_{name.upper()}": str(value) for name, value in arguments.items()}
    log = tmp_path / "log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, "-m", "seedless", "serve", "callout", str(configuration)], env=env, stderr=stream
        ) as process,
    ):
        try:
            assert _wait(log, "delegated")["role"] == "clerk"
            _wait(log, "connected", 2)
            assert sentinel.creds_path is not None
            jwt = parse_creds(sentinel.creds_path.read_text()).jwt
            client = session(server.url, jwt=jwt, user="ann", **{"pass": "correct horse"})
            assert client.refusal == ""
            client.publish("orders.bob.new", b"")
            assert client.refusal == 'Permissions Violation for Publish to "orders.bob.new"'
            assert session(server.url, jwt=jwt, user="ann", **{"pass": "wrong"}).refusal
            process.terminate()
            assert process.wait(_PATIENCE) == 0
        finally:
            process.kill()
    assert "not as servers have it" not in log.read_text()
    with office.workspace() as ws:
        (entry,) = ws.delegations.entries("ORDERS")
        assert (entry.state, entry.is_listed) == ("ended", True), "a user that it has signed is still valid"
