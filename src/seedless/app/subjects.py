"""Whose keys claims are about: given, created on a token, or left over from a run that did not end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seedless.app.pipeline import Notice
from seedless.claims import signing_key
from seedless.errors import BadKey, SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import PlanSubject
from seedless.store import addresses, open_store, operators
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["GENERATE", "signing_key_subjects", "subject_for"]

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
    workspace: Workspace, before: Jwt[object], name: str, given: Sequence[str]
) -> tuple[tuple[PlanSubject, ...], tuple[Notice, ...]]:
    """Return whose keys *given* are, each `generate` or a public key of the role of *before*'s subject.

    A key that was created under *name* since *before*, and that nothing uses, is reused: a run that was
    killed, or `seedless key new`, created it. Raise `UsageError` for a key of another role.
    """
    role = PublicKey.parse(before.claims.sub).role
    subjects: list[PlanSubject] = []
    notices: list[Notice] = []
    for text in given:
        if text != GENERATE:
            subjects.append(PlanSubject(role=role, name=name, public_key=_signing_key(text, role)))
            continue
        count = sum(one.public_key is None or one.name.startswith(name) for one in subjects) + 1
        numbered = name if count == 1 else f"{name} {count}"
        unused = _unused_signing_key(workspace, before, role, numbered)
        if unused is not None:
            notices.append(reused(unused, numbered))
        subjects.append(PlanSubject(role=role, name=numbered, public_key=unused))
    return tuple(subjects), tuple(notices)


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
        raise UsageError(f"{quoted(text)} is no signing key: {error.message}", hint) from error
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
        store = open_store(workspace.root, name)
        for address in addresses(store, Role.OPERATOR, Role.ACCOUNT):
            try:
                jwt = store.get(*address)
            except SeedlessError:
                continue
            if jwt is not None:
                yield jwt.claims.sub
                yield from map(signing_key, jwt.claims.body.signing_keys)
