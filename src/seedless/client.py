"""Log in to NATS with a user key that any signer holds. Requires the extra `nats`.

A server is nobody's friend: only user keys sign here, and only what can be a server's nonce and cannot be the
head of a jwt. A login without a signature is refused too: whoever asks to be a user is not let in as nobody.
Who asks for TLS, by `tls://`, `wss://` or an option for it, gets TLS or nothing: at every server, also at one
that another server names, and at later logins.
The event loop runs on while the token signs, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import re
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from seedless.errors import NoTls, SeedlessError, ServerError, TokenError, UsageError
from seedless.nkey import Role
from seedless.signer import checked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from nats.aio.client import Client

    from seedless._nats import NonceSigner, SigningClient
    from seedless.jwt import Jwt
    from seedless.signer import Signer

__all__ = ["MAX_NONCE", "connect", "require_tls", "signable_nonce"]

# Far above what servers send, and below the shortest signing input of a jwt of version 1, which names an
# issuer of 56 characters.
MAX_NONCE = 64
"""Bytes of the longest nonce that is signed; a nats-server sends 15 or 22."""

# nats-server sends plain base64url; `+`, `/` and `=` are taken for servers that encode otherwise, and
# none of them makes a jwt or a challenge.
_NONCE = re.compile(rb"[A-Za-z0-9+/_=-]+")
# nats-py would send these beside the signature: a password to a server that did not ask for it.
_OURS = frozenset(
    {"user", "password", "user_credentials", "nkeys_seed", "nkeys_seed_str", "signature_cb", "user_jwt_cb"}
)
_SCHEMES = frozenset({"nats", "tls", "ws", "wss"})
# nats-py 2.16 sends CONNECT with jwt and signed nonce in plain text to a server that offers no TLS, also
# for `tls://` and with a context. So TLS is required here, before anything is signed.
_TLS_OPTIONS = ("tls", "tls_hostname", "tls_handshake_first")
_LONGEST_ANSWER = 200
_GIVE_ADDRESS = "give nats://host:4222"
_NOTHING_SIGNED = "nothing was signed; a nats-server sends 15 or 22 characters of base64"


async def connect(
    servers: str | Sequence[str],
    signer: Signer,
    jwt: str | Jwt[object] | None = None,
    **options: object,
) -> Client:
    """Connect to one of *servers* as the user whose key *signer* holds, and return the client of nats-py.

    With *jwt*, a user jwt for that key, this is a login of operator mode; without, of a bare NKey user
    (`authorization { users: [ {nkey: U…} ] }`). *options* are those of `nats.connect`. The first connection
    tries each server once; afterwards nats-py reconnects as its options state, and each time the signer
    signs. It is called in one thread, so it should do nothing else until the client is closed. What it raises
    then goes to `error_cb`; a `PinError` also closes the client.

    Raise `UsageError` for a key of another role, a jwt of another key, or another way to log in among the
    options; `ServerError` for whatever servers do (`NoTls`: TLS was asked for, and there is none); and the
    `TokenError` or `PinError` of the signer.
    """
    user = signer.public_key
    if user.role is not Role.USER:
        raise UsageError(f"{user} is not a user key: a server's nonce is signed by user keys only")
    text = None if jwt is None else _user_jwt(jwt, str(user))
    addresses = _addresses(servers)
    return await _open(addresses, (str(user), text), _Nonces(signer), _options(options))


async def require_tls(servers: str | Sequence[str], **options: object) -> None:
    """Raise `NoTls` if a login with the same arguments would, without a login: nothing is signed for it.

    For who has to sign something else before the login. Returns where TLS is not asked for, and where no
    server is reached: the login will show why.
    """
    addresses, taken = _addresses(servers), _options(options)
    if not _asks_for_tls(addresses, taken):
        return
    taken["error_cb"] = _ignore
    try:
        await _open(addresses, ("", None), _TurnBack(), taken)
    except NoTls:
        raise
    except ServerError as error:
        if isinstance(error.__cause__, ssl.SSLError) and not isinstance(
            error.__cause__, ssl.SSLCertVerificationError
        ):
            raise NoTls(error.message, error.hint) from error
    except _TurnedBackError:
        return


# Raised in the place of the signature: by then TLS has been agreed on, and the server has been sent
# nothing.
class _TurnedBackError(SeedlessError):
    """A server that may be logged in to was reached, and left."""


class _TurnBack:
    """Sign nothing."""

    async def sign(self, _: object, /) -> bytes:
        raise _TurnedBackError("a login was not meant")

    def end(self) -> None:
        """Do nothing."""


async def _ignore(_: Exception) -> None:
    """Leave what goes wrong to the login that follows."""


async def _open(
    addresses: list[str],
    user: tuple[str, str | None],
    signer: NonceSigner,
    options: dict[str, Any],
) -> SigningClient:
    """Return a client that is logged in as *user*, a public key and a jwt for it or None."""
    public_key, jwt = user
    failures: list[Exception] = []

    def failed(error: Exception) -> None:
        failures.append(error)
        # Each address once: nats-py counts attempts for each server, 60 by default.
        if len(failures) >= len(addresses):
            # A server that refused explains more than one that is down.
            refused = (failure for failure in reversed(failures) if not isinstance(failure, OSError))
            raise _explained(next(refused, failures[-1]), addresses, public_key) from error

    on_error = options.pop("error_cb", None)
    client = _client(public_key, signer, on_error, tls=_asks_for_tls(addresses, options))
    try:
        await client.open({"servers": addresses, **options}, jwt, failed)
    except SeedlessError:
        raise
    except Exception as error:
        # nats-py lets an INFO that it cannot read end in all kinds of errors.
        raise _explained(error, addresses, public_key) from error
    finally:
        # Else tasks of nats-py outlive the error.
        if not client.is_connected:
            await client.abandon()
    return client


def signable_nonce(nonce: bytes) -> bytes:
    """Return *nonce* if a user key may sign it; raise `ServerError` else.

    It has 1 to 64 characters of base64. So it is neither the signing input of a jwt, which has a dot (of a
    jwt of version 1: no dot and over 64 characters, since it names a 56-character issuer), nor a challenge
    of `seedless.pkcs11`, which has blanks.
    """
    if not nonce:
        raise ServerError("the server sent no nonce, so there is no login with a key", _NO_NONCE)
    if len(nonce) > MAX_NONCE:
        raise ServerError(
            f"the server's nonce has {len(nonce)} bytes, at most {MAX_NONCE} are signed", _NOTHING_SIGNED
        )
    # A server that is somebody's enemy sends the head of a jwt as its nonce; a signature over that is a
    # jwt by this user.
    if b"." in nonce:
        raise ServerError("the server's nonce has a dot, as the head of a jwt has", _NOTHING_SIGNED)
    if not _NONCE.fullmatch(nonce):
        raise ServerError("the server's nonce is not base64", _NOTHING_SIGNED)
    return nonce


class _Nonces:
    """Sign nonces with one signer, in one thread, which is its own."""

    __slots__ = ("_signer", "_thread")

    def __init__(self, signer: Signer) -> None:
        self._signer: Final = checked(signer)
        # One thread: drivers that take no locking are called by one, and a PIN pad asks for one thing at
        # a time.
        self._thread: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="seedless-signer")

    def end(self) -> None:
        self._thread.shutdown(wait=False)

    async def sign(self, nonce: object, /) -> bytes:
        text = nonce if isinstance(nonce, str) else ""
        # surrogatepass: an INFO with half of a surrogate pair has to end in the sentence below, and not
        # in UnicodeEncodeError.
        message = signable_nonce(text.encode("utf-8", "surrogatepass"))
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._signer.sign, message)
        except SeedlessError:
            raise
        except Exception as error:
            # Not quoted: it is not known what a foreign signer puts into its errors.
            raise TokenError(
                f"the signer of {self._signer.public_key} failed with {type(error).__name__}"
            ) from error


def _user_jwt(jwt: str | Jwt[Any], user: str) -> str:
    from seedless.claims import User  # bare NKey users need no claims
    from seedless.jwt import read

    known = read(jwt) if isinstance(jwt, str) else jwt
    if not isinstance(known.claims.body, User):
        raise UsageError(f"the jwt is of kind {known.claims.body.kind}, a login requires a user's")
    if known.claims.sub != user:
        raise UsageError(
            f"the jwt is for {known.claims.sub!a}, the signer's key is {user}", "give the jwt of that key"
        )
    return known.text


def _options(options: dict[str, object]) -> dict[str, object]:
    for name in sorted(_OURS & options.keys()):
        raise UsageError(f"{name} is another way to log in", "leave it out: the signer logs in")
    on_error = options.get("error_cb")
    if on_error is not None and not inspect.iscoroutinefunction(on_error):
        raise UsageError("error_cb is not a coroutine function", "write it with async def")
    return dict(options)


def _addresses(servers: str | Sequence[str]) -> list[str]:
    addresses = [servers] if isinstance(servers, str) else list(servers)
    if not addresses:
        raise UsageError("there is no server to connect to", _GIVE_ADDRESS)
    return [_with_scheme(address.strip()) for address in addresses]


def _with_scheme(address: str) -> str:
    """Return *address* with its scheme as nats-py knows it, which takes TLS:// for the name of a host."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    # Schemes have no case (RFC 3986); nats-py compares them as they are, and takes TLS:// for the name of
    # a host, without TLS.
    if scheme.lower() not in _SCHEMES:
        raise UsageError(f"{_named([address])} is not an address of a NATS server", _GIVE_ADDRESS)
    return f"{scheme.lower()}://{rest}"


