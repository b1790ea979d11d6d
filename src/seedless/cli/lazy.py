"""A group of commands that imports a command when it is run, and not to list it."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

_WIDEST = 100
_NARROWEST = 50
# Words of other programs for what is done here; of those behind a word, the first that the group has.
_ALIKE = {
    "add": ("new", "create", "init"),
    "check": ("doctor", "audit", "show"),
    "create": ("new", "add", "init"),
    "describe": ("show",),
    "generate": ("new", "add"),
    "get": ("show",),
    "info": ("show",),
    "ls": ("list",),
    "new": ("add", "init", "create"),
    "remove": ("delete",),
    "rm": ("delete",),
    "set": ("edit",),
    "test": ("doctor", "check"),
    "update": ("edit",),
}


class LazyGroup(click.Group):
    """A click group over a table: name of the command → (module, first line of its help)."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's
        table: dict[str, tuple[str, str]],
        package: str = "seedless.cli",
        moved: dict[str, str] | None = None,
        sections: dict[str, tuple[str, ...]] | None = None,
        **kwargs: Any,  # noqa: ANN401 - click's
    ) -> None:
        """Take the *table*, the *package* of its modules, and the commands that have *moved*."""
        super().__init__(*args, **kwargs)
        self.table = table
        self.package = package
        self.moved = moved or {}
        self.sections = sections or {"Commands": tuple(table)}

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Return the context, which knows how wide the help is."""
        return super().make_context(info_name, args, parent, **{"terminal_width": _width()} | extra)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import the command; None for a name that is not in the table."""
        if cmd_name not in self.table:
            return None
        module = importlib.import_module(f"{self.package}.{self.table[cmd_name][0]}")
        name = cmd_name.replace("-", "_")
        # A name that Python has taken (list, import) ends with an underscore, as PEP 8 has it.
        command: click.Command = getattr(module, f"{name}_" if hasattr(module, f"{name}_") else name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the list of commands from the table alone, by sections."""
        widest = max(map(len, self.table))
        for title, names in self.sections.items():
            with formatter.section(title):
                # Padded, so that the columns of all sections are one.
                formatter.write_dl([(name.ljust(widest), self.table[name][1]) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the one that may have been meant."""
        name = args[0]
        # An option is left to click, which reports it as an unknown option and not as a command.
        if name not in self.table and not name.startswith("-"):
            raise click.UsageError(self.unknown(ctx, name, args), ctx)
        return super().resolve_command(ctx, args)

    def unknown(self, ctx: click.Context, name: str, args: list[str]) -> str:  # noqa: ARG002 - of the whole program
        """Return the message about *name*, which is no command: with the one that may have been meant."""
        from seedless.text import quoted

        guess = self._meant(name, ctx.find_root().command)
        hint = f": did you mean {guess}?" if guess else ""
        hint = f": use {self.moved[name]}" if name in self.moved else hint
        return f"there is no command {quoted(name)}{hint}"

    def _meant(self, word: str, program: click.Command) -> str:
        """Return the command that *word* may have meant, or those of other groups of *program*; "" for none.

        A word for the same thing goes before the same word elsewhere, and that before a word spelled alike.
        """
        import difflib  # only for a slip of the pen

        alike = [name for name in _ALIKE.get(word, ()) if name in self.table]
        groups = program.packaged() if isinstance(program, LazyGroup) else {}
        elsewhere = [f"seedless {name} {word}" for name, group in groups.items() if word in group.table]
        near = difflib.get_close_matches(word, self.table, n=1)
        return " or ".join(alike[:1] or elsewhere or near)

    def packaged(self) -> dict[str, LazyGroup]:
        """Return the groups that are packages: importing one imports none of its commands."""
        from importlib.util import find_spec  # only for a word that is no command

        modules = {name: f"{self.package}.{module}" for name, (module, _) in self.table.items()}
        found = {
            name: getattr(importlib.import_module(module), name, None)
            for name, module in modules.items()
            if (spec := find_spec(module)) and spec.submodule_search_locations
        }
        return {name: group for name, group in found.items() if isinstance(group, LazyGroup)}


def _width() -> int:
    """Return the width of help pages, as click does; its `shutil` loads four compressions to know it."""
    columns = os.environ.get("COLUMNS", "")
    try:
        width = int(columns) if columns.isdecimal() else os.get_terminal_size(sys.stdout.fileno()).columns
    except (AttributeError, ValueError, OSError):  # no stdout at all, a closed one, or no terminal
        width = 0
    return max(min(width or 80, _WIDEST) - 2, _NARROWEST)
