"""`seedless account export`: what other accounts may import, and whose permission for it is revoked.

A revocation is about every activation of the account that was issued at its time or before.
"""

from __future__ import annotations

from typing import Unpack

import click
import msgspec

from seedless.app.exports_imports import Kind, changed_export
from seedless.claims import Export
from seedless.cli import printing
from seedless.cli.account.parts import (
    ExchangeOptions,
    chosen_kind_option,
    given,
    kind_option,
    members,
    subject_option,
)
from seedless.cli.command import group
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import account_option, issuer_option
from seedless.cli.options import combined, store_options
from seedless.cli.values import DURATION, MOMENT, Moment, ParsedType
from seedless.cli.workspace import CommandWorkspace
from seedless.text import quoted, shown
from seedless.trust import EVERYONE

_RESPONSES = ("Singleton", "Stream", "Chunked")


def _sampling(text: str) -> int | str:
    """Read how often latency is measured: a percentage, 1 to 100, or `header` for when headers ask for it."""
    if text.lower() in {"header", "headers"}:
        return "headers"
    digits = text.removesuffix("%")
    if not (digits.isascii() and digits.isdecimal() and 1 <= int(digits) <= 100):  # noqa: PLR2004 - percent
        raise ValueError(f"{quoted(text)} is not a sampling: write 1 to 100, or header")
    return int(digits)


_SAMPLING = ParsedType("sampling", _sampling)
_EXPORT = (
    click.option("--name", "-n", metavar="TEXT", help="What to call it."),
    click.option("--private/--public", "-p", "token_req", default=None, help="Only with an activation."),
    click.option("--latency", metavar="SUBJECT", help="Where the latency of a service is published."),
    click.option("--sampling", type=_SAMPLING, metavar="PERCENT|header", help="How often it is taken."),
    click.option(
        "--response-type", type=click.Choice(_RESPONSES, case_sensitive=False), help="How a service answers."
    ),
    click.option("--response-threshold", type=DURATION, help="How long it may take, as in 2s."),
    click.option(
        "--account-token-position", type=click.IntRange(min=0), metavar="N",
        help="Which token of the subject is the key of the importing account; 0 is none.",
    ),
    click.option("--advertise/--no-advertise", default=None, help="Whether it is made known."),
    click.option("--allow-trace/--no-allow-trace", default=None, help="Whether a service may be traced."),
    click.option("--description", metavar="TEXT", help="What it is for."),
    click.option("--info-url", metavar="URL", help="Where it is described."),
)  # fmt: skip

_export_options = combined(account_option, subject_option, chosen_kind_option)
_target_option = click.option(
    "--target-account",
    "-t",
    "target",
    required=True,
    metavar="NAME|KEY|*",
    help="The account whose activations these are; * is every account.",
)


@group()
def export() -> None:
    """Edit the exports of an account, and revoke activations."""


@export.command()
@account_option
@subject_option
@kind_option("--service", "-r", is_flag=True, help="A service, which answers; else a stream.")
@given(*_EXPORT)
@issuer_option
@edit_options
def add(
    workspace: CommandWorkspace,
    *,
    account: str,
    subject: str,
    kind: Kind,
    issuer: str | None,
    given: dict[str, object],
) -> EditPreview:
    """Export a subject to other accounts.

    \b
    Example:
      seedless account export add -a ORDERS -s 'orders.>' --private
    """
    new = changed_export(Export(subject=subject, type=kind), **given)
    return workspace.exports.add(account, new, issuer=issuer)


@export.command()
@_export_options
@click.option("--rm-latency-sampling", is_flag=True, help="Measure latency no more.")
@given(*_EXPORT)
@issuer_option
@edit_options
def edit(
    workspace: CommandWorkspace,
    *,
    rm_latency_sampling: bool,
    given: dict[str, object],
    **which: Unpack[ExchangeOptions],
) -> EditPreview:
    """Change an export of an account.

    What no option names stays. An empty text takes a text away. What is exported does not change from a
    stream to a service: take the export out, and add another.

    \b
    Example:
      seedless account export edit -a ORDERS -s 'orders.>' --public
    """

    def change(old: Export) -> Export:
        base = msgspec.structs.replace(old, service_latency=None) if rm_latency_sampling else old
        return changed_export(base, **given)

    return workspace.exports.edit(change=change, **which)


@export.command()
@_export_options
@issuer_option
@edit_options
def remove(workspace: CommandWorkspace, **which: Unpack[ExchangeOptions]) -> EditPreview:
    """Remove an export of an account.

    The imports of it stay in the other accounts, and bring nothing any more; those of the store are named.

    \b
    Example:
      seedless account export remove -a ORDERS -s 'orders.>'
    """
    return workspace.exports.remove(**which)


@export.command(name="list")
@account_option
@store_options
def list_(workspace: CommandWorkspace, *, account: str) -> None:
    """List the exports of an account.

    \b
    Example:
      seedless account export list -a ORDERS
    """
    exports = workspace.account(account).claims.body.exports
    rows = [
        (
            shown(listed.subject),
            listed.type or "unknown",
            "private" if listed.token_req else "public",
            str(len(listed.revocations) or "-"),
        )
        for listed in exports
    ]
    data = {"account": account, "exports": [members(listed) for listed in exports]}
    text = printing.table(rows, ("SUBJECT", "TYPE", "ACCESS", "REVOCATIONS"))
    workspace.emit(data, text)


@export.command()
@_export_options
@_target_option
@click.option("--at", type=MOMENT, default="0", help="Of what was issued until then; 0 is now.")
@issuer_option
@edit_options
def revoke(
    workspace: CommandWorkspace, *, target: str, at: Moment, **which: Unpack[ExchangeOptions]
) -> EditPreview:
    """Revoke the activations of an account.

    Activations that were issued to it until now (or --at) are refused; later ones are accepted.

    \b
    Example:
      seedless account export revoke -a ORDERS -s 'orders.>' -t BILLING
    """
    until = at.at(workspace.now) or None
    return workspace.exports.revoke(target=target, at=until, **which)


@export.command()
@_export_options
@_target_option
@issuer_option
@edit_options
def unrevoke(workspace: CommandWorkspace, *, target: str, **which: Unpack[ExchangeOptions]) -> EditPreview:
    """Accept the revoked activations of an account again.

    \b
    Example:
      seedless account export unrevoke -a ORDERS -s 'orders.>' -t BILLING
    """
    return workspace.exports.unrevoke(target=target, **which)


@export.command()
@account_option
@click.option("--subject", "-s", metavar="SUBJECT", help="Only of this export.")
@chosen_kind_option
@store_options
def revocations(workspace: CommandWorkspace, *, account: str, subject: str | None, kind: Kind | None) -> None:
    """List the accounts whose activations are revoked.

    \b
    Example:
      seedless account export revocations -a ORDERS
    """
    found = workspace.exports.revocations(account, subject, kind=kind)
    rows = [
        (
            shown(entry.subject),
            entry.type,
            "everyone" if entry.account == EVERYONE else shown(entry.name or entry.account),
            printing.moment(entry.until),
        )
        for entry in found
    ]
    text = printing.table(rows, ("SUBJECT", "TYPE", "ACCOUNT", "ISSUED UNTIL"))
    workspace.emit({"account": account, "revocations": msgspec.to_builtins(found)}, text)
