"""The request: a plan with the header of a ceremony. It goes in; nothing else does but policy and witnesses.

It decides nothing and is believed nothing: who reads it gets drafts and jwts that are canonical and verified,
and texts that are safe to print. Refused are a plan that signs nothing, an operator's jwt that is none or not
the one that the plan was judged against, and what `documents` refuses.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import jwt, plan_file
from seedless.ceremony import documents, statements
from seedless.claims import Operator
from seedless.errors import BadKey, SeedlessError, UsageError
from seedless.ledger import is_digest
from seedless.nkey import PublicKey
from seedless.plan import changed
from seedless.signing_pipeline import dated
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Collection

    from seedless.jwt import Jwt
    from seedless.signing_pipeline import Plan

FORMAT = "seedless ceremony request 1"
REHEARSAL = "REHEARSAL"
_ENTRIES = 600  # bytes that the entries of one change have at most, beside what is signed: intent and signed


class _RequestMembers(msgspec.Struct, frozen=True):
    """The members of the file."""

    format: str
    plan: dict[str, Any]  # which `plan_file` reads
    operator: str | None
    prepared_by: str
    reason: str
    expires: int
    tool: str
    previous: str | None
    receipts: tuple[Any, ...]
    mark: str


@dataclass(frozen=True, kw_only=True)
class CeremonyRequest:
    """A plan, and who asks for it: why, expiry (Unix seconds), with which program.

    `operator` is the operator's jwt as it is, None when the plan makes the first one. `previous` is the
    digest of the transcript of the ceremony before, None when there was none; `receipts` are those of that
    transcript (jwt text), as far as they are known where it is prepared. `mark` is REHEARSAL, or empty.
    """

    plan: Plan
    operator: Jwt[Operator] | None
    prepared_by: str
    reason: str
    expires: int
    tool: str
    previous: str | None = None
    receipts: tuple[str, ...] = ()
    mark: str = ""

    @functools.cached_property
    def data(self) -> bytes:
        """The bytes of its file."""
        return documents.to_bytes(
            {
                "format": FORMAT,
                "plan": plan_file.written(self.plan),
                "operator": self.operator.text if self.operator else None,
                "prepared_by": self.prepared_by,
                "reason": self.reason,
                "expires": self.expires,
                "tool": self.tool,
                "previous": self.previous,
                "receipts": list(self.receipts),
                "mark": self.mark,
            }
        )

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of its file, in hex."""
        return plan_file.digest(self.data)

    @property
    def operator_key(self) -> str:
        """The public key of the operator that it is about, as text; empty when it is about none."""
        if self.operator is not None:
            return self.operator.claims.sub
        claims = (change.draft.claims for change in self.plan.changes)
        return next((claim.sub for claim in claims if isinstance(claim.body, Operator)), "")

    @property
    def largest_result(self) -> int:
        """The bytes that its result has at most, beside policy, findings, statements and receipts."""
        return sum(len(change.draft.signing_input) + _ENTRIES for change in self.plan.changes)

    @functools.cached_property
    def issuers(self) -> tuple[PublicKey, ...]:
        """The keys that are asked to sign, each once, in the order of the drafts."""
        return tuple(dict.fromkeys(change.draft.issuer for change in self.plan.changes))

    @property
    def proves_previous(self) -> bool:
        """Whether it brings a receipt of the ceremony before, signed by a key of the operator."""
        operator = self.operator
        if operator is None:
            return False
        keys = {operator.claims.sub, *operator.claims.body.signing_keys}
        return any(
            str(statements.read_ceremony_jwt(text, "receipt").issuer) in keys for text in self.receipts
        )

    @property
    def titles(self) -> dict[str, str]:
        """What each public key is called that a jwt of the request is about: `account ORDERS`."""
        claims = [jwt.claims for jwt in self.plan.around]
        claims += [self.operator.claims] if self.operator is not None else []
        claims += [change.draft.claims for change in self.plan.changes]
        return {claim.sub: f"{claim.body.kind} {claim.name}" for claim in claims if claim.name}

    @property
    def signers(self) -> frozenset[bytes]:
        """The raw keys of who signs here or speaks for the operator: none of them is a witness.

        These are the issuers, and the keys that the operator's jwts list, those of a draft included.
        """
        claims = [change.draft.claims for change in self.plan.changes]
        claims += [around.claims for around in (self.operator, *self.plan.around) if around is not None]
        found = {key.raw for key in self.issuers}
        for claim in claims:
            if isinstance(claim.body, Operator):
                for text in (claim.sub, *claim.body.signing_keys):
                    with contextlib.suppress(BadKey):  # the rules have a finding for it
                        found.add(PublicKey.parse(text).raw)
        return frozenset(found)


