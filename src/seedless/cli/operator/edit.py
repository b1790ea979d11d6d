"""`seedless operator edit` and `operator signing-key`: the operator's jwt, and who signs for it.

Servers read the operator's jwt when they start: what is changed here holds there after a restart.
"""

from __future__ import annotations

import click

from seedless.app.signing_keys import GENERATE
from seedless.cli import printing
from seedless.cli.claims_options import ClaimsOptions, operator_edits, several
from seedless.cli.command import command, group
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import KEY_OR_ROLE, force_option
from seedless.cli.options import store_options
from seedless.cli.workspace import CommandWorkspace


@command()
@several(
    "sk", kind=KEY_OR_ROLE, metavar="generate|KEY", help="Add a signing key: created on a token, or given"
)
@several("rm_sk", kind=KEY_OR_ROLE, metavar="KEY", help="Remove a signing key")
@force_option
@operator_edits
@edit_options
def edit(
    workspace: CommandWorkspace,
    *,
    sk: tuple[str, ...],
    rm_sk: tuple[str, ...],
    force: bool,
    options: ClaimsOptions,
) -> EditPreview:
    """Edit the operator.

    What no option names stays as it is. Servers read the operator's jwt when they start.

    \b
    Example:
      seedless operator edit --service-url nats://n1.example:4222 --tag env:prod
      seedless operator edit --sk generate
    """
    options.require_given(sk, rm_sk)
    return workspace.operators.edit(
        options.change(workspace), add_signing_keys=sk, remove_signing_keys=rm_sk, force=force
    )


@group(name="signing-key")
def signing_key_() -> None:
    """Edit the signing keys of the operator."""


@signing_key_.command()
@click.option(
    "--sk",
    default=GENERATE,
    type=KEY_OR_ROLE,
    metavar="generate|KEY",
    help="Create it on a token, or use this [default: created].",
)
@edit_options
def add(workspace: CommandWorkspace, *, sk: str) -> EditPreview:
    """Add a signing key to the operator.

    It signs accounts; the identity then signs the operator alone. Servers know the key after a restart with
    the new operator jwt.

    \b
    Example:
      seedless operator signing-key add --token pkcs11:token=ACME
    """
    return workspace.signing_keys.add(None, sk)


@signing_key_.command()
@click.argument("keys", type=KEY_OR_ROLE, metavar="KEY...", nargs=-1, required=True)
@force_option
@edit_options
def remove(workspace: CommandWorkspace, *, keys: tuple[str, ...], force: bool) -> EditPreview:
    """Remove signing keys of the operator.

    Refused while accounts of the store are signed by them, unless with --force. A key that is on
    a token stays there: seedless key delete.

    \b
    Example:
      seedless operator signing-key remove ODSK…
    """
    return workspace.signing_keys.remove(None, *keys, force=force)


@signing_key_.command(name="list")
@store_options
def list_(workspace: CommandWorkspace) -> None:
    """List the signing keys of the operator.

    \b
    Example:
      seedless operator signing-key list
    """
    keys = workspace.signing_keys.list()
    from seedless.app.key_names import named_key  # only for the list

    rows = [(*named_key(workspace, key.key), str(key.issued)) for key in keys]
    text = printing.table(rows, ("NAME", "SIGNING KEY", "ACCOUNTS"))
    listed = [printing.members(key, "key", "known") | {"accounts": key.issued} for key in keys]
    workspace.emit({"operator": workspace.operator().claims.name, "signing_keys": listed}, text)
