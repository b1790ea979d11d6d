"""Ask a real nats-server what it thinks of a configuration: `nats-server -t`.

The server gets no variable of the environment but those that the configuration uses: others may be secrets.
It makes the folder of a resolver even when it only tests; what it has made empty is taken away again.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.findings import error, warning
from seedless.nats_config import Map
from seedless.nats_config.server import RESOLVER, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seedless.findings import Finding
    from seedless.nats_config.server import Server

_PATIENCE = 10.0
_PLACED = re.compile(r"(?P<file>.*?):(?P<line>[0-9]+):(?P<column>[0-9]+): (?P<text>.*)")
_PROGRAM = "nats-server: "
_WARNING = "invalid use of field"


def find_server() -> str | None:
    """Return the path of nats-server: on the PATH, or beside this Python."""
    return shutil.which("nats-server") or shutil.which("nats-server", path=sysconfig.get_path("scripts"))


def s002_the_server_takes_it(
    server: Server, program: str, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """A server reads the configuration without an error (`nats-server -t`).

    Asked where the program is installed; it looks at the files, and not at whether trust holds. Of what it
    calls an invalid use of a field, such as seconds where a duration should be, it only warns at a start.
    """
    path = next(iter(server.configuration.files))
    for line in _refusal(server, path, program, environment):
        placed = _PLACED.fullmatch(line)
        where = f"{placed['file']}:{placed['line']}" if placed else path
        said = placed["text"] if placed else line
        if said.startswith(_WARNING):
            yield warning("S002", where, f"nats-server warns of it: {said}")
        else:
            yield error("S002", where, f"nats-server refuses it: {said}")


def _refusal(server: Server, path: str, program: str, environment: Mapping[str, str]) -> list[str]:
    """Return what the server says against the file *path*, a line for each error."""
    wanted = {*server.configuration.environment, "PATH", "HOME", "TMPDIR"}
    made = _missing(server)
    try:
        done = subprocess.run(  # noqa: S603 - the program that was found, and a file that it only reads
            [program, "-t", "-c", path],
            env={name: environment[name] for name in wanted & environment.keys()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"it has not come to an end in {_PATIENCE:g} seconds"]
    except OSError as failure:
        return [f"it cannot be run: {(failure.strerror or '').lower()}"]
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
    said = done.stderr.decode("utf-8", "replace").removeprefix(_PROGRAM)
    return [line for line in said.splitlines() if line.strip()] if done.returncode else []


def _missing(server: Server) -> list[Path]:
    """Return the folders that a server would make for the resolver, the deepest first."""
    resolver = server.find(*RESOLVER)
    named = text_of(resolver.value.find("dir")) if resolver and isinstance(resolver.value, Map) else None
    if not named:
        return []
    folder = Path(named)
    return [path for path in (folder, *folder.parents) if not path.exists()]
