"""`seedless ceremony check`: check a ceremony afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.app.ceremony_checks import is_key_request
from seedless.ceremony import documents
from seedless.ceremony.check import CeremonyVerdict
from seedless.cli.ceremony import options
from seedless.cli.ceremony.options import FILE
from seedless.cli.command import command
from seedless.cli.options import json_options
from seedless.cli.render.ceremony import audit_data, audit_lines
from seedless.cli.render.keygen import emit_check
from seedless.errors import ExitCode
from seedless.policy import read as read_policy
from seedless.text import printable, shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace
    from seedless.nkey import PublicKey


@command()
@options.request_argument
@options.result_argument
@options.operator_key_option
@click.option("--policy", "policy_file", type=FILE, metavar="FILE", help="The policy that it has to be.")
@click.option(
    "--recompute", is_flag=True, help="Compute request and result anew too; every byte has to come out again."
)
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

    With --recompute the transcript is computed anew, all of it but the signatures: also what was found and
    shown. That takes the seedless that signed; another version may find something else.

    \b
    Example:
      seedless ceremony check request.json result.json --operator-key O…
    """
    request, result = options.read_ceremony(request_file, result_file)
    if is_key_request(request):
        checked = workspace.ceremonies.check_keys(request, result, operator_key)
        emit_check(workspace, checked)
        return ExitCode.OK if checked.verdict is CeremonyVerdict.COMPLETE else ExitCode.FINDINGS
    policy = None
    if policy_file is not None:
        data = documents.read(policy_file, file_kind.POLICY)
        policy = read_policy(data, shown(policy_file)).digest
    audit = workspace.ceremonies.check(request, result, operator_key, policy=policy, recompute=recompute)
    workspace.emit(audit_data(audit), "\n".join(map(printable, audit_lines(audit))))
    return ExitCode.OK if audit.is_good else ExitCode.FINDINGS
