"""Accounts: created, edited, their mappings, and the revocations of their users."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from seedless.app import deletion, edits, renaming, revocations
from seedless.app.arguments import Time
from seedless.app.deletion import AccountDeleted
from seedless.app.edits import Change, Edited
from seedless.app.jwt_import import AccountImported, import_account
from seedless.app.pipeline import Preview, preview
from seedless.app.signing_keys import (
    REMOVED,
    USERS_AGAIN,
    issued_by,
    locking_out,
    signing_key_subjects,
    subject_for,
    with_keys,
)
from seedless.claims import Account, Operator, Scope, WeightedMapping
from seedless.errors import UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import issuing_key, new_account
from seedless.text import quoted

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Accounts", "Mappings"]


class Accounts:
    """The accounts of the operator."""

    def __init__(self, workspace: Workspace) -> None:
        """Take where they are."""
        self._workspace = workspace

    def get(self, name: str) -> Jwt[Account]:
        """Return the account *name*, which may be its public key; raise `UsageError` with those there are."""
        return self._workspace.account(name)

    def names(self) -> list[str]:
        """Return the names of all accounts, sorted; those too whose files are damaged."""
        return self._workspace.store.children()

    def import_jwt(
        self,
        jwt: Jwt[Account] | str,
        change: Change[Account] | None = None,
        *,
        name: str | None = None,
        issuer: str | PublicKey | None = None,
        overwrite: bool = False,
        force: bool = False,
        take_limits: bool = False,
    ) -> Preview[AccountImported]:
        """Preview an account that somebody else created, under *name* if given.

        One that a key of the operator signed is placed as it is, unless there is a *change*, a *name* or an
        *issuer*. One that signed itself is a request: it is signed here, without the limits that it asks for
        unless *take_limits* is given. With *force* so is one that another operator signed. Raise `UsageError`
        for an account of the store unless *overwrite* is given.
        """
        return import_account(
            self._workspace,
            jwt,
            change,
            name=name,
            issuer=issuer,
            overwrite=overwrite,
            force=force,
            take_limits=take_limits,
        )

    def add(
        self,
        name: str,
        change: Change[Account] | None = None,
        *,
        limits: Mapping[str, object] | None = None,
        expiry: Time | None = None,
        tags: Iterable[str] = (),
        public_key: PublicKey | str | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Jwt[Account]]:
        """Preview a new account; *change* makes its claims of the default ones, which have no limits.

        *limits* are members of `nats.limits` by their JSON names, as in `{"conn": 100}`. The key is created
        on the token, or is *public_key*. *issuer* is the key of the operator that signs. In a managed store,
        whose operator is somebody else, the account signs itself: the jwt is a request to that operator.
        Raise `UsageError` for a name that is taken.
        """
        workspace = self._workspace
        workspace.refresh()
        now, operator = workspace.now, workspace.operator()
        workspace.refuse_existing(name, hint=f"seedless account edit {shlex.quote(name)} changes it")
        claims = edits.new_claims(name, Account.new(), change)
        claims = edits.with_terms(claims, now, limits=limits, expiry=expiry, tags=tags)
        subject, notices = subject_for(workspace, Role.ACCOUNT, name, public_key)
        intent = new_account(
            subject,
            claims,
            operator=operator,
            issuer=_issuer(workspace, operator.claims, issuer),
            now=now,
        )
        return preview(workspace, intent, lambda jwts: jwts[0], notices=notices)

    def edit(
        self,
        name: str,
        change: Change[Account] | None = None,
        *,
        limits: Mapping[str, object] | None = None,
        expiry: Time | None = None,
        tags: Iterable[str] = (),
        add_signing_keys: Iterable[str | PublicKey] = (),
        remove_signing_keys: Iterable[str | PublicKey] = (),
        issuer: str | PublicKey | None = None,
        reason: str = "edited",
        force: bool = False,
    ) -> Preview[Edited[Account]]:
        """Preview the account *name* with what *change* makes of its claims; what is not changed stays.

        *add_signing_keys* are public keys, or `generate` for one that is created on the token. *reason* goes
        into the review. Raise `UsageError` for what would lock users of the store out: a signing key that is
        removed, bearer tokens that are refused; with *force* that is a notice.
        """
        workspace = self._workspace
        workspace.refresh()
        before, now = edits.stored(workspace, (name,)), workspace.now
        added, removed = tuple(map(str, add_signing_keys)), tuple(map(str, remove_signing_keys))
        notices = locking_out(issued_by(workspace, (name,), removed), REMOVED, USERS_AGAIN, force=force)
        after = edits.with_terms(
            edits.applied(change, before.claims), now, limits=limits, expiry=expiry, tags=tags
        )
        if after.body.limits.disallow_bearer and not before.claims.body.limits.disallow_bearer:
            bearers = _bearers(workspace, name)
            notices += locking_out(bearers, "bearers are refused", "edit them first", force=force)
        subjects, reused = signing_key_subjects(workspace, before, f"{name} signing", added)
        return edits.edit(
            workspace,
            (name,),
            lambda _, keys: with_keys(after, keys, removed),
            reason=reason,
            issuer=issuer,
            subjects=subjects,
            notices=(*notices, *reused),
        )

    def revoke(
        self,
        name: str,
        *users: str | PublicKey,
        at: Time | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview the account *name* with *users* revoked: by name, by key, or `*` for all of them.

        What was issued to them until now, or until *at*, holds no longer, on servers that have this account.
        A revocation that reaches further stays.
        """
        return revocations.revoke(self._workspace, name, tuple(map(str, users)), at=at, issuer=issuer)

    def unrevoke(
        self, name: str, *users: str | PublicKey, issuer: str | PublicKey | None = None
    ) -> Preview[Edited[Account]]:
        """Preview the account *name* without the revocations of *users*."""
        return revocations.unrevoke(self._workspace, name, tuple(map(str, users)), issuer=issuer)

    def delete(
        self, name: str, *, creds: bool = False, seeds: bool = False, force: bool = False
    ) -> Preview[AccountDeleted]:
        """Preview the store without the account *name* and its users; without their *creds* and *seeds* too.

        Keys stay on their tokens, and servers that have the account keep it. Raise `UsageError` for the
        system account, and for one that others import from; with *force* that is a notice.
        """
        return deletion.delete_account(self._workspace, name, creds=creds, seeds=seeds, force=force)

    def rename(
        self, old: str, new: str, *, issuer: str | PublicKey | None = None
    ) -> Preview[Edited[Account]]:
        """Preview the account *old* under the name *new*; users and creds move with it, its key stays."""
        return renaming.rename_account(self._workspace, old, new, issuer=issuer)


