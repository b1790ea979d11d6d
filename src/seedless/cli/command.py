"""Commands whose help has its options in groups, and those that most commands share in one line.

`--help` lists what a command is about; `--help --all` lists every option with its description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import augment_usage_errors

from seedless.cli.lazy import alike, same_word, unknown_command

if TYPE_CHECKING:
    from collections.abc import Callable

_SHARED_GROUPS = {
    "Store": ("context", "store", "operator"),
    "Token": ("module", "token", "pin_source", "last_try", "allow_extractable"),
    "Review and signing": (
        "policy", "allow", "reset_time", "dry_run", "plan", "yes", "jobs", "verbose",
    ),
    "Output": ("as_json", "quiet", "help"),
}  # fmt: skip
SHARED = {name: heading for heading, names in _SHARED_GROUPS.items() for name in names}
"""Options of `options.py`, with their headings: who knows one command knows them in all."""
_RARE = frozenset({
    "allow_pub_response", "response_ttl", "deny_pubsub", "trace_context_subject", "trace_context_sampling",
    "js_tier", "js_enable", "js_disable", "rm_latency_sampling", "rm_response_perms", "unset", "ca_cert",
    "client_cert", "client_key", "tls_first", "patience", "servers", "rm_tag",
})  # fmt: skip
"""Options that few people need, beside those that are `GroupedOption`s: the help names them in one line."""
_PERMISSIONS = frozenset({
    "allow_pub", "allow_sub", "allow_pubsub", "deny_pub", "deny_sub", "deny_pubsub", "allow_pub_response",
    "response_ttl", "rm", "rm_response_perms",
})  # fmt: skip
_SERVERS = frozenset({
    "urls", "configuration", "creds", "system_account", "system_user", "temporary_user", "ca_cert",
    "client_cert", "client_key", "tls_first", "patience", "servers",
})  # fmt: skip
_GROUPS = (
    "Options", "Limits", "JetStream", "Permissions", "Connection to servers", *_SHARED_GROUPS,
)  # fmt: skip
_KNOWN_BEST = ("--token", "--dry-run", "--plan", "--yes", "--json")
_EVERYTHING = "seedless.help.everything"
_NO_SHARED = "seedless.help.no_shared"
_OPTION_COLUMN = 34  # characters; a longer option has its description on the next line


class GroupedOption(click.Option):
    """An option with the `heading` under which the help lists it; few people need one that `is_rare`."""

    def __init__(self, *words: Any, heading: str, is_rare: bool = False, **attributes: Any) -> None:  # noqa: ANN401 - click's
        """Take what `click.Option` takes, and where the help lists it."""
        super().__init__(*words, **attributes)
        self.heading = heading
        self.is_rare = is_rare


def _heading_of(param: click.Option, name: str) -> str:
    """Return the heading under which the help lists *param*, which is called *name*."""
    if isinstance(param, GroupedOption):
        return param.heading
    if name in SHARED:
        return SHARED[name]
    if name in _SERVERS:
        return "Connection to servers"
    if name.startswith("js_"):
        return "JetStream"
    return "Permissions" if name in _PERMISSIONS else "Options"


class Command(click.Command):
    """A click command with `--help --all`, and with its options in groups."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `--all` beside `--help` for the whole help, whatever else the command means by it."""
        if "--all" in args and any(name in args for name in ctx.help_option_names):
            args = [word for word in args if word != "--all"]
            show_everything(ctx)
        # click's parser does not name the command in which an option lacks its value.
        with augment_usage_errors(ctx):
            return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups, and of those that are shared or rare the names alone.

        With `--help --all` every option has its description.
        """
        shown = ctx.meta.get(_EVERYTHING, False)
        hidden = ctx.meta.get(_NO_SHARED, False)
        groups: dict[str, list[tuple[str, str]]] = {}
        rare: list[str] = []
        shared: list[str] = []
        # An account's permissions are defaults for its users, which most accounts do not set.
        folded = _RARE | (_PERMISSIONS if any(param.name == "exports" for param in self.params) else set())
        for param in self.get_params(ctx):
            record, name = param.get_help_record(ctx), _name(param)
            if record is None or not isinstance(param, click.Option) or (hidden and name in SHARED):
                continue
            is_rare = name in folded or (isinstance(param, GroupedOption) and param.is_rare)
            if not shown and (name in SHARED or is_rare):
                (shared if name in SHARED else rare).append(max(param.opts, key=len))
            else:
                groups.setdefault(_heading_of(param, name), []).append((_switch(record[0]), record[1]))
        for title in sorted(groups, key=_GROUPS.index):
            with formatter.section(title):
                formatter.write_dl(groups[title], col_max=_OPTION_COLUMN)
        if rare:
            _write_names(formatter, "Less often:", rare)
        if shared:
            named = [option for option in shared if option in _KNOWN_BEST]
            _write_names(formatter, "Shared:", [*named, "…"], "(all: --help --all)")


class Group(click.Group):
    """A group in one file, of commands such as ours."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the one that may have been meant."""
        if args[0] in self.commands or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        meant = same_word(args[0], self.commands) or alike(args[0], self.commands)
        raise unknown_command(ctx, args, meant)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; that a group has --help goes without saying."""
        self.format_commands(ctx, formatter)


def command(name: str | None = None, **attributes: object) -> Callable[[Callable[..., object]], Command]:
    """Make a `Command` of a function, as `click.command` does."""
    return click.command(name, cls=Command, **attributes)


def group(name: str | None = None, **attributes: object) -> Callable[[Callable[..., object]], Group]:
    """Make a `Group` of a function, as `click.group` does."""
    return click.group(name, cls=Group, **attributes)


def hide_shared(ctx: click.Context) -> None:
    """Let the help of *ctx* list every option that is the command's own, and none that is shared."""
    ctx.meta[_EVERYTHING] = ctx.meta[_NO_SHARED] = True


def show_everything(ctx: click.Context) -> None:
    """Let the help of *ctx* list every option with its description."""
    ctx.meta[_EVERYTHING] = True


def _name(param: click.Parameter) -> str:
    return "help" if "--help" in param.opts else param.name or ""


def _switch(flags: str) -> str:
    """Return `--[no-]x` for the *flags* `--x / --no-x`, which fit no column."""
    yes, _, no = flags.partition(" / --no-")
    return f"--[no-]{no}" if no and yes == f"--{no}" else flags


def _write_names(formatter: click.HelpFormatter, title: str, names: list[str], end: str = "") -> None:
    """Write *names* behind *title*; unlike click's, the lines do not break at the hyphens of a name."""
    line = title
    formatter.write_paragraph()
    words = [f"{name}," for name in names[:-1]] + [names[-1], *([end] if end else [])]
    for word in words:
        if len(line) + 1 + len(word) > formatter.width:
            formatter.write(f"{line}\n")
            line = f"  {word}"
        else:
            line = f"{line} {word}"
    formatter.write(f"{line}\n")
