"""`seedless operator add`."""

from __future__ import annotations

import click

from seedless.cli.claims_options import ClaimsOptions, operator_claims
from seedless.cli.command import command
from seedless.cli.key_options import public_key_option, public_key_type
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role


@command()
@click.argument("name")
@public_key_option(Role.OPERATOR)
@click.option("--sys", "-s", "with_system", is_flag=True, help="Also make the system account and its user.")
@click.option(
    "--sys-public-key",
    type=public_key_type(Role.ACCOUNT),
    metavar="A…",
    help="Also create the system account, with a key that exists already.",
)
@click.option("--generate-signing-key", is_flag=True, help="Also make a signing key; it signs the accounts.")
@click.option(
    "--spare-token",
    metavar="URI",
    help="Also make signing keys on this second token, of the operator and with --sys of that account.",
)
@operator_claims
@sign_options
def add(
    workspace: CommandWorkspace,
    *,
    name: str,
    public_key: PublicKey | None,
    with_system: bool,
    sys_public_key: PublicKey | None,
    generate_signing_key: bool,
    spare_token: str | None,
    options: ClaimsOptions,
) -> None:
    """Create the operator NAME, with its key on a token.

    With --spare-token operator and system account have a signing key on each of two tokens: what is lost with
    one of them goes on by the other. The PIN of the second one is asked for too, or comes from the same
    source, or from the pin-source of its URI.

    \b
    Example:
      seedless operator add ACME --token pkcs11:token=ACME --sys
      seedless operator add ACME --sys --token ACME --spare-token SPARE
    """
    made = workspace.operators.add(
        name,
        options.change(workspace),
        public_key=public_key,
        system_account=sys_public_key or with_system,
        signing_key=generate_signing_key,
        spare_token=spare_token,
    )
    added = sign_preview(workspace, made)
    data = describe.data(added.jwt) | {"system_account": None, "store": str(workspace.root)}
    text = f"operator {name}: {added.jwt.claims.sub}"
    if added.system_account is not None:
        key, creds = added.system_account.claims.sub, added.creds_path
        data |= {"system_account": key, "system_user_creds": str(creds)}
        text += f"\nsystem account {added.system_account.claims.name}: {key}\ncreds of its user: {creds}"
    workspace.emit(data, text)
