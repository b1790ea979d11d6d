"""`seedless account edit`: what an account's jwt says, but for parts with commands of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.claims import Scope
from seedless.cli import edits
from seedless.cli._signing_keys import (
    edit_with_keys,
    force_option,
    issued_by,
    refuse_locking_out,
    subjects_for,
    with_keys,
)
from seedless.cli.claims_options import ClaimsOptions, account_edits, several
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options
from seedless.cli.workspace import CommandWorkspace
from seedless.jwt import Jwt
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.jwt import Claims


@command()
@click.argument("name")
@several("sk", metavar="generate|A…", help="Add a signing key: made on a token, or given")
@several("rm_sk", metavar="A…", help="Remove a signing key")
@force_option
@issuer_option
@account_edits
@sign_options
def edit(
    settings: Settings,
    *,
    name: str,
    sk: tuple[str, ...],
    rm_sk: tuple[str, ...],
    force: bool,
    issuer: str | None,
    options: ClaimsOptions,
) -> None:
    """Edit the account NAME.

    What no option says stays as it is. Exports, imports, mappings, scopes, revocations and auth callout
    have commands of their own.

    \b
    Example:
      seedless account edit ORDERS --conns 100 --js-disk-storage 10G --rm-tag env:test
      seedless account edit ORDERS --sk generate
    """
    options.require_given(sk, rm_sk, issuer)
    workspace = CommandWorkspace(settings)
    before = edits.found(workspace, (name,))
    refuse_locking_out(
        issued_by(workspace, (name,), rm_sk),
        "a signing key goes",
        "issue them again with another key first: seedless user edit -K KEY",
        force=force,
    )
    if options.values.get("disallow_bearer"):
        refuse_locking_out(_bearers(workspace, name), "bearers are refused", "edit them first", force=force)
    subjects = subjects_for(workspace, before, f"{name} signing", sk)

    def change(claims: Claims[Any], keys: tuple[str, ...]) -> Claims[Any]:
        return with_keys(options.claims(claims, workspace.now), keys, rm_sk)

    jwt = edit_with_keys(workspace, (name,), change, subjects, reason="edited", issuer=issuer)
    edits.tell(workspace, jwt, f"account {shown(name)}")


def _bearers(workspace: CommandWorkspace, account: str) -> list[Jwt[Any]]:
    """Return the users of *account* that prove no key: by their jwts, or by the scopes that issued them."""
    entries = workspace.account(account).claims.body.signing_keys
    scopes = {one.key for one in entries if isinstance(one, Scope) and one.template.bearer_token}
    jwts = (jwt for _, jwt in workspace.each(account) if isinstance(jwt, Jwt))
    return [jwt for jwt in jwts if jwt.claims.body.bearer_token or str(jwt.issuer) in scopes]
