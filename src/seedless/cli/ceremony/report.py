"""`seedless ceremony report`: the page of a ceremony, to read and to print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.ceremony.check import CeremonyVerdict
from seedless.cli import printing
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import json_options
from seedless.errors import ExitCode
from seedless.store import atomic

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace
    from seedless.nkey import PublicKey


@command()
@options.request_argument
@options.result_argument
@options.operator_key_option
@click.option("--output", "-o", type=options.FILE, required=True, metavar="FILE", help="Write the page here.")
@json_options
def report(
    workspace: CommandWorkspace,
    *,
    request_file: Path,
    result_file: Path,
    operator_key: PublicKey,
    output: Path,
) -> int:
    """Write the report of a ceremony: HTML that prints well.

    It is checked first, as `ceremony check` does, and the verdict is at the top; exit code 3 unless it is
    complete. With the extra `report` (segno) the page has a QR code of the digest.

    \b
    Example:
      seedless ceremony report request.json result.json --operator-key O… -o ceremony.html
    """
    atomic.require_new(output)
    request, result = options.read_ceremony(request_file, result_file)
    made = workspace.ceremonies.report(request, result, operator_key)
    made.write(output)
    if made.lacks_qr_code:
        printing.report("the page has no QR code: that requires segno, as in pip install 'seedless[report]'")
    data = {"verdict": str(made.verdict), "path": str(output), "has_qr_code": made.has_qr_code}
    workspace.emit(data, f"{output}\n{made.verdict}: {made.text}")
    return ExitCode.OK if made.verdict is CeremonyVerdict.COMPLETE else ExitCode.FINDINGS
