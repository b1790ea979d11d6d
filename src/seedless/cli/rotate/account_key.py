"""`seedless rotate account-key`."""

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


@command(name="account-key")
@click.argument("name")
@click.option("--key", metavar="KEY|ROLE", help="The key that is replaced [default: the only one].")
@click.option(
    "--new-key",
    type=PublicKeyType(Role.ACCOUNT),
    metavar="A…",
    help="The replacement key; without it one is made on the token.",
)
@finish_option
@emergency_option
@without_servers_option
@remote_options
@sign_options
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
      seedless rotate account-key ORDERS --token pkcs11:token=ACME --url nats://localhost:4222
      seedless rotate account-key ORDERS --finish --url nats://localhost:4222
    """  # fmt: skip
    from seedless.cli.render.rotation import print_account_key  # not for --help

    phase = phase_of(key, finish=finish, emergency=emergency)
    run = open_run(workspace, remote, without_servers=without_servers)
    print_account_key(
        workspace,
        run.account_key(name, key, new_key=new_key, phase=phase, activations=workspace.options.plan is None),
    )
