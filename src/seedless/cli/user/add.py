"""`seedless user add`."""

from __future__ import annotations

import click

from seedless.claims import User
from seedless.cli import printing
from seedless.cli.claims_options import ClaimsOptions, user_claims
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option, public_key_option, subject_for
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.user.reissue import account_option
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.nkey import PublicKey, Role
from seedless.plan import issuing_key, new_user, scope_of
from seedless.seeds import SoftwareKey


@command()
@click.argument("name")
@account_option
@public_key_option(Role.USER)
@click.option("--on-token", is_flag=True, help="Make the user's key on a token.")
@issuer_option
@user_claims
@sign_options
def add(
    settings: Settings,
    *,
    name: str,
    account: str,
    public_key: PublicKey | None,
    on_token: bool,
    issuer: str | None,
    options: ClaimsOptions,
) -> None:
    """Make the user NAME of an account.

    Its key is made here and goes into a creds file (0600); or it is the user's own, --public-key; or it
    is made on a token, --on-token.

    \b
    Example:
      seedless user add -a ORDERS app --allow-pub 'orders.>' --allow-sub '_INBOX.>'
    """
    software = _software_key(public_key, on_token=on_token)
    workspace = CommandWorkspace(settings)
    with workspace.lock():
        parent = workspace.account(account)
        workspace.refuse_existing(account, name)
        signer = issuing_key(parent.claims, workspace.known_keys(), issuer)
        body = User() if scope_of(parent.claims, signer) else User.new()
        intent = new_user(
            subject_for(workspace, Role.USER, name, software.public_key if software else public_key),
            options.body(body),
            account=parent,
            issuer=signer,
            around=(workspace.operator(),),
            now=workspace.now,
            times=options.times(workspace.now),
        )
        (jwt,) = sign(workspace, intent, seeds=(software,) if software else ())
    creds_path = workspace.store.creds_path(account, name)
    data = describe.data(jwt) | {"account": account, "creds": str(creds_path) if software else None}
    text = f"user {name}: {jwt.claims.sub}" + (f"\ncreds: {creds_path}" if software else "")
    printing.emit(data, text, as_json=settings.as_json)


def _software_key(public_key: PublicKey | None, *, on_token: bool) -> SoftwareKey | None:
    """Return a new key for a creds file, or None where the user's key is given or made on a token."""
    if on_token and public_key:
        raise UsageError(
            "a key is given or made on a token, not both", "leave out --on-token or --public-key"
        )
    return None if on_token or public_key else SoftwareKey.generate(Role.USER)