def _issuer(
    workspace: Workspace, operator: Claims[Operator], wanted: str | PublicKey | None
) -> PublicKey | None:
    """Return the key of *operator* that issues an account; None where that is the account itself."""
    known = workspace.known_keys()
    issuer = issuing_key(operator, known, wanted)
    return None if workspace.store.managed and wanted is None and str(issuer) not in known else issuer


def _bearers(workspace: Workspace, account: str) -> list[Jwt[object]]:
    """Return the users of *account* that prove no key: by their jwts, or by the scopes that issued them."""
    entries = workspace.account(account).claims.body.signing_keys
    scopes = {entry.key for entry in entries if isinstance(entry, Scope) and entry.template.bearer_token}
    jwts = (jwt for _, jwt in workspace.each(account) if isinstance(jwt, Jwt))
    return [jwt for jwt in jwts if jwt.claims.body.bearer_token or str(jwt.issuer) in scopes]


Targets = tuple[WeightedMapping, ...]


class Mappings:
    """Where messages of a subject go in an account.

    Several targets share them by their weights, which make at most 100 percent together. What is left stays
    with the source, unless the source is among the targets: then servers drop it. A cluster has weights of
    its own.
    """

    def __init__(self, workspace: Workspace) -> None:
        """Take whose they are."""
        self._workspace = workspace

    def add(
        self,
        account: str,
        source: str,
        target: str,
        *,
        weight: int | None = None,
        cluster: str = "",
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with messages of *source* going to *target* too; without *weight* all of them.

        Raise `UsageError` for a target that *source* has already.
        """
        new = WeightedMapping(subject=target, weight=weight or 0, cluster=cluster)

        def change(targets: Targets) -> Targets:
            if any((existing.subject, existing.cluster) == (target, cluster) for existing in targets):
                raise UsageError(
                    f"{quoted(source)} goes to {quoted(target)} already",
                    "seedless account mapping edit changes it",
                )
            return (*targets, new)

        return self._edit(account, source, change, issuer)

    def edit(
        self,
        account: str,
        source: str,
        target: str,
        weight: int,
        *,
        cluster: str = "",
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with another *weight* (percent) of *target*; raise `UsageError` for none."""

        def change(targets: Targets) -> Targets:
            (old,) = _chosen(source, targets, target, cluster)
            new = replace(old, weight=weight)
            return tuple(new if target is old else target for target in targets)

        return self._edit(account, source, change, issuer, must_exist=True)

    def remove(
        self,
        account: str,
        source: str,
        target: str | None = None,
        *,
        cluster: str = "",
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with messages of *source* going nowhere else, or not to *target* any more."""

        def change(targets: Targets) -> Targets:
            if target is None and not cluster:
                return ()
            gone = _chosen(source, targets, target, cluster)
            return tuple(target for target in targets if target not in gone)

        return self._edit(account, source, change, issuer, must_exist=True)

    def _edit(
        self,
        account: str,
        source: str,
        change: Callable[[Targets], Targets],
        issuer: str | PublicKey | None,
        *,
        must_exist: bool = False,
    ) -> Preview[Edited[Account]]:
        """Preview what *change* makes of the targets of *source*; without any it is not mapped."""

        def changed(body: Account) -> Account:
            if source not in body.mappings and must_exist:
                there = ", ".join(body.mappings) or "none yet"
                raise UsageError(
                    f"account {quoted(account)} does not map {quoted(source)}", f"it maps: {there}"
                )
            targets = change(body.mappings.get(source, ()))
            mappings = {subject: to for subject, to in body.mappings.items() if subject != source or targets}
            return replace(body, mappings=mappings | ({source: targets} if targets else {}))

        return edits.edit_account(self._workspace, account, changed, f"mapping of {source}", issuer)


def _chosen(source: str, targets: Targets, target: str | None, cluster: str) -> Targets:
    """Return those of *targets* that are meant, one or all of a cluster; raise `UsageError` for none."""
    found = tuple(
        mapping for mapping in targets if target in {None, mapping.subject} and cluster == mapping.cluster
    )
    if found:
        return found
    there = ", ".join(
        f"{mapping.subject}{f' in {mapping.cluster}' if mapping.cluster else ''}" for mapping in targets
    )
    where = f" in cluster {quoted(cluster)}" if cluster else ""
    goes = "goes nowhere" if target is None else f"does not go to {quoted(target)}"
    raise UsageError(f"{quoted(source)} {goes}{where}", f"it goes to: {there}")
