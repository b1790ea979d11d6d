"""Options that the rotations share: the phase to run."""

from __future__ import annotations

import click

from seedless.errors import UsageError

finish_option = click.option("--finish", is_flag=True, help="The second phase: the old key is removed.")


emergency_option = click.option(
    "--emergency", is_flag=True, help="Both phases at once, after saying whom that locks out. Requires --key."
)


def check_phase(key: str | None, *, finish: bool, emergency: bool) -> None:
    """Raise `UsageError` for two ends, and for an emergency without the key that it is about.

    The same command again, after it was killed, must not do away with the key that has just been made.
    """
    from seedless.rotate.replacement import is_key  # noqa: PLC0415 - not for --help

    if finish and emergency:
        raise UsageError("--finish and --emergency are two ways to end it", "give one")
    if emergency and (key is None or not is_key(key)):
        raise UsageError(
            "an emergency is about one key, and none is named",
            "--key PUBKEY names the key that must go",
        )
