"""`seedless expirations`: what expires soon, and what has, of all that the store holds.

The activations of imports count too: an import whose activation has expired brings nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from seedless.claims import Account
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, store_options
from seedless.cli.values import SPAN
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode, SeedlessError
from seedless.rules.places import tokens
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.jwt import Jwt

_EXPIRED, _SOON, _LATER, _NEVER = "expired", "soon", "later", "never"
_COLOURS = {_EXPIRED: "red", _SOON: "yellow"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A jwt at a place, and until when it holds: Unix seconds, 0 for ever."""

    place: tuple[str, ...]
    jwt: Jwt[Any]

    @property
    def expires(self) -> int:
        return max(self.jwt.claims.exp, 0)

    def state(self, now: int, within: int) -> str:
        if not self.expires:
            return _NEVER
        if self.expires <= now:
            return _EXPIRED
        return _SOON if self.expires <= now + within else _LATER

    def data(self, now: int, within: int) -> dict[str, Any]:
        claims = self.jwt.claims
        return {
            "kind": claims.body.kind,
            "address": self.place,
            "name": claims.name,
            "subject": claims.sub,
            "expires": self.expires or None,
            "state": self.state(now, within),
        }


@command()
@click.option(
    "--within", "-e", type=SPAN, metavar="SPAN", help="Only what expires within, as in 30d, or has."
)
@click.option("--skip", is_flag=True, help="Without those that never expire.")
@store_options
def expirations(settings: Settings, *, within: int | None, skip: bool) -> int:
    """List what expires, and what has.

    Operator, accounts, users, and the activations that accounts import with; the first to expire comes first.
    The exit code is 3 when something has expired, or expires --within, or cannot be read: a monitor that runs
    this needs no more.

    \b
    Example:
      seedless expirations --within 30d
    """
    workspace = CommandWorkspace(settings)
    now, soon = workspace.now, within or 0
    entries: list[_Entry] = []
    damaged: list[dict[str, Any]] = []
    for place, found in _stored(workspace):
        if isinstance(found, SeedlessError):
            damaged.append({"address": place, "error": found.message})
        else:
            entries += _entries(place, found)
    wanted = {_EXPIRED, _SOON} | (set() if within is not None else {_LATER} if skip else {_LATER, _NEVER})
    rows = sorted(
        (one for one in entries if one.state(now, soon) in wanted),
        key=lambda one: (not one.expires, one.expires, one.place),
    )
    listed = [one.data(now, soon) for one in rows]
    data = {"within": within, "expirations": listed, "damaged": damaged}
    printing.emit(data, _text(listed, damaged), as_json=settings.as_json)
    urgent = damaged or any(one["state"] in {_EXPIRED, _SOON} for one in listed)
    return ExitCode.FINDINGS if urgent else ExitCode.OK


def _stored(workspace: CommandWorkspace) -> Iterator[tuple[tuple[str, ...], Jwt[Any] | SeedlessError]]:
    """Yield all that the store holds, with its address: the jwt, or why it cannot be read."""
    try:
        yield (), workspace.operator()
    except SeedlessError as error:
        yield (), error
    for account, found in workspace.each():
        yield (account,), found
        for user, jwt in workspace.each(account):
            yield (account, user), jwt


def _entries(place: tuple[str, ...], jwt: Jwt[Any]) -> Iterator[_Entry]:
    yield _Entry(place, jwt)
    if isinstance(jwt.claims.body, Account):
        for token in tokens(jwt.claims.body):
            if token.activation is not None:
                yield _Entry(place, token.activation)


def _text(listed: list[dict[str, Any]], damaged: list[dict[str, Any]]) -> str:
    rows = [
        (
            one["kind"],
            shown("/".join(one["address"]) or one["name"])
            + (f" import {shown(one['name'])}" if one["kind"] == "activation" else ""),
            printing.until(one["expires"] or 0),
            click.style(one["state"], fg=_COLOURS.get(one["state"])),
        )
        for one in listed
    ]
    table = printing.table(rows, ("KIND", "WHAT", "EXPIRES", "STATE")) if rows else "nothing expires"
    explained = (f"damaged: {printing.printable(entry['error'])}" for entry in damaged)
    return "\n".join([table, *explained])
