"""Ceremonies of a workspace: where their files are, requests under review, and reported keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedless import file_kind, ledger
from seedless.app import ceremony_requests, ceremony_results
from seedless.app.arguments import Time
from seedless.app.backups import required_spares
from seedless.app.ceremony_folder import begun_here, folder_of, ledger_path, unknown_results_here
from seedless.app.ceremony_requests import Abandonment
from seedless.app.ceremony_results import Acceptance
from seedless.app.ceremony_tokens import driver_says
from seedless.app.judgement import ceilings
from seedless.app.pipeline import Preview
from seedless.app.tokens import OpenTokens, open_tokens
from seedless.ceremony import documents
from seedless.ceremony.judgement import ReviewContext
from seedless.ceremony.keys import CeremonyKey, ReportedKey, differences, reported_keys
from seedless.ceremony.keys import parse as parse_keys
from seedless.ceremony.offline import RESULT_NAME, TRANSCRIPT_NAME, resumed
from seedless.ceremony.request import CeremonyRequest, parse
from seedless.errors import NoKey, NoToken, UsageError
from seedless.findings import Report
from seedless.inventory import KeyEntry
from seedless.machine import examine_machine
from seedless.nkey import PublicKey
from seedless.pkcs11.families import quirks_of_uri
from seedless.pkcs11.uri import KeyUri
from seedless.readiness import ReadinessRow, questions
from seedless.signing_pipeline import Plan
from seedless.store import root_lock
from seedless.text import shown
from seedless.waivers import check as check_codes

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Ceremonies", "CeremonyKeyState", "CeremonyReview", "ledger_path"]


class CeremonyReview(Struct, frozen=True, kw_only=True):
    """A request as this machine judges it: by its policy, its ledger and its clock."""

    context: ReviewContext
    report: Report

    @property
    def request(self) -> CeremonyRequest:
        """The request."""
        return self.context.request


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
    """Ceremonies: prepare and review a request, accept its result, compare the keys with tokens."""

    def __init__(self, workspace: Workspace) -> None:
        """Bind to *workspace*."""
        self._workspace = workspace

    def review(self, request: bytes, first_use: Iterable[str] = ()) -> CeremonyReview:
        """Judge *request* (the bytes of its file) without token or PIN.

        *first_use* are the keys (key text, or `all`) whose current jwts are taken from the request, since the
        ledger does not know them. Raises `UsageError` where the workspace has no policy; what the judgement
        finds is in the report.
        """
        context = review_context(self._workspace, parse(request), tuple(first_use))
        return CeremonyReview(context=context, report=context.judge())

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


def review_context(
    workspace: Workspace, request: CeremonyRequest, first_use: tuple[str, ...] = ()
) -> ReviewContext:
    """Read policy and ledger, each once; raise `UsageError` where no policy is named."""
    check_codes(workspace.settings.allow)
    if workspace.policy is None:
        raise UsageError(
            "a ceremony goes by a policy of this machine, and none is named", "name one with --policy"
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


def place_of(workspace: Workspace, key: PublicKey) -> str:
    """Return where the inventory says that *key* is, or that it does not know."""
    entry = workspace.inventory().get(key)
    return entry.uri if entry else "the inventory does not know where"


def questions_for(workspace: Workspace, keys: Iterable[PublicKey]) -> tuple[ReadinessRow, ...]:
    """Return the rows for a checklist: what is known of this machine, and the questions about the tokens.

    No token is looked for: the page is made where a request is reviewed, which may be another machine.
    """
    inventory = workspace.inventory()
    uris = [KeyUri.parse(entry.uri) for key in keys if (entry := inventory.get(key)) is not None]
    families = {f"token {shown(uri.token or uri.serial or '')}": quirks_of_uri(uri).family for uri in uris}
    rows = [row for about, family in families.items() for row in questions(family, about)]
    return (*rows, *examine_machine(workspace.root, workspace.now))


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
        now = driver_says(token, token.find(one.public_key.raw))
    except (NoKey, NoToken):
        return "missing", ()
    changed = differences(one.driver_report, now)
    return (f"changed: {', '.join(changed)}" if changed else "present"), changed
