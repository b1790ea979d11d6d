"""Options that the rotations share: the phase to run."""

from __future__ import annotations

import click

from seedless.errors import UsageError

finish_option = click.option("--finish", is_flag=True, help="The second phase: the old key is removed.")


emergency_option = click.option(
    "--emergency", is_flag=True, help="Both phases at once, after saying whom that locks out. Requires --key."
)


def check_phase(key: str | None, *, finish: bool, emergency: bool) -> None:
    """Raise `UsageError` for two ends, and for an emergency without the key that it is about."""
    from seedless.rotate.replacement import require_named  # not for --help

    if finish and emergency:
        raise UsageError("--finish and --emergency are two ways to end it", "give one")
    if emergency:
        require_named(key)
