"""Each security issue that `lint` finds in a configuration is used at a real server, and closed again."""

from __future__ import annotations

import base64
import os
import re
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import Account, Generic, Operator, User
from seedless.findings import Severity
from seedless.jwt import Claims, Jwt, draft
from seedless.nats_config.lint import lint_configuration
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.server_config import full, memory, nkey_users

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    StartServer = Callable[[str], Any]
    Codes = Callable[[str], list[str]]
    OpenSession = Callable[..., Any]

NOW = int(time.time())


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, bytes([number] * 32))


OPERATOR, OTHER, SIGNING = (key(Role.OPERATOR, number) for number in (1, 2, 3))
SYSTEM, ORDERS, PAYROLL = (key(Role.ACCOUNT, number) for number in (1, 2, 3))
ALICE, BOB = (key(Role.USER, number) for number in (1, 2))
U = str(ALICE.public_key)


def sign(by: SoftwareKey, about: SoftwareKey, name: str, body: Any, exp: int = 0) -> Jwt[Any]:  # noqa: ANN401 - any claims
    claims = Claims(sub=str(about.public_key), name=name, body=body, exp=exp)
    made = draft(claims, by.public_key, NOW - 100)
    return made.complete(by.sign(made.signing_input))


def operator(by: SoftwareKey = OPERATOR, exp: int = 0, **members: Any) -> Jwt[Any]:  # noqa: ANN401 - claims
    body = Operator(**{"system_account": str(SYSTEM.public_key)} | members)
    return sign(by, OPERATOR, "ACME", body, exp)


def account(by: SoftwareKey = OPERATOR, about: SoftwareKey = ORDERS, exp: int = 0) -> Jwt[Any]:
    return sign(by, about, "ORDERS", Account.new(), exp)


def trusting(root: Jwt[Any], *accounts: tuple[SoftwareKey, Jwt[Any]], resolver: str = "MEMORY") -> str:
    entries = "".join(f"  {about.public_key}: {jwt.text}\n" for about, jwt in accounts)
    return f"operator: {root.text}\nresolver: {resolver}\nresolver_preload {{\n{entries}}}\n"


ROOT, SYS, GOOD = operator(), (SYSTEM, account(about=SYSTEM)), (ORDERS, account())
CLERK = sign(ORDERS, ALICE, "clerk", User.new())
FULL = "{ type: full, dir: './jwt' }"
LISTED = "authorization { user: a, password: b }\n"


@pytest.fixture
def codes(tmp_path: Path) -> Codes:
    def found(text: str) -> list[str]:
        """Return the codes that are found in the configuration *text*."""
        path = tmp_path / "linted.conf"
        path.write_text(text)
        return sorted({finding.code for finding in lint_configuration(path, {}, NOW)})

    return found


