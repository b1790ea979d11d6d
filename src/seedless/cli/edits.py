"""Commands that edit: a jwt of the store, with something in it changed, is signed again in its place."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.edits import Edited
    from seedless.app.pipeline import Preview
    from seedless.cli.workspace import CommandWorkspace

EditPreview: TypeAlias = "Preview[Edited[Any]]"


def edit_options(command: Callable[..., EditPreview]) -> Callable[..., None]:
    """Give *command* the options of `sign_options`; sign the edit whose preview it returns, and print it.

    The command runs while the store is locked: what it reads is what is replaced.
    """

    @functools.wraps(command)
    def with_edit(workspace: CommandWorkspace, **values: object) -> None:
        with workspace.lock():
            edited = sign_preview(workspace, command(workspace, **values))
        print_edited(workspace, edited)

    return sign_options(with_edit)


def print_edited(workspace: CommandWorkspace, edited: Edited[Any]) -> None:
    """Print what came of an edit: the jwt, or that there was nothing to change."""
    claims = edited.jwt.claims
    what = f"{claims.body.kind} {shown(claims.name.strip())}"
    if edited.changed:
        new = [f"signing key: {key}" for key in edited.new_keys]
        workspace.emit(describe.data(edited.jwt) | {"changed": True}, "\n".join([f"{what}: changed", *new]))
    else:
        workspace.emit({"changed": False}, f"{what}: nothing to change")
