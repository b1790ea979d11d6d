"""Attestation: a device certifies, by a key of its maker, that it created a key itself.

What a driver reports of a key is the word of the driver. A YubiKey (PIV) and a YubiHSM 2 issue a certificate
for a key that they hold, signed by an attestation key that the factory put there, whose own certificate
chains to a root of the maker. Verified here: the certificate is of the expected public key, its chain reaches
a root that the policy pins, and its extensions are complete. It proves where the key was created and what its
device requires for each signature; it does not prove who holds the device, nor when the key was created, nor
that it was created in *this* ceremony: a certificate has no challenge in it.

**Validity periods.** Every certificate of the chain has to be valid at *now*. Devices have no clock: they
copy the dates of the attestation certificate into each certificate that they issue, so the dates do not
report when the key was created. Yubico's run for decades or until the year 9999: an expired one is wrong or
very old, or the clock is. Who checks a ceremony later gives the moment of the ceremony as *now*: what was
valid then stays so.

**An issuer has to be a certificate authority.** A key in a slot of the device can sign anything, also what
looks like a certificate of the device; its own certificate has no BasicConstraints, so it issues nothing. The
attestation certificates of some YubiKeys of 2018 and before lack them too and are refused; no device of that
time has Ed25519.

Sources: docs.yubico.com "YubiKey OIDs, PIV attestation" and "YubiHSM OIDs" (1.3.6.1.4.1.41482.3 and .4); the
encodings from certificates of YubiKey 5.4.3 and 4.3.7 and of a YubiHSM 2 that others have published. Nothing
was tried on hardware here.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import MissingPackage, Refused
from seedless.nkey import PublicKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from seedless._x509 import Certificate

_PIV = "1.3.6.1.4.1.41482.3"
_HSM = "1.3.6.1.4.1.41482.4"
_SLOT = re.compile(r"YubiKey PIV Attestation ([0-9a-f]{2})")
_PIN = {1: "never", 2: "once", 3: "always", 4: "match once", 5: "match always"}
_TOUCH = {1: "never", 2: "always", 3: "cached"}
_FORM = {1: "USB-A", 2: "USB-A nano", 3: "USB-C", 4: "USB-C nano", 5: "USB-C and Lightning"}
_FIPS_FORM = 0x80
_GENERATED = 0x01
_EXPORTABLE = 16
_CAPABILITIES = {
    5: "sign-pkcs", 6: "sign-pss", 7: "sign-ecdsa", 8: "sign-eddsa", 9: "decrypt-pkcs", 10: "decrypt-oaep",
    11: "derive-ecdh", 16: "exportable-under-wrap", 25: "sign-ssh-certificate",
    34: "sign-attestation-certificate",
}  # fmt: skip
_INTEGER, _BIT_STRING, _OCTET_STRING, _UTF8 = 0x02, 0x03, 0x04, 0x0C


class PivKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a YubiKey certifies of a key: its slot, when PIN and touch are required, and its own form."""

    slot: str
    pin: str
    touch: str
    form_factor: str = ""


class HsmKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a YubiHSM 2 certifies of a key: its object, and by whom and for what it can be used."""

    object_id: int
    label: str
    domains: tuple[int, ...]
    capabilities: tuple[str, ...]


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """A verified attestation: the key was created on the device; `key` has what else is certified of it.

    `digest` and `root` are SHA-256 of DER; `chain` is PEM text, from the certificate of the key to the root.
    """

    public_key: PublicKey
    serial: int
    firmware: str
    key: PivKey | HsmKey
    digest: str
    root: str
    root_name: str
    chain: str

    @property
    def device(self) -> str:
        """The kind of the device."""
        return "YubiKey" if isinstance(self.key, PivKey) else "YubiHSM 2"

    @property
    def lines(self) -> tuple[str, ...]:
        """What is attested, in lines to read."""
        first = f"created on a {self.device}, serial {self.serial}, firmware {self.firmware}"
        root = f"chain: {self.root_name} ({self.root}), pinned by the policy"
        if isinstance(self.key, PivKey):
            form = f" ({self.key.form_factor})" if self.key.form_factor else ""
            return f"{first}{form}, slot {self.key.slot}", f"PIN {self.key.pin}, touch {self.key.touch}", root
        where = f"object 0x{self.key.object_id:04x}"
        domains = ", ".join(map(str, self.key.domains))
        uses = ", ".join(self.key.capabilities) or "none"
        return f"{first}, {where}", f"domains {domains or 'none'}, capabilities {uses}", root


def parse(data: bytes, where: str = "the file") -> list[Certificate]:
    """Return the certificates in *data*, PEM or DER; raise `Refused`, or `MissingPackage`."""
    _require_package()
    from seedless import _x509  # an extra

    return _x509.parse(data, where)


def _require_package() -> None:
    try:
        from seedless import _x509  # noqa: F401 - an extra
    except ImportError as error:  # it is not installed, or lacks what came with 45.0
        text = "certificates cannot be read without the Python package cryptography, 45.0 or newer"
        raise MissingPackage(text, "pip install 'seedless[attest]'") from error


def of_objects(values: Iterable[bytes], public_key: PublicKey) -> list[Certificate]:
    """Return those certificates on a token that can be of the chain of *public_key*.

    *values* are the CKA_VALUE of its certificate objects. A token has others too, of other keys and of other
    programs, which are not looked at, not even whether they can be read; a YubiKey has one for each slot.
    """
    found = []
    for value in values:
        with contextlib.suppress(Refused):
            found += parse(value, "an object of the token")
    return [
        certificate
        for certificate in found
        if certificate.is_authority or certificate.ed25519 == public_key.raw
    ]


def verify(
    certificates: Sequence[Certificate], public_key: PublicKey, roots: Collection[str], now: int
) -> Attestation:
    """Return what a device attests of *public_key*; raise `Refused` with what is wrong.

    *certificates* are in any order: that of the key, and those up to the root, itself among them. *roots* are
    SHA-256 digests of DER in lower-case hexadecimal; *now* is in Unix seconds. Raise `MissingPackage` without
    `cryptography`.
    """
    _require_package()
    from seedless import _x509  # an extra

    if len(certificates) > _x509.MOST_CERTIFICATES:
        raise Refused(
            f"{len(certificates)} certificates were given, and a chain has few", "give those of this key"
        )
    leaf = _leaf(certificates, public_key)
    links = _x509.chain(leaf, certificates, roots, now)
    root = links[-1]
    if root.der == leaf.der:
        raise Refused("the certificate of the key is pinned as a root", "pin the root of the maker")
    firmware, serial, key = _piv(leaf) if f"{_PIV}.8" in leaf.extensions else _hsm(leaf)
    return Attestation(
        public_key=public_key,
        serial=serial,
        firmware=firmware,
        key=key,
        digest=leaf.digest,
        root=root.digest,
        root_name=root.common_name or root.name,
        chain=_x509.to_pem(links),
    )


def _leaf(certificates: Sequence[Certificate], public_key: PublicKey) -> Certificate:
    """Return the one attestation certificate of *public_key*: a slot's own certificate has the same key."""
    of_key = [certificate for certificate in certificates if certificate.ed25519 == public_key.raw]
    if not of_key:
        raise Refused(
            f"no certificate that was given is of the key {public_key}",
            "give the attestation certificate of this key",
        )
    found = {
        certificate.der: certificate
        for certificate in of_key
        if {f"{_PIV}.8", f"{_HSM}.3"} & certificate.extensions.keys()
    }
    if not found:
        raise Refused(
            f"the certificate of {public_key} is not an attestation: {of_key[0].name} has no policies "
            f"for PIN and touch ({_PIV}.8), and no origin ({_HSM}.3)",
            "an attestation is made by ykman piv keys attest, or by yubihsm-shell attest asymmetric",
        )
    return next(iter(found.values()))


