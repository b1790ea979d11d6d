"""Jwts that others created, imported into the store as they are; an account that is a request is signed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app import edits
from seedless.app.arguments import check_new_name, wrong_type
from seedless.app.edits import Change
from seedless.app.pipeline import Notice, Preview, preview
from seedless.change import Statement, StoreWrite
from seedless.claims import Account, Operator, User
from seedless.errors import BadJwt, SeedlessError, UsageError
from seedless.findings import Report
from seedless.jwt import MAX_SIZE, Claims, Jwt, bare, read
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key
from seedless.rules import judge_statement
from seedless.rules.guards import spelling
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan
from seedless.store import create_store, open_store, operators
from seedless.store.names import require_storable
from seedless.text import printable, quoted, shown
from seedless.trust import did_sign, may_issue
from seedless.units import moment
from seedless.waivers import waive

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "AccountImported",
    "UserImported",
    "fetched",
    "import_account",
    "import_operator",
    "import_user",
    "importable",
]

_LARGEST = 4 * MAX_SIZE  # bytes, with what people write around a jwt
_PATIENCE = 10  # seconds for a server that does not answer
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_OLDER = "an older jwt would bring back what was changed since"


class AccountImported(msgspec.Struct, frozen=True, kw_only=True):
    """An account in the store: signed here where `is_signed`, else as its file has it."""

    jwt: Jwt[Account]
    is_signed: bool


class UserImported(msgspec.Struct, frozen=True, kw_only=True):
    """A user in the store, as its file has it; `creds_path` is None where its seed was not given."""

    jwt: Jwt[User]
    account: str
    creds_path: Path | None


def importable(jwt: Jwt[Any] | str, body: type[Operator | Account | User]) -> Jwt[Any]:
    """Return *jwt*, read where it is text; raise `UsageError` or `BadJwt` for one that cannot be imported.

    A user's may have unknown members: nothing of it is signed again.
    """
    found: Any = read(jwt.strip()) if isinstance(jwt, str) else jwt
    if not isinstance(found, Jwt):
        raise wrong_type("jwt", jwt, "a jwt, or its text")
    kind = found.claims.body.kind
    if not isinstance(found.claims.body, body):
        if body is User:
            raise UsageError(
                f"this is a jwt of kind {kind}, and not a user's",
                "seedless sign takes claims and jwts of every kind",
            )
        raise UsageError(
            f"this is a jwt of kind {kind}, and not of an {body.kind}",
            "seedless user import takes users, seedless sign jwts of every kind",
        )
    if found.claims.version != 2:  # noqa: PLR2004 - the version of jwts today
        raise BadJwt("this is a jwt of version 1", "have it signed again by a newer tool")
    if found.unknown and body is not User:
        paths = ", ".join(member.path for member in found.unknown)
        raise BadJwt(f"there are members that would be lost: {paths}", path=found.unknown[0].path)
    if body is User and not found.claims.name.strip():
        raise UsageError("the user has no name", "the store keeps users by their names")
    return found


def fetched(url: str) -> Jwt[object]:
    """Return the jwt at *url*; raise `UsageError` where nothing can be had from there.

    What comes over plain http may be anybody's operator: only this machine is asked in that way.
    """
    import urllib.request  # slow to load, and few jwts come from there
    from urllib.parse import urlsplit

    if url.startswith("http:") and urlsplit(url).hostname not in _THIS_MACHINE:
        raise UsageError(
            f"{shown(url)} is not encrypted, and could be anybody's answer", "give an https: URL"
        )
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 - http and https alone
            data = answer.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read {shown(url)}: {error}", "fetch it with a browser, and give the file"
        ) from error
    try:
        return read(bare(data.decode()))
    except (SeedlessError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, SeedlessError) else "it is not text"
        raise BadJwt(f"{shown(url)}: {reason}", "is it the URL of a jwt?") from error


def import_operator(workspace: Workspace, jwt: Jwt[Operator] | str, *, force: bool) -> Preview[Jwt[Operator]]:
    """Preview the store of another operator, see `Operators.import_jwt`."""
    given: Jwt[Operator] = importable(jwt, Operator)
    if str(given.issuer) != given.claims.sub:
        raise UsageError(
            f"operator {quoted(given.claims.name)} is signed by {given.issuer} and not by itself",
            "ask the operator for its jwt",
        )
    workspace.refresh()
    name, child = given.claims.name.strip(), copy.copy(workspace)
    require_storable(name)
    is_new = name not in operators(workspace.root)
    # The jwt of one's own operator, from a server's configuration, is how a store that was lost comes back.
    is_ours = workspace.inventory().get(PublicKey.parse(given.claims.sub)) is not None
    child.store = (
        create_store(workspace.root, name, managed=not is_ours)
        if is_new
        else open_store(workspace.root, name)
    )
    before = None if is_new else _replaced_operator(child, given, force=force)

    def finish(_: tuple[Jwt[Any], ...]) -> Jwt[Operator]:
        workspace.store = child.store
        return given

    return _placed(child, (), given, before, (), finish)


def _replaced_operator(workspace: Workspace, given: Jwt[Operator], *, force: bool) -> Jwt[object] | None:
    before, name = workspace.store.get(), quoted(given.claims.name.strip())
    if before is not None and before.claims.sub != given.claims.sub:
        raise UsageError(
            f"the store has another operator {name}, {before.claims.sub}",
            "take it into another place with --store",
        )
    if not force:
        _require_newer(f"operator {name}", before, given, "give --force if the older one is meant")
    return before


def import_account(
    workspace: Workspace,
    jwt: Jwt[Account] | str,
    change: Change[Account] | None,
    *,
    name: str | None,
    issuer: str | PublicKey | None,
    overwrite: bool,
    force: bool,
    take_limits: bool,
) -> Preview[AccountImported]:
    """Preview an account that somebody else created, see `Accounts.import_jwt`."""
    given: Jwt[Account] = importable(jwt, Account)
    workspace.refresh()
    parent, own_name = workspace.operator(), given.claims.name.strip()
    require_storable(own_name)
    if name is not None:
        check_new_name(name)
    before = _replaced_account(workspace, given, name or own_name, overwrite=overwrite)
    is_signed_by_us = did_sign(parent, given)
    if is_signed_by_us and not (change or issuer or name):
        _require_newer(f"account {quoted(given.claims.name)}", before, given, _OLDER)
        around = workspace.around(given.claims, keys=(str(given.issuer),))
        as_it_is = AccountImported(jwt=given, is_signed=False)
        return _placed(workspace, (own_name,), given, before, around, lambda _: as_it_is)
    if not (is_signed_by_us or given.issuer == PublicKey.parse(given.claims.sub) or force):
        raise UsageError(
            f"account {quoted(given.claims.name)} is signed by {given.issuer}, which is not a key of "
            f"operator {quoted(parent.claims.name)}",
            "give --force to sign it here",
        )
    notices: tuple[Notice, ...] = ()
    claims = replace(given.claims, name=name or own_name)
    if not take_limits:
        claims, notices = _with_our_limits(claims, before)
    return _signed(workspace, edits.applied(change, claims), before, issuer, notices)


def _signed(
    workspace: Workspace,
    claims: Claims[Account],
    before: Jwt[Account] | None,
    issuer: str | PublicKey | None,
    notices: tuple[Notice, ...],
) -> Preview[AccountImported]:
    key = issuing_key(workspace.operator().claims, workspace.known_keys(), issuer)
    step = changed(claims, key, replaces=before, now=workspace.now, reason="imported", address=(claims.name,))
    plan = Plan((step,), workspace.now, workspace.around(claims, keys=(str(key),)))
    return preview(
        workspace, plan, lambda jwts: AccountImported(jwt=jwts[0], is_signed=True), notices=notices
    )


def _replaced_account(
    workspace: Workspace, given: Jwt[Account], name: str, *, overwrite: bool
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


def _with_our_limits(
    asked: Claims[Account], before: Jwt[Account] | None
) -> tuple[Claims[Account], tuple[Notice, ...]]:
    """Return the claims *asked* for with limits of the operator's, and a notice of that."""
    ours = before.claims.body.limits if before else Account.new().limits
    differs = asked.body.limits not in (ours, Account().limits)
    text = "the limits that the request asks for are not granted: --take-limits, or give others"
    return replace(asked, body=replace(asked.body, limits=ours)), ((Notice(text),) if differs else ())


