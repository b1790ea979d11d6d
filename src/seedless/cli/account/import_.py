"""`seedless account import`: subjects of other accounts, public ones or with an activation.

What nsc calls --token is --activation here: a token is a device.
"""

from __future__ import annotations

import re
from typing import Any

import click
import msgspec

from seedless.app.exports_imports import Kind, activated_import
from seedless.app.key_names import names_of
from seedless.claims import Activation, Import
from seedless.cli import printing
from seedless.cli.account.parts import (
    chosen_kind_option,
    given,
    kind_option,
    members,
    subject_option,
)
from seedless.cli.command import group
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.input_files import read_jwt
from seedless.cli.key_options import account_option, issuer_option
from seedless.cli.options import store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.jwt import Jwt
from seedless.jwt import read as read_text
from seedless.text import shown

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DOTS = 2  # of a jwt
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
@kind_option("--service/--stream", default=None, help="A service, or a stream [default: as it is exported].")
@given(
    click.option("--local-subject", "-s", metavar="SUBJECT", help="Its subject here, $1 for the first *."),
    *_IMPORT,
)
@issuer_option
@edit_options
def add(
    workspace: CommandWorkspace,
    *,
    account: str,
    src_account: str | None,
    remote_subject: str | None,
    activation: str | None,
    kind: Kind | None,
    issuer: str | None,
    given: dict[str, object],
) -> EditPreview:
    """Import a subject of another account.

    With an activation account, subject and kind are those of the activation, where no option sets
    otherwise.

    \b
    Example:
      seedless account import add -a SHOP --src-account EU --remote-subject 'eu.>'
      seedless account import add -a SHOP -u eu.activation -s 'in.>'
    """
    token, read = ("", None) if activation is None else _activation_in(activation)
    base = activated_import(
        source=src_account, subject=remote_subject, kind=kind, token=token, activation=read
    )
    new = msgspec.structs.replace(base, **given)
    return workspace.imports.add(account, new, issuer=issuer)


@import_.command()
@account_option
@subject_option
@_source_option
@chosen_kind_option
@given(
    click.option(
        "--activation", "-u", metavar="FILE|JWT", help="Another activation; an empty text takes it away."
    ),
    click.option("--local-subject", metavar="SUBJECT", help="Its subject here; an empty one is the remote."),
    click.option("--remote-subject", metavar="SUBJECT", help="Its subject in the other account."),
    *_IMPORT,
)
@issuer_option
@edit_options
def edit(
    workspace: CommandWorkspace,
    *,
    account: str,
    subject: str,
    src_account: str | None,
    kind: Kind | None,
    issuer: str | None,
    given: dict[str, Any],
) -> EditPreview:
    """Change an import of an account.

    --subject is its subject here or in the other account. What no option names stays.

    \b
    Example:
      seedless account import edit -a SHOP -s 'eu.>' -u new.activation
    """
    changes = {("subject" if name == "remote_subject" else name): value for name, value in given.items()}
    if "activation" in changes:
        activation = changes.pop("activation")
        changes["token"] = _activation_in(activation)[0] if activation else ""

    def change(old: Import) -> Import:
        return msgspec.structs.replace(old, **changes)

    return workspace.imports.edit(account, subject, change, source=src_account, kind=kind, issuer=issuer)


@import_.command()
@account_option
@subject_option
@_source_option
@chosen_kind_option
@issuer_option
@edit_options
def remove(
    workspace: CommandWorkspace,
    *,
    account: str,
    subject: str,
    src_account: str | None,
    kind: Kind | None,
    issuer: str | None,
) -> EditPreview:
    """Remove an import of an account.

    --subject is its subject here or in the other account.

    \b
    Example:
      seedless account import remove -a SHOP -s 'eu.>'
    """
    return workspace.imports.remove(account, subject, source=src_account, kind=kind, issuer=issuer)


@import_.command(name="list")
@account_option
@store_options
def list_(workspace: CommandWorkspace, *, account: str) -> None:
    """List the imports of an account.

    \b
    Example:
      seedless account import list -a SHOP
    """
    imports = workspace.account(account).claims.body.imports
    names = names_of(workspace, {entry.account for entry in imports})
    rows = [
        (
            shown(entry.subject),
            shown(entry.local_subject or entry.subject),
            entry.type or "unknown",
            shown(names.get(entry.account, entry.account)),
            "activation" if entry.token else "public",
        )
        for entry in imports
    ]
    text = printing.table(rows, ("SUBJECT", "HERE", "TYPE", "FROM", "ACCESS"))
    data = {"account": account, "imports": [members(entry) for entry in imports]}
    workspace.emit(data, text)


def _activation_in(text: str) -> tuple[str, Jwt[Activation] | None]:
    """Return the token that *text* is or that lies in the file *text*, and the activation that it is.

    A URL is taken as it is, and is none. Raise `UsageError` for no such file, and for another jwt.
    """
    if _URL.match(text):
        return text, None
    is_jwt = text.startswith("eyJ") and text.count(".") == _DOTS
    found: Jwt[Any] = read_text(text) if is_jwt else read_jwt(text)
    if not isinstance(found.claims.body, Activation):
        raise UsageError(
            f"the token is a jwt of kind {found.claims.body.kind}, and not an activation",
            "seedless activation new makes one, in the exporting account",
        )
    return found.text, found
