"""Consent: nothing is signed, deleted, written to a token or sent without it; its absence is never consent.

It is --yes; a value that whoever reviewed brings along (the digest of a plan, the number of accounts, the
name of a key); or a person who answers on the controlling terminal. That is where a PIN is asked too: stdin,
stdout and stderr can be files, pipes or closed, and do not show who is there. Where stderr is not that
terminal, what was reported so far is shown there before the question: nobody agrees to what they have not
seen.
"""

from __future__ import annotations

import io
import os
import sys
import termios
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from seedless.cli import printing
from seedless.errors import Refused, UsageError
from seedless.terminal import fitted
from seedless.text import shown, without_seeds

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.cli.options import Settings
    from seedless.cli.workspace import CommandWorkspace
    from seedless.signing_pipeline import Plan

_TERMINAL: Final = "/dev/tty"  # the controlling terminal of this process, whatever the streams are
_FLAGS: Final = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
_LONGEST = 4096  # bytes of one answer; a terminal gives no longer lines


Consent: TypeAlias = "Callable[[CommandWorkspace, Plan], bool]"
"""Decide whether a plan that was shown is signed; raise `UsageError` where nobody can be asked."""


def ask_to_sign(workspace: CommandWorkspace, plan: Plan) -> bool:
    """Ask whether *plan* is signed, or done where nothing in it is; the usual `Consent`."""
    count = len(plan.changes)
    question = f"Sign {'this jwt' if count == 1 else f'these {count} jwts'}?" if count else "Do this?"
    return agreed(workspace.options, question, hint=policy_hint(workspace))


def given(_workspace: CommandWorkspace, _plan: Plan) -> bool:
    """Agree: consent was given before the plan was made, to the same thing; an `Consent`."""
    return True


def policy_hint(workspace: CommandWorkspace) -> str:
    """Return that the pinned policy decides where nobody is asked; empty where none is pinned."""
    if workspace.policy is None or workspace.policy_path is None:
        return ""
    return f"with --yes the pinned policy decides alone: {shown(workspace.policy_path)}"


def agreed(settings: Settings, question: str, *, hint: str = "") -> bool:
    """Return whether *settings* have --yes, or a person answers yes to *question* on the terminal.

    Raise `UsageError` where there is none.
    """
    return settings.yes or is_confirmed(question, hint=hint)


def require(settings: Settings, question: str, *, done: str = "nothing was done") -> None:
    """Return when *settings* or a person agree to *question*.

    Raise `Refused` with what was *done* when the person does not, and `UsageError` where nobody can be asked.
    """
    if not agreed(settings, question):
        raise Refused(f"not confirmed: {done}")


def is_confirmed(question: str, *, add: str = "--yes", hint: str = "") -> bool:
    """Return whether a person answers yes to *question*; anything but y and yes is a no."""
    return answer(f"{question} [y/N]: ", add=add, hint=hint).lower() in {"y", "yes"}


def answer(question: str, *, add: str = "--yes", hint: str = "") -> str:
    """Return what a person types on the terminal after *question*, without blanks around it.

    Raise `UsageError` where there is no terminal, or one that answers nobody any more: it was hung up, or
    this job was left in the background by a shell that has ended. It names what to *add* to the command
    instead. Raise `Refused` when the terminal ends without an answer (Ctrl-D).
    """
    try:
        typed = _typed(question)
    except (OSError, termios.error):
        raise not_confirmed(add, hint) from None
    if typed is None:
        raise Refused("not confirmed: nobody has answered")
    return typed.strip()


def not_confirmed(add: str = "--yes", hint: str = "") -> UsageError:
    """Return the error of a command that has no consent, and nobody to ask."""
    return UsageError(f"not confirmed: run it on a terminal, or add {add}", hint)


def has_terminal() -> bool:
    """Return whether this process has a controlling terminal, where a person can be asked."""
    try:
        os.close(os.open(_TERMINAL, _FLAGS))
    except OSError:
        return False
    return True


def begin(settings: Settings) -> None:
    """Keep what is reported from now on, if a person may be asked who does not see stderr."""
    may_ask = not (settings.yes or settings.dry_run)
    printing.keep_unseen(is_kept=may_ask and not _is_seen() and has_terminal())


def _typed(question: str) -> str | None:
    """Show on the terminal what was reported and not seen, then *question*; return what is typed.

    None is its end. Raise `OSError` or `termios.error` where there is no terminal, or nobody can answer.
    """
    descriptor = os.open(_TERMINAL, _FLAGS)
    try:
        with io.TextIOWrapper(
            io.FileIO(descriptor, "w", closefd=False), errors="backslashreplace", write_through=True
        ) as out:
            for text in printing.taken_unseen():
                click.echo(fitted(text, out), file=out)
            # What was typed before the question is no answer to it: lines that were pasted, or meant for
            # the shell.
            termios.tcflush(descriptor, termios.TCIFLUSH)
            out.write(fitted(without_seeds(question), out))
            line = b""
            # A terminal gives a line at a time, and nothing at its end.
            while not line.endswith(b"\n") and len(line) < _LONGEST:
                more = os.read(descriptor, _LONGEST)
                if not more:
                    click.echo("", file=out)
                    return None
                line += more
            return line.decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _is_seen() -> bool:
    """Return whether what goes to stderr is shown on the controlling terminal."""
    try:
        os.tcgetpgrp(sys.stderr.fileno())  # only the controlling terminal has one
    except (OSError, ValueError):
        return False
    return True
