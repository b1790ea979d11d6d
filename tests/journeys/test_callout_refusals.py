"""What a callout refuses, in both modes, encrypted or not: it logs who and from where, and signs nothing."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from msgspec.structs import replace
from nats.aio.client import Client
from nats.aio.msg import Msg

from seedless import base64url
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.backends.oidc import OidcProvider, OidcSettings
from seedless.serve.request import HEADER, SUBJECT, Sealing

sys.path.insert(0, str(Path(__file__).parents[1]))

from callout_systems import PASSWORD, SYSTEMS, Passwords, Running, System, forged, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedless.nkey import PublicKey
    from seedless.serve.answer import AnswerKeys

    StartServer = Callable[[str], Any]
    Connect = Callable[..., Any]

ISSUER = "https://sso.example.com"
PROVIDER, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


@dataclass
class Counted:
    """A key that counts its signatures."""

    key: SoftwareKey
    signatures: list[bytes] = field(default_factory=list)

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key

    def sign(self, message: bytes, /) -> bytes:
        self.signatures.append(message)
        return self.key.sign(message)


def counted(keys: AnswerKeys) -> tuple[AnswerKeys, list[bytes]]:
    """Return *keys* whose signatures are counted in one list."""
    signatures: list[bytes] = []
    users = {
        place: replace(user, signer=Counted(user.signer, signatures)) for place, user in keys.users.items()
    }
    return replace(keys, users=users, response=Counted(keys.response, signatures)), signatures


@dataclass
class Place:
    """A server, a callout, what it has signed, and what to log in with."""

    url: str
    system: System
    running: Running
    signatures: list[bytes]
    session: Connect

    def log_in(self, **options: str) -> Any:  # noqa: ANN401 - Session of conftest.py
        presented = self.system.credentials("", "") | {"user": "", "pass": ""} | options
        return self.session(self.url, **presented)


@pytest.fixture(scope="module", params=SYSTEMS)
def callout(
    request: pytest.FixtureRequest, shared_nats_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Connect], Place]]:
    system, folder = SYSTEMS[request.param](), tmp_path_factory.mktemp("callout")
    server = shared_nats_server(system.configuration)
    jwks = folder / "jwks.json"
    key = {**ECAlgorithm.to_jwk(PROVIDER.public_key(), as_dict=True), "kid": "k1"}
    jwks.write_text(json.dumps({"keys": [key]}))
    jwks.chmod(0o600)
    provider = OidcProvider("sso", OidcSettings(issuer=ISSUER, audience=("nats",), jwks=jwks))
    keys, signatures = counted(system.keys)
    running = start(lambda: system.service(server.url, folder, keys=keys, backends=[provider, Passwords()]))
    yield lambda session: Place(server.url, system, running, signatures, session)
    running.stop()


@pytest.fixture
def place(callout: Callable[[Connect], Place], session: Connect) -> Place:
    return callout(session)


def token(key: ec.EllipticCurvePrivateKey = PROVIDER, **changes: object) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "nats", "iat": now - 60, "exp": now + 600, "sub": "eve", **changes}
    return pyjwt.encode(claims, key, algorithm="ES256", headers={"kid": "k1"})


LOGINS: dict[str, tuple[Callable[[], dict[str, str]], str]] = {
    "wrong password": (lambda: {"user": "ann", "pass": "wrong battery"}, "the password is wrong"),
    "expired token": (lambda: {"auth_token": token(exp=1_700_000_000)}, "the token expired 2023-11-14"),
    "token of a foreign issuer": (
        lambda: {"auth_token": token(STRANGER, iss="https://other.example.com")},
        "no backend is responsible",
    ),
    "token by a foreign key": (lambda: {"auth_token": token(STRANGER)}, "Signature verification failed"),
    "token for somebody else": (lambda: {"auth_token": token(aud="web")}, "Audience doesn't match"),
    "nothing": (dict, "no backend is responsible"),
}


def test_a_login_that_proves_nobody_is_refused_with_who_and_where_and_why_in_the_log(place: Place) -> None:
    for presented, reason in LOGINS.values():
        before, options = len(place.signatures), presented()
        count = len(place.running.events("login refused"))
        assert place.log_in(**options).refusal == "Authorization Violation"
        event = place.running.wait("login refused", count + 1)[-1]
        assert reason in event["reason"]
        assert (event["host"], event["kind"], event["client"]) == ("127.0.0.1", "Client", "test")
        assert event.get("user", "") == options.get("user", "")
        assert len(place.signatures) == before
        secret = options.get("auth_token") or "battery"
        assert secret not in place.running.stream.getvalue()


def test_who_proves_somebody_is_let_in_by_a_signature_of_the_user_and_one_of_the_answer(place: Place) -> None:
    for options in ({"auth_token": token()}, {"user": "ann", "pass": PASSWORD}):
        before = len(place.signatures)
        assert place.log_in(**options).refusal == ""
        assert len(place.signatures) == before + 2


def of_another_curve_key(system: System) -> Msg:
    """A request whose header has another curve key than the one in it; in the clear it is not read at all."""
    message = forged(system)
    if system.sealing is None:
        return message
    other = SoftwareKey.generate(Role.CURVE)
    text = system.sealing.open(message.data, (message.headers or {})[HEADER])
    sealed = Sealing(other).seal(text, system.xkey)
    return Msg(Client(), SUBJECT, "$SYS._INBOX.n0.1", sealed, {HEADER: str(other.public_key)})


def the_other_way(system: System) -> Msg:
    """A request in the clear where they are encrypted, and the other way round."""
    curve, data = SoftwareKey.generate(Role.CURVE), forged(sealed_otherwise(system)).data
    return Msg(Client(), SUBJECT, "$SYS._INBOX.n0.1", data, {HEADER: str(curve.public_key)})


def sealed_otherwise(system: System) -> System:
    other = type(system)(is_sealed=system.sealing is None)
    other.keys = system.keys
    return other


REQUESTS: dict[str, tuple[Callable[[System], Msg], str]] = {
    "a server that is not listed": (forged, "is none of those that the system account lists"),
    "a server that names another": (
        lambda system: forged(system, of_server=SoftwareKey.generate(Role.SERVER)),
        "is signed by another key than that of the server which it names",
    ),
    "another audience": (lambda system: forged(system, aud="nats"), "the audience of the request is not"),
    "another account": (
        lambda system: forged(system, sub=str(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key)),
        "the request is for another account",
    ),
    "expired": (lambda system: forged(system, exp=1), "which no server waits"),
    "encrypted or not": (the_other_way, "encrypted, and the"),
    "another curve key": (of_another_curve_key, "curve key than that of the server|none of those"),
    "an answer to a client": (
        lambda system: Msg(Client(), SUBJECT, "orders.new", forged(system).data, forged(system).headers),
        "cannot be decrypted|the answer would not go to a server",
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_no_listed_server_has_made_is_logged_and_not_answered(name: str, place: Place) -> None:
    made, reason = REQUESTS[name]
    process, running = place.running.process, place.running
    before = len(place.signatures), process.callout.answered
    count = len(running.events("request not answered"))
    message = made(place.system)
    running.receive(message)
    event = running.wait("request not answered", count + 1)[-1]
    assert any(one in event["reason"] for one in reason.split("|")), event
    assert event["reply"] == message.reply
    assert (len(place.signatures), process.callout.answered) == before
    if "system account" in event["reason"]:
        assert (event["user"], event["host"], event["server"]) == ("ann", "10.0.0.1", "n0")
    assert PASSWORD not in running.stream.getvalue()


def test_a_flood_of_requests_of_unknown_servers_leaves_places_for_logins(place: Place) -> None:
    running, one = place.running, SoftwareKey.generate(Role.SERVER)
    made = [forged(place.system, by=one if number % 2 else None) for number in range(400)]
    count = len(running.events("request not answered"))
    for message in made:
        asyncio.run_coroutine_threadsafe(running.process.callout.receive(message), running.loop)
    # The server refuses the login by itself when it has waited for its own time.
    assert place.log_in(user="ann", **{"pass": PASSWORD}).refusal == ""
    running.wait("request not answered", count + 400)


DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]

ABSURD: dict[str, dict[str, Any]] = {
    "line ends and control characters": {
        "user": 'ann\r\n{"event":"login accepted"}\x1b[2J\x00',
        "name": "a\nb",
    },
    "text from right to left": {"user": "ann\u202egnp", "name": "\u2028"},
    "half of a surrogate pair": {"user": "ann\ud800", "pass": "\udfff"},
    "long": {"user": "u" * 1500, "name": "n" * 1500},
    "deep": {"user": "ann", "more": DEEP},
    "a seed as the name": {"user": SoftwareKey.generate(Role.USER).reveal()},
    "keys that are none": {"user": "ann", "nkey": "UAAA", "sig": "!!!"},
    "no text": {"user": 7, "pass": ["x"]},
    "a token of many parts": {"auth_token": "eyJ" + "." * 1000},
    "a token that is deep": {"auth_token": f"eyJ.{base64url.encode(b'[' * 2000)}.x"},
    "a name that is a wildcard": {"user": "*.>", "pass": PASSWORD},
    "a name that turns a line around": {"user": "ann\u202e", "pass": PASSWORD},
    "a name that is a template": {"user": "{{name()}}", "pass": PASSWORD},
}


def test_absurd_logins_are_refused_and_neither_end_the_service_nor_forge_its_log(place: Place) -> None:
    running = place.running
    before, lines = len(place.signatures), len(running.stream.getvalue().splitlines())
    for options in ABSURD.values():
        assert place.log_in(**options).refusal != ""
    found = running.stream.getvalue().splitlines()[lines:]
    assert {json.loads(line)["event"] for line in found} == {"login refused"}
    assert len(found) <= len(ABSURD), "one line each, of those that the server has not refused itself"
    assert all(line.isascii() and line.isprintable() and len(line) < 2000 for line in found)
    assert ABSURD["a seed as the name"]["user"] not in running.stream.getvalue()
    assert len(place.signatures) == before
    assert place.log_in(user="ann", **{"pass": PASSWORD}).refusal == ""
