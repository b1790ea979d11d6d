"""`seedless context`: the contexts of the configuration, and the settings that a command uses."""

from __future__ import annotations

import os

import click
import msgspec

from seedless.app.settings import used_settings
from seedless.cli import printing
from seedless.cli.command import group
from seedless.cli.options import Settings, configured_options, json_options, store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.config import config_path
from seedless.config_edit import add_context, remove_context, select_context
from seedless.errors import UsageError
from seedless.store import expanded
from seedless.text import shown

_COLUMNS = ("store", "operator", "token", "pin_source", "policy")


@group()
def context() -> None:
    """Add, select, list and remove contexts: settings with a name."""


@context.command(name="list")
@json_options
def list_(workspace: CommandWorkspace) -> None:
    """List the contexts of the configuration.

    \b
    Example:
      seedless context list
    """
    contexts = workspace.config.contexts
    rows = {name: printing.members(entry, *_COLUMNS) for name, entry in contexts.items()}
    selected = workspace.config.selected
    names = {name: f"{shown(name)} (selected)" if name == selected else shown(name) for name in rows}
    cells = [
        (names[name], *(shown(str(row[column] or "")) for column in _COLUMNS)) for name, row in rows.items()
    ]
    header = ("CONTEXT", "STORE", "OPERATOR", "TOKEN", "PIN SOURCE", "POLICY")
    data = {"configuration": str(config_path(os.environ)), "selected": selected, "contexts": rows}
    text = printing.table(cells, header) if rows else f"{config_path(os.environ)} has no contexts"
    workspace.emit(data, text)


@context.command()
@click.argument("name")
@click.option("--store", metavar="DIR", help="Folder of jwts and creds.")
@click.option("--operator", metavar="NAME", help="Which operator of the store.")
@click.option("--token", metavar="LABEL|URI", help="The token, as in ACME or pkcs11:token=ACME.")
@click.option("--pin-source", metavar="SOURCE", help="prompt, env:NAME, file:PATH, fd:N or cmd:PROGRAM.")
@click.option("--policy", metavar="FILE", help="The policy that is pinned.")
@click.option("--select", is_flag=True, help="Use it from now on where no context is named.")
@configured_options
def add(settings: Settings, *, name: str, select: bool) -> None:
    """Add a context: settings under a name, in the configuration.

    \b
    Example:
      seedless context add production --store /srv/nats --operator ACME --select
    """
    paths = {"store": settings.store, "policy": settings.policy}
    values = {key: str(expanded(path).absolute()) for key, path in paths.items() if path is not None}
    texts = {"operator": settings.operator, "token": settings.token, "pin-source": settings.pin_source}
    values |= {key: text for key, text in texts.items() if text is not None}
    if not values:
        raise UsageError("a context without any setting changes nothing", "give one: --store DIR")
    path = add_context(os.environ, name, values)
    if select:
        select_context(os.environ, name)
    data = {"configuration": str(path), "context": name, "selected": select} | values
    settings.emit(data, f"context {name} was added to {path}")


@context.command()
@click.argument("name", required=False)
@click.option("--none", is_flag=True, help="Select no context.")
@configured_options
def select(settings: Settings, *, name: str | None, none: bool) -> None:
    """Select the context that commands use where none is named.

    --context and SEEDLESS_CONTEXT win over it, and options over every context.

    \b
    Example:
      seedless context select production
      seedless context select --none
    """
    if (name is None) is not none:
        raise UsageError("a context is selected by its name, or none with --none", "seedless context list")
    path = select_context(os.environ, name)
    text = f"no context is selected in {path}" if none else f"context {name} is selected in {path}"
    settings.emit({"configuration": str(path), "selected": name}, text)


@context.command()
@click.argument("name")
@configured_options
def remove(settings: Settings, *, name: str) -> None:
    """Remove a context from the configuration.

    The store and the token that it names stay as they are.

    \b
    Example:
      seedless context remove staging
    """
    path = remove_context(os.environ, name)
    data = {"configuration": str(path), "removed": name}
    settings.emit(data, f"context {name} was removed from {path}")


@context.command()
@store_options
def show(workspace: CommandWorkspace) -> None:
    """Show the settings that a command uses here.

    Options, environment, the context and the configuration are taken together, as every command does.

    \b
    Example:
      seedless context show
      SEEDLESS_CONTEXT=production seedless context show
    """
    data = msgspec.to_builtins(used_settings(workspace))
    rows = [(name.replace("_", " "), _text_of(value)) for name, value in data.items()]
    workspace.emit(data, printing.table(rows, ("WHAT", "IS")))


def _text_of(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value) or "-"
    return "-" if value is None else shown(str(value))