@pytest.mark.parametrize(
    ("issue", "code", "stranger", "closed"),
    [
        pytest.param(
            f"authorization {{ users = [ {{ user: {U} }} ] }}",
            "S003",
            {"user": U},
            f"authorization {{ users = [ {{ nkey: {U} }} ] }}",
            id="a public key as a name",
        ),
        pytest.param(
            f"authorization {{ user: {U}, password: '' }}",
            "S003",
            {"user": U},
            f"authorization {{ user: {U}, password: x }}",
            id="with an empty password",
        ),
        pytest.param(
            f"accounts {{ A {{ users = [ {{ user: {U} }} ] }} }}",
            "S003",
            {"user": U},
            f"accounts {{ A {{ users = [ {{ nkey: {U} }} ] }} }}",
            id="in an account",
        ),
        pytest.param(
            f"authorization {{ token: {U} }}",
            "S003",
            {"auth_token": U},
            "authorization { token: 's3cret' }",
            id="as a token",
        ),
        pytest.param(
            "authorization { users = [ { user: bob } ] }",
            "S004",
            {"user": "bob"},
            "authorization { users = [ { user: bob, password: x } ] }",
            id="a name without a password",
        ),
        pytest.param(
            "authorization { }", "S007", {}, "authorization { token: x }", id="an empty authorization"
        ),
        pytest.param(
            "authorization { users = [] }", "S007", {}, "authorization { token: x }", id="an empty list"
        ),
        pytest.param(
            "authorization { token: '' }", "S007", {}, "authorization { token: x }", id="an empty token"
        ),
        pytest.param("operator: []", "S007", {}, "authorization { token: x }", id="no operators"),
        pytest.param("trusted_keys: []", "S007", {}, "authorization { token: x }", id="no trusted keys"),
        pytest.param("max_payload: 1k", "S007", {}, "authorization { token: x }", id="nothing"),
        pytest.param(
            "no_auth_user: bob\nauthorization { users = [ { user: bob, password: x } ] }",
            "S008",
            {},
            "authorization { users = [ { user: bob, password: x } ] }",
            id="somebody for everybody",
        ),
        pytest.param(
            "authorization { token: x }\nauthorization { timeout: 1 }",
            "S011",
            {},
            "authorization { token: x, timeout: 1 }",
            id="a second authorization",
        ),
    ],
)
def test_a_stranger_is_let_in_until_the_hole_is_closed(
    nats_server: StartServer,
    session: OpenSession,
    codes: Codes,
    issue: str,
    code: str,
    stranger: dict[str, str],
    closed: str,
) -> None:
    assert code in codes(issue)
    assert session(nats_server(issue).url, **stranger).refusal == ""
    assert codes(closed) == []
    assert session(nats_server(closed).url, **stranger).refusal == "Authorization Violation"


def test_the_owner_of_a_listed_nkey_is_let_in(
    nats_server: StartServer, session: OpenSession, codes: Codes
) -> None:
    text = nkey_users([ALICE.public_key])
    assert codes(text) == []
    url = nats_server(text).url
    assert session(url, ALICE).refusal == ""
    assert session(url, BOB).refusal == "Authorization Violation"


def test_whoever_reads_a_seed_in_a_comment_logs_in(
    nats_server: StartServer, session: OpenSession, codes: Codes
) -> None:
    text = f"# {ALICE.reveal()}\n{nkey_users([ALICE.public_key])}"
    assert codes(text) == ["S006"]
    read = re.search("SU[A-Z2-7]{56}", text)
    assert read is not None
    assert session(nats_server(text).url, SoftwareKey.parse(read[0])).refusal == ""


def address_of(server: Any, what: str) -> tuple[str, int]:  # noqa: ANN401 - a server
    """Return where the log of *server* says that it listens for *what*."""
    port = re.search(rf"Listening for {what} .*:(\d+)", server.log())
    assert port is not None, server.log()
    return "127.0.0.1", int(port[1])


LISTENERS = {
    "leafnode": ("leafnodes { listen: '127.0.0.1:-1', authorization { user: %s } }", {}),
    "route": ("cluster { name: c, listen: '127.0.0.1:-1', authorization { user: %s } }", {"cluster": "c"}),
    "gateways": ("gateway { name: c, listen: '127.0.0.1:-1', authorization { user: %s } }", {"gateway": "d"}),
}


@pytest.mark.parametrize("what", LISTENERS)
def test_a_stranger_is_let_in_as_another_server(
    nats_server: StartServer,
    session: OpenSession,
    codes: Codes,
    what: str,
) -> None:
    text, member = LISTENERS[what]
    issue = LISTED + text % U
    assert codes(issue) == ["S003"]
    host, port = address_of(nats_server(issue), what)
    assert session(f"nats://{host}:{port}", user="eve", **member).refusal == "Authorization Violation"
    assert session(f"nats://{host}:{port}", user=U, **member).refusal == ""
    closed = LISTED + text % f"{U}, password: x"
    assert codes(closed) == []
    host, port = address_of(nats_server(closed), what)
    assert session(f"nats://{host}:{port}", user=U, **member).refusal == "Authorization Violation"


