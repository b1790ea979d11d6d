"""`seedless serve callout` whose users are signed by keys that the token delegates, at a real nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

import pytest

from seedless import Role, SoftwareKey
from seedless.claims import ExternalAuthorization, Permission, Template, User
from seedless.creds import parse_creds
from seedless.readiness import CheckStatus
from seedless.serve.backends.users import hash_password
from seedless.serve.doctor import examine
from seedless.serve.process import ServiceLoader
from seedless.server_config import full

sys.path.insert(0, str(Path(__file__).parents[1]))

from msgspec.structs import replace
from office import Office, open_office

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest_softhsm
    from seedless.jwt import Claims, Jwt

    Connect = Callable[..., Any]

PASSWORD = "correct horse"
_PATIENCE = 30.0
_CONFIGURATION = """
servers = ["{url}"]
mode = "operator"
account = "{auth}"
creds = "{creds}"
system-creds = "{system}"
signing-key = "file:{folder}/answers.nk"
listen = "127.0.0.1:0"

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


def _wait(
    log: Path, event: str, count: int = 1, process: subprocess.Popen[bytes] | None = None
) -> dict[str, Any]:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and (process is None or process.poll() is None):
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
        if len(found := [line for line in lines if line["event"] == event]) >= count:
            return found[count - 1]
        time.sleep(0.02)
    raise AssertionError(log.read_text())


