"""Tokens: list, show, initialise and examine them. No claims are signed; only examining asks for the PIN."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.app.token_choice import module_for, named_uri, pin_source
from seedless.doctor import CheckResult
from seedless.errors import TokenError, UsageError
from seedless.machine import examine_machine
from seedless.nkey import Role
from seedless.pkcs11.public_objects import PublicObject
from seedless.pkcs11.token_info import TokenInfo
from seedless.pkcs11.uri import KeyUri
from seedless.program import examine_program
from seedless.readiness import (
    CheckStatus,
    DeviceOutput,
    ReadinessRow,
    parse_output,
    require_used,
    token_rows,
)
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["TokenInitialisation", "TokenManagement"]


class TokenManagement:
    """Tokens of the module that the workspace names; `Workspace.tokens`."""

    def __init__(self, workspace: Workspace) -> None:
        """Work on the module and the token of *workspace*."""
        self._workspace = workspace

    def module(self) -> Path:
        """Return the PKCS#11 library in use: that of the workspace, of the configuration, or the only one."""
        return module_for(self._workspace, named_uri(self._workspace), is_ours=True)

    def list(self) -> tuple[TokenInfo, ...]:
        """Return the tokens that the module shows, blank ones too."""
        path = self.module()
        from seedless.pkcs11.module import load  # the binding takes long to load

        return tuple(load(path).tokens())

    def show(self) -> TokenInfo:
        """Return what the token of the workspace reports of itself; raise `NoToken` for none or several."""
        path = self.module()
        from seedless.pkcs11.module import load
        from seedless.pkcs11.token import find_token

        return find_token(load(path), named_uri(self._workspace))

    def initialise(self, label: str) -> TokenInitialisation:
        """Return the initialisation of the token of the workspace, or of the only blank one, as *label*.

        Raise `ModuleError`, `NoToken`, and `TokenError` for a token that another program initialises.
        """
        path = self.module()
        from seedless.pkcs11.initialise import blank_or_named

        uri = named_uri(self._workspace)
        return TokenInitialisation(path, uri, blank_or_named(path, uri), label)

    def is_there(self) -> bool:
        """Return whether module and token are found, without a PIN: nobody is asked about one that is not."""
        with contextlib.suppress(TokenError):
            return bool(self.show().serial)
        return False

    def examine(self, *, creates_key: bool = True) -> tuple[CheckResult, ...]:
        """Return what the token can do, a result for each thing; a token that fails is the last of them.

        A temporary key is created, used and deleted, unless not *creates_key*. The PIN is sent once, and not
        when few tries are left, unless the workspace has `last_try`.
        """
        workspace = self._workspace
        path = self.module()
        from seedless.doctor import ExaminedToken, examine

        examined = ExaminedToken(
            module=path,
            uri=named_uri(workspace),
            pins=pin_source(workspace),
            last_try=workspace.settings.last_try,
            makes_key=creates_key,
            random=secrets.token_bytes,
            clock=time.perf_counter,
            challenges=workspace.challenge_journal,
        )
        with contextlib.closing(examine(examined)) as results:
            return (*results, *self._spares())

    def _spares(self) -> Iterator[CheckResult]:
        """Yield whether the keys that the inventory has on the token have spares."""
        from seedless.app.backups import key_backups  # reads every store

        with contextlib.suppress(TokenError):  # which is the last result then
            uri = self.show().uri
            # A user is not replaced by another key, but by another user.
            inventory = [entry for entry in self._workspace.inventory() if entry.role is not Role.USER]
            entries = [
                entry for entry in inventory if any(place.token == uri for place in entry.places_left[:1])
            ]
            backups = key_backups(self._workspace) if entries else {}
            alone = [entry for entry in entries if backups[entry.public_key].kind == "none"]
            if alone:
                names = ", ".join(f"{entry.role.name.lower()} {shown(entry.name)}" for entry in alone)
                advice = (
                    "a signing key on another token: seedless docs howto/lost-token; seedless recovery drill"
                )
                yield CheckResult("spare", CheckStatus.NOTE, f"none for {names}", advice)
            elif entries:
                yield CheckResult("spare", CheckStatus.OK, f"each of {len(entries)} keys has one, or shares")

    def readiness(self, outputs: Iterable[tuple[str, bytes]] = ()) -> tuple[ReadinessRow, ...]:
        """Return what is known of the token and of this machine before a ceremony; no PIN is needed.

        *outputs* are names and contents of files with the output of the programs of the device's maker, as
        `seedless.readiness.parse_output` reads them. Raise `NoToken`, `UsageError`.
        """
        outputs = tuple(outputs)
        read_outputs(outputs)  # before a driver is loaded
        info = self.show()
        return tokens_and_machine(self._workspace, [info], outputs)


