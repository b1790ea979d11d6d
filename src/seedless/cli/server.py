"""`seedless server`: configuration for nats-server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless import server_config
from seedless.cli import consent, printing
from seedless.cli.command import group
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, configuration_options, replacing_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import StoreError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.store import atomic, open_store
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.jwt import Jwt


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
    type=PublicKeyType(Role.USER),
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
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write here, not to stdout."
)
@replacing_options
def config(
    workspace: CommandWorkspace,
    *,
    kind: str | None,
    nkeys: tuple[PublicKey, ...],
    folder: str,
    sys_account: str | None,
    spares: tuple[str, ...],
    output: Path | None,
    **of_full: bool | str,
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
        more: dict[str, Any] = of_full if kind == "full" else {}  # allow_delete and interval
        more["spares"] = [_operator(workspace, name) for name in spares]
        text = _of_operator(workspace, kind or "", sys_account, folder=folder, **more)
    data = {"kind": kind or "nkey", "configuration": text, "path": str(output) if output else None}
    if output:
        _require_replacing(workspace.options, output, text)
        atomic.write({output: text})
    if workspace.options.as_json:
        printing.emit(data, "", as_json=True)
    elif output:
        printing.emit(data, str(output), as_json=False)
    else:
        click.echo(text, nl=not text.endswith("\n"))


def _require_replacing(settings: Settings, output: Path, text: str) -> None:
    """Ask before what is in the file *output* is replaced by another *text*."""
    before = atomic.read(output)
    if before is not None and before != text.encode():
        consent.require(settings, f"Replace {shown(output)}?", done="the file is as it was")


def _operator(workspace: CommandWorkspace, name: str) -> Jwt[Any]:
    """Return the operator *name* of the folder; raise `StoreError` where there is none."""
    found = open_store(workspace.root, name).get()
    if found is None:
        raise StoreError(
            f"the store of {shown(name)} has no operator jwt", "seedless operator add creates one"
        )
    return found


def _of_operator(workspace: CommandWorkspace, kind: str, system_name: str | None, **more: Any) -> str:  # noqa: ANN401 - what the writer of *kind* takes
    """Return the configuration of *kind* that trusts the operator of the store."""
    operator, accounts = workspace.operator(), workspace.all_accounts()
    named = workspace.account(system_name).claims.sub if system_name else None
    system = named or operator.claims.body.system_account or None
    if kind == "memory":
        return server_config.memory(operator, accounts, system, spares=more["spares"])
    preload = [account for account in accounts if account.claims.sub == system]
    write = server_config.full if kind == "full" else server_config.cache
    return write(operator, preload, system_account=system, **more)


@server.command(name="lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
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
    return print_lint(report, strict=strict, as_json=workspace.options.as_json)
