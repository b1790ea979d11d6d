"""`seedless help`: the help of a command, by its words."""

from __future__ import annotations

import click

from seedless.cli.command import command, show_everything
from seedless.cli.options import Settings, json_options
from seedless.errors import UsageError
from seedless.text import quoted


@command(name="help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.option("--all", "everything", is_flag=True, help="With every option.")
@json_options
def help_(settings: Settings, *, words: tuple[str, ...], everything: bool) -> None:
    """Show the help of a command.

    \b
    Example:
      seedless help account add
      seedless help account add --all
    """
    context = click.get_current_context().find_root()
    found = context.command
    for number, word in enumerate(words):
        inner = found.get_command(context, word) if isinstance(found, click.Group) else None
        if inner is None:
            path = " ".join(("seedless", *words[:number]))
            raise UsageError(f"{path} has no command {quoted(word)}", f"{path} --help")
        context = inner.make_context(word, [], parent=context, resilient_parsing=True)
        found = inner
    if everything:
        show_everything(context)
    text = context.get_help()
    settings.emit({"command": context.command_path, "help": text}, text, is_file=True)
