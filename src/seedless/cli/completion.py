"""`seedless completion`: the script that makes a shell complete our commands, and the names in it.

Names come from files that need no PIN and no driver: the store, the inventory, the configuration.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from seedless.app import offered_names
from seedless.cli.command import command
from seedless.cli.options import Settings, json_options
from seedless.errors import SeedlessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seedless.cli.workspace import CommandWorkspace

_SETTINGS = ("context", "store", "operator", "policy")


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
    settings.emit({"shell": shell, "script": script}, script)


class _NameComplete(ShellComplete):
    """The completion of click, with names from the store, the inventory and the configuration."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return what may follow *args* and begins with *incomplete*; click's own where no name is meant."""
        context = _context(self.cli, args, self.prog_name)
        names = _names(context, _parameter(context, args, incomplete))
        if names is None:
            return super().get_completions(args, incomplete)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


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


def _parameter(context: click.Context, args: list[str], incomplete: str) -> str | None:
    """Return the parameter whose value is typed; None where an option or a command is."""
    if isinstance(context.command, click.Group) or incomplete.startswith("-"):
        return None
    last = args[-1] if args else ""
    options = [param for param in context.command.params if isinstance(param, click.Option)]
    for param in options:
        if last in (*param.opts, *param.secondary_opts):
            if not param.is_flag and not param.count:
                return param.name
            break
    arguments = [param for param in context.command.params if isinstance(param, click.Argument)]
    free = (
        argument.name
        for argument in arguments
        if argument.nargs == -1 or not context.params.get(argument.name or "")
    )
    return next(free, None)


def _names(context: click.Context, parameter: str | None) -> Iterable[str] | None:
    """Return the names that *parameter* of the command of *context* takes; None for no name of ours."""
    if parameter is None:
        return None
    words = context.command_path.split()[1:]
    source = _SOURCES.get((words[0], parameter)) or _SOURCES.get(("", parameter))
    if source is None:
        return None
    from seedless.cli.workspace import CommandWorkspace  # only for names

    given: dict[str, Any] = {name: context.params.get(name) for name in _SETTINGS}
    try:
        return list(source(CommandWorkspace(Settings(**given)), context.params.get("account")))
    except (SeedlessError, OSError):
        # There is nobody to warn: what a shell shows while a person types is no place for errors.
        return []


_SOURCES: dict[tuple[str, str], Callable[[CommandWorkspace, str | None], Iterable[str]]] = {
    ("account", "name"): offered_names.accounts,
    ("account", "old"): offered_names.accounts,
    ("account", "names"): offered_names.accounts,
    ("account", "whom"): offered_names.users,
    ("account", "keys"): offered_names.issuers,
    ("account", "key"): offered_names.issuers,
    ("rotate", "name"): offered_names.accounts,
    ("push", "names"): offered_names.accounts,
    ("push", "more"): offered_names.accounts,
    ("pull", "names"): offered_names.accounts,
    ("pull", "more"): offered_names.accounts,
    ("user", "name"): offered_names.users,
    ("user", "names"): offered_names.users,
    ("user", "old"): offered_names.users,
    ("rotate", "key"): offered_names.issuers,
    ("operator", "keys"): offered_names.keys,
    ("", "account"): offered_names.accounts,
    ("", "src_account"): offered_names.accounts,
    ("", "target"): offered_names.accounts,
    ("", "system_account"): offered_names.accounts,
    ("", "operator"): offered_names.operators,
    ("", "context"): offered_names.contexts,
    ("", "token"): offered_names.tokens,
    ("", "issuer"): offered_names.issuers,
    ("", "public_key"): offered_names.keys,
    ("", "new_key"): offered_names.keys,
    ("", "sk"): offered_names.keys,
    ("", "rm_sk"): offered_names.keys,
    ("", "allow"): offered_names.codes,
}
"""First word of the command and parameter, or any command ("") → its names."""
