"""`seedless account mapping`: subjects that go elsewhere, by weight and by cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from seedless.claims import WeightedMapping
from seedless.cli import edits, printing
from seedless.cli.account.parts import account_option, edit_body, listed_account_option, members
from seedless.cli.command import group
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options, store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.claims import Account

    Targets = tuple[WeightedMapping, ...]

_from_option = click.option(
    "--from", "-f", "source", required=True, metavar="SUBJECT", help="The subject that is mapped."
)
_to_option = click.option("--to", "-t", "target", required=True, metavar="SUBJECT", help="Where it goes.")
_WEIGHT = click.IntRange(1, 100)
_cluster_option = click.option("--cluster", default="", metavar="NAME", help="Only in this cluster.")


@group()
def mapping() -> None:
    """Edit the mappings of an account."""


@mapping.command()
@account_option
@_from_option
@_to_option
@click.option("--weight", type=_WEIGHT, help="Share of the messages, in percent [default: 100].")
@_cluster_option
@issuer_option
@sign_options
def add(
    settings: Settings,
    *,
    account: str,
    source: str,
    target: str,
    weight: int | None,
    cluster: str,
    issuer: str | None,
) -> None:
    """Map messages of a subject to another.

    Several targets share the messages by their weights, at most 100 percent together. The rest keeps the
    source as its subject. Where the source is a target itself, servers drop the rest. A cluster has weights
    of its own.

    \b
    Example:
      seedless account mapping add -a ORDERS --from orders --to orders.v1 --weight 90
      seedless account mapping add -a ORDERS --from orders --to orders.v2 --weight 10
    """
    new = WeightedMapping(subject=target, weight=weight or 0, cluster=cluster)

    def with_target(targets: Targets) -> Targets:
        if any((one.subject, one.cluster) == (target, cluster) for one in targets):
            raise UsageError(
                f"{quoted(source)} goes to {quoted(target)} already",
                "seedless account mapping edit changes it",
            )
        return (*targets, new)

    _sign(CommandWorkspace(settings), account, source, with_target, issuer)


@mapping.command()
@account_option
@_from_option
@_to_option
@click.option("--weight", type=_WEIGHT, required=True, help="Share of the messages, in percent.")
@_cluster_option
@issuer_option
@sign_options
def edit(
    settings: Settings,
    *,
    account: str,
    source: str,
    target: str,
    weight: int,
    cluster: str,
    issuer: str | None,
) -> None:
    """Change the weight of a mapping.

    \b
    Example:
      seedless account mapping edit -a ORDERS --from orders --to orders.v2 --weight 50
    """

    def with_weight(targets: Targets) -> Targets:
        (old,) = _found(source, targets, target, cluster)
        new = msgspec.structs.replace(old, weight=weight)
        return tuple(new if one is old else one for one in targets)

    _sign(CommandWorkspace(settings), account, source, with_weight, issuer, must_exist=True)


@mapping.command()
@account_option
@_from_option
@click.option("--to", "-t", "target", metavar="SUBJECT", help="Only this target [default: all].")
@_cluster_option
@issuer_option
@sign_options
def remove(
    settings: Settings, *, account: str, source: str, target: str | None, cluster: str, issuer: str | None
) -> None:
    """Let messages of a subject go nowhere else.

    \b
    Example:
      seedless account mapping remove -a ORDERS --from orders
    """

    def without(targets: Targets) -> Targets:
        if target is None and not cluster:
            return ()
        gone = _found(source, targets, target, cluster)
        return tuple(one for one in targets if one not in gone)

    _sign(CommandWorkspace(settings), account, source, without, issuer, must_exist=True)


@mapping.command(name="list")
@listed_account_option
@store_options
def list_(settings: Settings, *, account: str) -> None:
    """List the mappings of an account.

    \b
    Example:
      seedless account mapping list -a ORDERS
    """
    mappings = CommandWorkspace(settings).account(account).claims.body.mappings
    rows = [
        (
            shown(source),
            shown(one.subject),
            f"{one.weight or 100}%",
            shown(one.cluster) if one.cluster else "-",
        )
        for source, targets in mappings.items()
        for one in targets
    ]
    data = {source: [members(one) for one in targets] for source, targets in mappings.items()}
    text = printing.table(rows, ("FROM", "TO", "WEIGHT", "CLUSTER"))
    printing.emit({"account": account, "mappings": data}, text, as_json=settings.as_json)


def _found(source: str, targets: Targets, target: str | None, cluster: str) -> Targets:
    """Return those of *targets* that are meant, one or all of a cluster; raise `UsageError` for none."""
    found = tuple(one for one in targets if target in {None, one.subject} and cluster == one.cluster)
    if found:
        return found
    there = ", ".join(f"{one.subject}{f' in {one.cluster}' if one.cluster else ''}" for one in targets)
    where = f" in cluster {quoted(cluster)}" if cluster else ""
    goes = "goes nowhere" if target is None else f"does not go to {quoted(target)}"
    raise UsageError(f"{quoted(source)} {goes}{where}", f"it goes to: {there}")


def _sign(
    workspace: CommandWorkspace,
    account: str,
    source: str,
    change: Callable[[Targets], Targets],
    issuer: str | None,
    *,
    must_exist: bool = False,
) -> None:
    """Sign the account with what *change* makes of the targets of *source*; without any it is not mapped."""

    def changed(body: Account) -> Account:
        if source not in body.mappings and must_exist:
            there = ", ".join(body.mappings) or "none yet"
            raise UsageError(f"account {quoted(account)} does not map {quoted(source)}", f"it maps: {there}")
        targets = change(body.mappings.get(source, ()))
        mappings = {one: to for one, to in body.mappings.items() if one != source or targets}
        return msgspec.structs.replace(body, mappings=mappings | ({source: targets} if targets else {}))

    edited = edit_body(workspace, account, changed, reason=f"mapping of {source}", issuer=issuer)
    edits.print_edited(workspace, edited, f"account {shown(account)}")
