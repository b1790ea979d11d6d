"""Check a ceremony afterwards: from request, result and the pinned operator key alone, by anyone.

The verdict is *complete*; *incomplete* (every entry is right, and there is no receipt: never valid);
*forbidden* (every signature is right, and the policy that the transcript names, or a rule, forbids what was
signed); or *false*, with the place and the sentence. What was signed is judged again, by the policy in the
transcript and at its time. It asks no clock, no ledger, no token and no network. It cannot report whether the
people looked, nor whether the token signed anything else.

Compute a past ceremony anew, all of it but the signatures, which are verified.

The times are those of the transcript, the policy is the one that it holds, the ledger is made of what the
request brings, less what was taken on first use; the keys give the signatures that are there. What comes out
has to be the result, byte for byte. It cannot report what the machine knew beyond that.
"""

from __future__ import annotations

import contextlib
import enum
import math
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import file_kind
from seedless.ceremony import transcript as results
from seedless.ceremony.judgement import past_review_context, waived_texts
from seedless.ceremony.offline import TRANSCRIPT_NAME, CeremonyRun, run_ceremony
from seedless.ceremony.request import CeremonyRequest, parse
from seedless.ceremony.statements import StatementContent, require_receipts, require_witnesses
from seedless.ceremony.transcript import attestation_in, draft_digest, progress
from seedless.change import Statement
from seedless.clock import Clock
from seedless.errors import MissingPackage, Refused, SeedlessError, WrongFile
from seedless.jwt import read
from seedless.ledger import is_digest
from seedless.nkey import PublicKey
from seedless.policy import Policy, attestation_of, of_canonical
from seedless.policy.judge import TrustChain
from seedless.rules.guards import MOST_AHEAD, is_from_the_future
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from seedless.attestation import Attestation
    from seedless.ceremony.judgement import ReviewContext
    from seedless.ceremony.transcript import CeremonyProgress, CeremonyResult
    from seedless.change import Change
    from seedless.jwt import Draft, Jwt


