"""`seedless operator edit` and `operator signing-key`: what the operator's jwt says, and who signs for it.

Servers read the operator's jwt when they start: what is changed here holds there after a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

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
from seedless.cli.account.parts import account_key
from seedless.cli.claims_options import ClaimsOptions, operator_edits, several
from seedless.cli.command import command, group
from seedless.cli.options import Settings, sign_options, store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.jwt import Claims


@command()
@several("sk", metavar="generate|O…", help="Add a signing key: made on a token, or given")
@several("rm_sk", metavar="O…", help="Remove a signing key")
@force_option
@operator_edits
@sign_options
def edit(
    settings: Settings, *, sk: tuple[str, ...], rm_sk: tuple[str, ...], force: bool, options: ClaimsOptions
) -> None:
    """Edit the operator.

    What no option says stays as it is. Servers read the operator's jwt when they start.

    \b
    Example:
      seedless operator edit --service-url nats://nats.example.com:4222 --tag env:prod
      seedless operator edit --sk generate
    """
    options.require_given(sk, rm_sk)
    workspace = CommandWorkspace(settings)
    before = edits.found(workspace, ())
    chosen = _with_system_account(workspace, options)
    again = _accounts_again(_left(before.claims, rm_sk))
    refuse_locking_out(issued_by(workspace, (), rm_sk), "a signing key goes", again, force=force)
    if options.values.get("require_signing_keys"):
        _refuse_without_signing_keys(workspace, before.claims, sk, force=force)
    subjects = subjects_for(workspace, before, f"{before.claims.name} signing", sk)

    def change(claims: Claims[Any], keys: tuple[str, ...]) -> Claims[Any]:
        return with_keys(chosen.claims(claims, workspace.now), keys, rm_sk)

    jwt = edit_with_keys(workspace, (), change, subjects, reason="edited")
    edits.tell(workspace, jwt, f"operator {shown(before.claims.name)}")


def _with_system_account(workspace: CommandWorkspace, options: ClaimsOptions) -> ClaimsOptions:
    """Return *options* with the key of the system account, which may be named; "" is none."""
    named = options.values.get("system_account")
    if named == "":
        _refuse_under_callouts(workspace)
    if not named:
        return options
    return replace_values(options, system_account=account_key(workspace, named))


def _refuse_under_callouts(workspace: CommandWorkspace) -> None:
    """Raise `UsageError` when an account has an auth callout: servers want a system account for it."""
    callouts = [one for one in workspace.readable_accounts() if one.claims.body.authorization.auth_users]
    if callouts:
        raise UsageError(
            f"account {shown(callouts[0].claims.name)} has an auth callout, at which servers "
            "without a system account end",
            "disable it first: seedless account authcallout NAME --disable",
        )


def replace_values(options: ClaimsOptions, **values: object) -> ClaimsOptions:
    """Return *options* with *values* in place of what was given."""
    return ClaimsOptions({**options.values, **values})


def _refuse_without_signing_keys(
    workspace: CommandWorkspace, claims: Claims[Any], added: tuple[str, ...], *, force: bool
) -> None:
    """Raise `UsageError` when accounts, or users, are signed by identities, which are to sign no more."""
    if not (claims.body.signing_keys or added):
        raise UsageError("the operator has no signing key that could sign then", "add one: --sk generate")
    why = "only signing keys are to sign"
    refuse_locking_out(
        issued_by(workspace, (), {claims.sub}), why, _accounts_again(claims.body.signing_keys), force=force
    )
    for account in workspace.readable_accounts():
        users = issued_by(workspace, (account.claims.name.strip(),), {account.claims.sub})
        refuse_locking_out(
            users,
            f"{why}, in account {shown(account.claims.name)} too",
            _users_again(account.claims),
            force=force,
        )


def _left(claims: Claims[Any], gone: Sequence[str]) -> list[str]:
    """Return the keys that can sign without those *gone*; of an operator that is not strict, its identity."""
    keys = [key for key in claims.body.signing_keys if key not in gone]
    return keys if keys or claims.body.strict_signing_key_usage else [claims.sub]


def _accounts_again(keys: Sequence[str]) -> str:
    """Say how accounts are signed by the first of *keys*; without one, how one is made."""
    if keys:
        return f"sign them again first: seedless account edit NAME --issuer {keys[0]}"
    return "make the key first, seedless operator signing-key add, and sign them again with that"


def _users_again(account: Claims[Any]) -> str:
    """Say how users are signed by a signing key of *account*; without a plain one, how one is made."""
    name = shown(account.name)
    plain = [key for key in account.body.signing_keys if isinstance(key, str)]
    if plain:
        return f"sign them again first: seedless user edit -a {name} NAME --issuer {plain[0]}"
    return f"make the key first, seedless account signing-key add -a {name}, and sign them again with that"


@group(name="signing-key")
def signing_key_() -> None:
    """Edit the signing keys of the operator."""


@signing_key_.command()
@click.option(
    "--sk", default=GENERATE, metavar="generate|O…", help="Make it on a token, or take this [default: made]."
)
@sign_options
def add(settings: Settings, *, sk: str) -> None:
    """Add a signing key to the operator.

    It signs accounts; the identity then signs the operator alone. Servers know the key after a restart with
    the new operator jwt.

    \b
    Example:
      seedless operator signing-key add --token pkcs11:token=ACME
    """
    workspace = CommandWorkspace(settings)
    before = edits.found(workspace, ())
    if sk in before.claims.body.signing_keys:
        raise UsageError(f"operator {shown(before.claims.name)} has {quoted(sk)} already", "it can sign")
    subjects = subjects_for(workspace, before, f"{before.claims.name} signing", (sk,))
    jwt = edit_with_keys(workspace, (), with_keys, subjects, reason="new signing key")
    edits.tell(workspace, jwt, f"operator {shown(before.claims.name)}")


@signing_key_.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@force_option
@sign_options
def remove(settings: Settings, *, keys: tuple[str, ...], force: bool) -> None:
    """Remove signing keys of the operator.

    Refused while accounts of the store are signed by them, unless --force says otherwise. A key that is on
    a token stays there: seedless key delete.

    \b
    Example:
      seedless operator signing-key remove ODSKRJVJ4B3PRQCDNAYQQOGY2WBMKOPJAHTZGKHLGW3GD2ZEYOJTJBTU
    """
    workspace = CommandWorkspace(settings)
    again = _accounts_again(_left(workspace.operator().claims, keys))
    refuse_locking_out(issued_by(workspace, (), keys), "a signing key goes", again, force=force)
    jwt = edits.edit(workspace, (), lambda claims: with_keys(claims, (), keys), reason="signing key removed")
    edits.tell(workspace, jwt, f"operator {shown(workspace.store.operator)}")


@signing_key_.command(name="list")
@store_options
def list_(settings: Settings) -> None:
    """List the signing keys of the operator.

    \b
    Example:
      seedless operator signing-key list
    """
    workspace = CommandWorkspace(settings)
    operator, known = workspace.operator(), workspace.known_keys()
    rows = [
        {"key": key, "known": key in known, "accounts": len(issued_by(workspace, (), {key}))}
        for key in operator.claims.body.signing_keys
    ]
    columns = [(str(row["key"]), str(row["accounts"]), "known" if row["known"] else "-") for row in rows]
    text = printing.table(columns, ("SIGNING KEY", "ACCOUNTS", "INVENTORY"))
    data = {"operator": operator.claims.name, "signing_keys": rows}
    printing.emit(data, text, as_json=settings.as_json)
