"""Judgement on the machine that signs: its own policy, ledger and clock against a request (Rnnn).

What a request brings along is believed only as far as it chains to the operator that the policy pins, and
is what the ledger knows. First come the findings about the request itself, then those of the policy and the
rules. Waived are what --allow names, and with --first-use what the ledger does not know yet: never what is
older than what it knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.ceremony.request import REHEARSAL
from seedless.change import Context, NewestJwt, Statement
from seedless.claims import Operator
from seedless.findings import Finding, Report, error
from seedless.ledger import LastJwt, Ledger, OperatorRecord, is_kept
from seedless.policy import judge as judge_by_policy
from seedless.policy.judge import TrustChain
from seedless.rules import judge as judge_by_rules
from seedless.rules.guards import MOST_AHEAD
from seedless.units import moment
from seedless.waivers import waive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seedless.ceremony.request import CeremonyRequest
    from seedless.ceremony.transcript import CeremonyProgress
    from seedless.change import Change
    from seedless.jwt import Jwt
    from seedless.policy import Policy
    from seedless.signing_pipeline import Plan

CODES = {
    "R001": "the request is about the operator that the policy pins",
    "R002": "the request has not expired",
    "R003": "the request is not from the future",
    "R004": "the request was not signed before",
    "R005": "no other ceremony has begun and not ended",
    "R006": "the ceremony before is the one that the ledger knows",
    "R007": "a jwt that the ledger knows is not left out as predecessor",
    "R008": "a jwt that the request brings is not older than the one that the ledger knows",
    "R009": "a predecessor is the jwt that the ledger knows",
    "R010": "the jwts around the changes chain to the pinned operator",
    "R011": "there is a ledger for this operator",
    "R012": "the request is not a rehearsal",
    "R013": "the ledger knows each ceremony whose result is on this machine",
}
"""What a request must hold, by code."""

EVERYTHING = "all"
_OLDER = "restore the newest ledger of this machine from its backup, and find out who put an older one here"
# Only what the ledger does not know *yet*. What is older than what it knows (R007, R008) is waived by
# nothing: that would be the rollback which the ledger is for.
_UNKNOWN = frozenset({"R009", "R011"})  # what --first-use waives
# For one subject and with its name in the statements of the witnesses; `--allow G001` would waive it for
# all.
_RESET_TIME = "G001"  # what --reset-time waives


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewContext:
    """What a machine that signs goes by: the request, and its own policy, ledger and clock.

    `now` is Unix seconds. `allowed` are codes to waive, `first_use` public keys (text) of which the ledger
    may know nothing, or `all`. `ceilings`, `unspared` and `reset_time` as in `Context`. `unfinished` are
    the digests of the operator's requests whose ceremonies have begun, by their transcripts.
    `unknown_results` are ceremonies with a result on this machine that the ledger lacks: digests of
    transcripts by those of requests. A rehearsal is judged as one only where it is meant. `resumed_at` is the
    time of day where `now` is that of a ceremony that was interrupted, else 0.
    """

    request: CeremonyRequest
    policy: Policy
    ledger: Ledger
    now: int
    allowed: tuple[str, ...] = ()
    first_use: tuple[str, ...] = ()
    reset_time: tuple[str, ...] = ()
    ceilings: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    unspared: frozenset[str] = frozenset()
    unfinished: tuple[str, ...] = ()
    unknown_results: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_rehearsal: bool = False
    resumed_at: int = 0

    @property
    def clock(self) -> int:
        """The time of day on this machine, in Unix seconds."""
        # A resumed ceremony is judged as of its beginning, but entries and waits go by the clock on the
        # wall.
        return self.resumed_at or self.now

    @property
    def book(self) -> OperatorRecord | None:
        """What the ledger knows of the operator that the policy pins."""
        return self.ledger.books.get(self.policy.operator)

    @property
    def plan(self) -> Plan:
        """The plan of the request, the operator's jwt among what is around it."""
        plan, operator = self.request.plan, self.request.operator
        # The operator first: what is trusted of the accounts hangs on it.
        others = tuple(jwt for jwt in plan.around if jwt != operator)
        return msgspec.structs.replace(plan, around=(operator, *others) if operator else others)

    def judge(self) -> Report:
        """Put the request before the ledger, the policy and the rules."""
        plan = self.plan
        context = msgspec.structs.replace(
            plan.context,
            now=self.now,
            newest=_newest(self),
            ceilings=self.ceilings,
            unspared=self.unspared,
            reset_time=frozenset(self.reset_time),
        )
        report = judge_by_rules(plan.changes, context)
        own = [*self._about_the_request(context), *judge_by_policy(self.policy, plan.changes, context)]
        # The request first: with another operator or an old ledger the findings about its claims mean
        # nothing.
        found = Report.of([*own, *report.findings]).findings
        whole = waive(msgspec.structs.replace(report, findings=found), self.allowed)
        return _with_first_use(whole, self._may_be_unknown)

    def _about_the_request(self, context: Context) -> Iterator[Finding]:
        yield from _header(self)
        yield from _ceremonies(self)
        for change in self.plan.changes:
            yield from _predecessor(self, change)
        yield from _around(self, context)

    def _may_be_unknown(self, finding: Finding) -> bool:
        return EVERYTHING in self.first_use or finding.where in self.first_use


