"""`seedless operator`: the operator of a store."""

from __future__ import annotations

import click

from seedless.claims import Operator
from seedless.cli import _describe, _io
from seedless.cli._claims_options import ClaimsOptions, operator_claims
from seedless.cli._keys import public_key_option, subject_for
from seedless.cli._options import Settings, sign_options, store_options
from seedless.cli._review import sign
from seedless.cli._workspace import Workspace
from seedless.nkey import PublicKey, Role
from seedless.plan import SYSTEM_ACCOUNT, SYSTEM_USER, System, new_operator
from seedless.seeds import SoftwareKey


@click.group()
def operator() -> None:
    """Make and show the operator."""


@operator.command()
@click.argument("name")
@public_key_option(Role.OPERATOR)
@click.option("--sys", "-s", "with_system", is_flag=True, help="Also make the system account and its user.")
@click.option("--generate-signing-key", is_flag=True, help="Also make a signing key; it signs the accounts.")
@operator_claims
@sign_options
def add(
    settings: Settings,
    *,
    name: str,
    public_key: PublicKey | None,
    with_system: bool,
    generate_signing_key: bool,
    options: ClaimsOptions,
) -> None:
    """Make the operator NAME, its key on a token.

    \b
    Example:
      seedless operator add ACME --token pkcs11:token=ACME --sys
    """
    workspace = Workspace(settings)
    store = workspace.new_store(name)
    user_key = SoftwareKey.generate(Role.USER)
    account = subject_for(workspace, Role.ACCOUNT, SYSTEM_ACCOUNT) if with_system else None
    signing = subject_for(workspace, Role.OPERATOR, f"{name} signing") if generate_signing_key else None
    intent = new_operator(
        subject_for(workspace, Role.OPERATOR, name, public_key),
        options.body(Operator.new()),
        now=workspace.now,
        times=options.times(workspace.now),
        signing=signing,
        system=System(account=account, user=user_key.public_key) if account else None,
    )
    creds = store.creds_path(SYSTEM_ACCOUNT, SYSTEM_USER)
    with workspace.lock():
        jwts = sign(workspace, intent, seeds=(user_key,) if with_system else ())
    data = _describe.data(jwts[0]) | {"system_account": None, "store": str(workspace.root)}
    text = f"operator {name}: {jwts[0].claims.sub}"
    if with_system:
        data |= {"system_account": jwts[1].claims.sub, "system_user_creds": str(creds)}
        text += f"\nsystem account {SYSTEM_ACCOUNT}: {jwts[1].claims.sub}\ncreds of its user: {creds}"
    _io.emit(data, text, as_json=settings.as_json)


@operator.command()
@store_options
def show(settings: Settings) -> None:
    """Show the operator of the store.

    \b
    Example:
      seedless operator show
    """
    _describe.print_jwt(Workspace(settings).operator(), as_json=settings.as_json)
