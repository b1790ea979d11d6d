"""The backend `certificate`: the client certificate that the server verified names who logs in.

Only the chain that the server verified counts (`verified_chains`); a certificate that was merely sent never
reaches a backend. The name is one attribute of the subject, or the one SubjectAlternativeName of its kind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from seedless.errors import InvalidValue, Refused
from seedless.serve.login import Identity, Login
from seedless.strict_json import Parsed
from seedless.text import brief

if TYPE_CHECKING:
    from seedless._x509 import Certificate

__all__ = ["CertificateSettings", "Certificates"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise InvalidValue("is not a SHA-256 of a certificate's DER, 64 hex digits in lower case")
    return text


class CertificateSettings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", tag_field="kind", tag="certificate"
):
    """The client certificate that the server verified; requires `verify: true` in the servers' `tls`."""

    name: Annotated[
        Literal["cn", "dns", "email", "uri"],
        Meta(description="what names the identity: the subject's CN, or the SubjectAlternativeName"),
    ] = "cn"
    suffix: Annotated[
        str, Meta(description="the end that every name has, and that is taken off, as `.devices.example.com`")
    ] = ""
    authorities: Annotated[
        tuple[Annotated[str, Parsed("a SHA-256 of a certificate", _digest)], ...],
        Meta(description="SHA-256 of certificates, one of which has to be above; else what servers verify"),
    ] = ()


class Certificates:
    """A backend of verified client certificates."""

    def __init__(self, name: str, settings: CertificateSettings) -> None:
        """Take the *settings*."""
        self._name = name
        self._settings = settings

    def __repr__(self) -> str:
        return f"Certificates({self._name!r})"

    async def identify(self, login: Login) -> Identity | None:
        """Return who the leaf names, None without a verified certificate."""
        from seedless import _x509  # only where there are certificates

        if not login.certificates:
            return None
        chain = [
            certificate
            for pem in login.certificates
            for certificate in _x509.parse(pem.encode(), "the client certificate")
        ]
        leaf, *above = chain
        pinned = self._settings.authorities
        if pinned and not any(certificate.digest in pinned for certificate in above):
            raise Refused(f"no certificate above {brief(leaf.name)} is a pinned authority")
        return self._identity(leaf)

    def _identity(self, leaf: Certificate) -> Identity:
        attributes = {name: values for name, values in leaf.names().items() if values}
        found = attributes.get(self._settings.name, ())
        if len(found) != 1:
            kind = self._settings.name
            raise Refused(
                f"{brief(leaf.name)} has {len(found)} names of the kind {kind}, and one is required"
            )
        name = without_suffix(found[0], self._settings.suffix)
        return Identity(
            backend=self._name,
            name=name,
            attributes={**attributes, "sha256": leaf.digest},
            expires=int(leaf.value.not_valid_after_utc.timestamp()),
        )


def without_suffix(name: str, suffix: str) -> str:
    """Return *name* without the *suffix* that it must have; raise `Refused`."""
    if not name.endswith(suffix) or name == suffix:
        raise Refused(f"the name {brief(name)} does not end with {brief(suffix)}")
    return name.removesuffix(suffix)
