"""Certificates and chains of them, by the library `cryptography`; nothing else imports it.

`cryptography.x509.verification` finds the chain and verifies it (RFC 5280: signatures, validity periods,
BasicConstraints, path length). Its default policy is that of the web, and refuses the certificates of
devices, which lack AuthorityKeyIdentifier; here each issuer has to be a certificate authority, and no other
extension is required or refused. It was measured with 50.0 and 45.0; 44.0 has no `ExtensionPolicy`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from seedless.errors import Refused
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

MOST_CERTIFICATES = 200
"""In all that is given: the file with the intermediates of a maker has those of all its products."""

_MOST_ABOVE = 16  # a chain has four or five; the search for one takes a power of those that could be of it

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)


class Certificate(msgspec.Struct, frozen=True):
    """A certificate as far as it is looked at: extensions that are not standard by OID, as raw bytes."""

    value: x509.Certificate
    der: bytes
    name: str
    common_name: str
    extensions: Mapping[str, bytes]
    ed25519: bytes | None
    is_authority: bool

    @property
    def digest(self) -> str:
        """The SHA-256 of the DER, in hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    def names(self) -> dict[str, tuple[str, ...]]:
        """Return the names: `cn`, `o` and `ou` of the subject, `dns`, `email` and `uri` beside it."""
        oids = {
            "cn": x509.NameOID.COMMON_NAME,
            "o": x509.NameOID.ORGANIZATION_NAME,
            "ou": x509.NameOID.ORGANIZATIONAL_UNIT_NAME,
        }
        subject = {
            name: tuple(str(attribute.value) for attribute in self.value.subject.get_attributes_for_oid(oid))
            for name, oid in oids.items()
        }
        try:
            others = self.value.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            others = x509.SubjectAlternativeName([])
        return subject | {
            "dns": tuple(others.get_values_for_type(x509.DNSName)),
            "email": tuple(others.get_values_for_type(x509.RFC822Name)),
            "uri": tuple(others.get_values_for_type(x509.UniformResourceIdentifier)),
        }


def parse(data: bytes, where: str) -> list[Certificate]:
    """Return the certificates in *data*, PEM (any number) or DER (one); raise `Refused`.

    *where* is what the error calls them: a file, or an object.
    """
    try:
        is_pem = b"-----BEGIN" in data
        values = x509.load_pem_x509_certificates(data) if is_pem else [x509.load_der_x509_certificate(data)]
        if len(values) > MOST_CERTIFICATES:
            raise Refused(f"{where} has {len(values)} certificates, and a chain has few", "give those of it")
        return [_certificate(value) for value in values]
    except _UNREADABLE as error:
        text = f"{where} is not a certificate that can be read: {shown(str(error))}"
        raise Refused(text, "a certificate is a file in PEM or DER") from error


def _certificate(value: x509.Certificate) -> Certificate:
    names = value.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    key = value.public_key()
    constraints = [
        extension.value
        for extension in value.extensions
        if isinstance(extension.value, x509.BasicConstraints)
    ]
    return Certificate(
        value=value,
        der=value.public_bytes(serialization.Encoding.DER),
        name=shown(value.subject.rfc4514_string()) or "(no name)",
        common_name=str(names[0].value) if len(names) == 1 else "",
        extensions={
            extension.oid.dotted_string: extension.value.value
            for extension in value.extensions
            if isinstance(extension.value, x509.UnrecognizedExtension)
        },
        ed25519=key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else None,
        is_authority=any(constraint.ca for constraint in constraints),
    )


def to_pem(certificates: Sequence[Certificate]) -> str:
    """Return *certificates* as PEM text."""
    return "".join(
        certificate.value.public_bytes(serialization.Encoding.PEM).decode() for certificate in certificates
    )


def chain(
    leaf: Certificate, others: Sequence[Certificate], roots: Collection[str], now: int
) -> list[Certificate]:
    """Return the chain from *leaf* to one of *others* whose digest is among *roots*; raise `Refused`.

    *now* is in Unix seconds; every certificate has to be valid then.
    """
    anchors = [other for other in others if other.digest in roots]
    if not anchors:
        raise Refused(
            "no certificate that was given is a root that the policy pins",
            "give the file of the root too: attestation.roots of the policy has the SHA-256 of its DER",
        )
    authorities = ExtensionPolicy.permit_all().require_present(
        x509.BasicConstraints, Criticality.AGNOSTIC, None
    )
    above = _above(leaf, others)
    verifier = (
        PolicyBuilder()
        .store(Store([anchor.value for anchor in anchors]))
        .time(_date(now))
        .extension_policies(ca_policy=authorities, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        found = verifier.verify(leaf.value, [certificate.value for certificate in above]).chain
    except (VerificationError, *_UNREADABLE) as error:
        why = _why(leaf, others, anchors, now) or shown(str(error))
        raise Refused(f"the chain of certificates does not hold: {why}") from error
    return [_certificate(certificate) for certificate in found]


def _above(leaf: Certificate, others: Sequence[Certificate]) -> list[Certificate]:
    """Return those of *others* that can be above *leaf* by their names; raise `Refused` for too many."""
    found: dict[bytes, Certificate] = {}
    names = {leaf.value.issuer}
    while more := {
        other.der: other for other in others if other.value.subject in names and other.der not in found
    }:
        found |= more
        names = {certificate.value.issuer for certificate in more.values()}
    if len(found) > _MOST_ABOVE:
        raise Refused(
            f"{len(found)} certificates have the names of issuers of {leaf.name}, and a chain has few",
            "give those that are above it",
        )
    return list(found.values())


def _date(now: int) -> dt.datetime:
    """Return *now* as the library takes a time: in UTC, and without saying so."""
    try:
        return dt.datetime.fromtimestamp(now, dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError) as error:  # a transcript may have any number
        raise Refused(f"no certificate is valid at {moment(now)}", "set the clock right") from error


def _why(leaf: Certificate, others: Sequence[Certificate], anchors: Sequence[Certificate], now: int) -> str:
    """Return where the way up from *leaf* ends, as a sentence; empty where this cannot report."""
    at = leaf
    for _ in range(_MOST_ABOVE):
        why = _untimely(at, now)
        if why or at in anchors:
            return why
        if at.value.issuer == at.value.subject:
            return f"it ends at {at.name} with the SHA-256 {at.digest}, a root that the policy does not pin"
        issuers = [other for other in others if other.value.subject == at.value.issuer and other is not at]
        if not issuers:
            issuer = shown(at.value.issuer.rfc4514_string())
            return f"the certificate of {issuer}, which issued {at.name}, is not among those that were given"
        signers = [item for item in issuers if _has_signed(item, at)]
        if not signers:
            return f"{at.name} is not signed by the key of {issuers[0].name}"
        at = next((signer for signer in signers if signer.is_authority), signers[0])
        if not at.is_authority:
            return f"{at.name} is not a certificate authority, and issued a certificate"
    return ""


def _untimely(certificate: Certificate, now: int) -> str:
    dates = certificate.value.not_valid_before_utc, certificate.value.not_valid_after_utc
    first, last = (int(at.timestamp()) for at in dates)
    if first <= now <= last:
        return ""
    return f"{certificate.name} is valid from {moment(first)} to {moment(last)}, and it is {moment(now)}"


def _has_signed(issuer: Certificate, certificate: Certificate) -> bool:
    try:
        certificate.value.verify_directly_issued_by(issuer.value)
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True
