"""`seedless account mapping`: subjects that go elsewhere, by weight and by cluster."""

from __future__ import annotations

import click

from seedless.cli import printing
from seedless.cli.account.parts import account_option, listed_account_option, members
from seedless.cli.command import group
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import issuer_option
from seedless.cli.options import store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown

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
@edit_options
def add(
    workspace: CommandWorkspace,
    *,
    account: str,
    source: str,
    target: str,
    weight: int | None,
    cluster: str,
    issuer: str | None,
) -> EditPreview:
    """Map messages of a subject to another.

    Several targets share the messages by their weights, at most 100 percent together. The rest keeps the
    source as its subject. Where the source is a target itself, servers drop the rest. A cluster has weights
    of its own.

    \b
    Example:
      seedless account mapping add -a ORDERS --from orders --to orders.v1 --weight 90
      seedless account mapping add -a ORDERS --from orders --to orders.v2 --weight 10
    """
    return workspace.mappings.add(account, source, target, weight=weight, cluster=cluster, issuer=issuer)


@mapping.command()
@account_option
@_from_option
@_to_option
@click.option("--weight", type=_WEIGHT, required=True, help="Share of the messages, in percent.")
@_cluster_option
@issuer_option
@edit_options
def edit(
    workspace: CommandWorkspace,
    *,
    account: str,
    source: str,
    target: str,
    weight: int,
    cluster: str,
    issuer: str | None,
) -> EditPreview:
    """Change the weight of a mapping.

    \b
    Example:
      seedless account mapping edit -a ORDERS --from orders --to orders.v2 --weight 50
    """
    return workspace.mappings.edit(account, source, target, weight, cluster=cluster, issuer=issuer)


@mapping.command()
@account_option
@_from_option
@click.option("--to", "-t", "target", metavar="SUBJECT", help="Only this target [default: all].")
@_cluster_option
@issuer_option
@edit_options
def remove(
    workspace: CommandWorkspace,
    *,
    account: str,
    source: str,
    target: str | None,
    cluster: str,
    issuer: str | None,
) -> EditPreview:
    """Remove mappings of a subject.

    \b
    Example:
      seedless account mapping remove -a ORDERS --from orders
    """
    return workspace.mappings.remove(account, source, target, cluster=cluster, issuer=issuer)


@mapping.command(name="list")
@listed_account_option
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
            shown(one.subject),
            f"{one.weight or 100}%",
            shown(one.cluster) if one.cluster else "-",
        )
        for source, targets in mappings.items()
        for one in targets
    ]
    data = {source: [members(one) for one in targets] for source, targets in mappings.items()}
    text = printing.table(rows, ("FROM", "TO", "WEIGHT", "CLUSTER"))
    workspace.emit({"account": account, "mappings": data}, text)
