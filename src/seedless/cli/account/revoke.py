"""`seedless account revoke`, `unrevoke` and `revocations`: users whose jwts hold no longer.

A revocation stands against every jwt of a user that was issued until a time (jwt v2.8.2,
revocation_list.go). Servers disconnect such users once the account is pushed.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.cli import edits, printing
from seedless.cli.account.parts import account_option, edit_body, listed_account_option
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options, store_options
from seedless.cli.values import MOMENT, Moment
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import parse_creds
from seedless.errors import BadKey, SeedlessError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.plan import revocations as revocations_of
from seedless.plan import revoked
from seedless.text import quoted, shown
from seedless.trust import EVERYONE
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.claims import Account, User
    from seedless.jwt import Jwt

_whom = click.argument("whom", metavar="NAME|KEY|*...", nargs=-1, required=True)


@command()
@_whom
@account_option
@click.option("--at", type=MOMENT, metavar="DATE", help="Jwts issued until then [default: until now].")
@issuer_option
@sign_options
def revoke(
    settings: Settings, *, whom: tuple[str, ...], account: str, at: Moment | None, issuer: str | None
) -> None:
    """Revoke users of an account.

    They are named by name or key; '*' is all of them.
    What was issued until now, or until --at, holds no longer; a jwt that is issued later does. A
    revocation that reaches further already stays. A user whose jwt is from the future, by a clock that was
    fast, is revoked until then.

    \b
    Example:
      seedless account revoke -a ORDERS app
      seedless account revoke -a ORDERS '*' --at 2026-11-01
    """
    workspace = CommandWorkspace(settings)
    if at is not None and at.at(workspace.now) > workspace.now:
        text = f"--at {at.text} has not come yet: this clock reads {moment(workspace.now)}"
        raise UsageError(text, "give a time that has")
    keys = [user_key(workspace, account, one) for one in whom]

    def change(body: Account) -> Account:
        # Under the lock: what another command has issued until then is to be revoked too.
        times: dict[str, int] = {}
        known = list(known_users(workspace, account)) if at is None else []
        for key in keys:
            times |= revocations_of(key, known, workspace.now) if at is None else {key: at.at(workspace.now)}
        is_reset = workspace.account(account).claims.sub in settings.reset_time
        return replace(body, revocations=revoked(body.revocations, times, workspace.now, is_reset=is_reset))

    jwt = edit_body(workspace, account, change, reason=f"revoked: {', '.join(whom)}", issuer=issuer)
    edits.tell(workspace, jwt, f"account {shown(account)}")
    if jwt is not None:
        printing.say("servers let them in until they have this account: seedless push")


def known_users(workspace: CommandWorkspace, account: str) -> Iterator[Jwt[User]]:
    """Yield the users of *account* in the store, and those in their creds, which may be later ones."""
    for name, jwt in workspace.each(account):
        if not isinstance(jwt, SeedlessError):
            yield jwt
        with contextlib.suppress(SeedlessError):
            text = workspace.creds(account, name)
            if text is not None:
                yield parse_creds(text).jwt


@command()
@_whom
@account_option
@issuer_option
@sign_options
def unrevoke(settings: Settings, *, whom: tuple[str, ...], account: str, issuer: str | None) -> None:
    """Take revocations of users back.

    What was issued before holds again.

    \b
    Example:
      seedless account unrevoke -a ORDERS app
    """
    workspace = CommandWorkspace(settings)
    standing = workspace.account(account).claims.body.revocations
    keys = [user_key(workspace, account, one, known=standing) for one in whom]
    for key, text in zip(keys, whom, strict=True):
        if key not in standing:
            raise UsageError(
                f"{quoted(text)} is not revoked by account {quoted(account)}",
                f"seedless account revocations -a {account} lists who is",
            )

    def change(body: Account) -> Account:
        kept = {key: time for key, time in body.revocations.items() if key not in keys}
        return replace(body, revocations=kept)

    jwt = edit_body(workspace, account, change, reason=f"unrevoked: {', '.join(whom)}", issuer=issuer)
    edits.tell(workspace, jwt, f"account {shown(account)}")


@command()
@listed_account_option
@store_options
def revocations(settings: Settings, *, account: str) -> None:
    """List the users that an account has revoked.

    \b
    Example:
      seedless account revocations -a ORDERS
    """
    workspace = CommandWorkspace(settings)
    users = {
        jwt.claims.sub: jwt.claims.name
        for _, jwt in workspace.each(account)
        if not isinstance(jwt, SeedlessError)
    }
    standing = workspace.account(account).claims.body.revocations
    found: list[dict[str, Any]] = [
        {"user": key, "name": "everyone" if key == EVERYONE else users.get(key), "until": time}
        for key, time in standing.items()
    ]
    rows = [(shown(one["name"] or "-"), shown(one["user"]), printing.moment(one["until"])) for one in found]
    text = printing.table(rows, ("USER", "PUBLIC KEY", "ISSUED UNTIL"))
    printing.emit({"account": account, "revocations": found}, text, as_json=settings.as_json)


def user_key(
    workspace: CommandWorkspace, account: str, text: str, known: dict[str, int] | None = None
) -> str:
    """Return whom *text* means, as a revocation names them: a key of a user, or `*`.

    A text in *known*, revocations that stand, is taken as it is. Raise `UsageError`.
    """
    if text == EVERYONE or (known is not None and text in known):
        return text
    try:
        key = PublicKey.parse(text)
    except BadKey:
        return workspace.user(account, text).claims.sub
    if key.role is not Role.USER:
        raise UsageError(f"{key} is not the key of a user", "name a user, or its key: U…")
    return str(key)