def waived_texts(report: Report) -> tuple[str, ...]:
    """Return what was waived, as witnesses sign it: code and place of each finding, sorted."""
    return tuple(sorted({f"{finding.code} {finding.place}".strip() for finding in report.waived}))


def finding_texts(report: Report) -> tuple[str, ...]:
    """Return the findings that remain and were shown, as the transcript holds them."""
    return tuple(
        f"{finding.severity}: {finding.code} {finding.place}: {finding.text}" for finding in report.findings
    )


def _with_first_use(report: Report, is_meant: Any) -> Report:  # noqa: ANN401 - a question about a finding
    waived: list[Finding] = []
    kept: list[Finding] = []
    for finding in report.findings:
        (waived if finding.code in _UNKNOWN and is_meant(finding) else kept).append(finding)
    return Report(tuple(kept), (*report.waived, *waived))


def _newest(review_context: ReviewContext) -> NewestJwt | None:
    """Return the latest of what was written before now: of a jwt, or of the preparation."""
    plan, book = review_context.plan, review_context.book
    jwts = [*plan.around, *(change.replaces for change in plan.changes if change.replaces)]
    known = book.subjects.items() if book else ()
    others = [NewestJwt(f"the jwt of {sub} in the ledger", sub, last.issued_at) for sub, last in known]
    # The preparation too: a clock that is behind it is slow, even where the store is empty.
    others.append(NewestJwt("the request", "", plan.prepared_at))
    return NewestJwt.of(jwts, others, without=review_context.reset_time)


def _header(review_context: ReviewContext) -> Iterator[Finding]:
    request, pinned = review_context.request, review_context.policy.operator
    if request.operator_key and request.operator_key != pinned:
        text = f"is about the operator {request.operator_key}, and the policy pins {pinned}"
        yield _finding("R001", "operator", text, "verified is not trusted: ask where it comes from")
    if not request.operator_key:
        yield _finding("R001", "operator", "brings no jwt of an operator", "prepare it again")
    if request.mark and not review_context.is_rehearsal:
        yield _finding("R012", "mark", f"is marked {request.mark}", "prepare the real one")
    if request.expires <= review_context.now:
        text = f"expired at {moment(request.expires)}, and this clock reads {moment(review_context.now)}"
        yield _finding(
            "R002",
            "expires",
            text,
            "compare this clock with another one; where it is right, prepare it again",
        )
    # A request from the future would be dated ahead of this clock, and its jwts would outlive their
    # revocation.
    ahead = request.plan.prepared_at - review_context.now
    if ahead > MOST_AHEAD:
        at, now = moment(request.plan.prepared_at), moment(review_context.now)
        text = f"was prepared at {at}, which is {ahead} seconds ahead of this clock, {now}"
        hint = (
            "set the clock of this machine right; where it is, prepare it again: the other machine's was fast"
        )
        yield _finding("R003", "plan.prepared_at", text, hint)


def _ceremonies(review_context: ReviewContext) -> Iterator[Finding]:
    book, request = review_context.book, review_context.request
    # By the ledger and by the transcripts on disk: a ledger that was lost or put back hides no ceremony
    # that has begun.
    begun = review_context.ledger.open.get(review_context.policy.operator)
    for other in sorted({*review_context.unfinished, *([begun] if begun else [])} - {request.digest}):
        text = f"must wait: the ceremony of the request {other} has begun and has not ended"
        yield _finding(
            "R005", "", text, "finish that one: ceremony sign, with its request; or: ceremony abandon"
        )
    # A machine without a ledger cannot distinguish the newest jwt from the oldest. So it stops, instead of
    # beginning a ledger by itself: whoever deletes the file would have a rollback.
    if book is None:
        count = len(review_context.unknown_results)
        text = "this machine has no ledger of the operator: it is not known what was signed before"
        text += f"; {count} of its ceremonies have a result here" if count else ""
        text += "; the request brings the receipt of one" if request.proves_previous else ""
        hint = (
            "restore the newest backup of ledger.json; where there is none, or this is the first ceremony of "
            f"this machine, --first-use {review_context.policy.operator} begins one"
        )
        yield msgspec.structs.replace(
            error("R011", review_context.policy.operator, text, hint), about="ledger"
        )
        return
    for other in sorted(review_context.unknown_results.keys() - {request.digest}):
        text = f"does not know the ceremony of the request {other}, whose result is here: it is an older one"
        yield msgspec.structs.replace(error("R013", "", text, _OLDER), about="ledger")
    if request.digest in book.requests:
        text = f"was signed before; the digest of that transcript is {book.requests[request.digest]}"
        hint = f"a request is signed once; what it led to is in ceremonies/{request.digest} of the store"
        yield _finding("R004", "", text, hint)
    elif request.previous != book.last:
        yield _not_the_next(request, book)


