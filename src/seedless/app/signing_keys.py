"""Signing keys of operators and accounts, and whose keys claims are about; whom a removal locks out.

A key is given, created on a token, or left over from a run that did not end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app import edits
from seedless.app.edits import Edited
from seedless.app.pipeline import Notice, Preview
from seedless.claims import Account, JetStreamPermissions, Operator, Scope, Template, signing_key
from seedless.claims.jetstream import allow
from seedless.delegation import is_delegated
from seedless.errors import BadKey, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import PlanSubject
from seedless.store import open_store, operators, readable
from seedless.text import quoted, shown
from seedless.trust import carried_limits, is_expired

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "GENERATE",
    "ListedSigningKey",
    "SigningKeys",
    "issued_by",
    "locking_out",
    "signing_key_subjects",
    "subject_for",
    "with_keys",
]


GENERATE = "generate"
"""In the place of a public key: create it on the token."""


def subject_for(
    workspace: Workspace, role: Role, name: str, public_key: PublicKey | str | None = None
) -> tuple[PlanSubject, tuple[Notice, ...]]:
    """Return who the claims are about; a key that was created for this and is not used yet is reused."""
    if public_key is not None:
        return PlanSubject(role=role, name=name, public_key=_of_role(public_key, role)), ()
    unused = workspace.unused_key(role, name)
    return PlanSubject(role=role, name=name, public_key=unused), (
        () if unused is None else (reused(unused, name),)
    )


def reused(key: PublicKey, name: str) -> Notice:
    """Return that *key* is reused, which an earlier run created under *name* and nothing uses."""
    return Notice(f"reusing the key that was created for {key.role.name.lower()} {shown(name)}: {key}")


def signing_key_subjects(
    workspace: Workspace, before: Jwt[Any], name: str, given: Sequence[str]
) -> tuple[tuple[PlanSubject, ...], tuple[Notice, ...]]:
    """Return whose keys *given* are, each `generate` or a public key of the role of *before*'s subject.

    A key that was created under *name* since *before*, and that nothing uses, is reused: a run that was
    killed, or `seedless key new`, created it. Raise `UsageError` for a key of another role.
    """
    role = PublicKey.parse(before.claims.sub).role
    # So that each key can be named by its name.
    listed = {signing_key(entry) for entry in before.claims.body.signing_keys}
    taken = {entry.name for entry in workspace.inventory() if str(entry.public_key) in listed}
    subjects: list[PlanSubject] = []
    notices: list[Notice] = []
    for text in given:
        if text != GENERATE:
            subjects.append(PlanSubject(role=role, name=name, public_key=_signing_key(text, role)))
            continue
        numbered = next(candidate for candidate in _numbered(name) if candidate not in taken)
        chosen = {subject.public_key for subject in subjects}
        # `seedless key new` may have named it without a number.
        created = (
            (called, _unused_signing_key(workspace, before, role, called)) for called in (numbered, name)
        )
        called, unused = next(
            ((called, key) for called, key in created if key is not None and key not in chosen),
            (numbered, None),
        )
        taken.add(called)
        if unused is not None:
            notices.append(reused(unused, called))
        subjects.append(PlanSubject(role=role, name=called, public_key=unused))
    return tuple(subjects), tuple(notices)


def _numbered(name: str) -> Iterator[str]:
    """Yield *name*, and then `NAME 2` and so on."""
    yield name
    yield from (f"{name} {number}" for number in itertools.count(2))


def _of_role(key: PublicKey | str, role: Role) -> PublicKey:
    found = key if isinstance(key, PublicKey) else PublicKey.parse(key)
    if found.role is not role:
        raise UsageError(f"{found} is not the key of an {role.name.lower()}", f"give one: {role.value}…")
    return found


def _signing_key(text: str, role: Role) -> PublicKey:
    try:
        key = PublicKey.parse(text)
    except BadKey as error:
        hint = f"give a public key, {role.value}…, or {GENERATE}"
        raise UsageError(f"{quoted(text)} is not a signing key: {error.message}", hint) from error
    if key.role is not role:
        raise UsageError(
            f"{key} is the key of an {key.role.name.lower()}, not of an {role.name.lower()}",
            f"give a public key, {role.value}…, or {GENERATE}",
        )
    return key


def _unused_signing_key(workspace: Workspace, before: Jwt[object], role: Role, name: str) -> PublicKey | None:
    """Return a key that was created for this and is not used: never one that was removed, which is older."""
    created = [
        entry.public_key
        for entry in workspace.inventory().entries
        if (entry.role, entry.name) == (role, name) and entry.at >= before.issued_at
    ]
    used = set(_keys_in_use(workspace)) if created else set()
    return next((key for key in created if str(key) not in used), None)


def _keys_in_use(workspace: Workspace) -> Iterator[str]:
    """Yield the identities and signing keys of all operators and accounts below the root."""
    for name in operators(workspace.root):
        for _, jwt in readable(open_store(workspace.root, name), Role.OPERATOR, Role.ACCOUNT):
            yield jwt.claims.sub
            yield from map(signing_key, jwt.claims.body.signing_keys)


_SHOWN = 10


class ListedSigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A signing key: whether the inventory has it, and how many jwts that have not expired it has issued."""

    key: str
    scoped: bool
    role: str | None
    description: str | None
    known: bool
    issued: int


