"""Keys on a token: their encodings, what the driver says of them, and the role in their label.

Accepted are three shapes of EC_POINT and two of EC_PARAMS: PKCS#11 3.0 wanted DER, 3.1 the raw bytes of RFC
8032, and devices do as they like. An attribute with an odd value reads as None and never raises.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec
from pkcs11.attributes import ATTRIBUTE_TYPES, AttributeMapper
from pkcs11.constants import Attribute
from pkcs11.exceptions import PKCS11Error
from pkcs11.mechanisms import KeyType

from seedless.errors import UsageError
from seedless.nkey import KEY_SIZE, Role
from seedless.pkcs11.quirks import EC_PARAMS_NAME, EC_PARAMS_OID, STANDARD, Numbers
from seedless.text import between_quotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pkcs11.types import Object

_EC_PARAMS_LUNA = bytes.fromhex("130745643235353139")  # PrintableString "Ed25519"
_EC_PARAMS_GNUPG = bytes.fromhex("06092b06010401da470f01")  # 1.3.6.1.4.1.11591.15.1
_ED25519_PARAMS = frozenset({EC_PARAMS_NAME, EC_PARAMS_OID, _EC_PARAMS_GNUPG, _EC_PARAMS_LUNA, b"", None})
POINT_PREFIXES = {
    "raw": b"",
    "0420": b"\x04\x20",
    "032100": b"\x03\x21\x00",
}  # bare, OCTET STRING, BIT STRING
ED25519 = "ed25519"

_ROLES = {Role.OPERATOR: "operator", Role.ACCOUNT: "account", Role.USER: "user"}
_LONGEST_NAME = 200


class KeyAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver says of a private key; None where it says nothing. A statement, not an attestation."""

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
        """Whether the driver says that the seed can be read or wrapped."""
        return self.extractable is True or self.sensitive is False


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A private key on a token, with the public half that goes with it.

    `raw` is the 32 bytes of the public key, None if the token shows none or the key is no Ed25519 key.
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
        """The role in the label, None if the label tells none."""
        return role_of(self.label)


def label_for(role: Role, name: str) -> str:
    """Return the label `operator:NAME`, `account:NAME` or `user:NAME` of a key; raise `UsageError`."""
    word = _ROLES.get(role)
    if word is None:
        raise UsageError(
            f"a key on a token is for an operator, an account or a user, not for a {role.name.lower()}"
        )
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"the name of a key has 1 to {_LONGEST_NAME} printable characters")
    return f"{word}:{name}"


def role_of(label: str) -> Role | None:
    """Return the role that *label* tells, None if it tells none."""
    word, colon, name = label.partition(":")
    return next((role for role, text in _ROLES.items() if text == word), None) if colon and name else None


def point(value: bytes | None) -> bytes | None:
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
        # Under CKK_EC, as in IBM's numbers, only the curve tells it from P-256.
        return ED25519 if ec_params or key_type != KeyType.EC else "ec"
    if key_type is None:
        return "unknown"
    try:
        return KeyType(key_type).name.lower()
    except ValueError:
        return f"0x{key_type:x}"


def read_attributes(item: Object, wanted: Iterable[Attribute]) -> dict[Attribute, Any]:
    """Read what the token gives of the *wanted* attributes; those that it refuses are missing."""
    wanted = list(wanted)
    try:
        return dict(item.get_attributes(wanted))
    except PKCS11Error:
        # Some drivers fail the whole request for one attribute that they do not know.
        return dict(_one_by_one(item, wanted))


def _one_by_one(item: Object, wanted: Iterable[Attribute]) -> Iterable[tuple[Attribute, Any]]:
    for attribute in wanted:
        try:
            yield attribute, item[attribute]
        except (PKCS11Error, IndexError):
            continue


def lenient_mapper() -> AttributeMapper:
    """Return an attribute mapper that never raises: odd values read as None, enumerations as numbers."""
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


def _lenient(unpack: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(value: bytes) -> Any:  # noqa: ANN401 - as the binding types it
        try:
            return unpack(value)
        except (ValueError, struct.error):
            return None

    return read
