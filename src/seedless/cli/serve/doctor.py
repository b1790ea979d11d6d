"""`seedless serve doctor`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import token_options
from seedless.cli.serve.callout import configuration_argument, loader
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode
from seedless.readiness import CheckStatus
from seedless.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.doctor import CheckResult


@command()
@configuration_argument
@token_options
def doctor(workspace: CommandWorkspace, *, configuration: Path) -> int:
    """Find what prevents a callout from answering.

    Exit 3 for a problem. The keys of CONFIG.toml are compared with the accounts that servers have;
    connections that receive the requests, and are not an instance of the service, are listed. That requires a
    login to the system account.

    \b
    Example:
      seedless serve doctor /etc/seedless/callout.toml
    """
    with contextlib.ExitStack() as stack:
        service = loader(workspace, stack, configuration)()
        from seedless.serve.doctor import examine

        results = asyncio.run(examine(service))
    is_ok = all(result.verdict is not CheckStatus.PROBLEM for result in results)
    lines = [printing.members(result, "what", "verdict", "found", "advice") for result in results]
    workspace.emit({"ok": is_ok, "lines": lines}, "\n".join(map(_line, results)))
    return ExitCode.OK if is_ok else ExitCode.FINDINGS


def _line(result: CheckResult) -> str:
    advice = f"\n{'':24}{printable(result.advice)}" if result.advice else ""
    return f"{result.what:14}  {result.verdict!s:7} {printable(result.found)}{advice}"
