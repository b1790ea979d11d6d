"""`seedless account mapping`: subjects that go elsewhere, by weight and by cluster."""

from __future__ import annotations

from typing import TypedDict, Unpack

import click

from seedless.cli import printing
from seedless.cli.account.parts import members
from seedless.cli.command import group
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import account_option, issuer_option
from seedless.cli.options import combined, store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown

_to_option = click.option("--to", "-t", "target", required=True, metavar="SUBJECT", help="Where it goes.")
_WEIGHT = click.IntRange(1, 100)
_source_options = combined(
    account_option,
    click.option(
        "--from", "-f", "source", required=True, metavar="SUBJECT", help="The subject that is mapped."
    ),
)
_cluster_options = combined(
    click.option("--cluster", default="", metavar="NAME", help="Only in this cluster."), issuer_option
)


class _MappingOptions(TypedDict):
    """Which mappings are edited, and who signs."""

    account: str
    source: str
    cluster: str
    issuer: str | None


@group()
def mapping() -> None:
    """Edit the mappings of an account."""


@mapping.command()
@_source_options
@_to_option
@click.option("--weight", type=_WEIGHT, help="Share of the messages, in percent [default: 100].")
@_cluster_options
@edit_options
def add(
    workspace: CommandWorkspace, *, target: str, weight: int | None, **which: Unpack[_MappingOptions]
) -> EditPreview:
    """Map messages of a subject to another.

    Several targets share the messages by their weights, at most 100 percent together. The rest keeps the
    source as its subject. Where the source is a target itself, servers drop the rest. A cluster has weights
    of its own.

    \b
    Example:
      seedless account mapping add -a ORDERS --from old --to new.v1 --weight 90
      seedless account mapping add -a ORDERS --from old --to new.v2 --weight 10
    """
    return workspace.mappings.add(target=target, weight=weight, **which)


@mapping.command()
@_source_options
@_to_option
@click.option("--weight", type=_WEIGHT, required=True, help="Share of the messages, in percent.")
@_cluster_options
@edit_options
def edit(
    workspace: CommandWorkspace, *, target: str, weight: int, **which: Unpack[_MappingOptions]
) -> EditPreview:
    """Change the weight of a mapping.

    \b
    Example:
      seedless account mapping edit -a ORDERS --from old --to new.v2 --weight 50
    """
    return workspace.mappings.edit(target=target, weight=weight, **which)


@mapping.command()
@_source_options
@click.option("--to", "-t", "target", metavar="SUBJECT", help="Only this target [default: all].")
@_cluster_options
@edit_options
def remove(
    workspace: CommandWorkspace, *, target: str | None, **which: Unpack[_MappingOptions]
) -> EditPreview:
    """Remove mappings of a subject.

    \b
    Example:
      seedless account mapping remove -a ORDERS --from old
    """
    return workspace.mappings.remove(target=target, **which)


@mapping.command(name="list")
@account_option
@store_options
def list_(workspace: CommandWorkspace, *, account: str) -> None:
    """List the mappings of an account.

    \b
    Example:
      seedless account mapping list -a ORDERS
    """
    mappings = workspace.account(account).claims.body.mappings
    rows = [
        (
            shown(source),
            shown(target.subject),
            f"{target.weight or 100}%",
            shown(target.cluster) if target.cluster else "-",
        )
        for source, targets in mappings.items()
        for target in targets
    ]
    data = {source: [members(target) for target in targets] for source, targets in mappings.items()}
    text = printing.table(rows, ("FROM", "TO", "WEIGHT", "CLUSTER"))
    workspace.emit({"account": account, "mappings": data}, text)
