"""`seedless rotate account-key` and `rotate operator-key`: a signing key is replaced, in two phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.cli.command import command
from seedless.cli.key_options import public_key_type
from seedless.cli.options import combined, sign_options
from seedless.cli.remote import remote_options, without_servers_option
from seedless.errors import UsageError
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.pipeline import Preview
    from seedless.app.resolver.remote import Remote
    from seedless.app.rotations.replacement import RotationStep
    from seedless.app.rotations.run import Phase, RotationRun
    from seedless.cli.workspace import CommandWorkspace


_ROTATION = (
    click.option("--finish", is_flag=True, help="The second phase: the old key is removed."),
    click.option(
        "--emergency",
        is_flag=True,
        help="Both phases at once, after saying whom that locks out. Requires --key.",
    ),
    without_servers_option,
    remote_options,
    sign_options,
)


def _rotation_options(role: Role, key: str) -> Callable[[Any], Any]:
    """Return a decorator for the options of both rotations: of a key of *role*, which help calls *key*."""
    which = click.option("--key", metavar=key, help="The key that is replaced [default: the only one].")
    new = click.option(
        "--new-key",
        type=public_key_type(role),
        metavar=f"{role.value}…",
        help="The replacement key; without it one is made on the token.",
    )
    return combined(which, new, *_ROTATION)


def _phase_of(key: str | None, *, finish: bool, emergency: bool) -> Phase:
    """Return the phase; raise `UsageError` for two ends, and for an emergency without its *key*."""
    from seedless.app.rotations.replacement import require_named  # not for --help
    from seedless.app.rotations.run import Phase

    if finish and emergency:
        raise UsageError("--finish and --emergency are two ways to end it", "give one")
    if emergency:
        require_named(key)
        return Phase.EMERGENCY
    return Phase.FINISH if finish else Phase.BEGIN


def _open_run(workspace: CommandWorkspace, remote: Remote, *, without_servers: bool) -> RotationRun:
    """Return a run that shows each step and what is pushed, and asks; --dry-run and --plan only show it."""
    from seedless.app.rotations.replacement import RotationStep  # not for --help
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


@command(name="account-key")
@click.argument("name")
@_rotation_options(Role.ACCOUNT, "KEY|ROLE")
def account_key(
    workspace: CommandWorkspace,
    *,
    name: str,
    key: str | None,
    new_key: PublicKey | None,
    finish: bool,
    emergency: bool,
    without_servers: bool,
    remote: Remote,
) -> None:
    """Replace a signing key of the account NAME by a new one.

    The first phase adds the new key beside the previous one, with the same role and template, signs again
    what the previous one has signed (users, and activations in imports of this store), writes the creds anew
    and pushes the account. It reports which creds are to be delivered, and who is still connected through the
    previous key. Run again, it goes on from there. The second phase, --finish, removes the previous key; it
    is refused while anything, also a connection, depends on it.

    \b
    Example:
      seedless rotate account-key ORDERS --token ACME --url nats://localhost:4222
      seedless rotate account-key ORDERS --finish --url nats://localhost:4222
    """  # fmt: skip
    from seedless.cli.render.rotation import print_account_key  # not for --help

    phase = _phase_of(key, finish=finish, emergency=emergency)
    run = _open_run(workspace, remote, without_servers=without_servers)
    print_account_key(
        workspace,
        run.account_key(name, key, new_key=new_key, phase=phase, activations=workspace.options.plan is None),
    )


@command(name="operator-key")
@_rotation_options(Role.OPERATOR, "O…")
def operator_key(
    workspace: CommandWorkspace,
    *,
    key: str | None,
    new_key: PublicKey | None,
    finish: bool,
    emergency: bool,
    without_servers: bool,
    remote: Remote,
) -> None:
    """Replace a signing key of the operator by a new one.

    Servers learn another operator jwt only when they restart, so there are barriers, and the servers' own
    reports prove that each is passed. Each run reports its stage and what comes next, and takes what steps
    it may: add the new key; when every server trusts it, sign the accounts again and push them; with
    --finish, when no server has an account signed by the previous key, remove that; then report which still
    trust it.

    \b
    Example:
      seedless rotate operator-key --token ACME --url nats://localhost:4222
      seedless rotate operator-key --finish --url nats://localhost:4222
    """  # fmt: skip
    from seedless.cli.render.rotation import print_operator_key  # not for --help

    phase = _phase_of(key, finish=finish, emergency=emergency)
    run = _open_run(workspace, remote, without_servers=without_servers)
    print_operator_key(workspace, run.operator_key(key, new_key=new_key, phase=phase))
