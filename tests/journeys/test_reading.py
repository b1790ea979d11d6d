"""What nats-server reads is read here, and what it refuses is refused: the server is asked, jwt by jwt."""

from __future__ import annotations

import base64
import itertools
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from seedless.claims import Account, Operator, Permission, User
from seedless.creds import parse_creds
from seedless.errors import BadJwt, BadSignature
from seedless.jwt import Claims, Jwt, draft, payload_of, read, read_draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py
    StartServer = Callable[[str], Any]

NOW = 1_790_000_000
OPERATOR = SoftwareKey(Role.OPERATOR, bytes([1] * 32))
SYSTEM, ORDERS, OTHER = (SoftwareKey(Role.ACCOUNT, bytes([n] * 32)) for n in (2, 3, 4))
ADMIN, APP = (SoftwareKey(Role.USER, bytes([n] * 32)) for n in (5, 6))
HEADER = b'{"typ":"JWT","alg":"ed25519-nkey"}'
Spelling = tuple[bytes, bytes, bytes]  # the header, and what stands in the payload in the place of what


def signed(claims: Claims[Any], key: SoftwareKey) -> Jwt[Any]:
    made = draft(claims, key.public_key, NOW)
    return made.complete(key.sign(made.signing_input))


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def spelled(payload: bytes, key: SoftwareKey, header: bytes = HEADER, *, broken: bool = False) -> str:
    """Return a jwt over *payload* as it stands; *broken* puts line breaks into what is signed."""
    head, body = unpadded(header), unpadded(payload)
    if broken:
        body = f"{body[:9]}\r\n{body[9:]}"
    return f"{head}.{body}.{unpadded(key.sign(f'{head}.{body}'.encode()))}"


def account(key: SoftwareKey = ORDERS, name: str = "ORDERS") -> Jwt[Account]:
    body = replace(Account.new(), tags=("a", "b"))
    return signed(Claims(sub=str(key.public_key), name=name, body=body), OPERATOR)


def user(key: SoftwareKey = APP, by: SoftwareKey = ORDERS, allow: str = "orders.>") -> Jwt[User]:
    body = replace(User.new(), pub=Permission(allow=(allow,)), tags=("a", "b"))
    return signed(Claims(sub=str(key.public_key), name="app", body=body), by)


