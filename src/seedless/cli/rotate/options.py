"""What the rotations share: the phase to run, and a run that shows what it signs and sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.errors import UsageError

if TYPE_CHECKING:
    from seedless.app.pipeline import Preview
    from seedless.app.resolver.remote import Remote
    from seedless.app.rotations.run import Phase, RotationRun
    from seedless.app.rotations.steps import RotationStep
    from seedless.cli.workspace import CommandWorkspace

finish_option = click.option("--finish", is_flag=True, help="The second phase: the old key is removed.")


emergency_option = click.option(
    "--emergency", is_flag=True, help="Both phases at once, after saying whom that locks out. Requires --key."
)


def phase_of(key: str | None, *, finish: bool, emergency: bool) -> Phase:
    """Return the phase; raise `UsageError` for two ends, and for an emergency without its *key*."""
    from seedless.app.rotations.replacement import require_named  # not for --help
    from seedless.app.rotations.run import Phase

    if finish and emergency:
        raise UsageError("--finish and --emergency are two ways to end it", "give one")
    if emergency:
        require_named(key)
        return Phase.EMERGENCY
    return Phase.FINISH if finish else Phase.BEGIN


def open_run(workspace: CommandWorkspace, remote: Remote, *, without_servers: bool) -> RotationRun:
    """Return a run that shows each step and what is pushed, and asks; --dry-run and --plan only show it."""
    from seedless.app.rotations.steps import RotationStep  # not for --help
    from seedless.cli.push import send_with_consent
    from seedless.cli.remote import sign_with_consent
    from seedless.cli.review import show_notices, sign_preview

    options = workspace.options

    def sign(step: Preview[RotationStep]) -> RotationStep:
        if step.is_empty and options.is_only_shown:
            # Nothing is left to sign, and so the command goes on to what it would send.
            show_notices(step)
            return RotationStep(())
        return sign_preview(workspace, step)

    return workspace.rotations.run(
        remote,
        without_servers=without_servers,
        sign=sign,
        sign_login=sign_with_consent(workspace),
        send=lambda accounts: send_with_consent(workspace, accounts),
        is_trial=options.is_only_shown,
    )
