"""Authorization requests of servers: how they are encrypted, what makes one authentic, and the login in it.

Encrypted requests and answers are the bytes of nkeys 0.4.11, `xkeys.go`: `xkv1`, a nonce of 24 bytes, and
NaCl's crypto_box. A server sends its curve key, which it creates when it starts, in the header
`Nats-Server-Xkey`. Measured with nats-server 2.15.1: **it does not look at who signed an answer that is
sealed**, so the seed of the curve key is worth as much as the key that signs answers.

Facts, measured with nats-server 2.15.1: the server signs with a key of its own, which it creates when it
starts and which nothing vouches for; a request names that key as its issuer and in `server_id`. `exp` is
`iat` and the server's `authorization.timeout`; both are cut to whole seconds. `user_nkey` is a fresh key for
each attempt and binds request, answer and user jwt. The answer goes to `$SYS._INBOX.…`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from seedless import base64url
from seedless.claims import AuthorizationRequest, ConnectOptions
from seedless.errors import BadKey, BadSignature, SeedlessError, ServerError
from seedless.jwt import read_strict
from seedless.nkey import PublicKey, Role
from seedless.serve.login import Login

if TYPE_CHECKING:
    from seedless.jwt import Jwt
    from seedless.seeds import SoftwareKey

__all__ = [
    "AUDIENCE",
    "HEADER",
    "SUBJECT",
    "CalloutRequest",
    "Replays",
    "Sealing",
    "is_sealed",
    "read_request",
    "require_plain",
]


HEADER = "Nats-Server-Xkey"
_VERSION = b"xkv1"
_NONCE = 24  # bytes
_MOST_SERVERS = 256
"""Shared keys that are kept: one for each start of a server."""


def is_sealed(data: bytes) -> bool:
    """Report whether *data* begins as what is sealed does; a jwt begins with `eyJ`."""
    return data.startswith(_VERSION)


class Sealing:
    """Open what servers seal for the curve key of an account, and seal the answers to it."""

    def __init__(self, key: SoftwareKey) -> None:
        """Take the curve key that the account names as its xkey; raise `BadKey` for one of another role."""
        self._key = key
        self._shared: dict[str, bytes] = {}
        # Tried at the start: a key of another role would otherwise be noticed at the first login, as a
        # request that cannot be decrypted.
        key.shared_with(key.public_key)

    @property
    def public_key(self) -> PublicKey:
        """The curve key of the account."""
        return self._key.public_key

    def open(self, data: bytes, server: str) -> str:
        """Return the text that the curve key *server* (key text) has sealed; raise `SeedlessError`."""
        from nacl.bindings import crypto_box_open_easy_afternm
        from nacl.exceptions import CryptoError

        # Refused, and not read as plain text: a server seals whenever the account has a curve key, so this
        # is another account's, or somebody else's, request.
        if not is_sealed(data):
            raise ServerError(
                "the request is not encrypted, and the account has a curve key",
                "is the account of the server the one that the service is configured for?",
            )
        nonce, sealed = data[4 : 4 + _NONCE], data[4 + _NONCE :]
        try:
            return crypto_box_open_easy_afternm(sealed, nonce, self._with(server)).decode()
        except (CryptoError, ValueError, TypeError) as error:
            raise ServerError("the request cannot be decrypted with the curve key of the account") from error

    def seal(self, text: str, server: str) -> bytes:
        """Return *text* sealed for the curve key *server* (key text)."""
        from nacl.bindings import crypto_box_easy_afternm

        # Random, as in xkeys.go: with 24 bytes no counter has to survive a restart.
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + crypto_box_easy_afternm(text.encode(), nonce, self._with(server))

    def _with(self, server: str) -> bytes:
        """Return the key shared with *server*, which takes far longer to compute than to use."""
        shared = self._shared.get(server)
        if shared is None:
            other = PublicKey.parse(server)
            if other.role is not Role.CURVE:
                raise ServerError("what the server names as its curve key is none")
            shared = self._key.shared_with(other)
            # The oldest first: a server that starts again has another key, and does not come back to it.
            if len(self._shared) >= _MOST_SERVERS:
                del self._shared[next(iter(self._shared))]
            self._shared[server] = shared
        return shared


def require_plain(data: bytes) -> str:
    """Return the text of a request that is not encrypted; raise `SeedlessError` for one that is."""
    if is_sealed(data):
        raise ServerError(
            "the request is encrypted, and the service has no curve key",
            "name the file with the seed of the account's xkey in the configuration",
        )
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise ServerError("the request is not a jwt") from error


SUBJECT = "$SYS.REQ.USER.AUTH"
"""Where servers ask, inside the account of the callout."""

AUDIENCE = "nats-authorization-request"
_REPLY = "$SYS._INBOX."
# A request of 10.9 s that is valid for 2 s expires at 12, and its server waits until 12.9.
_CUT = 1.0  # seconds
# What is remembered against replays is kept as long, so it has a bound; servers wait 2 seconds by default.
_LONGEST = 60  # seconds


class CalloutRequest(Struct, frozen=True, kw_only=True):
    """A request that is authentic as far as a request can be.

    `deadline` is the time (Unix seconds) after which no server waits for the answer any more, `expiry` that
    after which the request is not accepted again. `server` is the key of the server and the audience of the
    answer, `user` the key that the answer is for.
    """

    login: Login
    server: str
    server_name: str
    server_curve_key: str
    user: str
    deadline: float
    expiry: float


def read_request(text: str, reply: str, subject: str, now: float) -> CalloutRequest:
    """Return the request in the jwt *text* whose answer goes to *reply*; raise `SeedlessError` if it is none.

    *subject* is whom requests are for: the account's public key in operator mode, the issuer's in
    configuration mode. *now* is when it was received, in Unix seconds.
    """
    if not reply.startswith(_REPLY):
        raise ServerError("the answer would not go to a server")
    jwt = read_strict(text)
    body = jwt.claims.body
    if not isinstance(body, AuthorizationRequest):
        raise ServerError(f"the jwt is of kind {body.kind}, and no authorization request")
    server = str(jwt.issuer)
    if body.server_id.id != server:
        raise ServerError("the request is signed by another key than that of the server which it names")
    if jwt.claims.aud != AUDIENCE:
        raise ServerError(f"the audience of the request is not {AUDIENCE}")
    if jwt.claims.sub != subject:
        raise ServerError("the request is for another account or issuer", "is the service configured for it?")
    if PublicKey.parse(body.user_nkey).role is not Role.USER:
        raise ServerError("the key that the answer is to be for is not a user key")
    return CalloutRequest(
        login=_login(body),
        server=server,
        server_name=body.server_id.name,
        server_curve_key=body.server_id.xkey,
        user=body.user_nkey,
        deadline=_deadline(jwt, now),
        expiry=jwt.claims.exp + _CUT,
    )


def _deadline(jwt: Jwt[AuthorizationRequest], now: float) -> float:
    issued, expiry = jwt.issued_at, jwt.claims.exp
    if not issued < expiry <= issued + _LONGEST:
        raise ServerError(f"the request is valid for {expiry - issued} s, which no server waits")
    if issued > now + _CUT:
        raise ServerError(f"the request is dated {issued - now:.1f} s ahead", _CLOCKS)
    if now >= expiry + _CUT:
        raise ServerError(f"the request expired {now - expiry:.1f} s ago", _CLOCKS)
    return min(now + expiry - issued, expiry + _CUT)


_CLOCKS = "is the service overloaded, or do the clocks of the server and of this machine differ?"


def _login(body: AuthorizationRequest) -> Login:
    options, client, tls = body.connect_opts, body.client_info, body.client_tls
    # `certs` are what a client sent without a proof; a certificate counts in a chain that was verified.
    chains = tls.verified_chains if tls else ()
    return Login(
        user=options.user,
        password=options.password,
        token=options.auth_token,
        jwt=options.jwt,
        nkey=options.nkey,
        nkey_verified=_is_signed(options, client.nonce),
        certificates=chains[0] if chains else (),
        host=client.host,
        kind=client.kind,
        type=client.type,
        name=options.name,
        lang=options.lang,
        version=options.version,
    )


def _is_signed(options: ConnectOptions, nonce: str) -> bool:
    """Report whether the nkey has signed the nonce: in configuration mode a server does not look at it."""
    if not (options.nkey and options.sig and nonce):
        return False
    try:
        key = PublicKey.parse(options.nkey)
        # The two alphabets of base64, with padding or without, as servers take them.
        text = options.sig.rstrip("=").replace("+", "-").replace("/", "_")
        key.verify(base64url.decode(text, "signature"), nonce.encode())
    except (BadKey, BadSignature, SeedlessError):
        return False
    return key.role is Role.USER


class Replays:
    """The requests of the last seconds, by the key that each is for: a second one of a key is a replay.

    Bounded by *most*, beyond which every request is refused; one is forgotten when it has expired.
    """

    def __init__(self, most: int) -> None:
        """Remember at most *most* requests."""
        self._most = most
        self._known: dict[str, float] = {}

    def add(self, request: CalloutRequest, now: float) -> None:
        """Remember *request*; raise `ServerError` if there was one for its key, or if there are too many."""
        if request.user in self._known:
            raise ServerError(f"there was a request for {request.user} before: this is a replay")
        # In the order of their arrival, which is nearly that of their expiry.
        while self._known and (first := next(iter(self._known.items())))[1] <= now:
            del self._known[first[0]]
        if len(self._known) >= self._most:
            raise ServerError(f"{self._most} requests have been received within their validity", _CLOCKS)
        self._known[request.user] = request.expiry
