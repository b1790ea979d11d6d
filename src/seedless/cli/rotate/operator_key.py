"""`seedless rotate operator-key`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import sign_options
from seedless.cli.remote import remote_options, without_servers_option
from seedless.cli.rotate.options import emergency_option, finish_option, open_run, phase_of
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from seedless.app.resolver.remote import Remote
    from seedless.cli.workspace import CommandWorkspace


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

    Servers learn another operator jwt only when they start anew, so there are barriers, and the servers' own
    reports prove that each is passed. Each run reports its stage and what comes next, and takes what steps
    it may: add the new key; when every server trusts it, sign the accounts again and push them; with
    --finish, when no server holds an account by the old key, remove that; then report which still trust it.

    \b
    Example:
      seedless rotate operator-key --token pkcs11:token=ACME --url nats://localhost:4222
      seedless rotate operator-key --finish --url nats://localhost:4222
    """  # fmt: skip
    from seedless.cli.render.rotation import print_operator_key  # not for --help

    phase = phase_of(key, finish=finish, emergency=emergency)
    run = open_run(workspace, remote, without_servers=without_servers)
    print_operator_key(workspace, run.operator_key(key, new_key=new_key, phase=phase))
