"""Operators: created with their store, and edited."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import replace

from seedless.app import edits
from seedless.app.arguments import Time, check_new_name
from seedless.app.edits import Change, Edited
from seedless.app.identity import OperatorReissued, OperatorReplaced, reissue_operator, replace_operator
from seedless.app.jwt_import import import_operator
from seedless.app.pipeline import Notice, Preview, preview
from seedless.app.signing_keys import (
    REMOVED,
    accounts_again,
    issued_by,
    keys_left,
    locking_out,
    signing_key_subjects,
    subject_for,
    with_keys,
)
from seedless.app.token_choice import module_for, named_uri, pin_source, token_uri
from seedless.claims import Account, Operator, User
from seedless.errors import SeedlessError, TokenError, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.uri import KeyUri
from seedless.plan import SYSTEM_ACCOUNT, SYSTEM_USER, PlanSubject, SystemAccount, new_operator
from seedless.seeds import SoftwareKey
from seedless.store import Store, create_store, open_store, operators
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["ListedOperator", "OperatorAdded", "Operators"]

W = TypeVar("W", bound="Workspace")


class OperatorAdded(msgspec.Struct, frozen=True, kw_only=True):
    """A new operator, and the system account with its user where they were created with it."""

    jwt: Jwt[Operator]
    system_account: Jwt[Account] | None = None
    system_user: Jwt[User] | None = None
    creds_path: Path | None = None


class ListedOperator(msgspec.Struct, frozen=True):
    """An operator of the folder, or why its jwt cannot be read; somebody else's where it `is_managed`."""

    name: str
    jwt: Jwt[Operator] | None
    error: str = ""
    is_managed: bool = False


class Operators:
    """The operator of a workspace: whose store it is."""

    def __init__(self, workspace: Workspace) -> None:
        """Take where they are."""
        self._workspace = workspace

    def get(self) -> Jwt[Operator]:
        """Return the operator of the store; raise `StoreError` where there is none."""
        return self._workspace.operator()

    def add(
        self,
        name: str,
        change: Change[Operator] | None = None,
        *,
        expiry: Time | None = None,
        tags: Iterable[str] = (),
        public_key: PublicKey | str | None = None,
        system_account: bool | PublicKey | str = False,
        signing_key: bool = False,
        spare_token: str | KeyUri | None = None,
    ) -> Preview[OperatorAdded]:
        """Preview a new operator with a store of its own; *change* makes its claims of empty ones.

        Its key is created on the token, or is *public_key*. With *system_account* the system account and its
        user are created too, True or the key of the account; with *signing_key* a key that signs accounts in
        place of the identity. With *spare_token*, a second token by its URI, name or label, the operator and
        the system account have a signing key on each of both: one token can be lost. The workspace means the
        new store once it is signed. Raise `StoreError` where there is such an operator.
        """
        workspace = self._workspace
        now = workspace.refresh()
        claims = edits.new_claims(name, Operator.new(), change)
        claims = edits.with_terms(claims, now, expiry=expiry, tags=tags)
        is_strict = claims.body.strict_signing_key_usage
        _require_signing_key(claims.body, is_created=signing_key or spare_token is not None)
        spare = "" if spare_token is None else str(spare_token)
        child = in_new_store(workspace, name)
        keys = _Keys(workspace, spare)
        user = SoftwareKey.generate(Role.USER) if system_account is not False else None
        # With a spare there is one on the first token too: else whoever signs would take the spare.
        signing = keys.of(Role.OPERATOR, f"{name} signing") if signing_key or spare else None
        intent = new_operator(
            keys.of(Role.OPERATOR, name, public_key),
            claims,
            now=now,
            signing=signing,
            spare=keys.spare(Role.OPERATOR, name),
            system=keys.system(user.public_key, system_account, is_strict=is_strict) if user else None,
        )

        def finish(jwts: tuple[Jwt[object], ...]) -> OperatorAdded:
            workspace.store = child.store
            return _added(child.store, jwts)

        made = preview(child, intent, finish, seeds=(user,) if user else (), notices=keys.notices)
        return made if public_key is not None else _with_operators_of_others(workspace, made, spare)

    def edit(
        self,
        change: Change[Operator] | None = None,
        *,
        expiry: Time | None = None,
        add_signing_keys: Iterable[str | PublicKey] = (),
        remove_signing_keys: Iterable[str | PublicKey] = (),
        force: bool = False,
    ) -> Preview[Edited[Operator]]:
        """Preview the operator with what *change* makes of its claims; servers read it when they start.

        Its system account may be given by name. *add_signing_keys* are public keys, or `generate` for one
        that is created on the token. Raise `UsageError` for what would lock accounts or users of the store
        out; with *force* that is a notice.
        """
        workspace = self._workspace
        workspace.refresh()
        before, now = edits.stored(workspace, ()), workspace.now
        added, removed = tuple(map(str, add_signing_keys)), tuple(map(str, remove_signing_keys))
        after = edits.with_terms(edits.applied(change, before.claims), now, expiry=expiry)
        after = _with_account_key(workspace, before.claims, after)
        _refuse_under_callouts(workspace, before.claims, after)
        again = accounts_again(keys_left(before.claims, removed))
        notices = locking_out(issued_by(workspace, (), removed), REMOVED, again, force=force)
        if after.body.strict_signing_key_usage and not before.claims.body.strict_signing_key_usage:
            notices += _signing_keys_alone(workspace, before.claims, added, force=force)
        subjects, reused = signing_key_subjects(workspace, before, f"{before.claims.name} signing", added)
        return edits.edit(
            workspace,
            (),
            lambda _, keys: with_keys(after, keys, removed),
            reason="edited",
            subjects=subjects,
            notices=(*notices, *reused),
        )

    def list(self) -> tuple[ListedOperator, ...]:
        """Return the operators of the folder."""
        return tuple(map(self._listed, operators(self._workspace.root)))

    def _listed(self, name: str) -> ListedOperator:
        is_managed = False
        try:
            store = open_store(self._workspace.root, name)
            is_managed = store.managed
            jwt = store.get()
        except SeedlessError as error:
            return ListedOperator(name, None, error.message, is_managed)
        return ListedOperator(name, jwt, "" if jwt else "has no operator jwt", is_managed)

    def import_jwt(self, jwt: Jwt[Operator] | str, *, force: bool = False) -> Preview[Jwt[Operator]]:
        """Preview the managed store of another operator, or a newer *jwt* in it; nothing is signed.

        It is not managed where the inventory has the key of the operator: one's own store, which was lost.
        The workspace means that store once it is placed. Raise `UsageError` for a jwt that the operator has
        not signed itself, and for one that is older than that of the store, unless *force* is given.
        """
        return import_operator(self._workspace, jwt, force=force)

    def reissue(
        self, public_key: PublicKey | str | None = None, *, keep_previous: bool = False
    ) -> Preview[OperatorReissued]:
        """Preview the operator under a new identity key: *public_key*, or one that is created on the token.

        Accounts that the previous key has signed are signed again. With *keep_previous* it stays as a signing
        key, and they stay as they are. Raise `UsageError` for a key that the operator has already, and
        `StoreError` for an account that cannot be read.
        """
        return reissue_operator(self._workspace, public_key, keep_previous=keep_previous)

    def replace(self, previous: str) -> Preview[OperatorReplaced]:
        """Preview the accounts of the operator *previous*, of the same folder, signed by this one.

        For a spare operator, which servers list beside the other one. The users come along as they are, and
        the system account, where this operator names none. To repeat it signs what is newer there, and
        nothing else. Raise `UsageError` where there is no such operator, or an account of its name with
        another key.
        """
        return replace_operator(self._workspace, previous)