@dataclass
class Place:
    """A server in operator mode, and the configuration of a callout whose users a delegated key signs."""

    office: Office
    url: str
    configuration: Path
    sentinel: Jwt[User]
    session: Connect

    @property
    def log(self) -> Path:
        return self.office.folder / "log"

    def set(self, **changes: str) -> None:
        """Replace values in the configuration: `for="8s"`."""
        text = self.configuration.read_text()
        for name, value in changes.items():
            text = re.sub(rf'^{name} = ".*"$', f'{name} = "{value}"', text, flags=re.MULTILINE)
        _write(self.configuration, text)

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the command, and wait until it is connected, to the system account too."""
        env = os.environ | {
            f"SEEDLESS_{name.upper()}": str(value) for name, value in self.office.arguments.items()
        }
        command = [sys.executable, "-m", "seedless", "serve", "callout", str(self.configuration)]
        with self.log.open("wb") as stream, subprocess.Popen(command, env=env, stderr=stream) as process:
            try:
                assert _wait(self.log, "delegated", process=process)["role"] == "clerk"
                _wait(self.log, "connected", 2)
                yield process
            finally:
                process.kill()

    def log_in(self, password: str = PASSWORD) -> Any:  # noqa: ANN401 - Session of conftest.py
        return self.session(self.url, jwt=self.sentinel, user="ann", **{"pass": password})

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of the service's own page."""
        connection = HTTPConnection(_wait(self.log, "listening")["address"], timeout=_PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def place(
    few_tokens: None,
    softhsm_token: pytest_softhsm.Token,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nats_server: Callable[[str], Any],
    session: Connect,
) -> Place:
    office = open_office(softhsm_token, tmp_path, monkeypatch)
    answers = SoftwareKey.generate(Role.ACCOUNT)
    with office.workspace() as ws:
        ws.operators.add("ACME", system_account=True).sign()
        ws.accounts.add("AUTH").sign()
        ws.accounts.add("ORDERS").sign()
        own = Permission(allow=("orders.{{name()}}.>",))
        ws.signing_keys.add("ORDERS", role="clerk", template=Template(pub=own, sub=own)).sign()
        ws.signing_keys.add("ORDERS", role="auditor", template=Template(sub=own)).sign()
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
    _write(tmp_path / "users.toml", f'[ann]\npassword = "{hash_password(PASSWORD)}"\n')
    configuration = tmp_path / "callout.toml"
    _write(
        configuration,
        _CONFIGURATION.format(
            url=server.url, auth=auth, orders=orders, folder=tmp_path,
            creds=service.creds_path, system=watcher.creds_path,
        ),
    )  # fmt: skip
    assert sentinel.creds_path is not None
    jwt = parse_creds(sentinel.creds_path.read_text()).jwt
    return Place(office, server.url, configuration, jwt, session)


def test_users_are_signed_by_a_delegated_key_and_the_token_is_asked_at_the_start(place: Place) -> None:
    with place.serving() as process:
        client = place.log_in()
        assert client.refusal == ""
        client.publish("orders.bob.new", b"")
        assert client.refusal == 'Permissions Violation for Publish to "orders.bob.new"'
        assert place.log_in("wrong").refusal
        roles = 'clerk = "delegated"'
        text = place.configuration.read_text().replace(roles, f'{roles}, auditor = "delegated"')
        _write(place.configuration, text)
        process.send_signal(signal.SIGHUP)
        assert _wait(place.log, "delegated", 2)["role"] == "auditor"
        _wait(place.log, "configuration read")
        _write(place.configuration, text.replace('role = "clerk"', 'role = "auditor"'))
        process.send_signal(signal.SIGHUP)
        _wait(place.log, "configuration read", 2)
        assert place.log_in().refusal == "", "the account has been asked for again"
        process.terminate()
        assert process.wait(_PATIENCE) == 0
    assert "not as servers have it" not in place.log.read_text()
    with place.office.workspace() as ws:
        entries = ws.delegations.entries("ORDERS")
        assert sorted((one.role, one.state, one.is_listed) for one in entries) == [
            ("auditor", "ended", True),
            ("clerk", "ended", True),
        ], "users that they have signed are still valid"


def test_what_is_wrong_is_found_before_a_key_is_delegated_and_by_the_doctor_before_the_service_runs(
    place: Place,
) -> None:
    def problems() -> list[str]:
        service = ServiceLoader(place.configuration, _no_token)()
        return [item.found for item in asyncio.run(examine(service)) if item.verdict is CheckStatus.PROBLEM]

    assert problems() == []
    other = SoftwareKey.generate(Role.ACCOUNT)
    _write(place.office.folder / "answers.nk", other.reveal())
    place.set(**{"system-creds": str(place.office.folder / "store/keys/creds/ACME/AUTH/service.creds")})
    assert problems() == ["0 answered"], "that user is not in the system account"
    place.set(**{"system-creds": str(place.office.folder / "store/keys/creds/ACME/SYS/watcher.creds")})
    assert problems() == [
        f"{other.public_key}, which signs answers, is not a key of the account AUTH: servers ignore them"
    ]
    (place.office.folder / "users.toml").chmod(0o644)
    with pytest.raises(AssertionError, match=r"users\.toml can be read by all"), place.serving():
        pass
    assert "delegated" not in place.log.read_text(), "the token has signed nothing"


def _no_token(uri: str) -> Never:
    raise AssertionError(uri)


def test_while_the_token_is_unplugged_logins_go_on_until_the_delegation_ends_and_the_service_reports_it(
    place: Place, softhsm: pytest_softhsm.SoftHSM
) -> None:
    place.set(**{"for": "10s"})
    overdue = 'seedless_delegation_overdue{account="ORDERS",role="clerk"}'
    with place.serving():
        assert place.log_in().refusal == ""
        assert place.get("/readyz") == (200, "ready\n")
        assert f"{overdue} 0.0" in place.get("/metrics")[1]
        with unplugged(softhsm.token_dir, place.office.token.label, place.office.folder):
            event = _wait(place.log, "not delegated")
            assert place.log_in().refusal == "", "the delegated key is in memory"
            status, text = place.get("/readyz")
            assert (status, text.splitlines()[0]) == (200, "ready")
            # The log cuts a long reason: the tokens of all tests of this process are named in it.
            assert f"and could not be replaced: {event['reason'].removesuffix('…')}" in text
            assert f"{overdue} 1.0" in place.get("/metrics")[1]
            _until(lambda: place.get("/readyz")[0] == 503)
            assert place.log_in().refusal == "Authorization Violation"
            assert "has ended" in place.get("/readyz")[1]
            assert "has ended" in _wait(place.log, "login refused")["reason"]
        _wait(place.log, "delegated", 2)
        _until(lambda: place.log_in().refusal == "")
        assert place.get("/readyz") == (200, "ready\n")


@contextlib.contextmanager
def unplugged(tokens: Path, label: str, folder: Path) -> Iterator[None]:
    """Take the token with this *label* out of the folder of all *tokens*, and put it back."""
    (token,) = [path.parent for path in tokens.glob("*/token.object") if label.encode() in path.read_bytes()]
    away = folder / "unplugged"
    token.rename(away)
    yield
    away.rename(token)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
