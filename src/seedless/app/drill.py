"""Play the loss of a token, or of the inventory, the store or the ledger, on a copy, and report what is left.

The copy has the jwts and the inventory, and no seeds. Without the lost keys the accounts are planned anew
there, judged by rules and policy, and signed where that is asked for: the other tokens have to prove that
they can. Nothing outside of the copy is written.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless.app.ceremony_requests import ledger_path
from seedless.app.ledger_drill import begun_again
from seedless.app.pipeline import preview
from seedless.app.token_choice import token_uri
from seedless.claims import Account, Operator, User, signing_key
from seedless.creds import parse_creds
from seedless.errors import NoKey, NoToken, UsageError
from seedless.findings import Finding
from seedless.inventory import ATTESTATIONS, INVENTORY_NAME, Inventory, KeyEntry
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.uri import KeyUri
from seedless.plan import changed, issuing_key
from seedless.recovery import kept
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan
from seedless.spares import Backup
from seedless.store import open_store, operators
from seedless.store.files import STORES, stores_of
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.resolver.remote import Remote
    from seedless.app.workspace import Workspace

__all__ = ["LOSSES", "Drill", "DrillStep", "LostKey", "play"]

LOSSES = ("inventory", "store", "ledger")
"""What can be lost beside a token."""

_PUSH = "whoever pushes: with the creds of a system user, kept apart from the token"
_SERVERS = "whoever runs the servers"
_NEW_TOKEN = "whoever initialises another token"


class LostKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is gone, and what its backup was."""

    public_key: PublicKey
    name: str
    backup: Backup


