"""`seedless rotate operator-key`."""

from __future__ import annotations

import click

from seedless.cli._remote import Remote, remote_options
from seedless.cli._rotate_servers import without_servers_option
from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, sign_options
from seedless.cli.rotate.options import check_phase, emergency_option, finish_option
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role


@command(name="operator-key")
@click.option("--key", metavar="O…", help="The key that is replaced [default: the only one].")
@click.option(
    "--new-key",
    type=PublicKeyType(Role.OPERATOR),
    metavar="O…",
    help="The replacement key; without it one is made on the token.",
)
@finish_option
@emergency_option
@without_servers_option
@remote_options
@sign_options
def operator_key(
    settings: Settings,
    *,
    key: str | None,
    new_key: PublicKey | None,
    finish: bool,
    emergency: bool,
    without_servers: bool,
    remote: Remote,
) -> None:
    """Replace a signing key of the operator by a new one.

    Servers learn another operator jwt only when they start anew, so there are barriers, and the servers' own
    words prove that each is passed. Each run says where it stands and what comes next, and takes what steps
    it may: add the new key; when every server trusts it, sign the accounts again and push them; with
    --finish, when no server holds an account by the old key, remove that; then tell which still trust it.

    \b
    Example:
      seedless rotate operator-key --token pkcs11:token=ACME --url nats://localhost:4222
      seedless rotate operator-key --finish --url nats://localhost:4222
    """  # fmt: skip
    from seedless.cli import _rotate_operator as steps  # noqa: PLC0415 - nats-py and more, not for --help

    check_phase(key, finish=finish, emergency=emergency)
    wanted = steps.Wanted(key=key, new=new_key, remote=remote, without_servers=without_servers)
    step = steps.finish if finish else steps.emergency if emergency else steps.begin
    step(CommandWorkspace(settings), wanted)
