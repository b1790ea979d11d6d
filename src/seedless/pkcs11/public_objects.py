"""What a token shows without its PIN: objects that an erasure would destroy, free slots, and certificates.

Where another program creates the keys of a device, its command names a slot and overwrites what is there
without asking. So a hint names a slot that shows nothing, or reports that none is free.

ykcs11 attests every slot when a session is opened, and shows the certificates as objects of that session
(CKA_TOKEN is false), beside that of the attestation key and the own certificates of the slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from pkcs11.constants import Attribute, ObjectClass

from seedless.errors import NoToken, TokenError
from seedless.pkcs11.keys import key_objects, read_attributes, search
from seedless.pkcs11.module import load, slot_of
from seedless.pkcs11.session import TokenSession
from seedless.pkcs11.signing import eddsa_numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pkcs11.types import Session

    from seedless.pkcs11.keys import KeyObject
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.token_info import TokenInfo
    from seedless.pkcs11.uri import KeyUri

T = TypeVar("T")

_KINDS = {
    ObjectClass.PUBLIC_KEY: "public key",
    ObjectClass.PRIVATE_KEY: "private key",
    ObjectClass.CERTIFICATE: "certificate",
    ObjectClass.SECRET_KEY: "secret key",
    ObjectClass.DATA: "data",
}
_OF_KEYS = (ObjectClass.PUBLIC_KEY, ObjectClass.PRIVATE_KEY, ObjectClass.CERTIFICATE)


class PublicObject(msgspec.Struct, frozen=True):
    """One object that can be seen without a PIN: what it is, its label and CKA_ID."""

    kind: str
    label: str
    id: bytes


def stored_objects(session: Session) -> list[PublicObject]:
    """List the objects that the token itself stores."""
    return [
        content
        for kind in _KINDS
        for content in _public_objects(session, {**_of_class(kind), Attribute.TOKEN: True})
    ]


def how_to_create(module: Module, info: TokenInfo) -> str:
    """Return how another program creates a key on this device, in a free slot, and how to go on then.

    Empty for a family whose keys are created through PKCS#11. Raise nothing of a token.
    """
    quirks = info.quirks
    if not quirks.make or not quirks.slots:
        return quirks.make and f"{quirks.make}; {_register()}"
    try:
        free = free_slots(module, info)
    except TokenError as error:
        return (
            f"{quirks.make_lists} lists the slots that hold a key, which could not be read: {error.message}"
        )
    if not free:
        names = ", ".join(name for name, _ in quirks.slots)
        return (
            f"no slot for signatures is free ({names}), and creating a key overwrites the one that is there: "
            "use another token, or register a key that is on it, seedless key register --id ID"
        )
    name, key_id = free[0]
    command = quirks.make.replace("{slot}", name)
    return f"slot {name} shows no key, and {quirks.make_lists} confirms it: {command}; {_register(key_id)}"


def free_slots(module: Module, info: TokenInfo) -> list[tuple[str, bytes]]:
    """Return the slots for signatures that show no key, and the CKA_ID of each; raise `TokenError`."""
    taken = _ids_of_keys(module, info)
    return [(name, key_id) for name, key_id in info.quirks.slots if key_id not in taken]


def _register(key_id: bytes = b"") -> str:
    named = f" --id {key_id.hex()}" if key_id else ""
    return (
        f"then seedless key register --role ROLE --name NAME{named}, and give its public key by --public-key"
    )


def _ids_of_keys(module: Module, info: TokenInfo) -> set[bytes]:
    """Return the CKA_IDs in use. Attestation certificates are objects of the session, so none is left out."""
    slot = next((slot for slot, other in module.slots() if other.slot_id == info.slot_id), None)
    if slot is None:
        raise NoToken(f"{info.where} is gone", "plug it in, then run the command again")
    with (
        TokenSession(module, slot, info, writable=False) as session,
        session.use("list what is there") as raw,
    ):
        return {content.id for kind in _OF_KEYS for content in _public_objects(raw, _of_class(kind))}


def _of_class(kind: ObjectClass) -> dict[Attribute, object]:
    return {Attribute.CLASS: kind}


def _public_objects(session: Session, template: dict[Attribute, Any]) -> list[PublicObject]:
    found = []
    for item in search(session, template):
        values = read_attributes(item, (Attribute.LABEL, Attribute.ID))
        label, key_id = values.get(Attribute.LABEL) or "", values.get(Attribute.ID) or b""
        found.append(PublicObject(_KINDS[template[Attribute.CLASS]], label, key_id))
    return found


def read_certificates(module: Path, uri: KeyUri) -> list[bytes]:
    """Return the CKA_VALUE of each certificate on the token that *uri* means; no PIN is asked for.

    Raise `ModuleError`, `NoToken` or `TokenError`.
    """
    return _without_login(module, uri, "read the certificates", lambda raw, _: _values(raw))


def read_public_keys(module: Path, uri: KeyUri) -> list[KeyObject]:
    """Return the public keys that the token that *uri* means shows without a PIN; some show none.

    Raise `ModuleError`, `NoToken` or `TokenError`.
    """
    return _without_login(
        module,
        uri,
        "list the public keys",
        lambda raw, info: key_objects(raw, ObjectClass.PUBLIC_KEY, eddsa_numbers(load(module), info)),
    )


def _without_login(module: Path, uri: KeyUri, doing: str, read: Callable[[Session, TokenInfo], T]) -> T:
    loaded = load(module)
    slot, info = slot_of(loaded, uri)
    with TokenSession(loaded, slot, info, writable=False) as session:
        return session.again(doing, lambda raw: read(raw, info))


def _values(raw: Session) -> list[bytes]:
    found = search(raw, {Attribute.CLASS: ObjectClass.CERTIFICATE})
    values = [read_attributes(item, [Attribute.VALUE]).get(Attribute.VALUE) for item in found]
    return [value for value in values if isinstance(value, bytes) and value]
