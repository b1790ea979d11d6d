"""`seedless recovery create`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app import recovery
from seedless.ceremony import documents
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import recovery_options
from seedless.cli.recovery.options import (
    import_question,
    outcome_data,
    output_option,
    record_text,
    warn_of_recorders,
    ways_option,
)
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.plan import SYSTEM_ACCOUNT
from seedless.recovery.journeys import SECRET_SIZES, NewShares
from seedless.recovery.record import KeyName
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path


@command()
@click.argument("name")
@click.option("--threshold", required=True, type=int, metavar="T", help="How many shares restore the keys.")
@click.option("--shares", "count", required=True, type=int, metavar="N", help="How many shares there are.")
@click.option("--holder", "holders", multiple=True, metavar="NAME", help="Who gets the next share.")
@click.option(
    "--key", "names", multiple=True, metavar="ROLE:NAME",
    help='What to create [default: operator:NAME, "operator:NAME signing" and account:SYS].',
)  # fmt: skip
@click.option(
    "--bits", type=click.Choice([str(bits) for bits in SECRET_SIZES]), default="256",
    help="Size of the secret: a share has 33 or 20 words [default: 256].",
)  # fmt: skip
@click.option("--dice", is_flag=True, help="Mix throws of a die into the randomness of the system.")
@output_option
@ways_option
@recovery_options
def create(  # noqa: PLR0913 - one for each option
    workspace: CommandWorkspace,
    *,
    name: str,
    threshold: int,
    count: int,
    holders: tuple[str, ...],
    names: tuple[str, ...],
    bits: str,
    dice: bool,
    output: Path,
    allowed: tuple[str, ...],
) -> None:
    """Create keys that shares of one secret restore.

    The keys of the operator NAME are derived from a new secret, which is split into shares. Each share is
    shown to its holder alone, who writes it on a form by hand; then all shares are typed back. Only then are
    the keys imported to the token, a test signature of each is verified, and the record is written: which
    keys there are, who holds which share, and a digest of each. It has no secret: keep copies of it beside
    each share. Interrupted before the import, nothing is on the token.

    The secret is in a process that ends, and never on a disk. Run it on a machine without a network.

    \b
    Example:
      seedless recovery create ACME --threshold 2 --shares 3 -o record.json
    """
    new = NewShares(
        keys=tuple(map(KeyName.parse, names or _default_keys(name))),
        holders=_all_holders(holders, count),
        threshold=threshold,
        size=SECRET_SIZES[int(bits)],
        has_dice=dice,
    )
    recovery.require_possible(workspace, new.keys)
    if workspace.options.dry_run:
        _preview(workspace, new)
    else:
        _create(workspace, new, output, allowed=allowed)


def _preview(workspace: CommandWorkspace, new: NewShares) -> None:
    labels = [key.text for key in new.keys]
    text = f"would create {', '.join(map(shown, labels))}; {_given_up(new)}"
    workspace.emit({"dry_run": True, "keys": labels}, text)


def _given_up(new: NewShares) -> str:
    return f"whoever brings {new.threshold} of the {len(new.holders)} shares together has all keys"


def _create(
    workspace: CommandWorkspace,
    new: NewShares,
    output: Path,
    *,
    allowed: tuple[str, ...],
) -> None:
    count = len(new.holders)
    warn_of_recorders()
    printing.report(_given_up(new))
    printing.report(f"the secret has {new.size * 8} random bits")
    token = recovery.target(workspace)
    names = ", ".join(shown(key.text) for key in new.keys)
    question = import_question(f"Create {count} shares, and import {names} to", token, output)
    consent.require(workspace.options, question, done="nothing was created")
    outcome = recovery.create(workspace, new, output, allowed=allowed, token=token)
    data = outcome_data(outcome, file=str(output))
    if outcome.failure is not None:
        printing.report(
            f"the shares are valid and the record is written, but no key was imported: {shown(output)}"
        )
        outcome.failure.hint = f"seedless recovery restore {shown(output)} --token URI imports the keys"
        raise outcome.failure
    workspace.emit(data, record_text(outcome.record))


def _default_keys(name: str) -> tuple[str, ...]:
    return (f"operator:{name}", f"operator:{name} signing", f"account:{SYSTEM_ACCOUNT}")


def _all_holders(holders: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return a name for each holder of a share."""
    if holders and len(holders) != count:
        raise UsageError(
            f"{len(holders)} holders are named for {count} shares", "name one for each, in order"
        )
    for holder in holders:
        documents.require_plain(holder, "--holder")
    return holders or tuple(f"holder {number}" for number in range(1, count + 1))
