"""`seedless key attest`: what the device itself certifies of a key, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import public_key_type
from seedless.cli.options import attest_options
from seedless.cli.values import PATH
from seedless.cli.workspace import CommandWorkspace
from seedless.text import printable, shown

if TYPE_CHECKING:
    from seedless.attestation import Attestation
    from seedless.nkey import PublicKey

_PROVES = "this proves where the key was created; not who holds the device, nor when it was created"


@command()
@click.argument("public_key", type=public_key_type(), metavar="KEY")
@click.option(
    "--certificate", "-c", "files", type=PATH, multiple=True, metavar="FILE",
    help="Certificates, in PEM or DER: of the key, of the device, and those up to the root.",
)  # fmt: skip
@click.option("--no-token", is_flag=True, help="Read no certificates from the token, only those of FILE.")
@attest_options
def attest(
    workspace: CommandWorkspace, *, public_key: PublicKey, files: tuple[Path, ...], no_token: bool
) -> None:
    """Verify that the device created a key itself.

    A YubiKey (PIV) and a YubiHSM 2 issue a certificate for a key that they have created. It is read from the
    certificate objects of the token, without a PIN, and from files, and verified: it is of PUBLIC_KEY, and
    its chain reaches a root that the policy pins under [attestation]; exit 3 otherwise. Then it is kept
    beside the inventory, where a policy that requires attestations looks for it.

    \b
    Example:
      seedless key attest OAK3… -c yubico-ca-certs.pem --policy policy.toml
      seedless key attest OAK3… -c key.pem -c device.pem -c roots.pem --no-token
    """
    found, entry = workspace.keys.attest(
        public_key, files, reads_token=not no_token, dry_run=workspace.options.dry_run
    )
    name = printable(f"{entry.role.name.lower()} {shown(entry.name)} {public_key}")
    lines = [name, *(f"  {printable(line)}" for line in found.lines), _PROVES]
    workspace.emit(_data(found, kept=not workspace.options.dry_run), "\n".join(lines))


def _data(found: Attestation, *, kept: bool) -> dict[str, object]:
    return printing.members(found, "public_key", "device", "serial", "firmware") | {
        "key": msgspec.to_builtins(found.key),
        "sha256": found.digest,
        "root": {"sha256": found.root, "name": found.root_name},
        "kept": kept,
    }
