"""Witnesses: people who have reviewed a request, and sign which one, under which policy, with what lifted.

Who counts, and how many are needed, comes from the policy; a key counts once, whatever its role, by its 32
bytes. A key that signs in the ceremony, or is the operator's, is no witness whatever the policy says: it
would confirm itself. Refused are a statement by such a key, or by one that the policy does not list, about
another request, another policy or other lifted findings, one that has expired, and too few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless.ceremony.own import WITNESS, own_draft, read_own, require_says, sha256_of
from seedless.errors import Refused
from seedless.nkey import PublicKey
from seedless.rules.guards import MOST_AHEAD
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from seedless.jwt import Draft, Jwt
    from seedless.policy import Witnesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What a witness signs: the digests of request and policy, what was lifted, until when it holds."""

    request: str
    policy: str
    lifted: tuple[str, ...]
    expires: int

    def draft(self, issuer: PublicKey, now: int) -> Draft[Any]:
        """Return the draft of the statement of *issuer*."""
        said = {"policy": self.policy, "lifted": list(self.lifted)}
        return own_draft(WITNESS, self.request, said, issuer, now, expires=self.expires)


def require_witnesses(
    texts: Sequence[str],
    matter: Matter,
    wanted: Witnesses | None,
    *,
    signers: Collection[bytes],
    prepared_at: int,
    now: int,
) -> tuple[Jwt[Any], ...]:
    """Return the verified statements in *texts*; raise `Refused` unless as many as *wanted* say *matter*.

    *signers* are the raw keys of which none is a witness (`Request.signers`).
    """
    found = tuple(
        _statement(text, f"witness {number}", matter, (prepared_at, now))
        for number, text in enumerate(texts, 1)
    )
    for number, jwt in enumerate(found, 1):
        why = why_no_witness(jwt.issuer, wanted, signers)
        if why:
            raise Refused(f"witness {number}: {why}", "leave this statement out")
    counted = {jwt.issuer.raw for jwt in found}
    if len(counted) != len(found):
        raise Refused("a witness has signed twice, and counts once", "leave one of the statements out")
    if wanted and len(counted) < wanted.threshold:
        raise Refused(
            f"{len(counted)} of {wanted.threshold} witnesses have signed",
            "seedless ceremony witness makes a statement; --witness names its file",
        )
    return found


def why_no_witness(key: PublicKey, wanted: Witnesses | None, signers: Collection[bytes]) -> str:
    """Return why a statement by *key* counts for nothing, as a sentence; empty where it counts."""
    if key.raw in signers:
        return f"{key} signs in this ceremony or is a key of the operator, and cannot witness it"
    if key.raw not in {PublicKey.parse(one).raw for one in (wanted.keys if wanted else ())}:
        return f"{key} is no witness of the policy"
    return ""


def _statement(text: str, where: str, matter: Matter, times: tuple[int, int]) -> Jwt[Any]:
    found = read_own(text.strip(), where)
    said = found.claims.body.data or {}
    if found.claims.aud == WITNESS and found.claims.sub != sha256_of(matter.request):
        raise Refused(
            f"{where} is a statement about another request, {found.claims.sub}, "
            f"and this one is {sha256_of(matter.request)}",
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
    if found.claims.aud == WITNESS and said.get("policy") != matter.policy:
        raise Refused(f"{where} was signed under another policy", "everybody needs the same policy")
    if found.claims.aud == WITNESS and said.get("lifted") != list(matter.lifted):
        raise Refused(f"{where} was signed with other findings lifted", "lift the same, with --allow")
    require_says(found, matter.draft(found.issuer, found.issued_at), where)
    if found.claims.exp <= now:
        raise Refused(f"{where} expired at {moment(found.claims.exp)}, and this clock reads {moment(now)}")
    return found
