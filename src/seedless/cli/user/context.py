"""`seedless user context`: a context for the `nats` command, which then logs in as this user.

The file is that of NATS ADR-21: `~/.config/nats/context/NAME.json`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import account_option
from seedless.cli.options import store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import format_creds
from seedless.errors import UsageError
from seedless.store import atomic, home
from seedless.store.names import check_name
from seedless.text import quoted, shown


@command()
@click.argument("name")
@account_option
@click.option(
    "--name", "-n", "as_", metavar="NAME", help="Name of the context [default: OPERATOR-ACCOUNT-USER]."
)
@click.option("--url", metavar="URL", help="Servers, with commas [default: those in the operator's jwt].")
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.option("--overwrite", is_flag=True, help="In the place of a context of this name.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write it here (0600).")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@store_options
def context(workspace: CommandWorkspace, *, name: str, account: str, **options: str | None) -> None:
    """Write a context for the `nats` command.

    It goes to ~/.config/nats/context, where nats looks for it, and names the creds file of the user.

    \b
    Example:
      seedless user context -a ORDERS app --url nats://localhost:4222
      nats --context ACME-ORDERS-app pub orders.new hello
    """
    jwt = workspace.user(account, name)
    creds = workspace.store.creds_path(account, name)
    key = None if creds.exists() else workspace.user_key(account, name, jwt.claims.sub)
    if key is None and not creds.exists():
        raise UsageError(
            f"user {quoted(name)} has no creds file, and a context needs one",
            "the seed of this user is its own or on a token: see seedless user creds",
        )
    operator = workspace.operator().claims
    title = options["as_"] or f"{workspace.store.operator}-{account}-{name}"
    held = {
        "description": options["description"]
        or f"user {name} of account {account}, operator {operator.name}",
        "url": options["url"] or ",".join(operator.body.operator_service_urls),
        "creds": str(creds.absolute()),
    }
    if not held["url"]:
        raise UsageError(
            f"operator {quoted(operator.name)} names no servers for clients",
            "name them here with --url, or there: seedless operator edit --service-url",
        )
    path = Path(options["output"]) if options["output"] else _place(title)
    text = json.dumps(held, indent=2, ensure_ascii=False) + "\n"
    if not workspace.options.dry_run:
        if path.exists() and not options["overwrite"]:
            raise UsageError(f"there is {shown(path)} already", "--overwrite takes its place")
        # The seed may be in the key store alone, as `nats auth` leaves it; a context needs a creds file.
        atomic.write({path: text} | ({creds: format_creds(jwt, key)} if key else {}))
    data = {"context": title, "path": str(path), "dry_run": workspace.options.dry_run} | held
    shown_text = f"context {shown(title)}: {shown(path)}"
    if workspace.options.dry_run:
        shown_text = "\n".join(printing.printable(line) for line in text.splitlines())
    workspace.emit(data, shown_text)


def _place(title: str) -> Path:
    """Return where `nats` looks for the context *title*."""
    check_name(title)
    root = os.environ.get("XDG_CONFIG_HOME") or str(home(os.environ) / ".config")
    return Path(root) / "nats" / "context" / f"{title}.json"
