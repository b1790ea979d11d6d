"""The signing pipeline for programs: an operation returns a `Preview`, and `Preview.sign` does the rest.

    preview = workspace.accounts.add("ORDERS")    # a plan, judged; nothing was signed or written
    jwt = preview.sign()                          # approved, signed, verified, recorded

To call `sign` is the consent of a program. A front end shows the preview and hands over an `Approve`, which
is asked under the lock and before any token is opened.
"""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from seedless import signing_pipeline as signing
from seedless.app.judgement import judged
from seedless.app.key_names import known_titles
from seedless.app.token_choice import check_token_options
from seedless.app.tokens import open_tokens
from seedless.change import Change, StoreWrite
from seedless.claims import Account, User
from seedless.clock import Clock
from seedless.diff import Difference, diff, diff_change
from seedless.errors import Refused, StoreError, UsageError
from seedless.findings import Report
from seedless.jwt import Claims, Jwt
from seedless.key_store import key_files, user_key
from seedless.nkey import PublicKey
from seedless.plan import system_account
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Intent, NewKey, Plan, Signed
from seedless.store import Store, atomic
from seedless.text import quoted, shown
from seedless.waivers import check

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from seedless.app.tokens import OpenTokens
    from seedless.app.workspace import Workspace

__all__ = [
    "Approve",
    "Files",
    "Notice",
    "Preview",
    "Recorder",
    "no_files",
    "nothing_to_do",
    "preview",
    "usual_lines",
]


Files = Callable[[Sequence[Signed]], Mapping[Path, str | None]]
"""Which files are written, or removed (None), together with what was signed."""

_USER = 2
"""Parts of the address of a user."""


def no_files(_signed: Sequence[Signed]) -> Mapping[Path, str | None]:
    """Return no files: what most operations write beside the store."""
    return {}


class Recorder:
    """Writes what was signed, at the addresses of the changes."""

    def __init__(self, workspace: Workspace, seeds: Iterable[SoftwareKey], files: Files) -> None:
        """Take the *seeds* of new users, and what *files* are written together with the store."""
        self._workspace = workspace
        self._seeds = {str(key.public_key): key for key in seeds}
        self._files = files

    def __call__(self, signed: Sequence[Signed], store_writes: Sequence[StoreWrite]) -> None:
        """Write all of it or nothing."""
        jwts: dict[tuple[str, ...], Jwt[object] | None] = {write.address: write.jwt for write in store_writes}
        jwts |= {change.address: jwt for change, jwt in signed if change.address is not None}
        # The operation's own files come last: a creds file that it writes on purpose wins over the one that
        # follows from the seed.
        files = {**self._keys(jwts), **self._files(signed)}
        # One call for jwts, keys and creds: `put` writes all of them as one batch, so that a kill never
        # leaves a user whose jwt is signed and whose seed is lost.
        if jwts:
            self._workspace.store.put(jwts, files)
        elif files:
            atomic.write(files)

    def _keys(self, jwts: Mapping[tuple[str, ...], Jwt[Any] | None]) -> dict[Path, str | None]:
        """Return the key files and the creds of *jwts*; creds of a user that has moved are removed."""
        found: dict[Path, str | None] = {}
        store = self._workspace.store if jwts else None
        left = _left({where: jwt for where, jwt in jwts.items() if len(where) == _USER}, self._workspace)
        for address, jwt in jwts.items():
            if store is None or jwt is None:
                continue
            before = left.get(jwt.claims.sub, [])
            key = self._seed(store, jwt, address, *before) if len(address) == _USER else None
            found |= key_files(store, jwt, key)
            if key is not None:
                from seedless.creds import format_creds  # only users have creds

                # The old path goes in the same write: creds that stay at the address a user has left would
                # be taken for those of the next user of that name.
                found |= {store.creds_path(*there): None for there in before}
                found[store.creds_path(*address)] = format_creds(jwt, key)
        return found

    def _seed(self, store: Store, jwt: Jwt[object], *addresses: tuple[str, ...]) -> SoftwareKey | None:
        """Return the key of the user of *jwt*, where its seed is known."""
        known = self._seeds.get(jwt.claims.sub)
        return known or user_key(store, jwt.claims.sub, *addresses)


def _left(
    users: Mapping[tuple[str, ...], Jwt[object] | None], workspace: Workspace
) -> dict[str, list[tuple[str, ...]]]:
    """Return the addresses that users are leaving, by their subjects: those that lose a jwt.

    A jwt that is damaged has no subject, and can be removed.
    """
    left: dict[str, list[tuple[str, ...]]] = {}
    for address in (address for address, signed in users.items() if signed is None):
        with contextlib.suppress(StoreError):
            there = workspace.store.get(*address)
            if there is not None:
                left.setdefault(there.claims.sub, []).append(address)
    return left