def _asks_for_tls(addresses: Sequence[str], options: Mapping[str, object]) -> bool:
    """Report whether TLS is asked for; one address is enough, since a reconnect may go to any."""
    # wss is TLS as well, although nats-py has another way to it.
    by_address = any(address.startswith(("tls://", "wss://")) for address in addresses)
    return by_address or any(options.get(name) for name in _TLS_OPTIONS)


def _client(
    public_key: str,
    signer: NonceSigner,
    on_error: Callable[[Exception], Awaitable[None]] | None,
    *,
    tls: bool,
) -> SigningClient:
    try:
        from seedless._nats import SigningClient  # nats-py is an extra
    except ImportError as error:
        raise UsageError("logging in requires nats-py", "pip install 'seedless[nats]'") from error
    return SigningClient(public_key, signer, on_error, tls=tls)


_ERRNO = re.compile(r"\[Errno (\d{1,5})\]")
_NO_NONCE = "its configuration has to name this user's key, or an operator; nothing was signed"
_LOG = "the log of the server shows why"
_REFUSED = (
    "is the key in its configuration? with a jwt: is the account known there and signed by the operator that "
    f"the server trusts, and is nothing expired or revoked? {_LOG}"
)
_TOO_SLOW = (
    "where the token takes more than 2 seconds, the server has to wait: authorization { timeout: … }, in "
    f"seconds; else {_LOG}"
)
# nats-server answers a login that it refuses with one sentence for all reasons; which of them it is only
# its log shows.
_ANSWERS: dict[str, tuple[type[SeedlessError], str, str]] = {
    "authorization violation": (
        ServerError,
        "{where} refused the login of {user}",
        _REFUSED,
    ),
    "authentication timeout": (
        ServerError,
        "{where} did not wait for the signature of {user}",
        _TOO_SLOW,
    ),
    "closed the connection": (ServerError, "{where} closed the connection during the login", _TOO_SLOW),
    "connection lost": (ServerError, "{where} closed the connection during the login", _TOO_SLOW),
    "connect url": (UsageError, "{where} is not an address of a NATS server", _GIVE_ADDRESS),
    "callbacks must be": (UsageError, "a callback is not a coroutine function", "write it with async def"),
}
"""What a server, or nats-py, reports in lower case: the error that it means."""


