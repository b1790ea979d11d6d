"""Commands that edit: a jwt of the store, with something in it changed, is signed again in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.app import edits
from seedless.cli.render import describe
from seedless.cli.review import sign_preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.edits import Edited
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Claims


def edit(
    workspace: CommandWorkspace,
    address: tuple[str, ...],
    change: Callable[[Claims[Any]], Claims[Any]],
    *,
    reason: str,
    issuer: str | None = None,
) -> Edited[Any]:
    """Sign what *change* makes of the jwt at *address*, in its place."""
    with workspace.lock():
        made = edits.edit(workspace, address, lambda claims, _: change(claims), reason=reason, issuer=issuer)
        return sign_preview(workspace, made)


def print_edited(workspace: CommandWorkspace, edited: Edited[Any], what: str) -> None:
    """Print what came of an edit of *what*: the jwt, or that there was nothing to change."""
    if not edited.changed:
        workspace.emit({"changed": False}, f"{what}: nothing to change")
    else:
        data = describe.data(edited.jwt) | {"changed": True}
        workspace.emit(data, f"{what}: changed")