def read_outputs(outputs: Iterable[tuple[str, bytes]]) -> tuple[tuple[str, DeviceOutput], ...]:
    """Read files with the output of vendors' programs; raise `UsageError` for anything else."""
    return tuple(
        (shown(name), parse_output(data.decode(errors="replace"), shown(name))) for name, data in outputs
    )


def tokens_and_machine(
    workspace: Workspace, tokens: Iterable[TokenInfo], outputs: Iterable[tuple[str, bytes]] = ()
) -> tuple[ReadinessRow, ...]:
    """Return the rows of *tokens*, one after the other, and those of this machine."""
    tokens = tuple(tokens)
    read = read_outputs(outputs)
    require_used(read, (info.quirks.family for info in tokens))
    rows = [
        row
        for info in tokens
        for row in token_rows(info, [output for _, output in read], _slots(workspace, info))
    ]
    return (*rows, *examine_program(), *examine_machine(workspace.root, workspace.now))


def _slots(workspace: Workspace, info: TokenInfo) -> str:
    """Return which slots of *info* show no key, in words; empty for a device that has none."""
    if not info.quirks.slots:
        return ""
    from seedless.pkcs11.module import load  # see `TokenManagement.list`
    from seedless.pkcs11.public_objects import free_slots

    free = [name for name, _ in free_slots(load(module_for(workspace, info.uri, is_ours=False)), info)]
    named = f": {', '.join(free)}" if free else ""
    return f"{len(free)} of {len(info.quirks.slots)} show no key{named}"


class TokenInitialisation:
    """A token that gets a label and PINs; `run` does it. One that has keys loses all of them."""

    def __init__(self, module: Path, uri: KeyUri, token: TokenInfo, label: str) -> None:
        """Initialise *token*, which *uri* names on *module*, as *label*."""
        self.token = token
        self.label = label
        self._module = module
        self._uri = uri

    @property
    def is_blank(self) -> bool:
        """Whether nothing can be lost."""
        return not self.token.initialised

    @property
    def pin_lengths(self) -> tuple[int, int]:
        """The least and the most bytes of a PIN, as the driver reports them; 0 and 0 where it does not."""
        from seedless.pkcs11.initialise import pin_lengths_of  # see `TokenManagement.list`

        return pin_lengths_of(self._module, self._uri)

    def contents(self) -> tuple[PublicObject, ...]:
        """Return what would be lost, as far as it can be seen without a PIN: private keys cannot."""
        from seedless.pkcs11.initialise import contents_of  # see `TokenManagement.list`

        return tuple(contents_of(self._module, self._uri))

    def require_named(self, erase: str | None) -> None:
        """Raise `UsageError` unless *erase* is the serial (else the label) of a token that is not blank."""
        if not self.is_blank and (not erase or erase != self.token.name_to_erase):
            token, which = f"token {quoted(self.token.label)}", "serial" if self.token.serial else "label"
            raise UsageError(
                f"{token} was left as it is: its {which} is not {quoted(erase or '')}",
                "the device shows it, and so does seedless token list",
            )

    def run(self, *, so_pin: str, pin: str, erase: str | None = None) -> TokenInfo:
        """Initialise it with the PINs of the security officer (SO) and of the user; return what it is then.

        *erase* names a token that is initialised already, as `require_named` requires it. Raise `PinError`
        for a wrong SO PIN, which is not sent again, and `TokenError`.
        """
        from seedless.pkcs11.initialise import initialise_token  # see `TokenManagement.list`

        self.require_named(erase)
        return initialise_token(
            self._module, self._uri, label=self.label, so_pin=so_pin, pin=pin, erase=erase
        )