def mqtt_answer(address: tuple[str, int], user: str = "") -> int:
    """Return the answer to an MQTT client *user*, or one without: 0 is welcome (MQTT 3.1.1, 3.2.2.3)."""
    words = [struct.pack(">H", len(word)) + word for word in (b"MQTT", b"client", user.encode())]
    flags, name = (0x82, words[2]) if user else (0x02, b"")
    body = words[0] + bytes([4, flags]) + struct.pack(">H", 30) + words[1] + name
    with socket.create_connection(address, 10) as connection:
        connection.sendall(bytes([0x10, len(body)]) + body)
        return connection.recv(4)[3]


def websocket_answer(address: tuple[str, int], user: str) -> bytes:
    """Return the last word of a server to a client by websocket with the name *user*."""
    name = b',"user":"%s"' % user.encode() if user else b""
    login = b'CONNECT {"verbose":false%s}\r\nPING\r\n' % name
    ask = (
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
    )
    with socket.create_connection(address, 10) as connection:
        connection.sendall(ask.encode())
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += connection.recv(4096)
        connection.sendall(bytes([0x82, 0x80 | len(login)]) + bytes(4) + login)
        while b"PONG" not in heard and b"-ERR" not in heard:
            heard += connection.recv(4096)
    return b"PONG" if b"PONG" in heard else b"-ERR"


def test_a_stranger_is_let_in_by_websocket(nats_server: StartServer, codes: Codes) -> None:
    text = LISTED + "websocket { listen: '127.0.0.1:-1', no_tls: true, authorization { username: %s } }"
    assert codes(text % "eve") == ["S004", "S028"]
    assert codes(text % f"{U}, password: x") == ["S028"]
    issue = text % "eve"
    address = address_of(nats_server(issue), "websocket clients")
    assert websocket_answer(address, "eve") == b"PONG"
    assert websocket_answer(address, "mallory") == b"-ERR"


def test_a_stranger_is_let_in_by_mqtt(nats_server: StartServer, codes: Codes) -> None:
    text = (
        "server_name: one\njetstream { store_dir: store }\n"
        f"{LISTED}mqtt {{ listen: '127.0.0.1:-1', authorization {{ username: {U} }} }}"
    )
    assert codes(text) == ["S003"]
    address = address_of(nats_server(text), "MQTT clients")
    assert mqtt_answer(address, U) == 0
    assert mqtt_answer(address, "eve") == 5


def test_a_stranger_signs_accounts_of_an_operator_whose_jwt_he_made(
    nats_server: StartServer,
    session: OpenSession,
    codes: Codes,
) -> None:
    forged = operator(OTHER, signing_keys=(str(OTHER.public_key),))
    accounts = [(about, account(OTHER, about)) for about in (SYSTEM, ORDERS)]
    text = trusting(forged, *accounts)
    assert codes(text) == ["S013", "S015"]
    assert session(nats_server(text).url, ALICE, CLERK).refusal == ""


def test_an_operator_that_has_expired_is_trusted_on(
    nats_server: StartServer, session: OpenSession, codes: Codes
) -> None:
    text = trusting(operator(exp=NOW - 10), SYS, GOOD)
    assert codes(text) == ["S014"]
    assert session(nats_server(text).url, ALICE, CLERK).refusal == ""


