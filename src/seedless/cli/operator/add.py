"""`seedless operator add`."""

from __future__ import annotations

import click

from seedless.claims import Operator
from seedless.cli import printing
from seedless.cli.claims_options import ClaimsOptions, operator_claims
from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType, public_key_option, subject_for
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.nkey import PublicKey, Role
from seedless.plan import SYSTEM_ACCOUNT, SYSTEM_USER, SystemAccount, new_operator
from seedless.seeds import SoftwareKey


@command()
@click.argument("name")
@public_key_option(Role.OPERATOR)
@click.option("--sys", "-s", "with_system", is_flag=True, help="Also make the system account and its user.")
@click.option(
    "--sys-public-key",
    type=PublicKeyType(Role.ACCOUNT),
    metavar="A…",
    help="Also create the system account, with a key that exists already.",
)
@click.option("--generate-signing-key", is_flag=True, help="Also make a signing key; it signs the accounts.")
@operator_claims
@sign_options
def add(
    settings: Settings,
    *,
    name: str,
    public_key: PublicKey | None,
    with_system: bool,
    sys_public_key: PublicKey | None,
    generate_signing_key: bool,
    options: ClaimsOptions,
) -> None:
    """Make the operator NAME, its key on a token.

    \b
    Example:
      seedless operator add ACME --token pkcs11:token=ACME --sys
    """
    workspace = CommandWorkspace(settings)
    body = options.body(Operator.new())
    if body.strict_signing_key_usage and not (generate_signing_key or body.signing_keys):
        raise UsageError(
            "an operator that requires signing keys signs no accounts without one",
            "--generate-signing-key creates one; with --sys also that of the system account",
        )
    with_system = with_system or sys_public_key is not None
    store = workspace.new_store(name)
    user_key = SoftwareKey.generate(Role.USER)
    signing = subject_for(workspace, Role.OPERATOR, f"{name} signing") if generate_signing_key else None
    intent = new_operator(
        subject_for(workspace, Role.OPERATOR, name, public_key),
        body,
        now=workspace.now,
        times=options.times(workspace.now),
        signing=signing,
        system=_system(workspace, user_key.public_key, body, sys_public_key) if with_system else None,
    )
    creds = store.creds_path(SYSTEM_ACCOUNT, SYSTEM_USER)
    with workspace.lock():
        jwts = sign(workspace, intent, seeds=(user_key,) if with_system else ())
    data = describe.data(jwts[0]) | {"system_account": None, "store": str(workspace.root)}
    text = f"operator {name}: {jwts[0].claims.sub}"
    if with_system:
        data |= {"system_account": jwts[1].claims.sub, "system_user_creds": str(creds)}
        text += f"\nsystem account {SYSTEM_ACCOUNT}: {jwts[1].claims.sub}\ncreds of its user: {creds}"
    printing.emit(data, text, as_json=settings.as_json)


def _system(
    workspace: CommandWorkspace, user: PublicKey, operator: Operator, key: PublicKey | None
) -> SystemAccount:
    """Return the system account, of *key* if given; if *operator* is strict, with a signing key."""
    account = subject_for(workspace, Role.ACCOUNT, SYSTEM_ACCOUNT, key)
    signing = None
    if operator.strict_signing_key_usage:
        signing = subject_for(workspace, Role.ACCOUNT, f"{SYSTEM_ACCOUNT} signing")
    return SystemAccount(account=account, user=user, signing=signing)
