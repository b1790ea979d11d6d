"""The entry of the command line: the table of commands, and what an error looks like.

stdout is data, stderr is talk. An error is `error: …` and `hint: …` on stderr, and with `--json` also one
object `{"error": …}` on stdout. Exit codes: 0 ok, 1 failed, 2 usage, 3 findings or bad signature,
4 token or PIN, 5 there are changes, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from seedless.cli.arguments import refuse_seeds
from seedless.cli.lazy import LazyGroup, alike, typed
from seedless.cli.streams import (
    colour,
    escape_what_cannot_be_written,
    flush_stderr,
    give_up,
    lost_output,
    open_closed_streams,
    write_to_stderr,
)
from seedless.errors import ExitCode, SeedlessError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seedless.pkcs11.isolation.supervised import SupervisedProcess

_FEW_COLLECTIONS = 50_000  # objects; what a start loads is no garbage, and looking for some takes its time
_LONGEST = 2000  # characters of a message: what it quotes may be long
_NoArguments: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())  # click from 8.2
_NO_STDOUT = (
    "stdout is closed, so there is nowhere to write to",
    "to discard it: >/dev/null",
    ExitCode.FAILED,
)
_COMMANDS = {
    "token": ("token", "List, initialise, show and test tokens."),
    "key": ("key", "Create, import, list, audit and delete keys on tokens."),
    "operator": ("operator", "Create, edit and show the operator."),
    "account": ("account", "Create, edit, show and delete accounts."),
    "user": ("user", "Create, show and list users, and write creds files."),
    "activation": ("activation", "Sign activations: permissions to import private exports."),
    "apply": ("apply", "Bring the store to the state that a file describes."),
    "export-desired": ("export_desired", "Write the store as a desired-state file."),
    "sign": ("sign", "Sign a claims file, a jwt again, or a plan."),
    "show": ("show", "Show the claims of a jwt."),
    "diff": ("diff", "Show what changes between two jwts."),
    "verify": ("verify", "Verify jwts, and whether the store trusts them."),
    "lint": ("lint", "Find security issues in jwts, stores and configurations."),
    "expirations": ("expirations", "List what expires, and what has expired."),
    "tree": ("tree", "Draw the operator, its accounts and their users."),
    "policy": ("policy", "Check and explain the policy that is pinned."),
    "ceremony": ("ceremony", "Sign on a machine without a network, and check it afterwards."),
    "rotate": ("rotate", "Replace signing keys by new ones."),
    "delegate": ("delegate", "Delegate roles of accounts to keys in software, for a while."),
    "recovery": ("recovery", "Rehearse losses, and restore keys from shares of one secret."),
    "push": ("push", "Push accounts to the servers."),
    "pull": ("pull", "Pull accounts from the servers."),
    "prune": ("prune", "Delete accounts from servers that the store does not have."),
    "server": ("server", "Write and check configurations of nats-server."),
    "serve": ("serve", "Run services on NATS: decide on logins, issue users."),
    "import": ("import_", "Import accounts and users that others created."),
    "context": ("context", "Add, select, list and remove contexts: settings with a name."),
    "migrate": ("migrate", "Migrate from another tool."),
    "completion": ("completion", "Print the completion script for a shell."),
    "docs": ("docs", "Show the pages that come with the program."),
    "help": ("help_", "Show the help of a command."),
}
_SECTIONS = {
    "Keys on tokens": ("token", "key"),
    "Operators, accounts and users": ("operator", "account", "user", "activation", "import", "migrate"),
    "From files": ("apply", "export-desired", "sign"),
    "Look and check": ("show", "tree", "diff", "verify", "lint", "expirations", "policy"),
    "Servers": ("push", "pull", "prune", "server", "serve"),
    "Rotation and ceremonies": ("rotate", "delegate", "ceremony", "recovery"),
    "This program": ("context", "completion", "docs", "help"),
}

_HELP = """Sign NATS claim JWTs with keys that stay on a PKCS#11 token.

\b
The first steps:
  seedless token init --softhsm --label ACME
  seedless operator add ACME --sys
  seedless account add ORDERS
  seedless user add -a ORDERS app
  seedless server config --mem-resolver -o trust.conf

