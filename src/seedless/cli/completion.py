"""`seedless completion`: the script that makes a shell complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from seedless.cli import printing
from seedless.cli.options import Settings, json_options
from seedless.errors import UsageError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_options
def completion(settings: Settings, *, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Example:
      seedless completion bash > ~/.local/share/bash-completion/completions/seedless
    """
    from seedless.cli.main import seedless  # noqa: PLC0415 - it is what runs this

    maker = get_completion_class(shell)
    if maker is None:
        raise UsageError(f"there is no completion for {shell}", "bash, zsh or fish")
    script = maker(seedless, {}, "seedless", "_SEEDLESS_COMPLETE").source()
    printing.emit({"shell": shell, "script": script}, script, as_json=settings.as_json)
