"""`seedless account add` and `account edit`; some parts of an account have commands of their own."""

from __future__ import annotations

import click

from seedless.cli import printing
from seedless.cli.claims_options import ClaimsOptions, account_claims, account_edits, several
from seedless.cli.command import command
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import KEY_OR_ROLE, force_option, issuer_option, public_key_option
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role
from seedless.text import shown


@command()
@click.argument("name")
@public_key_option(Role.ACCOUNT)
@issuer_option
@account_claims
@sign_options
def add(
    workspace: CommandWorkspace,
    *,
    name: str,
    public_key: PublicKey | None,
    issuer: str | None,
    options: ClaimsOptions,
) -> None:
    """Create the account NAME.

    Its key is created on a token, or given with --public-key. In a managed store, whose operator is somebody
    else (operator import), the account signs itself, as in nsc: the jwt is a request to the operator, who
    signs it with: seedless import account.

    \b
    Example:
      seedless account add ORDERS --token pkcs11:token=ACME --js-disk-storage 10G
    """
    with workspace.lock():
        made = workspace.accounts.add(name, options.change(workspace), public_key=public_key, issuer=issuer)
        jwt = sign_preview(workspace, made)
    if str(jwt.issuer) == jwt.claims.sub:
        printing.report(f"send this request to the operator: seedless account show {shown(name)} --raw")
    workspace.emit(describe.data(jwt), f"account {name}: {jwt.claims.sub}")


@command()
@click.argument("name")
@several(
    "sk", kind=KEY_OR_ROLE, metavar="generate|KEY", help="Add a signing key: created on a token, or given"
)
@several("rm_sk", kind=KEY_OR_ROLE, metavar="KEY", help="Remove a signing key")
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
      seedless account edit ORDERS --conns 100 --js-disk-storage 10G --rm-tag test
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
