"""`seedless account signing-key`: keys that sign for an account, plain ones and scopes with a role.

Users that a scope issues carry nothing themselves: they get the scope's template, which may name them with
`{{name()}}`, `{{subject()}}`, `{{account-name()}}`, `{{account-subject()}}`, `{{tag(x)}}` and
`{{account-tag(x)}}` (nats-server, auth.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.claims import Account, Scope, Template, signing_key
from seedless.cli import edits, printing
from seedless.cli._signing_keys import (
    GENERATE,
    edit_with_keys,
    force_option,
    issued_by,
    refuse_locking_out,
    subjects_for,
    with_keys,
)
from seedless.cli.account.parts import account_option, listed_account_option
from seedless.cli.claims_options import ClaimsOptions, scope_claims, scope_edits
from seedless.cli.command import group
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options, store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import quoted, shown
from seedless.trust import carried_limits

if TYPE_CHECKING:
    from seedless.jwt import Claims

_sk_option = click.option(
    "--sk",
    default=GENERATE,
    metavar="generate|A…",
    help="Make the key on a token, or take this [default: made].",
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
@sign_options
def add(
    settings: Settings,
    *,
    account: str,
    sk: str,
    role: str | None,
    description: str | None,
    issuer: str | None,
    options: ClaimsOptions,
) -> None:
    """Add a signing key to an account.

    With --role, a description or permissions it is a scope: its users get the permissions and limits that
    are said here, which may be templates. Users of a plain key have their own.

    \b
    Example:
      seedless account signing-key add -a ORDERS
      seedless account signing-key add -a ORDERS --role service --allow-sub '{{name()}}.>'
    """
    workspace = CommandWorkspace(settings)
    before = edits.found(workspace, (account,))
    is_scope = role is not None or description is not None or options.are_given
    _refuse_taken(before.claims, sk, role)
    subjects = subjects_for(workspace, before, f"{account} {role or 'signing'}", (sk,))

    def change(claims: Claims[Any], keys: tuple[str, ...]) -> Claims[Any]:
        entries: list[Scope | str] = list(keys)
        if is_scope:
            template = options.body(Template.new())
            entries = [
                Scope(key=key, role=role or "", template=template, description=description or "")
                for key in keys
            ]
        return with_keys(claims, entries)

    jwt = edit_with_keys(workspace, (account,), change, subjects, reason="new signing key", issuer=issuer)
    edits.tell(workspace, jwt, f"account {shown(account)}")


def _refuse_taken(claims: Claims[Account], sk: str, role: str | None) -> None:
    """Raise `UsageError` for a key, or a role, that the account has already."""
    for entry in claims.body.signing_keys:
        taken = {signing_key(entry), entry.role if isinstance(entry, Scope) else ""} & {sk, role}
        if taken - {""}:
            raise UsageError(
                f"account {shown(claims.name)} has {quoted(str(taken.pop()))} already",
                "seedless account signing-key edit changes it",
            )


@signing_key_.command()
@click.argument("key", metavar="KEY|ROLE")
@account_option
@_role_option
@_description_option
@force_option
@issuer_option
@scope_edits
@sign_options
def edit(
    settings: Settings,
    *,
    key: str,
    account: str,
    role: str | None,
    description: str | None,
    force: bool,
    issuer: str | None,
    options: ClaimsOptions,
) -> None:
    """Edit a signing key: its role, and what its users get.

    A plain key becomes a scope.

    \b
    Example:
      seedless account signing-key edit -a ORDERS service --allow-pub 'orders.{{name()}}' --subs 100
    """
    options.require_given(role is not None, description is not None)
    workspace = CommandWorkspace(settings)
    old = _entry(edits.found(workspace, (account,)).claims, key)
    if not isinstance(old, Scope):
        users = [jwt for jwt in issued_by(workspace, (account,), {old}) if carried_limits(jwt)]
        refuse_locking_out(
            users,
            "users of a scope carry no permissions of their own",
            "add a new key as a scope",
            force=force,
        )

    def change(claims: Claims[Any]) -> Claims[Any]:
        was = _entry(claims, key)
        scope = was if isinstance(was, Scope) else Scope(key=was, template=Template.new())
        said = {"role": role, "description": description}
        new = replace(
            scope,
            template=options.body(scope.template),
            **{name: text for name, text in said.items() if text is not None},
        )
        return with_keys(claims, [new])

    jwt = edits.edit(workspace, (account,), change, reason=f"signing key {key}", issuer=issuer)
    edits.tell(workspace, jwt, f"account {shown(account)}")


@signing_key_.command()
@click.argument("keys", metavar="KEY|ROLE...", nargs=-1, required=True)
@account_option
@force_option
@issuer_option
@sign_options
def remove(
    settings: Settings, *, keys: tuple[str, ...], account: str, force: bool, issuer: str | None
) -> None:
    """Remove signing keys of an account.

    Users that they issued cannot log in any more. Refused while the store has such users, unless --force
    says otherwise. A key that is on a token stays there: seedless key delete.

    \b
    Example:
      seedless account signing-key remove -a ORDERS service
    """
    workspace = CommandWorkspace(settings)
    claims = edits.found(workspace, (account,)).claims
    gone = {signing_key(_entry(claims, key)) for key in keys}
    refuse_locking_out(
        issued_by(workspace, (account,), gone),
        "a signing key goes",
        "issue them again with another key first: seedless user edit -K KEY",
        force=force,
    )
    jwt = edits.edit(
        workspace, (account,), lambda claims: with_keys(claims, (), gone), reason="signing key removed",
        issuer=issuer,
    )  # fmt: skip
    edits.tell(workspace, jwt, f"account {shown(account)}")


@signing_key_.command(name="list")
@listed_account_option
@store_options
def list_(settings: Settings, *, account: str) -> None:
    """List the signing keys of an account.

    \b
    Example:
      seedless account signing-key list -a ORDERS
    """
    workspace = CommandWorkspace(settings)
    known = workspace.known_keys()
    rows: list[dict[str, Any]] = []
    for entry in workspace.account(account).claims.body.signing_keys:
        key = signing_key(entry)
        rows.append(
            {
                "key": key,
                "scoped": isinstance(entry, Scope),
                "role": entry.role if isinstance(entry, Scope) else None,
                "description": entry.description if isinstance(entry, Scope) else None,
                "known": key in known,
                "users": len(issued_by(workspace, (account,), {key})),
            }
        )
    columns = [
        (row["key"], shown(row["role"] or "-") if row["scoped"] else "any", str(row["users"]),
         "known" if row["known"] else "-")
        for row in rows
    ]  # fmt: skip
    text = printing.table(columns, ("SIGNING KEY", "SCOPE", "USERS", "INVENTORY"))
    printing.emit({"account": account, "signing_keys": rows}, text, as_json=settings.as_json)


def _entry(claims: Claims[Account], wanted: str) -> Scope | str:
    """Return the signing key that *wanted* names: by its key, or by its role."""
    entries = claims.body.signing_keys
    for entry in entries:
        if wanted in {signing_key(entry), entry.role if isinstance(entry, Scope) else None}:
            return entry
    named = [entry.role or entry.key if isinstance(entry, Scope) else entry for entry in entries]
    raise UsageError(
        f"{quoted(wanted)} is no signing key of account {shown(claims.name)}, nor the role of one",
        f"there are: {', '.join(map(shown, named)) or 'none'}",
    )
