"""The workspace of a command: its options, drivers in a child process, progress on the terminal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar, cast

from seedless.app.workspace import Workspace, system_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedless.cli.options import Settings

__all__ = ["CommandWorkspace"]

T = TypeVar("T")


class CommandWorkspace(Workspace):
    """A workspace whose settings are all options of a command; with --dry-run it excludes nobody."""

    def __init__(self, settings: Settings) -> None:
        """Take what the options say; nothing is read yet."""
        self._begin(settings, system_time, _TERMINAL)

    @property
    def options(self) -> Settings:
        """What the options say, and for those that were not given the context that they name."""
        return cast("Settings", self.settings)

    def _excluding_others(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext() if self.options.dry_run else super()._excluding_others()


class _Terminal:
    """The observer of a command."""

    def before_driver(self, module: Path, /) -> None:
        """Go on in a child process, so that the command ends in a sentence whatever the driver does."""
        from seedless.cli.driver.supervisor import stand_guard  # only where a driver is loaded

        stand_guard(module)

    def progress(self, items: Iterable[T], total: int, label: str, /) -> Iterator[T]:
        """Show a bar, or lines."""
        from seedless.cli.render.progress import with_progress  # only where something is signed

        return with_progress(items, total, label)

    def waits(self, notice: str, /) -> None:
        """Print why the command waits."""
        from seedless.cli import printing

        printing.say(notice)


_TERMINAL = _Terminal()
