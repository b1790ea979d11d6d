"""`seedless context`: the contexts of the configuration, and what a command works with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from seedless.cli import printing
from seedless.cli._workspace import Workspace
from seedless.cli.command import group
from seedless.cli.options import Settings, json_options, store_options
from seedless.config import config_path
from seedless.errors import SeedlessError
from seedless.store import operators
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.config import ContextEntry

_COLUMNS = ("store", "operator", "token", "pin_source", "policy")


@group()
def context() -> None:
    """List contexts, and show what commands work with."""


@context.command(name="list")
@json_options
def list_(settings: Settings) -> None:
    """List the contexts of the configuration.

    \b
    Example:
      seedless context list
    """
    workspace = Workspace(settings)
    rows = {name: _row(entry) for name, entry in workspace.config.contexts.items()}
    told = [(shown(name), *(shown(row[column] or "") for column in _COLUMNS)) for name, row in rows.items()]
    header = ("CONTEXT", "STORE", "OPERATOR", "TOKEN", "PIN SOURCE", "POLICY")
    data = {"configuration": str(config_path(os.environ)), "contexts": rows}
    text = printing.table(told, header) if rows else f"{config_path(os.environ)} has no contexts"
    printing.emit(data, text, as_json=settings.as_json)


def _row(entry: ContextEntry) -> dict[str, str | None]:
    values = ((column, getattr(entry, column)) for column in _COLUMNS)
    return {column: None if value is None else str(value) for column, value in values}


@context.command()
@store_options
def show(settings: Settings) -> None:
    """Show what a command works with here.

    Options, environment, the context and the configuration are taken together, as every command does.

    \b
    Example:
      seedless context show
      SEEDLESS_CONTEXT=production seedless context show
    """
    workspace = Workspace(settings)
    chosen, configuration = workspace.settings, workspace.config
    try:
        operator: str | None = workspace.store.operator
    except SeedlessError:
        operator = None
    data = {
        "configuration": str(config_path(os.environ)),
        "context": chosen.context,
        "store": str(workspace.root),
        "operators": operators(workspace.root),
        "operator": operator,
        "token": chosen.token or os.environ.get("SEEDLESS_TOKEN"),
        "module": os.environ.get("SEEDLESS_MODULE"),
        "modules": [str(path) for path in configuration.modules],
        "pin_source": chosen.pin_source or os.environ.get("SEEDLESS_PIN_SOURCE") or configuration.pin_source,
        "policy": None if workspace.policy_path is None else str(workspace.policy_path),
    }
    rows = [(name.replace("_", " "), _said(value)) for name, value in data.items()]
    printing.emit(data, printing.table(rows, ("WHAT", "IS")), as_json=chosen.as_json)


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value) or "-"
    return "-" if value is None else shown(str(value))
