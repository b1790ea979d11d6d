"""Each port that `lint` reports as open lets a stranger in at a real server, and closed it does not."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from seedless.nats_config.lint import lint_configuration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Codes = Callable[[str], list[str]]
    StartServer = Callable[[str], Any]
    OpenSession = Callable[..., Any]

LISTED = "authorization { users: [ { user: a, password: b } ] }\n"
SYSTEM_ALONE = "accounts { SYS { users: [ { user: a, password: b } ] } }\nsystem_account: SYS\n"
LISTEN = "listen: '127.0.0.1:-1'"
LOGIN = "authorization { user: x, password: y }"


@pytest.fixture
def codes(tmp_path: Path) -> Codes:
    def found(text: str) -> list[str]:
        path = tmp_path / "linted.conf"
        path.write_text(text)
        return sorted({finding.code for finding in lint_configuration(path, {}, int(time.time()))})

    return found


def port_of(server: Any, what: str) -> str:  # noqa: ANN401 - a server
    port = re.search(rf"Listening for {what} .*:(\d+)", server.log())
    assert port is not None, server.log()
    return f"nats://127.0.0.1:{port[1]}"


@pytest.mark.parametrize(
    ("open_port", "code", "what", "member", "closed_port"),
    [
        pytest.param(
            f"{LISTED}cluster {{ name: c, {LISTEN} }}",
            "S024",
            "route",
            {"cluster": "c"},
            f"{LISTED}cluster {{ name: c, {LISTEN}, {LOGIN} }}",
            id="cluster",
        ),
        pytest.param(
            f"{LISTED}cluster {{ name: c, {LISTEN}, authorization {{ user: '', password: '' }} }}",
            "S024",
            "route",
            {"cluster": "c"},
            f"{LISTED}cluster {{ name: c, {LISTEN}, {LOGIN} }}",
            id="cluster with an empty login",
        ),
        pytest.param(
            f"{LISTED}gateway {{ name: c, {LISTEN} }}",
            "S024",
            "gateways",
            {"gateway": "d"},
            f"{LISTED}gateway {{ name: c, {LISTEN}, {LOGIN} }}",
            id="gateway",
        ),
        pytest.param(
            f"{SYSTEM_ALONE}leafnodes {{ {LISTEN} }}",
            "S025",
            "leafnode",
            {},
            f"{SYSTEM_ALONE}leafnodes {{ {LISTEN}, {LOGIN} }}",
            id="leaf nodes",
        ),
        pytest.param(
            f"no_auth_user: a\n{LISTED}leafnodes {{ {LISTEN} }}",
            "S025",
            "leafnode",
            {},
            f"{LISTED}leafnodes {{ {LISTEN} }}",
            id="leaf nodes for whom a user stands",
        ),
    ],
)
def test_a_stranger_connects_as_a_server_until_the_port_asks(
    nats_server: StartServer,
    session: OpenSession,
    codes: Codes,
    open_port: str,
    code: str,
    what: str,
    member: dict[str, str],
    closed_port: str,
) -> None:
    assert code in codes(open_port)
    assert session(port_of(nats_server(open_port), what), **member).refusal == ""
    assert code not in codes(closed_port)
    url = port_of(nats_server(closed_port), what)
    assert session(url, **member).refusal == "Authorization Violation"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("authorization { user: '', password: '' }", id="an empty user"),
        pytest.param("authorization { user: '', password: x }", id="an empty user with a password"),
        pytest.param("accounts { A { users: [] } }", id="an account without users"),
        pytest.param(SYSTEM_ALONE, id="users in the system account alone"),
    ],
)
def test_a_client_without_credentials_is_let_in(
    nats_server: StartServer, session: OpenSession, codes: Codes, text: str
) -> None:
    assert codes(text) == ["S007"]
    assert session(nats_server(text).url).refusal == ""


def test_the_monitoring_port_shows_users_and_subjects_to_whoever_asks(
    nats_server: StartServer, session: OpenSession, codes: Codes
) -> None:
    assert codes(f"{LISTED}http_port: 8222") == ["S026"]
    server = nats_server(f"{LISTED}http: '127.0.0.1:-1'")
    session(server.url, user="a", **{"pass": "b"}).subscribe("orders.secret")
    (ports,) = server.folder.glob("*.ports")
    (address,) = json.loads(ports.read_text())["monitoring"]
    with urllib.request.urlopen(f"{address}/connz?subs=1&auth=1") as answer:  # noqa: S310 - of a server on loopback
        shown = answer.read()
    assert b"orders.secret" in shown
    assert b'"authorized_user": "a"' in shown


def test_the_profiling_port_shows_the_command_line_to_whoever_asks(
    nats_server: StartServer, codes: Codes
) -> None:
    assert codes(f"{LISTED}prof_port: 6060") == ["S027"]
    server = nats_server(f"{LISTED}prof_port: -1")
    (ports,) = server.folder.glob("*.ports")
    (address,) = json.loads(ports.read_text())["profile"]
    with urllib.request.urlopen(f"{address}/debug/pprof/cmdline") as answer:  # noqa: S310 - of a server on loopback
        assert b"nats-server" in answer.read()