R = TypeVar("R")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)

Judge = Callable[["Workspace", Plan], Report]


class Notice(msgspec.Struct, frozen=True):
    """Something that a person should read before the plan: one line, safe to print."""

    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"warning: {self.text}" if self.is_warning else self.text


class Preview(msgspec.Struct, Generic[R_co], frozen=True, kw_only=True):
    """What would be signed: the exact bytes, what rules and policy find, and what goes with it.

    `new_keys` are created by `sign`; until then the plan has placeholder keys for them. `removed_files` go
    when it is signed. `notices` are for people, before the plan.
    """

    plan: Plan
    report: Report
    job: Job[R_co]
    new_keys: tuple[NewKey, ...] = ()
    removed_files: tuple[Path, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do: an edit that changes nothing."""
        return not (
            self.plan.changes or self.plan.store_writes or self.removed_files or self.job.writes_files
        )

    def differences(self) -> tuple[tuple[Change, tuple[Difference, ...]], ...]:
        """Return each change with what differs from the jwt that it replaces, what widens access first.

        Keys that the store or the inventory knows are called by their names.
        """
        accounts = self.plan.accounts
        return tuple(
            (change, tuple(diff_change(change, accounts, names=self.job.names(change))))
            for change in self.plan.changes
        )

    @property
    def digest(self) -> str:
        """The SHA-256 (hex) of the plan's file; raise `UsageError` while keys have yet to be created."""
        from seedless import plan_file  # few previews are written

        self._require_keys()
        return plan_file.digest(plan_file.to_bytes(self.plan))

    def sign(self, *, approve: Approve | None = None, expect: str | None = None) -> R_co:
        """Sign what is previewed into the store, and return what came of it.

        Under the lock: the plan is compared with the store and judged again, *approve* (where given) decides,
        tokens are opened last, every signature is verified, all of it is recorded together. *expect* is the
        digest that somebody has reviewed.

        Raise `Refused` for findings that are errors (its `findings` are all of them), for another digest, and
        when *approve* returns false; `StoreError` when the store has changed since the preview; `TokenError`
        and `PinError`. Nothing is signed then.
        """
        if expect is not None and expect.lower() != self.digest:
            raise Refused(f"the digest of the plan is not {quoted(expect)}", "this is another plan")
        # An empty plan takes no lock and asks nobody: `apply` runs from cron, and an unchanged file must
        # not need a PIN.
        return self.job.finish() if self.is_empty else self.job.run(self, approve)

    def then(self, finish: Callable[[R_co], S]) -> Preview[S]:
        """Return the same preview, whose `sign` returns what *finish* makes of the result, under the lock."""
        return Preview(
            plan=self.plan,
            report=self.report,
            job=self.job.then(finish),
            new_keys=self.new_keys,
            removed_files=self.removed_files,
            notices=self.notices,
        )

    def require_tokens(self) -> None:
        """Raise `TokenError` or `PinError` where `sign` would, without a module, a token or a PIN.

        No token is logged in to, and no PIN is read. Whoever is going to be asked is not asked in vain.
        """
        self.job.require_tokens(self)

    def write(self, path: str | Path) -> str:
        """Write the plan to the file *path*, to be signed later by `seedless sign --plan`; return its digest.

        Seeds of new users go into the key store at once, where their creds are made from when the plan is
        signed. Raise `Refused` for findings that are errors, `UsageError` while keys have yet to be created.
        """
        from seedless import plan_file  # few previews are written
        from seedless.store import atomic

        self.report.require_clean()
        self._require_keys()
        data = plan_file.to_bytes(self.plan)
        # The seeds are written with the plan and not when it is signed: that can be on another machine,
        # which has no part in making creds.
        atomic.write({**self.job.seed_files(), Path(path): data.decode()})
        return plan_file.digest(data)

    def final_plan(self) -> Plan:
        """Return the plan for a ceremony, with the seeds of new users written, as `write` has it.

        Raise `Refused` for findings that are errors, `UsageError` while keys have yet to be created.
        """
        from seedless.store import atomic  # few previews are written

        self.report.require_clean()
        self._require_keys()
        seeds = self.job.seed_files()
        if seeds:
            atomic.write(seeds)
        return self.plan

    def _require_keys(self) -> None:
        if self.new_keys:
            role, name = self.new_keys[0].role.name.lower(), shown(self.new_keys[0].name)
            raise UsageError(
                f"a plan is signed as it is, and the key of {role} {name} does not exist yet",
                f"create it where its token is: seedless key new --role {role} --name {shlex.quote(name)}; "
                "it is reused (for a ceremony: seedless ceremony keygen)",
            )


class Approve(Protocol):
    """Decide whether what was previewed is signed."""

    def __call__(self, preview: Preview[object], /) -> bool:
        """Return whether it may be signed; called under the lock, before any token is opened."""


class Job(Generic[R_co]):
    """How a preview is signed: no value, never shown, and it holds the seeds of new users until then."""

    __slots__ = ("_files", "_finish", "_intent", "_judge", "_mark", "_seeds", "_workspace")

    def __init__(
        self,
        workspace: Workspace,
        intent: Intent,
        finish: Callable[[tuple[Jwt[object], ...]], R_co],
        *,
        seeds: Sequence[SoftwareKey],
        files: Files,
        judge: Judge,
    ) -> None:
        """Take what `preview` was given."""
        self._workspace = workspace
        self._intent = intent
        self._finish = finish
        self._seeds = tuple(seeds)
        self._files = files
        self._judge = judge
        # Whether the lock is the one under which the preview was made: then nothing in the store can be
        # another since.
        self._mark = workspace.lock_mark

    def __repr__(self) -> str:
        return "Job()"

    def __reduce__(self) -> str:
        # pickle and copy would take the seeds of new users along, into places that nobody clears.
        raise TypeError("a preview belongs to its process: write() makes a file of it")

    def names(self, change: Change) -> Mapping[str, str]:
        """Return the names of keys for the lines of *change*."""
        return known_titles(self._workspace, change.draft.claims.sub)

    def seed_files(self) -> dict[Path, str | None]:
        """Return the files of the key store with the seeds of new users."""
        return {self._workspace.store.seed_path(key.public_key): key.reveal() for key in self._seeds}

    @property
    def writes_files(self) -> bool:
        """Whether files beside the store may be written."""
        return self._files is not no_files

    def then(self, finish: Callable[[R_co], S]) -> Job[S]:
        """Return the same, whose result is what *finish* makes of this one's."""
        before = self._finish
        made = Job(
            self._workspace,
            self._intent,
            lambda jwts: finish(before(jwts)),
            seeds=self._seeds,
            files=self._files,
            judge=self._judge,
        )
        made._mark = self._mark
        return made

    def finish(self) -> R_co:
        """Return the result where there is nothing to sign."""
        return self._finish(())

    def require_tokens(self, preview: Preview[R_co]) -> None:
        """Look at the tokens for *preview*, see `Preview.require_tokens`."""
        with self._tokens(preview) as tokens:
            tokens.require_ready(preview.new_keys)

    def _tokens(self, preview: Preview[R_co]) -> AbstractContextManager[OpenTokens]:
        workspace = self._workspace
        return open_tokens(
            workspace,
            writable=bool(preview.new_keys),
            policy=workspace.policy,
            changes=preview.plan.changes,
        )

    def run(self, preview: Preview[R_co], approve: Approve | None) -> R_co:
        """Sign *preview*, see `Preview.sign`."""
        workspace, plan = self._workspace, preview.plan
        has_places = bool(plan.store_writes) or any(change.address is not None for change in plan.changes)
        with workspace.lock() if has_places else contextlib.nullcontext():
            jwts = signing.issue(
                self._final(plan),
                judge=self._judgement(preview, has_places=has_places),
                # Nobody is asked about what is refused anyway.
                review=lambda _, report: approve is None or bool(report.errors) or approve(preview),
                keys=lambda _: self._tokens(preview),
                record=Recorder(workspace, self._seeds, self._files),
                clock=Clock(time=workspace.clock, notify=workspace.observer.waits),
            )
            return self._finish(jwts)

    def _final(self, plan: Plan) -> Intent:
        """Return an intent for the very bytes of *plan*, as long as no placeholder key is replaced in it."""

        def planned(made: Mapping[NewKey, PublicKey]) -> Plan:
            # With real keys the bytes are others than those that were previewed, and the plan is made
            # once more.
            is_previewed = all(key == new.placeholder_key for new, key in made.items())
            return plan if is_previewed else self._intent.planned(made)

        return Intent(planned, self._intent.new_keys, is_final=True)

    def _judgement(self, preview: Preview[R_co], *, has_places: bool) -> Callable[[Plan], Report]:
        """Return how to judge a plan: *preview* has done so where nothing can have changed since."""
        workspace = self._workspace
        is_same_lock = self._mark is not None and self._mark is workspace.lock_mark
        if has_places and not is_same_lock:
            from seedless.app.remaining import require_unchanged  # not for a command, which has the lock

            require_unchanged(workspace, preview.plan)

        def judge(plan: Plan) -> Report:
            is_judged = plan is preview.plan and (is_same_lock or not has_places)
            return preview.report if is_judged else self._judge(workspace, plan)

        return judge


def preview(
    workspace: Workspace,
    intent: Intent | Plan,
    finish: Callable[[tuple[Jwt[Any], ...]], R],
    *,
    seeds: Sequence[SoftwareKey] = (),
    files: Files = no_files,
    removed_files: Collection[Path] = (),
    notices: Sequence[Notice] = (),
    judge: Judge = judged,
) -> Preview[R]:
    """Return the preview of *intent*, or of a plan that needs no new keys; every operation ends with it.

    *finish* makes the result of the jwts, once they are recorded, and signs nothing itself. What is signed
    goes to the addresses of the changes, together with *files*; creds are written for new users, whose
    *seeds* are given, and again for those that are known.
    """
    workspace.refresh()
    check_token_options(workspace)
    settings = workspace.settings
    # Before anything is planned: a waiver of a rule that does not exist, or of one that nobody may waive,
    # is a slip in the command, and not a finding.
    check(settings.allow)
    if isinstance(intent, Plan):
        intent = intent.intent
    intent = msgspec.structs.replace(intent, reset_time=frozenset(settings.reset_time))
    # With placeholder keys where keys have yet to be created. A review must come before the first write to
    # a token, which cannot be taken back.
    plan = intent.rehearsed()
    return Preview(
        plan=plan,
        report=judge(workspace, plan),
        job=Job(workspace, intent, finish, seeds=seeds, files=files, judge=judge),
        new_keys=intent.new_keys,
        removed_files=tuple(removed_files),
        notices=tuple(notices),
    )


def nothing_to_do(workspace: Workspace, result: R, notices: Sequence[Notice] = ()) -> Preview[R]:
    """Return an empty preview: to sign it does nothing, asks nobody, and gives *result*."""
    empty = Plan((), workspace.now)
    job = Job(workspace, empty.intent, lambda _: result, seeds=(), files=no_files, judge=judged)
    return Preview(plan=empty, report=Report(), job=job, notices=tuple(notices))


def usual_lines(change: Change) -> frozenset[tuple[str, str]]:
    """Return what every new account or user has, as (label, text) of differences.

    For a system account its exports are among them.
    """
    body = change.draft.claims.body
    if isinstance(body, Account):
        # A draft has its exports in Go's order.
        exports = sorted(body.exports, key=lambda export: export.subject)
        is_system = exports == sorted(system_account().exports, key=lambda export: export.subject)
        return _of_kind(Account, is_system=is_system)
    return _of_kind(User) if isinstance(body, User) else frozenset()


@functools.cache
def _of_kind(kind: type[Account | User], *, is_system: bool = False) -> frozenset[tuple[str, str]]:
    """Return the lines of claims with a default body: a line is folded only where it is the very same.

    What a user may publish and subscribe is never folded: the default is everything.
    """
    body = system_account() if is_system else kind.new()
    found = diff(None, Claims(sub="", name="", body=body))
    members = (
        difference for difference in found if all(path.startswith("nats.") for path in difference.paths)
    )
    return frozenset((member.label, member.text) for member in members if member.label != "permissions")


class ResetTime(msgspec.Struct, frozen=True, kw_only=True):
    """When a jwt that `reset_time` names was issued, in Unix seconds: as stored, as recorded, and now.

    `recorded` is that of the ledger, None where it has none.
    """

    title: str
    stored: int
    recorded: int | None
    signed: int


def reset_times(workspace: Workspace, plan: Plan) -> tuple[ResetTime, ...]:
    """Return what is known of the times of the jwts of *plan* whose subjects `reset_time` names."""
    reset = [
        (change, change.replaces)
        for change in plan.changes
        if change.replaces and change.draft.claims.sub in workspace.settings.reset_time
    ]
    if not reset:
        return ()
    from seedless import ledger  # few plans need it

    known = ledger.load(workspace.root / ledger.LEDGER_NAME)
    recorded = [known.known(change.draft.claims.sub) for change, _ in reset]
    return tuple(
        ResetTime(
            title=change.title,
            stored=before.issued_at,
            recorded=entry.issued_at if entry else None,
            signed=change.draft.issued_at,
        )
        for (change, before), entry in zip(reset, recorded, strict=True)
    )
