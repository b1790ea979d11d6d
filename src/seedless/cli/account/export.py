"""`seedless account export`: what other accounts may import, and whose leave for it is revoked."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from seedless.claims import Export, ServiceLatency
from seedless.cli import edits, printing
from seedless.cli.account.activation_revocations import revocations, revoke, unrevoke
from seedless.cli.account.parts import (
    account_option,
    given,
    kind_of,
    kind_option,
    listed_account_option,
    members,
    subject_option,
)
from seedless.cli.command import group
from seedless.cli.key_options import issuer_option
from seedless.cli.options import sign_options, store_options
from seedless.cli.review import sign_preview
from seedless.cli.values import DURATION
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import quoted, shown

_RESPONSES = ("Singleton", "Stream", "Chunked")


class SamplingType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """How often latency is measured: a percentage, 1 to 100, or `header` for when headers ask for it."""

    name = "sampling"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the percentage, or `headers`."""
        if isinstance(value, int) or value.lower() in {"header", "headers"}:
            return value if isinstance(value, int) else "headers"
        digits = value.removesuffix("%")
        if not (digits.isascii() and digits.isdecimal() and 1 <= int(digits) <= 100):  # noqa: PLR2004 - percent
            self.fail(f"{quoted(value)} is no sampling: write 1 to 100, or header", param, ctx)
        return int(digits)


_EXPORT = (
    click.option("--name", "-n", metavar="TEXT", help="What to call it."),
    click.option("--private/--public", "-p", "token_req", default=None, help="Only with an activation."),
    click.option("--latency", metavar="SUBJECT", help="Where the latency of a service is published."),
    click.option("--sampling", type=SamplingType(), metavar="PERCENT|header", help="How often it is taken."),
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


@group()
def export() -> None:
    """Edit the exports of an account, and revoke leave for them."""


export.add_command(revoke)
export.add_command(unrevoke)
export.add_command(revocations)


@export.command()
@account_option
@subject_option
@click.option("--service", "-r", "is_service", is_flag=True, help="A service, which answers; else a stream.")
@given(*_EXPORT)
@issuer_option
@sign_options
def add(
    workspace: CommandWorkspace,
    *,
    account: str,
    subject: str,
    is_service: bool,
    issuer: str | None,
    given: dict[str, Any],
) -> None:
    """Export a subject to other accounts.

    \b
    Example:
      seedless account export add -a ORDERS -s 'orders.>' --private
    """
    kind = kind_of(is_service=is_service)
    new = _changed(Export(subject=subject, type=kind or ""), given)
    with workspace.lock():
        edited = sign_preview(workspace, workspace.exports.add(account, new, issuer=issuer))
    edits.print_edited(workspace, edited, f"account {shown(account)}")


@export.command()
@account_option
@subject_option
@kind_option
@click.option("--rm-latency-sampling", is_flag=True, help="Measure latency no more.")
@given(*_EXPORT)
@issuer_option
@sign_options
def edit(
    workspace: CommandWorkspace,
    *,
    account: str,
    subject: str,
    is_service: bool | None,
    rm_latency_sampling: bool,
    issuer: str | None,
    given: dict[str, Any],
) -> None:
    """Change an export of an account.

    What no option names stays. An empty text takes a text away. What is exported does not change from a
    stream to a service: take the export out, and add another.

    \b
    Example:
      seedless account export edit -a ORDERS -s 'orders.>' --public
    """

    def change(old: Export) -> Export:
        base = msgspec.structs.replace(old, service_latency=None) if rm_latency_sampling else old
        return _changed(base, given)

    kind = kind_of(is_service=is_service)
    with workspace.lock():
        edited = sign_preview(
            workspace, workspace.exports.edit(account, subject, change, kind=kind, issuer=issuer)
        )
    edits.print_edited(workspace, edited, f"account {shown(account)}")


@export.command()
@account_option
@subject_option
@kind_option
@issuer_option
@sign_options
def remove(
    workspace: CommandWorkspace, *, account: str, subject: str, is_service: bool | None, issuer: str | None
) -> None:
    """Remove an export of an account.

    The imports of it stay in the other accounts, and bring nothing any more; those of the store are named.

    \b
    Example:
      seedless account export remove -a ORDERS -s 'orders.>'
    """
    kind = kind_of(is_service=is_service)
    with workspace.lock():
        edited = sign_preview(workspace, workspace.exports.remove(account, subject, kind=kind, issuer=issuer))
    edits.print_edited(workspace, edited, f"account {shown(account)}")


@export.command(name="list")
@listed_account_option
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
            shown(one.subject),
            one.type or "unknown",
            "private" if one.token_req else "public",
            str(len(one.revocations) or "-"),
        )
        for one in exports
    ]
    data = {"account": account, "exports": [members(one) for one in exports]}
    text = printing.table(rows, ("SUBJECT", "TYPE", "ACCESS", "REVOCATIONS"))
    workspace.emit(data, text)


def _changed(export: Export, given: dict[str, Any]) -> Export:
    changes = {name: value for name, value in given.items() if name not in {"latency", "sampling"}}
    if "latency" in given or "sampling" in given:
        changes["service_latency"] = _latency(export, given)
    return msgspec.structs.replace(export, **changes)


def _latency(export: Export, given: dict[str, Any]) -> ServiceLatency:
    measured = export.service_latency or ServiceLatency()
    results = given.get("latency", measured.results)
    if not results:
        raise UsageError(
            "no subject for measurements of latency is named", "name a subject with --latency SUBJECT"
        )
    return ServiceLatency(sampling=given.get("sampling", measured.sampling), results=results)