def import_user(
    workspace: Workspace, jwt: Jwt[User] | str, *, key: SoftwareKey | None, overwrite: bool
) -> Preview[UserImported]:
    """Preview a user that somebody else created, see `Users.import_jwt`."""
    given: Jwt[User] = importable(jwt, User)
    name = given.claims.name.strip()
    require_storable(name)
    workspace.refresh()
    parent = _account_of(workspace, given)
    address = (parent.claims.name.strip(), name)
    before = _replaced_user(workspace, given, address, overwrite=overwrite)
    if key is not None:
        from seedless.creds import format_creds

        format_creds(given, key)  # they belong together
    creds = workspace.store.creds_path(*address) if key is not None else None
    done = UserImported(jwt=given, account=address[0], creds_path=creds)
    around, seeds = (workspace.operator(), parent), () if key is None else (key,)
    return _placed(workspace, address, given, before, around, lambda _: done, seeds=seeds)


def _account_of(workspace: Workspace, user: Jwt[User]) -> Jwt[Account]:
    """Return the account of *user*; raise `UsageError` when it is not here, or did not issue the user."""
    account = user.claims.body.issuer_account or str(user.issuer)
    found = workspace.account_with_key(account)
    if found is None:
        raise UsageError(
            f"user {quoted(user.claims.name)} is of account {account}, which is not in the store",
            "import that account first, or choose its operator with --operator",
        )
    if not may_issue(found.claims, str(user.issuer), user.claims):
        raise UsageError(
            f"user {quoted(user.claims.name)} is issued by {user.issuer}, which is not a key of account "
            f"{quoted(found.claims.name)}",
            "servers would refuse it: have it issued by a key that the account has now",
        )
    return found


