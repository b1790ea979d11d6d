"""`seedless serve callout`."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.app.tokens import token_signer
from seedless.cli.command import command
from seedless.cli.options import Settings, token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.nkey import Role

if TYPE_CHECKING:
    from seedless.serve.service import ServiceLoader

configuration_argument = click.argument(
    "configuration", metavar="CONFIG.toml", type=click.Path(path_type=Path)
)


@command()
@configuration_argument
@token_options
def callout(settings: Settings, *, configuration: Path) -> None:
    """Decide on logins for servers: auth callout.

    Backends and rules of CONFIG.toml decide who gets in, and where. Any number of these share the work, as
    members of one queue group. SIGTERM ends it when the requests in flight are answered, SIGHUP reads the
    configuration again. The log is JSON, on stderr.

    \b
    Example:
      seedless serve callout /etc/seedless/callout.toml
    """
    with contextlib.ExitStack() as stack:
        load = loader(CommandWorkspace(settings), stack, configuration)
        load()  # before any loop: tokens ask for PINs, and a mistake ends the command with a sentence
        import asyncio
        from importlib.metadata import version

        from seedless.serve.logs import EventLog, LoggedEvents
        from seedless.serve.process import SERVICE, CalloutProcess

        log = EventLog(sys.stderr, SERVICE)
        logging.getLogger("seedless").addHandler(LoggedEvents(log))

        async def run() -> None:
            await CalloutProcess(load, log, version("seedless")).run()

        asyncio.run(run())


def loader(workspace: CommandWorkspace, stack: contextlib.ExitStack, configuration: Path) -> ServiceLoader:
    """Return what reads *configuration*; tokens stay open until *stack* is closed."""
    require_serve()
    from seedless.serve.service import ServiceLoader

    return ServiceLoader(
        configuration.absolute(), lambda uri: token_signer(workspace, stack, uri, Role.ACCOUNT)
    )


def require_serve() -> None:
    """Raise `UsageError` where the extra is not installed that services require."""
    for module in ("nats", "jwt", "prometheus_client"):
        if importlib.util.find_spec(module) is None:
            raise UsageError(
                f"services require {module}, which is not installed", "pip install 'seedless[serve]'"
            )
