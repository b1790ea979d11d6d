"""`seedless rotate account-key`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.app.rotations.account import SYSTEM_ACCOUNT_LOCKS_OUT
from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, sign_options
from seedless.cli.remote import remote_options, without_servers_option
from seedless.cli.render.rotation import print_account_key
from seedless.cli.rotate.options import check_phase, emergency_option, finish_option
from seedless.cli.rotate.servers import open_servers, publish, sign_steps
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.resolver.remote import Remote
    from seedless.app.resolver.session import TargetSession
    from seedless.app.rotations.account import AccountKeyReport, AccountKeyRotation
    from seedless.jwt import Jwt
    from seedless.rotate.connections import AccountConnections


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
    settings: Settings,
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
    check_phase(key, finish=finish, emergency=emergency)
    workspace = CommandWorkspace(settings)
    servers = open_servers(workspace, remote, without=without_servers, required=finish)

    def rotation(*, ending: bool = False) -> AccountKeyRotation:
        return workspace.rotations.account_key(name, key, new_key=new_key, ending=ending)

    if finish:
        report = _finish(workspace, rotation(ending=True), servers)
    elif emergency:
        report = _emergency(workspace, rotation, servers)
    else:
        report = _begin(workspace, rotation, servers)
    print_account_key(workspace, report)


def _begin(
    workspace: CommandWorkspace, rotation: Callable[[], AccountKeyRotation], servers: TargetSession | None
) -> AccountKeyReport:
    """Do the first phase, or what is left of it, and push it."""
    if servers and rotation().is_of_the_system_account:
        servers.log_in()  # before the creds of the system account change
    with workspace.lock():
        found = rotation()
        signed = sign_steps(workspace, found.begin(activations=workspace.options.plan is None))
        found = found.again()
    return found.report("overlap", signed, *_published(workspace, found, servers))


def _finish(
    workspace: CommandWorkspace, found: AccountKeyRotation, servers: TargetSession | None
) -> AccountKeyReport:
    """Do the second phase: push what is left of the first, remove the previous key, and push that."""
    if not found.is_done:
        found.require_moved()
    seen, sent = _published(workspace, found, servers)
    if found.is_done:
        return found.report("finished", (), seen, sent)
    found.require_disconnected(seen)
    with workspace.lock():
        found = found.again()
        signed = sign_steps(workspace, found.finish(seen))
        found = found.again()
    seen, more = _published(workspace, found, servers)
    return found.report("finished", signed, seen, sent + more)


def _emergency(
    workspace: CommandWorkspace, rotation: Callable[..., AccountKeyRotation], servers: TargetSession | None
) -> AccountKeyReport:
    """Do both phases at once, after showing whom that locks out."""
    if servers:
        servers.log_in()
    signed: tuple[Jwt[Any], ...] = ()
    with workspace.lock():
        found = rotation(ending=True)
        if not found.is_done:
            signed = sign_steps(workspace, found.replace_at_once(_connections(found, servers)))
            found = found.again()
    # The user who logs in may be one of those who are locked out, when it is the system account.
    published = _published(workspace, found, servers, SYSTEM_ACCOUNT_LOCKS_OUT)
    return found.report("finished", signed, *published)


def _published(
    workspace: CommandWorkspace, found: AccountKeyRotation, servers: TargetSession | None, *waived: str
) -> tuple[AccountConnections | None, int]:
    """Push the account, and those with its activations; return who is connected, and how many were sent."""
    if servers is None:
        return None, 0
    with servers:
        sent = publish(workspace, servers, found.to_push(), waived=waived)
        return servers.connections(found.account.claims.sub), sent


def _connections(found: AccountKeyRotation, servers: TargetSession | None) -> AccountConnections | None:
    if servers is None:
        return None
    with servers:
        return servers.connections(found.account.claims.sub)