HEADERS = {
    "a blank, as nats.java has it": b'{"typ":"JWT", "alg":"ed25519-nkey"}',
    "blanks, as PyPI nats-jwt has them": b'{"typ": "JWT", "alg": "ed25519-nkey"}',
    "another order": b'{"alg":"ed25519-nkey","typ":"JWT"}',
    "other letters": b'{"TYP":"jwt","Alg":"ED25519-NKEY"}',
    "a Kelvin sign": '{"typ":"JWT","alg":"ed25519-n\N{KELVIN SIGN}ey"}'.encode(),
    "more members": b'{"typ":"JWT","alg":"ed25519-nkey","kid":null}',
    "a name twice": b'{"typ":"JWT","alg":"none","alg":"ed25519-nkey"}',
    "null and then a value": b'{"typ":"JWT","alg":null,"alg":"ed25519-nkey"}',
    "a value and then null": b'{"typ":"JWT","alg":"ed25519-nkey","alg":null}',
    "the algorithm of version 1": b'{"typ":"jwt","alg":"ed25519"}',
    "no algorithm": b'{"typ":"JWT"}',
    "another algorithm": b'{"typ":"JWT","alg":"EdDSA"}',
    "another type": b'{"typ":"JWS","alg":"ed25519-nkey"}',
    "a number": b'{"typ":"JWT","alg":5,"alg":"ed25519-nkey"}',
    "a list": b"[]",
    "null": b"null",
    "more behind it": b'{"typ":"JWT","alg":"ed25519-nkey"}x',
}
PAYLOADS = {
    "blanks": (b'"nats":{', b' "nats" :\t{\r\n '),
    "escapes": (b'"tags":["a"', b'"t\\u0061gs":["\\u0061"'),
    "null for a list": (b'"tags":["a","b"]', b'"tags":null'),
    "null in a list": (b'"tags":["a"', b'"tags":[null,"a"'),
    "null for a number": (b'"version":2', b'"iat":null,"version":2'),
    "null for a text": (b'"version":2', b'"version":2,"cluster_traffic":null,"times_location":null'),
    "null for an object": (b'"nats":{', b'"nats":null,"nats":{'),
    "an object and then null": (b'"nats":{', b'"nats":{"subs":1},"nats":null,"nats":{'),
    "a known name in other letters": (b'"tags":["a"', b'"TAGS":["a"'),
    "a long s": (b'"tags":["a"', '"tag\N{LATIN SMALL LETTER LONG S}":["a"'.encode()),
    "a name twice": (b'"tags":["a"', b'"tags":["x","y","z"],"tags":["a"'),
    "an object twice": (b'"nats":{', b'"nats":{"description":"x","bearer_token":false},"nats":{'),
    "an unknown member": (b'"tags":', b'"new":{"deep":[1,2.5e3,null]},"tags":'),
    "an unknown number beyond float64": (b'"tags":', b'"new":1e999,"tags":'),
    "an empty type": (b'"nats":{', b'"type":"","nats":{'),
    "null as type": (b'"nats":{', b'"type":null,"nats":{'),
    "version 1 under its header": (b'"nats":{', b'"type":"user","nats":{'),
    "the half of a surrogate pair": (b'"tags":["a"', b'"tags":["\\ud800"'),
    "bytes that are not UTF-8": (b'"tags":["a"', b'"tags":["\xff\xfe"'),
    "a name that is not UTF-8": (b'"tags":', b'"\xff":1,"tags":'),
    "minus zero": (b'"version":2', b'"version":2,"exp":-0'),
    "a fraction": (b'"version":2', b'"version":2,"exp":1.0'),
    "an exponent": (b'"version":2', b'"version":2,"exp":1e3'),
    "a number beyond 64 bits": (b'"version":2', b'"version":2,"exp":9223372036854775808'),
    "a text for a number": (b'"version":2', b'"version":2,"exp":"5"'),
    "a text for a number, and then a number": (b'"version":2', b'"version":"2","version":2'),
    "a leading zero": (b'"version":2', b'"version":02'),
    "a comma too many": (b'"version":2', b'"version":2,'),
    "NaN": (b'"version":2', b'"version":2,"x":NaN'),
    "a text for a list": (b'"tags":["a","b"]', b'"tags":"a"'),
    "an object for a list": (b'"tags":["a","b"]', b'"tags":{}'),
    "a raw line break in a text": (b'"tags":["a"', b'"tags":["a\n"'),
    "no version": (b',"version":2', b""),
    "null as version": (b'"version":2', b'"version":null'),
    "a newer version": (b'"version":2', b'"version":3'),
    "version 1 without a type": (b'"version":2', b'"version":1'),
    "more behind it": (b'"version":2}}', b'"version":2}}x'),
    "a blank behind it": (b'"version":2}}', b'"version":2}} \n'),
    "a mark of the byte order": (b'{"', b'\xef\xbb\xbf{"'),
}
OF_ACCOUNTS = {
    "as nsc 2.8.0 to 2.8.5 writes them": (b'"authorization":{}', b'"authorization":{"auth_users":null}'),
    "null for all that is not set": (
        b'"authorization":{}',
        b'"authorization":null,"imports":null,"exports":null,"signing_keys":null,"trace":null,"mappings":null',
    ),
    "null in maps": (b'"authorization":{}', b'"mappings":{"a":null},"revocations":{"*":null}'),
    "null among signing keys": (b'"authorization":{}', b'"signing_keys":[null]'),
    "null as an export": (b'"authorization":{}', b'"exports":[null]'),
    "null as the type of an export": (b'"authorization":{}', b'"exports":[{"subject":"a","type":null}]'),
    "limits in other letters": (b'"limits":{"subs":-1', b'"limits":{"SUBS":5,"Subs":-1'),
    "a sampling with escapes": (
        b'"authorization":{}',
        b'"exports":[{"subject":"a","type":"service","service_latency":{"sampling":"\\u0048eaders","results":"r"}}]',
    ),
    "null as sampling": (
        b'"authorization":{}',
        b'"exports":[{"subject":"a","type":"service","service_latency":{"sampling":null,"results":"r"}}]',
    ),
}  # fmt: skip


TAKEN_USERS = (39, 65)
TAKEN_ACCOUNTS = (45, 74)
"""How many of all are taken: that some are on either side is part of the test."""


