"""`seedless account edit`: the jwt of an account, but for parts with commands of their own."""

from __future__ import annotations

import click

from seedless.cli.claims_options import ClaimsOptions, account_edits, several
from seedless.cli.command import command
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import force_option, issuer_option
from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("name")
@several("sk", metavar="generate|A…", help="Add a signing key: made on a token, or given")
@several("rm_sk", metavar="A…", help="Remove a signing key")
@force_option
@issuer_option
@account_edits
@edit_options
def edit(
    workspace: CommandWorkspace,
    *,
    name: str,
    sk: tuple[str, ...],
    rm_sk: tuple[str, ...],
    force: bool,
    issuer: str | None,
    options: ClaimsOptions,
) -> EditPreview:
    """Edit the account NAME.

    What no option names stays as it is. Exports, imports, mappings, scopes, revocations and auth callout
    have commands of their own.

    \b
    Example:
      seedless account edit ORDERS --conns 100 --js-disk-storage 10G --rm-tag env:test
      seedless account edit ORDERS --sk generate
    """
    options.require_given(sk, rm_sk, issuer)
    return workspace.accounts.edit(
        name,
        options.change(workspace),
        add_signing_keys=sk,
        remove_signing_keys=rm_sk,
        issuer=issuer,
        force=force,
    )
