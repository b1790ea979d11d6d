"""`seedless account signing-key`: keys that sign for an account, plain ones and scopes with a role.

Users that a scope issues carry nothing themselves: they get the scope's template, which may name them with
`{{name()}}`, `{{subject()}}`, `{{account-name()}}`, `{{account-subject()}}`, `{{tag(x)}}` and
`{{account-tag(x)}}` (nats-server, auth.go).
"""

from __future__ import annotations

import click

from seedless.app.signing_keys import GENERATE
from seedless.claims import Template
from seedless.cli import printing
from seedless.cli.claims_options import ClaimsOptions, scope_claims, scope_edits
from seedless.cli.command import group
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import KEY_OR_ROLE, account_option, force_option, issuer_option
from seedless.cli.options import store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown

_sk_option = click.option(
    "--sk",
    default=GENERATE,
    type=KEY_OR_ROLE,
    metavar="generate|KEY",
    help="Create the key on a token, or use this [default: created].",
)
_role_option = click.option("--role", metavar="NAME", help="The role, by which --issuer names the scope.")
_description_option = click.option("--description", help="What the scope is for.")


@group(name="signing-key")
def signing_key_() -> None:
    """Edit the signing keys of an account, and their scopes."""


@signing_key_.command()
@account_option
@_sk_option
@_role_option
@_description_option
@issuer_option
@scope_claims
@edit_options
def add(
    workspace: CommandWorkspace,
    *,
    account: str,
    sk: str,
    role: str | None,
    description: str | None,
    issuer: str | None,
    options: ClaimsOptions,
) -> EditPreview:
    """Add a signing key to an account.

    With --role, a description or permissions it is a scope: its users get the permissions and limits that
    are set here, which may be templates. Users of a plain key have their own.

    \b
    Example:
      seedless account signing-key add -a SHOP
      seedless account signing-key add -a SHOP --role app --allow-sub '{{name()}}'
    """
    template = options.body(Template.new()) if options.are_given else None
    return workspace.signing_keys.add(
        account, sk, role=role, template=template, description=description, issuer=issuer
    )


@signing_key_.command()
@click.argument("key", type=KEY_OR_ROLE, metavar="KEY|ROLE")
@account_option
@_role_option
@_description_option
@force_option
@issuer_option
@scope_edits
@edit_options
def edit(
    workspace: CommandWorkspace,
    *,
    key: str,
    account: str,
    role: str | None,
    description: str | None,
    force: bool,
    issuer: str | None,
    options: ClaimsOptions,
) -> EditPreview:
    """Edit a signing key: its role, and what its users get.

    A plain key becomes a scope.

    \b
    Example:
      seedless account signing-key edit -a SHOP app --allow-pub '{{name()}}.>'
    """
    options.require_given(role is not None, description is not None)
    return workspace.signing_keys.edit(
        account, key, options.body, role=role, description=description, force=force, issuer=issuer
    )


@signing_key_.command()
@click.argument("keys", type=KEY_OR_ROLE, metavar="KEY|ROLE...", nargs=-1, required=True)
@account_option
@force_option
@issuer_option
@edit_options
def remove(
    workspace: CommandWorkspace, *, keys: tuple[str, ...], account: str, force: bool, issuer: str | None
) -> EditPreview:
    """Remove signing keys of an account.

    Users that they issued cannot log in any more. Refused while the store has such users, unless --force
    is given. A key that is on a token stays there: seedless key delete.

    \b
    Example:
      seedless account signing-key remove -a SHOP app
    """
    return workspace.signing_keys.remove(account, *keys, force=force, issuer=issuer)


@signing_key_.command(name="list")
@account_option
@store_options
def list_(workspace: CommandWorkspace, *, account: str) -> None:
    """List the signing keys of an account.

    \b
    Example:
      seedless account signing-key list -a SHOP
    """
    keys = workspace.signing_keys.list(account)
    names = ("key", "scoped", "role", "description", "known")
    data = [printing.members(key, *names) | {"users": key.issued} for key in keys]
    from seedless.app.key_names import named_key  # only for the list

    rows = [
        (
            *named_key(workspace, key.key),
            shown(key.role or "-") if key.scoped else "any",
            str(key.issued),
        )
        for key in keys
    ]
    text = printing.table(rows, ("NAME", "SIGNING KEY", "SCOPE", "USERS"))
    workspace.emit({"account": account, "signing_keys": data}, text)
