"""`seedless server`: configuration for nats-server."""

from __future__ import annotations

from pathlib import Path

import click

from seedless import server_config
from seedless.app.server_configuration import ResolverKind, server_configuration
from seedless.cli import consent
from seedless.cli.command import group
from seedless.cli.key_options import public_key_type
from seedless.cli.options import Settings, configuration_options, replacing_options
from seedless.cli.values import PATH, output_option
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.nkey import PublicKey, Role
from seedless.store import atomic
from seedless.text import shown


@group()
def server() -> None:
    """Write and check configurations of nats-server."""


@server.command()
@click.option("--mem-resolver", "kind", flag_value="memory", help="All accounts inside the configuration.")
@click.option("--nats-resolver", "kind", flag_value="full", help="Accounts are pushed to the servers.")
@click.option(
    "--nats-resolver-cache", "kind", flag_value="cache", help="Accounts are asked of servers that keep them."
)
@click.option(
    "--nkey",
    "nkeys",
    multiple=True,
    type=public_key_type(Role.USER),
    metavar="U…",
    help="No accounts: bare NKey users.",
)
@click.option("--dir", "folder", default="./jwt", show_default=True, help="Where servers keep accounts.")
@click.option("--sys-account", metavar="NAME", help="The system account [default: that of the operator].")
@click.option(
    "--spare-operator", "spares", multiple=True, metavar="NAME", help="Trust this operator of the store too."
)
@click.option("--allow-delete", is_flag=True, help="Full resolver: accounts may be deleted.")
@click.option("--interval", default="2m", show_default=True, help="Full resolver: how often servers compare.")
@output_option("Write here, not to stdout.")
@replacing_options
def config(  # noqa: PLR0913 - one for each option
    workspace: CommandWorkspace,
    *,
    kind: ResolverKind | None,
    nkeys: tuple[PublicKey, ...],
    folder: str,
    sys_account: str | None,
    spares: tuple[str, ...],
    output: Path | None,
    allow_delete: bool,
    interval: str,
) -> None:
    """Print configuration for nats-server.

    It is the part that makes servers trust this operator, or these NKey users. A file that exists and has
    other content is replaced after a question, or with --yes.

    A spare operator is another one of the same folder, with keys on another token. When this one is lost it
    signs the accounts (seedless operator replace), and no server is restarted.

    \b
    Example:
      seedless server config --mem-resolver -o nats.conf
      seedless server config --nkey UBAR…
    """
    if bool(kind) == bool(nkeys):
        raise UsageError(
            "one kind of configuration is wanted",
            "--mem-resolver, --nats-resolver, --nats-resolver-cache or --nkey U…",
        )
    if nkeys:
        text = server_config.nkey_users(nkeys)
    else:
        text = server_configuration(
            workspace,
            kind or "memory",
            system_account=sys_account,
            spares=spares,
            folder=folder,
            allow_delete=allow_delete,
            interval=interval,
        )
    data = {"kind": kind or "nkey", "configuration": text, "path": str(output) if output else None}
    if output:
        _require_replacing(workspace.options, output, text)
        atomic.write({output: text})
    workspace.emit(data, str(output) if output else text.removesuffix("\n"), is_file=True)


def _require_replacing(settings: Settings, output: Path, text: str) -> None:
    """Ask before what is in the file *output* is replaced by another *text*."""
    before = atomic.read(output)
    if before is not None and before != text.encode():
        consent.require(settings, f"Replace {shown(output)}?", done="the file is as it was")


@server.command(name="lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=PATH)
@click.option("--strict", is_flag=True, help="Exit 3 for warnings too.")
@click.option("--wants-delete", "requires_delete", is_flag=True, help="Accounts must be deletable.")
@configuration_options
def lint_configurations(
    workspace: CommandWorkspace, *, files: tuple[Path, ...], strict: bool, requires_delete: bool
) -> int:
    """Find security issues in configurations of nats-server.

    Exit 3 when there is an error. Where nats-server is installed, it is asked too (-t).

    \b
    Example:
      seedless server lint nats.conf
    """
    from seedless.cli.lint import print_lint  # only here

    report = workspace.lint_configurations(*files, requires_delete=requires_delete)
    return print_lint(workspace, report, strict=strict)
