"""Requests and answers that are encrypted between the curve key of a server and that of an account.

The bytes are those of nkeys 0.4.11, `xkeys.go`: `xkv1`, a nonce of 24 bytes, and NaCl's crypto_box. A server
sends its curve key, which it creates when it starts, in the header `Nats-Server-Xkey`. Measured with
nats-server 2.15.1: **it does not look at who signed an answer that is sealed**, so the seed of the curve key
is worth as much as the key that signs answers.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from seedless.errors import ServerError
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from seedless.seeds import SoftwareKey

__all__ = ["HEADER", "Sealing", "is_sealed", "require_plain"]

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
        raise ServerError("the request is no jwt") from error
