"""A folder of nsc 2.13, made by hand with every member that nsc and `nats auth` write, loses nothing here."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds
from seedless.jwt import read
from seedless.nkey import Role
from seedless.resolver import ServerAddress, ServerLogin, open_cluster, send
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

AT = int(time.time()) - 1000
OPERATOR, SIGNING = (SoftwareKey(Role.OPERATOR, bytes([n]) * 32) for n in (11, 12))
SYS, ORDERS, SCOPED, PLAIN, SHOP = (SoftwareKey(Role.ACCOUNT, bytes([n]) * 32) for n in range(13, 18))
ADMIN, APP, FULL, TILL, WEB = (SoftwareKey(Role.USER, bytes([n]) * 32) for n in range(18, 23))


def key(of: SoftwareKey) -> str:
    return str(of.public_key)


NO_LIMITS = {
    "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1,
    "leaf": -1,
}  # fmt: skip
OPERATOR_BODY = {
    "signing_keys": [key(SIGNING)],
    "account_server_url": "nats://localhost:4222",
    "operator_service_urls": ["nats://localhost:4222"],
    "system_account": key(SYS),
    "tags": ["prod"],
}
TEMPLATE = {
    "pub": {"allow": ["s.>"], "deny": ["s.secret"]},
    "sub": {"allow": ["_INBOX.>"], "deny": ["s.other"]},
    "resp": {"max": 3, "ttl": 5_000_000_000},
    "src": ["10.0.0.0/8"],
    "times": [{"start": "08:00:00", "end": "18:00:00"}],
    "times_location": "Europe/Berlin",
    "subs": 5,
    "data": 1_000_000,
    "payload": 1_000,
    "allowed_connection_types": ["STANDARD", "WEBSOCKET"],
}
ACCOUNT_BODY = {
    "imports": [
        {"name": "news", "subject": "news.>", "account": key(SHOP), "local_subject": "shop.news.>",
         "type": "stream", "allow_trace": True},
        {"name": "price", "subject": "price", "account": key(SHOP), "local_subject": "price.of",
         "type": "service", "share": True},
    ],
    "exports": [  # by subject, as the official library sorts them
        {"name": "fast", "subject": "fast", "type": "service", "response_type": "Singleton",
         "service_latency": {"sampling": 50, "results": "latency.fast"}},
        {"name": "help", "subject": "help", "type": "service", "response_type": "Stream",
         "response_threshold": 2_000_000_000, "allow_trace": True, "advertise": True},
        {"name": "orders", "subject": "orders.>", "type": "stream", "token_req": True,
         "revocations": {key(SHOP): AT - 5000}, "description": "all", "info_url": "https://example.com"},
        {"name": "own", "subject": "own.*", "type": "service", "account_token_position": 2},
    ],
    "limits": NO_LIMITS | {
        "disallow_bearer": True, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        "max_ack_pending": -1,
        "tiered_limits": {"R3": {
            "mem_storage": 1024, "disk_storage": 4096, "streams": 3, "consumer": 4, "max_ack_pending": 5,
            "mem_max_stream_bytes": 100, "disk_max_stream_bytes": 200, "max_bytes_required": True,
        }},
    },
    "signing_keys": [
        key(PLAIN),
        {"kind": "user_scope", "key": key(SCOPED), "role": "reader",
         "template": TEMPLATE, "description": "reads"},
    ],
    "revocations": {key(TILL): AT - 6000},
    "default_permissions": {
        "pub": {"deny": ["x.>"]}, "sub": {"deny": ["y.>"]}, "resp": {"max": 1, "ttl": 1_000_000},
    },
    "mappings": {
        "in": [{"subject": "out.a", "weight": 40, "cluster": "east"}, {"subject": "out.b", "weight": 60}],
    },
    "authorization": {"auth_users": None},
    "trace": {"dest": "traces", "sampling": 50},
    "description": "the shop's orders",
    "info_url": "https://example.com/orders",
    "tags": ["team:a", "eu"],
}  # fmt: skip
USER_BODY = TEMPLATE | {"tags": ["x"]}


def signed(name: str, about: SoftwareKey, by: SoftwareKey, kind: str, body: dict[str, Any]) -> str:
    """Return a jwt with these claims and no others, as the official library frames them."""
    claims = {"jti": "AAAA", "iat": AT, "iss": key(by), "name": name, "sub": key(about)}
    claims["nats"] = body | {"type": kind, "version": 2}
    parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)
    text = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{text}.{_base64(by.sign(text.encode()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def body_of(path: Path) -> dict[str, Any]:
    part = path.read_text().split(".")[1]
    body: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["nats"]
    return {name: value for name, value in body.items() if name not in {"type", "version"}}


FREE = {"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
JWTS = {
    "ACME.jwt": signed("ACME", OPERATOR, OPERATOR, "operator", OPERATOR_BODY),
    "accounts/SYS/SYS.jwt": signed("SYS", SYS, SIGNING, "account", {"limits": NO_LIMITS}),
    "accounts/SYS/users/sys.jwt": signed("sys", ADMIN, SYS, "user", FREE),
    "accounts/ORDERS/ORDERS.jwt": signed("ORDERS", ORDERS, SIGNING, "account", ACCOUNT_BODY),
    "accounts/ORDERS/users/app.jwt": signed("app", APP, ORDERS, "user", FREE),
    "accounts/ORDERS/users/full.jwt": signed(
        "full", FULL, PLAIN, "user", USER_BODY | {"issuer_account": key(ORDERS)}
    ),
    "accounts/SHOP/users/web.jwt": signed("web", WEB, SHOP, "user", FREE | {"bearer_token": True}),
    "accounts/SHOP/SHOP.jwt": signed("SHOP", SHOP, SIGNING, "account", {
        "limits": NO_LIMITS, "exports": [
            {"name": "news", "subject": "news.>", "type": "stream"},
            {"name": "price", "subject": "price", "type": "service"},
        ],
    }),
}  # fmt: skip


@pytest.fixture
def nsc(cli: Cli) -> Path:
    """The data folder of an nsc, and its configuration."""
    root: Path = cli.home / ".local/share/nats/nsc"
    files = {root / "stores/ACME" / name: text for name, text in JWTS.items()}
    files[root / "stores/ACME/.nsc"] = '{"managed":false,"name":"ACME","kind":"operator","version":"1"}'
    for seed in (OPERATOR, SIGNING, SYS, ORDERS, SCOPED, PLAIN, SHOP, ADMIN, APP, FULL):
        files[root / "keys/keys" / key(seed)[0] / key(seed)[1:3] / f"{key(seed)}.nk"] = seed.reveal()
    config = {"store_root": str(root / "stores"), "operator": "ACME", "account": "ORDERS"}
    files[cli.home / ".config/nats/nsc/nsc.json"] = json.dumps(config)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def migrated(cli: Cli, nsc: Path) -> Path:
    """Put the keys of *nsc* on the token, and return where the accounts lie."""
    cli.ok("migrate", "nsc", "--yes")
    cli.env["SEEDLESS_STORE"] = str(nsc)
    return nsc / "stores/ACME/accounts"


def test_an_edit_of_an_account_loses_nothing_that_nsc_wrote(cli: Cli, nsc: Path) -> None:
    accounts = migrated(cli, nsc)
    cli.ok("account", "edit", "ORDERS", "--conns", "50")
    wanted = ACCOUNT_BODY | {"limits": {**ACCOUNT_BODY["limits"], "conn": 50}, "authorization": {}}  # type: ignore[dict-item]
    assert body_of(accounts / "ORDERS/ORDERS.jwt") == wanted


def test_an_edit_of_a_user_loses_nothing_that_nsc_wrote(cli: Cli, nsc: Path) -> None:
    accounts = migrated(cli, nsc)
    cli.ok("user", "edit", "full", "-a", "ORDERS", "--tag", "y")
    wanted = USER_BODY | {"issuer_account": key(ORDERS), "tags": ["x", "y"]}
    assert body_of(accounts / "ORDERS/users/full.jwt") == wanted
    cli.ok("user", "edit", "web", "-a", "SHOP", "--tag", "y")
    assert body_of(accounts / "SHOP/users/web.jwt") == FREE | {"bearer_token": True, "tags": ["y"]}


def test_an_edit_of_an_operator_loses_nothing_that_nsc_wrote(cli: Cli, nsc: Path) -> None:
    migrated(cli, nsc)
    cli.ok("operator", "edit", "--tag", "eu")
    assert body_of(nsc / "stores/ACME/ACME.jwt") == OPERATOR_BODY | {"tags": ["prod", "eu"]}


def test_an_edit_of_an_export_or_a_scope_leaves_the_rest_of_it(cli: Cli, nsc: Path) -> None:
    accounts = migrated(cli, nsc)
    cli.ok(
        "account", "export", "edit", "-a", "ORDERS", "--subject", "help", "--service", "--description", "d"
    )
    cli.ok("account", "signing-key", "edit", "reader", "-a", "ORDERS", "--description", "r")
    body = body_of(accounts / "ORDERS/ORDERS.jwt")
    exports, keys = ACCOUNT_BODY["exports"], ACCOUNT_BODY["signing_keys"]
    assert body["exports"] == [exports[0], exports[1] | {"description": "d"}, *exports[2:]]  # type: ignore[index]
    assert body["signing_keys"] == [keys[0], keys[1] | {"description": "r"}]  # type: ignore[index]


def test_a_folder_of_nsc_is_migrated_edited_revoked_from_and_pushed(
    cli: Cli, nsc: Path, nats_server: Callable[[str], Any], session: Callable[..., Any]
) -> None:
    accounts = migrated(cli, nsc)
    server = nats_server(cli.ok("server", "config", "--nats-resolver").out)
    with open_cluster(
        ServerLogin(ServerAddress((server.url,)), ADMIN, read(JWTS["accounts/SYS/users/sys.jwt"]))
    ) as cluster:
        sent = send(cluster, [read(JWTS[f"accounts/{name}/{name}.jwt"]) for name in ("ORDERS", "SHOP")])
        assert all(one.ok for one in sent)  # as nsc had pushed them
    creds = cli.home / "app.creds"
    cli.ok("user", "creds", "app", "-a", "ORDERS", "-o", str(creds))
    login = parse_creds(creds.read_text())
    assert session(server.url, login.key, login.jwt).refusal == ""
    cli.ok("account", "edit", "ORDERS", "--conns", "50")
    cli.ok("account", "revoke", "app", "-a", "ORDERS")
    cli.ok("push", "ORDERS", "--url", server.url)
    body = body_of(accounts / "ORDERS/ORDERS.jwt")
    revoked = body.pop("revocations")
    assert set(revoked) == {key(TILL), key(APP)}
    limits = {**ACCOUNT_BODY["limits"], "conn": 50}  # type: ignore[dict-item]
    wanted = ACCOUNT_BODY | {"limits": limits, "authorization": {}}
    assert body == {name: value for name, value in wanted.items() if name != "revocations"}
    assert session(server.url, login.key, login.jwt).refusal == "Authorization Violation"
    assert cli.ok("pull", "--all", "--url", server.url, "--json").data is not None
    assert body_of(accounts / "ORDERS/ORDERS.jwt")["revocations"] == revoked
    for path in ("SYS/users/sys.jwt", "SHOP/SHOP.jwt", "ORDERS/users/full.jwt"):
        assert (accounts / path).read_text() == JWTS[f"accounts/{path}"]


def test_an_identity_that_nsc_has_replaced_in_software_is_reported(cli: Cli, nsc: Path) -> None:
    migrated(cli, nsc)
    assert cli.run("verify", "--json").data["jwts"][0]["trust"] == "trusted"
    body = OPERATOR_BODY | {"signing_keys": [key(SIGNING), key(OPERATOR)]}  # with --convert-to-signing-key
    new = SoftwareKey(Role.OPERATOR, bytes([99]) * 32)
    (nsc / "stores/ACME/ACME.jwt").write_text(signed("ACME", new, new, "operator", body))
    done = cli.run("verify", "--json")
    assert (done.code, done.data["jwts"][0]["trust"]) == (
        3,
        f"its identity is not the key of the inventory, {key(OPERATOR)}",
    )