def variants(jwt: Jwt[Any], key: SoftwareKey, more: dict[str, tuple[bytes, bytes]]) -> dict[str, str]:
    """Return *jwt* in every spelling, each signed anew by *key*, and some that are no jwts."""
    payload = read_draft(jwt.text.rpartition(".")[0]).payload
    found = {f"header: {name}": spelled(payload, key, header) for name, header in HEADERS.items()}
    for name, (old, new) in (PAYLOADS | more).items():
        assert old in payload, name
        found[f"payload: {name}"] = spelled(payload.replace(old, new, 1), key)
    head, body, signature = jwt.text.split(".")
    found |= {
        "text: as it is": jwt.text,
        "text: a line break in what is signed": spelled(payload, key, broken=True),
        "text: a line break in the signature": f"{head}.{body}.{signature[:9]}\n{signature[9:]}",
        "text: unused bits": f"{jwt.text[:-1]}{chr(ord(signature[-1]) + 1)}",
        "text: padding": f"{jwt.text}==",
        "text: a blank": f"{jwt.text} ",
        "text: another signature": f"{head}.{body}.{unpadded(bytes(64))}",
        "text: half a signature": f"{head}.{body}.{signature[:40]}",
        "text: two parts": f"{head}.{body}",
    }
    return found


def reads(text: str) -> bool:
    try:
        read(text)
    except (BadJwt, BadSignature):
        return False
    return True