def prepare(plan: Plan, *, at: int, reset_time: Collection[str] = (), **header: Any) -> CeremonyRequest:  # noqa: ANN401 - the members of a request
    """Return the request for *plan*, its drafts dated *at* (Unix seconds), each after its predecessor.

    Those of the subjects in *reset_time* (key text) are dated *at* where the predecessor is from the future.
    *header* are the other members of a `CeremonyRequest`. The same input gives the same bytes. Raise
    `UsageError` for what no request may hold.
    """
    changes = tuple(
        changed(
            change.draft.claims, change.draft.issuer,
            replaces=change.replaces, now=at, reason=change.reason, address=change.address,
        )
        for change in plan.changes
    )  # fmt: skip
    again = msgspec.structs.replace(plan, changes=changes, prepared_at=at)
    request = CeremonyRequest(plan=dated(again, reset_time), **header)
    _require_sound(request)
    return request


def parse(data: bytes) -> CeremonyRequest:
    """Read a request; raise `UsageError`, or `StoreError` for one that is too long, that names the place."""
    members = documents.members_of(documents.parse(data, "the request"), _RequestMembers, "request")
    if members.format != FORMAT:
        raise UsageError(f"request.format is not {FORMAT!r}", "another version of seedless may read it")
    request = CeremonyRequest(
        plan=plan_file.plan_of(members.plan, "request.plan"),
        operator=None if members.operator is None else _operator(members.operator),
        prepared_by=members.prepared_by,
        reason=members.reason,
        expires=members.expires,
        tool=members.tool,
        previous=members.previous,
        receipts=members.receipts,
        mark=members.mark,
    )
    _require_sound(request)
    return request


def _operator(text: str) -> Jwt[Operator]:
    try:
        found = jwt.read(text)
    except SeedlessError as error:
        raise UsageError(f"request.operator: {error.message}", error.hint) from error
    if not isinstance(found.claims.body, Operator):
        raise UsageError(f"request.operator is the jwt of a {found.claims.body.kind}, not of an operator")
    return found


def _require_sound(request: CeremonyRequest) -> None:
    if not request.plan.changes:
        raise UsageError("the request signs nothing", "make a plan with a change in it")
    # Before anything is signed: a ceremony whose result nobody can read never ends.
    atomic.require_size("the result of this request", request.largest_result, "would be")
    for name in ("prepared_by", "reason", "tool"):
        documents.require_plain(getattr(request, name), f"request.{name}")
    if request.mark not in {"", REHEARSAL}:
        raise UsageError(f"request.mark is not empty and not {REHEARSAL}")
    if request.previous is not None and not is_digest(request.previous):
        raise UsageError("request.previous is not the SHA-256 of a transcript")
    _require_receipts(request)
    if request.expires <= request.plan.prepared_at:
        raise UsageError("request.expires is not after request.plan.prepared_at", "give it some days")
    _require_one_operator(request)
    kept = [change.draft.claims.sub for change in request.plan.changes if change.address is not None]
    if len(set(kept)) < len(kept):
        raise UsageError("request.plan.changes has two drafts of one subject", "sign one of them")


def _require_receipts(request: CeremonyRequest) -> None:
    """Raise `UsageError` for a receipt of anything else than the ceremony before; whose it is, is judged."""
    for number, text in enumerate(request.receipts):
        where = f"request.receipts[{number}]"
        try:
            found = statements.read_ceremony_jwt(text, where)
        except SeedlessError as error:
            raise UsageError(error.message, error.hint) from error
        expected = statements.sha256_of(request.previous) if request.previous else ""
        if found.claims.aud != statements.RECEIPT or found.claims.sub != expected:
            raise UsageError(f"{where} is not a receipt of request.previous", "prepare it again")


def _require_one_operator(request: CeremonyRequest) -> None:
    for number, item in enumerate(request.plan.around):
        if isinstance(item.claims.body, Operator) and item != request.operator:
            raise UsageError(
                f"request.plan.around[{number}] is not the operator of the request", "plan it again"
            )
    for number, change in enumerate(request.plan.changes):
        before = change.replaces
        if before is not None and isinstance(before.claims.body, Operator) and before != request.operator:
            where = f"request.plan.changes[{number}].replaces"
            raise UsageError(f"{where} is not the operator of the request", "plan it again")
