"""What the commands for parts of an account share: exports, imports and mappings are edited one at a time."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from seedless.cli import edits
from seedless.errors import BadKey, UsageError
from seedless.nkey import PublicKey, Role
from seedless.text import quoted
from seedless.trust import EVERYONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.edits import Edited
    from seedless.claims import Account, Export, Import
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Claims

R = TypeVar("R")
_KEY_LENGTH = 56

account_option = click.option(
    "--account", "-a", "account", required=True, metavar="NAME", help="The account that is edited."
)
listed_account_option = click.option(
    "--account", "-a", "account", required=True, metavar="NAME", help="The account."
)
subject_option = click.option("--subject", "-s", required=True, metavar="SUBJECT", help="Its subject.")
kind_option = click.option(
    "--service/--stream", "-r", "is_service", default=None, help="Which, where both have this subject."
)


def given(*options: Callable[[Any], Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command *options*, and what was said with them as one mapping, `given`: name → value."""

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        names: set[str] = set()

        @functools.wraps(command)
        def with_given(*args: Any, **values: Any) -> R:  # noqa: ANN401 - click's values
            mine = {name: values.pop(name) for name in names}
            said = {name: value for name, value in mine.items() if value not in (None, ())}
            return command(*args, given=said, **values)

        decorated: Any = with_given
        before = {param.name for param in getattr(decorated, "__click_params__", ())}
        for option in reversed(options):
            decorated = option(decorated)
        names |= {param.name for param in decorated.__click_params__} - before
        made: Callable[..., R] = decorated
        return made

    return decorate


def edit_body(
    workspace: CommandWorkspace,
    account: str,
    change: Callable[[Account], Account],
    *,
    reason: str,
    issuer: str | None = None,
) -> Edited[Account]:
    """Sign the account with what *change* makes of its body."""

    def changed(claims: Claims[Any]) -> Claims[Any]:
        return msgspec.structs.replace(claims, body=change(claims.body))

    return edits.edit(workspace, (account,), changed, reason=reason, issuer=issuer)


def account_key(workspace: CommandWorkspace, text: str) -> str:
    """Return the key, as text, of the account that *text* names: by its key, or by its name in the store."""
    try:
        key = PublicKey.parse(text)
    except BadKey as error:
        if len(text) == _KEY_LENGTH and text.startswith(Role.ACCOUNT.value):
            raise UsageError(f"{quoted(text)}: {error.message}", error.hint) from error
        return workspace.account(text).claims.sub
    if key.role is not Role.ACCOUNT:
        raise UsageError(f"{key} is not the key of an account", "name an account, or its key: A…")
    return str(key)


def account_or_everyone(workspace: CommandWorkspace, text: str) -> str:
    """Return `account_key`, or `*` for every account."""
    return text if text == EVERYONE else account_key(workspace, text)


def kind_of(*, is_service: bool | None) -> str | None:
    """Return the type that --service or --stream asks for, None for either."""
    return None if is_service is None else "service" if is_service else "stream"


def members(part: Any) -> dict[str, Any]:  # noqa: ANN401 - a struct
    """Return *part* of a jwt as its JSON has it."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(part))
    return found


def listed(parts: tuple[Export, ...] | tuple[Import, ...]) -> str:
    """Return *parts* for a hint: `stream orders.>, service pay`."""
    return ", ".join(f"{one.type or 'unknown'} {one.subject}" for one in parts) or "none yet"


def exported(account: str, body: Account, subject: str, kind: str | None) -> Export:
    """Return the export of *subject*; raise `UsageError` when there is none, or a *kind* has to be said."""
    fitting = [one for one in body.exports if one.subject == subject and kind in {None, one.type}]
    if not fitting:
        raise UsageError(
            f"account {quoted(account)} exports no {f'{kind} ' if kind else ''}{quoted(subject)}",
            f"it exports: {listed(body.exports)}",
        )
    if len(fitting) > 1:
        raise UsageError(
            f"account {quoted(account)} exports {quoted(subject)} as a stream and as a service",
            "name it: --stream or --service",
        )
    return fitting[0]


def with_export(body: Account, old: Export, new: Export) -> Account:
    """Return *body* with *new* in the place of its export *old*."""
    return msgspec.structs.replace(body, exports=tuple(new if one is old else one for one in body.exports))