def _with_account_key(
    workspace: Workspace, before: Claims[Operator], after: Claims[Operator]
) -> Claims[Operator]:
    """Return *after* with the key of its system account, where that was changed and may be a name."""
    named = after.body.system_account
    if named in {"", before.body.system_account}:
        return after
    from seedless.app.exports_imports import account_key  # few edits are of the system account

    return replace(after, body=replace(after.body, system_account=account_key(workspace, named)))


def _require_signing_key(body: Operator, *, is_created: bool) -> None:
    if body.strict_signing_key_usage and not (is_created or body.signing_keys):
        raise UsageError(
            "an operator that requires signing keys signs no accounts without one",
            "--generate-signing-key creates one; with --sys also that of the system account",
        )


class _Keys:
    """The keys that a new operator needs, and notices of those that are reused."""

    def __init__(self, workspace: Workspace, spare_token: str) -> None:
        self._workspace = workspace
        self._spare_token = spare_token
        self.notices: tuple[Notice, ...] = ()

    def of(self, role: Role, label: str, key: PublicKey | str | None = None) -> PlanSubject:
        """Return who claims are about, as `subject_for` does."""
        found, reused = subject_for(self._workspace, role, label, key)
        self.notices += reused
        return found

    def spare(self, role: Role, owner: str) -> PlanSubject | None:
        """Return the signing key of *owner* on the spare token; None without such a token."""
        if not self._spare_token:
            return None
        found = self.of(role, f"{owner} spare")
        if found.public_key is None:
            token = token_uri(self._workspace, self._spare_token).without_query()
            self.notices += (Notice(f"the key {shown(found.name)} is created on {shown(str(token))}"),)
        return msgspec.structs.replace(found, token=self._spare_token)

    def system(self, user: PublicKey, key: bool | PublicKey | str, *, is_strict: bool) -> SystemAccount:  # noqa: FBT001 - a key, or whether one is created
        """Return the system account, of *key* if given; under a strict operator with a signing key.

        With a spare token it has a signing key on each: the operator alone could issue no system user.
        """
        account = self.of(Role.ACCOUNT, SYSTEM_ACCOUNT, None if isinstance(key, bool) else key)
        has_signing = is_strict or self._spare_token
        signing = self.of(Role.ACCOUNT, f"{SYSTEM_ACCOUNT} signing") if has_signing else None
        spare = self.spare(Role.ACCOUNT, SYSTEM_ACCOUNT)
        return SystemAccount(account=account, user=user, signing=signing, spare=spare)


