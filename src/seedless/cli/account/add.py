"""`seedless account add`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.claims import Account, Operator
from seedless.cli import printing
from seedless.cli.claims_options import ClaimsOptions, account_claims
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option, public_key_option, subject_for
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role
from seedless.plan import issuing_key, new_account
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.jwt import Claims


@command()
@click.argument("name")
@public_key_option(Role.ACCOUNT)
@issuer_option
@account_claims
@sign_options
def add(
    settings: Settings, *, name: str, public_key: PublicKey | None, issuer: str | None, options: ClaimsOptions
) -> None:
    """Make the account NAME.

    Its key is made on a token, or given with --public-key. In a managed store, whose operator is somebody
    else (operator import), the account signs itself, as in nsc: the jwt is a request to the operator, who
    signs it with: seedless import account.

    \b
    Example:
      seedless account add ORDERS --token pkcs11:token=ACME --js-disk-storage 10G
    """
    workspace = CommandWorkspace(settings)
    parent = workspace.operator()
    with workspace.lock():
        workspace.refuse_existing(name)
        intent = new_account(
            subject_for(workspace, Role.ACCOUNT, name, public_key),
            options.body(Account.new()),
            operator=parent,
            issuer=_issuer(workspace, parent.claims, issuer),
            now=workspace.now,
            times=options.times(workspace.now),
        )
        (jwt,) = sign(workspace, intent)
    if str(jwt.issuer) == jwt.claims.sub:
        printing.say(f"send this request to the operator: seedless account show {shown(name)} --raw")
    printing.emit(describe.data(jwt), f"account {name}: {jwt.claims.sub}", as_json=settings.as_json)


def _issuer(workspace: CommandWorkspace, operator: Claims[Operator], wanted: str | None) -> PublicKey | None:
    """Return the key of *operator* that issues an account; None where that is the account itself."""
    known = workspace.known_keys()
    issuer = issuing_key(operator, known, wanted)
    return None if workspace.store.managed and wanted is None and str(issuer) not in known else issuer
