"""What a real nats-server does with accounts and operators that commands have edited."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from nacl.bindings import crypto_box_open

from seedless.creds import parse_creds
from seedless.jwt import payload_of, read
from seedless.nkey import PublicKey
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any  # the fixture in tests/conftest.py
    Server = Any  # of tests/journeys/conftest.py
    Session = Any
    Login = Callable[..., Session]


@pytest.fixture
def system(cli: Cli) -> Cli:
    """ACME with its system account, and the account ORDERS with its user shop."""
    cli.ok("operator", "add", "ACME", "--sys")
    cli.ok("account", "add", "ORDERS")
    cli.ok("user", "add", "-a", "ORDERS", "shop")
    return cli


@pytest.fixture
def server(system: Cli, nats_server: Callable[[str], Server]) -> Callable[[], Server]:
    """Start a server that has the accounts as the store has them now."""
    return lambda: nats_server(system.ok("server", "config", "--mem-resolver").out)


@pytest.fixture
def login(system: Cli, session: Callable[..., Session]) -> Login:
    """Log in with the creds of a user: `login(server, "ORDERS", "shop")`."""

    def start(server: Server, account: str, user: str, **options: object) -> Session:
        creds = parse_creds((system.store / f"keys/creds/ACME/{account}/{user}.creds").read_text())
        return session(server.url, creds.key, creds.jwt, **options)

    return start


def test_users_of_a_scope_get_the_values_of_its_template(
    system: Cli, server: Callable[[], Server], login: Login
) -> None:
    system.ok(
        "account", "signing-key", "add", "-a", "ORDERS", "--role", "clerk", "--allow-pub",
        "desk.{{name()}}.{{tag(room)}}.>", "--allow-sub", "desk.>",
    )  # fmt: skip
    system.ok("user", "add", "-a", "ORDERS", "ann", "-K", "clerk", "--tag", "room:7")
    running = server()
    ann = login(running, "ORDERS", "ann")
    ann.subscribe("desk.>")
    ann.publish("desk.ann.7.in", b"a letter")
    assert (ann.message(), ann.refusal) == (b"a letter", "")
    ann.publish("desk.bob.7.in", b"a letter")
    assert ann.refusal.startswith("Permissions Violation for Publish to")


def test_a_scope_that_is_edited_changes_its_users_without_a_new_jwt(
    system: Cli, server: Callable[[], Server], login: Login
) -> None:
    system.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "clerk", "--allow-pub", "a")
    system.ok("user", "add", "-a", "ORDERS", "ann", "-K", "clerk")
    system.ok("account", "signing-key", "edit", "clerk", "-a", "ORDERS", "--rm", "a", "--allow-pub", "b")
    ann = login(server(), "ORDERS", "ann")
    ann.publish("b", b"")
    assert ann.refusal == ""
    ann.publish("a", b"")
    assert ann.refusal.startswith("Permissions Violation for Publish to")


def test_users_of_a_signing_key_that_is_removed_are_refused(
    system: Cli, server: Callable[[], Server], login: Login
) -> None:
    system.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "clerk")
    system.ok("user", "add", "-a", "ORDERS", "ann", "-K", "clerk")
    assert login(server(), "ORDERS", "ann").refusal == ""
    system.ok("account", "signing-key", "remove", "clerk", "-a", "ORDERS", "--force")
    running = server()
    assert login(running, "ORDERS", "ann").refusal == "Authorization Violation"
    assert login(running, "ORDERS", "shop").refusal == ""


def test_a_revoked_user_is_refused_until_the_revocation_is_taken_back(
    system: Cli, server: Callable[[], Server], login: Login
) -> None:
    system.ok("user", "add", "-a", "ORDERS", "other")
    system.ok("account", "revoke", "-a", "ORDERS", "shop")
    running = server()
    assert login(running, "ORDERS", "shop").refusal != ""
    assert login(running, "ORDERS", "other").refusal == ""
    system.ok("account", "unrevoke", "-a", "ORDERS", "shop")
    assert login(server(), "ORDERS", "shop").refusal == ""


def test_defaults_and_limits_of_an_account_hold_for_its_users(
    system: Cli, server: Callable[[], Server], login: Login
) -> None:
    system.ok("account", "edit", "ORDERS", "--allow-pubsub", "orders.>", "--conns", "1", "--payload", "8")
    running = server()
    shop = login(running, "ORDERS", "shop")
    shop.publish("orders.1", b"a book")
    assert shop.refusal == ""
    assert login(running, "ORDERS", "shop").refusal == "maximum account active connections exceeded"
    shop.publish("orders.1", b"nine byte")
    assert shop.refusal == "Maximum Payload Violation"


def test_a_strict_operator_lets_users_of_signing_keys_in(
    system: Cli, server: Callable[[], Server], login: Login
) -> None:
    system.ok("operator", "edit", "--sk", "generate")
    (key,) = system.ok("operator", "show", "-F", "nats.signing_keys", "--json").data["value"]
    system.ok("account", "edit", "SYS", "--issuer", key)
    system.ok("account", "edit", "ORDERS", "--sk", "generate", "--issuer", key)
    system.ok("user", "add", "-a", "ORDERS", "late")
    system.ok("operator", "edit", "--require-signing-keys", "--force")
    running = server()
    assert login(running, "ORDERS", "late").refusal == ""
    assert login(running, "ORDERS", "shop").refusal == "Authorization Violation"
    assert login(running, "SYS", "sys").refusal == "Authorization Violation"


def test_a_renamed_account_lets_its_users_in(system: Cli, server: Callable[[], Server], login: Login) -> None:
    system.ok("account", "rename", "ORDERS", "SALES")
    assert login(server(), "SALES", "shop").refusal == ""


def asked(service: Session, key: SoftwareKey | None) -> tuple[str, dict[str, Any]]:
    """Wait for a request of the server, opened with *key* where it is encrypted: where to answer, and it."""
    while not (line := service._line()).startswith(("MSG", "HMSG")):
        assert line.startswith(("PING", "INFO")), line or "closed"
    words = line.split()
    body = service._stream.read(int(words[-1]) + 2)[:-2]
    if words[0] == "HMSG":
        head, body = body[: int(words[-2])].decode(), body[int(words[-2]) :]
        if key is not None:
            (stranger,) = (text.split(": ")[1] for text in head.splitlines() if "Xkey" in text)
            assert body[:4] == b"xkv1"
            body = crypto_box_open(body[28:], body[4:28], PublicKey.parse(stranger).raw, key.reveal_raw())
    claims: dict[str, Any] = json.loads(payload_of(read(body.decode())))
    return words[3], claims


@pytest.mark.parametrize("is_secret", [False, True], ids=["in plain", "encrypted"])
def test_a_service_of_ones_own_decides_on_logins(
    system: Cli, server: Callable[[], Server], login: Login, *, is_secret: bool
) -> None:
    system.ok("account", "add", "AUTH")
    for name in ("callout", "anyone"):
        system.ok("user", "add", "-a", "AUTH", name)
    words = ["--curve", "generate"] if is_secret else []
    made = system.ok(
        "account", "authcallout", "AUTH", "--auth-user", "callout", "--allowed-account", "ORDERS", *words,
        "--json",
    ).data  # fmt: skip
    key = None
    if is_secret:
        with open(made["seed"], encoding="ascii") as file:  # noqa: PTH123 - as a service reads it
            key = SoftwareKey.parse(file.read())
    auth, orders = (
        system.ok("account", "show", name, "--json").data["subject"] for name in ("AUTH", "ORDERS")
    )
    running = server()
    service = login(running, "AUTH", "callout", headers=True)
    service.subscribe("$SYS.REQ.USER.AUTH")
    clients: list[Session] = []
    client = threading.Thread(target=lambda: clients.append(login(running, "AUTH", "anyone")))
    client.start()
    reply, request = asked(service, key)
    nkey = request["nats"]["user_nkey"]
    user = {"sub": nkey, "name": "let in", "nats": {"type": "user", "pub": {"allow": ["orders.>"]},
            "subs": -1, "data": -1, "payload": -1}}  # fmt: skip
    jwt = system.ok("sign", "-", "--issuer", orders, stdin=json.dumps(user)).out.strip()
    answer = {"sub": nkey, "aud": request["nats"]["server_id"]["id"],
              "nats": {"type": "authorization_response", "jwt": jwt}}  # fmt: skip
    service.publish(
        reply, system.ok("sign", "-", "--issuer", auth, stdin=json.dumps(answer)).out.strip().encode()
    )
    client.join(10)
    (let_in,) = clients
    assert let_in.refusal == ""
    let_in.publish("orders.1", b"a book")
    assert let_in.refusal == ""
    let_in.publish("stock.1", b"a book")
    assert let_in.refusal.startswith("Permissions Violation for Publish to")
