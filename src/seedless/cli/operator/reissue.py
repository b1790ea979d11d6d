"""`seedless operator reissue` and `operator replace`: a new identity key, or a spare operator."""

from __future__ import annotations

import click

from seedless.cli.command import command
from seedless.cli.key_options import public_key_option
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.render.rotation import text_of
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role
from seedless.text import shown


@command()
@public_key_option(Role.OPERATOR)
@click.option(
    "--convert-to-signing-key",
    is_flag=True,
    help="The old key stays as a signing key, and what it signed stays as it is.",
)
@sign_options
def reissue(
    workspace: CommandWorkspace, *, public_key: PublicKey | None, convert_to_signing_key: bool
) -> None:
    """Replace the identity key of the operator.

    What servers must change is listed. Accounts that the old key has signed are signed by the new one. With
    --convert-to-signing-key they stay as they are, and nobody is locked out while servers are restarted one
    after another; afterwards seedless rotate operator-key replaces the previous key.

    \b
    Example:
      seedless operator reissue --convert-to-signing-key --token pkcs11:token=ACME
    """
    with workspace.lock():
        made = workspace.operators.reissue(public_key, keep_previous=convert_to_signing_key)
        done = sign_preview(workspace, made)
    data = describe.data(done.jwt) | {
        "old": str(done.previous_key),
        "converted": convert_to_signing_key,
        "reissued": list(done.accounts),
        "servers_must": list(done.servers_must),
    }
    claims = done.jwt.claims
    text = f"operator {shown(claims.name)}: {done.previous_key} is replaced by {claims.sub}"
    workspace.emit(data, text_of(workspace, [text, "what must change:", *done.servers_must]))


@command()
@click.argument("previous", metavar="PREVIOUS")
@sign_options
def replace(workspace: CommandWorkspace, *, previous: str) -> None:
    """Sign the accounts of PREVIOUS by this operator, its spare.

    Both are in one folder, and servers list both: seedless server config --spare-operator. Then servers take
    the accounts without a restart, once they are pushed, and users stay connected. Users keep their jwts and
    creds, since their accounts signed them.

    \b
    Example:
      seedless operator replace ACME --operator ACME-SPARE
    """
    with workspace.lock():
        done = sign_preview(workspace, workspace.operators.replace(previous))
    data = describe.data(done.jwt) | {"previous": previous, "accounts": list(done.accounts)}
    names = ", ".join(map(shown, done.accounts)) or "no account"
    text = f"operator {shown(done.jwt.claims.name)} signed in place of {shown(previous)}: {names}"
    push = f"seedless push --all --operator {shown(done.jwt.claims.name)}"
    workspace.emit(data, f"{text}\nnow push them: {push}")
