"""`seedless completion`: the script that makes a shell complete our commands, and the names in it.

Names come from files that need no PIN and no driver: the store, the inventory, the configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

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
      seedless completion bash > ~/.local/share/bash-completion/completions/seedless
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


class _Bash(_NameComplete, BashComplete):
    """For bash."""


class _Zsh(_NameComplete, ZshComplete):
    """For zsh."""


class _Fish(_NameComplete, FishComplete):
    """For fish."""


_COMPLETERS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


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
    free = (one.name for one in arguments if one.nargs == -1 or not context.params.get(one.name or ""))
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
        return list(source(CommandWorkspace(Settings(**given)), context.params))
    except (SeedlessError, OSError):
        # There is nobody to warn: what a shell shows while a person types is no place for errors.
        return []


def _accounts(workspace: CommandWorkspace, _: dict[str, Any]) -> Iterable[str]:
    return workspace.store.children()


def _users(workspace: CommandWorkspace, params: dict[str, Any]) -> Iterable[str]:
    store = workspace.store
    accounts = [params["account"]] if params.get("account") else store.children()
    return sorted({user for account in accounts for user in store.children(account)})


def _operators(workspace: CommandWorkspace, _: dict[str, Any]) -> Iterable[str]:
    from seedless.store import operators  # only for names

    return operators(workspace.root)


def _contexts(workspace: CommandWorkspace, _: dict[str, Any]) -> Iterable[str]:
    return workspace.config.contexts


def _keys(workspace: CommandWorkspace, _: dict[str, Any]) -> Iterable[str]:
    return [str(entry.public_key) for entry in workspace.inventory()]


def _tokens(workspace: CommandWorkspace, _: dict[str, Any]) -> Iterable[str]:
    labels = {place.token.token for entry in workspace.inventory() for place in entry.places}
    return sorted(label for label in labels if label)


def _issuers(workspace: CommandWorkspace, params: dict[str, Any]) -> Iterable[str]:
    return [*_roles(workspace, params), *_keys(workspace, params)]


def _roles(workspace: CommandWorkspace, params: dict[str, Any]) -> Iterable[str]:
    from seedless.claims import Account, Scope  # only for roles

    store = workspace.store
    for account in [params["account"]] if params.get("account") else store.children():
        jwt = store.get(account)
        if jwt is not None and isinstance(jwt.claims.body, Account):
            yield from (
                key.role for key in jwt.claims.body.signing_keys if isinstance(key, Scope) and key.role
            )


def _codes(*_: object) -> Iterable[str]:
    from seedless.rules import code_of, rules  # only for codes

    return sorted(code_of(rule) for rule in rules())


_SOURCES: dict[tuple[str, str], Callable[[CommandWorkspace, dict[str, Any]], Iterable[str]]] = {
    ("account", "name"): _accounts,
    ("account", "old"): _accounts,
    ("account", "names"): _accounts,
    ("account", "whom"): _users,
    ("account", "keys"): _issuers,
    ("account", "key"): _issuers,
    ("rotate", "name"): _accounts,
    ("push", "names"): _accounts,
    ("push", "more"): _accounts,
    ("pull", "names"): _accounts,
    ("pull", "more"): _accounts,
    ("user", "name"): _users,
    ("user", "names"): _users,
    ("user", "old"): _users,
    ("key", "public_key"): _keys,
    ("", "account"): _accounts,
    ("", "src_account"): _accounts,
    ("", "target"): _accounts,
    ("", "system_account"): _accounts,
    ("", "operator"): _operators,
    ("", "context"): _contexts,
    ("", "token"): _tokens,
    ("", "issuer"): _issuers,
    ("", "allow"): _codes,
}
"""First word of the command and parameter, or any command ("") → its names."""
