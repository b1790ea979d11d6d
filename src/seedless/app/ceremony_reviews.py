"""Reviews of requests: judged by the policy, ledger and clock of this machine, then witnessed or signed.

    with workspace.ceremonies.open(request) as review:         # nobody else signs or records here meanwhile
        ...                                                    # show review.changes and review.report
        signed = review.sign(approve=ask, statements=statements, output="result.json")

A ceremony is never signed because nobody objects: `approve` returns what a person has confirmed.
"""

from __future__ import annotations

import contextlib
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from seedless import ledger
from seedless.app import arguments
from seedless.app.backups import required_spares
from seedless.app.ceremony_keys import ceremony_tokens, readiness, where
from seedless.app.ceremony_requests import begun_here, folder_of, ledger_path, unknown_results_here
from seedless.app.judgement import ceilings
from seedless.app.key_names import known_titles
from seedless.app.token_choice import check_token_options
from seedless.app.tokens import kept_attestation, open_tokens
from seedless.ceremony import words
from seedless.ceremony.judgement import ReviewContext
from seedless.ceremony.offline import (
    RESULT_NAME,
    TRANSCRIPT_NAME,
    CeremonyRun,
    resumed,
    run_ceremony,
    statement_content,
)
from seedless.ceremony.request import CeremonyRequest
from seedless.ceremony.statements import StatementContent, witness_problem
from seedless.ceremony.transcript import parse as parse_result
from seedless.change import Change
from seedless.clock import Clock
from seedless.diff import Difference, Effect, Wording, diff_change
from seedless.errors import Refused, UsageError
from seedless.findings import Report
from seedless.jwt import Jwt
from seedless.keygen.request import KeygenRequest
from seedless.keygen.request import parse as parse_key_request
from seedless.machine import examine_machine
from seedless.nkey import PublicKey
from seedless.pkcs11.families import quirks_of_uri
from seedless.pkcs11.uri import KeyUri
from seedless.program import examine_program, tool
from seedless.readiness import ReadinessRow, questions
from seedless.seeds import SoftwareKey
from seedless.store import root_lock
from seedless.text import shown
from seedless.waivers import check as check_codes

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "ApproveKeys",
    "ApproveReview",
    "ApproveStatement",
    "CeremonyConsent",
    "CeremonyReview",
    "CeremonySigned",
    "WitnessStatement",
    "opened",
    "place_of",
    "require_consent",
    "reviewed",
    "statement",
]


class CeremonyConsent(Struct, frozen=True, kw_only=True):
    """What a person has confirmed before a request is signed or witnessed; no member has a default.

    `request` is the digest of the request, in hex or in words, as they have it on paper: copied from the
    request itself it confirms nothing. `clock_checked` is whether they have compared the clock of this
    machine with another one.
    """

    request: str
    clock_checked: bool


def require_consent(given: object, digest: str) -> None:
    """Raise unless *given*, what `approve` has returned, is consent to the request with *digest* (hex).

    `Refused` for the digest of another request, `UsageError` for words that are not its words, with the
    place, for a clock that nobody has compared, and for anything but a `CeremonyConsent`: true is none.
    """
    if not isinstance(given, CeremonyConsent):
        raise arguments.wrong_type("what approve returns", given, "a CeremonyConsent")
    if len(given.request.split()) > 1:
        words.require_same(given.request, bytes.fromhex(digest))
    else:
        words.require_digest(given.request, digest)
    if not given.clock_checked:
        raise UsageError(
            "nobody has compared the clock of this machine with another one",
            "compare it, and confirm that it is right",
        )


class ApproveReview(Protocol):
    """Let a person decide on a request that is about to be signed."""

    def __call__(self, review: CeremonyReview, /) -> CeremonyConsent:
        """Return what they confirm; called before any PIN is asked for, and only where nothing is refused."""


class ApproveStatement(Protocol):
    """Let a person decide on a request that they are about to witness."""

    def __call__(self, statement: WitnessStatement, /) -> CeremonyConsent:
        """Return what they confirm; called before any PIN is asked for."""


class ApproveKeys(Protocol):
    """Let a person decide on a request to create keys."""

    def __call__(self, request: KeygenRequest, /) -> CeremonyConsent:
        """Return what they confirm; called before any PIN is asked for."""


