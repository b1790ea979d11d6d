"""A rehearsal: the ceremony of a request with other keys, everything else as it is.

Each key that has signed or is to sign gets a placeholder key. Wherever its text is in a jwt, a draft or the
policy, that of the placeholder key is put, and the jwts are signed again. So nothing that a rehearsal makes
is worth anything under the real operator, and all of it is marked. Accounts and users whose keys sign nothing
keep them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import jwt
from seedless.ceremony.judgement import ReviewContext
from seedless.ceremony.request import REHEARSAL, CeremonyRequest
from seedless.claims import Account
from seedless.jwt import draft
from seedless.ledger import LastJwt, Ledger, OperatorRecord, is_kept
from seedless.nkey import PublicKey
from seedless.policy import Policy, Witnesses, of_canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from seedless.change import Change, StoreWrite
    from seedless.jwt import Claims, Draft, Jwt

    Sign = Callable[[Draft[Any]], Jwt[Any]]


@dataclass(frozen=True, slots=True)
class KeyMapping:
    """Which placeholder key replaces which key, as text, and the signatures of the placeholder keys."""

    table: Mapping[str, str]
    sign: Sign

    def text(self, claims: str) -> str:
        """Return *claims* with the keys of the placeholder keys."""
        for real, other in self.table.items():
            claims = claims.replace(real, other)
        return claims

    def key(self, real: PublicKey) -> PublicKey:
        """Return the placeholder key for *real*, or itself."""
        return PublicKey.parse(self.text(str(real)))

    def claims(self, claims: Claims[object]) -> Claims[object]:
        """Return *claims* with the keys of the placeholder keys, and activations in it signed by them."""
        changed = self.text(msgspec.json.encode(claims.body).decode())
        body = msgspec.json.decode(changed, type=type(claims.body))
        if isinstance(body, Account):
            imports = tuple(
                msgspec.structs.replace(
                    entry, token=self.jwt(jwt.read(entry.token)).text if entry.token else ""
                )
                for entry in body.imports
            )
            body = msgspec.structs.replace(body, imports=imports)
        return msgspec.structs.replace(
            claims, sub=self.text(claims.sub), aud=self.text(claims.aud), body=body
        )

    def draft(self, original: Draft[object] | Jwt[object]) -> Draft[object]:
        """Return what *original* states, by the placeholder key of its issuer, at the same time."""
        return draft(self.claims(original.claims), self.key(original.issuer), original.issued_at)

    def jwt(self, original: Jwt[Any]) -> Jwt[Any]:
        """Return *original* signed by the placeholder key of its issuer; or unchanged without one."""
        again = self.draft(original)
        is_same = again.issuer == original.issuer and original.text.startswith(
            f"{again.signing_input.decode()}."
        )
        return original if is_same else self.sign(again)

    def request(self, original: CeremonyRequest) -> CeremonyRequest:
        """Return the request of the rehearsal."""
        plan = msgspec.structs.replace(
            original.plan,
            changes=tuple(self._change(change) for change in original.plan.changes),
            around=tuple(self.jwt(jwt) for jwt in original.plan.around),
            store_writes=tuple(self._store_write(store_write) for store_write in original.plan.store_writes),
        )
        operator = None if original.operator is None else self.jwt(original.operator)
        return dataclasses.replace(original, plan=plan, operator=operator, receipts=(), mark=REHEARSAL)

    def _change(self, change: Change) -> Change:
        before = None if change.replaces is None else self.jwt(change.replaces)
        return msgspec.structs.replace(change, draft=self.draft(change.draft), replaces=before)

    def _store_write(self, write: StoreWrite) -> StoreWrite:
        jwt_after, before = (None if jwt is None else self.jwt(jwt) for jwt in (write.jwt, write.replaces))
        return msgspec.structs.replace(write, jwt=jwt_after, replaces=before)

    def policy(self, real: Policy, witnesses: tuple[PublicKey, ...], serial: str) -> Policy:
        """Return the policy of the rehearsal: its *witnesses*, its token *serial* if any, no attestation."""
        policy = of_canonical(self.text(real.canonical.decode()).encode())
        required = real.witnesses
        return msgspec.structs.replace(
            policy,
            tokens=(serial,) if policy.tokens else (),
            attestation=None,  # no device attests a placeholder key
            witnesses=required and Witnesses(keys=tuple(map(str, witnesses)), threshold=required.threshold),
        )


def signers(request: CeremonyRequest) -> tuple[PublicKey, ...]:
    """Return the keys that have signed what is in *request* or are to sign, operators' and accounts'."""
    found = dict.fromkeys(request.issuers)
    for current in _current_jwts(request):
        found[current.issuer] = None
        if isinstance(current.claims.body, Account):
            found |= {read.issuer: None for read in _activations(current.claims)}
    for change in request.plan.changes:
        if isinstance(change.draft.claims.body, Account):
            found |= {read.issuer: None for read in _activations(change.draft.claims)}
    return tuple(found)


def review_context_of(request: CeremonyRequest, policy: Policy, now: int) -> ReviewContext:
    """Return the review context of a rehearsal: a ledger with what *request* brings, and today's clock."""
    subjects = {
        current.claims.sub: LastJwt.of(current) for current in _current_jwts(request) if is_kept(current)
    }
    ledger = Ledger({policy.operator: OperatorRecord(last=request.previous, subjects=subjects)})
    return ReviewContext(request=request, policy=policy, ledger=ledger, now=now, is_rehearsal=True)


def _current_jwts(request: CeremonyRequest) -> Iterator[Jwt[Any]]:
    plan = request.plan
    yield from plan.around
    yield from (change.replaces for change in plan.changes if change.replaces)
    for write in plan.store_writes:
        yield from (jwt_after for jwt_after in (write.jwt, write.replaces) if jwt_after)
    if request.operator is not None:
        yield request.operator


def _activations(claims: Claims[Account]) -> Iterator[Jwt[Any]]:
    yield from (jwt.read(entry.token) for entry in claims.body.imports if entry.token)
