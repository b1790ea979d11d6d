"""What a ceremony signs about itself: generic jwts with an audience of its own, never to be taken for claims.

The subject is a digest and no key, so that no server takes one for an order (those are issued to their own
subject); the audience is a fixed word, which the rules refuse for anything else (G004). Reading one means to
draft what it should say again: it is right only if every byte is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless import jwt
from seedless.claims import Generic
from seedless.errors import Refused, SeedlessError
from seedless.jwt import Claims, draft
from seedless.rules.guards import OWN_AUDIENCE

if TYPE_CHECKING:
    from seedless.jwt import Draft, Jwt
    from seedless.nkey import PublicKey

RECEIPT = f"{OWN_AUDIENCE}ceremony-receipt"
WITNESS = f"{OWN_AUDIENCE}ceremony-witness"
KEY = f"{OWN_AUDIENCE}ceremony-key"


def sha256_of(digest: str) -> str:
    """Return *digest* (hex) as a subject: `sha256:…`."""
    return f"sha256:{digest}"


def own_draft(
    audience: str, digest: str, said: dict[str, Any], issuer: PublicKey, now: int, *, expires: int = 0
) -> Draft[Generic]:
    """Return the draft of what *issuer* says about *digest* (hex) for *audience*."""
    name = audience.removeprefix(OWN_AUDIENCE).replace("-", " ")
    claims = Claims(sub=sha256_of(digest), aud=audience, name=name, exp=expires, body=Generic(data=said))
    return draft(claims, issuer, now)


def read_own(text: object, where: str) -> Jwt[Generic]:
    """Read and verify a generic jwt; raise `Refused` that names the place *where*."""
    if not isinstance(text, str):
        raise Refused(f"{where} is not a jwt", "this is no paper of a ceremony")
    try:
        found = jwt.read_strict(text)
    except SeedlessError as error:
        raise Refused(f"{where}: {error.message}", error.hint) from error
    if not isinstance(found.claims.body, Generic):
        raise Refused(f"{where} holds {found.claims.body.kind} claims", "this is no paper of a ceremony")
    return found


def require_says(found: Jwt[Generic], wanted: Draft[Generic], where: str) -> None:
    """Raise `Refused` unless *found* is just *wanted*, signed; the first member that differs is named."""
    for name, one, other in (
        ("aud", found.claims.aud, wanted.claims.aud),
        ("sub", found.claims.sub, wanted.claims.sub),
        ("iss", str(found.issuer), str(wanted.issuer)),
        ("iat", found.issued_at, wanted.issued_at),
        ("exp", found.claims.exp, wanted.claims.exp),
    ):
        if one != other:
            raise Refused(f"{where}.{name} is {one}, not {other}", "it belongs to something else")
    if not found.text.startswith(f"{wanted.signing_input.decode()}."):
        raise Refused(f"{where} says something else than it should", "it belongs to something else")