Read the pages with: seedless docs. A command of nsc prints the command that does the same here.
"""


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version  # slow, and rarely wanted

        click.echo(f"seedless {version('seedless')}")
        ctx.exit()


seedless = LazyGroup(
    "seedless",
    table=_COMMANDS,
    sections=_SECTIONS,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version,
            help="Print the version.",
        )
    ],
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never a traceback, unless SEEDLESS_DEBUG is set."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is not None:
        return _run(words, None)
    gc.set_threshold(_FEW_COLLECTIONS)
    run = Run(lambda error: _ended(words, error))
    had_stdout = open_closed_streams()
    try:
        code = _run(words, run) if had_stdout else _fail(words, *_NO_STDOUT)
    finally:
        # Before the process ends: a driver that crashes while it is unloaded must not turn a command that
        # has done its work into an error.
        run.announce_end()
    return run.end(code)


class Run:
    """One run of the program in a process of its own, with a supervisor once it uses a driver."""

    __slots__ = ("report_end", "supervised")

    def __init__(self, report_end: Callable[[BaseException], int]) -> None:
        """Take what reports on stderr how it ended, for an exit code."""
        self.report_end = report_end
        self.supervised: SupervisedProcess | None = None

    def announce_end(self) -> None:
        """Report to the supervisor that the command is done."""
        if self.supervised is not None:
            self.supervised.announce_end()

    def end(self, code: int) -> int:
        """Return *code*; where there is a supervisor, end this process with it."""
        if self.supervised is not None:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            self.supervised.end(code)
        return code


def _run(words: list[str], run: Run | None) -> int:
    try:
        escape_what_cannot_be_written()
        if "_SEEDLESS_COMPLETE" in os.environ:
            from seedless.cli.completion import register  # only for a shell that completes

            register()
        refuse_seeds(words, os.environ)
        result = seedless.main(words, prog_name="seedless", standalone_mode=False, obj=run, color=colour())
        # Flushed here, where a full disk or a closed pipe still has an exit code: at the end of the
        # interpreter it would be a message of Python's.
        sys.stdout.flush()
        flush_stderr()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except _NoArguments as error:
        write_to_stderr(error.ctx.get_help())
        return ExitCode.USAGE
    except (BrokenPipeError, SystemExit):  # click makes the other of the one
        give_up(sys.stdout)
        return ExitCode.FAILED
    except (click.Abort, KeyboardInterrupt) as error:
        return _ended(words, error)
    except Exception as error:
        if os.environ.get("SEEDLESS_DEBUG"):
            raise
        return _ended(words, error)
    return result if isinstance(result, int) else 0


def _ended(words: Sequence[str], error: BaseException) -> int:
    """Report what ended the command, and return its exit code."""
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        write_to_stderr("\ninterrupted: nothing more was done")
        return ExitCode.INTERRUPTED
    return _fail(words, *_sentence_of(words, error))


def _sentence_of(words: Sequence[str], error: BaseException) -> tuple[str, str, int]:
    """Return message, hint and exit code of *error*, in which the command of these *words* ended."""
    match error:
        case SeedlessError():
            return error.message, error.hint, error.exit_code
        case click.UsageError():
            return *_usage_of(words, error), ExitCode.USAGE
        case click.ClickException():
            return _lowered(error.format_message()), "", ExitCode.FAILED
        case OSError() if message := lost_output(error):
            return message, "", ExitCode.FAILED
        case OSError() if error.strerror:
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror.lower()}", "", ExitCode.FAILED
        case _:
            kind = type(error).__name__
            return (
                f"seedless has a bug: {kind}",
                "run again with SEEDLESS_DEBUG=1 and report what it prints",
                ExitCode.FAILED,
            )


def _usage_of(words: Sequence[str], error: click.UsageError) -> tuple[str, str]:
    """Return message and hint of click's *error*, in which the command of these *words* ended."""
    command = error.ctx.command_path if error.ctx else "seedless"
    if not isinstance(error, click.NoSuchOption):
        return _lowered(error.format_message()), f"{command} --help"
    name = error.option_name
    # Without the dashes, which click compares too: `--file` is not meant for `--quiet`.
    near = alike(name[2:], [option[2:] for option in error.possibilities or ()])
    if not near:
        return f"there is no option {name}", f"{command} --help"
    meant = f"--{near[0]}"
    right = (meant + word.removeprefix(name) if word.split("=")[0] == name else word for word in words)
    return f"there is no option {name}: did you mean {meant}?", typed(["seedless", *right])


def _fail(words: Sequence[str], message: str, hint: str, code: int) -> int:
    from seedless.text import printable, without_seeds  # only when something failed

    cut = (f"{text[:_LONGEST]}…" if text[_LONGEST:] else text for text in map(without_seeds, (message, hint)))
    # Cut first and escaped afterwards: the other order could cut an escape in half.
    message, hint = (printable(text) for text in cut)
    write_to_stderr(f"{click.style('error:', fg='red')} {message}")
    if hint:
        write_to_stderr(f"{click.style('hint:', fg='yellow')} {hint}")
    if "--json" in words:
        import json  # only for --json

        with contextlib.suppress(OSError):
            click.echo(json.dumps({"error": {"message": message, "hint": hint, "exit_code": code}}))
    try:
        sys.stdout.flush()
    except OSError:
        give_up(sys.stdout)
    return code


def _lowered(text: str) -> str:
    """Return click's sentence in the style of ours: lower case, no period, one line."""
    text = " ".join(text.split()).removesuffix(".")
    return text[:1].lower() + text[1:]
