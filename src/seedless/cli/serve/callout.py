"""`seedless serve callout`."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.app.tokens import open_tokens
from seedless.cli.command import command
from seedless.cli.options import token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.nkey import Role

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.serve.config import Delegation
    from seedless.serve.delegated_keys import DelegatedKeys
    from seedless.serve.logs import EventLog
    from seedless.serve.process import ServiceLoader

configuration_argument = click.argument(
    "configuration", metavar="CONFIG.toml", type=click.Path(path_type=Path)
)


@command()
@configuration_argument
@token_options
def callout(workspace: CommandWorkspace, *, configuration: Path) -> None:
    """Decide on logins for servers: auth callout.

    Backends and rules of CONFIG.toml decide who gets in, and where. Any number of these share the work, as
    members of one queue group. SIGTERM ends it when the requests in flight are answered, SIGHUP reads the
    configuration again. The log is JSON, on stderr.

    \b
    Example:
      seedless serve callout /etc/seedless/callout.toml
    """
    require_serve()
    import asyncio
    from importlib.metadata import version

    from seedless.serve.logs import EventLog, LoggedEvents
    from seedless.serve.process import SERVICE, CalloutProcess

    log = EventLog(sys.stderr, SERVICE)
    logging.getLogger("seedless").addHandler(LoggedEvents(log))
    with contextlib.ExitStack() as stack:
        delegated = _delegated_keys(workspace, configuration, log)
        load = loader(workspace, stack, configuration, delegated)
        if delegated is not None:
            stack.callback(delegated.end)
        load()  # before any loop: tokens ask for PINs, and a mistake ends the command with a sentence

        async def run() -> None:
            process = CalloutProcess(load, log, version("seedless"), delegated)
            renewing = asyncio.create_task(delegated.renew(process.reload)) if delegated else None
            await process.run()
            if renewing is not None:
                renewing.cancel()

        asyncio.run(run())


def _delegated_keys(workspace: CommandWorkspace, configuration: Path, log: EventLog) -> DelegatedKeys | None:
    """Return what delegates keys, where the configuration asks for it."""
    from seedless.serve import config as configurations

    config = configurations.load(configuration.absolute())
    if config.delegation is None:
        return None
    from seedless.app.resolver.remote import Remote
    from seedless.serve.delegated_keys import DelegatedKeys, TokenOperations

    delegating = delegating_workspace(workspace, config.delegation)
    operations = TokenOperations(delegating, Remote(urls=config.servers), config.delegation.span)
    return DelegatedKeys(operations, config.delegation.span, log, delegating.clock)


def delegating_workspace(workspace: CommandWorkspace, delegation: Delegation) -> Workspace:
    """Return the workspace whose token delegates keys to a service: with the options of *workspace*."""
    from seedless.app.workspace import Workspace

    settings = workspace.options
    return Workspace(
        settings.store, operator=settings.operator, module=settings.module, token=settings.token,
        pin_source=settings.pin_source, context=delegation.context or settings.context,
    )  # fmt: skip


def loader(
    workspace: CommandWorkspace,
    stack: contextlib.ExitStack,
    configuration: Path,
    delegated: DelegatedKeys | None = None,
) -> ServiceLoader:
    """Return what reads *configuration*; tokens stay open until *stack* is closed."""
    require_serve()
    from seedless.serve.process import ServiceLoader

    tokens = stack.enter_context(open_tokens(workspace, policy=workspace.policy))
    return ServiceLoader(configuration.absolute(), lambda uri: tokens.signer_at(uri, Role.ACCOUNT), delegated)


def require_serve() -> None:
    """Raise `UsageError` where the extra is not installed that services require."""
    for module in ("nats", "jwt", "prometheus_client"):
        if importlib.util.find_spec(module) is None:
            raise UsageError(
                f"services require {module}, which is not installed", "pip install 'seedless[serve]'"
            )
