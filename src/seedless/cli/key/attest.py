"""`seedless key attest`: what the device itself certifies of a key, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from seedless.app.tokens import module_for, token_part
from seedless.attestation import of_objects, parse, verify
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, attest_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import StoreError, UsageError
from seedless.inventory import Attested, attestation_path
from seedless.pkcs11.uri import KeyUri
from seedless.store import atomic, root_lock
from seedless.text import printable, shown

if TYPE_CHECKING:
    from seedless.attestation import Attestation
    from seedless.inventory import KeyEntry
    from seedless.nkey import PublicKey

_FILE = click.Path(path_type=Path)
_PROVES = "this proves where the key was created; not who holds the device, nor when it was created"


@command()
@click.argument("public_key", type=PublicKeyType(), metavar="PUBLIC_KEY")
@click.option(
    "--certificate", "-c", "files", type=_FILE, multiple=True, metavar="FILE",
    help="Certificates, in PEM or DER: of the key, of the device, and those up to the root.",
)  # fmt: skip
@click.option("--no-token", is_flag=True, help="Read no certificates from the token, only those of FILE.")
@attest_options
def attest(settings: Settings, *, public_key: PublicKey, files: tuple[Path, ...], no_token: bool) -> None:
    """Verify that the device created a key itself.

    A YubiKey (PIV) and a YubiHSM 2 issue a certificate for a key that they have created. It is read from the
    certificate objects of the token, without a PIN, and from files, and verified: it is of PUBLIC_KEY, and
    its chain reaches a root that the policy pins under [attestation]; exit 3 otherwise. Then it is kept
    beside the inventory, where a policy that requires attestations looks for it.

    \b
    Example:
      seedless key attest OAK3… -c yubico-ca-certs.pem --policy policy.toml
      seedless key attest OAK3… -c key.pem -c device.pem -c roots.pem --no-token --policy policy.toml
    """
    workspace = CommandWorkspace(settings)
    entry = workspace.inventory().get(public_key)
    if entry is None:
        raise UsageError(
            f"{public_key} is not in the inventory", "seedless key take registers a key that is on a token"
        )
    pins = workspace.policy.attestation if workspace.policy else None
    if pins is None:
        raise UsageError(
            "no policy that pins the roots of attestations is named",
            "name one with --policy; [attestation] roots has the SHA-256 of each root certificate",
        )
    given = [one for path in files for one in parse(_read(path), shown(path))]
    objects = [] if no_token else of_objects(_on_token(workspace, entry), public_key)
    found = verify([*given, *objects], public_key, pins.roots, workspace.now)
    if not settings.dry_run:
        _keep(workspace, found)
    name = printable(f"{entry.role.name.lower()} {shown(entry.name)} {public_key}")
    lines = [name, *(f"  {printable(line)}" for line in found.lines), _PROVES]
    printing.emit(_data(found, kept=not settings.dry_run), "\n".join(lines), as_json=settings.as_json)


def _read(path: Path) -> bytes:
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no {shown(path)}", "name a file with certificates")
    return data


def _on_token(workspace: CommandWorkspace, entry: KeyEntry) -> list[bytes]:
    """Return the certificates on the token where the inventory has the key."""
    # Loading the binding takes longer than all else: files alone need none.
    from seedless.pkcs11.public_objects import read_certificates  # noqa: PLC0415 - see above

    uri = token_part(KeyUri.parse(entry.uri))
    return read_certificates(module_for(workspace, uri, is_ours=False), uri)


def _keep(workspace: CommandWorkspace, found: Attestation) -> None:
    """Write the chain beside the inventory, and into the inventory that it was verified, both at once."""
    with root_lock(workspace.root).held():
        entry = workspace.inventory().get(found.public_key)
        if entry is None:
            raise StoreError(f"{found.public_key} is no longer in the inventory", "register it again")
        attested = Attested(sha256=found.digest, at=workspace.now)
        inventory = workspace.inventory().with_entry(msgspec.structs.replace(entry, attested=attested))
        path = attestation_path(workspace.root, found.public_key)
        atomic.write({path: found.chain, workspace.inventory_path: inventory.text()})


def _data(found: Attestation, *, kept: bool) -> dict[str, Any]:
    return {
        "public_key": str(found.public_key),
        "device": found.device,
        "serial": found.serial,
        "firmware": found.firmware,
        "key": msgspec.to_builtins(found.key),
        "sha256": found.digest,
        "root": {"sha256": found.root, "name": found.root_name},
        "kept": kept,
    }