class CeremonyVerdict(enum.StrEnum):
    """What a check comes to."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FORBIDDEN = "forbidden"
    FALSE = "false"


@dataclass(frozen=True, slots=True, kw_only=True)
class CeremonyCheck:
    """A verdict, what to state about it, and what was read: None as far as it could not be read."""

    verdict: CeremonyVerdict
    text: str
    hint: str = ""
    request: CeremonyRequest | None = None
    progress: CeremonyProgress | None = None
    policy: Policy | None = None
    witnesses: tuple[Jwt[Any], ...] = ()
    receipts: tuple[Jwt[Any], ...] = ()
    attestations: Mapping[str, Attestation] = field(default_factory=dict)


def check(request: bytes, result: bytes, operator: PublicKey, *, policy: str | None = None) -> CeremonyCheck:
    """Return the verdict on *request* and *result* (or a transcript) under the pinned *operator* key.

    *policy* is the digest of the policy that it has to be, None for whichever it names. Raise `WrongFile` for
    files of another kind, and for the result of another ceremony, `MissingPackage` for an attestation that
    cannot be read without the extra `attest`, and nothing else.
    """
    # Files that were swapped, or of another ceremony, are a slip of whoever checks, and no forgery: they
    # get a sentence and no verdict.
    file_kind.require(request, "the first file", file_kind.REQUEST)
    file_kind.require(result, "the second file", file_kind.RESULT, file_kind.TRANSCRIPT)
    try:
        request_read = parse(request)
        result_read = results.parse(result)
        _require_same_ceremony(request_read, result_read)
        so_far = progress(
            request_read,
            result_read.entries,
            "transcript" if result_read.receipts is None else "result.transcript",
        )
        # Before anything is judged: under another operator everything would be complete, and worth
        # nothing.
        _require_pinned(request_read, so_far, operator)
        return _examined(request_read, result_read, so_far, policy)
    except (WrongFile, MissingPackage):
        raise
    except SeedlessError as error:
        return CeremonyCheck(verdict=CeremonyVerdict.FALSE, text=error.message, hint=error.hint)


def _require_same_ceremony(request: CeremonyRequest, result_read: CeremonyResult) -> None:
    """Raise `WrongFile` where *result_read* is about another request, and has no draft of this one.

    Raise `Refused` where it does: then the request was changed, or prepared again, after it was signed.
    """
    # Read loosely, before the strict reader: a request and a result that do not belong together have to get
    # the sentence about that, and not the one about the first member that differs.
    first = result_read.entries[0] if result_read.entries and isinstance(result_read.entries[0], dict) else {}
    other = first.get("request")
    if not is_digest(other) or other == request.digest or first.get("previous") != other:
        return  # whatever is wrong then is named by its place
    text = f"the result is that of the request {other}, and this request is {request.digest}"
    if _has_signed(request, result_read):
        raise Refused(text, "the request was changed, or prepared again, after this was signed")
    hint = f"the request is beside the result where it was signed: ceremonies/{other}/request.json"
    raise WrongFile(text, hint)


def _has_signed(request: CeremonyRequest, result_read: CeremonyResult) -> bool:
    """Report whether entries of *result_read* name a draft of *request*, as intended or as signed."""
    # The signing input fixes claims, issuer and time. Where the result has one of them, it is of this
    # request's contents, and the request was changed around them.
    drafts = {change.draft.signing_input.decode() for change in request.plan.changes}
    digests = {draft_digest(change.draft) for change in request.plan.changes}
    for entry in result_read.entries:
        if isinstance(entry, dict):
            jwt, digest = entry.get("jwt"), entry.get("sha256")
            if (isinstance(jwt, str) and jwt.rpartition(".")[0] in drafts) or (
                isinstance(digest, str) and digest in digests
            ):
                return True
    return False


def _examined(
    request: CeremonyRequest, result_read: CeremonyResult, so_far: CeremonyProgress, policy: str | None
) -> CeremonyCheck:
    # Receipts are made over the digest of the whole transcript, its end included; entries that were cut off
    # would otherwise look like an interruption.
    if result_read.receipts is not None and not so_far.is_ended:
        raise Refused("result.transcript stops before its end, and has receipts", "entries were taken away")
    if so_far.reviewed is None:
        return CeremonyCheck(
            verdict=CeremonyVerdict.INCOMPLETE, text=_so_far(so_far), request=request, progress=so_far
        )
    # The policy is the one in the transcript, since the file may have changed since; that it is the right
    # one only its digest on paper shows.
    pinned = _policy(so_far.reviewed["policy"], request, policy)
    witnesses: tuple[Jwt[object], ...] = ()
    if so_far.driver_report or result_read.receipts is not None:
        witnesses = _witnesses(request, so_far, pinned)
    receipts: tuple[Jwt[object], ...] = ()
    verdict, text = CeremonyVerdict.INCOMPLETE, _so_far(so_far)
    if result_read.receipts is not None:
        receipts = require_receipts(result_read.receipts, request, so_far.digest, so_far.latest)
        verdict, text = CeremonyVerdict.COMPLETE, _counted(so_far, receipts)
    # As of the time of the ceremony: a certificate that has expired since proves what it proved then.
    attestations, unattested = _attestations(so_far, pinned)
    # Judged again, since the transcript itself only states that there was no finding.
    forbidden = _forbidden(past_review_context(request, so_far, pinned), so_far) or unattested
    found = CeremonyCheck(
        verdict=verdict, text=text, request=request, progress=so_far, policy=pinned,
        witnesses=witnesses, receipts=receipts, attestations=attestations,
    )  # fmt: skip
    return replace(found, verdict=CeremonyVerdict.FORBIDDEN, text=forbidden) if forbidden else found


def _counted(so_far: CeremonyProgress, receipts: Sequence[object]) -> str:
    count = len(so_far.signed)
    return f"{count} {'jwt' if count == 1 else 'jwts'}, {len(receipts)} receipt{'s' if receipts[1:] else ''}"


def _forbidden(review_context: ReviewContext, so_far: CeremonyProgress) -> str:
    """Return the problem with the request, judged again; empty where it may be signed."""
    report = review_context.judge()
    # The first one alone: this is a verdict, and the review of the ceremony lists all.
    for finding in report.errors:
        return f"{finding.code} {finding.place}: {finding.text}"
    # A code waives each finding that has it, and a witness signed those that the transcript lists.
    listed = frozenset((so_far.reviewed or {}).get("lifted", ()))
    for text in waived_texts(report):
        if text not in listed:
            return f"{text}: it was waived, and the transcript does not list it"
    return ""


def _attestations(so_far: CeremonyProgress, policy: Policy) -> tuple[dict[str, Attestation], str]:
    """Verify the attestation of each key again, as of the time of the ceremony, by the roots of *policy*.

    Return the attestations, by public key, and why the policy does not let one of the keys sign.
    """
    found: dict[str, Attestation] = {}
    for key, driver_report in so_far.driver_report.items():
        try:
            attestation = attestation_of(
                policy, PublicKey.parse(key), attestation_in(driver_report), so_far.at
            )
        except Refused as error:
            return found, error.message
        # None where the policy pins no root, or does not require an attestation: there is nothing to be
        # judged then.
        if attestation is not None:
            found[key] = attestation
    return found, ""


def _so_far(so_far: CeremonyProgress) -> str:
    signed, count = len(so_far.signed), len(so_far.request.plan.changes)
    stop = " or ".join(so_far.next_kinds) or "the receipts"
    return f"it stops before {stop}: {signed} of {count} jwts are signed"


def _require_pinned(request: CeremonyRequest, so_far: CeremonyProgress, operator: PublicKey) -> None:
    """Raise `Refused` unless all of *request* chains to *operator*, by its own jwts and drafts."""
    # The key is the argument of whoever checks, from paper or from their own configuration. Everything else
    # in the two files could have been made by one person.
    if request.operator_key != str(operator):
        found = request.operator_key or "none"
        raise Refused(f"request.operator is {found}, and the pinned operator is {operator}")
    plan = request.plan
    current = [*plan.around, *([request.operator] if request.operator else [])]
    context = msgspec.structs.replace(plan.context, jwts={key.claims.sub: key for key in current})
    trusted = TrustChain.under(Policy(operator=str(operator)), plan.changes, context)
    for place, claims in _statements(request):
        why = trusted.rejection_reason(claims)
        if why:
            raise Refused(f"{place} {why}", "it does not chain to the pinned operator")
    waived = frozenset((so_far.reviewed or {}).get("lifted", ()))
    for number, change in enumerate(plan.changes):
        before = change.replaces
        at, place = change.draft.issued_at, f"request.plan.changes[{number}].draft"
        # Between servers the older jwt is dropped silently, and a resolver that is asked directly stores
        # it: what goes back in time gives a cluster two answers.
        if before is not None and at <= before.issued_at and not _was_reset(change, so_far.at, waived):
            text = (
                f"{place} is of {moment(at)}, not later than what it replaces, of {moment(before.issued_at)}"
            )
            raise Refused(text)
        # A jwt from the future cannot be replaced before its time has come, and a revocation in it is
        # applied to everybody who is issued until then.
        if so_far.opened and at > so_far.at + MOST_AHEAD:
            text = f"{place} is of {moment(at)}, ahead of the clock of the ceremony, {moment(so_far.at)}"
            raise Refused(text)


def _was_reset(change: Change, at: int, waived: Collection[str]) -> bool:
    """Report whether a ceremony *at* a time *waived* that *change* goes back in time: `--reset-time` did."""
    before = change.replaces
    was_ahead = before is not None and is_from_the_future(before.issued_at, at)
    # Only the way back from a fast clock, and only where the witnesses have signed that G001 was waived for
    # this very change.
    return was_ahead and f"G001 {change.title} iat" in waived


def _statements(request: CeremonyRequest) -> Iterator[tuple[str, Statement[object]]]:
    if request.operator is not None:
        yield "request.operator", Statement.of(request.operator)
    for number, jwt in enumerate(request.plan.around):
        yield f"request.plan.around[{number}]", Statement.of(jwt)
    for number, change in enumerate(request.plan.changes):
        yield f"request.plan.changes[{number}].draft", change.statement
        if change.replaces:
            yield f"request.plan.changes[{number}].replaces", Statement.of(change.replaces)
    for number, write in enumerate(request.plan.store_writes):
        if write.jwt:
            yield f"request.plan.placements[{number}].jwt", Statement.of(write.jwt)


def _policy(text: str, request: CeremonyRequest, digest: str | None) -> Policy:
    """Return the policy in a transcript; raise `Refused` unless it is valid, of this operator, and *digest*.

    *digest* is None where no policy was named.
    """
    place = "transcript[1].policy"
    try:
        policy = of_canonical(text.encode())
    except SeedlessError as error:
        raise Refused(f"{place}: {error.message}", error.hint) from error
    if policy.operator != request.operator_key:
        raise Refused(f"{place} pins {policy.operator}, and not {request.operator_key}")
    if digest is not None and digest != policy.digest:
        raise Refused(
            f"{place} is {policy.digest}, and the policy that was named is {digest}",
            "each transcript has the policy of its time: name the one that was written down then",
        )
    return policy


def _witnesses(request: CeremonyRequest, so_far: CeremonyProgress, pinned: Policy) -> tuple[Jwt[object], ...]:
    content = StatementContent(
        request=request.digest,
        policy=pinned.digest,
        waived=tuple(so_far.reviewed["lifted"] if so_far.reviewed else ()),
        expires=request.expires,
    )
    times = {"prepared_at": request.plan.prepared_at, "now": so_far.at}
    return require_witnesses(so_far.statements, content, pinned.witnesses, signers=request.signers, **times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputation:
    """What came of it: whether every byte agrees, and where the first one differs that does not."""

    agrees: bool
    text: str
    signatures: int


class _NotSignedError(Refused):
    """There is no signature of what has to be signed."""


@dataclass(frozen=True, slots=True)
class _RecordedKeys:
    """Keys that give the signatures of a transcript, and what it states of them."""

    jwts: Mapping[bytes, Jwt[Any]]
    reported: Mapping[str, Mapping[str, Any]]

    def sign(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        for draft in drafts:
            jwt = self.jwts.get(draft.signing_input)
            if jwt is None:
                raise _NotSignedError("what has to be signed here was not signed then")
            yield jwt

    def driver_report(self, public_key: PublicKey) -> Mapping[str, object]:
        if str(public_key) not in self.reported:
            raise _NotSignedError("the transcript reports nothing of a key that has to sign here")
        return self.reported[str(public_key)]


def recompute(request_data: bytes, result_data: bytes) -> Recomputation:
    """Compute the ceremony of *request_data* anew and compare what comes out with *result_data*.

    What is judged and shown may change with the version of this program: a difference is no proof of forgery.

    Raise `Refused`, or what reading raises, for what is not a request or no whole result.
    """
    request, result_read = parse(request_data), results.parse(result_data)
    if result_read.receipts is None:
        raise Refused(
            "there is a transcript and no result: the ceremony did not end", "finish it, or check it"
        )
    so_far = progress(request, result_read.entries)
    policy = of_canonical(str((so_far.reviewed or {}).get("policy", "")).encode())
    review_context = past_review_context(request, so_far, policy)
    # The clock is asked once for each entry, in their order; the opening has its time from the review
    # context.
    times = iter([entry["at"] for entry in so_far.entries[1:]])
    keys = _RecordedKeys(_jwts(so_far, result_read.receipts), so_far.driver_report)
    # The same code as in the ceremony runs, with its files; only keys and clock are replaced. A second
    # implementation could agree with itself and with nothing else.
    with tempfile.TemporaryDirectory(prefix="seedless-recompute-") as folder:
        run = CeremonyRun(
            review_context=review_context,
            folder=Path(folder) / "ceremony",
            ledger=Path(folder) / "ledger.json",
            clock=lambda: next(times, so_far.latest),
            statements=tuple(so_far.statements),
            present=tuple((so_far.opened or {}).get("present", ())),
            tool=str((so_far.opened or {}).get("tool", "")),
            waits=Clock(time=lambda: math.inf),  # it was waited for then
            readiness=lambda: so_far.readiness,
        )
        try:
            again = run_ceremony(
                run, review=lambda _plan, _report: True, keys=lambda: contextlib.nullcontext(keys)
            )
        except _NotSignedError:
            again = (run.folder / TRANSCRIPT_NAME).read_bytes()
    if again == result_data:
        return Recomputation(agrees=True, text="every byte agrees", signatures=len(keys.jwts))
    return Recomputation(
        agrees=False, text=_difference(again, result_read.entries), signatures=len(keys.jwts)
    )


def _jwts(so_far: CeremonyProgress, receipts: Iterable[str]) -> dict[bytes, Jwt[object]]:
    """Return what was signed by what was signed for it: header and payload, receipts among them."""
    jwts = [*so_far.signed, *(read(text) for text in receipts)]
    return {jwt.text.rpartition(".")[0].encode(): jwt for jwt in jwts}


def _difference(again: bytes, entries: tuple[Any, ...]) -> str:
    """Return the place of the first entry that comes out as another."""
    anew = results.parse(again).entries
    for number, (entry, other) in enumerate(zip(anew, entries, strict=False)):
        names = [name for name in sorted({*entry, *other}) if entry.get(name) != other.get(name)]
        if names:
            return f"transcript[{number}].{names[0]} comes out as another"
    return f"transcript[{min(len(anew), len(entries))}] is where they part"
