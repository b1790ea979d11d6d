"""What a workspace is given: where its store is, which token has its keys, what judges them.

It imports nothing but msgspec at once, since every command loads it, `--help` too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["UsedSettings", "WorkspaceSettings", "used_settings"]


class WorkspaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a `Workspace`, and the options that many commands share; None where nothing is given.

    `allow` are codes of findings that are waived, `allow_extractable` keys (key text) that may sign although
    they can leave their token, `reset_time` subjects (key text) whose jwts a fast clock has dated, `jobs` how
    many processes sign.
    """

    context: str | None = None
    store: str | None = None
    operator: str | None = None
    module: str | None = None
    token: str | None = None
    pin_source: str | None = None
    last_try: bool = False
    policy: str | None = None
    allow: tuple[str, ...] = ()
    allow_extractable: tuple[str, ...] = ()
    reset_time: tuple[str, ...] = ()
    jobs: int | None = None


class UsedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a command uses here: options, environment, context and configuration taken together."""

    configuration: str
    context: str | None
    store: str
    operators: list[str]
    operator: str | None
    token: str | None
    module: str | None
    modules: list[str]
    pin_source: str | None
    policy: str | None


def used_settings(workspace: Workspace) -> UsedSettings:
    """Return the settings that an operation of *workspace* uses; `operator` is None where none is chosen."""
    import os

    from seedless.config import config_path
    from seedless.errors import SeedlessError
    from seedless.store import operators

    chosen, config, environ = workspace.settings, workspace.config, os.environ
    try:
        operator: str | None = workspace.store.operator
    except SeedlessError:
        operator = None
    return UsedSettings(
        configuration=str(config_path(environ)),
        context=chosen.context,
        store=str(workspace.root),
        operators=list(operators(workspace.root)),
        operator=operator,
        token=chosen.token or environ.get("SEEDLESS_TOKEN"),
        module=environ.get("SEEDLESS_MODULE"),
        modules=[str(path) for path in config.modules],
        pin_source=chosen.pin_source or environ.get("SEEDLESS_PIN_SOURCE") or config.pin_source,
        policy=None if workspace.policy_path is None else str(workspace.policy_path),
    )
