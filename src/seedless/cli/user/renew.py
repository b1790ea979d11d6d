"""`seedless user renew`: users that expire get a later end, and keep their keys and permissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.app.edits import stored
from seedless.app.reissue import reissued
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, sign_options
from seedless.cli.review import sign
from seedless.cli.values import MOMENT, SPAN, Moment
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode, SeedlessError, UsageError
from seedless.plan import changed
from seedless.signing_pipeline import Intent, Plan
from seedless.text import shown
from seedless.trust import is_revoked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from seedless.change import Change
    from seedless.claims import Account, User
    from seedless.jwt import Jwt


@dataclass(frozen=True, slots=True)
class _Passed:
    """A user that is not renewed, and why; a failure is one that somebody has to look at."""

    address: tuple[str, ...]
    why: str
    is_failure: bool = False


@command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--account", "-a", metavar="NAME", help="Users of this account [default: of all].")
@click.option("--within", type=SPAN, metavar="SPAN", help="Those that expire within, as in 30d, or have.")
@click.option("--expiry", type=MOMENT, help="Expiry [default: the validity that they had].")
@sign_options
def renew(
    settings: Settings,
    *,
    names: tuple[str, ...],
    account: str | None,
    within: int | None,
    expiry: Moment | None,
) -> int:
    """Let users last longer, those named or those that expire.

    Keys and permissions stay. The new jwt lasts as long as the old one did, from now; --expiry says another
    end. Creds files get the new jwt. Users that are revoked are skipped, as are those that never expire.
    The exit code is 3 when one cannot be renewed: it is damaged, or its scope is gone.

    \b
    Example:
      seedless user renew --within 30d
      seedless user renew -a ORDERS app shop --expiry 1y
    """
    _require_choice(names, account, within)
    workspace = CommandWorkspace(settings)
    with workspace.lock():
        changes: list[Change] = []
        passed: list[_Passed] = []
        around: list[Jwt[Any]] = [workspace.operator()]
        for name, parent in _accounts(workspace, account):
            if isinstance(parent, SeedlessError):
                passed.append(_Passed((name,), parent.message, is_failure=True))
                continue
            around.append(parent)
            for one in _renewed(workspace, parent, names, within, expiry):
                if isinstance(one, _Passed):
                    passed.append(one)
                else:
                    changes.append(one)
        plan = Plan(tuple(changes), workspace.now, tuple(around))
        signed = sign(workspace, Intent(lambda _: plan)) if changes else ()
    _tell(workspace, changes, signed, passed)
    return ExitCode.FINDINGS if any(one.is_failure for one in passed) else ExitCode.OK


def _require_choice(names: tuple[str, ...], account: str | None, within: int | None) -> None:
    if names and account is None:
        raise UsageError("it is not said of which account the users are", "name it with --account")
    if not names and within is None:
        raise UsageError("it is not said which users are renewed", "name them, or say --within 30d")


def _accounts(
    workspace: CommandWorkspace, account: str | None
) -> Iterable[tuple[str, Jwt[Account] | SeedlessError]]:
    """Return the account that is meant, or all: the jwt of each, or why it cannot be read."""
    return workspace.each() if account is None else [(account, workspace.account(account))]


def _renewed(
    workspace: CommandWorkspace,
    parent: Jwt[Account],
    names: tuple[str, ...],
    within: int | None,
    expiry: Moment | None,
) -> Iterator[Change | _Passed]:
    """Yield a change for each user of *parent* that is to be renewed, and why others are not."""
    account, known = parent.claims.name.strip(), workspace.known_keys()
    for name in dict.fromkeys(names) or workspace.store.children(account):
        try:
            before = stored(workspace, (account, name))
            if within is not None and not 0 < before.claims.exp <= workspace.now + within:
                continue
            why = _reason_against(parent, before, expiry)
            yield (
                _Passed((account, name), why)
                if why
                else _renewal(workspace, (account, name), before, parent, known, expiry)
            )
        except SeedlessError as error:
            if names:
                raise
            yield _Passed((account, name), error.message, is_failure=True)


def _renewal(
    workspace: CommandWorkspace,
    address: tuple[str, ...],
    before: Jwt[User],
    parent: Jwt[Account],
    known: Collection[str],
    expiry: Moment | None,
) -> Change:
    end = expiry.at(workspace.now) if expiry else workspace.now + _length(before)
    after, key = reissued(parent.claims, known, before, lambda claims: replace(claims, exp=end))
    return changed(after, key, replaces=before, now=workspace.now, reason="renewed", address=address)


def _reason_against(parent: Jwt[Account], before: Jwt[User], expiry: Moment | None) -> str:
    if is_revoked(parent, before):
        return "it is revoked"
    if before.claims.exp <= 0 and expiry is None:
        return "it never expires"
    return ""


def _length(before: Jwt[User]) -> int:
    """Return for how many seconds the jwt was good when it was issued."""
    return max(before.claims.exp - max(before.issued_at, before.claims.nbf), 1)


def _tell(
    workspace: CommandWorkspace, changes: list[Change], signed: tuple[Jwt[Any], ...], passed: list[_Passed]
) -> None:
    addresses = [change.address or () for change in changes]
    data = {
        "renewed": [
            {"address": address, "subject": jwt.claims.sub, "expires": jwt.claims.exp or None}
            for address, jwt in zip(addresses, signed, strict=True)
        ],
        "passed": [{"address": one.address, "why": one.why} for one in passed],
    }
    lines = [
        f"user {shown('/'.join(address))}: until {printing.until(jwt.claims.exp)}"
        for address, jwt in zip(addresses, signed, strict=True)
    ]
    for one in passed:
        kind = "user" if one.address[1:] else "account"
        printing.say(f"{kind} {shown('/'.join(one.address))} is passed over: {printing.printable(one.why)}")
    printing.emit(data, "\n".join(lines) or "nobody is to be renewed", as_json=workspace.options.as_json)
