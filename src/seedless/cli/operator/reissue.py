"""`seedless operator reissue`: a new identity key for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.edits import stored
from seedless.app.subjects import reused
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import public_key_option
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.render.rotation import text_of
from seedless.cli.review import sign
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.rotate import listed_keys, replacement_key
from seedless.rotate.operator import accounts_by, new_identity
from seedless.signing_pipeline import Intent
from seedless.text import brief, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from seedless.claims import Account, Operator
    from seedless.jwt import Jwt
    from seedless.signing_pipeline import Plan


@command()
@public_key_option(Role.OPERATOR)
@click.option(
    "--convert-to-signing-key",
    is_flag=True,
    help="The old key stays as a signing key, and what it signed stays as it is.",
)
@sign_options
def reissue(settings: Settings, *, public_key: PublicKey | None, convert_to_signing_key: bool) -> None:
    """Replace the identity key of the operator.

    What servers must change is listed. Accounts that the old key has signed are signed by the new one. With
    --convert-to-signing-key they stay as they are, and nobody is locked out while servers are restarted one
    after another; afterwards seedless rotate operator-key replaces the previous key.

    \b
    Example:
      seedless operator reissue --convert-to-signing-key --token pkcs11:token=ACME
    """
    workspace = CommandWorkspace(settings)
    with workspace.lock():
        operator = stored(workspace, ())
        accounts = {} if convert_to_signing_key else _by_identity(workspace, operator)
        new = public_key or _made(workspace, operator)
        _check_new(operator, new)
        _say_locked_out(accounts)
        intent = _intent(workspace, operator, accounts, new, keep_old=convert_to_signing_key)
        jwts = sign(workspace, intent)
    servers = _servers_must(jwts[0], operator, accounts)
    data = describe.data(jwts[0]) | {
        "old": operator.claims.sub,
        "converted": convert_to_signing_key,
        "reissued": sorted(accounts),
        "servers_must": servers,
    }
    text = (
        f"operator {shown(operator.claims.name)}: {operator.claims.sub} is replaced by {jwts[0].claims.sub}"
    )
    printing.emit(data, text_of([text, "what must change:", *servers]), as_json=settings.as_json)


def _intent(
    workspace: CommandWorkspace,
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    new: PublicKey | None,
    *,
    keep_old: bool,
) -> Intent:
    system = operator.claims.body.system_account
    sources = workspace.around(*(jwt.claims for jwt in accounts.values()), keys=(system,))
    around = tuple(jwt for jwt in sources if jwt.claims.sub != operator.claims.sub)
    wanted = replacement_key(f"{operator.claims.name.strip()} identity", PublicKey.parse(operator.claims.sub))

    def plan(key: PublicKey) -> Plan:
        return new_identity(operator, accounts, key, workspace.now, keep_old=keep_old, around=around)

    if new is not None:
        return Intent(lambda _: plan(new))
    return Intent(lambda made: plan(made[wanted]), (wanted,))


def _made(workspace: CommandWorkspace, operator: Jwt[Operator]) -> PublicKey | None:
    """Return the key that was made for this and is not used yet, if there is one."""
    wanted = replacement_key(f"{operator.claims.name.strip()} identity", PublicKey.parse(operator.claims.sub))
    for entry in workspace.inventory():
        if (entry.role, entry.name) == (wanted.role, wanted.name):
            printing.say(str(reused(entry.public_key, entry.name)))
            return entry.public_key
    return None


def _check_new(operator: Jwt[Operator], new: PublicKey | None) -> None:
    if new is not None and str(new) in {operator.claims.sub, *listed_keys(operator.claims)}:
        raise UsageError(
            f"{new} is a key of the operator already", "an identity key that signs nothing else is better"
        )


def _by_identity(workspace: CommandWorkspace, operator: Jwt[Operator]) -> dict[str, Jwt[Account]]:
    each = workspace.each()
    for name, jwt in each:
        if isinstance(jwt, SeedlessError):
            raise StoreError(
                f"nobody knows who has signed the account {shown(name)}: {jwt.message}",
                "restore it first, or keep the old key with --convert-to-signing-key",
            )
    held: dict[str, Any] = dict(each)
    return accounts_by(PublicKey.parse(operator.claims.sub), held, workspace.now)


def _say_locked_out(accounts: Mapping[str, Jwt[Account]]) -> None:
    if accounts:
        names = ", ".join(map(brief, accounts))
        printing.say(printing.printable(f"this locks out, from the restart of a server to the push: {names}"))
        printing.say("--convert-to-signing-key locks nobody out")


def _servers_must(new: Jwt[Operator], old: Jwt[Operator], accounts: Mapping[str, Jwt[Account]]) -> list[str]:
    """Return what has to be changed outside the store, a sentence each."""
    steps = [
        (
            "every configuration holds the new operator jwt (seedless server config), and the servers are "
            "restarted one after another"
        ),
        f"trusted_keys, and policies that pin {old.claims.sub}, name {new.claims.sub}",
    ]
    if accounts:
        steps.append(
            f"then the accounts that were signed again are pushed: seedless push {' '.join(accounts)}"
        )
    if old.claims.sub in listed_keys(new.claims):
        steps.append(f"then the old key can give way: seedless rotate operator-key --key {old.claims.sub}")
    return steps
