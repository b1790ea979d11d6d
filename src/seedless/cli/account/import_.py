"""`seedless account import`: subjects of other accounts, public ones or with an activation.

What nsc calls --token is --activation here: a token is a device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from seedless.app.key_names import names_of
from seedless.cli import edits, printing
from seedless.cli.account.import_choice import activation_in, described, found, place
from seedless.cli.account.parts import (
    account_key,
    account_option,
    edit_body,
    given,
    kind_of,
    kind_option,
    listed_account_option,
    members,
    subject_option,
)
from seedless.cli.command import group
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options, store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.claims import Account

_source_option = click.option("--src-account", metavar="NAME|KEY", help="The account that exports it.")
_remote_option = click.option("--remote-subject", metavar="SUBJECT", help="Its subject in that account.")
_IMPORT = (
    click.option("--name", "-n", metavar="TEXT", help="What to call it."),
    click.option("--share/--no-share", default=None, help="Whether that account learns who asks a service."),
    click.option("--allow-trace/--no-allow-trace", default=None, help="Whether a stream may be traced."),
)


@group(name="import")
def import_() -> None:
    """Edit the imports of an account."""


@import_.command()
@account_option
@_source_option
@_remote_option
@click.option("--activation", "-u", metavar="FILE|JWT", help="The activation of a private export.")
@click.option(
    "--service/--stream",
    "is_service",
    default=None,
    help="A service, or a stream [default: as it is exported].",
)
@given(
    click.option("--local-subject", "-s", metavar="SUBJECT", help="Its subject here, $1 for the first *."),
    *_IMPORT,
)
@issuer_option
@sign_options
def add(
    settings: Settings,
    *,
    account: str,
    src_account: str | None,
    remote_subject: str | None,
    activation: str | None,
    is_service: bool | None,
    issuer: str | None,
    given: dict[str, Any],
) -> None:
    """Import a subject of another account.

    With an activation account, subject and kind are those of the activation, where no option says
    otherwise.

    \b
    Example:
      seedless account import add -a BILLING --src-account ORDERS --remote-subject 'orders.>'
      seedless account import add -a BILLING --activation orders.activation --local-subject 'in.>'
    """
    workspace = CommandWorkspace(settings)
    source = account_key(workspace, src_account) if src_account else None
    base = described(workspace, source, remote_subject, kind_of(is_service=is_service), activation)
    new = msgspec.structs.replace(base, **given)

    def with_import(body: Account) -> Account:
        if any(place(one) == place(new) for one in body.imports):
            raise UsageError(
                f"account {quoted(account)} imports {new.type} {quoted(new.subject)} from there already",
                "seedless account import edit changes it",
            )
        return msgspec.structs.replace(body, imports=(*body.imports, new))

    _sign(workspace, account, with_import, f"import {new.type} {new.subject}", issuer)


@import_.command()
@account_option
@subject_option
@_source_option
@kind_option
@given(
    click.option(
        "--activation", "-u", metavar="FILE|JWT", help="Another activation; an empty text takes it away."
    ),
    click.option("--local-subject", metavar="SUBJECT", help="Its subject here; an empty one is the remote."),
    click.option("--remote-subject", metavar="SUBJECT", help="Its subject in the other account."),
    *_IMPORT,
)
@issuer_option
@sign_options
def edit(
    settings: Settings,
    *,
    account: str,
    subject: str,
    src_account: str | None,
    is_service: bool | None,
    issuer: str | None,
    given: dict[str, Any],
) -> None:
    """Change an import of an account.

    --subject is its subject here or in the other account. What no option names stays.

    \b
    Example:
      seedless account import edit -a BILLING -s 'orders.>' --activation new.activation
    """
    workspace = CommandWorkspace(settings)
    said = {("subject" if name == "remote_subject" else name): value for name, value in given.items()}
    if "activation" in said:
        leave = said.pop("activation")
        said["token"] = activation_in(leave)[0] if leave else ""
    source = account_key(workspace, src_account) if src_account else None

    def with_change(body: Account) -> Account:
        old = found(account, body, subject, source, kind_of(is_service=is_service))
        new = msgspec.structs.replace(old, **said)
        return msgspec.structs.replace(
            body, imports=tuple(new if one is old else one for one in body.imports)
        )

    _sign(workspace, account, with_change, f"import {subject}", issuer)


@import_.command()
@account_option
@subject_option
@_source_option
@kind_option
@issuer_option
@sign_options
def remove(
    settings: Settings,
    *,
    account: str,
    subject: str,
    src_account: str | None,
    is_service: bool | None,
    issuer: str | None,
) -> None:
    """Take an import out of an account.

    --subject is its subject here or in the other account.

    \b
    Example:
      seedless account import remove -a BILLING -s 'orders.>'
    """
    workspace = CommandWorkspace(settings)
    source = account_key(workspace, src_account) if src_account else None

    def without(body: Account) -> Account:
        gone = found(account, body, subject, source, kind_of(is_service=is_service))
        return msgspec.structs.replace(body, imports=tuple(one for one in body.imports if one is not gone))

    _sign(workspace, account, without, f"import {subject} removed", issuer)


@import_.command(name="list")
@listed_account_option
@store_options
def list_(settings: Settings, *, account: str) -> None:
    """List the imports of an account.

    \b
    Example:
      seedless account import list -a BILLING
    """
    workspace = CommandWorkspace(settings)
    imports = workspace.account(account).claims.body.imports
    names = names_of(workspace, {one.account for one in imports})
    rows = [
        (
            shown(one.subject),
            shown(one.local_subject or one.subject),
            one.type or "unknown",
            shown(names.get(one.account, one.account)),
            "activation" if one.token else "public",
        )
        for one in imports
    ]
    text = printing.table(rows, ("SUBJECT", "HERE", "TYPE", "FROM", "ACCESS"))
    data = {"account": account, "imports": [members(one) for one in imports]}
    printing.emit(data, text, as_json=settings.as_json)


def _sign(
    workspace: CommandWorkspace,
    account: str,
    change: Callable[[Account], Account],
    reason: str,
    issuer: str | None,
) -> None:
    edited = edit_body(workspace, account, change, reason=reason, issuer=issuer)
    edits.print_edited(workspace, edited, f"account {shown(account)}")
