"""Keys on a token: key objects, their encodings and attributes, and key provenance.

A half-written object (a process killed while it created a key) makes an unfiltered search fail for all, so
objects are listed by class. The private half of an Ed25519 key often has no CKA_EC_POINT, so the public half
gives the key its bytes: found by CKA_ID, then by label. What a public object claims proves nothing;
signatures are verified.

Three shapes of CKA_EC_POINT and two of CKA_EC_PARAMS are accepted: PKCS#11 3.0 required DER, 3.1 the raw
bytes of RFC 8032, and devices do as they like. An attribute with an odd value reads as None and never raises.

Key provenance is reported by the driver, and not attested: a driver can report what it likes, and one that
reports nothing gets no credit. Nothing is refused here; whoever signs refuses a key that can leave the token.
"""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec
from pkcs11 import _pkcs11
from pkcs11.attributes import ATTRIBUTE_TYPES, AttributeMapper
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.mechanisms import KeyType
from pkcs11.types import Object

from seedless.errors import UsageError
from seedless.nkey import KEY_SIZE, Role
from seedless.pkcs11.families import EC_PARAMS_NAME, EC_PARAMS_OID, STANDARD, Numbers
from seedless.text import between_quotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pkcs11.types import Session

    from seedless.pkcs11.token_info import TokenInfo


# CKA_EC_PARAMS of Ed25519 is a PrintableString in PKCS#11 3.0 and an OID in 3.1; each driver accepts one
# of them and answers the other with an error of its own. Vendors had theirs before the standard.
_EC_PARAMS_LUNA = bytes.fromhex("130745643235353139")  # PrintableString "Ed25519"
_EC_PARAMS_GNUPG = bytes.fromhex("06092b06010401da470f01")  # 1.3.6.1.4.1.11591.15.1
_ED25519_PARAMS = frozenset({EC_PARAMS_NAME, EC_PARAMS_OID, _EC_PARAMS_GNUPG, _EC_PARAMS_LUNA, b"", None})
# The same for CKA_EC_POINT: 3.0 wanted DER, 3.1 the 32 bytes of RFC 8032. OpenSC changed from one to the
# other between 0.23 and 0.27.
POINT_PREFIXES = {
    "raw": b"",
    "0420": b"\x04\x20",
    "032100": b"\x03\x21\x00",
}  # bare, OCTET STRING, BIT STRING
ED25519 = "ed25519"

_ROLES = {Role.OPERATOR: "operator", Role.ACCOUNT: "account", Role.USER: "user"}
# A YubiHSM keeps labels over 40 bytes in a second object, with more round trips; SoftHSM 2.7 takes 255
# bytes.
_LONGEST_NAME = 200


class KeyAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver reports of a private key, without attestation; None where it reports nothing."""

    sensitive: bool | None = None
    extractable: bool | None = None
    always_sensitive: bool | None = None
    never_extractable: bool | None = None
    local: bool | None = None
    modifiable: bool | None = None
    always_authenticate: bool | None = None
    sign: bool | None = None

    @property
    def can_leave(self) -> bool:
        """Whether the driver reports that the seed can be read or wrapped."""
        return self.extractable is True or self.sensitive is False


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A private key on a token, with the public half that goes with it.

    `raw` is the 32 bytes of the public key, None if the token shows none or the key is not an Ed25519 key.
    `key_type` is "ed25519", or the token's name for another kind. `id` is CKA_ID.
    """

    label: str
    id: bytes
    raw: bytes | None
    key_type: str
    attributes: KeyAttributes

    @property
    def named(self) -> str:
        """The key in an error: its label and id, safe to print."""
        return f'"{between_quotes(self.label)}" (id {self.id.hex() or "none"})'

    @property
    def role(self) -> Role | None:
        """The role in the label, None if the label reports none."""
        return role_of(self.label)


def label_for(role: Role, name: str) -> str:
    """Return the label `operator:NAME`, `account:NAME` or `user:NAME` of a key; raise `UsageError`."""
    word = _ROLES.get(role)
    if word is None:
        raise UsageError(
            f"a key on a token is for an operator, an account or a user, not for a {role.name.lower()}"
        )
    # Printable: the label goes into reviews, prompts and URIs, where a control character could hide
    # another name.
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"the name of a key has 1 to {_LONGEST_NAME} printable characters")
    return f"{word}:{name}"


def role_of(label: str) -> Role | None:
    """Return the role that *label* reports, None if it reports none."""
    word, colon, name = label.partition(":")
    return next((role for role, text in _ROLES.items() if text == word), None) if colon and name else None


def ec_point(value: bytes | None) -> bytes | None:
    """Return the 32 bytes in CKA_EC_POINT: raw, OCTET STRING (`0420…`) or BIT STRING (`032100…`)."""
    if value is None:
        return None
    for prefix in POINT_PREFIXES.values():
        if len(value) == len(prefix) + KEY_SIZE and value.startswith(prefix):
            return value[len(prefix) :]
    return None


