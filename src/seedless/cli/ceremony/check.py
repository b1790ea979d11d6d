"""`seedless ceremony check` and `ceremony report`: check a ceremony afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.app.ceremonies import is_key_request
from seedless.ceremony import documents
from seedless.ceremony.check import CeremonyVerdict
from seedless.cli import printing
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import json_options
from seedless.cli.render.ceremony import audit_data, audit_lines
from seedless.cli.render.keygen import emit_check
from seedless.errors import ExitCode
from seedless.policy import read as read_policy
from seedless.store import atomic
from seedless.text import printable, shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace
    from seedless.nkey import PublicKey


@command()
@options.request_argument
@options.result_argument
@options.operator_key_option
@click.option(
    "--policy", "policy_file", type=options.FILE, metavar="FILE", help="The policy that it has to be."
)
@click.option("--recompute", is_flag=True, help="Compute request and result again, and compare every byte.")
@json_options
def check(
    workspace: CommandWorkspace,
    *,
    request_file: Path,
    result_file: Path,
    operator_key: PublicKey,
    policy_file: Path | None,
    recompute: bool,
) -> int:
    """Check a ceremony afterwards: no token, no store, no network.

    RESULT is a result, or the transcript of a ceremony that was interrupted. What was signed is judged again,
    by the policy in the transcript. The verdict is *complete*, *incomplete* (no receipts: never valid),
    *forbidden* (signed against its policy or a rule), or *false* with the place; exit code 3 unless it is
    complete. The digests of request, policy and transcript are to be compared with those on paper.

    With --recompute the transcript is computed again, all of it but the signatures: also what was found and
    shown. That takes the seedless that signed; another version may find something else.

    \b
    Example:
      seedless ceremony check request.json result.json --operator-key O…
    """
    request, result = options.read_ceremony(request_file, result_file)
    policy = None
    if policy_file is not None:
        data = documents.read(policy_file, file_kind.POLICY)
        policy = read_policy(data, shown(policy_file)).digest
    if is_key_request(request):
        checked = workspace.ceremonies.check_keys(
            request, result, operator_key, policy=policy, recompute=recompute
        )
        emit_check(workspace, checked)
        return ExitCode.OK if checked.is_good else ExitCode.FINDINGS
    audit = workspace.ceremonies.check(request, result, operator_key, policy=policy, recompute=recompute)
    workspace.emit(audit_data(audit), "\n".join(map(printable, audit_lines(audit))))
    return ExitCode.OK if audit.is_good else ExitCode.FINDINGS


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
      seedless ceremony report request.json result.json --operator-key O… -o FILE
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
