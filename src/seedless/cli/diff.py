"""`seedless diff`: what changes between two jwts or claims files, or from what the store has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from seedless import jwt
from seedless.app.key_names import keys_in, names_of
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, store_options
from seedless.cli.review import line
from seedless.cli.show import jwt_in, read_input
from seedless.cli.workspace import CommandWorkspace
from seedless.diff import Difference, Effect, unknown_members
from seedless.diff import diff as compare
from seedless.errors import BadClaims, ExitCode, SeedlessError
from seedless.nkey import PublicKey
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.deviations import Unknown
    from seedless.jwt import Claims, Jwt


@dataclass(frozen=True, slots=True)
class _Side:
    """One side: claims, what is not known of them, and who issued them where that is fixed."""

    claims: Claims[Any]
    unknown: tuple[Unknown, ...] = ()
    issuer: str = ""

    @classmethod
    def of(cls, found: Jwt[Any]) -> _Side:
        """Return the side that a jwt is."""
        return cls(found.claims, found.unknown, str(found.issuer))


@command(name="diff")
@click.argument("old", metavar="[OLD]")
@click.argument("new", metavar="NEW", required=False)
@store_options
def diff(settings: Settings, *, old: str, new: str | None) -> int:
    """Show what changes between two jwts.

    OLD and NEW are jwts, creds files or claims (JSON); - is stdin. With one file, what changes from the jwt
    that the store has for the same subject; all that it says when the store has none. What widens access
    comes first. When it was issued does not count, who issued it does, where both sides are jwts. Exit code 0
    when nothing changes, 5 when something does.

    \b
    Example:
      seedless diff ORDERS.old.jwt ORDERS.jwt
      seedless diff orders.json
    """
    workspace = CommandWorkspace(settings)
    after = _side(old if new is None else new)
    before = _stored(workspace, after.claims.sub) if new is None else _side(old)
    found = _compared(before, after, {})
    found = _compared(before, after, names_of(workspace, keys_in(one.line for one in found)))
    text = "\n".join(line(one, is_new=before is None) for one in found) or "nothing changes"
    data = {"new": before is None, "differences": [one.data() for one in found]}
    printing.emit(data, text, as_json=settings.as_json)
    return ExitCode.CHANGES if found else ExitCode.OK


def _compared(before: _Side | None, after: _Side, names: Mapping[str, str]) -> tuple[Difference, ...]:
    found = compare(before.claims if before else None, after.claims, names=names)
    found += unknown_members(before.unknown if before else (), after.unknown)
    if before and after.issuer and before.issuer not in {"", after.issuer}:
        text = f"{before.issuer} -> {after.issuer}"
        found = (
            Difference(Effect.CHANGES, "issuer", text, ("iss",), before.issuer, after.issuer),
            *found,
        )
    return found


def _side(name: str) -> _Side:
    text = read_input(name)
    try:
        if text.lstrip().startswith("{"):
            return _Side(jwt.claims_from_json(None, text))
        return _Side.of(jwt.read(jwt_in(text)))
    except SeedlessError as error:
        error.message = f"{'stdin' if name == '-' else shown(name)}: {error.message}"
        raise


def _stored(workspace: CommandWorkspace, subject: str) -> _Side | None:
    """Return what the store has for *subject*; raise `BadClaims` when that is no key."""
    try:
        key = PublicKey.parse(subject)
    except SeedlessError as error:
        raise BadClaims(f"the store knows no {shown(subject)}: {error.message}", "give two files") from error
    address = workspace.store.find(key)
    found = workspace.store.get(*address) if address is not None else None
    return _Side.of(found) if found else None
