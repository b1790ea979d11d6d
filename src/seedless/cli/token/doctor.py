"""`seedless token doctor`: what a token can do, as a table with a verdict for each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.tokens import check_token_options
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import Settings, trial_options
from seedless.cli.workspace import CommandWorkspace
from seedless.doctor import CheckStatus
from seedless.errors import ExitCode
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.doctor import CheckResult

_COLOURS = {CheckStatus.OK: "green", CheckStatus.NOTE: "yellow", CheckStatus.PROBLEM: "red"}


@command()
@click.option("--no-key", is_flag=True, help="Create no temporary key: nothing is written on the token.")
@trial_options
def doctor(settings: Settings, *, no_key: bool) -> int:
    """Test what the token supports, and print what to do.

    A temporary key is made, used and deleted; on a YubiKey, where another program creates the keys, one that
    is there signs a challenge, which may require a touch. It tells the encodings, the speed of a signature
    and the largest message; beside that, the size of a typical account. The PIN is sent once, and not at all
    when few tries are left, unless --last-try. Exit 3 for a problem, 4 when the token cannot be opened.

    \b
    Example:
      seedless token doctor --token pkcs11:token=ACME
    """
    workspace = CommandWorkspace(settings)
    check_token_options(workspace)
    if not no_key:
        question = "Sign a challenge with a throw-away key, created and deleted, or with one that is there?"
        consent.require(settings, question, done="--no-key looks without it")
    lines = workspace.tokens.examine(creates_key=not no_key)
    data = {
        "at": workspace.now,
        "ok": not any(line.verdict is CheckStatus.PROBLEM for line in lines),
        "lines": [
            {"what": line.what, "verdict": str(line.verdict), "found": line.found, "advice": line.advice}
            for line in lines
        ],
    }
    printing.emit(data, "\n".join(_shown(lines)), as_json=settings.as_json)
    return _code(lines)


def _shown(lines: Sequence[CheckResult]) -> list[str]:
    width = max(len(line.what) for line in lines)
    shown = []
    for line in lines:
        verdict = click.style(f"{line.verdict:<7}", fg=_COLOURS[line.verdict])
        shown.append(f"{verdict}  {line.what:<{width}}  {printable(line.found)}")
        if line.advice:
            shown.append(f"{'':<7}  {'':<{width}}    {printable(line.advice)}")
    return shown


def _code(lines: Sequence[CheckResult]) -> int:
    problems = {line.what for line in lines if line.verdict is CheckStatus.PROBLEM}
    if problems & {"token", "PIN"}:
        return ExitCode.TOKEN
    return ExitCode.FINDINGS if problems else ExitCode.OK
