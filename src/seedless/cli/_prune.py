"""Prune for `push --prune` and `prune`: what the store does not have is deleted where accounts are held."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from seedless.cli import consent
from seedless.cli._resolver import (
    delete_on_servers,
    deleted_path,
    left_data,
    require_number,
    said_data,
    said_text,
    show_left,
    victim_data,
)
from seedless.errors import SeedlessError
from seedless.resolver import delete, named, orphaned_accounts
from seedless.resolver import require_store as require
from seedless.store import atomic, stores_of
from seedless.store.files import existing_file
from seedless.store.names import name_of
from seedless.text import brief, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.claims import Account
    from seedless.cli._remote import Remote
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt
    from seedless.resolver import OrphanedAccount, PulledAccount, Target, TargetAnswer

count_option = click.option(
    "--expect-count",
    type=click.IntRange(0),
    metavar="N",
    help="Delete without asking when it is this many accounts.",
)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which accounts were to be deleted, and what servers said; None where nothing was sent."""

    orphaned: tuple[OrphanedAccount, ...]
    said: TargetAnswer | None
    left: tuple[PulledAccount, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is left to be done."""
        return self.said is None or self.said.ok

    @property
    def data(self) -> dict[str, Any]:
        """What --json prints."""
        return {
            "victims": [victim_data(one) for one in self.orphaned],
            "left": [left_data(one) for one in self.left],
            "sent": self.said is not None,
            **said_data(self.said),
        }

    @property
    def text(self) -> str:
        """What people read."""
        left = f"; left alone: {len(self.left)}" if self.left else ""
        if not self.orphaned:
            return f"nothing to prune{left}"
        if self.said is None:
            return f"would be deleted: {len(self.orphaned)}{left}"
        names = ", ".join(brief(one.name) for one in self.orphaned)
        return (
            f"deleted: {names}{left}" if self.said.ok else f"deleting {names} failed: {said_text(self.said)}"
        )


def require_store(workspace: CommandWorkspace) -> dict[str, Jwt[Account]]:
    """Return the accounts that are to stay, by name; raise `Refused` unless that is certain."""
    found = workspace.each()
    damaged = {name for name, jwt in found if isinstance(jwt, SeedlessError)} | _without_jwt(workspace)
    wanted = {name: jwt for name, jwt in found if not isinstance(jwt, SeedlessError)}
    require({shown(name) for name in damaged}, wanted)
    workspace.operator()
    return wanted


def prune_target(workspace: CommandWorkspace, remote: Remote, expected: int | None) -> Pruning:
    """Delete wherever *remote* says what the store does not have; consent is the number of accounts."""
    wanted = require_store(workspace)
    known = delete.load(deleted_path(workspace))
    left: list[PulledAccount] = []

    def chosen(target: Target) -> tuple[OrphanedAccount, ...]:
        found = orphaned_accounts(target, wanted, workspace.operator(), known, workspace.now)
        left.extend(found.left)
        show_left(found.left, target.name)
        return found.orphaned

    orphaned, said = delete_on_servers(
        workspace,
        remote,
        chosen,
        agree=lambda orphaned: require_number(workspace.options, orphaned, expected),
        approve=consent.ask_to_sign if expected is None else consent.given,
    )
    return Pruning(orphaned, said, tuple(left))


def prune_by_order(
    workspace: CommandWorkspace,
    remote: Remote,
    order: Jwt[Any],
    accounts: Sequence[str],
    expected: int | None,
) -> Pruning:
    """Send an *order* that was signed before, which deletes *accounts* wherever *remote* says."""
    known = delete.load(deleted_path(workspace))
    orphaned, said = delete_on_servers(
        workspace,
        remote,
        lambda target: named(target, accounts, known),
        agree=lambda orphaned: require_number(workspace.options, orphaned, expected),
        approve=consent.ask_to_sign if expected is None else consent.given,
        given=order,
    )
    return Pruning(orphaned, said)


def _without_jwt(workspace: CommandWorkspace) -> set[str]:
    """Return the names of accounts that have a folder in the store and no jwt in it."""
    stores = stores_of(workspace.root)
    folder = stores / existing_file(os.fspath(stores), workspace.store.operator) / "accounts"
    return set(map(name_of, atomic.names(folder))) - set(workspace.store.children())
