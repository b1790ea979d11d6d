"""`seedless user import`: a user's jwt that somebody else made is placed in the store as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless import jwt
from seedless.change import Statement, StoreWrite
from seedless.claims import User
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.show import jwt_in, read_input
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import format_creds, parse_user_key
from seedless.errors import BadJwt, SeedlessError, UsageError
from seedless.findings import Report
from seedless.rules import judge_statement
from seedless.signing_pipeline import Intent, Plan
from seedless.store.names import require_storable
from seedless.text import quoted, shown
from seedless.trust import may_issue
from seedless.waivers import waive

if TYPE_CHECKING:
    from seedless.claims import Account
    from seedless.jwt import Jwt
    from seedless.seeds import SoftwareKey


@command(name="import")
@click.argument("file", metavar="FILE")
@click.option("--overwrite", is_flag=True, help="In the place of an older jwt of the same user.")
@sign_options
def import_(settings: Settings, *, file: str, overwrite: bool) -> None:
    """Import a user's jwt that was created elsewhere.

    FILE holds the jwt, bare or in a creds file; - is stdin. It must be issued by a key of an account of the
    store, and it is not signed again. Of a creds file the seed is kept too.

    \b
    Example:
      seedless user import app.creds
    """
    workspace = CommandWorkspace(settings)
    text = read_input(file)
    user = _user_in(text, file)
    with workspace.lock():
        parent = _account_of(workspace, user)
        address = (parent.claims.name.strip(), user.claims.name.strip())
        describe.say_unusual([(f"user {user.claims.name}", user)])
        before = _replaced(workspace, user, address, overwrite=overwrite)
        plan = Plan(
            (),
            workspace.now,
            (workspace.operator(), parent),
            (StoreWrite(address, user, before, "imported"),),
        )
        _require_clean(workspace, user, plan)
        key = _key_in(text, user)
        sign(workspace, Intent(lambda _: plan), seeds=(key,) if key else ())
    path = workspace.store.creds_path(*address) if key else None
    data = describe.data(user) | {"account": address[0], "creds": str(path) if path else None}
    line = f"user {shown(user.claims.name)}: imported into account {shown(address[0])}"
    printing.emit(data, line + (f"\ncreds: {path}" if path else ""), as_json=workspace.options.as_json)


def _user_in(text: str, file: str) -> Jwt[User]:
    where = "stdin" if file == "-" else shown(file)
    try:
        user = jwt.read(jwt_in(text))
    except SeedlessError as error:
        error.message = f"{where}: {error.message}"
        raise
    if not isinstance(user.claims.body, User):
        raise UsageError(
            f"{where}: this is a jwt of kind {user.claims.body.kind}, and not a user's",
            "seedless sign takes claims and jwts of every kind",
        )
    if user.claims.version != 2:  # noqa: PLR2004 - the version of jwts today
        raise BadJwt(f"{where}: this is a jwt of version 1", "have it signed again by a newer tool")
    if not user.claims.name.strip():
        raise UsageError(f"{where}: the user has no name", "the store keeps users by their names")
    require_storable(user.claims.name.strip())
    return user


def _account_of(workspace: CommandWorkspace, user: Jwt[User]) -> Jwt[Account]:
    """Return the account of *user*; raise `UsageError` when it is not here, or did not issue the user."""
    wanted = user.claims.body.issuer_account or str(user.issuer)
    found = next((one for one in workspace.readable_accounts() if one.claims.sub == wanted), None)
    if found is None:
        raise UsageError(
            f"user {quoted(user.claims.name)} is of account {wanted}, which is not in the store",
            "import that account first, or choose its operator with --operator",
        )
    if not may_issue(found.claims, str(user.issuer), user.claims):
        raise UsageError(
            f"user {quoted(user.claims.name)} is issued by {user.issuer}, which is no key of account "
            f"{quoted(found.claims.name)}",
            "servers would refuse it: have it issued by a key that the account has now",
        )
    return found


def _replaced(
    workspace: CommandWorkspace, user: Jwt[User], address: tuple[str, ...], *, overwrite: bool
) -> Jwt[Any] | None:
    """Return what the store has at *address*; raise `UsageError` unless *user* may take its place."""
    before = workspace.store.get(*address)
    if before is None:
        return None
    name = f"user {quoted(address[1])}"
    if before.claims.sub != user.claims.sub:
        raise UsageError(
            f"{name} of the store has another key, {before.claims.sub}", "rename or delete that one first"
        )
    if not overwrite:
        raise UsageError(f"{name} is in the store already", "--overwrite takes the newer jwt")
    if before.issued_at > user.issued_at:
        raise UsageError(
            f"{name} of the store is newer: issued {printing.moment(before.issued_at)}, and the file's "
            f"{printing.moment(user.issued_at)}",
            "an older jwt would bring back what was changed since",
        )
    return before


def _require_clean(workspace: CommandWorkspace, user: Jwt[User], plan: Plan) -> None:
    """Show what the rules say of *user*, and raise `Refused` for an error."""
    report = waive(Report.of(judge_statement(Statement.of(user), plan.context)), workspace.options.allow)
    for finding in report.findings if len(report.errors) != 1 else ():
        printing.say(
            printing.printable(f"{finding.severity}: {finding.code} {finding.place}: {finding.text}")
        )
    report.require_clean()


def _key_in(text: str, user: Jwt[User]) -> SoftwareKey | None:
    """Return the key in *text*, when it is a creds file; raise `SeedlessError` for a stranger's seed."""
    if "SEED" not in text:
        return None
    key = parse_user_key(text)
    format_creds(user, key)  # they belong together
    return key
