"""Secrets in shares, for a workspace: create keys that can be restored, restore them, derive further ones.

The policy is asked first, the token last; what was imported is recorded together: the record of shares at a
path that the caller names and beside the inventory, the keys in the inventory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seedless import file_kind
from seedless.app.token_choice import named_uri, pin_source
from seedless.ceremony import documents
from seedless.config import choose_module
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.inventory import KeyEntry
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.uri import KeyUri
from seedless.policy import refuse_recoverable
from seedless.program import tool
from seedless.recovery import journeys, kept
from seedless.recovery import record as records
from seedless.recovery import transcript as transcripts
from seedless.recovery.journeys import NewShares, Outcome, RestoreSession, TokenPlace
from seedless.recovery.record import KeyName, KeyRecord, RecoveryRecord
from seedless.recovery.transcript import RestoreCheck
from seedless.store import atomic, root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "check_transcript",
    "chosen_keys",
    "create",
    "derive",
    "read_record",
    "require_possible",
    "require_same_operator",
    "restore",
    "target",
]


def target(workspace: Workspace) -> KeyUri:
    """Return the token to which keys are going to be imported, by a URI that means no other one.

    It is found without a PIN, in a process of its own. Raise `TokenError` for none, or one that takes no key.
    """
    return journeys.find_target(_place(workspace)).uri


def read_record(path: Path) -> RecoveryRecord:
    """Return the record at *path*; raise `UsageError` for none, or for one that was changed."""
    return records.parse(documents.read(path, file_kind.RECOVERY), shown(path))


def check_transcript(record: RecoveryRecord, path: Path, operator: PublicKey | None = None) -> RestoreCheck:
    """Return the verdict on the transcript at *path* of a restore by shares of *record*."""
    return transcripts.check_restore(record, documents.read(path, file_kind.RECOVERY_TRANSCRIPT), operator)


def chosen_keys(record: RecoveryRecord, names: Iterable[str]) -> tuple[KeyRecord, ...]:
    """Return the keys of *record* with *names* (`ROLE:NAME`), all of them if there is none."""
    by_name = {entry.key.text: entry for entry in record.keys}
    chosen = []
    for name in names:
        entry = by_name.get(KeyName.parse(name).text)
        if entry is None:
            raise UsageError(f"the record has no key {shown(name)}", f"it has {', '.join(by_name)}")
        chosen.append(entry)
    return tuple(dict.fromkeys(chosen)) or record.keys


def require_possible(workspace: Workspace, keys: Iterable[KeyName]) -> None:
    """Raise `Refused` where the policy lets no shares restore keys of these roles."""
    refuse_recoverable(workspace.policy, (key.role for key in keys))


def require_same_operator(workspace: Workspace, record: RecoveryRecord) -> None:
    """Raise `Refused` where *record* has keys of an operator, and not the one that the policy pins."""
    policy = workspace.policy
    operators = [str(key.public_key) for key in record.keys if key.public_key.role is Role.OPERATOR]
    if policy is not None and operators and policy.operator not in operators:
        raise Refused(
            f"the policy pins the operator {policy.operator}, and the record has {' and '.join(operators)}",
            "name the record of this operator, or with --policy the policy of the other one",
        )


def create(
    workspace: Workspace,
    new: NewShares,
    output: Path,
    *,
    allowed: Collection[str] = (),
    token: KeyUri | None = None,
) -> Outcome:
    """Create a secret, its shares and *new.keys* on the token; write the record to *output*.

    *allowed* are ways to a disk that are accepted: `swap`, `core-pipe`; *token* is used instead of
    the chosen one. The outcome has the `failure` of an import after all shares were read back: the record is
    written then, and `restore` goes on. Raise
    `SeedlessError` for whatever came before; nothing is on the token then.
    """
    require_possible(workspace, new.keys)
    _require_new_names(workspace, new.keys)
    atomic.require_new(output)
    outcome = journeys.create(new, _place(workspace, token), workspace.now, allowed=allowed)
    _write(workspace, outcome, {output: outcome.record.to_bytes().decode()})
    return outcome


def restore(
    workspace: Workspace,
    record: RecoveryRecord,
    keys: Sequence[KeyRecord],
    *,
    present: Sequence[str] = (),
    output: Path | None = None,
    allowed: Collection[str] = (),
    token: KeyUri | None = None,
) -> Outcome:
    """Restore *keys* of *record* from shares that are typed, and import them to *token*, or the chosen one.

    Each key signs the transcript, which names who was *present*; it is written beside the inventory, and to
    *output*.
    """
    require_possible(workspace, (entry.key for entry in keys))
    require_same_operator(workspace, record)
    if output is not None:
        atomic.require_new(output)
    session = _session(workspace, present)
    outcome = journeys.restore(record, keys, _place(workspace, token), session, allowed=allowed)
    signed = outcome.transcript
    _write(workspace, outcome, {output: signed.to_bytes().decode()} if output and signed else {})
    return outcome


def derive(
    workspace: Workspace,
    record: RecoveryRecord,
    key: KeyName,
    output: Path,
    *,
    present: Sequence[str] = (),
    allowed: Collection[str] = (),
    token: KeyUri | None = None,
) -> Outcome:
    """Import another *key* of the secret of *record* to *token*, or the chosen one.

    The record that has it is written to *output*.
    """
    require_possible(workspace, [key])
    require_same_operator(workspace, record)
    _require_new_names(workspace, [key], index=key.index)
    atomic.require_new(output)
    session = _session(workspace, present)
    outcome = journeys.derive(record, key, _place(workspace, token), session, allowed=allowed)
    _write(workspace, outcome, {output: outcome.record.to_bytes().decode()})
    return outcome


def _session(workspace: Workspace, present: Sequence[str]) -> RestoreSession:
    for name in present:
        documents.require_plain(name, "the name of somebody present")
    return RestoreSession(tool=tool(), present=tuple(present), clock=workspace.clock)


def _place(workspace: Workspace, token: KeyUri | None = None) -> TokenPlace:
    """Return the token that is named; the driver is loaded in the process of the secret, and not here."""
    uri = token or named_uri(workspace)
    module = choose_module(workspace.config, workspace.settings.module, uri, uri_is_ours=True)
    last_try = workspace.settings.last_try
    return TokenPlace(
        uri=uri,
        pins=pin_source(workspace),
        module=module,
        last_try=last_try,
        challenges=workspace.challenge_journal,
    )


def _require_new_names(workspace: Workspace, keys: Iterable[KeyName], index: int = 0) -> None:
    """Raise `UsageError` for a name that the inventory has: two keys of one name would be mixed up."""
    names = {(entry.role, entry.name): entry for entry in workspace.inventory()}
    for key in keys:
        entry = names.get((key.role, key.name))
        if entry is not None and not index:
            raise UsageError(
                f"the inventory has a key {shown(key.label)} already: {entry.public_key}",
                "choose another name; a key that replaces it has an --index (recovery derive)",
            )


def _write(workspace: Workspace, outcome: Outcome, files: dict[Path, str]) -> None:
    """Write *files*, which are new, the record beside the inventory, and the inventory: all or none.

    Keys may be on the token by now, and holders have written down shares that restore nothing without the
    record: where *files* cannot be written, the rest is; where that cannot be either, the error has it.
    """
    try:
        _write_together(workspace, outcome, files)
    except SeedlessError as error:
        error.hint = _saved(workspace, outcome) if files else ""
        if not error.hint:
            text = outcome.record.to_bytes().decode().strip()
            error.hint = f"write this to a file by hand, without it no share restores a key: {text}"
        raise


def _saved(workspace: Workspace, outcome: Outcome) -> str:
    """Write what belongs beside the inventory alone, and return where it is; empty where that fails."""
    with contextlib.suppress(SeedlessError):
        paths = _write_together(workspace, outcome, {})
        return f"copy it from the store: {', '.join(shown(str(path)) for path in paths)}"
    return ""


def _write_together(workspace: Workspace, outcome: Outcome, files: dict[Path, str]) -> tuple[Path, ...]:
    """Write all of it or nothing; return the paths of what is not in *files*."""
    workspace.refresh()
    with root_lock(workspace.root).held(workspace.observer.waits):
        entries = [
            KeyEntry(
                public_key=key.entry.public_key,
                uri=key.uri,
                role=key.entry.key.role,
                name=key.entry.key.name,
                made="import",
                at=workspace.now,
            )
            for key in outcome.placed
        ]
        others: dict[Path, str | None] = {
            kept.path_of(workspace.root, outcome.record): outcome.record.to_bytes().decode()
        }
        if outcome.transcript is not None:
            path = kept.transcript_path(workspace.root, outcome.transcript)
            others[path] = outcome.transcript.to_bytes().decode()
        if entries:
            others[workspace.inventory_path] = workspace.inventory().with_entries(*entries).text()
        if files:
            atomic.write_new(files, others)
        else:
            atomic.write(others)
        return tuple(others)
