"""`seedless serve issuer`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from seedless.cli.command import command
from seedless.cli.options import token_options
from seedless.cli.serve.callout import configuration_argument, delegating_workspace, require_serve

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@configuration_argument
@token_options
def issuer(workspace: CommandWorkspace, *, configuration: Path) -> None:
    """Issue users over NATS to whom CONFIG.toml allows.

    Any NATS client asks: issuer.user for the jwt of a public key,
    issuer.account to have accounts signed by their desired state, issuer.revoke, issuer.info. Who asks is
    known by the server of the importing account. What is issued is appended to a JetStream stream before
    it is answered. The log is on stderr, a JSON object a line. SIGTERM answers what was received, and ends;
    SIGHUP reads CONFIG.toml again.

    \b
    Example:
      seedless serve issuer /etc/seedless/issuer.toml
    """
    require_serve()
    import asyncio  # not for --help
    from importlib.metadata import version

    from seedless.serve.config import load_issuer
    from seedless.serve.issuer_process import SERVICE, IssuerProcess
    from seedless.serve.logs import EventLog

    path = configuration.absolute()
    delegation = load_issuer(path).delegation
    delegating = None if delegation is None else delegating_workspace(workspace, delegation)
    log = EventLog(sys.stderr, SERVICE)

    async def run() -> None:
        await IssuerProcess(lambda: load_issuer(path), log, version("seedless"), delegating).run()

    asyncio.run(run())
