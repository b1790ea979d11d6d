"""What a ceremony signs about itself: receipts and statements of witnesses.

They are generic jwts with an audience of their own, never to be taken for claims. The subject is a digest and
no key, so that no server takes one for a delete request (those are issued to their own subject); the audience
is a fixed word, which the rules refuse for anything else (G004). To read one is to draft again what it should
contain: it is right only if every byte is.

Every key that signed in a ceremony also signs the digest of its transcript: the receipt. A transcript whose
hashes were all computed again has another digest, and nobody without the keys has a receipt for it. Refused
are a receipt that is missing, that is by another key, or that contains anything else.

Witnesses have reviewed a request, and sign which one, under which policy, with which findings waived. Who
counts, and how many are needed, comes from the policy; a key counts once, whatever its role, by its 32 bytes.
A key that signs in the ceremony, or is the operator's, is no witness whatever the policy lists: it would
confirm itself. Refused are a statement by such a key, or by one that the policy does not list, about another
request, another policy or other waived findings, one that has expired, and too few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless import jwt as jwts
from seedless.claims import Generic
from seedless.errors import Refused, SeedlessError
from seedless.jwt import Claims
from seedless.nkey import PublicKey
from seedless.rules.guards import MOST_AHEAD, OWN_AUDIENCE
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from seedless.ceremony.request import CeremonyRequest
    from seedless.jwt import Draft, Jwt
    from seedless.policy import Witnesses


RECEIPT = f"{OWN_AUDIENCE}ceremony-receipt"
WITNESS = f"{OWN_AUDIENCE}ceremony-witness"
KEY = f"{OWN_AUDIENCE}ceremony-key"


def sha256_of(digest: str) -> str:
    """Return *digest* (hex) as a subject: `sha256:…`."""
    return f"sha256:{digest}"


def ceremony_draft(
    audience: str, digest: str, data: dict[str, Any], issuer: PublicKey, now: int, *, expires: int = 0
) -> Draft[Generic]:
    """Return the draft of what *issuer* states about *digest* (hex) for *audience*."""
    name = audience.removeprefix(OWN_AUDIENCE).replace("-", " ")
    claims = Claims(sub=sha256_of(digest), aud=audience, name=name, exp=expires, body=Generic(data=data))
    return jwts.draft(claims, issuer, now)


def read_ceremony_jwt(text: object, where: str) -> Jwt[Generic]:
    """Read and verify a generic jwt; raise `Refused` that names the place *where*."""
    if not isinstance(text, str):
        raise Refused(f"{where} is not a jwt", "this is not a document of a ceremony")
    try:
        found = jwts.read_strict(text)
    except SeedlessError as error:
        raise Refused(f"{where}: {error.message}", error.hint) from error
    if not isinstance(found.claims.body, Generic):
        raise Refused(
            f"{where} holds {found.claims.body.kind} claims", "this is not a document of a ceremony"
        )
    return found


def require_equal(found: Jwt[Generic], expected: Draft[Generic], where: str) -> None:
    """Raise `Refused` unless *found* is just *expected*, signed; the first member that differs is named."""
    for name, value, other in (
        ("aud", found.claims.aud, expected.claims.aud),
        ("sub", found.claims.sub, expected.claims.sub),
        ("iss", str(found.issuer), str(expected.issuer)),
        ("iat", found.issued_at, expected.issued_at),
        ("exp", found.claims.exp, expected.claims.exp),
    ):
        if value != other:
            raise Refused(f"{where}.{name} is {value}, not {other}", "it belongs to something else")
    if not found.text.startswith(f"{expected.signing_input.decode()}."):
        raise Refused(f"{where} differs from what it should contain", "it belongs to something else")


def receipt_drafts(request: CeremonyRequest, transcript: str, at: int) -> tuple[Draft[Any], ...]:
    """Return the drafts of the receipts for *transcript* (hex digest), one by each key that signed."""
    data = {"request": request.digest}
    return tuple(ceremony_draft(RECEIPT, transcript, data, issuer, at) for issuer in request.issuers)


def require_receipts(
    texts: Sequence[str], request: CeremonyRequest, transcript: str, at: int
) -> tuple[Jwt[Any], ...]:
    """Return the verified receipts in *texts*; raise `Refused` that names the place of what is wrong."""
    expected = receipt_drafts(request, transcript, at)
    found = [read_ceremony_jwt(text, f"result.receipts[{number}]") for number, text in enumerate(texts)]
    for number, (jwt, draft) in enumerate(zip(found, expected, strict=False)):
        require_equal(jwt, draft, f"result.receipts[{number}]")
    if len(found) != len(expected):
        raise Refused(f"result.receipts holds {len(found)}, and {len(expected)} keys have signed")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementContent:
    """What a witness signs: the digests of request and policy, what was waived, and the expiry."""

    request: str
    policy: str
    waived: tuple[str, ...]
    expires: int

    def draft(self, issuer: PublicKey, now: int) -> Draft[Any]:
        """Return the draft of the statement of *issuer*."""
        data = {"policy": self.policy, "lifted": list(self.waived)}
        return ceremony_draft(WITNESS, self.request, data, issuer, now, expires=self.expires)


def require_witnesses(
    texts: Sequence[str],
    content: StatementContent,
    expected: Witnesses | None,
    *,
    signers: Collection[bytes],
    prepared_at: int,
    now: int,
) -> tuple[Jwt[object], ...]:
    """Return the verified statements in *texts*; raise `Refused` unless *expected* many state *content*.

    *signers* are the raw keys of which none is a witness (`CeremonyRequest.signers`).
    """
    found = tuple(
        _statement(text, f"witness {number}", content, (prepared_at, now))
        for number, text in enumerate(texts, 1)
    )
    for number, jwt in enumerate(found, 1):
        why = witness_problem(jwt.issuer, expected, signers)
        if why:
            raise Refused(f"witness {number}: {why}", "leave this statement out")
    counted = {jwt.issuer.raw for jwt in found}
    if len(counted) != len(found):
        raise Refused("a witness has signed twice, and counts once", "leave one of the statements out")
    if expected and len(counted) < expected.threshold:
        raise Refused(
            f"{len(counted)} of {expected.threshold} witnesses have signed",
            "seedless ceremony witness makes a statement; --witness names its file, --statement for keygen",
        )
    return found


def witness_problem(key: PublicKey, expected: Witnesses | None, signers: Collection[bytes]) -> str:
    """Return why a statement by *key* counts for nothing, as a sentence; empty where it counts."""
    if key.raw in signers:
        return f"{key} signs in this ceremony or is a key of the operator, and cannot witness it"
    if key.raw not in {PublicKey.parse(item).raw for item in (expected.keys if expected else ())}:
        return f"{key} is not a witness of the policy"
    return ""


def _statement(text: str, where: str, content: StatementContent, times: tuple[int, int]) -> Jwt[Any]:
    found = read_ceremony_jwt(text.strip(), where)
    data = found.claims.body.data or {}
    if found.claims.aud == WITNESS and found.claims.sub != sha256_of(content.request):
        raise Refused(
            f"{where} is a statement about another request, {found.claims.sub}, "
            f"and this one is {sha256_of(content.request)}",
            "the request was prepared again since, or it is another; to make a statement about this one: "
            "seedless ceremony witness",
        )
    # Only now: a statement about a request that was prepared before this one is older, and no clock is wrong.
    prepared_at, now = times
    if not prepared_at - MOST_AHEAD <= found.issued_at <= now + MOST_AHEAD:
        span = f"between the request, {moment(prepared_at)}, and now, {moment(now)}"
        raise Refused(
            f"{where} is of {moment(found.issued_at)}, and was not signed {span}", "look at the clocks"
        )
    if found.claims.aud == WITNESS and data.get("policy") != content.policy:
        raise Refused(
            f"{where} was signed under another policy, sha256 {data.get('policy')}, "
            f"and this one is {content.policy}",
            "compare both with the paper: whoever has reviewed under another one signs again, "
            "seedless ceremony witness",
        )
    if found.claims.aud == WITNESS and data.get("lifted") != list(content.waived):
        raise Refused(f"{where} was signed with other findings waived", "waive the same, with --allow")
    require_equal(found, content.draft(found.issuer, found.issued_at), where)
    if found.claims.exp <= now:
        raise Refused(f"{where} expired at {moment(found.claims.exp)}, and this clock reads {moment(now)}")
    return found