def test_the_identity_of_an_operator_signs_accounts_until_it_is_strict(
    nats_server: StartServer,
    session: OpenSession,
    codes: Codes,
) -> None:
    keys = (str(SIGNING.public_key),)
    system = (SYSTEM, account(SIGNING, SYSTEM))
    loose = trusting(operator(signing_keys=keys), system, GOOD)
    strict = trusting(operator(signing_keys=keys, strict_signing_key_usage=True), system, GOOD)
    assert codes(loose) == ["S015"]
    assert session(nats_server(loose).url, ALICE, CLERK).refusal == ""
    assert codes(strict) == ["S017"]
    assert session(nats_server(strict).url, ALICE, CLERK).refusal == "Authorization Violation"


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        pytest.param((ORDERS, account(OTHER)), ["S017"], id="by another operator"),
        pytest.param((ORDERS, account(about=PAYROLL)), ["S016"], id="under another key"),
        pytest.param((ORDERS, account(exp=NOW - 10)), ["S018"], id="expired"),
        pytest.param(GOOD, [], id="as it should be"),
    ],
)
def test_a_server_starts_and_refuses_the_users_of_an_account_that_is_not_right(
    nats_server: StartServer,
    session: OpenSession,
    codes: Codes,
    entry: tuple[SoftwareKey, Jwt[Any]],
    found: list[str],
) -> None:
    text = trusting(ROOT, SYS, entry)
    assert codes(text) == found
    refusal = session(nats_server(text).url, ALICE, CLERK).refusal
    assert refusal == ("Authorization Violation" if found else "")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(memory(ROOT, [SYS[1], GOOD[1]], str(SYSTEM.public_key)), id="memory"),
        pytest.param(trusting(ROOT, SYS, GOOD, resolver=FULL), id="full"),
    ],
)
def test_a_clean_configuration_lets_users_in_and_nobody_else(
    nats_server: StartServer,
    session: OpenSession,
    codes: Codes,
    text: str,
) -> None:
    assert codes(text) == []
    url = nats_server(text).url
    assert session(url, ALICE, CLERK).refusal == ""
    assert session(url, BOB, CLERK).refusal == "Authorization Violation"
    assert session(url).refusal == "Authorization Violation"


NO_START = {
    "S005 an account as an nkey": (
        f"authorization {{ users = [ {{ nkey: {ORDERS.public_key} }} ] }}",
        "Not a valid public nkey",
    ),
    "S005 a user as the nkey of an account": (
        f"accounts {{ A {{ nkey: {U} }} }}",
        "Not a valid public nkey for an account",
    ),
    "S009 nkey_dir": (
        f"authorization {{ nkey_dir: x, users = [ {{ nkey: {U} }} ] }}",
        'unknown field "nkey_dir"',
    ),
    "S009 type": (f"authorization {{ users = [ {{ nkey: {U}, type: nkey }} ] }}", 'unknown field "type"'),
    "S009 allow_subscriptions": (
        f"authorization {{ users = [ {{ nkey: {U}, allow_subscriptions: a }} ] }}",
        'unknown field "allow_subscriptions"',
    ),
    "S012 no jwt": ("operator: nope.jwt\nresolver: MEMORY", "error parsing operator JWT"),
    "S012 an account": (f"operator: {GOOD[1].text}\nresolver: MEMORY", "not operator claim"),
    "S016 damaged": (
        trusting(ROOT, SYS).replace("}", f"  {ORDERS.public_key}: {GOOD[1].text[:-4]}AAAA\n}}"),
        "invalid account JWT",
    ),
    "S019": (f"system_account: {ORDERS.public_key}\n{trusting(ROOT, SYS, GOOD)}", "must be identical"),
    "S020 in memory": (trusting(ROOT, GOOD), "account missing"),
    "S020 full": (
        trusting(operator(system_account=""), resolver=FULL),
        "the system account needs to be specified",
    ),
    "S021 trusted keys": (
        f"trusted_keys: {OPERATOR.public_key}\n{trusting(ROOT, SYS)}",
        "conflicting options",
    ),
    "S021 accounts": (f"accounts {{ A {{ }} }}\n{trusting(ROOT, SYS)}", "operators do not allow Accounts"),
    "S021 users": (
        f"authorization {{ users: [ {{ user: a, password: b }} ] }}\n{trusting(ROOT, SYS)}",
        "operators do not allow users",
    ),
    "S022 none": (f"operator: {operator(system_account='').text}\n", "could not fetch"),
    "S022 one that takes no preload": (
        trusting(ROOT, SYS, resolver="URL(http://127.0.0.1/)"),
        "resolver preloads only available",
    ),
    "S008 with an operator": (f"no_auth_user: {U}\n{trusting(ROOT, SYS)}", "no_auth_user not compatible"),
}


