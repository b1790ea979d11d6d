"""`seedless import`: accounts and users that others made.

An account that a key of the operator has signed is placed as it is. One that signed itself is a request:
it is shown, judged and signed here, and what it may use up is the operator's to say.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.app.arguments import check_new_name
from seedless.claims import Account
from seedless.cli import printing
from seedless.cli.claims_options import ClaimsOptions, account_edits
from seedless.cli.command import group
from seedless.cli.given_jwt import place, read_given
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.user.import_ import import_ as import_user
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key
from seedless.signing_pipeline import Intent, Plan
from seedless.text import quoted, shown
from seedless.trust import did_sign

if TYPE_CHECKING:
    from seedless.jwt import Claims, Jwt


@group(name="import")
def import_() -> None:
    """Import accounts and users that others created."""


def _also_here(command: click.Command, before: str, name: str) -> click.Command:
    """Return *command* under another name; its help says *before* of itself."""
    found = copy.copy(command)
    found.name = name
    found.help = (command.help or "").replace(before, f"seedless import {name}")
    return found


import_.add_command(_also_here(import_user, "seedless user import", "user"))


@import_.command()
@click.argument("file", metavar="FILE")
@click.option("--name", "-n", metavar="NAME", help="Its name here [default: what it says].")
@click.option("--overwrite", is_flag=True, help="In the place of an older jwt of the same account.")
@click.option("--force", "-F", is_flag=True, help="Sign here what another operator signed.")
@click.option("--take-limits", is_flag=True, help="Grant the limits that the request asks for.")
@issuer_option
@account_edits
@sign_options
def account(
    settings: Settings,
    *,
    file: str,
    name: str | None,
    overwrite: bool,
    force: bool,
    take_limits: bool,
    issuer: str | None,
    options: ClaimsOptions,
) -> None:
    """Take in an account that somebody else made.

    FILE holds its jwt; - is stdin, and it may be an https: URL. Where a key of the operator signed it, it is
    placed as it is. An account that signed itself is a request: it is signed here, with the limits that the
    options say, else with those that it has in the store, else without limits and without JetStream.

    \b
    Example:
      seedless import account ORDERS.jwt --conns 100
    """
    workspace = CommandWorkspace(settings)
    given = read_given(file, Account)
    with workspace.lock():
        parent = workspace.operator()
        if name is not None:
            check_new_name(name)
        before = _standing_account(workspace, given, name or given.claims.name.strip(), overwrite=overwrite)
        as_it_is = did_sign(parent, given) and not (options.are_given or issuer or name)
        if as_it_is:
            jwt = _as_it_is(workspace, given, before)
        else:
            if not (did_sign(parent, given) or given.issuer == PublicKey.parse(given.claims.sub) or force):
                raise UsageError(
                    f"account {quoted(given.claims.name)} is signed by {given.issuer}, which is no key of "
                    f"operator {quoted(parent.claims.name)}",
                    "say --force to sign it here",
                )
            asked = replace(given.claims, name=name or given.claims.name.strip())
            asked = asked if take_limits else _with_our_limits(asked, before)
            jwt = _signed(workspace, options.claims(asked, workspace.now), before, issuer)
    what = "placed as it is" if as_it_is else "signed"
    data = describe.data(jwt) | {"signed": not as_it_is}
    printing.emit(data, f"account {shown(jwt.claims.name)}: {what}", as_json=settings.as_json)


def _standing_account(
    workspace: CommandWorkspace, given: Jwt[Account], name: str, *, overwrite: bool
) -> Jwt[Account] | None:
    """Return what the store has of the account; raise `UsageError` unless it may be replaced."""
    before = workspace.store.get(name)
    if before is not None and before.claims.sub != given.claims.sub:
        raise UsageError(
            f"account {quoted(name)} of the store has another key, {before.claims.sub}",
            "give this one another name with --name",
        )
    if before is None:
        place = workspace.store.find(PublicKey.parse(given.claims.sub))
        if place is not None:
            raise UsageError(
                f"the store has {given.claims.sub} as {quoted('/'.join(place))}",
                f"--name {place[0]} --overwrite",
            )
    elif not overwrite:
        raise UsageError(f"account {quoted(name)} is in the store already", "--overwrite takes the newer jwt")
    return before


def _as_it_is(workspace: CommandWorkspace, given: Jwt[Account], before: Jwt[Account] | None) -> Jwt[Account]:
    if before is not None and before.issued_at > given.issued_at:
        raise UsageError(
            f"account {quoted(given.claims.name)} of the store is newer: issued "
            f"{printing.moment(before.issued_at)}, and the file's {printing.moment(given.issued_at)}",
            "an older jwt would bring back what was changed since",
        )
    around = workspace.around(given.claims, keys=(str(given.issuer),))
    place(workspace, (given.claims.name.strip(),), given, before, around)
    return given


def _with_our_limits(asked: Claims[Account], before: Jwt[Account] | None) -> Claims[Account]:
    """Return the claims *asked* for with limits of the operator's, and say so where they differ."""
    ours = before.claims.body.limits if before else Account.new().limits
    if asked.body.limits not in (ours, Account().limits):
        printing.say("the limits that the request asks for are not granted: --take-limits, or say which")
    return replace(asked, body=replace(asked.body, limits=ours))


def _signed(
    workspace: CommandWorkspace,
    claims: Claims[Account],
    before: Jwt[Account] | None,
    issuer: str | None,
) -> Jwt[Any]:
    parent = workspace.operator()
    key = issuing_key(parent.claims, workspace.known_keys(), issuer)
    step = changed(claims, key, replaces=before, now=workspace.now, reason="imported", address=(claims.name,))
    plan = Plan((step,), workspace.now, workspace.around(claims, keys=(str(key),)))
    (jwt,) = sign(workspace, Intent(lambda _: plan))
    return jwt
