"""`seedless operator edit` and `operator signing-key`: the operator's jwt, and who signs for it.

Servers read the operator's jwt when they start: what is changed here holds there after a restart.
"""

from __future__ import annotations

import click

from seedless.app.exports_imports import account_key
from seedless.app.signing_keys import issued_by
from seedless.app.subjects import GENERATE
from seedless.cli import edits, printing
from seedless.cli.claims_options import ClaimsOptions, operator_edits, several
from seedless.cli.command import command, group
from seedless.cli.key_options import force_option
from seedless.cli.options import sign_options, store_options
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown


@command()
@several("sk", metavar="generate|O…", help="Add a signing key: made on a token, or given")
@several("rm_sk", metavar="O…", help="Remove a signing key")
@force_option
@operator_edits
@sign_options
def edit(
    workspace: CommandWorkspace,
    *,
    sk: tuple[str, ...],
    rm_sk: tuple[str, ...],
    force: bool,
    options: ClaimsOptions,
) -> None:
    """Edit the operator.

    What no option names stays as it is. Servers read the operator's jwt when they start.

    \b
    Example:
      seedless operator edit --service-url nats://nats.example.com:4222 --tag env:prod
      seedless operator edit --sk generate
    """
    options.require_given(sk, rm_sk)
    chosen = _with_system_account(workspace, options)
    with workspace.lock():
        edited = sign_preview(
            workspace,
            workspace.operators.edit(
                lambda claims: chosen.claims(claims, workspace.now),
                add_signing_keys=sk,
                remove_signing_keys=rm_sk,
                force=force,
            ),
        )
    edits.print_edited(workspace, edited, f"operator {shown(edited.jwt.claims.name)}")


def _with_system_account(workspace: CommandWorkspace, options: ClaimsOptions) -> ClaimsOptions:
    """Return *options* with the key of the system account, which may be named; "" is none."""
    named = options.values.get("system_account")
    if not named:
        return options
    return replace_values(options, system_account=account_key(workspace, named))


def replace_values(options: ClaimsOptions, **values: object) -> ClaimsOptions:
    """Return *options* with *values* in place of what was given."""
    return ClaimsOptions({**options.values, **values})


@group(name="signing-key")
def signing_key_() -> None:
    """Edit the signing keys of the operator."""


@signing_key_.command()
@click.option(
    "--sk", default=GENERATE, metavar="generate|O…", help="Make it on a token, or take this [default: made]."
)
@sign_options
def add(workspace: CommandWorkspace, *, sk: str) -> None:
    """Add a signing key to the operator.

    It signs accounts; the identity then signs the operator alone. Servers know the key after a restart with
    the new operator jwt.

    \b
    Example:
      seedless operator signing-key add --token pkcs11:token=ACME
    """
    with workspace.lock():
        edited = sign_preview(workspace, workspace.signing_keys.add(None, sk))
    edits.print_edited(workspace, edited, f"operator {shown(edited.jwt.claims.name)}")


@signing_key_.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@force_option
@sign_options
def remove(workspace: CommandWorkspace, *, keys: tuple[str, ...], force: bool) -> None:
    """Remove signing keys of the operator.

    Refused while accounts of the store are signed by them, unless with --force. A key that is on
    a token stays there: seedless key delete.

    \b
    Example:
      seedless operator signing-key remove ODSKRJVJ4B3PRQCDNAYQQOGY2WBMKOPJAHTZGKHLGW3GD2ZEYOJTJBTU
    """
    with workspace.lock():
        edited = sign_preview(workspace, workspace.signing_keys.remove(None, *keys, force=force))
    edits.print_edited(workspace, edited, f"operator {shown(workspace.store.operator)}")


@signing_key_.command(name="list")
@store_options
def list_(workspace: CommandWorkspace) -> None:
    """List the signing keys of the operator.

    \b
    Example:
      seedless operator signing-key list
    """
    operator, known = workspace.operator(), workspace.known_keys()
    rows = [
        {"key": key, "known": key in known, "accounts": len(issued_by(workspace, (), {key}))}
        for key in operator.claims.body.signing_keys
    ]
    columns = [(str(row["key"]), str(row["accounts"]), "known" if row["known"] else "-") for row in rows]
    text = printing.table(columns, ("SIGNING KEY", "ACCOUNTS", "INVENTORY"))
    data = {"operator": operator.claims.name, "signing_keys": rows}
    workspace.emit(data, text)
