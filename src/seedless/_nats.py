"""A nats-py client that signs a nonce before nats-py asks for the signature; its private names stay here.

nats-py calls for the signature while it builds the CONNECT command, outside any coroutine, and has no public
way to name a bare NKey without its seed. Seven private names are relied on; a test reads what they send.

- `_process_info`: awaited with the INFO of every handshake, later ones too, before CONNECT is built and
  before TLS. A signature for a server that then fails TLS is never sent. nats-py starts TLS if this INFO has
  `tls_required` and for no other reason: whoever can change INFO would read the login in plain text. So TLS
  is required here, where it was asked for.
- `_current_server`: the address of that handshake, which may be one that another server has named.
- `_public_nkey`: sent as `nkey` where there is no jwt.
- `_auth_configured`: without it nothing is signed for a server that has a `no_auth_user`, which then lets us
  in as that user.
- `_close`: closing without the callbacks of a connection that never was; and called for every end.
- `_transport`: dropped when the first handshake fails, since nats-py then waits for an end that never comes
  after TLS has failed (CPython 3.11); and when signing fails later, since nats-py would leak it. That of
  ws:// and wss:// has a `_client`, a session of aiohttp, which writes a warning to stderr if left open.
- `_server_info`: the INFO of the server, of which nats-py gives version and limits alone.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, Protocol

from nats.aio.client import Client
from nats.errors import Error, NoServersError

from seedless.errors import NoTls, PinError, SeedlessError, UsageError
from seedless.text import brief

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_logger = logging.getLogger("seedless.client")


class NonceSigner(Protocol):
    """What signs the nonces of one client."""

    async def sign(self, nonce: object, /) -> bytes:
        """Return the signature of what the server sent as nonce."""

    def end(self) -> None:
        """Release what signing takes: the client is closed."""


class SigningClient(Client):
    """A client whose nonces *signer* signs.

    With *tls* nothing is signed for a server that offers no TLS, and nothing is sent to it.

    The first connection ends with the error of *signer*. Later, when nats-py reconnects by itself, the error
    goes to *on_error* and the next attempt is left to nats-py; a `PinError` closes the client, since a wrong
    PIN is not to be tried again.
    """

    def __init__(
        self,
        public_key: str,
        signer: NonceSigner,
        on_error: Callable[[Exception], Awaitable[None]] | None,
        *,
        tls: bool,
    ) -> None:
        super().__init__()
        self._tls: Final = tls
        self._public_nkey = public_key
        self._auth_configured = True
        self._signer: Final = signer
        self._on_error = on_error or _log
        self._first_failure: Callable[[Exception], None] | None = None
        self._signed: tuple[object, bytes] = (None, b"")
        self._endings: list[asyncio.Future[None]] = []

    async def open(
        self, options: dict[str, Any], jwt: str | None, failed: Callable[[Exception], None]
    ) -> None:
        """Connect; *failed* gets each failure of a server and raises to make an end of it."""
        for name in sorted(options.keys() - signature(Client.connect).parameters.keys()):
            raise UsageError(f"nats-py has no option {name!a}", "look at nats.connect for those it has")
        opening = self.connect(
            **options,
            error_cb=self._report_error,
            signature_cb=self._signature,
            user_jwt_cb=None if jwt is None else jwt.encode,
        )
        self._first_failure = failed
        try:
            await opening
        finally:
            self._first_failure = None
        # Else a server that closes the connection after CONNECT would look like one that let us in.
        if not self.is_connected:  # nats-py takes the end of the stream for a login
            raise Error("nats: the server closed the connection")

    async def abandon(self) -> None:
        """Close what a connection that failed has left open, and call nobody back."""
        self._on_error = _ignore
        self._signer.end()
        self._drop()
        if self.is_connecting:
            await self._close(Client.CLOSED, do_cbs=False)
        await asyncio.gather(*self._endings, return_exceptions=True)

    async def _close(self, status: int, do_cbs: bool = True) -> None:  # noqa: FBT001, FBT002 - as nats-py has it
        await super()._close(status, do_cbs)
        # The thread would live until the client is collected, and a command that loads a driver after a login
        # would have no supervisor: a fork copies one thread. Between two servers of one login nats-py passes
        # DISCONNECTED, and the next server has to be signed for.
        if status == Client.CLOSED:
            self._signer.end()

    async def _process_info(self, info: dict[str, object], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002 - as nats-py has it
        if initial_connection:
            nonce = info.get("nonce")
            try:
                # Before the nonce is signed: a signature for a server that is refused afterwards was made
                # for nothing, and may have cost a touch.
                if self._tls:
                    self._require_tls(info)
                self._signed = (nonce, await self._signer.sign(nonce))
            except SeedlessError as error:
                if self._first_failure is not None:
                    raise  # nats-py takes it for no error of a server, so it ends connect()
                await self._later(error)
        await super()._process_info(info, initial_connection=initial_connection)

    def _require_tls(self, info: dict[str, object]) -> None:
        """Let CONNECT go through TLS; raise `NoTls` if it would be sent in plain text."""
        assert self._current_server is not None  # noqa: S101 - an INFO came from somewhere
        address = self._current_server.uri
        if address.scheme == "wss" or self.options["tls_handshake_first"]:
            return  # TLS was there before this INFO
        if info.get("tls_available"):
            # `tls_available` is what a server announces that accepts both (allow_non_tls); nats-py goes on in
            # plain text there.
            info["tls_required"] = True  # a server that leaves it to us; nats-py does not look at that
        if address.scheme == "ws" or not info.get("tls_required"):
            where = brief(address.netloc.rpartition("@")[2])
            raise NoTls(
                f"TLS was asked for and {where} offers none: nothing was signed for it or sent to it",
                "turn TLS on in its configuration, or ask what changes its traffic on the way; plain text is "
                "asked for with nats:// and without options for TLS",
            )

    async def _later(self, error: SeedlessError) -> None:
        self._drop()
        if isinstance(error, PinError):
            await self._on_error(error)
            # A PIN that was rejected must not be sent again by each reconnect, until the token is locked.
            raise NoServersError from error  # the one error that makes nats-py stop and close
        raise Error(error.message) from error

    async def _report_error(self, error: Exception) -> None:
        if self._first_failure is not None:
            self._drop()
            self._first_failure(error)
        cause = error.__cause__
        await self._on_error(cause if isinstance(cause, SeedlessError) else error)

    def _drop(self) -> None:
        transport, self._transport = self._transport, None
        if transport:
            transport.close()  # type: ignore[no-untyped-call]  # nats-py leaves it so
        if session := getattr(transport, "_client", None):
            self._endings.append(asyncio.ensure_future(session.close()))

    def _signature(self, nonce: str) -> bytes:
        signed, signature = self._signed
        # The signature was made while the INFO was read, in another thread, since nats-py asks for it in
        # a function that must not wait.
        if signed != nonce or not signature:
            raise SeedlessError(
                "this version of nats-py asks for signatures in a way that is not known",
                "install nats-py 2.16 (2.10 or newer works), and report this",
            )
        self._signed = (None, b"")
        return base64.urlsafe_b64encode(signature).rstrip(b"=")


def server_id(client: Client) -> str:
    """Return the public key of the server that *client* is connected to, as its INFO states it."""
    return str(client._server_info.get("server_id", ""))  # noqa: SLF001 - see above


async def _log(error: Exception) -> None:
    _logger.error("%s", ascii(str(error))[1:-1])  # a server's words stay in their line


async def _ignore(error: Exception) -> None:
    """Do not report what goes wrong while a connection that failed is closed."""