def _with_operators_of_others(
    workspace: Workspace, made: Preview[OperatorAdded], spare: str
) -> Preview[OperatorAdded]:
    """Return *made* with the warnings about the token and the *spare* one, where there is one.

    No driver is loaded for claims that are refused.
    """
    if made.report.errors:
        return made
    found = _operators_of_others(workspace, named_uri(workspace), "the token")
    if spare:
        found += _operators_of_others(workspace, token_uri(workspace, spare), "the spare token")
    return replace(made, notices=made.notices + found)


def _operators_of_others(workspace: Workspace, uri: KeyUri, title: str) -> tuple[Notice, ...]:
    """Return a warning of keys of operators on the token *uri* that the inventory does not have.

    They are most often those of another store, which was not named. Nobody logs in for that, and where the
    token cannot be read it is signing that reports why.
    """
    try:
        names = sorted(_unknown_operator_keys(workspace, uri))  # drivers list them in any order
    except TokenError:
        return ()
    if not names:
        return ()
    listed = f"{', '.join(names[:_NAMED])}{' and more' if names[_NAMED:] else ''}"
    return (
        Notice(
            f"{title} has a key of an operator ({listed}) that the inventory of this store, "
            f"{shown(workspace.root)}, does not have; for another store: set SEEDLESS_STORE; "
            "for the key in this one: seedless key register --all",
            is_warning=True,
        ),
    )


_NAMED = 5


def _unknown_operator_keys(workspace: Workspace, uri: KeyUri) -> list[str]:
    module = module_for(workspace, uri, is_ours=True)
    from seedless import pending_keys  # these load the binding
    from seedless.pkcs11.keys import role_of
    from seedless.pkcs11.public_objects import read_public_keys

    known = workspace.inventory()
    # What a run that was killed has created is reused by this one.
    pending = {KeyUri.parse(key.uri).id for key in pending_keys.load(workspace.root)}
    return [
        shown(key.label.partition(":")[2])
        for key in read_public_keys(module, uri)
        if role_of(key.label) is Role.OPERATOR
        # Without its bytes it is not known whether the inventory has it.
        and key.raw is not None
        and key.id not in pending
        and known.with_raw(key.raw) is None
    ]


def in_new_store(workspace: W, name: str) -> W:
    """Return a copy of *workspace* with a new store for the operator *name*; nothing is written yet."""
    check_new_name(name)
    pins = pin_source(workspace)
    child = copy.copy(workspace)
    child.store = create_store(workspace.root, name)
    child.pins = pins
    return child


def _added(store: Store, jwts: tuple[Jwt[Any], ...]) -> OperatorAdded:
    if len(jwts) == 1:
        return OperatorAdded(jwt=jwts[0])
    operator, account, user = jwts
    creds = store.creds_path(SYSTEM_ACCOUNT, SYSTEM_USER)
    return OperatorAdded(jwt=operator, system_account=account, system_user=user, creds_path=creds)


def _refuse_under_callouts(workspace: Workspace, before: Claims[Operator], after: Claims[Operator]) -> None:
    """Raise `UsageError` when the system account goes, and an account has an auth callout: it needs one."""
    if after.body.system_account or not before.body.system_account:
        return
    callouts = [
        account for account in workspace.readable_accounts() if account.claims.body.authorization.auth_users
    ]
    if callouts:
        raise UsageError(
            f"account {shown(callouts[0].claims.name)} has an auth callout, at which servers "
            "without a system account end",
            "disable it first: seedless account authcallout NAME --disable",
        )


def _signing_keys_alone(
    workspace: Workspace, claims: Claims[Any], added: tuple[str, ...], *, force: bool
) -> tuple[Notice, ...]:
    """Raise `UsageError` when accounts, or users, are signed by identities, which are to sign no more."""
    if not (claims.body.signing_keys or added):
        raise UsageError(
            "the operator has no signing key, and its own key would sign no accounts",
            "add one: --sk generate",
        )
    why = "only signing keys are to sign"
    again = accounts_again(claims.body.signing_keys)
    notices = locking_out(issued_by(workspace, (), {claims.sub}), why, again, force=force)
    for account in workspace.readable_accounts():
        notices += locking_out(
            issued_by(workspace, (account.claims.name.strip(),), {account.claims.sub}),
            f"{why}, in account {shown(account.claims.name)} too",
            _users_again(account.claims),
            force=force,
        )
    return notices


def _users_again(account: Claims[Any]) -> str:
    """Return how users are signed by a signing key of *account*; without a plain one, how one is created."""
    name = shown(account.name)
    plain = [key for key in account.body.signing_keys if isinstance(key, str)]
    if plain:
        return f"sign them again first: seedless user edit -a {name} NAME --issuer {plain[0]}"
    return f"make the key first, seedless account signing-key add -a {name}, and sign them again with that"
