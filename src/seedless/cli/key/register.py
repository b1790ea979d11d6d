"""`seedless key register`: a key that is on a token already gets an entry in the inventory, with its role."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import click

from seedless.app.tokens import key_uri, open_tokens
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key.import_ import ROLES
from seedless.cli.options import Settings, change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import NoKey, UsageError
from seedless.inventory import KeyEntry
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import ED25519, label_for
from seedless.pkcs11.signing import challenge
from seedless.store import root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token


@command()
@click.option(
    "--role", required=True, type=click.Choice(list(ROLES)), help="What the key is for, from now on."
)
@click.option("--name", "-n", required=True, metavar="NAME", help="Whose key it is.")
@click.option("--id", "key_id", metavar="HEX", help="Which key, by its CKA_ID [default: the only one].")
@change_options
def register(settings: Settings, *, role: str, name: str, key_id: str | None) -> None:
    """Register a key that is on the token in the inventory.

    For a key that another program created, as on a YubiKey, and for one whose entry was lost. It gets its
    role here, since its label may contain none. A test signature is verified.

    \b
    Example:
      seedless key register --role operator --name ACME --id 02 --token pkcs11:token=YubiKey%20PIV
    """
    label_for(ROLES[role], name)
    wanted = _bytes(key_id)
    workspace = CommandWorkspace(settings)
    if not settings.dry_run:
        which = "the key" if wanted is None else f"the key with the id {wanted.hex()}"
        consent.require(
            settings, f"Sign a challenge with {which}, and register it as {role} {shown(name)}?",
            done="nothing was signed, and no key was registered",
        )  # fmt: skip
    with root_lock(workspace.root).held(), open_tokens(workspace) as tokens:
        token = tokens.chosen()
        key = _one(token, wanted)
        entry = _entry(workspace, token, key, (ROLES[role], name))
        workspace.inventory().with_entry(entry)  # raises where the raw key has another role
        signer = token.signer(entry.public_key, allow_extractable=True)
        signer.sign(challenge("register a key", secrets.token_bytes(32)))
        if not settings.dry_run:
            workspace.note_key(entry)
    if key.attributes.can_leave:
        printing.say(
            f"the key {key.named} can leave its token, by what the driver reports: it signs only when named"
        )
    data: dict[str, Any] = {
        "public_key": str(entry.public_key), "role": role, "name": name, "uri": entry.uri,
        "made": entry.made, "at": entry.at,
    }  # fmt: skip
    would = {"dry_run": True} if settings.dry_run else {}
    printing.emit(would | data, f"{entry.public_key}\n{entry.uri}", as_json=settings.as_json)


def _bytes(key_id: str | None) -> bytes | None:
    try:
        return None if key_id is None else bytes.fromhex(key_id)
    except ValueError:
        raise UsageError(
            "the id of a key is written in hex", "as seedless key audit --json shows it"
        ) from None


def _one(token: Token, key_id: bytes | None) -> Key:
    keys: list[Key] = token.keys()
    found = [key for key in keys if key.key_type == ED25519 and key_id in {None, key.id}]
    if len(found) != 1:
        which = "" if key_id is None else f" with the id {key_id.hex()}"
        there = ", ".join(key.named for key in keys) or "no key"
        raise NoKey(
            f"{len(found)} Ed25519 keys{which} are on {token.info.where}, and not one: there is {there}",
            "name one by --id",
        )
    return found[0]


def _entry(workspace: CommandWorkspace, token: Token, key: Key, whose: tuple[Role, str]) -> KeyEntry:
    role, name = whose
    if key.raw is None:
        raise NoKey(
            f"the key {key.named} on {token.info.where} has no public object, so nobody knows what it is",
            "a certificate in its slot, or its public key as an object, shows it",
        )
    return KeyEntry(
        public_key=PublicKey(role, key.raw),
        uri=str(key_uri(token, key.label, key.id)),
        role=role,
        name=name,
        made="found",
        at=workspace.now,
    )
