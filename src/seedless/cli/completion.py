"""`seedless completion`: the script that makes a shell complete our commands, and the names in it.

Names come from files that need no PIN and no driver: the store, the inventory, the configuration.
"""

from __future__ import annotations

import os
import re
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from seedless.app import offered_names
from seedless.cli.command import command
from seedless.cli.docs import pages
from seedless.cli.options import Settings, json_options

_SETTINGS = ("context", "store", "operator", "policy")
_TYPED = click.core.ParameterSource.COMMANDLINE
_IN_FILES = re.compile("FILE|DIR|OLD|NEW")


@command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_options
def completion(settings: Settings, *, shell: str) -> None:
    """Print the completion script for a shell.

    It completes commands, options, and the names of accounts, users, operators, contexts, keys, tokens, roles
    and rule codes.

    \b
    Example:
      seedless completion bash >> ~/.bash_completion
      seedless completion zsh > ~/.zfunc/_seedless
      seedless completion fish > ~/.config/fish/completions/seedless.fish
    """
    program = click.get_current_context().find_root().command
    script = _COMPLETERS[shell](program, {}, "seedless", "_SEEDLESS_COMPLETE").source()
    settings.emit({"shell": shell, "script": script}, script, is_file=True)


class _NameComplete(ShellComplete):
    """The completion of click, with names from the store, the inventory and the configuration."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return what may follow *args* and begins with *incomplete*; click's own where no name is meant."""
        # Click parses nothing before an option whose value is missing.
        whole = args[:-1] if args and args[-1].startswith("-") else args
        context = _context(self.cli, whole, self.prog_name)
        parameter = _parameter(context, args, incomplete)
        names = _names(context, parameter) if parameter else None
        found = [CompletionItem(name) for name in names or () if name.startswith(incomplete)]
        if not found and parameter and _IN_FILES.search(parameter.metavar or ""):
            return [CompletionItem(incomplete, "file")]
        return super().get_completions(args, incomplete) if names is None else found


class _Bash(BashComplete):
    """For bash, which writes what it is given into the line as it is."""

    def format_completion(self, item: CompletionItem) -> str:
        """Escape the spaces in a name, unless it was begun with a quotation mark."""
        words = dict(enumerate(os.environ["COMP_WORDS"].split("\n")))  # as they were typed
        if not words.get(int(os.environ["COMP_CWORD"]), "").startswith(("'", '"')):
            # Twice, since the `read` of the script takes one backslash away.
            item = CompletionItem(item.value.replace(" ", r"\\ "), item.type, item.help)
        return super().format_completion(item)


_COMPLETERS: dict[str, type[ShellComplete]] = {
    base.name: type(f"Names{base.__name__}", (_NameComplete, base), {})
    for base in (_Bash, ZshComplete, FishComplete)
}


def register() -> None:
    """Let click complete names as well, in each shell."""
    from click.shell_completion import add_completion_class  # beside its use

    for shell, completer in _COMPLETERS.items():
        add_completion_class(completer, shell)


def _context(program: click.Command, args: list[str], name: str) -> click.Context:
    """Return the context of the innermost command that *args* name."""
    context = program.make_context(name, list(args), resilient_parsing=True)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]  # noqa: SLF001 - click's completion reads them as well
        if not rest:
            break
        word, inner, rest = context.command.resolve_command(context, rest)
        if inner is None:
            break
        context = inner.make_context(word, rest, parent=context, resilient_parsing=True)
    return context


def _parameter(context: click.Context, args: list[str], incomplete: str) -> click.Parameter | None:
    """Return the parameter whose value is typed; None where an option or a command is."""
    if isinstance(context.command, click.Group) or incomplete.startswith("-"):
        return None
    last = args[-1] if args else ""
    options = [param for param in context.command.params if isinstance(param, click.Option)]
    for param in options:
        if last in (*param.opts, *param.secondary_opts):
            if not param.is_flag and not param.count:
                return param
            break
    arguments = [param for param in context.command.params if isinstance(param, click.Argument)]
    free = (
        argument
        for argument in arguments
        if argument.nargs == -1 or context.get_parameter_source(argument.name or "") is not _TYPED
    )
    return next(free, None)


def _names(context: click.Context, parameter: click.Parameter) -> list[str] | None:
    """Return the names that *parameter* of the command of *context* takes; None for no name of ours."""
    from seedless.cli.workspace import CommandWorkspace  # only for names

    words = context.command_path.split()[1:]
    if words == ["help"]:
        return _commands(context.find_root(), context.params["words"])
    if words == ["docs"]:
        return list(pages())
    given: dict[str, Any] = {name: context.params.get(name) for name in _SETTINGS}
    option = max(parameter.opts, key=len)
    # The account whose own users are meant is the argument of commands on accounts.
    account = context.params.get("account") or context.params.get("name")
    return offered_names.offered(CommandWorkspace(Settings(**given)), words, option, account)


def _commands(context: click.Context, words: tuple[str, ...]) -> list[str]:
    """Return the commands behind *words*."""
    group: click.Command | None = context.command
    for word in words:
        group = group.get_command(context, word) if isinstance(group, click.Group) else None
    return group.list_commands(context) if isinstance(group, click.Group) else []