def type_name(key_type: int | None, ec_params: bytes | None, numbers: Numbers = STANDARD) -> str:
    """Return "ed25519", or the lower-case PKCS#11 name of another kind of key, or its number."""
    if key_type in {STANDARD.key_type, numbers.key_type} and ec_params in _ED25519_PARAMS:
        # Under CKK_EC, as in IBM's numbers, only the curve distinguishes it from P-256.
        return ED25519 if ec_params or key_type != KeyType.EC else "ec"
    if key_type is None:
        return "unknown"
    try:
        return KeyType(key_type).name.lower()
    except ValueError:
        return f"0x{key_type:x}"


def read_attributes(item: Object, attributes_wanted: Iterable[Attribute]) -> dict[Attribute, Any]:
    """Read what the token gives of the *attributes_wanted* attributes; those that it refuses are missing."""
    attributes_wanted = list(attributes_wanted)
    try:
        # In one call, since each is a round trip to a device. What the token refuses is silently absent
        # in the answer.
        return dict(item.get_attributes(attributes_wanted))
    except PKCS11Error:
        # Some drivers fail the whole request for one attribute that they do not know.
        return dict(_one_by_one(item, attributes_wanted))


def _one_by_one(item: Object, attributes_wanted: Iterable[Attribute]) -> Iterable[tuple[Attribute, object]]:
    for attribute in attributes_wanted:
        try:
            yield attribute, item[attribute]
        except (PKCS11Error, IndexError):
            continue


def lenient_mapper() -> AttributeMapper:
    """Return an attribute mapper that never raises: odd values read as None, enumerations as numbers."""
    # The binding's own mapper raises ValueError for CK_UNAVAILABLE_INFORMATION (KEY_GEN_MECHANISM of
    # imported keys), for an empty date and for any vendor's number; one odd object would end the list of
    # all keys.
    mapper = AttributeMapper()
    for attribute, (pack, unpack) in ATTRIBUTE_TYPES.items():
        mapper.register_handler(attribute, pack, _lenient(unpack))
    number = _lenient(lambda value: int(struct.unpack("L", value)[0]))
    for attribute in (
        Attribute.CLASS,
        Attribute.KEY_TYPE,
        Attribute.KEY_GEN_MECHANISM,
        Attribute.CERTIFICATE_TYPE,
    ):
        mapper.register_handler(attribute, ATTRIBUTE_TYPES[attribute][0], number)
    mapper.register_handler(
        Attribute.LABEL, ATTRIBUTE_TYPES[Attribute.LABEL][0], lambda value: value.decode("utf-8", "replace")
    )
    return mapper


