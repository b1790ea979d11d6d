"""`seedless token doctor`: what a token can do, as a table with a verdict for each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from seedless.app.token_choice import check_token_options
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.device_info import from_option, read_device_info
from seedless.cli.options import trial_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode, UsageError
from seedless.readiness import CheckStatus, Column
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seedless.doctor import CheckResult
    from seedless.readiness import ReadinessRow

_COLOURS = {CheckStatus.OK: "green", CheckStatus.NOTE: "yellow", CheckStatus.PROBLEM: "red"}


@command()
@click.option("--no-key", is_flag=True, help="Create no temporary key: nothing is written on the token.")
@click.option(
    "--ceremony", is_flag=True, help="What is known of token and machine before a ceremony: no PIN is asked."
)
@from_option
@trial_options
def doctor(
    workspace: CommandWorkspace, *, no_key: bool, ceremony: bool, device_info: tuple[Path, ...]
) -> int:
    """Test what the token supports, and print what to do.

    A temporary key is made, used and deleted; on a YubiKey, where another program creates the keys, one that
    is there signs a challenge, which may require a touch. It reports the encodings, the speed of a signature
    and the largest message; beside that, the size of a typical account. The PIN is sent once, and not at all
    when few tries are left, unless --last-try. Exit 3 for a problem, 4 when the token cannot be opened.

    With --ceremony it reports what can be read without a PIN of token and machine, what this driver does not
    report, and what a person has to answer. --from reads what the program of the device's maker has printed.

    \b
    Example:
      seedless token doctor --token pkcs11:token=ACME
      seedless token doctor --ceremony --from piv-info.txt
    """
    check_token_options(workspace)
    if ceremony:
        return _before_a_ceremony(workspace, device_info)
    if device_info:
        raise UsageError("--from is read for a ceremony alone", "add --ceremony")
    creates_key = not no_key and workspace.tokens.is_there()
    if creates_key:
        question = "Sign a challenge with a throw-away key, created and deleted, or with one that is there?"
        consent.require(workspace.options, question, done="--no-key looks without it")
    lines = workspace.tokens.examine(creates_key=creates_key)
    data = {
        "at": workspace.now,
        "ok": not any(line.verdict is CheckStatus.PROBLEM for line in lines),
        "lines": [printing.members(line, "what", "verdict", "found", "advice") for line in lines],
    }
    workspace.emit(data, "\n".join(_shown(lines)))
    return _code(lines)


def _before_a_ceremony(workspace: CommandWorkspace, device_info: tuple[Path, ...]) -> int:
    rows = workspace.tokens.readiness(read_device_info(device_info))
    is_ok = not any(row.status is CheckStatus.PROBLEM for row in rows)
    data = {"at": workspace.now, "ok": is_ok, "rows": [msgspec.to_builtins(row) for row in rows]}
    workspace.emit(data, "\n".join(_columns(rows)))
    return ExitCode.OK if is_ok else ExitCode.FINDINGS


def _columns(rows: Sequence[ReadinessRow]) -> list[str]:
    """Return *rows* below a heading for each column, token by token: what is found is too long for three."""
    width = max(len(row.what) for row in rows)
    lines = []
    for about in dict.fromkeys(row.about for row in rows):
        for column in Column:
            own = [row for row in rows if (row.about, row.column) == (about, column)]
            lines += [click.style(f"{printable(about)}: {column}", bold=True)] if own else []
            for row in own:
                is_read = column is Column.READ
                texts = [text for text in (row.found, row.advice) if text]
                mark, colour = (str(row.status), _COLOURS[row.status]) if is_read else ("[ ]", None)
                lines += _row(mark, colour, f"{row.what:<{width}}", *texts)
    return lines


def _shown(lines: Sequence[CheckResult]) -> list[str]:
    width = max(len(line.what) for line in lines)
    rows = (
        _row(str(line.verdict), _COLOURS[line.verdict], f"{line.what:<{width}}", line.found, line.advice)
        for line in lines
    )
    return [line for row in rows for line in row]


def _row(mark: str, colour: str | None, what: str, *texts: str) -> list[str]:
    """Return a row, each of *texts* on a line of its own."""
    padded = f"{mark:<7}"
    head = f"{click.style(padded, fg=colour) if colour else padded}  {what}  "
    first, *more = [printable(text) for text in texts if text]
    indent = len(padded) + len(what) + 6
    return [f"{head}{first}", *(f"{'':<{indent}}{line}" for line in more)]


def _code(lines: Sequence[CheckResult]) -> int:
    problems = {line.what for line in lines if line.verdict is CheckStatus.PROBLEM}
    if problems & {"token", "PIN"}:
        return ExitCode.TOKEN
    return ExitCode.FINDINGS if problems else ExitCode.OK
