"""What a policy says, as values, and its digest.

The digest is the SHA-256 of the policy as JSON without blanks: names and lists sorted, spans in seconds,
sizes in bytes, what is not said left out. Comments and spelling do not count; every rule does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping  # noqa: TC003 - fields of a dataclass
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from seedless import wire

KINDS = (
    "operator",
    "account",
    "user",
    "activation",
    "authorization_request",
    "authorization_response",
    "generic",
)
ISSUERS = (
    "operator",
    "operator-signing-key",
    "account",
    "account-signing-key",
    "user",
    "server",
    "cluster",
)
TAGGED = ("operator", "account", "user", "activation")
NAMED = ("accounts", "signing-keys", "users")
ATTESTED = ("operator", "account", "user")

Texts = tuple[str, ...]


def _none() -> Any:  # noqa: ANN401 - a mapping of anything
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """From `iat` to `exp`, in seconds; None is no bound."""

    shortest: int | None = None
    longest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """The keys of those who watch a ceremony, and how many of them must have signed."""

    keys: Texts
    threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationPins:
    """The roots of makers, SHA-256 of DER in hexadecimal, and the roles whose keys have to be attested."""

    roots: Texts
    required: Texts = ()

    @property
    def stated(self) -> dict[str, list[str]]:
        """What `Policy.canonical` has of them: no empty list, which no policy file may have."""
        found = {"roots": _sorted(self.roots), "required": _sorted(self.required)}
        return {name: texts for name, texts in found.items() if texts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be signed; what is not said is not restricted, but for the operator, which is pinned."""

    operator: str
    sign: Mapping[str, Texts] | None = None
    validity: Mapping[str, Validity] = field(default_factory=_none)
    names: Mapping[str, Texts] = field(default_factory=_none)
    tags: Mapping[str, Texts] = field(default_factory=_none)
    too_wide: Texts = ()
    reserved: Texts = ()
    wildcard_exports: bool = True
    limits: Mapping[str, Mapping[str, int]] = field(default_factory=_none)
    strict_signing_keys: bool = False
    tokens: Texts = ()
    named: Mapping[str, Texts] = field(default_factory=_none)
    witnesses: Witnesses | None = None
    attestation: AttestationPins | None = None

    @property
    def canonical(self) -> bytes:
        """The bytes that the digest is of."""
        said = {
            "operator": self.operator,
            "sign": None if self.sign is None else _lists(self.sign),
            "validity": {
                kind: {
                    name: seconds
                    for name, seconds in (("shortest", bounds.shortest), ("longest", bounds.longest))
                    if seconds is not None
                }
                for kind, bounds in self.validity.items()
            },
            "names": _lists(self.names),
            "tags": _lists(self.tags),
            "subjects": {
                name: value
                for name, value in (
                    ("too-wide", _sorted(self.too_wide)),
                    ("reserved", _sorted(self.reserved)),
                    ("wildcard-exports", None if self.wildcard_exports else False),
                )
                if value not in (None, [])
            },
            "limits": {kind: dict(bounds) for kind, bounds in self.limits.items()},
            "strict-signing-keys": self.strict_signing_keys or None,
            "tokens": _sorted(self.tokens),
            "named": _lists(self.named),
            "witnesses": self.witnesses
            and {"keys": _sorted(self.witnesses.keys), "threshold": self.witnesses.threshold},
            "attestation": self.attestation and self.attestation.stated,
        }
        kept = {name: value for name, value in said.items() if value or (name == "sign" and value == {})}
        return wire.encode(kept)

    @property
    def digest(self) -> str:
        """The SHA-256 of `canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical).hexdigest()


def _sorted(texts: Texts) -> list[str]:
    return sorted(set(texts))


def _lists(held: Mapping[str, Texts]) -> dict[str, list[str]]:
    return {name: _sorted(texts) for name, texts in held.items()}