def _piv(leaf: Certificate) -> tuple[str, int, PivKey]:
    slot = _SLOT.fullmatch(leaf.common_name)
    if slot is None:
        raise Refused(f"{leaf.name} is not named as a YubiKey names an attestation", "attest the slot again")
    pin, touch = _raw(leaf, 8, 2, "the policies for PIN and touch")
    if pin not in _PIN or touch not in _TOUCH:
        raise Refused(f"{leaf.name} has policies for PIN and touch that are not known: {pin}, {touch}")
    form = leaf.extensions.get(f"{_PIV}.9", b"\0")[:1]
    number = form[0] if form else 0
    fips = " FIPS" if number & _FIPS_FORM else ""
    return (
        ".".join(map(str, _raw(leaf, 3, 3, "the firmware"))),
        _integer(leaf, f"{_PIV}.7", "the serial number"),
        PivKey(
            slot=slot[1],
            pin=_PIN[pin],
            touch=_TOUCH[touch],
            form_factor=f"{_FORM.get(number & 0x7F, '')}{fips}".strip(),
        ),
    )


def _hsm(leaf: Certificate) -> tuple[str, int, HsmKey]:
    origin = _bits(leaf, 3, 1, "the origin")
    if origin != _GENERATED:
        raise Refused(
            f"{leaf.name} certifies that the key was not created on the device: its origin is 0x{origin:02x}",
            "a key that was imported or unwrapped exists elsewhere too; create one on the device",
        )
    bits = _bits(leaf, 5, 8, "the capabilities")
    if bits >> _EXPORTABLE & 1:
        raise Refused(
            f"{leaf.name} certifies that the key can leave the device: it has exportable-under-wrap",
            "create a key without this capability",
        )
    domains = _bits(leaf, 4, 2, "the domains")
    firmware = _value(leaf, f"{_HSM}.1", _OCTET_STRING, "the firmware")
    if len(firmware) != len("xyz"):
        raise Refused(f"{leaf.name} has a firmware that is not three bytes")
    return (
        ".".join(map(str, firmware)),
        _integer(leaf, f"{_HSM}.2", "the serial number"),
        HsmKey(
            object_id=_integer(leaf, f"{_HSM}.6", "the object id"),
            label=_value(leaf, f"{_HSM}.9", _UTF8, "the label").decode("utf-8", "replace"),
            domains=tuple(n + 1 for n in range(16) if domains >> n & 1),
            capabilities=tuple(_CAPABILITIES.get(n, f"bit {n}") for n in range(64) if bits >> n & 1),
        ),
    )


def _raw(leaf: Certificate, number: int, size: int, what: str) -> bytes:
    """Return an extension of a YubiKey, which are *size* bytes and no DER."""
    value = _extension(leaf, f"{_PIV}.{number}", what)
    if len(value) != size:
        raise Refused(f"{leaf.name}: {what} ({_PIV}.{number}) has {len(value)} bytes instead of {size}")
    return value


def _bits(leaf: Certificate, number: int, size: int, what: str) -> int:
    value = _value(leaf, f"{_HSM}.{number}", _BIT_STRING, what)
    if len(value) != size + 1 or value[0]:  # the first byte counts bits that are not used
        raise Refused(f"{leaf.name}: {what} ({_HSM}.{number}) is not {8 * size} bits")
    return int.from_bytes(value[1:], "big")


def _integer(leaf: Certificate, oid: str, what: str) -> int:
    value = _value(leaf, oid, _INTEGER, what)
    number = int.from_bytes(value, "big", signed=True)
    if not value or number < 0:
        raise Refused(f"{leaf.name}: {what} ({oid}) is not a number from 0 on")
    return number


def _value(leaf: Certificate, oid: str, tag: int, what: str) -> bytes:
    """Return the content of an extension that is one DER value of *tag*; all of them are below 128 bytes."""
    value = _extension(leaf, oid, what)
    short = 0x80
    if len(value) < len("tl") or value[0] != tag or value[1] >= short or len(value) != value[1] + 2:
        raise Refused(f"{leaf.name}: {what} ({oid}) is not what a device writes there: {value[:16].hex()}")
    return value[2:]


def _extension(leaf: Certificate, oid: str, what: str) -> bytes:
    if oid not in leaf.extensions:
        raise Refused(f"{leaf.name} is not a complete attestation: it does not have {what} ({oid})")
    return leaf.extensions[oid]