class CeremonySigned(Struct, frozen=True, kw_only=True):
    """A ceremony that was held: its result (the bytes of its file), and where its files lie.

    `transcript` is the digest of the transcript, `receipts` how many keys have signed one, `paths` the files
    that were written: result, transcript and ledger of this machine, and the result where it was asked for.
    """

    request: CeremonyRequest
    result: bytes
    transcript: str
    receipts: int
    paths: tuple[Path, ...]


class CeremonyReview(Struct, frozen=True, kw_only=True):
    """A request as this machine judges it: by its policy, its ledger and its clock."""

    context: ReviewContext
    report: Report
    job: ReviewJob

    @property
    def request(self) -> CeremonyRequest:
        """The request."""
        return self.context.request

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes: those that widen access first, operators before accounts before users."""
        plan, kinds = self.request.plan, {"operator": 0, "account": 1}
        accounts = plan.accounts

        # People read the beginning with the most attention. What opens access comes first, and within that
        # who signs for others before who does not.
        def rank(change: Change) -> tuple[bool, int]:
            effects = {difference.effect for difference in diff_change(change, accounts)}
            widens = change.replaces is None or Effect.WIDENS in effects
            return not widens, kinds.get(change.draft.claims.body.kind, 2)

        return tuple(sorted(plan.changes, key=rank))

    def differences(self) -> tuple[tuple[Change, tuple[Difference, ...]], ...]:
        """Return each of `changes` with what differs from the jwt that it replaces.

        Keys that the store or the inventory knows are called by their names.
        """
        accounts, workspace = self.request.plan.accounts, self.job.workspace
        return tuple(
            (change, tuple(diff_change(change, accounts, names=known_titles(workspace, _subject(change)))))
            for change in self.changes
        )

    @property
    def titles(self) -> Mapping[str, str]:
        """What this machine calls keys (text), by its store and its inventory; not by a request."""
        return known_titles(self.job.workspace)

    def names(self, change: Change) -> Mapping[str, str]:
        """Return what the keys (text) in *change* are called: by this machine, else by the request."""
        # Without a name for its own subject: the name in the request is what is to be reviewed, and must
        # not vouch for itself.
        own = {_subject(change): ""}
        return ChainMap(own, self.titles, self.request.titles)  # type: ignore[arg-type]  # it is only read

    def tokens(self) -> tuple[tuple[PublicKey, str], ...]:
        """Return each key that is to sign, and the token that has it, found without a PIN.

        Raise `NoKey` or `NoToken` where one is not there: who has plugged in the wrong token learns it before
        anybody types words.
        """
        return tuple(where(self.job.workspace, self.request.issuers))

    def checklist(self) -> str:
        """Return the checklist of the ceremony as plain text, to print: form feeds are between its pages."""
        from seedless.ceremony.report import checklist  # only where one is printed

        workspace, keys = self.job.workspace, self.request.issuers
        wording = Wording(self.titles)
        places = [line for key in keys for line in (wording.key(str(key)), f"  {place_of(workspace, key)}")]
        return checklist(self.context, places, _questions(workspace, keys))

    def statement(self, witness: str | PublicKey | SoftwareKey) -> WitnessStatement:
        """Return what *witness* signs of this review: a key on a token, or one in software.

        Raise `Refused` for findings that are errors, and for a key that the policy does not list: the
        statement would count for nothing.
        """
        self.report.require_clean()
        key = _public_key(witness)
        # Refused here and not when the statements are counted: that would be in the ceremony, when the
        # witness has gone.
        why = witness_problem(key, self.context.policy.witnesses, self.request.signers)
        if why:
            raise Refused(why, "[witnesses] of the policy lists who counts")
        return statement(
            self.job.workspace, statement_content(self.context, self.report), witness, self.context.clock
        )

    def sign(
        self,
        *,
        approve: ApproveReview,
        statements: Iterable[str | Jwt[object]] = (),
        present: Iterable[str] = (),
        output: str | Path | None = None,
        device_info: Iterable[tuple[str, bytes]] = (),
    ) -> CeremonySigned:
        """Hold the ceremony, or go on with one that was interrupted, and return its result.

        *statements* are those of the witnesses, *present* the names of the people, *output* is one
        more file for the result, *device_info* as in `TokenManagement.readiness`. Outside of
        `Ceremonies.open` the request is judged again, by the ledger as it is then.

        What is done goes into the transcript before it is done; each key that signed signs a receipt. Raise
        `Refused` for findings that are errors, for witnesses and attestations that are missing, and for
        consent to another request; `UsageError`, `StoreError`, `TokenError` and `PinError`.
        """
        with self.job.excluding_others(self) as review:
            return _signed(
                review,
                approve,
                statements=tuple(item.text if isinstance(item, Jwt) else item for item in statements),
                present=arguments.texts("present", present),
                output=None if output is None else Path(output),
                device_info=tuple(device_info),
            )


def _subject(change: Change) -> str:
    return change.draft.claims.sub


class ReviewJob:
    """What a review belongs to: its workspace, and whether others are kept out; no value, and never shown."""

    def __init__(self, workspace: Workspace, first_use: tuple[str, ...]) -> None:
        """Take what `reviewed` was given."""
        self.workspace = workspace
        self.first_use = first_use
        self.is_alone = False

    def __repr__(self) -> str:
        return "ReviewJob()"

    @contextlib.contextmanager
    def excluding_others(self, review: CeremonyReview) -> Iterator[CeremonyReview]:
        """Give *review* as it is where others are kept out already, else a new one of the same request."""
        if self.is_alone:
            yield review
            return
        with opened(self.workspace, review.request, self.first_use) as again:
            yield again


class WitnessStatement(Struct, frozen=True, kw_only=True):
    """What a witness is about to sign: that they have reviewed a request.

    `clock` is the time on this machine, Unix seconds, that they compare with another clock.
    """

    content: StatementContent
    witness: PublicKey
    clock: int
    job: StatementJob

    def tokens(self) -> tuple[tuple[PublicKey, str], ...]:
        """Return the key and the token that has it, found without a PIN; nothing for a key in software."""
        return () if self.job.software else tuple(where(self.job.workspace, [self.witness]))

    def sign(self, *, approve: ApproveStatement) -> Jwt[object]:
        """Return the signed statement; nothing is written.

        Raise `Refused` for consent to another request, `UsageError`, `TokenError` and `PinError`.
        """
        require_consent(approve(self), self.content.request)
        workspace, software = self.job.workspace, self.job.software
        draft = self.content.draft(self.witness, workspace.now)
        if software is not None:
            return draft.complete(software.sign(draft.signing_input))
        with open_tokens(workspace) as tokens:
            (jwt,) = tokens.sign([draft])
            return jwt


class StatementJob:
    """How a statement is signed; no value, and never shown: it may hold a seed."""

    def __init__(self, workspace: Workspace, software: SoftwareKey | None) -> None:
        """Bind to *workspace*; *software* is the key where it is on no token."""
        self.workspace = workspace
        self.software = software

    def __repr__(self) -> str:
        return "StatementJob()"


def statement(
    workspace: Workspace, content: StatementContent, witness: str | PublicKey | SoftwareKey, clock: int
) -> WitnessStatement:
    """Return the statement with *content* that *witness* is about to sign, at *clock* (Unix seconds)."""
    check_token_options(workspace)
    software = witness if isinstance(witness, SoftwareKey) else None
    return WitnessStatement(
        content=content,
        witness=_public_key(witness),
        clock=clock,
        job=StatementJob(workspace, software),
    )


def _public_key(witness: str | PublicKey | SoftwareKey) -> PublicKey:
    return witness.public_key if isinstance(witness, SoftwareKey) else arguments.key("witness", witness)


def key_statement(
    workspace: Workspace, request: bytes, witness: str | PublicKey | SoftwareKey
) -> WitnessStatement:
    """Return what *witness* signs of a request to create keys, see `Ceremonies.key_statement`."""
    from seedless.keygen.transcript import content_of  # only for such a request

    asked = parse_key_request(request)
    key = _public_key(witness)
    why = witness_problem(key, asked.specification.witnesses, ())
    if why:
        raise Refused(
            why.replace("policy", "request"), "[witnesses] of the key specification lists who counts"
        )
    return statement(workspace, content_of(asked), witness, workspace.refresh())


def reviewed(workspace: Workspace, request: CeremonyRequest, first_use: tuple[str, ...]) -> CeremonyReview:
    """Return the review of *request*, see `Ceremonies.review`."""
    workspace.refresh()
    context = _context(workspace, request, first_use)
    return CeremonyReview(context=context, report=context.judge(), job=ReviewJob(workspace, first_use))


@contextlib.contextmanager
def opened(
    workspace: Workspace, request: CeremonyRequest, first_use: tuple[str, ...]
) -> Iterator[CeremonyReview]:
    """Give the review of *request*, see `Ceremonies.open`."""
    check_token_options(workspace)
    with root_lock(workspace.root).held(workspace.observer.waits):
        # Read under the lock, since the ledger decides what is a replay: of two reviews of one request at
        # once both would find it new.
        review = reviewed(workspace, request, first_use)
        review.job.is_alone = True
        try:
            yield review
        finally:
            review.job.is_alone = False


def place_of(workspace: Workspace, key: PublicKey) -> str:
    """Return for people where *key* is, by the inventory, or that it does not contain it."""
    entry = workspace.inventory().get(key)
    if entry is None:
        return "the inventory does not know where"
    where = ", or ".join(place.where for place in entry.places_left)
    return where or "its token was reported as lost"


def _context(workspace: Workspace, request: CeremonyRequest, first_use: tuple[str, ...]) -> ReviewContext:
    """Read policy and ledger, each once; raise `UsageError` where no policy is named."""
    check_codes(workspace.settings.allow)
    if workspace.policy is None:
        raise UsageError(
            "a ceremony goes by a policy of this machine, and none is named",
            "name it: --policy FILE, or SEEDLESS_POLICY",
        )
    known = ledger.load(ledger_path(workspace))
    context = ReviewContext(
        request=request,
        policy=workspace.policy,
        ledger=known,
        now=workspace.now,
        allowed=workspace.settings.allow,
        first_use=first_use,
        reset_time=workspace.settings.reset_time,
        ceilings=ceilings(workspace, request.plan.changes),
        unspared=required_spares(workspace, request.plan),
        unfinished=begun_here(workspace, known, workspace.policy.operator),
        unknown_results=unknown_results_here(workspace, known, workspace.policy.operator),
    )
    return resumed(context, folder_of(workspace, request.digest))


def _questions(workspace: Workspace, keys: Iterable[PublicKey]) -> tuple[ReadinessRow, ...]:
    """Return the rows for a checklist: what is known of this machine, and the questions about the tokens.

    No token is looked for: the page is made where a request is reviewed, which may be another machine.
    """
    inventory = workspace.inventory()
    uris = [KeyUri.parse(entry.uri) for key in keys if (entry := inventory.get(key)) is not None]
    families = {f"token {shown(uri.token or uri.serial or '')}": quirks_of_uri(uri).family for uri in uris}
    rows = [row for about, family in families.items() for row in questions(family, about)]
    return (*rows, *examine_program(), *examine_machine(workspace.root, workspace.now))


def _signed(
    review: CeremonyReview,
    approve: ApproveReview,
    *,
    statements: tuple[str, ...],
    present: tuple[str, ...],
    output: Path | None,
    device_info: tuple[tuple[str, bytes], ...],
) -> CeremonySigned:
    """Sign the request of *review*, see `CeremonyReview.sign`; others are kept out."""
    workspace, request = review.job.workspace, review.request
    folder, ledger_file = folder_of(workspace, request.digest), ledger_path(workspace)
    run = CeremonyRun(
        review_context=review.context,
        folder=folder,
        ledger=ledger_file,
        clock=lambda: int(workspace.clock()),
        output=output,
        statements=statements,
        present=present,
        tool=tool(),
        waits=Clock(time=workspace.clock, notify=workspace.observer.waits),
        readiness=lambda: readiness(workspace, request.issuers, device_info),
    )
    data = run_ceremony(
        run,
        review=lambda _, report: _is_approved(review, report, approve),
        keys=lambda: ceremony_tokens(workspace, request),
    )
    result = parse_result(data)
    return CeremonySigned(
        request=request,
        result=data,
        transcript=result.transcript_digest,
        receipts=len(result.receipts or ()),
        paths=(folder / RESULT_NAME, folder / TRANSCRIPT_NAME, ledger_file, *([output] if output else [])),
    )


def _is_approved(review: CeremonyReview, report: Report, approve: ApproveReview) -> bool:
    """Ask for consent to sign; nobody is asked about what is refused anyway."""
    if report.errors:
        return True
    for issuer in review.request.issuers:
        # A missing attestation would be found when the tokens are open: too late for whoever types words.
        kept_attestation(review.job.workspace, review.context.policy, issuer)
    require_consent(approve(review), review.request.digest)
    return True
