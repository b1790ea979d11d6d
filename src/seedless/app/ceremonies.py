"""Ceremonies of a workspace: prepare, review, witness, sign, record, check and report; and their keys."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from seedless import file_kind
from seedless.app import arguments, ceremony_keys, ceremony_rehearsal, ceremony_requests, ceremony_reviews
from seedless.app.arguments import Time
from seedless.app.ceremonies_keygen import KeygenAbandonment, KeygenReview
from seedless.app.ceremony_keys import CeremonyKeyState, CreatedKeys, NewCeremonyKeys
from seedless.app.ceremony_rehearsal import CeremonyRehearsal, KeygenRehearsal
from seedless.app.ceremony_requests import Abandonment, Acceptance
from seedless.app.ceremony_reviews import ApproveKeys, CeremonyReview, WitnessStatement
from seedless.app.pipeline import Preview
from seedless.ceremony import check as ceremony_check
from seedless.ceremony.check import CeremonyCheck, CeremonyVerdict, Recomputation
from seedless.ceremony.judgement import EVERYTHING
from seedless.ceremony.keys import CeremonyKey
from seedless.ceremony.request import CeremonyRequest, parse
from seedless.jwt import Jwt
from seedless.keygen.check import KeygenCheck, check_keygen
from seedless.keygen.request import KeygenRequest
from seedless.keygen.request import parse as parse_key_request
from seedless.keygen.transcript import SeenBag
from seedless.nkey import PublicKey
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan
from seedless.store import atomic

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "Ceremonies",
    "CeremonyAudit",
    "CeremonyKeyState",
    "CeremonyReport",
    "CeremonyReview",
    "is_key_request",
]


class CeremonyAudit(Struct, frozen=True, kw_only=True):
    """A ceremony that was checked afterwards; `recomputed` is None unless it was computed anew."""

    check: CeremonyCheck
    recomputed: Recomputation | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is complete, and came out byte for byte where it was computed anew."""
        is_same = self.recomputed is None or self.recomputed.agrees
        return self.check.verdict is CeremonyVerdict.COMPLETE and is_same

    @property
    def compare_with_paper(self) -> tuple[str, ...]:
        """The digests that no file can prove: only paper, or whoever was there, has them besides."""
        found = self.check
        if found.verdict is CeremonyVerdict.FALSE or found.progress is None or not found.progress.entries:
            return ()
        return ("request", *(["policy"] if found.policy else []), "transcript")


class CeremonyReport(Struct, frozen=True, kw_only=True):
    """The page about a ceremony (HTML), and the verdict at its top.

    `lacks_qr_code` is whether the digest of the transcript has no QR code, since segno is not installed.
    """

    verdict: CeremonyVerdict
    text: str
    page: str
    has_qr_code: bool
    lacks_qr_code: bool

    def write(self, path: str | Path) -> None:
        """Write the page to the new file *path*; raise `UsageError` where there is one."""
        atomic.write_new({Path(path): self.page})


def is_key_request(request: bytes) -> bool:
    """Report whether *request* (the bytes of a file) is a request to create keys."""
    return file_kind.identify(request) is file_kind.KEY_REQUEST


