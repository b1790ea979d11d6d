"""`seedless user`: the users of an account, and their creds files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from seedless.claims import User
from seedless.cli import _describe, _io
from seedless.cli._claims_options import ClaimsOptions, user_claims
from seedless.cli._keys import issuer_option, public_key_option, subject_for
from seedless.cli._options import Settings, sign_options, store_options
from seedless.cli._review import sign
from seedless.cli._shown import print_shown, show_options
from seedless.cli._user_context import context
from seedless.cli._user_delete import delete
from seedless.cli._user_edit import edit, rename
from seedless.cli._user_import import import_
from seedless.cli._user_renew import renew
from seedless.cli._workspace import Workspace
from seedless.creds import decorate_jwt, format_creds
from seedless.errors import UsageError
from seedless.nkey import PublicKey, Role
from seedless.plan import issuing_key, new_user, scope_of
from seedless.seeds import SoftwareKey
from seedless.store import atomic

_ACCOUNT = click.option("--account", "-a", "account", required=True, metavar="NAME", help="The account.")


@click.group()
def user() -> None:
    """Make, show and list users, and write creds files."""


for _command in (edit, rename, renew, delete, import_, context):
    user.add_command(_command)


@user.command()
@click.argument("name")
@_ACCOUNT
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
    workspace = Workspace(settings)
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
    data = _describe.data(jwt) | {"account": account, "creds": str(creds_path) if software else None}
    text = f"user {name}: {jwt.claims.sub}" + (f"\ncreds: {creds_path}" if software else "")
    _io.emit(data, text, as_json=settings.as_json)


def _software_key(public_key: PublicKey | None, *, on_token: bool) -> SoftwareKey | None:
    """Return a new key for a creds file, or None where the user's key is given or made on a token."""
    if on_token and public_key:
        raise UsageError(
            "a key is given or made on a token, not both", "leave out --on-token or --public-key"
        )
    return None if on_token or public_key else SoftwareKey.generate(Role.USER)


@user.command()
@click.argument("name")
@_ACCOUNT
@show_options
@store_options
def show(settings: Settings, *, name: str, account: str, shown_as: dict[str, Any]) -> None:
    """Show the user NAME of an account.

    \b
    Example:
      seedless user show -a ORDERS app
      seedless user show -a ORDERS app --field nats.pub.allow
    """
    print_shown(Workspace(settings).user(account, name), settings, shown_as)


@user.command(name="list")
@_ACCOUNT
@store_options
def list_(settings: Settings, *, account: str) -> int:
    """List the users of an account; exit 3 when one is damaged.

    \b
    Example:
      seedless user list -a ORDERS
    """
    workspace = Workspace(settings)
    workspace.account(account)
    listing = _describe.Listing.of(workspace.each(account))
    data = {"account": account, "users": listing.jwts, "damaged": listing.damaged}
    _io.emit(data, listing.table("USER"), as_json=settings.as_json)
    return listing.exit_code


@user.command()
@click.argument("name")
@_ACCOUNT
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write here (0600), not to stdout; a file that exists is not replaced.",
)
@store_options
def creds(settings: Settings, *, name: str, account: str, output: Path | None) -> None:
    """Print the creds of a user.

    They are made of the jwt in the store and, where its key was made in software, of its seed: from the key
    store, else from the creds file. A user whose key is its own or on a token gets the jwt alone.

    \b
    Example:
      seedless user creds -a ORDERS app -o app.creds
    """
    workspace = Workspace(settings)
    jwt = workspace.user(account, name)
    _describe.say_unusual([(f"user {account}/{name}", jwt)])
    key = workspace.user_key(account, name, jwt.claims.sub)
    text = decorate_jwt(jwt) if key is None else format_creds(jwt, key)
    data = {"account": account, "user": name, "has_seed": key is not None}
    if key is None:
        _io.say("the seed of this user is not here: this is its jwt alone")
    if output:
        atomic.write_new({output: text})
        _io.emit(data | {"path": str(output)}, f"creds: {output}", as_json=settings.as_json)
    elif settings.as_json:
        _io.emit(data | {"creds": text}, "", as_json=True)
    else:
        click.echo(text, nl=False)
