"""`seedless rotate`: signing keys give way to new ones, without locking anybody out."""

from __future__ import annotations

import click

from seedless.cli._keys import PublicKeyType
from seedless.cli._options import Settings, sign_options
from seedless.cli._remote import Remote, remote_options
from seedless.cli._rotate_servers import without_servers_option
from seedless.cli._workspace import Workspace
from seedless.errors import UsageError
from seedless.nkey import PublicKey, Role

_FINISH = click.option("--finish", is_flag=True, help="The second phase: the old key is removed.")
_EMERGENCY = click.option(
    "--emergency", is_flag=True, help="Both phases at once, after saying whom that locks out. Wants --key."
)


def _check_ends(key: str | None, *, finish: bool, emergency: bool) -> None:
    """Raise `UsageError` for two ends, and for an emergency without the key that it is about.

    The same command again, after it was killed, must not do away with the key that has just been made.
    """
    from seedless.rotate.pair import is_key  # noqa: PLC0415 - not for --help

    if finish and emergency:
        raise UsageError("--finish and --emergency are two ways to end it", "give one")
    if emergency and (key is None or not is_key(key)):
        raise UsageError(
            "an emergency is about one key, and nobody has said which",
            "--key PUBKEY names the key that must go",
        )


@click.group()
def rotate() -> None:
    """Let signing keys give way to new ones."""


@rotate.command(name="account-key")
@click.argument("name")
@click.option("--key", metavar="KEY|ROLE", help="The key that gives way [default: the only one].")
@click.option(
    "--new-key",
    type=PublicKeyType(Role.ACCOUNT),
    metavar="A…",
    help="The key that takes its place; without it one is made on the token.",
)
@_FINISH
@_EMERGENCY
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
    """Let a signing key of the account NAME give way to a new one.

    The first phase adds the new key beside the old one, with the same role and template, signs again what
    the old one has signed (users, and activations in imports of this store), writes the creds anew and pushes
    the account. It tells which creds are to be delivered, and who is still connected through the old key. Run
    again, it goes on from there. The second phase, --finish, removes the old key; it is refused while
    anything, also a connection, depends on it.

    \b
    Example:
      seedless rotate account-key ORDERS --token pkcs11:token=ACME --url nats://localhost:4222
      seedless rotate account-key ORDERS --finish --url nats://localhost:4222
    """  # fmt: skip
    from seedless.cli import _rotate_account as steps  # noqa: PLC0415 - nats-py and more, not for --help

    _check_ends(key, finish=finish, emergency=emergency)
    wanted = steps.Wanted(account=name, key=key, new=new_key, remote=remote, without_servers=without_servers)
    step = steps.finish if finish else steps.emergency if emergency else steps.begin
    step(Workspace(settings), wanted)


@rotate.command(name="operator-key")
@click.option("--key", metavar="O…", help="The key that gives way [default: the only one].")
@click.option(
    "--new-key",
    type=PublicKeyType(Role.OPERATOR),
    metavar="O…",
    help="The key that takes its place; without it one is made on the token.",
)
@_FINISH
@_EMERGENCY
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
    """Let a signing key of the operator give way to a new one.

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

    _check_ends(key, finish=finish, emergency=emergency)
    wanted = steps.Wanted(key=key, new=new_key, remote=remote, without_servers=without_servers)
    step = steps.finish if finish else steps.emergency if emergency else steps.begin
    step(Workspace(settings), wanted)
