"""Ceremonies of a workspace: prepare, review, witness, sign, record, check and report; and their keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedless import file_kind
from seedless.app import (
    ceremony_checks,
    ceremony_rehearsal,
    ceremony_requests,
    ceremony_results,
    ceremony_reviews,
)
from seedless.app.arguments import Time
from seedless.app.ceremony_checks import CeremonyAudit, CeremonyReport
from seedless.app.ceremony_rehearsal import CeremonyRehearsal
from seedless.app.ceremony_requests import Abandonment
from seedless.app.ceremony_results import Acceptance
from seedless.app.ceremony_reviews import CeremonyReview, WitnessStatement
from seedless.app.ceremony_tokens import reported_by_driver
from seedless.app.pipeline import Preview
from seedless.app.tokens import OpenTokens, open_tokens
from seedless.ceremony import documents
from seedless.ceremony.keys import CeremonyKey, ReportedKey, differences, reported_keys
from seedless.ceremony.keys import parse as parse_keys
from seedless.ceremony.offline import RESULT_NAME, TRANSCRIPT_NAME
from seedless.ceremony.request import CeremonyRequest, parse
from seedless.errors import NoKey, NoToken, UsageError
from seedless.inventory import KeyEntry
from seedless.keygen.run import KeygenCheck, check_keygen
from seedless.nkey import PublicKey
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan
from seedless.store import root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Ceremonies", "CeremonyKeyState", "CeremonyReview"]


class CeremonyKeyState(Struct, frozen=True, kw_only=True):
    """A key that transcripts report, and what its token shows now.

    `state` is `present`, `missing`, `not looked for`, or `changed: ` and the names in `changed`; `token` the
    label that the driver gave, `at` when it last signed, Unix seconds.
    """

    public_key: PublicKey
    state: str
    changed: tuple[str, ...]
    token: str
    at: int


class Ceremonies:
    """Ceremonies: a request is prepared, reviewed, witnessed and signed; its result accepted and checked."""

    def __init__(self, workspace: Workspace) -> None:
        """Bind to *workspace*."""
        self._workspace = workspace

    def review(self, request: bytes, first_use: Iterable[str] = ()) -> CeremonyReview:
        """Judge *request* (the bytes of its file) without token or PIN.

        *first_use* are the keys (key text, or `all`) whose current jwts are taken from the request, since the
        ledger does not know them. Raises `UsageError` where the workspace has no policy; what the judgement
        finds is in the report.
        """
        return ceremony_reviews.reviewed(self._workspace, parse(request), tuple(first_use))

    def open(self, request: bytes, first_use: Iterable[str] = ()) -> AbstractContextManager[CeremonyReview]:
        """Give the review of *request*, as `review` does, and keep every other writer of this machine out.

        What is signed inside the block is what was judged at its beginning: no other ceremony begins or ends
        in between.
        """
        return ceremony_reviews.opened(self._workspace, parse(request), tuple(first_use))

    def rehearse(
        self, request: bytes, first_use: Iterable[str] = (), *, module: Path | None = None
    ) -> CeremonyRehearsal:
        """Hold the ceremony of *request* with placeholder keys, on a temporary SoftHSM token.

        *module* is that of SoftHSM. Nothing is written, and no real token is touched: raise `UsageError`
        where this process uses SoftHSM already. What prevents the real ceremony is in the report of `real`.
        """
        return ceremony_rehearsal.rehearsal(self.review(request, first_use), module)

    def key_statement(self, request: bytes, witness: PublicKey | SoftwareKey) -> WitnessStatement:
        """Return what *witness* signs of the *request* to create keys; a key on a token, or in software.

        Raise `Refused` for a key that the request does not list: the statement would count for nothing.
        """
        return ceremony_reviews.key_statement(self._workspace, request, witness)

    def prepare(
        self,
        plan: Plan | Preview[Any],
        *,
        reason: str,
        expires: Time = "7d",
        prepared_by: str | None = None,
        at: Time | None = None,
    ) -> CeremonyRequest:
        """Return the request for *plan*, for a machine offline; nothing is written.

        For a preview it is the request for its plan; seeds of new users go into the key store at once, as
        `Preview.write` has it. Raise `Refused` for its findings that are errors, `UsageError` while its keys
        have yet to be created.

        Its jwts are dated *at* (now, where it is None), each after the one that it replaces; *expires* counts
        from then, *prepared_by* is the login name where it is None. The same input gives the same bytes.
        Raise `UsageError` for a time that is ahead of this clock, and for what no request may hold.
        """
        self._workspace.refresh()
        if isinstance(plan, Preview):
            plan = plan.final_plan()
        return ceremony_requests.prepare(
            self._workspace, plan, reason=reason, expires=expires, prepared_by=prepared_by, at=at
        )

    def write(self, request: CeremonyRequest, path: str | Path) -> None:
        """Write *request* to the new file *path*, and a copy here: only its result is accepted here.

        Both or neither; raise `UsageError` where *path* exists.
        """
        ceremony_requests.write(self._workspace, request, Path(path))

    def accept(self, result: bytes) -> Acceptance:
        """Verify *result* (the bytes of its file), and return what `Acceptance.record` would write.

        Every signature, the chain, the witnesses and the receipts are verified; what is in the store already
        is skipped. Raise `Refused` for a result that is not complete, of a rehearsal, of a request that
        was not prepared here, or ahead of this clock; `StoreError` where the store has changed since.
        """
        return ceremony_results.acceptance(self._workspace, result)

    def abandon(self, request: CeremonyRequest) -> Abandonment:
        """Return how far the ceremony of *request* is; `Abandonment.record` gives it up, for good.

        Raise `UsageError` where none has begun here, or it has ended.
        """
        return ceremony_requests.abandonment(self._workspace, request)

    def check(
        self,
        request: bytes,
        result: bytes,
        operator_key: PublicKey,
        *,
        policy: str | None = None,
        recompute: bool = False,
    ) -> CeremonyAudit:
        """Check a ceremony afterwards, from the bytes of its files and the pinned *operator_key* alone.

        *result* may be the transcript of one that was interrupted. What was signed is judged again, by the
        policy in the transcript; *policy* is the digest of the one that it has to be. With *recompute* one
        that is complete is computed anew, all of it but the signatures. Raise `WrongFile` for other files;
        what is wrong in these is in the verdict.
        """
        return ceremony_checks.audit(request, result, operator_key, policy=policy, recomputes=recompute)

    def check_keys(self, request: bytes, result: bytes, operator_key: PublicKey) -> KeygenCheck:
        """Check a ceremony that created keys, *operator_key* among them, from the bytes of its files."""
        return check_keygen(request, result, operator_key)

    def report(self, request: bytes, result: bytes, operator_key: PublicKey) -> CeremonyReport:
        """Check a ceremony of either kind afterwards, and return the page about it, to read and to print."""
        return ceremony_checks.report(request, result, operator_key)

    def keys(self, data: bytes, *, record: bool = True) -> tuple[CeremonyKey, ...]:
        """Verify the statements of new keys in *data* (a file of a keygen), and record them in the inventory.

        Each is signed by the key that it is about. Without *record* nothing is written.
        """
        made = tuple(one for one, _ in parse_keys(data))
        if record:
            with root_lock(self._workspace.root).held(self._workspace.observer.waits):
                for one in made:
                    self._workspace.note_key(_entry(one))
        return made

    def inventory(self, *, offline: bool = False) -> tuple[CeremonyKeyState, ...]:
        """Compare the keys of the ceremonies that were held here with their tokens; *offline* opens none."""
        folder = self._workspace.root / "ceremonies"
        known = reported_keys(_transcripts(folder))
        if not known:
            raise UsageError("no ceremony was held here", f"transcripts lie in {shown(folder)}")
        with open_tokens(self._workspace) as tokens:
            return tuple(_state(None if offline else tokens, one) for one in known)


def _entry(made: CeremonyKey) -> KeyEntry:
    key = made.public_key
    return KeyEntry(public_key=key, uri=made.uri, role=key.role, name=made.name, at=made.at)


def _transcripts(folder: Path) -> Iterator[bytes]:
    """Yield the results of the ceremonies in *folder*, and the transcripts of those that have not ended."""
    for held in sorted(path for path in folder.glob("*") if path.is_dir()):
        result = held / RESULT_NAME
        path = result if result.exists() else held / TRANSCRIPT_NAME
        if path.exists():
            yield documents.read(path, file_kind.RESULT, file_kind.TRANSCRIPT)


def _state(tokens: OpenTokens | None, one: ReportedKey) -> CeremonyKeyState:
    state, changed = ("not looked for", ()) if tokens is None else _seen(tokens, one)
    label = str(one.driver_report.get("token", ""))
    return CeremonyKeyState(public_key=one.public_key, state=state, changed=changed, token=label, at=one.at)


def _seen(tokens: OpenTokens, one: ReportedKey) -> tuple[str, tuple[str, ...]]:
    try:
        token = tokens.holding(one.public_key)
        now = reported_by_driver(token, token.find(one.public_key.raw))
    except (NoKey, NoToken):
        return "missing", ()
    changed = differences(one.driver_report, now)
    return (f"changed: {', '.join(changed)}" if changed else "present"), changed