@pytest.mark.parametrize(("text", "said"), NO_START.values(), ids=NO_START)
def test_a_server_does_not_start_where_lint_reports_that_it_will_not(
    refused_start: Callable[[str], str], tmp_path: Path, text: str, said: str, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "s.conf"
    path.write_text(text)
    code = request.node.callspec.id[:4]
    found = [one for one in lint_configuration(path, {}, NOW) if one.code == code]
    assert [one.severity for one in found] == [Severity.ERROR]
    assert said in refused_start(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(trusting(operator(system_account=""), GOOD), "S020", id="no system account"),
        pytest.param(trusting(ROOT, resolver=FULL), "S020", id="an empty full resolver"),
        pytest.param(
            trusting(ROOT, SYS, resolver="{ type: full, dir: './jwt', allow_deletes: on }"),
            "S010",
            id="a word",
        ),
    ],
)
def test_a_server_lives_with_what_is_only_a_warning(
    nats_server: StartServer, codes: Codes, text: str, code: str
) -> None:
    assert codes(text) == [code]
    nats_server(text)


@pytest.mark.parametrize("allowed", [False, True], ids=["off", "on"])
def test_accounts_are_deleted_only_where_it_is_allowed(
    nats_server: StartServer,
    session: OpenSession,
    tmp_path: Path,
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    text = full(ROOT, [SYS[1]], allow_delete=allowed)
    path = tmp_path / "s.conf"
    path.write_text(text)
    found = lint_configuration(path, {}, NOW, requires_delete=True)
    assert [one.code for one in found] == ([] if allowed else ["S023"])
    admin = session(nats_server(text).url, ALICE, sign(SYSTEM, ALICE, "admin", User.new()))
    admin.subscribe("answer")
    order = sign(OPERATOR, OPERATOR, "", Generic(data={"accounts": [str(ORDERS.public_key)]}))
    admin.publish("$SYS.REQ.CLAIMS.DELETE", order.text.encode(), reply="answer")
    answer = admin.message()
    assert (b"delete must be enabled in server config" in answer) is not allowed


def test_a_websocket_client_that_brings_nothing_is_let_in_as_no_auth_user(
    nats_server: StartServer, codes: Codes
) -> None:
    users = "authorization { users: [ { user: guest, password: x } ] }\n"
    text = f"{users}websocket {{ listen: '127.0.0.1:-1', no_tls: true%s }}"
    assert codes(text % ", no_auth_user: guest") == ["S008", "S028"]
    address = address_of(nats_server(text % ", no_auth_user: guest"), "websocket clients")
    assert websocket_answer(address, "") == b"PONG"
    assert codes(text % "") == ["S028"]
    address = address_of(nats_server(text % ""), "websocket clients")
    assert websocket_answer(address, "") == b"-ERR"


def test_an_mqtt_client_without_a_name_is_let_in_as_no_auth_user(
    nats_server: StartServer, codes: Codes
) -> None:
    text = (
        "server_name: one\njetstream { store_dir: store }\n"
        "accounts { A { jetstream: on, users: [ { user: guest, password: x } ] } }\n"
        "mqtt { listen: '127.0.0.1:-1'%s }"
    )
    assert codes(text % ", no_auth_user: guest") == ["S008"]
    address = address_of(nats_server(text % ", no_auth_user: guest"), "MQTT clients")
    assert mqtt_answer(address) == 0
    assert codes(text % "") == []
    address = address_of(nats_server(text % ""), "MQTT clients")
    assert mqtt_answer(address) == 5
