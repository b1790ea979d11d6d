"""Activation claims: leave for one account to import a private export of another."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from seedless.claims.common import ImportType, Part
from seedless.errors import BadClaims
from seedless.nkey import Role, base32


class Activation(Part, frozen=True, kw_only=True):
    """The body of an activation jwt (jwt v2.8.2, activation_claims.go).

    `import_type` is written as `kind`.
    """

    kind: ClassVar[str] = "activation"
    issuers: ClassVar[tuple[Role, ...]] = (Role.ACCOUNT, Role.OPERATOR)
    subjects: ClassVar[tuple[Role, ...]] = (Role.ACCOUNT,)

    subject: str = ""
    import_type: ImportType = msgspec.field(default="", name="kind")
    issuer_account: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> Activation:
        """Return what the official constructor gives: nothing set."""
        return cls()


def hash_id(issuer: str, importer: str, subject: str) -> str:
    """Return the id under which an activation is looked up: base32 with padding of a SHA-256.

    It covers *issuer* and *importer* (key texts) and *subject* up to its first wildcard.
    """
    if not (issuer and importer and subject):
        raise BadClaims("an activation without issuer, importing account and subject has no id")
    import hashlib  # OpenSSL is slow to load, and few programs need this id

    text = f"{issuer}.{importer}.{_without_wildcards(subject)}"
    try:
        digest = hashlib.sha256(text.encode()).digest()
    except UnicodeEncodeError:
        raise BadClaims("the activation holds half of a surrogate pair", rule="not-utf8") from None
    return f"{base32(digest)}===="


def _without_wildcards(subject: str) -> str:
    tokens = subject.split(".")
    first = next((index for index, token in enumerate(tokens) if token in {"*", ">"}), None)
    if first == 0:
        return "_"
    return ".".join(tokens[:first]) or subject
