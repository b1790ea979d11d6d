"""`seedless ceremony report`: the page of a ceremony, to read and to print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.ceremony.check import CeremonyVerdict, check
from seedless.ceremony.report import qr_code
from seedless.ceremony.report import report as page
from seedless.cli import _ceremony_desk as desk
from seedless.cli import printing
from seedless.cli.ceremony import key_requests
from seedless.cli.command import command
from seedless.cli.options import Settings, json_options
from seedless.errors import ExitCode
from seedless.store import atomic

if TYPE_CHECKING:
    from seedless.nkey import PublicKey

_FILE = click.Path(path_type=Path)


@command()
@click.argument("request_file", metavar="REQUEST", type=_FILE)
@click.argument("result_file", metavar="RESULT", type=_FILE)
@desk.operator_key_option
@click.option("--output", "-o", type=_FILE, required=True, metavar="FILE", help="Write the page here.")
@json_options
def report(
    settings: Settings, *, request_file: Path, result_file: Path, operator_key: PublicKey, output: Path
) -> int:
    """Write the report of a ceremony: HTML that prints well.

    It is checked first, as `ceremony check` does, and the verdict stands at the top; exit code 3 unless it is
    complete. With the extra `report` (segno) the page has a QR code of the digest.

    \b
    Example:
      seedless ceremony report request.json result.json --operator-key O… -o ceremony.html
    """
    atomic.require_new(output)
    if key_requests.is_request(request_file):
        return key_requests.report(settings, request_file, result_file, operator_key, output)
    checked = check(
        documents.read(request_file, file_kind.REQUEST),
        documents.read(result_file, file_kind.RESULT, file_kind.TRANSCRIPT),
        operator_key,
    )
    qr = qr_code(checked.progress.digest) if checked.progress else None
    atomic.write_new({output: page(checked, qr=qr)})
    if checked.progress and qr is None:
        printing.say("the page has no QR code: that wants segno, as in pip install 'seedless[report]'")
    data = {"verdict": str(checked.verdict), "path": str(output), "has_qr_code": qr is not None}
    printing.emit(data, f"{output}\n{checked.verdict}: {checked.text}", as_json=settings.as_json)
    return ExitCode.OK if checked.verdict is CeremonyVerdict.COMPLETE else ExitCode.FINDINGS
