"""What a store holds, looked at without a token: verified, drawn as a tree, compared.

`Workspace.verify`, `Workspace.tree` and `Workspace.diff`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import store_tree
from seedless.app.key_names import known_titles
from seedless.deviations import Unknown
from seedless.diff import Difference, Effect, Wording, unknown_members
from seedless.diff import diff as compare
from seedless.errors import BadClaims, SeedlessError, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey
from seedless.store_tree import TreeNode
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.verification import VerifiedJwt

__all__ = ["Comparison", "diff", "stored_jwt", "tree", "verify", "verify_store"]


class Comparison(msgspec.Struct, frozen=True):
    """How two jwts differ, what widens access first; `is_new`: there is none to compare with."""

    differences: tuple[Difference, ...]
    is_new: bool = False


class _Side(msgspec.Struct, frozen=True):
    """One side: claims, what is not known of them, and who issued them where that is fixed."""

    claims: Claims[Any]
    unknown: tuple[Unknown, ...] = ()
    issuer: str = ""


def diff(
    workspace: Workspace, new: Jwt[object] | Claims[object], old: Jwt[object] | Claims[object] | None
) -> Comparison:
    """Compare *new* with *old*, see `Workspace.diff`."""
    after = _side(new)
    before = _stored(workspace, after.claims.sub) if old is None else _side(old)
    found = _compared(before, after, known_titles(workspace, after.claims.sub))
    return Comparison(found, is_new=before is None)


def _only_user(workspace: Workspace, name: str) -> Jwt[object] | None:
    """Return the one user of the store that is called *name*; raise `UsageError` for several."""
    try:
        accounts = [
            account for account in workspace.store.children() if name in workspace.store.children(account)
        ]
    except SeedlessError:
        return None
    if len(accounts) > 1:
        named = ", ".join(shlex.quote(f"{account}/{name}") for account in accounts)
        raise UsageError(f"{quoted(name)} is a user of {len(accounts)} accounts", f"name one of {named}")
    return workspace.store.get(accounts[0], name) if accounts else None


def stored_jwt(workspace: Workspace, name: str) -> Jwt[object]:
    """Return the jwt that *name* has in the store: a name, ACCOUNT/USER, or a public key.

    A user of one account alone needs no account before it. Raise `UsageError` where it has none; the message
    is for a name that is not that of a file either.
    """
    try:
        store = workspace.store
        if name == store.operator:
            found = store.get()
        else:
            found = store.get(*name.split("/")) if name.count("/") < 2 else None  # noqa: PLR2004 - account, user
        if found is None:
            address = store.find(PublicKey.parse(name))
            found = None if address is None else store.get(*address)
    except SeedlessError:
        found = _only_user(workspace, name)
    if found is None:
        raise UsageError(
            f"there is no file {quoted(name)}, and no jwt of this name in the store",
            "seedless tree shows the names",
        )
    return found


def _side(given: Jwt[object] | Claims[object]) -> _Side:
    if isinstance(given, Claims):
        return _Side(given)
    return _Side(given.claims, given.unknown, str(given.issuer))


def _compared(before: _Side | None, after: _Side, names: Mapping[str, str]) -> tuple[Difference, ...]:
    found = compare(before.claims if before else None, after.claims, names=names)
    found += unknown_members(before.unknown if before else (), after.unknown)
    if before and after.issuer and before.issuer not in {"", after.issuer}:
        wording = Wording(names)
        text = f"{wording.key(before.issuer)} -> {wording.key(after.issuer)}"
        issuers = Difference(Effect.CHANGES, "issuer", text, ("iss",), before.issuer, after.issuer)
        found = (issuers, *found)
    return found


def _stored(workspace: Workspace, subject: str) -> _Side | None:
    """Return what the store has for *subject*; raise `BadClaims` when that is not a key."""
    try:
        key = PublicKey.parse(subject)
    except SeedlessError as error:
        raise BadClaims(f"the store has no {shown(subject)}: {error.message}", "give two files") from error
    address = workspace.store.find(key)
    found = workspace.store.get(*address) if address is not None else None
    return _side(found) if found else None


def tree(workspace: Workspace, *, users: bool = True, backups: bool = False) -> TreeNode:
    """Return the store as a tree, see `Workspace.tree`."""
    from seedless.lint import lint_store  # a diff judges nothing

    findings = {judged.what: judged.findings for judged in lint_store(workspace.store, workspace.now)}
    kinds = {}
    if backups:
        from seedless.app.backups import key_backups  # reads every store

        kinds = {key: backup.kind for key, backup in key_backups(workspace).items()}
    on_tokens = {
        str(entry.public_key): store_tree.KeyOnToken(name=entry.name, backup=kinds.get(entry.public_key, ""))
        for entry in workspace.inventory()
    }
    return store_tree.tree(workspace.store, on_tokens, findings, users=users)


def verify_store(workspace: Workspace, *, jobs: int = 1) -> Iterator[VerifiedJwt]:
    """Yield the verdict on each jwt of the store, by *jobs* processes where it is large."""
    from seedless import verification  # a diff verifies nothing
    from seedless.lint import count

    operator = workspace.store.operator
    verdicts = verification.verify_store(workspace.root, operator, workspace.now, jobs=jobs)
    return workspace.observer.progress(verdicts, count(workspace.store), f"operator {shown(operator)}")


def verify(
    workspace: Workspace, jwts: Iterable[tuple[str, Jwt[object] | SeedlessError]]
) -> Iterator[VerifiedJwt]:
    """Yield the verdict on each of *jwts*, see `Workspace.verify`."""
    from seedless.verification import StoreView, VerifiedJwt, inventory_of, recorded_below  # see above

    view = StoreView(
        workspace.store if workspace.has_store else None,
        workspace.now,
        inventory_of(workspace.root),
        recorded_below(workspace.root),
    )
    for what, jwt in jwts:
        if isinstance(jwt, SeedlessError):
            yield VerifiedJwt.unreadable(what, jwt)
        else:
            yield view.judge(what, jwt)
