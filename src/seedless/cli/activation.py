"""`seedless activation`: permissions for other accounts to import a private export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.cli.account.parts import chosen_kind_option, given
from seedless.cli.command import group
from seedless.cli.key_options import issuer_option
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.values import MOMENT, Moment, output_option
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError

if TYPE_CHECKING:
    from seedless.app.exports_imports import Kind

_NEVER = Moment("0")


@group()
def activation() -> None:
    """Sign activations: permissions to import private exports."""


@activation.command()
@click.option("--account", "-a", required=True, metavar="NAME", help="The account that exports.")
@click.option("--subject", "-s", required=True, metavar="SUBJECT", help="What may be imported.")
@click.option(
    "--target-account", "-t", "target", required=True, metavar="NAME|KEY", help="The account that may import."
)
@chosen_kind_option
@given(
    click.option("--expiry", type=MOMENT, help="Expiry: 30d, 1y, 2027-01-31, or 0 for none."),
    click.option("--start", type=MOMENT, help="Not valid before."),
)
@output_option("Write it here (0600), as nsc does.")
@issuer_option
@sign_options
def new(
    workspace: CommandWorkspace,
    *,
    account: str,
    subject: str,
    target: str,
    kind: Kind | None,
    output: Path | None,
    issuer: str | None,
    given: dict[str, Moment],
) -> None:
    """Sign an activation: permission for one account to import.

    It is signed by a key of the exporting account. It is in no store: hand it to the importing account, which
    takes it with seedless account import add --activation.

    \b
    Example:
      seedless activation new -a ORDERS -s 'eu.>' -t SHOP --expiry 1y -o FILE
    """
    if output and workspace.options.plan:
        raise UsageError("a plan is signed later, without a file to write", "leave out --output")
    jwt = sign_preview(
        workspace,
        workspace.exports.activate(
            account,
            subject,
            target,
            kind=kind,
            expiry=given.get("expiry", _NEVER).text,
            start=given.get("start", _NEVER).text,
            issuer=issuer,
            output=output,
        ),
    )
    workspace.emit(describe.data(jwt), f"activation: {output}" if output else jwt.text)