def _explained(error: Exception, addresses: list[str], user: str) -> SeedlessError:
    where, text = _named(addresses), str(error)
    reply = ascii(text.removeprefix("nats: ").strip("'\r\n "))[1:-1][:_LONGEST_ANSWER]
    for answer, (kind, message, hint) in _ANSWERS.items():
        if answer in reply.lower():
            return kind(message.format(where=where, user=user), hint)
    if isinstance(error, OSError):
        return _unreachable(error, where, reply)
    if isinstance(error, ImportError):
        return UsageError(
            f"{where} cannot be reached: {reply}", "ws:// and wss:// require pip install aiohttp"
        )
    if text.startswith("nats: "):
        return ServerError(f"the login at {where} failed: {reply}", _LOG)
    return ServerError(
        f"what {where} sent cannot be understood ({type(error).__name__})", "is it a NATS server?"
    )


def _unreachable(error: OSError, where: str, reply: str) -> ServerError:
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    if isinstance(inner, OSError):  # aiohttp puts what the socket raised into its own
        error, reply = inner, ascii(str(inner))[1:-1][:_LONGEST_ANSWER]
    if isinstance(error, ssl.SSLCertVerificationError):
        return ServerError(
            f"the certificate of {where} is not trusted: {error.verify_message}",
            "give tls= an SSLContext that knows the certificate's authority",
        )
    if isinstance(error, ssl.SSLError):
        return ServerError(f"TLS with {where} failed: {reply}", "does the server speak TLS there?")
    if isinstance(error, TimeoutError):
        return ServerError(f"{where} did not answer in time", "connect_timeout= gives it more seconds")
    return ServerError(
        f"{where} cannot be reached: {_unreached(error, reply)}",
        "is the server running, is the address right?",
    )


def _unreached(error: OSError, reply: str) -> str:
    """Report in words why a server cannot be reached, of which *reply* may hold numbers only.

    A name with several addresses fails with one error for all, which has their numbers in its text.
    """
    if isinstance(error, socket.gaierror):
        return (error.strerror or "its name is not known").lower()
    numbers = {error.errno} if error.errno else {int(number) for number in _ERRNO.findall(reply)}
    if numbers == {errno.ECONNREFUSED}:
        return "nothing listens there"
    return ", ".join(os.strerror(number).lower() for number in sorted(numbers)) or reply


def _named(addresses: list[str]) -> str:
    """Return the servers as a person may see them: without the user and the password of a URL."""
    # A URL may hold user and password, and errors go into logs of pipelines.
    shown = [ascii(address.rpartition("@")[2].rpartition("//")[2])[1:-1] for address in addresses]
    return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"
