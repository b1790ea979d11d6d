"""A folder of `<public key>.jwt`, as a full resolver keeps it, as a target. For servers that are stopped.

A server that is running does not look for changes in its folder; it finds what it has not loaded yet.
Deleted accounts are renamed to `.jwt.deleted`, as servers do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from seedless.errors import StoreError, UsageError
from seedless.resolver.port import Said
from seedless.resolver.protocol import Answer, Server, Standing
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from seedless.claims import Operator
    from seedless.jwt import Jwt

_FILE = re.compile(r"(A[A-Z2-7]{55})\.jwt")


class Folder:
    """A resolver's folder; a `Target` with one server, which is trusted to have the store's operator."""

    wants_order: Final = False

    def __init__(self, path: Path, operator: Jwt[Operator]) -> None:
        """Take the folder *path*; raise `UsageError` when there is none."""
        if not path.is_dir():
            raise UsageError(f"there is no folder {shown(path)}", "make it, with mode 0700")
        self._path: Final = path
        self._server: Final = Server("", str(path))
        self.standings: Final = (Standing(self._server, (operator,), operator.claims.body.system_account, 0),)

    @property
    def name(self) -> str:
        """The folder."""
        return str(self._server)

    @property
    def holdings(self) -> Mapping[Server, frozenset[str]]:
        """The keys of the accounts in the folder, as they are now."""
        found = (_FILE.fullmatch(name) for name in atomic.names(self._path))
        return {self._server: frozenset(match[1] for match in found if match)}

    def held(self, accounts: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Read *accounts*; raise `StoreError` when one cannot be read."""
        return {account: (self._text(account),) for account in accounts}

    def update(self, accounts: Sequence[Jwt[Any]]) -> list[Said]:
        """Write *accounts*: all of them or none."""
        atomic.sweep(self._path)
        atomic.write({self._file(account.claims.sub): account.text for account in accounts})
        return [Said((Answer(self._server, ok=True, text="written"),)) for _ in accounts]

    def who_deletes(self) -> Said:
        """Say yes: nobody is asked."""
        return Said((Answer(self._server, ok=True, text="a folder"),))

    def delete(self, accounts: Sequence[str], order: str) -> Said:  # noqa: ARG002 - a folder obeys without
        """Rename the files of *accounts*; what is not there is deleted already."""
        for account in accounts:
            file = self._file(account)
            with atomic.told("renamed", file):
                if file.exists():
                    file.replace(file.with_name(f"{file.name}.deleted"))
        return Said((Answer(self._server, ok=True, text=f"deleted {len(accounts)} accounts"),))

    def _file(self, account: str) -> Path:
        return self._path / f"{account}.jwt"

    def _text(self, account: str) -> str:
        data = atomic.read(self._file(account))
        try:
            return "" if data is None else data.decode("ascii").strip()
        except UnicodeDecodeError as error:
            raise StoreError(f"{shown(self._file(account))} is damaged: it is not ASCII") from error
