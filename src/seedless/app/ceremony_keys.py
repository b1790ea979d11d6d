"""Keys of ceremonies: created with statements about themselves, registered, and compared with tokens.

Where they are is found before any PIN is asked.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from seedless import file_kind
from seedless import ledger as ledgers
from seedless.app.ceremony_requests import ledger_path
from seedless.app.keys import ON_TOKENS
from seedless.app.token_management import tokens_and_machine
from seedless.app.tokens import OpenTokens, open_tokens
from seedless.ceremony import documents
from seedless.ceremony.keys import RESULT_FORMAT as KEY_RESULT_FORMAT
from seedless.ceremony.keys import (
    CeremonyKey,
    ReportedKey,
    differences,
    parse,
    policy_text,
    reported_keys,
    require_other_witnesses,
    require_root,
    to_bytes,
)
from seedless.ceremony.offline import RESULT_NAME, TRANSCRIPT_NAME
from seedless.ceremony.transcript import ATTESTATION, RESULT_FORMAT, CeremonyResult
from seedless.ceremony.transcript import parse as parse_result
from seedless.errors import NoKey, NoToken, UsageError
from seedless.inventory import KeyEntry
from seedless.ledger import OperatorRecord
from seedless.nkey import PublicKey, Role
from seedless.pkcs11 import observer
from seedless.pkcs11.keys import label_for, provenance_of
from seedless.pkcs11.uri import KeyUri
from seedless.plan import SYSTEM_ACCOUNT
from seedless.policy import read as read_policy
from seedless.signing_pipeline import NewKey
from seedless.store import atomic, root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.app.workspace import Workspace
    from seedless.ceremony.request import CeremonyRequest
    from seedless.jwt import Draft, Jwt
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token
    from seedless.readiness import ReadinessRow
    from seedless.signer import Signer

__all__ = [
    "CeremonyKeyState",
    "CreatedKeys",
    "NewCeremonyKeys",
    "TokenKeys",
    "begun_ledger",
    "ceremony_tokens",
    "compared",
    "new_keys",
    "readiness",
    "registered",
    "reported_by_driver",
    "where",
]


_WORDS = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The open tokens of a ceremony; implements `seedless.ceremony.offline.CeremonyKeys`.

    `expected` is how many signatures a whole one has, receipts included: they come one at a time.
    """

    tokens: OpenTokens
    expected: int
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    signers: dict[PublicKey, Signer] = field(default_factory=dict)

    def sign(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        """Yield the jwt of each draft, one after the other, signed on the token that has its issuer's key."""
        for draft in drafts:
            if draft.issuer not in self.signers:
                self.signers[draft.issuer] = self.tokens.signer(draft.issuer)
            observer.current.numbered(next(self.numbers), self.expected)
            yield draft.complete(self.signers[draft.issuer].sign(draft.signing_input))

    def driver_report(self, public_key: PublicKey) -> Mapping[str, str]:
        """Return what the driver reports of the key and its token, and the certificates that attest it."""
        token = self.tokens.holding(public_key)
        attestation = self.tokens.attestation(public_key)
        attested = {ATTESTATION: attestation.chain} if attestation else {}
        return reported_by_driver(token, token.find(public_key.raw)) | attested


def reported_by_driver(token: Token, key: Key) -> dict[str, str]:
    """Return what the driver reports of *key* and *token*, without attestation and what it leaves empty."""
    info = token.info
    attributes = {name: getattr(key.attributes, name) for name in key.attributes.__struct_fields__}
    reported = {
        "token": info.label, "serial": info.serial, "model": info.model, "manufacturer": info.manufacturer,
        "firmware": info.firmware_version, "library": info.library, "label": key.label, "id": key.id.hex(),
        "papers": provenance_of(key.attributes, None, info).text,
    }  # fmt: skip
    return {name: text for name, text in reported.items() if text} | {
        name: _WORDS[value] for name, value in attributes.items() if value is not None
    }


@contextmanager
def ceremony_tokens(workspace: Workspace, request: CeremonyRequest) -> Iterator[TokenKeys]:
    """Open the tokens that *request* needs as they are needed, only those that the policy lets sign."""
    with open_tokens(workspace, policy=workspace.policy, changes=request.plan.changes) as tokens:
        yield TokenKeys(tokens, len(request.plan.changes) + len(request.issuers))


def where(workspace: Workspace, keys: Iterable[PublicKey]) -> Iterator[tuple[PublicKey, str]]:
    """Yield each of *keys* that is to sign, and the token that is asked for it, found without a PIN.

    Before anybody types words: who has plugged in the wrong token is warned now.
    """
    with open_tokens(workspace) as tokens:
        for key in keys:
            yield key, tokens.located(key).where


def readiness(
    workspace: Workspace, keys: Iterable[PublicKey], outputs: Iterable[tuple[str, bytes]] = ()
) -> tuple[ReadinessRow, ...]:
    """Return what is known of the tokens that have *keys*, each once, and of this machine; no PIN is needed.

    *outputs* as in `TokenManagement.readiness`.
    """
    with open_tokens(workspace) as tokens:
        infos = {info.where: info for info in map(tokens.located, keys)}
    return tokens_and_machine(workspace, infos.values(), outputs)


class CreatedKeys(Struct, frozen=True, kw_only=True):
    """Keys that were created: the file about them (bytes), and the policy that pins the operator (TOML).

    `transcript` is the digest of the transcript, empty where no request named the keys; so is `policy` where
    none was written.
    """

    keys: tuple[CeremonyKey, ...]
    result: bytes
    transcript: str = ""
    policy: str = ""


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


class NewCeremonyKeys(Struct, frozen=True, kw_only=True):
    """Keys that are to be created on one token, and held by one person; nothing is written before `create`.

    `previous` are those of other tokens, with their statements; `witnesses` (key text), `threshold` and
    `attestation_roots` are for the policy.
    """

    keys: tuple[NewKey, ...]
    holder: str
    job: Callable[[NewCeremonyKeys, Path, Path | None], CreatedKeys]
    previous: tuple[tuple[CeremonyKey, str], ...] = ()
    witnesses: tuple[str, ...] = ()
    threshold: int = 0
    attestation_roots: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What the keys are called on the token."""
        return tuple(label_for(key.role, key.name) for key in self.keys)

    def create(self, output: str | Path, *, policy: str | Path | None = None) -> CreatedKeys:
        """Create the keys, and write the file about them to *output* and the policy to *policy*, both new.

        Each key signs a statement about itself; a ledger is begun for the operator. Raise `UsageError` for
        files that exist, and for a policy without a key of an operator; `TokenError` and `PinError`.
        """
        return self.job(self, Path(output), None if policy is None else Path(policy))


def _create(workspace: Workspace, new: NewCeremonyKeys, output: Path, policy: Path | None) -> CreatedKeys:
    """Create the keys of *new*, see `NewCeremonyKeys.create`."""
    for path in (output, *([policy] if policy else [])):
        atomic.require_new(path)  # before a key is created
    workspace.refresh()
    lock = root_lock(workspace.root).held(workspace.observer.waits)
    with lock, open_tokens(workspace, writable=True) as tokens:
        entries = tokens.create_and_report(new.keys)
        made = [_stated(tokens, entries[key], new.holder, workspace.now) for key in new.keys]
        everything = (*new.previous, *made)
        keys = tuple(item for item, _ in everything)
        data = to_bytes([text for _, text in everything])
        text = _policy(new, keys) if policy else ""
        files = {output: data.decode()} | ({policy: text} if policy else {})
        atomic.write_new(files, begun_ledger(workspace, keys) | tokens.reported())
    return CreatedKeys(keys=keys, result=data, policy=text)


def new_keys(
    workspace: Workspace,
    name: str,
    *,
    holder: str,
    keys: Iterable[str],
    previous: bytes | None,
    witnesses: tuple[str, ...],
    threshold: int,
    attestation_roots: tuple[str, ...],
) -> NewCeremonyKeys:
    """Return the keys of the operator *name* that would be created, see `Ceremonies.new_keys`."""
    documents.require_plain(holder, "holder")
    wanted = tuple(map(_new_key, tuple(keys) or _default_keys(name)))
    if bool(witnesses) != bool(threshold) or threshold > len(witnesses):
        raise UsageError(
            f"{threshold} of {len(witnesses)} witnesses cannot be required",
            "give the keys of the witnesses, and how many of them must have signed",
        )
    for root in attestation_roots:
        require_root(root)
    before = parse(previous) if previous is not None else ()
    require_other_witnesses((key for key, _ in before), map(PublicKey.parse, witnesses))
    return NewCeremonyKeys(
        keys=wanted,
        holder=holder,
        job=functools.partial(_create, workspace),
        previous=before,
        witnesses=witnesses,
        threshold=threshold,
        attestation_roots=attestation_roots,
    )


def _policy(new: NewCeremonyKeys, keys: Iterable[CeremonyKey]) -> str:
    text = policy_text(keys, new.witnesses, new.threshold, new.attestation_roots)
    read_policy(text.encode())  # what cannot be read is not written
    return text


def _default_keys(name: str) -> tuple[str, ...]:
    return (f"operator:{name}", f"operator:{name} signing", f"account:{SYSTEM_ACCOUNT}")


def _new_key(text: str) -> NewKey:
    role, colon, name = text.partition(":")
    if not colon or role not in ON_TOKENS:
        raise UsageError(f"{shown(text)} is not ROLE:NAME", f"a role is one of {', '.join(ON_TOKENS)}")
    label_for(ON_TOKENS[role], name)
    return NewKey(ON_TOKENS[role], name)


def _stated(tokens: OpenTokens, entry: KeyEntry, holder: str, now: int) -> tuple[CeremonyKey, str]:
    """Return the key of *entry* with what its driver reports, and the statement that it signs of itself."""
    token = tokens.holding(entry.public_key)
    found = token.find(entry.public_key.raw, KeyUri.parse(entry.uri).id)
    made = CeremonyKey(
        public_key=entry.public_key,
        name=entry.name,
        holder=holder,
        uri=entry.uri,
        at=now,
        driver_report=reported_by_driver(token, found),
    )
    (jwt,) = tokens.sign([made.draft()])
    return made, jwt.text


def begun_ledger(workspace: Workspace, made: Iterable[CeremonyKey]) -> dict[Path, str | None]:
    """Return the file of a ledger that has a book for the operator; an older book stays."""
    path = ledger_path(workspace)
    ledger = ledgers.load(path)
    operator = next((key.public_key for key in made if key.public_key.role is Role.OPERATOR), None)
    if operator is None or str(operator) in ledger.books:
        return {}
    return {path: ledger.with_book(str(operator), OperatorRecord()).text()}


def registered(workspace: Workspace, data: bytes, *, record: bool) -> tuple[CeremonyKey, ...]:
    """Return the keys in the file *data*, see `Ceremonies.keys`."""
    made = tuple(key for key, _ in parse(data))
    if record:
        with root_lock(workspace.root).held(workspace.observer.waits):
            for key in made:
                workspace.note_key(_entry(key))
    return made


def compared(workspace: Workspace, *, offline: bool) -> tuple[CeremonyKeyState, ...]:
    """Return the keys of the ceremonies that were held here, see `Ceremonies.inventory`."""
    known = reported_keys(_transcripts(workspace.root))
    if not known:
        raise UsageError("no ceremony was held here", f"transcripts are in {shown(workspace.root)}")
    with open_tokens(workspace) as tokens:
        return tuple(_state(None if offline else tokens, key) for key in known)


def _entry(made: CeremonyKey) -> KeyEntry:
    key = made.public_key
    return KeyEntry(public_key=key, uri=made.uri, role=key.role, name=made.name, at=made.at)


def _transcripts(root: Path) -> Iterator[CeremonyResult]:
    """Yield what the ceremonies below *root* came to: results, and transcripts of those without one."""
    for name, form, *kinds in (
        ("key-ceremonies", KEY_RESULT_FORMAT, file_kind.KEY_RESULT, file_kind.KEY_TRANSCRIPT),
        ("ceremonies", RESULT_FORMAT, file_kind.RESULT, file_kind.TRANSCRIPT),
    ):
        for held in sorted(path for path in (root / name).glob("*") if path.is_dir()):
            result = held / RESULT_NAME
            path = result if result.exists() else held / TRANSCRIPT_NAME
            if path.exists():
                yield parse_result(documents.read(path, *kinds), form)


def _state(tokens: OpenTokens | None, reported: ReportedKey) -> CeremonyKeyState:
    state, changed = ("not looked for", ()) if tokens is None else _seen(tokens, reported)
    label = str(reported.driver_report.get("token", ""))
    return CeremonyKeyState(
        public_key=reported.public_key, state=state, changed=changed, token=label, at=reported.at
    )


def _seen(tokens: OpenTokens, reported: ReportedKey) -> tuple[str, tuple[str, ...]]:
    try:
        token = tokens.holding(reported.public_key)
        now = reported_by_driver(token, token.find(reported.public_key.raw))
    except (NoKey, NoToken):
        return "missing", ()
    changed = differences(reported.driver_report, now)
    return (f"changed: {', '.join(changed)}" if changed else "present"), changed
