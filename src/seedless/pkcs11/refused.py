"""PINs that a token has refused: one memory for all who open tokens in this process and in its workers.

A wrong PIN is never sent twice, whoever tries. No PIN is kept, only a digest under a key of this process. The
binding is not imported here: a pool has no driver in its own process.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, ClassVar

import msgspec

from seedless.errors import PinError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self


class RefusedPin(msgspec.Struct, frozen=True):
    """A PIN that a token may have refused, as a digest, and the token."""

    digest: bytes
    where: str
    _remembered: ClassVar[set[bytes]] = set()
    _key: ClassVar[bytes] = os.urandom(32)

    @classmethod
    def of(cls, path: Path, where: str, pin: bytes, *, who: str = "user") -> Self:
        """Return *pin* as one for the user or the SO of the token *where* by the module at *path*."""
        parts = (os.path.realpath(path), where, who)
        framed = [len(part).to_bytes(4, "big") + part for part in (*map(os.fsencode, parts), pin)]
        digest = hashlib.blake2b(b"".join(framed), key=cls._key, digest_size=32).digest()
        return cls(digest, where)

    def check(self) -> None:
        """Raise `PinError` if the token has refused this PIN before."""
        if self.digest in self._remembered:
            raise PinError(
                f"{self.where} has refused this PIN already, and it was not sent again",
                "give another PIN; after a change of the PIN start the program again",
            )

    def remember(self) -> None:
        """Remember that the token refused it."""
        self._remembered.add(self.digest)

    @classmethod
    def forget_all(cls) -> None:
        """Forget all: a token was initialised, and what was wrong may be right now."""
        cls._remembered.clear()
