"""A group of commands that imports a command when it is run, and not to list it."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

from seedless.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from seedless.errors import UsageError

_WIDEST = 100
_NARROWEST = 50
# Words of other programs for what is done here; of those behind a word, the first that the group has.
_ALIKE = {
    "add": ("new", "create", "init"),
    "check": ("doctor", "audit", "show"),
    "create": ("new", "add", "init"),
    "delete": ("remove",),
    "describe": ("show",),
    "generate": ("new", "add"),
    "get": ("show",),
    "info": ("show",),
    "ls": ("list",),
    "new": ("add", "init", "create"),
    "remove": ("delete",),
    "rm": ("delete", "remove"),
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
        # An option is left to click, which reports it as an unknown option and not as a command.
        if args[0] in self.table or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise unknown_command(ctx, args, self._meant(args[0], ctx.find_root().command))

    def _meant(self, word: str, program: click.Command) -> list[str]:
        """Return the command that *word* may have meant, or those of other groups of *program*.

        A word for the same thing goes before the same word elsewhere, and that before a word spelled alike.
        """
        groups = program.packaged() if isinstance(program, LazyGroup) else {}
        elsewhere = [f"seedless {name} {word}" for name, group in groups.items() if word in group.table]
        moved = [self.moved[word]] if word in self.moved else []
        return moved or same_word(word, self.table) or elsewhere or alike(word, self.table)

    def packaged(self) -> dict[str, LazyGroup]:
        """Return the groups that are packages: importing one imports none of its commands."""
        from importlib.util import find_spec  # only for a word that is not a command

        modules = {name: f"{self.package}.{module}" for name, (module, _) in self.table.items()}
        found = {
            name: getattr(importlib.import_module(module), name, None)
            for name, module in modules.items()
            if (spec := find_spec(module)) and spec.submodule_search_locations
        }
        return {name: group for name, group in found.items() if isinstance(group, LazyGroup)}


def same_word(word: str, names: Collection[str]) -> list[str]:
    """Return the one of *names* that is called *word* in other programs, if there is one."""
    return [name for name in _ALIKE.get(word, ()) if name in names][:1]


def alike(word: str, names: Iterable[str]) -> list[str]:
    """Return the one of *names* that is spelled almost as *word* is, if there is one."""
    import difflib  # only for a slip of the pen

    return difflib.get_close_matches(word, names, n=1)


def unknown_command(ctx: click.Context, args: list[str], meant: list[str]) -> UsageError:
    """Return the error about the first of *args*, which is not a command of the group of *ctx*.

    Where one command is *meant*, the hint is that command with the other *args*. One of another group is
    written out, as in `seedless account revoke`. For a command of nsc it is the one that does the same here.
    """
    from seedless.errors import UsageError
    from seedless.nsc_commands import translated  # only for a slip of the pen
    from seedless.text import quoted

    here = ctx.command_path
    theirs, commands = translated([*here.split()[1:], *args])
    if commands:
        program = ctx.find_root().command
        # What is shown is pasted: where none would be accepted, it is the last one, which asks for the help.
        words = next((words for words in commands[:-1] if _is_accepted(program, words)), commands[-1])
        return UsageError(f"{quoted(theirs)} is a command of nsc", typed(["seedless", *words]))
    message = f"there is no command {quoted(args[0])}"
    if meant:
        message = f"{message}: did you mean {' or '.join(meant)}?"
    if len(meant) != 1:
        return UsageError(message, f"{here} --help")
    path = meant[0] if meant[0].startswith("seedless ") else f"{here} {meant[0]}"
    return UsageError(message, typed([*path.split(), *args[1:]]))


def _is_accepted(command: click.Command | None, words: list[str]) -> bool:
    """Report whether *words* are a whole command of *command*, with options that it has; nothing is run."""
    from seedless.errors import SeedlessError  # as above

    name = None
    try:
        while isinstance(command, click.Group):
            name, command, words = command.resolve_command(click.Context(command), words)
        return command is not None and bool(command.make_context(name, list(words)))
    except (click.ClickException, SeedlessError):
        return False


def typed(words: Iterable[str]) -> str:
    """Return the command of these *words* as it is typed into a shell."""
    import shlex  # only where a command is shown

    return shlex.join(words)


def _width() -> int:
    """Return the width of help pages, as click does."""
    return max(min(columns(sys.stdout), _WIDEST) - 2, _NARROWEST)
