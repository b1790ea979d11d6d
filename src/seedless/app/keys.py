"""Keys on tokens and their inventory: create, register, audit, export, delete.

None of these signs claims. What changes a token or the inventory is a value with one method `run` that does
it: calling that is the consent of a program.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless import attestation
from seedless.app.key_deletion import KeyDeletion, LostKeys, not_in_inventory
from seedless.app.key_import import FolderImport, KeyImport
from seedless.app.key_list import ListedKey, registered_key, token_key
from seedless.app.key_names import key_named
from seedless.app.pipeline import Notice
from seedless.app.token_choice import module_for, named_uri
from seedless.app.tokens import chosen_uris, key_uri, open_tokens
from seedless.attestation import Attestation
from seedless.challenges import ChallengeCount, counts, load
from seedless.creds import parse_user_key
from seedless.errors import NoKey, NotConnected, StoreError, UsageError
from seedless.inventory import Attested, KeyEntry, attestation_path
from seedless.jwt import Jwt
from seedless.key_store import stored_seed
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import ED25519, Key, KeyAttributes, label_for
from seedless.pkcs11.signing import challenge
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import NewKey
from seedless.store import atomic, root_lock
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless._x509 import Certificate
    from seedless.app.workspace import Workspace
    from seedless.pkcs11.audit import AuditedKey
    from seedless.pkcs11.token import Token
    from seedless.pkcs11.token_info import TokenInfo
    from seedless.pkcs11.uri import KeyUri

__all__ = [
    "IN_FILES",
    "ON_TOKENS",
    "AuditReport",
    "CreatedKeyFile",
    "ExportedKey",
    "KeyExport",
    "KeyManagement",
    "KeyRegistration",
    "RegisteredKeys",
    "ShownKey",
]

ON_TOKENS = {role.name.lower(): role for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER)}
"""The roles of keys on tokens, by their words."""
IN_FILES = {role.name.lower(): role for role in (Role.USER, Role.CURVE)}
"""The roles of keys whose seeds may be in files."""


class CreatedKeyFile(msgspec.Struct, frozen=True):
    """A key whose seed is in the key store, in the file `path`."""

    public_key: PublicKey
    path: Path


class RegisteredKeys(msgspec.Struct, frozen=True):
    """The entries that a registration added, and what to know of them: keys that were skipped, and why.

    `checked` are the keys that the inventory had at this place already; they have signed too.
    """

    entries: tuple[KeyEntry, ...]
    checked: tuple[KeyEntry, ...] = ()
    notices: tuple[Notice, ...] = ()


class ExportedKey(msgspec.Struct, frozen=True):
    """A key whose seed is exported: of whom, and into which file."""

    public_key: PublicKey
    name: str
    path: Path


class ShownKey(msgspec.Struct, frozen=True):
    """A key on a token: its place, and the attributes that the driver reports.

    Those are None where the token is not connected, as `absent` states: then the inventory has the place.
    """

    public_key: PublicKey
    place: ListedKey
    attributes: KeyAttributes | None
    absent: str = ""


class AuditReport:
    """The keys of a token: what the driver reports of each, and whether its public object is its own.

    `uris` are those of `keys`, in their order.
    """

    __slots__ = ("keys", "module", "token", "uris")

    def __init__(self, token: Token, keys: tuple[AuditedKey, ...]) -> None:
        """Report *keys*, all that are on *token*."""
        self.token: TokenInfo = token.info
        self.module: Path = token.session.module.path
        self.keys = keys
        self.uris = tuple(str(key_uri(token, key.key.label, key.key.id)) for key in keys)

    @property
    def is_sound(self) -> bool:
        """Whether no key can leave the token, and every public object is that of its key."""
        return all(key.is_sound for key in self.keys)


class KeyManagement:
    """Keys on tokens and the inventory of them; `Workspace.keys`."""

    def __init__(self, workspace: Workspace) -> None:
        """Work on the inventory of *workspace*, and on the tokens that it names."""
        self._workspace = workspace

    def entries(self) -> tuple[KeyEntry, ...]:
        """Return the inventory; no token is opened."""
        return self._workspace.inventory().entries

    def on_token(self) -> tuple[Key, ...]:
        """Return the keys on the token of the workspace; requires its PIN."""
        with open_tokens(self._workspace) as tokens:
            return tuple(tokens.chosen().keys())

    def named(self, name: str, role: Role | None = None) -> PublicKey:
        """Return the one key called *name* in the inventory or the store, as in `ACME spare`; only of *role*.

        Its title, `operator ACME spare`, names it too. Raise `UsageError` where there is none, or several.
        """
        return key_named(self._workspace, name, role)

    def show(self, public_key: str | PublicKey) -> ShownKey:
        """Return where the key is on its token, and its attributes; raise `NoKey`.

        Of a key whose token is not connected it is what the inventory contains.
        """
        key = public_key if isinstance(public_key, PublicKey) else PublicKey.parse(public_key)
        try:
            with open_tokens(self._workspace) as tokens:
                token = tokens.holding(key)
                found = token.find(key)
                return ShownKey(key, token_key(token, found), found.attributes)
        except NotConnected as error:
            entry = self._workspace.inventory().get(key)
            if entry is None:
                raise
            return ShownKey(key, registered_key(entry), None, absent=error.message)

    def create(
        self, role: str | Role, name: str, *, report: Callable[[KeyEntry], None] | None = None
    ) -> KeyEntry:
        """Create an Ed25519 key of *role* on the token, which cannot leave it, and register it as *name*'s.

        *report* gets its entry first: when the process ends before that returns, the next call with the same
        role and name returns the same key and creates no second one.
        """
        wanted = NewKey(_role(role, ON_TOKENS), name)
        label_for(wanted.role, name)
        workspace = self._workspace
        workspace.refresh()
        with (
            root_lock(workspace.root).held(workspace.observer.waits),
            open_tokens(workspace, writable=True) as tokens,
        ):
            entry = tokens.create_and_report([wanted])[wanted]
            if report is not None:
                report(entry)
            atomic.write(tokens.reported())
        return entry

    def require_ready(self, role: str | Role, name: str) -> None:
        """Raise what creating a key of *role* needs and is not there, as far as that needs no PIN."""
        with open_tokens(self._workspace, writable=True) as tokens:
            tokens.require_ready([NewKey(_role(role, ON_TOKENS), name)])

    def create_in_file(self, role: str | Role, *, dry_run: bool = False) -> CreatedKeyFile:
        """Create a key of a user or a curve key, with its seed in the key store (0600)."""
        key = SoftwareKey.generate(_role(role, IN_FILES))
        path = self._workspace.store.seed_path(key.public_key)
        if not dry_run:
            atomic.write({path: key.reveal()})
        return CreatedKeyFile(key.public_key, path)

    def import_key(self, seed: str | SoftwareKey, name: str, *, role: str | Role | None = None) -> KeyImport:
        """Return the import of the key of *seed* (`S…`) onto the token, as *name*'s.

        Raise `BadKey`, and `UsageError` where the seed is of another *role*, or the inventory has the key so.
        """
        key = seed if isinstance(seed, SoftwareKey) else SoftwareKey.parse(seed)
        return KeyImport(self._workspace, key, name, None if role is None else _role(role, ON_TOKENS))

    def import_folder(self, folder: str | Path, *, recurse: bool = False) -> FolderImport:
        """Return the import of the seeds in the files `*.nk` of *folder*, and with *recurse* of its folders.

        Keys of the operator and of accounts that a jwt of the store names go onto the token, those of users
        and curve keys into the key store. Hold the lock of the workspace around this and `run`.
        """
        self._workspace.refresh()
        return FolderImport(self._workspace, Path(folder), recurse=recurse)

    def register(self, role: str | Role, name: str, *, key_id: bytes | None = None) -> KeyRegistration:
        """Return the registration of one key that another program created, in its *role* from now on.

        It is the only Ed25519 key of the token, or the one with the CKA_ID *key_id*.
        """
        found = _role(role, ON_TOKENS)
        label_for(found, name)
        return KeyRegistration(self._workspace, lambda token: _one_entry(token, key_id, found, name))

    def register_all(self) -> KeyRegistration:
        """Return the registration of every key whose label contains its role and name.

        They are on the token that is named, or without a name on all tokens that are connected: an inventory
        that was lost is rebuilt from them. Those are the keys that seedless created or imported. Of keys that
        the inventory has it is recorded that they are here too, or were checked here.
        """
        return KeyRegistration(self._workspace, _labelled_entries, on_all_tokens=True)

    def delete(self, public_key: str | PublicKey) -> KeyDeletion:
        """Return the deletion of a key from its token.

        Raise `Refused` while a jwt of any store that has not expired is about the key, was signed by it, or
        lets it sign; `StoreError` where one cannot be read.
        """
        key = public_key if isinstance(public_key, PublicKey) else PublicKey.parse(public_key)
        return KeyDeletion(self._workspace, key)

    def lost(self, public_key: str | PublicKey | None = None) -> LostKeys:
        """Return the report that the token of *public_key* is lost, or the named token with all its keys.

        Raise `NoKey` where the inventory has no such key, `UsageError` where the key is on several tokens and
        none is named, or no key is on the one that is.
        """
        return LostKeys(
            self._workspace, PublicKey.parse(public_key) if isinstance(public_key, str) else public_key
        )

    def audit(self) -> AuditReport:
        """Return what the driver reports of each key of the token; each signs a challenge."""
        from seedless.pkcs11.audit import audit  # it loads the binding

        workspace = self._workspace
        workspace.refresh()
        with open_tokens(workspace) as tokens:
            token = tokens.chosen()
            return AuditReport(token, tuple(audit(token)))

    def challenges(self, since: int = 0) -> tuple[ChallengeCount, ...]:
        """Return how many challenges each key has signed for this workspace, from *since* on (Unix seconds).

        They are what the log of a device has beside the signatures of claims; no token is opened.
        """
        return counts(load(self._workspace.challenge_journal.path), since)

    def attest(
        self,
        public_key: str | PublicKey,
        files: Sequence[str | Path] = (),
        *,
        reads_token: bool = True,
        dry_run: bool = False,
    ) -> tuple[Attestation, KeyEntry]:
        """Verify that the device created a key itself, by certificates of *files* and of its token.

        The files are PEM or DER; no PIN is asked. The chain is kept beside the inventory, unless *dry_run*.
        Returned with it is the entry of the key. Raise `NoKey` for a key without an entry; `UsageError` where
        the policy pins no roots; `Refused` where nothing that it pins attests the key.
        """
        workspace = self._workspace
        key = public_key if isinstance(public_key, PublicKey) else PublicKey.parse(public_key)
        entry = workspace.inventory().get(key)
        if entry is None:
            raise not_in_inventory(key)
        pins = workspace.policy.attestation if workspace.policy else None
        if pins is None:
            raise UsageError(
                "no policy that pins the roots of attestations is named",
                "name one with --policy; [attestation] roots has the SHA-256 of each root certificate",
            )
        certificates = [certificate for path in map(Path, files) for certificate in _in_file(path)]
        objects = attestation.of_objects(_certificates(workspace, entry), key) if reads_token else []
        found = attestation.verify([*certificates, *objects], key, pins.roots, workspace.refresh())
        if not dry_run:
            _keep_attestation(workspace, found)
        return found, entry

    def export(
        self,
        folder: str | Path,
        *,
        account: str | None = None,
        user: str | None = None,
        users: bool = True,
        curves: bool = True,
        include_jwts: bool = False,
        replaces: bool = False,
    ) -> KeyExport:
        """Return the export of the seeds of *users* and *curves* keys into *folder*, one file (0600) each.

        Of one *account*, or of one *user* of it. Keys on tokens have no seed. Raise `UsageError` where a file
        contains something else, unless it *replaces* that.
        """
        if user and not account:
            raise UsageError("a user is one of an account", "name that too, with --account")
        folder = Path(folder)
        files: dict[Path, str | None] = {}
        keys = []
        for jwt, name, key in _seeds(self._workspace, account, user):
            if not (curves if key.public_key.role is Role.CURVE else users):
                continue
            path = folder / f"{key.public_key}.nk"
            files[path] = key.reveal()
            keys.append(ExportedKey(key.public_key, name, path))
            if include_jwts:
                files[folder / f"{key.public_key}.jwt"] = jwt.text
        if not replaces:
            _require_free(files)
        return KeyExport(tuple(keys), files)


class KeyExport:
    """Seeds that are copied into files; `run` writes them."""

    def __init__(self, keys: tuple[ExportedKey, ...], files: dict[Path, str | None]) -> None:
        """Write *files*, the seeds of *keys*."""
        self.keys = keys
        self._files = files

    @property
    def is_empty(self) -> bool:
        """Whether there is no seed."""
        return not self._files

    def run(self) -> tuple[ExportedKey, ...]:
        """Write all files, or none."""
        atomic.write(self._files)
        return self.keys


class KeyRegistration:
    """Keys that are on tokens and get entries in the inventory; `run` opens the tokens and registers them."""

    def __init__(
        self,
        workspace: Workspace,
        find: Callable[[_Registrar], RegisteredKeys],
        *,
        on_all_tokens: bool = False,
    ) -> None:
        """Register what *find* returns of the one token, or of every one where none is named."""
        self._workspace = workspace
        self._find = find
        self._on_all_tokens = on_all_tokens

    def require_ready(self) -> list[TokenInfo]:
        """Return the tokens whose keys are registered; raise what is known without a PIN."""
        with open_tokens(self._workspace) as tokens:
            return tokens.require_chosen(self._uris())

    def _uris(self) -> tuple[KeyUri, ...]:
        return chosen_uris(self._workspace) if self._on_all_tokens else (named_uri(self._workspace),)

    def run(self, *, dry_run: bool = False) -> RegisteredKeys:
        """Let each key sign a challenge, verify that, and write the entries: all, or none with *dry_run*.

        Raise `NoKey` for none, `UsageError` for a raw key that has another role, `TokenError`, `PinError`.
        """
        workspace = self._workspace
        workspace.refresh()
        with root_lock(workspace.root).held(workspace.observer.waits), open_tokens(workspace) as tokens:
            opened = tokens.opened(self._uris())
            found = _joined([self._find(_Registrar(workspace, token)) for token in opened])
            written = found.entries + found.checked
            workspace.inventory().with_entries(*written)  # raises where a raw key has another role
            if written and not dry_run:
                workspace.note_key(*written)
        return found


def _joined(found: Sequence[RegisteredKeys]) -> RegisteredKeys:
    return RegisteredKeys(
        tuple(entry for keys in found for entry in keys.entries),
        tuple(entry for keys in found for entry in keys.checked),
        tuple(notice for keys in found for notice in keys.notices),
    )


class _Registrar:
    """A token whose keys are registered, and the inventory."""

    def __init__(self, workspace: Workspace, token: Token) -> None:
        """Register keys of *token*."""
        self.token = token
        self.inventory = workspace.inventory()
        self._now = workspace.now

    def entry(self, key: Key, role: Role, name: str) -> KeyEntry:
        """Return the entry of *key*; raise `NoKey` where the token shows no public key of it."""
        if key.raw is None:
            raise NoKey(
                f"the key {key.named} on {self.token.info.where} has no public object, "
                "so its public key is not known",
                "a certificate in its slot, or its public key as an object, shows it",
            )
        return KeyEntry(
            public_key=PublicKey(role, key.raw),
            uri=str(key_uri(self.token, key.label, key.id)),
            role=role,
            name=name,
            made="found",
            at=self._now,
        )


def _one_entry(registrar: _Registrar, key_id: bytes | None, role: Role, name: str) -> RegisteredKeys:
    """Return the entry of the key with *key_id*, or of the only one, once it has signed."""
    token = registrar.token
    keys: list[Key] = token.keys()
    found = [key for key in keys if key.key_type == ED25519 and key_id in {None, key.id}]
    if len(found) != 1:
        which = "" if key_id is None else f" with the id {key_id.hex()}"
        listed = ", ".join(key.named for key in keys) or "no key"
        raise NoKey(
            f"{len(found)} Ed25519 keys{which} are on {token.info.where}, and not one: there is {listed}",
            "name one by --id",
        )
    entry = registrar.entry(found[0], role, name)
    registrar.inventory.with_entry(entry)  # raises before the key signs
    signer = token.signer(entry.public_key, allow_extractable=True)
    signer.sign(challenge("register a key", secrets.token_bytes(32)))
    return RegisteredKeys((entry,), notices=tuple(_can_leave(found[0])))


def _labelled_entries(registrar: _Registrar) -> RegisteredKeys:
    """Return the entries of all keys whose labels contain role and name, and that have signed."""
    from seedless.pkcs11.audit import audit  # it loads the binding

    entries: dict[PublicKey, KeyEntry] = {}
    checked: dict[PublicKey, KeyEntry] = {}
    notices: list[Notice] = []
    for audited in audit(registrar.token):
        key = audited.key
        why = _why_skipped(audited)
        if key.role is None or why:
            notices.append(Notice(f"skipped the key {key.named}: {why or 'its label contains no role'}"))
            continue
        entry = registrar.entry(key, key.role, key.label.partition(":")[2])
        known = registrar.inventory.with_raw(entry.public_key.raw)
        if known is not None and known.public_key != entry.public_key:
            notices.append(Notice(f"skipped the key {key.named}: the inventory has it as {known.public_key}"))
            continue
        entry = msgspec.structs.replace(entry, name=known.name if known else entry.name)
        is_known_here = known is not None and len(entry.merged(known).places) == len(known.places)
        if is_known_here:
            checked[entry.public_key] = entry
            continue
        entries[entry.public_key] = entry
        notices += _can_leave(key)
    return RegisteredKeys(tuple(entries.values()), tuple(checked.values()), tuple(notices))


def _why_skipped(audited: AuditedKey) -> str:
    """Return why a key cannot be registered by its label; empty where it can."""
    if audited.trial.refusal:
        return shown(audited.trial.refusal)
    return "" if audited.agrees else "its public object is that of another key"


def _can_leave(key: Key) -> Iterator[Notice]:
    if key.attributes.can_leave:
        text = "can leave its token, by what the driver reports: it signs only when named"
        yield Notice(f"the key {key.named} {text}")


def _in_file(path: Path) -> list[Certificate]:
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name a file with certificates")
    return attestation.parse(data, shown(path))


def _certificates(workspace: Workspace, entry: KeyEntry) -> list[bytes]:
    """Return the certificates on the token of the first place, where a device can have created the key."""
    from seedless.pkcs11.public_objects import read_certificates  # it loads the binding

    uri = entry.places[0].token
    return read_certificates(module_for(workspace, uri, is_ours=False), uri)


def _keep_attestation(workspace: Workspace, found: Attestation) -> None:
    """Write the chain beside the inventory, and into the inventory that it was verified, both at once."""
    with root_lock(workspace.root).held(workspace.observer.waits):
        entry = workspace.inventory().get(found.public_key)
        if entry is None:
            raise StoreError(f"{found.public_key} is no longer in the inventory", "register it again")
        attested = Attested(sha256=found.digest, at=workspace.now)
        inventory = workspace.inventory().with_entry(msgspec.structs.replace(entry, attested=attested))
        path = attestation_path(workspace.root, found.public_key)
        atomic.write({path: found.chain, workspace.inventory_path: inventory.text()})


def _seeds(
    workspace: Workspace, account: str | None, user: str | None
) -> Iterator[tuple[Jwt[object], str, SoftwareKey]]:
    """Yield the jwts whose keys have seeds in files, with the names of their owners and the keys."""
    for owner in [workspace.account(account)] if account else workspace.all_accounts():
        body, name = owner.claims.body, owner.claims.name.strip()
        xkey = "" if user else body.authorization.xkey
        curve = stored_seed(workspace.store, PublicKey.parse(xkey)) if xkey else None
        if curve is not None:
            yield owner, name, curve
        for user_name in [user] if user else workspace.store.children(name):
            jwt = workspace.user(name, user_name)
            key = _user_seed(
                workspace, jwt, workspace.store.creds_path(name, user_name), workspace.creds(name, user_name)
            )
            if key is not None:
                yield jwt, f"{name}/{user_name}", key


def _user_seed(workspace: Workspace, jwt: Jwt[object], path: Path, creds: str | None) -> SoftwareKey | None:
    """Return the key of the user of *jwt*; raise `StoreError` when all there is are *creds* with another."""
    in_creds = parse_user_key(creds) if creds else None
    if in_creds is not None and str(in_creds.public_key) == jwt.claims.sub:
        return in_creds
    stored = stored_seed(workspace.store, PublicKey.parse(jwt.claims.sub))
    if in_creds is not None and stored is None:
        raise StoreError(
            f"{shown(path)} holds the seed of {in_creds.public_key}, and its user is {jwt.claims.sub}",
            "restore the creds of that user, or take the file away",
        )
    return stored


def _require_free(files: dict[Path, str | None]) -> None:
    for path, text in files.items():
        existing = atomic.read(path)
        if existing is not None and existing.decode(errors="replace") != text:
            raise UsageError(f"{shown(path)} holds something else", "name an empty folder, or give --force")


def _role(role: str | Role, allowed: dict[str, Role]) -> Role:
    """Return *role*, given as such or by its word; raise `UsageError` for one that is not *allowed*."""
    found = role if isinstance(role, Role) else allowed.get(role)
    if found is None or found not in allowed.values():
        name = role.name.lower() if isinstance(role, Role) else str(role)
        raise UsageError(f"a key here is for one of {', '.join(allowed)}, not for {quoted(name)}")
    return found
