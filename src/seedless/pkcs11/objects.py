"""The key objects on a token: listed by class, halves paired, broken ones passed over.

A half-written object (a process killed while it made a key) makes an unfiltered search fail for all. The
private half of an Ed25519 key often has no EC_POINT, so the public half gives the key its bytes: found by
CKA_ID, then by label. What a public object claims proves nothing; signatures are verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from pkcs11 import _pkcs11
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.types import Object

from seedless.pkcs11.key import ED25519, Key, KeyAttributes, point, read_attributes, type_name
from seedless.pkcs11.quirks import STANDARD

if TYPE_CHECKING:
    from pkcs11.types import Session

    from seedless.pkcs11.quirks import Numbers

_BATCH = 64
_IDENTITY = (Attribute.LABEL, Attribute.ID, Attribute.KEY_TYPE, Attribute.EC_PARAMS, Attribute.EC_POINT)
_STATEMENTS = {
    "sensitive": Attribute.SENSITIVE,
    "extractable": Attribute.EXTRACTABLE,
    "always_sensitive": Attribute.ALWAYS_SENSITIVE,
    "never_extractable": Attribute.NEVER_EXTRACTABLE,
    "local": Attribute.LOCAL,
    "modifiable": Attribute.MODIFIABLE,
    "always_authenticate": Attribute.ALWAYS_AUTHENTICATE,
    "sign": Attribute.SIGN,
}


class Half(msgspec.Struct, frozen=True):
    """One object of a key pair, as far as the token lets it be read."""

    item: Object
    label: str
    id: bytes
    key_type: str
    raw: bytes | None
    values: dict[Attribute, Any]


class Pair(msgspec.Struct, frozen=True):
    """A private object, the public one that goes with it if there is one, and the key that they make."""

    private: Object
    public: Object | None
    key: Key


def search(session: Session, template: dict[Attribute, Any]) -> list[Object]:
    """List the objects that have what *template* says; raise what the binding raises."""
    # Into a list at once: an open search blocks every other operation of the session.
    under_way = _pkcs11.SearchIter(session, template, _BATCH)  # type: ignore[attr-defined]  # the stub lacks it
    try:
        under_way.__enter__()
        return [item for batch in under_way for item in batch]
    except BaseException:
        # The binding would call C_FindObjectsFinal whenever the search is collected, on a session that is
        # thrown away by then and whose number may be another's, and print what that raises.
        # This half of it makes no call.
        _pkcs11.OperationContext._finalize(under_way)  # type: ignore[attr-defined]  # noqa: SLF001 - the stub lacks it
        raise


def halves(
    session: Session,
    kind: ObjectClass,
    numbers: Numbers = STANDARD,
    template: dict[Attribute, Any] | None = None,
    *,
    most: int | None = None,
) -> list[Half]:
    """Read the key objects of one class, public or private: all, or those that have what *template* says.

    Where there are more than *most*, none is read: the token ignores some of the template.
    """
    statements = _STATEMENTS.values() if kind == ObjectClass.PRIVATE_KEY else ()
    found = search(session, {Attribute.CLASS: kind, **(template or {})})
    if most is not None and len(found) > most:
        return []
    return [half(item, (*_IDENTITY, *statements), numbers) for item in found]


def half(
    item: Object,
    wanted: tuple[Attribute, ...] = (*_IDENTITY, *_STATEMENTS.values()),
    numbers: Numbers = STANDARD,
) -> Half:
    """Read one key object."""
    values = read_attributes(item, wanted)
    key_type = type_name(values.get(Attribute.KEY_TYPE), values.get(Attribute.EC_PARAMS), numbers)
    return Half(
        item,
        values.get(Attribute.LABEL) or "",
        values.get(Attribute.ID) or b"",
        key_type,
        point(values.get(Attribute.EC_POINT)) if key_type == ED25519 else None,
        values,
    )


def pairs(session: Session, numbers: Numbers = STANDARD) -> list[Pair]:
    """Read all private keys of the token, each with its public half."""
    publics = halves(session, ObjectClass.PUBLIC_KEY, numbers)
    return joined(halves(session, ObjectClass.PRIVATE_KEY, numbers), publics)


def joined(privates: list[Half], publics: list[Half]) -> list[Pair]:
    """Return the key of each private half, with the public half that goes with it."""
    by_id: dict[bytes, list[Half]] = {}
    by_label: dict[str, list[Half]] = {}
    for public in publics:
        by_id.setdefault(public.id, []).append(public)
        by_label.setdefault(public.label, []).append(public)
    return [
        paired(private, partner(private, by_id.get(private.id, []), by_label.get(private.label, [])))
        for private in privates
    ]


def paired(private: Half, public: Half | None) -> Pair:
    """Make the key of two halves."""
    statements = {name: _truth(private.values.get(attribute)) for name, attribute in _STATEMENTS.items()}
    key = Key(
        label=private.label,
        id=private.id,
        raw=public.raw if public else private.raw,
        key_type=private.key_type,
        attributes=KeyAttributes(**statements),
    )
    return Pair(private.item, public.item if public else None, key)


def partner(private: Half, same_id: list[Half], same_label: list[Half]) -> Half | None:
    """Return the public half of *private*: by id; where ids repeat, by label; None if that is not one key."""
    found = [public for public in same_id if public.key_type == private.key_type]
    if not private.id or not _is_one(found):
        found = [
            public
            for public in same_label
            if public.key_type == private.key_type and (not found or public.id == private.id)
        ]
    return found[0] if _is_one(found) else None


def _is_one(found: list[Half]) -> bool:
    return len({public.raw for public in found}) == 1


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
