"""`seedless import`: operators and accounts that others made.

An operator is placed as it is: its key is somebody else's, and the store is a managed one. An account that
a key of the operator has signed is placed as it is too. One that signed itself is a request: it is shown,
judged and signed here, and what it may use up is the operator's to say. Users: `seedless user import`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.allow import lift
from seedless.change import Placement, Statement
from seedless.claims import Account, Operator
from seedless.cli import _describe, _io
from seedless.cli._claims_options import ClaimsOptions, account_edits
from seedless.cli._keys import issuer_option
from seedless.cli._options import Settings, sign_options
from seedless.cli._review import sign
from seedless.cli._workspace import Workspace, check_new_name
from seedless.cli.show import read_jwt
from seedless.errors import BadJwt, UsageError
from seedless.findings import Report
from seedless.issue import Intent, Plan
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key
from seedless.rules import judge_statement
from seedless.store import create_store, open_store, operators
from seedless.text import quoted, shown
from seedless.trust import did_sign

if TYPE_CHECKING:
    from seedless.jwt import Claims, Jwt


@click.group(name="import")
def import_() -> None:
    """Take in operators and accounts that others made."""


@import_.command()
@click.argument("file", metavar="FILE")
@click.option("--force", "-F", is_flag=True, help="Take an older jwt than that of the store too.")
@sign_options
def operator(settings: Settings, *, file: str, force: bool) -> None:
    """Make or renew the store of somebody else's operator.

    FILE holds the operator's jwt, signed by itself; - is stdin. Nothing is signed here: the store is a
    managed one, whose accounts the operator signs.

    \b
    Example:
      seedless import operator ACME.jwt
    """
    if settings.plan:
        raise UsageError("nothing is signed here, and a plan is for that", "leave out --plan")
    jwt = _given(file, Operator)
    if str(jwt.issuer) != jwt.claims.sub:
        raise UsageError(
            f"operator {quoted(jwt.claims.name)} is signed by {jwt.issuer} and not by itself",
            "ask the operator for its jwt",
        )
    workspace = Workspace(settings)
    name = jwt.claims.name.strip()
    before = _standing_operator(workspace, name, jwt, force=force)
    if before is None:
        workspace.store = create_store(workspace.root, name, managed=True)
    with workspace.lock():
        _place(workspace, (), jwt, before, ())
    data = _describe.data(jwt) | {"store": str(workspace.root), "managed": workspace.store.managed}
    _io.emit(data, f"operator {shown(name)}: {jwt.claims.sub}", as_json=settings.as_json)


def _standing_operator(workspace: Workspace, name: str, jwt: Jwt[Any], *, force: bool) -> Jwt[Any] | None:
    """Return the jwt that *jwt* takes the place of; the store of *name* is chosen then."""
    if name not in operators(workspace.root):
        return None
    workspace.store = open_store(workspace.root, name)
    before = workspace.store.get()
    if before is not None and before.claims.sub != jwt.claims.sub:
        raise UsageError(
            f"the store has another operator {quoted(name)}, {before.claims.sub}",
            "take it into another place with --store",
        )
    if before is not None and before.issued_at > jwt.issued_at and not force:
        raise UsageError(
            f"operator {quoted(name)} of the store is newer: issued {_io.moment(before.issued_at)}, and "
            f"the file's {_io.moment(jwt.issued_at)}",
            "say --force if the older one is meant",
        )
    return before


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

    FILE holds its jwt; - is stdin. Where a key of the operator signed it, it is placed as it is. An account
    that signed itself is a request: it is signed here, with the limits that the options say, else with those
    that it has in the store, else without limits and without JetStream.

    \b
    Example:
      seedless import account ORDERS.jwt --conns 100
    """
    workspace = Workspace(settings)
    given = _given(file, Account)
    with workspace.lock():
        parent = workspace.operator()
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
    data = _describe.data(jwt) | {"signed": not as_it_is}
    _io.emit(data, f"account {shown(jwt.claims.name)}: {what}", as_json=settings.as_json)


def _given(file: str, body: type[Operator | Account]) -> Jwt[Any]:
    """Return the jwt in *file*; raise `UsageError` or `BadJwt` for one that cannot be taken in."""
    jwt: Jwt[Any] = read_jwt(file)
    where = "stdin" if file == "-" else shown(file)
    if not isinstance(jwt.claims.body, body):
        raise UsageError(
            f"{where}: this is a jwt of kind {jwt.claims.body.kind}, and not of an {body.kind}",
            "seedless user import takes users, seedless sign jwts of every kind",
        )
    if jwt.claims.version != 2:  # noqa: PLR2004 - the version of jwts today
        raise BadJwt(f"{where}: this is a jwt of version 1", "have it signed again by a newer tool")
    if jwt.unknown:
        paths = ", ".join(member.path for member in jwt.unknown)
        raise BadJwt(f"{where}: there are members that would be lost: {paths}", path=jwt.unknown[0].path)
    check_new_name(jwt.claims.name.strip())
    return jwt


def _standing_account(
    workspace: Workspace, given: Jwt[Account], name: str, *, overwrite: bool
) -> Jwt[Account] | None:
    """Return what the store has of the account; raise `UsageError` unless it may be replaced."""
    check_new_name(name)
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


def _as_it_is(workspace: Workspace, given: Jwt[Account], before: Jwt[Account] | None) -> Jwt[Account]:
    if before is not None and before.issued_at > given.issued_at:
        raise UsageError(
            f"account {quoted(given.claims.name)} of the store is newer: issued "
            f"{_io.moment(before.issued_at)}, and the file's {_io.moment(given.issued_at)}",
            "an older jwt would bring back what was changed since",
        )
    around = workspace.around(given.claims, keys=(str(given.issuer),))
    _place(workspace, (given.claims.name.strip(),), given, before, around)
    return given


def _with_our_limits(asked: Claims[Account], before: Jwt[Account] | None) -> Claims[Account]:
    """Return the claims *asked* for with limits of the operator's, and say so where they differ."""
    ours = before.claims.body.limits if before else Account.new().limits
    if asked.body.limits not in (ours, Account().limits):
        _io.say("the limits that the request asks for are not granted: --take-limits, or say which")
    return replace(asked, body=replace(asked.body, limits=ours))


def _signed(
    workspace: Workspace,
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


def _place(
    workspace: Workspace,
    address: tuple[str, ...],
    jwt: Jwt[Any],
    before: Jwt[Any] | None,
    around: tuple[Jwt[Any], ...],
) -> None:
    """Walk the placement of *jwt*: it is judged as what is signed here is, and not signed."""
    plan = Plan((), workspace.now, around, (Placement(address, jwt, before, "imported"),))

    def judge(workspace: Workspace, plan: Plan) -> Report:
        found = judge_statement(Statement.of(jwt), plan.context)
        return lift(Report.of(found), workspace.settings.allow)

    sign(workspace, Intent(lambda _: plan), judge=judge)
