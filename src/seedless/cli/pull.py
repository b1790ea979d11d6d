"""`seedless pull`: accounts from the servers, a resolver's folder, or a configuration, into the store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from seedless.cli import consent, printing
from seedless.cli._remote import Remote, open_target, remote_options
from seedless.cli._system_user import log_in
from seedless.cli.command import command
from seedless.cli.options import Settings, push_options
from seedless.cli.render import describe
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import BadKey, SeedlessError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.resolver import PullStatus, judge_pulled
from seedless.text import brief, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.claims import Account
    from seedless.jwt import Jwt
    from seedless.resolver import PulledAccount, Target

_FINDINGS = 3


@command()
@click.argument("names", nargs=-1, metavar="[NAME|KEY]...")
@click.option("--account", "-a", "more", multiple=True, metavar="NAME", help="An account, as the argument.")
@click.option("--all", "-A", "everything", is_flag=True, help="All accounts that servers have.")
@click.option(
    "--overwrite-newer", "-F", is_flag=True, help="Take older ones too, in place of those in the store."
)
@remote_options
@push_options
def pull(
    settings: Settings,
    *,
    names: tuple[str, ...],
    more: tuple[str, ...],
    everything: bool,
    overwrite_newer: bool,
    remote: Remote,
) -> int:
    """Pull accounts from the servers.

    The latest that a server has goes into the store, where it is later than the store's. What no key of the
    operator has signed is refused; the exit code is then 3.

    \b
    Example:
      seedless pull ORDERS
      seedless pull --all --url nats://localhost:4222
    """
    workspace = CommandWorkspace(settings)
    wanted = (*names, *more)
    if everything == bool(wanted):
        raise UsageError("accounts are pulled by name or key, or all of them", "seedless pull --all")
    stored = _stored(workspace)
    keys = [_key(name, stored) for name in dict.fromkeys(wanted)]
    user = log_in(workspace, remote)
    with open_target(workspace, remote, user) as target:
        held = target.held(keys or _all(target))
        where = target.name
    with workspace.lock():
        found = judge_pulled(
            held, workspace.operator(), _stored(workspace), now=workspace.now, overwrite_newer=overwrite_newer
        )
        written: dict[tuple[str, ...], Jwt[Any] | None] = {
            (one.name,): one.jwt for one in found if one.is_written and one.jwt is not None
        }
        if written and not settings.dry_run:
            _require_replacing(workspace, found)
            workspace.store.put(written)
    describe.say_unusual((f"account {one.name}", one.jwt) for one in found if one.jwt is not None)
    data = {"dry_run": settings.dry_run, "target": where, "accounts": [_data(one) for one in found]}
    printing.emit(data, _text(found), as_json=settings.as_json)
    return _FINDINGS if any(one.status is PullStatus.REFUSED for one in found) else 0


def _require_replacing(workspace: CommandWorkspace, found: Sequence[PulledAccount]) -> None:
    """Ask before jwts of the store are replaced; what is new in it takes nothing away."""
    stored = _stored(workspace)
    names = [one.name for one in found if one.is_written and one.name in stored]
    if not names:
        return
    printing.say(_text(found))
    count = len(names)
    what = "this account" if count == 1 else f"these {count} accounts"
    question = f"Replace {what} of the store: {', '.join(map(brief, names))}?"
    consent.require(workspace.options, printing.printable(question), done="the store is as it was")


def _stored(workspace: CommandWorkspace) -> dict[str, Jwt[Account]]:
    return {name: jwt for name, jwt in workspace.each() if not isinstance(jwt, SeedlessError)}


def _key(name: str, stored: Mapping[str, Jwt[Account]]) -> str:
    """Return the key of the account *name* of the store, or the key that *name* is."""
    if name in stored:
        return stored[name].claims.sub
    with contextlib.suppress(BadKey):
        if PublicKey.parse(name).role is Role.ACCOUNT:
            return name
    raise UsageError(
        f"the store has no account {quoted(name)}", "give its key (A…), or --all for whatever servers have"
    )


def _all(target: Target) -> list[str]:
    return sorted(frozenset().union(*target.holdings.values()))


def _data(one: PulledAccount) -> dict[str, Any]:
    return {
        "account": one.jwt.claims.name if one.jwt else None,
        "subject": one.subject,
        "state": str(one.status),
        "reason": one.reason,
    }


def _text(found: Sequence[PulledAccount]) -> str:
    rows = [f"{brief(one.name)}: {one.status}{f' ({one.reason})' if one.reason else ''}" for one in found]
    return "\n".join(map(printing.printable, rows)) or "there are no accounts"