class DrillStep(msgspec.Struct, frozen=True, kw_only=True):
    """What can be issued again: of whom, by which key on which token, and the commands for it.

    `is_possible` is false where nothing is left to do it with; `key` is None where no key signs.
    """

    what: str
    commands: tuple[str, ...]
    key: PublicKey | None = None
    token: str = ""
    is_possible: bool = True


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """What a loss means: the keys that are gone, what to do, what servers must change, and who must act.

    `restarts` is how often each server is restarted; `stolen` is what is to be done beside that where the
    token can still sign, for whoever has it and its PIN; `findings` are those of rules and policy on what was
    planned on the copy, `signed` is how many jwts were signed and verified there. Where the loss of a file
    was played, `returned` are the keys, or whose jwts, that came back; `missing` is what did not, and why.
    """

    lost: str
    keys: tuple[LostKey, ...] = ()
    steps: tuple[DrillStep, ...] = ()
    servers: tuple[str, ...] = ()
    restarts: int = 0
    people: tuple[str, ...] = ()
    stolen: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    signed: int = 0
    returned: tuple[PublicKey, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def is_survived(self) -> bool:
        """Whether all that was lost can be issued again, and nothing that was planned is refused."""
        return (
            all(step.is_possible for step in self.steps)
            and not any(finding.severity == "error" for finding in self.findings)
            and not self.missing
        )


def play(workspace: Workspace, lost: str, *, signs: bool = False, remote: Remote | None = None) -> Drill:
    """Play the loss of *lost*: a token by URI, name or label, or one of `LOSSES`.

    With *signs* the jwts are signed on the copy by the tokens that are left, and a lost inventory is
    registered anew from its tokens there: each key signs a challenge. With *remote* the accounts of a lost
    store are pulled from there, on the copy. Raise `UsageError` for a token on which the inventory has no
    key, `TokenError` and `PinError` where a token does not sign.
    """
    workspace.refresh()
    if lost == "inventory":
        return _inventory(workspace, signs=signs)
    if lost == "store":
        return _store(workspace, remote)
    if lost == "ledger":
        return _ledger(workspace)
    return _Loss(workspace, lost).play(signs=signs)


@contextmanager
def _copied(workspace: Workspace, inventory: Inventory) -> Iterator[Workspace]:
    """Give a workspace on a copy of the jwts with *inventory*; the copy is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="seedless-drill-") as folder:
        root, source = Path(folder), stores_of(workspace.root)

        def seeds(directory: str, names: list[str]) -> set[str]:
            # Where stores lie in the root itself, seeds and creds lie beside them.
            return {"keys", "creds"} & set(names) if Path(directory) == workspace.root else set()

        shutil.copytree(source, root / STORES, ignore=seeds)
        for part in (kept.FOLDER, ATTESTATIONS):  # what policies ask for
            if (workspace.root / part).is_dir():
                shutil.copytree(workspace.root / part, root / part)
        inventory.save(root / INVENTORY_NAME)
        yield workspace.copied_to(root)


def _left_before(workspace: Workspace) -> Inventory:
    """Return the inventory without tokens that were lost before: of those nothing can be lost again."""
    entries = workspace.inventory()
    return Inventory.of(entry.at_places(entry.places_left) for entry in entries if entry.places_left)


class _Loss:
    """A token that is lost, and what is left without it."""

    def __init__(self, workspace: Workspace, lost: str) -> None:
        self.workspace = workspace
        self.uri: KeyUri = token_uri(workspace, lost)
        inventory = _left_before(workspace)
        left = {entry.public_key: self._left(entry) for entry in inventory}
        self.lost = tuple(entry for entry in inventory if left[entry.public_key] is None)
        self.inventory = Inventory.of(entry for entry in left.values() if entry is not None)
        if not any(self.uri.covers(place.token) for entry in inventory for place in entry.places):
            tokens = {place.token.token or "" for entry in inventory for place in entry.places}
            names = ", ".join(quoted(name) for name in sorted(tokens)) or "no token"
            raise UsageError(
                f"the inventory has no key on the token {shown(lost)}",
                f"it has keys on {names}; or play the loss of one of {', '.join(LOSSES)}",
            )
        self.operator: Jwt[Operator] = workspace.operator()
        self.accounts = workspace.all_accounts()
        self.known = self.inventory.tokens
        self.is_strict = self.operator.claims.body.strict_signing_key_usage

    def _left(self, entry: KeyEntry) -> KeyEntry | None:
        places = [place for place in entry.places if not self.uri.covers(place.token)]
        return entry.at_places(places) if places else None

    def play(self, *, signs: bool) -> Drill:
        """Return what the loss means."""
        signer = self._signer(self.operator.claims)
        steps = [
            *self._operator(signer),
            *(step for account in self.accounts for step in self._account(account.claims, signer)),
            *self._users(),
            *self._forgotten(signer),
        ]
        findings, signed = self._played(signer, signs=signs)
        servers, restarts = self._servers(signer)
        return Drill(
            lost=f"token {shown(self.uri.token or str(self.uri.without_query()))}",
            keys=tuple(self._lost_keys()),
            steps=tuple(steps),
            servers=servers,
            restarts=restarts,
            people=self._people(steps, restarts),
            stolen=tuple(self._stolen()),
            findings=findings,
            signed=signed,
        )

    def _lost_keys(self) -> Iterator[LostKey]:
        from seedless.app.backups import key_backups  # reads every store

        backups = key_backups(self.workspace)
        for entry in self.lost:
            name = f"{entry.role.name.lower()} {entry.name}"
            yield LostKey(public_key=entry.public_key, name=name, backup=backups[entry.public_key])

    def _is_lost(self, key: str) -> bool:
        return any(str(entry.public_key) == key for entry in self.lost)

    def _signer(self, claims: Claims[object]) -> PublicKey | None:
        """Return the key of *claims* that signs after the loss, None where none is left."""
        key = issuing_key(claims, self.known)
        is_forbidden = self.is_strict and str(key) == claims.sub
        return None if is_forbidden or str(key) not in self.known else key

    def _token_of(self, key: PublicKey | None) -> str:
        entry = self.inventory.get(key) if key else None
        return entry.places[0].token.token or "" if entry else ""

    def _operator(self, signer: PublicKey | None) -> Iterator[DrillStep]:
        """Yield what becomes of the operator."""
        claims = self.operator.claims
        lost = [key for key in (claims.sub, *claims.body.signing_keys) if self._is_lost(key)]
        if not lost:
            return
        name = shown(claims.name)
        restored = self._restored(lost)
        if signer is None:
            yield restored or self._without_operator(name)
            return
        commands = [
            f"seedless rotate operator-key --key {key} --new-key {signer} --without-servers"
            for key in lost
            if key != claims.sub
        ]
        # The identity is not a signing key, which is what a rotation replaces.
        commands += [
            f"seedless account edit {shown(account.claims.name)} --issuer {signer}"
            for account in self.accounts
            if claims.sub in lost and str(account.issuer) == claims.sub
        ]
        if commands:
            yield self._step(f"accounts of operator {name}", (*commands, "seedless push --all"), signer)

    def _forgotten(self, signer: PublicKey | None) -> Iterator[DrillStep]:
        """Yield how the lost keys of the operator are forgotten, after everything else.

        With another identity in the store nothing is pushed any more until the servers were restarted.
        """
        claims = self.operator.claims
        lost = [key for key in (claims.sub, *claims.body.signing_keys) if self._is_lost(key)]
        if not lost or signer is None:
            return
        commands = [
            f"seedless rotate operator-key --key {key} --new-key {signer} --without-servers --finish"
            for key in lost
        ]
        if claims.sub in lost:
            commands.insert(0, "seedless operator reissue --convert-to-signing-key --token OTHER")
        commands.append("seedless server config --nats-resolver -o trust.conf")
        what = f"operator {shown(claims.name)}, without the lost keys; then the servers are restarted"
        yield self._step(what, commands, signer)

    def _step(self, what: str, commands: Sequence[str], key: PublicKey) -> DrillStep:
        return DrillStep(what=what, commands=tuple(commands), key=key, token=self._token_of(key))

    def _without_operator(self, name: str) -> DrillStep:
        """Return what is left where no key of the operator is: a spare operator, or a new one."""
        for other in operators(self.workspace.root):
            jwt: Jwt[Operator] | None = None
            if other != self.workspace.store.operator:
                jwt = open_store(self.workspace.root, other).get()
            key = self._signer(jwt.claims) if jwt is not None else None
            if key is not None:
                commands = (
                    f"seedless operator replace {name} --operator {shown(other)}",
                    f"seedless push --all --operator {shown(other)}",
                )
                what = f"accounts of operator {name}, by the spare operator {shown(other)}"
                return DrillStep(what=what, commands=commands, key=key, token=self._token_of(key))
        return DrillStep(
            what=f"operator {name}: no key of it is left, and no spare operator is in the folder",
            commands=("seedless operator add NEW --sys --token OTHER --spare-token ANOTHER",),
            is_possible=False,
        )

    def _restored(self, lost: Sequence[str]) -> DrillStep | None:
        """Return the step that restores *lost* from shares, where a record lists one of them."""
        for record in kept.records(self.workspace.root):
            listed = [entry for entry in record.keys if str(entry.public_key) in lost]
            if listed:
                path = kept.path_of(self.workspace.root, record)
                return DrillStep(
                    what=f"{', '.join(entry.key.text for entry in listed)}, from {record.threshold} shares",
                    commands=(f"seedless recovery restore {shown(path)} --token OTHER",),
                    key=listed[0].public_key,
                )
        return None

    def _account(self, claims: Claims[Account], operator_key: PublicKey | None) -> Iterator[DrillStep]:
        """Yield what becomes of the users of an account."""
        listed = [signing_key(entry) for entry in claims.body.signing_keys]
        lost = [key for key in (claims.sub, *listed) if self._is_lost(key)]
        if not lost:
            return
        name, signer = shown(claims.name), self._signer(claims)
        if signer is not None:
            commands = [f"seedless user add -a {name} NAME --issuer {signer}"]
            rotations = [
                f"seedless rotate account-key {name} --key {key} --new-key {signer} --without-servers{end}"
                for key in lost
                if key != claims.sub
                for end in ("", " --finish")
            ]
            if rotations:
                commands += [*rotations, f"seedless push {name}"]
            what = f"users of account {name}{'; deliver their creds before --finish' if rotations else ''}"
            yield self._step(what, commands, signer)
            return
        restored = self._restored(lost)
        if restored is not None:
            yield restored
            return
        token = self._token_of(operator_key)
        where = shlex.quote(str(KeyUri(token=token))) if token else "OTHER"
        issuer = f" --issuer {operator_key}" if operator_key else ""
        yield DrillStep(
            what=f"users of account {name}, once the operator lists another signing key",
            commands=(
                f"seedless account signing-key add -a {name} --token {where}{issuer}",
                f"seedless push {name}",
            ),
            key=operator_key,
            token=token,
            is_possible=operator_key is not None or self._has_spare_operator,
        )

    @property
    def _has_spare_operator(self) -> bool:
        return self._without_operator("").is_possible

    def _users(self) -> Iterator[DrillStep]:
        """Yield the users whose own keys were on the token."""
        for entry in self.lost:
            if entry.role is Role.USER:
                yield DrillStep(
                    what=f"user {shown(entry.name)}: a key of a user is not replaced, another user is added",
                    commands=("seedless user add -a ACCOUNT NAME",),
                )

    def _servers(self, signer: PublicKey | None) -> tuple[tuple[str, ...], int]:
        """Return what servers must change, and how often each is restarted."""
        claims = self.operator.claims
        if not any(self._is_lost(key) for key in (claims.sub, *claims.body.signing_keys)):
            return (("nothing; accounts that change are pushed",) if self.lost else ()), 0
        if signer is None and self._has_spare_operator:
            text = "nothing, where they list the spare operator already; else its jwt and a restart"
            return (text, "at their next restart the jwt of the lost operator is taken out"), 0
        sentences = [
            "the new operator jwt, and a restart, one after another: until then they trust the lost keys",
        ]
        if self._is_lost(claims.sub):
            sentences.append("trusted_keys, where they have them")
            sentences.append("policies that pin the operator, and the ledger of the machine for ceremonies")
        return tuple(sentences), 1

    def _stolen(self) -> Iterator[str]:
        """Yield what differs where the token was stolen: its keys are trusted until they are removed."""
        claims = self.operator.claims
        if any(self._is_lost(key) for key in (claims.sub, *claims.body.signing_keys)):
            yield "restart the servers at once: until then they accept accounts that the operator's keys sign"
            yield "look for accounts that none of you signed: seedless pull --all --dry-run"
        for account in self.accounts:
            name, key = shown(account.claims.name), account.claims.sub
            signing = [signing_key(entry) for entry in account.claims.body.signing_keys]
            if self._is_lost(key):
                yield (
                    f"account {name} is the key {key}: whoever has it issues users as long as the account "
                    "exists; create another account, move its users, and delete this one"
                )
            elif any(map(self._is_lost, signing)):
                yield f"push account {name} at once: until then the lost signing key issues users of it"

    def _people(self, steps: Sequence[DrillStep], restarts: int) -> tuple[str, ...]:
        tokens = dict.fromkeys(step.token for step in steps if step.token)
        people = [f"who has the token {quoted(token)} and its PIN" for token in tokens]
        commands = [command for step in steps for command in step.commands]
        people += [_NEW_TOKEN] if any("OTHER" in command for command in commands) else []
        people += [_PUSH] if any(" push" in command for command in commands) else []
        return tuple(people + ([_SERVERS] if restarts else []))

    def _played(self, signer: PublicKey | None, *, signs: bool) -> tuple[tuple[Finding, ...], int]:
        """Return the findings on what is issued again on the copy, and how many jwts were signed there."""
        if signer is None:
            return (), 0
        with _copied(self.workspace, self.inventory) as child:
            plan = self._plan(child, signer)
            if not plan.changes:
                return (), 0
            made = preview(child, plan, len)
            if signs and not made.report.errors:
                return made.report.findings, made.sign()
            return made.report.findings, 0

    def _plan(self, child: Workspace, signer: PublicKey) -> Plan:
        """Return the plan of every account by *signer*, and of a user of each that can issue one."""
        changes = []
        for account in self.accounts:
            name, claims = account.claims.name.strip(), account.claims
            changes.append(
                changed(claims, signer, replaces=account, now=child.now, reason="drill", address=(name,))
            )
            issuer = self._signer(claims)
            if issuer is not None:
                user = _drill_user(claims, issuer)
                changes.append(changed(user, issuer, replaces=None, now=child.now, reason="drill"))
        return Plan(tuple(changes), child.now, (self.operator, *self.accounts))


def _drill_user(account: Claims[Account], issuer: PublicKey) -> Claims[User]:
    """Return a user of *account* by *issuer*, with a key that nobody keeps."""
    body = User.new()
    if str(issuer) != account.sub:
        body = msgspec.structs.replace(body, issuer_account=account.sub)
    key = SoftwareKey.generate(Role.USER)
    return Claims(sub=str(key.public_key), name="recovery-drill", body=body)


def _registered_anew(
    workspace: Workspace, tokens: Iterable[str]
) -> tuple[tuple[PublicKey, ...], tuple[str, ...]]:
    """Register the keys of *tokens* in an empty inventory on a copy; return those that are as they were.

    Returned with them is what is missing there.
    """
    missing = []
    with _copied(workspace, Inventory()) as child:
        for uri in tokens:
            child.settings = msgspec.structs.replace(child.settings, token=uri)
            try:
                child.keys.register_all().run()
            except NoToken as error:
                missing.append(error.message)
        found = child.inventory()
    before = _left_before(workspace)
    returned = tuple(entry.public_key for entry in before if _is_same(entry, found.get(entry.public_key)))
    lost = [entry for entry in before if entry.public_key not in returned]
    missing += [f"{entry.role.name.lower()} {shown(entry.name)}, {entry.public_key}" for entry in lost]
    return returned, tuple(missing)


def _is_same(before: KeyEntry, after: KeyEntry | None) -> bool:
    """Return whether *after* has the name and all the places of *before*."""
    if after is None or after.name != before.name:
        return False
    known, found = (
        {(place.token, KeyUri.parse(place.uri).id) for place in e.places} for e in (before, after)
    )
    return known == found


def _inventory(workspace: Workspace, *, signs: bool) -> Drill:
    """Return how an inventory is rebuilt from its tokens; with *signs* it is, on a copy."""
    steps = []
    tokens: dict[str, list[KeyEntry]] = {}
    for entry in _left_before(workspace):
        for place in entry.places:
            tokens.setdefault(str(place.token), []).append(entry)
    if not tokens:
        raise NoKey("the inventory has no key", "there is nothing to lose")
    for uri, entries in sorted(tokens.items()):
        label = KeyUri.parse(uri).token or ""
        own = [entry for entry in entries if entry.made == "found"]
        commands = [f"seedless key register --all --token '{uri}'"]
        # A label that another program wrote contains no role.
        commands += [
            f"seedless key register --role {entry.role.name.lower()} --name '{shown(entry.name)}' --id ID "
            f"--token '{uri}'"
            for entry in own
        ]
        commands += [f"seedless key attest {entry.public_key}" for entry in entries if entry.attested]
        what = f"{len(entries)} key{'' if len(entries) == 1 else 's'}"
        steps.append(DrillStep(what=what, commands=tuple(commands), token=label))
    people = tuple(f"who has the token {quoted(step.token)} and its PIN" for step in steps)
    returned, missing = _registered_anew(workspace, sorted(tokens)) if signs else ((), ())
    return Drill(
        lost="inventory",
        steps=tuple(steps),
        servers=("nothing",),
        people=people,
        returned=returned,
        missing=missing,
    )


def _pulled_anew(workspace: Workspace, remote: Remote) -> tuple[tuple[PublicKey, ...], tuple[str, ...]]:
    """Bring the store back on a copy without it; return whose jwts came back, and what is missing.

    The operator jwt is that of the store, as servers have it in their configuration; the accounts are those
    of *remote*. A user whose creds are here comes from these; the others are left out.
    """
    operator = workspace.operator()
    returned, missing = [PublicKey.parse(operator.claims.sub)], []
    with _copied(workspace, workspace.inventory()) as child:
        shutil.rmtree(child.root / STORES)
        child.operators.import_jwt(operator).sign()
        child.resolver.pull(everything=True, remote=remote).write()
        pulled = {account.claims.sub: account.text for account in child.all_accounts()}
        for account in workspace.all_accounts():
            if pulled.get(account.claims.sub) == account.text:
                returned.append(PublicKey.parse(account.claims.sub))
                returned += [PublicKey.parse(user) for user in _users_again(workspace, child, account)]
            else:
                has = "another jwt of it" if account.claims.sub in pulled else "no jwt of it"
                missing.append(f"account {shown(account.claims.name)}: the servers have {has}")
    return tuple(returned), tuple(missing)


def _users_again(workspace: Workspace, child: Workspace, account: Jwt[Account]) -> Iterator[str]:
    """Import the users of *account* by their creds that are here; yield the subject of each."""
    name = account.claims.name.strip()
    for user in workspace.store.children(name):
        creds = workspace.store.creds(name, user)
        if creds is not None:
            jwt = parse_creds(creds.decode()).jwt
            yield child.users.import_jwt(jwt).sign().jwt.claims.sub


def _store(workspace: Workspace, remote: Remote | None) -> Drill:
    """Return how the jwts of a store are brought back; with *remote* they are, on a copy."""
    operator = workspace.operator()
    name = shown(operator.claims.name)
    has_system = bool(operator.claims.body.system_account)
    users = sum(len(workspace.store.children(account)) for account in workspace.store.children())
    steps = (
        DrillStep(
            what=f"operator {name}, from the configuration of a server",
            commands=("sed -n 's/^operator: *//p' trust.conf > operator.jwt",
                      "seedless operator import operator.jwt"),
            is_possible=workspace.inventory().get(PublicKey.parse(operator.claims.sub)) is not None,
        ),
        DrillStep(
            what="accounts, from the servers that hold them",
            commands=("seedless pull --all --creds SYSTEM.creds",),
            is_possible=has_system,
        ),
        DrillStep(
            what=f"{users} user{'' if users == 1 else 's'}, from their creds: no server has a copy",
            commands=("seedless user import USER.creds",),
        ),
    )  # fmt: skip
    people = ("who has a copy of the configuration of a server", "who has the creds of a system user",
              "whoever has creds: a user without a copy is issued again")  # fmt: skip
    returned, missing = _pulled_anew(workspace, remote) if remote is not None else ((), ())
    return Drill(
        lost="store", steps=steps, servers=("nothing",), people=people, returned=returned, missing=missing
    )


def _ledger(workspace: Workspace) -> Drill:
    """Return how a machine for ceremonies goes on without its ledger: played on a copy."""
    path = ledger_path(workspace)
    returned, missing, findings = begun_again(workspace)
    steps = (
        DrillStep(what="ledger, from its newest backup", commands=(f"cp BACKUP {shown(str(path))}",)),
        DrillStep(
            what="ledger, created again where there is no backup",
            commands=("seedless ceremony review REQUEST", "seedless ceremony sign REQUEST --first-use all"),
        ),
    )
    return Drill(
        lost="ledger",
        steps=steps,
        servers=("nothing",),
        people=("two who compare the jwts of the request with the servers, and with the last report",),
        returned=returned,
        missing=missing,
        findings=findings,
    )