class Line:
    """One connection that speaks the protocol of NATS, as little of it as is needed."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.socket = socket.create_connection((place.hostname, place.port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.info = json.loads(self.file.readline()[5:])
        self._requests = itertools.count(1)

    def log_in(self, jwt: str, key: SoftwareKey) -> bool:
        """Return whether the server takes *jwt*."""
        signature = unpadded(key.sign(self.info["nonce"].encode()))
        connect = {"jwt": jwt, "sig": signature, "verbose": False, "protocol": 1, "lang": "x", "version": "1"}
        self.socket.sendall(b"CONNECT " + json.dumps(connect).encode() + b"\r\nPING\r\n")
        return self.file.readline() == b"PONG\r\n"

    def request(self, subject: str, data: str) -> dict[str, Any]:
        """Return the JSON that answers *data*."""
        # A number of its own: a server ignores a SUB whose number is in use, and a busy one may still have
        # the one before.
        sid = next(self._requests)
        inbox = f"_INBOX.{sid}"
        self.socket.sendall(f"SUB {inbox} {sid}\r\nUNSUB {sid} 1\r\n".encode())
        self.socket.sendall(f"PUB {subject} {inbox} {len(data)}\r\n".encode())
        self.socket.sendall(data.encode() + b"\r\n")
        heads = (line for line in iter(self.file.readline, b"") if line.startswith(b"MSG "))
        size = int(next(heads).split()[-1])
        answer: dict[str, Any] = json.loads(self.file.read(size + 2))
        return answer

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def server(nats_server: StartServer) -> Any:  # noqa: ANN401 - a NatsServer
    """A server with a full resolver that has the system account, and the account ORDERS."""
    body = replace(Operator.new(), system_account=str(SYSTEM.public_key))
    operator = signed(Claims(sub=str(OPERATOR.public_key), name="ACME", body=body), OPERATOR)
    preload = "\n".join(
        f"{one.claims.sub}: {one.text}" for one in (account(SYSTEM, "SYS"), account(ORDERS, "ORDERS"))
    )
    return nats_server(
        f"operator: {operator.text}\nsystem_account: {SYSTEM.public_key}\n"
        f'resolver {{ type: full, dir: "./jwt", allow_delete: true, interval: "1s" }}\n'
        f"resolver_preload {{\n{preload}\n}}\n"
    )


def test_a_user_logs_in_when_its_jwt_is_read_here(server: Any) -> None:  # noqa: ANN401 - a NatsServer
    told = {}
    for name, text in variants(user(), ORDERS, {}).items():
        line = Line(server.url)
        told[name] = line.log_in(text, APP)
        line.close()
    assert {name: reads(text) for name, text in variants(user(), ORDERS, {}).items()} == told
    assert (sum(told.values()), len(told)) == TAKEN_USERS


def test_a_resolver_takes_an_account_when_its_jwt_is_read_here(server: Any) -> None:  # noqa: ANN401 - likewise
    line = Line(server.url)
    assert line.log_in(user(ADMIN, SYSTEM, "$SYS.>").text, ADMIN)
    texts = variants(account(OTHER, "OTHER"), OPERATOR, OF_ACCOUNTS)
    told = {name: line.request("$SYS.REQ.CLAIMS.UPDATE", text) for name, text in texts.items()}
    line.close()
    taken = {name: "error" not in answer for name, answer in told.items()}
    assert {name: reads(text) for name, text in texts.items()} == taken
    assert (sum(taken.values()), len(taken)) == TAKEN_ACCOUNTS


NULLS = (b'"authorization":{}', b'"authorization":{"auth_users":null}')


def with_nulls(jwt: Jwt[Any], key: SoftwareKey) -> str:
    """Return *jwt* as nsc 2.8.0 to 2.8.5 writes it."""
    return spelled(read_draft(jwt.text.rpartition(".")[0]).payload.replace(*NULLS), key)


@pytest.fixture
def acme(cli: Cli, tmp_path: Path) -> Cli:
    """A home whose operator has the key `OPERATOR`, on its token."""
    keys = {"ACME": ("operator", OPERATOR), "ORDERS": ("account", ORDERS), "OLD": ("account", OTHER)}
    for name, (role, key) in keys.items():
        seed = tmp_path / f"{name}.nk"
        seed.write_text(key.reveal())
        seed.chmod(0o600)
        cli.ok("key", "import", "--role", role, "--name", name, str(seed))
    cli.ok("operator", "add", "ACME", "-k", str(OPERATOR.public_key), "--sys")
    return cli


def resolver(acme: Cli, nats_server: StartServer, *texts: str) -> Any:  # noqa: ANN401 - a NatsServer
    """Return a server with a full resolver that has got *texts*."""
    server = nats_server(acme.ok("server", "config", "--nats-resolver", "--allow-delete").out)
    creds = parse_creds((acme.store / "keys/creds/ACME/SYS/sys.creds").read_text())
    line = Line(server.url)
    assert line.log_in(creds.jwt.text, creds.key)
    for text in texts:
        assert "error" not in line.request("$SYS.REQ.CLAIMS.UPDATE", text)
    line.close()
    return server


def test_accounts_of_any_name_and_of_old_tools_are_pulled_edited_and_pushed(
    acme: Cli, nats_server: StartServer
) -> None:
    path = account(ORDERS, "team/orders")
    server = resolver(acme, nats_server, path.text, with_nulls(account(OTHER, "OLD"), OPERATOR))
    done = acme.ok("pull", "--all", "--url", server.url)
    assert done.out.splitlines() == ["OLD: new", "SYS: current", "team/orders: new"]
    assert "G013 account OLD nats.authorization.auth_users" in done.err
    folder = acme.store / "stores/ACME/accounts/team%2Forders"
    assert (folder / "team%2Forders.jwt").read_text() == path.text
    assert acme.ok("prune", "--url", server.url, "--dry-run").out == "nothing to prune\n"
    shown = acme.ok("account", "show", "OLD", "--json").data
    assert shown["unusual"] == [{"rule": "null", "where": "nats.authorization.auth_users"}]
    assert shown["claims"]["nats"]["authorization"] == {}
    for name in ("team/orders", "OLD"):
        done = acme.ok("account", "edit", name, "--conns", "7")
        assert ("G013" in done.err) == (name == "OLD")
        acme.ok("user", "add", "-a", name, "app")
        acme.ok("user", "creds", "-a", name, "app")
    acme.ok("push", "--all", "--url", server.url)
    for key in (ORDERS, OTHER):
        text = (server.folder / "jwt" / f"{key.public_key}.jwt").read_text()
        assert read(text).claims.body.limits.conn == 7
        assert read(text).deviations == ()
    assert b"null" not in payload_of(read(text))
    line = Line(server.url)
    creds = parse_creds((acme.store / "keys/creds/ACME/team%2Forders/app.creds").read_text())
    assert line.log_in(creds.jwt.text, creds.key)
    line.close()
    assert acme.ok("verify").code == 0


def test_what_pull_could_not_take_is_never_offered_for_deletion(acme: Cli, nats_server: StartServer) -> None:
    stranger = SoftwareKey(Role.OPERATOR, bytes([9] * 32))
    theirs = draft(account(OTHER, "THEIRS").claims, stranger.public_key, NOW)
    server = resolver(
        acme,
        nats_server,
        account(ORDERS, "/" * 84).text,
        theirs.complete(stranger.sign(theirs.signing_input)).text,
        account(SYSTEM, "FORMER").text,
    )
    done = acme.ok("prune", "--url", server.url, "--dry-run", "--json")
    assert [one["account"] for one in done.data["victims"]] == ["FORMER"]
    assert {one["subject"]: one["reason"] for one in done.data["left"]} == {
        str(ORDERS.public_key): f'the name "{"/" * 64}"… is longer than 249 bytes as the name of a file',
        str(OTHER.public_key): f"is issued by {stranger.public_key}, with which ACME signs no accounts",
    }
    assert "left alone on" in done.err
    acme.ok("prune", "--url", server.url, "--expect-count", "1")
    held = {path.name.removesuffix(".jwt") for path in (server.folder / "jwt").glob("*.jwt")}
    assert held == {
        acme.ok("account", "show", "SYS", "--json").data["subject"],
        str(ORDERS.public_key),
        str(OTHER.public_key),
    }
