"""`seedless rotate operator-key`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.app.rotations.operator import UNTRUSTED_ISSUER
from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, sign_options
from seedless.cli.remote import remote_options, without_servers_option
from seedless.cli.render.rotation import print_operator_key
from seedless.cli.rotate.options import check_phase, emergency_option, finish_option
from seedless.cli.rotate.servers import open_servers, publish, sign_steps
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.nkey import PublicKey, Role
from seedless.rotate.operator import RotationStage

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.resolver.remote import Remote
    from seedless.app.resolver.session import TargetSession
    from seedless.app.rotations.operator import OperatorKeyReport, OperatorKeyRotation
    from seedless.jwt import Jwt
    from seedless.rotate.operator import ServersSeen


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
    reports prove that each is passed. Each run reports its stage and what comes next, and takes what steps
    it may: add the new key; when every server trusts it, sign the accounts again and push them; with
    --finish, when no server holds an account by the old key, remove that; then report which still trust it.

    \b
    Example:
      seedless rotate operator-key --token pkcs11:token=ACME --url nats://localhost:4222
      seedless rotate operator-key --finish --url nats://localhost:4222
    """  # fmt: skip
    check_phase(key, finish=finish, emergency=emergency)
    workspace = CommandWorkspace(settings)
    servers = open_servers(workspace, remote, without=without_servers, required=finish)

    def rotation(*, ending: bool = False) -> OperatorKeyRotation:
        return workspace.rotations.operator_key(key, new_key=new_key, ending=ending)

    if finish:
        report = _finish(workspace, rotation(ending=True), servers)
    elif emergency:
        report = _emergency(workspace, rotation, servers)
    else:
        report = _begin(workspace, rotation, servers, is_vouched_for=without_servers)
    print_operator_key(workspace, report)


def _begin(
    workspace: CommandWorkspace,
    rotation: Callable[[], OperatorKeyRotation],
    servers: TargetSession | None,
    *,
    is_vouched_for: bool,
) -> OperatorKeyReport:
    """Take every step that is proven to be safe, but for the last."""
    with workspace.lock():
        found = rotation()
        is_new = found.stage() is RotationStage.ADD
        signed = sign_steps(workspace, found.add())
        found = found.again()
    # What was only just added, no server can know yet; where none is asked, somebody else has to see to it.
    if is_new and servers is None:
        return found.report(signed, stage=RotationStage.SPREAD)
    if servers is None and not is_vouched_for:
        raise UsageError(
            "it is not known where the servers are, which have to prove that they trust the new key",
            "--url nats://host:4222, or --without-servers: then you vouch for it",
        )
    seen, sent = _seen(found, servers), 0
    if found.stage(seen) is RotationStage.REISSUE:
        with workspace.lock():
            found = found.again()
            signed = (*signed, *sign_steps(workspace, found.reissue()))
            found = found.again()
    if servers and found.stage(seen) is RotationStage.PUSH:
        with servers:
            sent = publish(workspace, servers, found.by_new())
            seen = found.seen(servers)
    return found.report(signed, seen, sent)


def _finish(
    workspace: CommandWorkspace, found: OperatorKeyRotation, servers: TargetSession | None
) -> OperatorKeyReport:
    """Remove the previous key once nothing depends on it."""
    seen = _seen(found, servers)
    signed: tuple[Jwt[Any], ...] = ()
    if found.stage(seen) not in {RotationStage.FORGET, RotationStage.DONE}:
        found.require_removable(seen)
        with workspace.lock():
            signed = sign_steps(workspace, found.again().remove(seen))
            found = found.again(has_ended=True)
    return found.report(signed, seen)


def _emergency(
    workspace: CommandWorkspace, rotation: Callable[..., OperatorKeyRotation], servers: TargetSession | None
) -> OperatorKeyReport:
    """Sign all of it at once, and push before the servers trust it."""
    signed: tuple[Jwt[Any], ...] = ()
    with workspace.lock():
        found = rotation(ending=True)
        if found.replacement is not None:
            signed = sign_steps(workspace, found.replace_at_once())
            found = found.again(has_ended=True)
    if servers is None:
        return found.report(signed)
    with servers:
        sent = publish(workspace, servers, found.to_push(), waived=(UNTRUSTED_ISSUER,))
        return found.report(signed, found.seen(servers), sent)


def _seen(found: OperatorKeyRotation, servers: TargetSession | None) -> ServersSeen | None:
    """Return what the servers report, None where they are not asked."""
    if servers is None:
        return None
    with servers:
        return found.seen(servers)
