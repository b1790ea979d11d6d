"""What the journeys ask of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey

Address = tuple[str, ...]
"""Where a jwt lies: `()` the operator, `(account,)`, `(account, user)`; names as in the claims."""


class Store(Protocol):
    """The jwts of one operator, and the creds of its users."""

    @property
    def operator(self) -> str:
        """The name of the operator."""

    @property
    def managed(self) -> bool:
        """Whether the operator's key is somebody else's."""

    def get(self, *address: str) -> Jwt[Any] | None:
        """Return the verified jwt at *address*, None if there is none; raise `StoreError` if damaged."""

    def children(self, *address: str) -> list[str]:
        """Return the names of the operator's accounts, or of the users of an account, sorted."""

    def find(self, subject: PublicKey) -> Address | None:
        """Return where the jwt lies whose subject is *subject*; damaged files are passed over."""

    def put(
        self, changes: Mapping[Address, Jwt[Any] | None], extra: Mapping[Path, str | None] | None = None
    ) -> None:
        """Write *changes* and the *extra* files, None removes one: all or nothing."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep all other writers out, those of the keyring too; `put` takes it by itself."""

    def creds(self, account: str, user: str) -> bytes | None:
        """Return what the creds file of *user* holds, None if there is none; raise `StoreError`."""

    def creds_path(self, account: str, user: str) -> Path:
        """Return where the creds of *user* lie, or would."""

    def seed_path(self, public_key: PublicKey) -> Path:
        """Return where the seed of a user's or curve key lies, or would, in the key store of nsc."""