def _lenient(unpack: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read(value: bytes) -> object:
        try:
            return unpack(value)
        except (ValueError, struct.error):
            return None

    return read


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


class KeyObject(msgspec.Struct, frozen=True):
    """One object of a key pair, as far as the token lets it be read."""

    item: Object
    label: str
    id: bytes
    key_type: str
    raw: bytes | None
    values: dict[Attribute, Any]


class KeyPair(msgspec.Struct, frozen=True):
    """A private object, the public one that goes with it if there is one, and the key that they make."""

    private: Object
    public: Object | None
    key: Key


def search(session: Session, template: dict[Attribute, object]) -> list[Object]:
    """List the objects that match *template*; raise what the binding raises."""
    # Into a list at once: an open search blocks every other operation of the session.
    # Not `get_objects`: that runs until the search is collected, and until then C_SignInit answers
    # OperationActive; collected in another thread it leaves the lock of the session held for ever.
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


def key_objects(
    session: Session,
    kind: ObjectClass,
    numbers: Numbers = STANDARD,
    template: dict[Attribute, Any] | None = None,
    *,
    most: int | None = None,
) -> list[KeyObject]:
    """Read the key objects of one class, public or private: all, or those that match *template*.

    Where there are more than *most*, none is read: the token ignores some of the template.
    """
    statements = _STATEMENTS.values() if kind == ObjectClass.PRIVATE_KEY else ()
    # Always by class. An unfiltered search of SoftHSM raises AttributeValueInvalid for the whole list
    # when one object is half-written, as a killed process leaves it.
    found = search(session, {Attribute.CLASS: kind, **(template or {})})
    if most is not None and len(found) > most:
        return []
    return [read_key_object(item, (*_IDENTITY, *statements), numbers) for item in found]


def read_key_object(
    item: Object,
    attributes_wanted: tuple[Attribute, ...] = (*_IDENTITY, *_STATEMENTS.values()),
    numbers: Numbers = STANDARD,
) -> KeyObject:
    """Read one key object."""
    values = read_attributes(item, attributes_wanted)
    key_type = type_name(values.get(Attribute.KEY_TYPE), values.get(Attribute.EC_PARAMS), numbers)
    return KeyObject(
        item,
        values.get(Attribute.LABEL) or "",
        values.get(Attribute.ID) or b"",
        key_type,
        ec_point(values.get(Attribute.EC_POINT)) if key_type == ED25519 else None,
        values,
    )


def key_pairs(session: Session, numbers: Numbers = STANDARD) -> list[KeyPair]:
    """Read all private keys of the token, each with its public half."""
    publics = key_objects(session, ObjectClass.PUBLIC_KEY, numbers)
    return pair_objects(key_objects(session, ObjectClass.PRIVATE_KEY, numbers), publics)


def pair_objects(privates: list[KeyObject], publics: list[KeyObject]) -> list[KeyPair]:
    """Return the key of each private half, with the public half that goes with it."""
    # Private objects have no CKA_EC_POINT on SoftHSM, OpenSC and others (AttributeTypeInvalid), so halves
    # are paired by what both of them have.
    by_id: dict[bytes, list[KeyObject]] = {}
    by_label: dict[str, list[KeyObject]] = {}
    for public in publics:
        by_id.setdefault(public.id, []).append(public)
        by_label.setdefault(public.label, []).append(public)
    return [
        key_pair_of(
            private, public_object_of(private, by_id.get(private.id, []), by_label.get(private.label, []))
        )
        for private in privates
    ]


def key_pair_of(private: KeyObject, public: KeyObject | None) -> KeyPair:
    """Make the key of two halves."""
    statements = {name: _boolean(private.values.get(attribute)) for name, attribute in _STATEMENTS.items()}
    key = Key(
        label=private.label,
        id=private.id,
        raw=public.raw if public else private.raw,
        key_type=private.key_type,
        attributes=KeyAttributes(**statements),
    )
    return KeyPair(private.item, public.item if public else None, key)


def public_object_of(
    private: KeyObject, same_id: list[KeyObject], same_label: list[KeyObject]
) -> KeyObject | None:
    """Return the public half of *private*: by id; where ids repeat, by label; None if that is not one key."""
    found = [public for public in same_id if public.key_type == private.key_type]
    # Ids repeat where people copy examples (`--id 01`), labels where keys are created again; only both
    # together are taken for proof, and a signature proves it in the end.
    if not private.id or not _is_one(found):
        found = [
            public
            for public in same_label
            if public.key_type == private.key_type and (not found or public.id == private.id)
        ]
    return found[0] if _is_one(found) else None


def _is_one(found: list[KeyObject]) -> bool:
    return len({public.raw for public in found}) == 1


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


NOT_ATTESTED: Final = "these are statements of the driver, not attestations"
SOFTWARE: Final = "software: the files can be copied"
_UNAVAILABLE = frozenset({0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})  # CK_UNAVAILABLE_INFORMATION, both widths
# Of openCryptoki only the soft token: its other tokens are cards (EP11, CCA, ICSF).
_SOFTWARE_FAMILIES = frozenset({"SoftHSM", "NSS softoken"})


class Provenance(StrEnum):
    """What follows for one key from what the driver reports."""

    CREATED_HERE = "made on this token, not extractable"
    WAS_EXTRACTABLE = "made on this token, but could leave before"
    IMPORTED = "imported"
    EXTRACTABLE = "can leave"
    NOT_REPORTED = "not reported by the driver"


class KeyProvenance(msgspec.Struct, frozen=True):
    """The provenance of one key, the mechanism that created it (None: not reported), and remarks."""

    verdict: Provenance
    mechanism: int | None = None
    remarks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The verdict and the remarks, in one line."""
        return "; ".join((self.verdict, *self.remarks))


def provenance_of(attributes: KeyAttributes, mechanism: int | None, info: TokenInfo) -> KeyProvenance:
    """Return what follows from the *attributes* of a private key on a token.

    *mechanism* is its CKA_KEY_GEN_MECHANISM, None where the driver gives none (PKCS#11 2.40 §4.4: also
    CK_UNAVAILABLE_INFORMATION, for a key that was not made on the token).
    """
    known = None if mechanism in _UNAVAILABLE else mechanism
    return KeyProvenance(
        _provenance(attributes, known, reports=info.quirks.reports_origin),
        known,
        (SOFTWARE,) if is_software(info) else (),
    )


def is_software(info: TokenInfo) -> bool:
    """Report whether the token is known to be a program, whose keys lie in files."""
    family = info.quirks.family
    return family in _SOFTWARE_FAMILIES or (family == "openCryptoki" and "soft" in info.model.lower())


def _provenance(reported: KeyAttributes, mechanism: int | None, *, reports: bool) -> Provenance:
    # First, whatever else is reported: a key that can leave now is not saved by having been created here.
    if reported.can_leave:
        return Provenance.EXTRACTABLE
    if not reports:
        return Provenance.NOT_REPORTED
    # NSS reports CKA_LOCAL false for keys that it created, ykcs11 leaves CKA_KEY_GEN_MECHANISM out: each
    # alone would misjudge a family, which `reports_origin` knows.
    made_here = reported.local is True or (reported.local is None and mechanism is not None)
    if reported.local is False:
        return Provenance.IMPORTED
    if not made_here or reported.extractable is None:
        return Provenance.NOT_REPORTED
    # A key may be created extractable, wrapped out, and then made unextractable with C_SetAttributeValue;
    # these two attributes remember it (PKCS#11 2.40 §4.9).
    if reported.never_extractable is False or reported.always_sensitive is False:
        return Provenance.WAS_EXTRACTABLE
    return Provenance.CREATED_HERE