def _not_the_next(request: CeremonyRequest, book: OperatorRecord) -> Finding:
    """Return R006: either the request is older than the ledger, or the ledger is older than the request."""
    text = f"follows {_ceremony(request.previous)}, and the ledger's last is {_ceremony(book.last)}"
    hint = "accept the last result, and prepare it again"
    # Either side may be the old one. A receipt by a key of the operator proves that the ceremony was
    # held, and so that the ledger is behind.
    if request.previous is not None and request.previous not in book.requests.values():
        if request.proves_previous:
            text += (
                "; it brings a receipt of that ceremony, which the ledger does not know: it is an older one"
            )
            hint = _OLDER
        else:
            hint = "find out where that ceremony was held: the ledger does not know it"
    return _finding("R006", "previous", text, hint)


def _ceremony(digest: str | None) -> str:
    return f"the ceremony {digest}" if digest else "no ceremony"


def _predecessor(review_context: ReviewContext, change: Change) -> Iterator[Finding]:
    claims, brought = change.draft.claims, change.replaces
    known = review_context.book.subjects.get(claims.sub) if review_context.book else None
    if brought is None:
        if known is not None:
            text = f"the ledger knows a jwt of {moment(known.issued_at)}, and the request has none"
            yield _about(change.title, "R007", "", text, "prepare it on a store that has that jwt")
        return
    # By digest and time: two jwts of one second are two jwts.
    if not is_kept(brought) or (known is not None and known == LastJwt.of(brought)):
        return
    if known is not None and brought.issued_at <= known.issued_at:
        yield _older(change.title, brought, known)
        return
    at = moment(brought.issued_at)
    knows = "an earlier jwt than" if known else "no jwt of this key, and not"
    text = f"the ledger knows {knows} the predecessor of {at}"
    yield _about(
        change.title, "R009", claims.sub, text, f"--first-use {claims.sub} accepts it as the baseline"
    )


def _around(review_context: ReviewContext, context: Context) -> Iterator[Finding]:
    plan, book = review_context.plan, review_context.book
    trusted = TrustChain.under(review_context.policy, plan.changes, context)
    jwts = [*plan.around, *(write.jwt for write in plan.store_writes if write.jwt)]
    for jwt in jwts:
        title, why = Statement.of(jwt).title, trusted.rejection_reason(Statement.of(jwt))
        if why:
            yield _about(title, "R010", "", why, "verified is not trusted")
        known = book.subjects.get(jwt.claims.sub) if book else None
        other = known is not None and known != LastJwt.of(jwt)
        if known is not None and other and jwt.issued_at <= known.issued_at:
            yield _older(title, jwt, known)
    operator = review_context.request.operator
    if operator is None and any(isinstance(item.claims.body, Operator) for item in jwts):
        yield _finding("R010", "operator", "brings an operator's jwt beside its header", "prepare it again")


def _older(title: str, jwt: Jwt[object], known: LastJwt) -> Finding:
    brought, count = moment(jwt.issued_at), moment(known.issued_at)
    text = f"the request brings a jwt of {brought}, and the ledger knows another of {count}"
    hint = "accept the last result, and prepare it again; if it was accepted, somebody rolled the store back"
    return _about(title, "R008", "", text, hint)


def _finding(code: str, where: str, text: str, hint: str = "") -> Finding:
    return _about("request", code, where, text, hint)


def _about(about: str, code: str, where: str, text: str, hint: str) -> Finding:
    return msgspec.structs.replace(error(code, where, text, hint), about=about)


def past_review_context(request: CeremonyRequest, so_far: CeremonyProgress, policy: Policy) -> ReviewContext:
    """Return the review context that *request* had by its transcript, without that machine.

    The clock is that of the transcript, the ledger is made of what the request brings, less what was taken
    on first use. What the machine knew beyond that, and the ceilings of its tokens, could only refuse more.
    """
    texts = dict.fromkeys((so_far.reviewed or {}).get("lifted", ()))
    back = {f"{_RESET_TIME} {change.title} iat" for change in request.plan.changes if change.replaces}
    waived = [text.partition(" ") for text in texts if text not in back]
    unknown = {place.rpartition(" ")[2] for code, _, place in waived if code in _UNKNOWN}
    began = any(code == "R011" for code, _, _ in waived)
    plan = request.plan
    known = [*plan.around, *(change.replaces for change in plan.changes if change.replaces)]
    known += [request.operator] if request.operator else []
    subjects = {
        jwt.claims.sub: LastJwt.of(jwt) for jwt in known if is_kept(jwt) and jwt.claims.sub not in unknown
    }
    book = OperatorRecord(last=request.previous, subjects=subjects)
    named = (change for change in plan.changes if f"{_RESET_TIME} {change.title} iat" in texts)
    return ReviewContext(
        request=request,
        policy=policy,
        # The check has no ledger of that machine. It takes what the request brought for known, which is
        # the most that it can: what the machine knew beyond that could only have refused more.
        ledger=Ledger() if began else Ledger({policy.operator: book}),
        now=so_far.at,
        allowed=tuple(code for code, _, _ in waived if code not in _UNKNOWN),
        reset_time=tuple(text.draft.claims.sub for text in named),
        first_use=(EVERYTHING,),
        is_rehearsal=request.mark == REHEARSAL,
    )