class Ceremonies:
    """Ceremonies: a request is prepared, reviewed, witnessed and signed; its result accepted and checked."""

    def __init__(self, workspace: Workspace) -> None:
        """Bind to *workspace*."""
        self._workspace = workspace

    def review(self, request: bytes, first_use: Iterable[str | PublicKey] = ()) -> CeremonyReview:
        """Judge *request* (the bytes of its file) without token or PIN.

        *first_use* are the keys (or `all`) whose current jwts are taken from the request, since the
        ledger does not know them. Raises `UsageError` where the workspace has no policy; what the judgement
        finds is in the report.
        """
        return ceremony_reviews.reviewed(self._workspace, _parsed(request), _first_use(first_use))

    def open(
        self, request: bytes, first_use: Iterable[str | PublicKey] = ()
    ) -> AbstractContextManager[CeremonyReview]:
        """Give the review of *request*, as `review` does, and keep every other writer of this machine out.

        What is signed inside the block is what was judged at its beginning: no other ceremony begins or ends
        in between.
        """
        return ceremony_reviews.opened(self._workspace, _parsed(request), _first_use(first_use))

    def rehearse(
        self, request: bytes, first_use: Iterable[str | PublicKey] = (), *, module: str | Path | None = None
    ) -> CeremonyRehearsal:
        """Hold the ceremony of *request* with placeholder keys, on a temporary SoftHSM token.

        *module* is that of SoftHSM. Nothing is written, and no real token is touched: raise `UsageError`
        where this process uses SoftHSM already. What prevents the real ceremony is in the report of `real`.
        """
        return ceremony_rehearsal.rehearsal(
            self.review(request, first_use), None if module is None else Path(module)
        )

    def key_statement(self, request: bytes, witness: str | PublicKey | SoftwareKey) -> WitnessStatement:
        """Return what *witness* signs of the *request* to create keys; a key on a token, or in software.

        Raise `Refused` for a key that the request does not list: the statement would count for nothing.
        """
        return ceremony_reviews.key_statement(self._workspace, arguments.data("request", request), witness)

    def prepare(
        self,
        plan: Plan | Preview[object],
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

    def prepare_keys(
        self,
        specification: bytes,
        *,
        reason: str,
        name: str = "the key specification",
        expires: Time = "7d",
        prepared_by: str | None = None,
        at: Time | None = None,
    ) -> KeygenRequest:
        """Return the request to create the keys of *specification* (TOML, called *name* in errors).

        The other arguments are those of `prepare`; nothing is written: `data` are the bytes for a file. Raise
        `UsageError` for what is wrong in it, `Refused` where the inventory has a key of such a label already.
        """
        from seedless.app import ceremonies_keygen  # with shares of secrets, which few ceremonies need

        workspace = self._workspace
        workspace.refresh()
        issued = ceremony_requests.issue_time(workspace, at)
        return ceremonies_keygen.prepare(
            workspace, arguments.data("specification", specification), name, reason=reason,
            by=prepared_by or getpass.getuser(), expires=arguments.seconds("expires", expires, issued),
            at=issued,
        )  # fmt: skip

    def review_keys(self, request: bytes) -> KeygenReview:
        """Return the review of a *request* to create keys, without token or PIN.

        Raise `Refused` for one that does not hold now, whose keys were created, or of whose labels the
        inventory has one.
        """
        from seedless.app import ceremonies_keygen  # with shares of secrets, which few ceremonies need

        return ceremonies_keygen.reviewed(
            self._workspace, parse_key_request(arguments.data("request", request))
        )

    def rehearse_keys(self, request: bytes, *, module: str | Path | None = None) -> KeygenRehearsal:
        """Create the keys of *request* on a temporary SoftHSM token, and check that, as `rehearse` does.

        Shares and attestations are left out. Raise `Refused` where the real request would be refused.
        """
        return ceremony_rehearsal.keygen_rehearsal(
            self.review_keys(request), None if module is None else Path(module)
        )

    def create_keys(
        self,
        request: bytes,
        *,
        approve: ApproveKeys,
        output: str | Path,
        policy: str | Path | None = None,
        statements: Iterable[str | Jwt[object]] = (),
        present: Iterable[str] = (),
        bags: Iterable[tuple[str, str]] = (),
        exceptions: Iterable[str] = (),
        device_info: Iterable[tuple[str, bytes]] = (),
        allowed: Iterable[str] = (),
    ) -> CreatedKeys:
        """Create the keys of *request* on their tokens, or go on with one that was interrupted.

        The result goes to *output*, the policy that pins the operator to *policy*. *bags* are numbers of bags
        of the request, and how each was found; *exceptions* what was not as planned; *allowed* ways to a disk
        (`swap`, `core-pipe`), for keys with shares. The others are those of `CeremonyReview.sign`. Raise
        `Refused`, `UsageError`, `TokenError` and `PinError`.
        """
        from seedless.app import ceremonies_keygen  # with shares of secrets, which few ceremonies need

        asked = parse_key_request(arguments.data("request", request))
        ceremony_reviews.require_consent(approve(asked), asked.digest)
        people = ceremonies_keygen.KeygenPeople(
            present=arguments.texts("present", present),
            statements=tuple(
                statement.text if isinstance(statement, Jwt) else statement for statement in statements
            ),
            bags=tuple(SeenBag(number=number, found=found) for number, found in bags),
            exceptions=arguments.texts("exceptions", exceptions),
        )
        return ceremonies_keygen.create(
            self._workspace, asked, people,
            output=Path(output), policy=None if policy is None else Path(policy),
            outputs=tuple(device_info), allowed=tuple(allowed), clock=lambda: int(self._workspace.clock()),
        )  # fmt: skip

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
        return ceremony_requests.acceptance(self._workspace, arguments.data("result", result))

    def abandon(self, request: CeremonyRequest) -> Abandonment:
        """Return how far the ceremony of *request* is; `Abandonment.record` gives it up, for good.

        Raise `UsageError` where none has begun here, or it has ended.
        """
        return ceremony_requests.abandonment(self._workspace, request)

    def abandon_keys(self, request: bytes) -> KeygenAbandonment:
        """Return how far the ceremony of a *request* to create keys is; `record` gives it up, for good.

        Keys that it has created stay on their tokens. Raise `UsageError` where none has begun here, or it
        has ended.
        """
        from seedless.app import ceremonies_keygen  # with shares of secrets, which few ceremonies need

        return ceremonies_keygen.abandonment(
            self._workspace, parse_key_request(arguments.data("request", request))
        )

    def check(
        self,
        request: bytes,
        result: bytes,
        operator_key: str | PublicKey,
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
        found = ceremony_check.check(*_held(request, result, operator_key), policy=policy)
        is_complete = found.verdict is CeremonyVerdict.COMPLETE
        again = ceremony_check.recompute(request, result) if recompute and is_complete else None
        return CeremonyAudit(check=found, recomputed=again)

    def check_keys(
        self,
        request: bytes,
        result: bytes,
        operator_key: str | PublicKey,
        *,
        policy: str | None = None,
        recompute: bool = False,
    ) -> KeygenCheck:
        """Check a ceremony that created keys, *operator_key* among them, as `check` does.

        *policy* is the digest of the one that has to follow from the keys that were created.
        """
        return check_keygen(*_held(request, result, operator_key), policy=policy, recompute=recompute)

    def report(self, request: bytes, result: bytes, operator_key: str | PublicKey) -> CeremonyReport:
        """Check a ceremony of either kind afterwards, and return the page about it, to read and to print."""
        from seedless.ceremony.report import qr_code, report  # only where a page is made
        from seedless.keygen.report import key_report

        held = _held(request, result, operator_key)
        checked = check_keygen(*held) if is_key_request(request) else ceremony_check.check(*held)
        qr = qr_code(checked.progress.digest) if checked.progress else None
        return CeremonyReport(
            verdict=checked.verdict,
            text=checked.text,
            page=report(checked, qr=qr) if isinstance(checked, CeremonyCheck) else key_report(checked, qr=qr),
            has_qr_code=qr is not None,
            lacks_qr_code=checked.progress is not None and qr is None,
        )

    def new_keys(
        self,
        name: str,
        *,
        holder: str,
        keys: Iterable[str] = (),
        previous: bytes | None = None,
        witnesses: Iterable[str | PublicKey] = (),
        threshold: int = 0,
        attestation_roots: Iterable[str] = (),
    ) -> NewCeremonyKeys:
        """Return the keys of the operator *name* that `NewCeremonyKeys.create` creates on one token.

        *holder* is who has the token, *keys* are texts `ROLE:NAME` (default: the operator's identity key, a
        signing key, and the key of the system account), *previous* is the file of keys that were created on
        another token. The policy requires *threshold* of the *witnesses*, and that devices attest the
        operator's keys up to one of *attestation_roots* (SHA-256 of DER, hex). Raise `UsageError`.
        """
        return ceremony_keys.new_keys(
            self._workspace,
            name,
            holder=holder,
            keys=arguments.texts("keys", keys),
            previous=previous,
            witnesses=arguments.keys("witnesses", witnesses),
            threshold=threshold,
            attestation_roots=arguments.texts("attestation_roots", attestation_roots),
        )

    def keys(self, data: bytes, *, record: bool = True) -> tuple[CeremonyKey, ...]:
        """Verify the statements of new keys in *data* (a file of a keygen), and record them in the inventory.

        Each is signed by the key that it is about. Without *record* nothing is written.
        """
        return ceremony_keys.registered(self._workspace, data, record=record)

    def inventory(self, *, offline: bool = False) -> tuple[CeremonyKeyState, ...]:
        """Compare the keys of the ceremonies that were held here with their tokens; *offline* opens none."""
        return ceremony_keys.compared(self._workspace, offline=offline)


def _parsed(request: object) -> CeremonyRequest:
    return parse(arguments.data("request", request))


def _first_use(keys: Iterable[str | PublicKey]) -> tuple[str, ...]:
    if isinstance(keys, str):
        raise arguments.wrong_type("first_use", keys, 'several, as in first_use=["all"]')
    return tuple(EVERYTHING if key == EVERYTHING else str(arguments.key("first_use", key)) for key in keys)


def _held(request: object, result: object, operator_key: object) -> tuple[bytes, bytes, PublicKey]:
    return (
        arguments.data("request", request),
        arguments.data("result", result),
        arguments.key("operator_key", operator_key),
    )
