"""`seedless ceremony rehearse`: the whole ceremony on a temporary token, and what the real one will need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.app.ceremonies import is_key_request
from seedless.ceremony import documents, offline
from seedless.cli.ceremony import options
from seedless.cli.ceremony.options import FILE
from seedless.cli.command import command
from seedless.cli.options import judge_options
from seedless.cli.render.ceremony import show_rehearsal
from seedless.cli.render.keygen import show_key_rehearsal
from seedless.errors import ExitCode
from seedless.store import atomic

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@options.request_argument
@options.first_use_option
@click.option(
    "--softhsm", type=FILE, metavar="FILE", help="The module of SoftHSM [default: the one that is installed]."
)
@click.option("--output", "-o", type=FILE, metavar="DIR", help="Keep the files of the rehearsal here.")
@judge_options
def rehearse(
    workspace: CommandWorkspace,
    *,
    request_file: Path,
    first_use: options.FirstUse,
    softhsm: Path | None,
    output: Path | None,
) -> int:
    """Rehearse the whole ceremony on a temporary token.

    Each key gets a placeholder on a SoftHSM token that is deleted at the end; which replaces which is shown.
    Everything that is made is marked REHEARSAL, and `accept` refuses it. No real token is touched. At the end
    is what the real ceremony will need; exit code 3 when it would be refused today. Of a request that creates
    keys, they are created on that token; shares and attestations are left out.

    \b
    Example:
      seedless ceremony rehearse request.json --policy policy.toml
    """
    if output is not None:
        for name in (offline.REQUEST_NAME, offline.RESULT_NAME):
            atomic.require_new(output / name)
    request = documents.read(request_file, file_kind.REQUEST, file_kind.KEY_REQUEST)
    if is_key_request(request):
        keys = workspace.ceremonies.rehearse_keys(request, module=softhsm)
        if output is not None:
            keys.write(output)
        show_key_rehearsal(workspace, keys)
        return ExitCode.OK
    rehearsed = workspace.ceremonies.rehearse(request, first_use, module=softhsm)
    if output is not None:
        rehearsed.write(output)
    show_rehearsal(workspace, rehearsed)
    return ExitCode.FINDINGS if rehearsed.real.report.errors else ExitCode.OK
