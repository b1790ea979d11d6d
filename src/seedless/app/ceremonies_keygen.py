"""Keys that are created by a ceremony: a request of a key specification, and the keys on their tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless import pending_keys
from seedless.app import recovery
from seedless.app.ceremony_keys import CreatedKeys, begun_ledger, reported_by_driver
from seedless.app.token_choice import token_uri
from seedless.app.token_management import tokens_and_machine
from seedless.app.tokens import OpenTokens, open_tokens
from seedless.ceremony.keys import CeremonyKey
from seedless.ceremony.transcript import TranscriptFile
from seedless.challenges import KEYGEN
from seedless.errors import Refused, StoreError, UsageError
from seedless.jwt import Draft, Jwt
from seedless.keygen import request as key_request
from seedless.keygen.check import check_keygen, policy_of
from seedless.keygen.request import KeygenRequest, SpecifiedKey
from seedless.keygen.run import RECORD_NAME, RESULT_NAME, TRANSCRIPT_NAME, KeygenRun, run_keygen
from seedless.keygen.transcript import SeenBag, progress, require_time
from seedless.machine import examine_machine
from seedless.nkey import Role
from seedless.pkcs11.families import quirks_of_uri
from seedless.pkcs11.uri import KeyUri
from seedless.program import examine_program, tool
from seedless.readiness import ReadinessRow, questions
from seedless.recovery.journeys import NewShares
from seedless.recovery.record import KeyName, RecoveryRecord
from seedless.signing_pipeline import NewKey
from seedless.store import atomic, root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "KeygenAbandonment",
    "KeygenPeople",
    "KeygenReview",
    "abandonment",
    "create",
    "folder_of",
    "prepare",
    "reviewed",
]

_CHALLENGES = 1  # that a new key signs: it is tried before it is used
_CHALLENGES_OF_IMPORT = 2  # the import, and the test signature in the process of the secret


class KeygenPeople(msgspec.Struct, frozen=True, kw_only=True):
    """Who was there, the statements of witnesses (jwt text), how bags were, and what was not as planned."""

    present: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    bags: tuple[SeenBag, ...] = ()
    exceptions: tuple[str, ...] = ()


class KeygenReview(msgspec.Struct, frozen=True, kw_only=True):
    """A request to create keys that holds `now` (Unix seconds), and whose keys are new here.

    `readiness` is what the page about it has of tokens and machine.
    """

    request: KeygenRequest
    now: int
    readiness: tuple[ReadinessRow, ...] = ()

    def checklist(self) -> str:
        """Return the page to print for the room."""
        from seedless.keygen.report import key_checklist  # only where a page is made

        return key_checklist(self.request, self.readiness)


def prepare(
    workspace: Workspace, specification: bytes, name: str, *, reason: str, by: str, expires: int, at: int
) -> KeygenRequest:
    """Return the request for the keys of *specification*, the bytes of the TOML file *name*.

    *at* and *expires* are Unix seconds. Raise `UsageError` for what is wrong in it, and `Refused` where the
    inventory has a key of such a label already.
    """
    read = key_request.read_specification(specification, name)
    _require_new(workspace, read.keys)
    return key_request.prepare(
        read, reason=reason, prepared_by=by, prepared_at=at, expires=expires, tool=tool()
    )


def reviewed(workspace: Workspace, request: KeygenRequest) -> KeygenReview:
    """Return the review of *request*, see `Ceremonies.review_keys`."""
    workspace.refresh()
    _require_real(request)
    if (folder_of(workspace, request) / RESULT_NAME).exists():
        raise _were_created(folder_of(workspace, request))
    has_begun = (folder_of(workspace, request) / TRANSCRIPT_NAME).exists()
    if not has_begun:
        # One that has begun goes on after the expiry of its request, with the keys that it has.
        require_time(request, workspace.now)
        _require_new(workspace, request.specification.keys)
    tokens = {key.token: KeyUri.parse(key.token) for key in request.specification.keys if key.token}
    asked = [row for name, uri in tokens.items() for row in questions(quirks_of_uri(uri).family, name)]
    rows = (
        *(asked or questions("", "the token")),
        *examine_program(),
        *examine_machine(workspace.root, workspace.now),
    )
    return KeygenReview(request=request, now=workspace.now, readiness=rows)


def folder_of(workspace: Workspace, request: KeygenRequest) -> Path:
    """Return where the files of the ceremony of *request* lie, or would."""
    return workspace.root / "key-ceremonies" / request.digest


def create(
    workspace: Workspace,
    request: KeygenRequest,
    people: KeygenPeople,
    *,
    output: Path,
    policy: Path | None = None,
    outputs: Sequence[tuple[str, bytes]] = (),
    allowed: Collection[str] = (),
    clock: Callable[[], int],
) -> CreatedKeys:
    """Create the keys of *request* on their tokens; write the result to *output*, and a policy to *policy*.

    *outputs* as in `TokenManagement.readiness`; *allowed* are ways to a disk, for recoverable keys. What was
    done is in the transcript: called again, it goes on. Raise `Refused`, `TokenError`, `UsageError`.
    """
    folder = folder_of(workspace, request)
    _require_real(request)
    if (folder / RESULT_NAME).exists():
        raise _were_created(folder)
    for path in (output, *([policy] if policy else [])):
        atomic.require_new(path)
    if not (folder / RECORD_NAME).exists():
        _require_new(workspace, request.specification.recoverable)
    run = KeygenRun(
        request=request, folder=folder, clock=clock, tool=tool(), statements=people.statements,
        present=people.present, bags=people.bags, exceptions=people.exceptions,
        readiness=lambda: _readiness(workspace, request, outputs),
        share=lambda: _share(workspace, request, folder, allowed),
    )  # fmt: skip
    with _counted_apart(workspace), _tokens(workspace) as tokens:
        result = run_keygen(run, lambda: tokens.opened(request))
        checked = check_keygen(request.data, result)
        if checked.progress is None:
            raise Refused(f"the result does not verify: {checked.text}", checked.hint)
        keys = tuple(checked.progress.keys)
        text = policy_of(checked.progress) if policy else ""
        files = {output: result.decode()} | ({policy: text} if policy else {})
        state = {folder / RESULT_NAME: result.decode()} | begun_ledger(workspace, keys) | tokens.reported()
        atomic.write_new(files, state)
    return CreatedKeys(keys=keys, result=result, transcript=checked.progress.digest, policy=text)


def _require_real(request: KeygenRequest) -> None:
    if request.mark:
        raise Refused("the request is that of a rehearsal", "create the keys of the one that was rehearsed")


def _were_created(folder: Path) -> Refused:
    return Refused(
        f"the keys of this request were created: {shown(folder / RESULT_NAME)}",
        "that file is their result; for other keys prepare another request",
    )


def abandonment(workspace: Workspace, request: KeygenRequest) -> KeygenAbandonment:
    """Return what giving up the ceremony of *request* would do, see `Ceremonies.abandon_keys`."""
    folder = folder_of(workspace, request)
    entries = TranscriptFile(folder / TRANSCRIPT_NAME, request.digest).entries
    so_far = progress(request, entries)
    if "abandoned" not in so_far.next_kinds:
        raise UsageError(
            f"no ceremony of the request {request.digest} has begun here and not ended",
            "one that has ended needs no abandoning, and one that nobody has begun expires by itself",
        )
    return KeygenAbandonment(
        request=request,
        created=len(so_far.keys),
        transcript=so_far.digest,
        job=KeygenAbandonmentJob(workspace),
    )


class KeygenAbandonment(msgspec.Struct, frozen=True, kw_only=True):
    """A ceremony that creates keys, as it would be given up: nothing is written before `record`.

    `created` is how many keys its transcript has, `transcript` the digest of that.
    """

    request: KeygenRequest
    created: int
    transcript: str
    job: KeygenAbandonmentJob

    def record(self) -> str:
        """Write into the transcript that it was given up, and return the digest of that.

        Raise `UsageError` where it has ended since, `StoreError` where more was created since.
        """
        return self.job.run(self)


class KeygenAbandonmentJob:
    """How such a ceremony is given up; no value, and never agreed."""

    def __init__(self, workspace: Workspace) -> None:
        """Bind to *workspace*."""
        self._workspace = workspace

    def __repr__(self) -> str:
        return "KeygenAbandonmentJob()"

    def run(self, agreed: KeygenAbandonment) -> str:
        """Record *agreed*, see `KeygenAbandonment.record`."""
        workspace, request = self._workspace, agreed.request
        with root_lock(workspace.root).held(workspace.observer.waits):
            if abandonment(workspace, request).transcript != agreed.transcript:
                raise StoreError(
                    f"the ceremony of the request {request.digest} has gone on since it was looked at",
                    "look again at what it has created",
                )
            journal = TranscriptFile(folder_of(workspace, request) / TRANSCRIPT_NAME, request.digest)
            journal.append("abandoned", int(workspace.clock()))
            return progress(request, journal.entries).digest


def _require_new(workspace: Workspace, keys: Iterable[SpecifiedKey]) -> None:
    """Raise `Refused` for a key whose label the inventory has: two keys of one name would be mixed up."""
    known = {(entry.role.name.lower(), entry.name): entry for entry in workspace.inventory()}
    for key in keys:
        entry = known.get((key.role, key.name))
        if entry is not None:
            raise Refused(
                f"the inventory has a key {shown(key.label)} already: {entry.public_key}",
                "choose another name in the key specification, and prepare another request",
            )


def _readiness(
    workspace: Workspace, request: KeygenRequest, outputs: Sequence[tuple[str, bytes]]
) -> tuple[ReadinessRow, ...]:
    with open_tokens(workspace) as tokens:
        names = dict.fromkeys(key.token for key in request.specification.keys)
        infos = {info.where: info for info in (tokens.info(name) for name in names)}
    return tokens_and_machine(workspace, infos.values(), outputs)


def _share(
    workspace: Workspace, request: KeygenRequest, folder: Path, allowed: Collection[str]
) -> RecoveryRecord:
    """Create the secret of the recoverable keys, its shares and these keys; return the record."""
    specification = request.specification
    shares, keys = specification.shares, specification.recoverable
    if shares is None:
        raise Refused("the request has no shares")
    new = NewShares(
        keys=tuple(KeyName.parse(f"{key.role}:{key.name}") for key in keys),
        holders=shares.holders, threshold=shares.threshold, size=shares.bits // 8,
    )  # fmt: skip
    place = token_uri(workspace, keys[0].token) if keys[0].token else None
    outcome = recovery.create(workspace, new, folder / RECORD_NAME, allowed=allowed, token=place)
    if outcome.failure is not None:
        outcome.failure.hint = (
            f"the shares are valid: seedless recovery restore {shown(folder / RECORD_NAME)} --token URI "
            "imports the keys, then run this command again"
        )
        raise outcome.failure
    return outcome.record


class _KeygenTokens:
    """Tokens that are opened once the secret process has ended; implements `KeygenTokens`."""

    def __init__(self, workspace: Workspace, stack: contextlib.ExitStack) -> None:
        self._workspace = workspace
        self._stack = stack
        self._tokens: OpenTokens | None = None
        self._names: dict[str, None] = {}

    @contextlib.contextmanager
    def opened(self, request: KeygenRequest) -> Iterator[_KeygenTokens]:
        """Take the lock and open the tokens of *request*; both are kept until the files are written."""
        workspace = self._workspace
        workspace.refresh()
        self._stack.enter_context(root_lock(workspace.root).held(workspace.observer.waits))
        self._tokens = self._stack.enter_context(open_tokens(workspace, writable=True))
        self._names = dict.fromkeys(key.token for key in request.specification.keys if not key.recoverable)
        yield self

    @property
    def _open(self) -> OpenTokens:
        if self._tokens is None:
            raise Refused("no token is open")
        return self._tokens

    def require_free(self, keys: Sequence[SpecifiedKey]) -> None:
        """Raise `Refused` where the inventory, or its token, has a key of the label of one of *keys*."""
        _require_new(self._workspace, keys)
        for key in keys:
            if key.label in self._open.labels(key.token):
                raise Refused(
                    f"the token has a key {shown(key.label)} already",
                    "seedless key list --token shows it; choose another name in the key specification",
                )

    def create(self, key: SpecifiedKey) -> tuple[CeremonyKey, int]:
        """Create *key*, or find it where it was imported or its creation was interrupted."""
        new = NewKey(Role[key.role.upper()], key.name)
        if key.recoverable:
            entries = [
                item for item in self._workspace.inventory() if (item.role, item.name) == (new.role, new.name)
            ]
            if not entries:
                raise Refused(
                    f"{shown(key.label)} is not in the inventory", "seedless recovery restore imports it"
                )
            entry, challenges = entries[0], _CHALLENGES_OF_IMPORT
        else:
            if new not in {item.new_key for item in pending_keys.load(self._workspace.root)}:
                # An intent without its key: whatever has the label by now is another one.
                self.require_free([key])
            entry, challenges = self._open.create_and_report([new], key.token)[new], _CHALLENGES
        token = self._open.holding(entry.public_key)
        found = token.find(entry.public_key.raw, KeyUri.parse(entry.uri).id)
        made = CeremonyKey(
            public_key=entry.public_key, name=entry.name, holder=key.holder, uri=entry.uri,
            at=self._workspace.now, driver_report=reported_by_driver(token, found),
        )  # fmt: skip
        return made, challenges

    def sign(self, drafts: Sequence[Draft[object]]) -> Sequence[Jwt[object]]:
        """Return the jwt of each draft, signed on the token of its issuer."""
        return list(self._open.sign(drafts))

    def reported(self) -> dict[Path, str | None]:
        """Return the files by which the keys are no longer pending."""
        files: dict[Path, str | None] = {}
        for name in self._names:
            files |= self._open.reported(name)
        return files


@contextlib.contextmanager
def _counted_apart(workspace: Workspace) -> Iterator[None]:
    """Record the challenges that are signed meanwhile as those of a ceremony, which counts them as well."""
    before, workspace.command = workspace.command, KEYGEN
    try:
        yield
    finally:
        workspace.command = before


@contextlib.contextmanager
def _tokens(workspace: Workspace) -> Iterator[_KeygenTokens]:
    with contextlib.ExitStack() as stack:
        yield _KeygenTokens(workspace, stack)
