"""`seedless operator`: the operator of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.claims import Operator
from seedless.cli import _describe, _io
from seedless.cli._claims_options import ClaimsOptions, operator_claims
from seedless.cli._keys import PublicKeyType, public_key_option, subject_for
from seedless.cli._operator_edit import edit, signing_key_
from seedless.cli._operator_import import import_
from seedless.cli._operator_reissue import reissue
from seedless.cli._options import Settings, sign_options, store_options
from seedless.cli._review import sign
from seedless.cli._shown import print_shown, show_options
from seedless.cli._workspace import Workspace
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.plan import SYSTEM_ACCOUNT, SYSTEM_USER, System, new_operator
from seedless.seeds import SoftwareKey
from seedless.store import open_store, operators

if TYPE_CHECKING:
    from seedless.jwt import Jwt


@click.group()
def operator() -> None:
    """Make, edit and show the operator."""


for command in (edit, import_, reissue, signing_key_):
    operator.add_command(command)


@operator.command()
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
    workspace = Workspace(settings)
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
    data = _describe.data(jwts[0]) | {"system_account": None, "store": str(workspace.root)}
    text = f"operator {name}: {jwts[0].claims.sub}"
    if with_system:
        data |= {"system_account": jwts[1].claims.sub, "system_user_creds": str(creds)}
        text += f"\nsystem account {SYSTEM_ACCOUNT}: {jwts[1].claims.sub}\ncreds of its user: {creds}"
    _io.emit(data, text, as_json=settings.as_json)


def _system(workspace: Workspace, user: PublicKey, operator: Operator, key: PublicKey | None) -> System:
    """Return the system account, of *key* if given; if *operator* is strict, with a signing key."""
    account = subject_for(workspace, Role.ACCOUNT, SYSTEM_ACCOUNT, key)
    signing = None
    if operator.strict_signing_key_usage:
        signing = subject_for(workspace, Role.ACCOUNT, f"{SYSTEM_ACCOUNT} signing")
    return System(account=account, user=user, signing=signing)


@operator.command()
@show_options
@store_options
def show(settings: Settings, *, shown_as: dict[str, Any]) -> None:
    """Show the operator of the store.

    \b
    Example:
      seedless operator show
      seedless operator show --raw -o ACME.jwt
    """
    print_shown(Workspace(settings).operator(), settings, shown_as)


@operator.command(name="list")
@store_options
def list_(settings: Settings) -> int:
    """List the operators; exit 3 when one is damaged.

    \b
    Example:
      seedless operator list
    """
    root = Workspace(settings).root
    found: list[tuple[str, Jwt[Any] | SeedlessError]] = []
    managed = []
    for name in operators(root):
        try:
            store = open_store(root, name)
            managed += [name] if store.managed else []
            found.append((name, store.get() or StoreError("has no operator jwt")))
        except SeedlessError as error:
            found.append((name, error))
    listing = _describe.Listing.of(found)
    data = {
        "store": str(root),
        "operators": listing.jwts,
        "managed": managed,
        "damaged": listing.damaged,
    }
    _io.emit(data, listing.table("OPERATOR"), as_json=settings.as_json)
    return listing.exit_code
