"""`seedless lint`: security issues in jwts, stores and server configurations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.app.key_names import known_titles
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import lint_options
from seedless.cli.render.findings import finding_lines
from seedless.cli.values import PATH
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode

if TYPE_CHECKING:
    from seedless.app.lint import LintReport


@command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=PATH)
@click.option("--strict", is_flag=True, help="Exit 3 for warnings too.")
@click.option(
    "--wants-delete", "requires_delete", is_flag=True, help="Configurations: accounts must be deletable."
)
@click.option(
    "--policy", envvar="SEEDLESS_POLICY", metavar="FILE",
    help="Judge by this policy too [env: SEEDLESS_POLICY; default: as in the configuration].",
)  # fmt: skip
@lint_options
def lint(workspace: CommandWorkspace, *, paths: tuple[Path, ...], strict: bool, requires_delete: bool) -> int:
    """Find security issues in jwts, stores and configurations.

    PATHs are files with jwts, creds files, folders of stores, and configurations of nats-server; without any,
    the store is looked through. Exit 3 when there is an error, or something that does not hold now.

    \b
    Example:
      seedless lint
      seedless lint --strict nats.conf ORDERS.jwt
    """
    report = workspace.lint(*paths, requires_delete=requires_delete)
    return print_lint(workspace, report, strict=strict)


def print_lint(workspace: CommandWorkspace, report: LintReport, *, strict: bool) -> int:
    """Print *report*, and return the exit code."""
    holds, titles = report.holds(strict=strict), known_titles(workspace)
    for notice in report.notices:
        printing.report(str(notice))
    data: dict[str, object] = {
        "ok": holds,
        "looked_at": report.looked_at,
        "nats_server": report.nats_server,
        "findings": [finding.data() for finding in report.findings],
        "waived": [waived.data() for waived in report.waived],
    }
    found = ", ".join(f"{_plural(n, str(severity))}" for severity, n in report.counted.items() if n)
    summary = f"{_plural(report.looked_at, 'file')} looked at: {found or 'nothing found'}"
    summary += f", {len(report.waived)} waived" if report.waived else ""
    lines = [line for finding in report.findings for line in finding_lines(finding, titles)]
    lines += [line for finding in report.waived for line in finding_lines(finding, titles, "waived")]
    workspace.emit(data, "\n".join([*lines, summary]))
    return ExitCode.OK if holds else ExitCode.FINDINGS


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