def _replaced_user(
    workspace: Workspace, user: Jwt[User], address: tuple[str, ...], *, overwrite: bool
) -> Jwt[object] | None:
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
    _require_newer(name, before, user, _OLDER)
    return before


def _require_newer(what: str, before: Jwt[object] | None, given: Jwt[object], hint: str) -> None:
    if before is not None and before.issued_at > given.issued_at:
        raise UsageError(
            f"{what} of the store is newer: issued {moment(before.issued_at)}, and the file's "
            f"{moment(given.issued_at)}",
            hint,
        )


def _placed(
    workspace: Workspace,
    address: tuple[str, ...],
    jwt: Jwt[Any],
    before: Jwt[Any] | None,
    around: tuple[Jwt[Any], ...],
    finish: Any,  # noqa: ANN401 - see preview()
    *,
    seeds: tuple[SoftwareKey, ...] = (),
) -> Preview[Any]:
    """Preview *jwt* in the store as it is: judged as what is signed here is, and not signed."""
    plan = Plan((), workspace.now, around, (StoreWrite(address, jwt, before, "imported"),))

    def judge(within: Workspace, plan: Plan) -> Report:
        found = judge_statement(Statement.of(jwt), plan.context)
        return waive(Report.of(found), within.settings.allow)

    return preview(workspace, plan, finish, seeds=seeds, notices=_unusual(jwt), judge=judge)


def _unusual(jwt: Jwt[Any]) -> tuple[Notice, ...]:
    found = spelling(jwt)
    if found is None:
        return ()
    what = shown(f"{jwt.claims.body.kind} {jwt.claims.name}")
    return (Notice(printable(f"G013 {what} {' '.join(found)}"), is_warning=True),)