class SigningKeys:
    """The keys that sign for the operator (accounts), or for an account (users), in place of its identity."""

    def __init__(self, workspace: Workspace) -> None:
        """Take whose they are."""
        self._workspace = workspace

    def add(
        self,
        account: str | None = None,
        key: str | PublicKey = GENERATE,
        *,
        role: str | None = None,
        template: Template | None = None,
        jetstream: JetStreamPermissions | None = None,
        description: str | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[object]]:
        """Preview a new signing key of *account*, or of the operator: created on the token, or a given *key*.

        With a *role*, a *template*, *jetstream* or a *description* it is a scope of an account: its users
        carry no permissions themselves and get those of the template and of *jetstream*. Raise `UsageError`
        for a key or a role that is there already.
        """
        workspace = self._workspace
        if jetstream is not None:
            template = allow(template or Template.new(), jetstream)
        address = () if account is None else (account,)
        before = edits.stored(workspace, address)
        is_scope = not (role is None and template is None and description is None)
        if is_scope and account is None:
            raise UsageError("signing keys of an operator have no roles", "leave out role and template")
        refuse_taken(before.claims, str(key), role)
        name = f"{before.claims.name if account is None else account} {role or 'signing'}"
        subjects, notices = signing_key_subjects(workspace, before, name, (str(key),))

        def change(claims: Claims[object], keys: tuple[str, ...]) -> Claims[object]:
            if not is_scope:
                return with_keys(claims, keys)
            made = template if template is not None else Template.new()
            scope = Scope(key="", role=role or "", template=made, description=description or "")
            return with_keys(claims, [replace(scope, key=key) for key in keys])

        return edits.edit(
            workspace,
            address,
            change,
            reason="new signing key",
            issuer=issuer,
            subjects=subjects,
            notices=notices,
        )

    def edit(
        self,
        account: str,
        key: str | PublicKey,
        change: Callable[[Template], Template] | None = None,
        *,
        jetstream: JetStreamPermissions | None = None,
        role: str | None = None,
        description: str | None = None,
        force: bool = False,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview the signing key of *account* that *key* names (a key, or a role) with another template.

        *change* makes it of the one that the scope has, and *jetstream* is permitted besides. A plain key
        becomes a scope: raise `UsageError` where it has issued users with permissions of their own; with
        *force* that is a notice.
        """
        workspace, wanted = self._workspace, str(key)
        workspace.refresh()
        before = entry_of(edits.stored(workspace, (account,)).claims, wanted)
        notices: tuple[Notice, ...] = ()
        if not isinstance(before, Scope):
            users = [jwt for jwt in issued_by(workspace, (account,), {before}) if carried_limits(jwt)]
            why = "users of a scope carry no permissions of their own"
            notices = locking_out(users, why, "add a new key as a scope", force=force)

        def changed(claims: Claims[object], _: tuple[str, ...]) -> Claims[object]:
            entry = entry_of(claims, wanted)
            scope = entry if isinstance(entry, Scope) else Scope(key=entry, template=Template.new())
            members = {"role": role, "description": description}
            template = scope.template if change is None else change(scope.template)
            template = template if jetstream is None else allow(template, jetstream)
            given = {name: text for name, text in members.items() if text is not None}
            return with_keys(claims, [replace(scope, template=template, **given)])

        reason = f"signing key {wanted}"
        return edits.edit(workspace, (account,), changed, reason=reason, issuer=issuer, notices=notices)

    def remove(
        self,
        account: str | None,
        *keys: str | PublicKey,
        force: bool = False,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[object]]:
        """Preview the removal of signing *keys* (keys, or roles of scopes) of *account*, or of the operator.

        Raise `UsageError` while something in the store is signed by one of them; with *force* that is a
        notice. A key that is on a token stays there.
        """
        workspace = self._workspace
        address = () if account is None else (account,)
        claims = edits.stored(workspace, address).claims
        named = tuple(map(str, keys))
        gone = set(named) if account is None else {signing_key(entry_of(claims, key)) for key in named}
        again = accounts_again(keys_left(claims, gone)) if account is None else USERS_AGAIN
        notices = locking_out(issued_by(workspace, address, gone), REMOVED, again, force=force)
        return edits.edit(
            workspace,
            address,
            lambda before, _: with_keys(before, (), gone),
            reason="signing key removed",
            issuer=issuer,
            notices=notices,
        )

    def list(self, account: str | None = None) -> tuple[ListedSigningKey, ...]:
        """Return the signing keys of *account*, or of the operator."""
        workspace, address = self._workspace, () if account is None else (account,)
        known = workspace.known_keys()

        def listed(entry: Scope | str) -> ListedSigningKey:
            key, scope = signing_key(entry), entry if isinstance(entry, Scope) else None
            return ListedSigningKey(
                key=key,
                scoped=scope is not None,
                role=scope.role if scope else None,
                description=scope.description if scope else None,
                known=key in known,
                issued=len(issued_by(workspace, address, {key})),
            )

        jwt: Jwt[Any] = workspace.operator() if account is None else workspace.account(account)
        return tuple(map(listed, jwt.claims.body.signing_keys))


REMOVED = "a signing key goes"
USERS_AGAIN = "issue them again with another key first: seedless user edit -K KEY"


def with_keys(
    claims: Claims[Any], added: Sequence[Scope | str], removed: Collection[str] = ()
) -> Claims[Any]:
    """Return *claims* of an operator or account with the signing keys *added*, and without *removed*.

    An entry for a key that is there already takes its place where it is a scope. Raise `UsageError` for a
    removed key that is none.
    """
    body: Account | Operator = claims.body
    entries: dict[str, Scope | str] = {signing_key(entry): entry for entry in body.signing_keys}
    for key in removed:
        if key not in entries:
            there = ", ".join(entries) or "none"
            raise UsageError(
                f"{quoted(key)} is not a signing key of {body.kind} {shown(claims.name)}",
                f"there are: {there}",
            )
        del entries[key]
    for entry in added:
        if isinstance(entry, Scope) or entry not in entries:
            entries[signing_key(entry)] = entry
    return replace(claims, body=replace(body, signing_keys=tuple(entries.values())))


def refuse_taken(claims: Claims[Any], key: str, role: str | None) -> None:
    """Raise `UsageError` for a key, or a role, that the operator or account of *claims* has already."""
    if isinstance(claims.body, Operator):
        if key in claims.body.signing_keys:
            raise UsageError(f"operator {shown(claims.name)} has {quoted(key)} already", "it can sign")
        return
    for entry in claims.body.signing_keys:
        taken = {signing_key(entry), entry.role if isinstance(entry, Scope) else ""} & {key, role}
        if taken - {""}:
            raise UsageError(
                f"account {shown(claims.name)} has {quoted(str(taken.pop()))} already",
                "seedless account signing-key edit changes it",
            )


def entry_of(claims: Claims[Any], wanted: str) -> Scope | str:
    """Return the signing key that *wanted* names: by its key, or by its role; raise `UsageError`."""
    entries: tuple[Scope | str, ...] = claims.body.signing_keys
    for entry in entries:
        if wanted in {signing_key(entry), entry.role if isinstance(entry, Scope) else None}:
            return entry
    listed = (entry for entry in entries if not is_delegated(entry))
    named = [entry.role or entry.key if isinstance(entry, Scope) else entry for entry in listed]
    raise UsageError(
        f"{quoted(wanted)} is not a signing key or role of {claims.body.kind} {shown(claims.name)}",
        f"there are: {', '.join(map(shown, named)) or 'none'}",
    )


def issued_by(workspace: Workspace, address: tuple[str, ...], keys: Collection[str]) -> list[Jwt[Any]]:
    """Return what *keys* have issued below *address* and holds still: accounts of the operator, or users."""
    jwts = (jwt for _, jwt in workspace.each(*address))
    return [
        jwt
        for jwt in jwts
        if isinstance(jwt, Jwt) and str(jwt.issuer) in keys and not is_expired(jwt, workspace.now)
    ]


def locking_out(locked_out: Sequence[Jwt[Any]], why: str, cure: str, *, force: bool) -> tuple[Notice, ...]:
    """Raise `UsageError` when somebody is *locked_out*; with *force* return that as a notice."""
    if not locked_out:
        return ()
    kind = locked_out[0].claims.body.kind
    names = ", ".join(shown(jwt.claims.name) for jwt in locked_out[:_SHOWN])
    more = f" and {len(locked_out) - _SHOWN} more" if locked_out[_SHOWN:] else ""
    count = f"{len(locked_out)} {kind}{'s' if len(locked_out) > 1 else ''}"
    sentence = f"{why}, which locks out {count}: {names}{more}"
    if not force:
        raise UsageError(sentence, f"{cure}, or give --force")
    return (Notice(sentence, is_warning=True),)


def keys_left(claims: Claims[Any], gone: Collection[str]) -> list[str]:
    """Return the keys that can sign without those *gone*; of an operator that is not strict, its identity."""
    keys = [key for key in claims.body.signing_keys if key not in gone]
    return keys if keys or claims.body.strict_signing_key_usage else [claims.sub]


def accounts_again(keys: Sequence[str]) -> str:
    """Return how accounts are signed by the first of *keys*; without one, how one is created."""
    if keys:
        return f"sign them again first: seedless account edit NAME --issuer {keys[0]}"
    return "make the key first, seedless operator signing-key add, and sign them again with that"
