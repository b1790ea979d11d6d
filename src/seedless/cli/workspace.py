"""The workspace of a command: its options, drivers in a child process, progress on the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, TypeVar, cast

import click

from seedless.app.workspace import Workspace, system_time
from seedless.cli import printing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedless.cli.main import Run
    from seedless.cli.options import Settings

__all__ = ["CommandWorkspace"]

T = TypeVar("T")

_LONG = 200  # items; fewer are done before a person looks
_TENTHS = 10


class CommandWorkspace(Workspace):
    """A workspace whose settings are all options of a command; with --dry-run it excludes nobody."""

    def __init__(self, settings: Settings) -> None:
        """Take the options; nothing is read yet."""
        self._begin(settings, system_time, _TERMINAL)
        context = click.get_current_context(silent=True)
        self.command = context.command_path.partition(" ")[2] if context else ""

    @property
    def options(self) -> Settings:
        """The options; `settings` has the context that they name as well."""
        return cast("Settings", self._options)

    def emit(self, data: object, text: str, *, is_file: bool = False) -> None:
        """Print *data* as one JSON object with --json, or *text* for people; see `printing.emit`."""
        self.options.emit(data, text, is_file=is_file)

    def _excluding_others(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext() if self.options.dry_run else super()._excluding_others()


class _Terminal:
    """The observer of a command."""

    def before_driver(self, module: Path, /) -> None:
        """Go on in a child process, so that the command ends in a sentence whatever the driver does."""
        from seedless.pkcs11.isolation.supervised import SupervisedProcess  # only where a driver is loaded

        context = click.get_current_context(silent=True)
        run: Run | None = context.find_root().obj if context is not None else None
        if run is not None:
            run.supervised = run.supervised or SupervisedProcess(run.report_end, printing.report)
            run.supervised.start(module)

    def progress(self, items: Iterable[T], total: int, label: str, /) -> Iterator[T]:
        """Show a bar on a terminal, plain lines elsewhere, both on stderr."""
        return _with_progress(items, total, label)

    def waits(self, notice: str, /) -> None:
        """Print why the command waits."""
        printing.report(notice)


_TERMINAL = _Terminal()


def _with_progress(items: Iterable[T], length: int, label: str) -> Iterator[T]:
    """Yield *items*, of which there are *length*, and report how many are done; nothing when they are few."""
    if length < _LONG:
        yield from items
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
            yield from bar
    else:
        yield from _with_lines(items, length, label)


def _with_lines(items: Iterable[T], length: int, label: str) -> Iterator[T]:
    """Yield *items*, and report after every tenth of them how many are done."""
    reported = 0
    for done, item in enumerate(items, start=1):
        yield item
        tenth = done * _TENTHS // length
        if tenth > reported:
            reported = tenth
            printing.report(f"{label}: {done} of {length}")
