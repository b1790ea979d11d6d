"""Certificates with the structure of those that YubiKeys and YubiHSMs issue, made by keys of the tests.

Extensions are encoded as the devices do: firmware, policies and form factor of a YubiKey are raw bytes, all
of a YubiHSM is DER. The certificate of a key has no BasicConstraints.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PIV = "1.3.6.1.4.1.41482.3"
HSM = "1.3.6.1.4.1.41482.4"
FIRST = dt.datetime(2017, 1, 1)  # noqa: DTZ001 - UTC, as the builder takes it
LAST = dt.datetime(2071, 10, 5)  # noqa: DTZ001 - likewise

PIV_EXTENSIONS = {
    f"{PIV}.3": bytes.fromhex("050704"),
    f"{PIV}.7": bytes.fromhex("020400bc614e"),  # 12345678
    f"{PIV}.8": bytes.fromhex("0302"),
    f"{PIV}.9": bytes.fromhex("03"),
}
HSM_EXTENSIONS = {
    f"{HSM}.1": bytes.fromhex("0403020401"),
    f"{HSM}.2": bytes.fromhex("0204020bd9fd"),
    f"{HSM}.3": bytes.fromhex("03020001"),
    f"{HSM}.4": bytes.fromhex("0303000005"),
    f"{HSM}.5": bytes.fromhex("0309000000000000000100"),
    f"{HSM}.6": bytes.fromhex("020103"),
    f"{HSM}.9": b"\x0c\x0doperator:ACME",
}


@functools.cache
def rsa_key(number: int) -> Any:  # noqa: ANN401 - the library's key
    """Return an RSA key of the tests; the same for the same *number*."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class Made:
    """A certificate, and the key of what it certifies, where the tests have it."""

    value: x509.Certificate
    key: Any = None

    @property
    def der(self) -> bytes:
        return self.value.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.value.public_bytes(serialization.Encoding.PEM)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.der).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a certificate is: its name, its extensions, and the length of path of an authority."""

    name: str
    path_length: int | None = None
    is_authority: bool = True
    extensions: dict[str, bytes] = field(default_factory=dict)
    dates: tuple[dt.datetime, dt.datetime] = (FIRST, LAST)


def certify(shape: Shape, public: Any, issuer: Made | None, key: Any) -> x509.Certificate:  # noqa: ANN401 - keys of the library
    """Return a certificate of *public* as *shape* says; *key* signs, in the name of *issuer*."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, shape.name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.value.subject if issuer else name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(shape.dates[0])
        .not_valid_after(shape.dates[1])
    )
    if shape.is_authority:
        builder = builder.add_extension(x509.BasicConstraints(True, shape.path_length), True)  # noqa: FBT003 - the library's order
    for oid, value in shape.extensions.items():
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        builder = builder.add_extension(unknown, critical=False)
    return builder.sign(key, hashes.SHA256())


def authority(shape: Shape, number: int, issuer: Made | None = None) -> Made:
    """Return an authority with the RSA key *number*, below *issuer*, or a root."""
    own = rsa_key(number)
    return Made(certify(shape, own.public_key(), issuer, issuer.key if issuer else own), own)


@dataclass(frozen=True)
class Device:
    """The root of a maker, and a device of it: its attestation key and its certificate."""

    root: Made
    own: Made

    def attest(self, raw: bytes, shape: Shape, signed_by: Any = None) -> Made:  # noqa: ANN401 - a key of the library
        """Return the certificate of the Ed25519 key *raw*, 32 bytes."""
        public = Ed25519PublicKey.from_public_bytes(raw)
        return Made(certify(shape, public, self.own, signed_by or self.own.key))

    def piv(self, raw: bytes, slot: str = "9c", **extensions: bytes | None) -> Made:
        """Return the attestation of a slot; *extensions* by their last number, as `x8=b""`; None is none."""
        changed = _changed(PIV_EXTENSIONS, PIV, extensions)
        name = f"YubiKey PIV Attestation {slot}"
        return self.attest(raw, Shape(name=name, is_authority=False, extensions=changed))

    def hsm(self, raw: bytes, **extensions: bytes | None) -> Made:
        """Return the attestation of an object, as `piv` does."""
        changed = _changed(HSM_EXTENSIONS, HSM, extensions)
        name = "YubiHSM Attestation id:0x0003"
        return self.attest(raw, Shape(name=name, is_authority=False, extensions=changed))


def _changed(usual: dict[str, bytes], arc: str, given: dict[str, bytes | None]) -> dict[str, bytes]:
    whole: dict[str, bytes | None] = {
        **usual,
        **{f"{arc}.{name[1:]}": value for name, value in given.items()},
    }
    return {oid: value for oid, value in whole.items() if value is not None}


def yubikey(number: int = 0) -> Device:
    """Return a YubiKey: a root, and F9 below it."""
    root = authority(Shape(name="Yubico PIV Root CA Serial 263751"), number)
    shape = Shape(
        name="Yubico PIV Attestation", path_length=0, extensions={f"{PIV}.3": bytes.fromhex("050704")}
    )
    return Device(root, authority(shape, number + 1, root))


def yubihsm(number: int = 0) -> Device:
    """Return a YubiHSM 2: a root, and the certificate of the device below it."""
    root = authority(Shape(name="Yubico YubiHSM Root CA"), number)
    shape = Shape(name="YubiHSM Attestation (34331133)", path_length=0)
    return Device(root, authority(shape, number + 1, root))
