"""Edits: a jwt of the store, with something in it changed, is signed again in its place.

A change is a function from claims to claims; new claims are a change of the default ones. So a program writes
what it changes once, and `add` and `edit` take the same.

A user that a scope issues carries no permissions of its own, and one that no scope issues needs its own. What
would leave a user without any, or with two, is refused before anything is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from seedless.app import arguments
from seedless.app.arguments import Time
from seedless.app.judgement import judged
from seedless.app.pipeline import Files, Judge, Notice, Preview, no_files, nothing_to_do, preview
from seedless.claims import Account, Operator, Scope, User, signing_key
from seedless.errors import BadJwt, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey
from seedless.plan import PlanSubject, changed, issuing_key, scope_of
from seedless.signing_pipeline import Intent, NewKey, Plan
from seedless.text import quoted, shown
from seedless.trust import carries_nothing

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "Change",
    "Edited",
    "applied",
    "edit",
    "edit_account",
    "issuer_of",
    "kept_issuer",
    "reissued",
    "stored",
    "with_terms",
]


B = TypeVar("B")
Change = Callable[[Claims[B]], Claims[B]]


class Edited(msgspec.Struct, Generic[B], frozen=True):
    """What came of an edit: the jwt in the store, whether it is another than before, and new signing keys."""

    jwt: Jwt[B]
    changed: bool
    new_keys: tuple[str, ...] = ()


def edit(
    workspace: Workspace,
    address: tuple[str, ...],
    change: Callable[[Claims[Any], tuple[str, ...]], Claims[Any]],
    *,
    reason: str,
    issuer: str | PublicKey | None = None,
    subjects: Sequence[PlanSubject] = (),
    notices: Sequence[Notice] = (),
    files: Files = no_files,
    judge: Judge = judged,
) -> Preview[Edited[Any]]:
    """Return the preview of what *change* makes of the jwt at *address*, in its place.

    *change* gets the claims, and the keys (text) of *subjects*, created on a token or known. The preview is
    empty when it changes nothing. *issuer* is a key or a role; without it the key that issued the jwt signs
    again, where it still may. *files* are written together with the jwt, *judge* judges the plan.
    """
    workspace.refresh()
    before, now = stored(workspace, address), workspace.now
    wanted = tuple(key for subject in subjects for key in subject.wanted)

    def after(made: Mapping[NewKey, PublicKey]) -> Claims[Any]:
        return change(before.claims, tuple(str(subject.resolve(made)) for subject in subjects))

    rehearsed = after({key: key.placeholder_key for key in wanted})
    if rehearsed == before.claims and issuer is None:
        return unchanged(workspace, before, notices)
    key = issuer_of(workspace, before, rehearsed, issuer)
    around = workspace.around(rehearsed, keys=(str(key), str(before.issuer)))

    def plan(made: Mapping[NewKey, PublicKey]) -> Plan:
        claims = after(made) if wanted else rehearsed
        step = changed(claims, key, replaces=before, now=now, reason=reason, address=address)
        return Plan((step,), now, around)

    def edited(jwts: tuple[Jwt[Any], ...]) -> Edited[Any]:
        (jwt,) = jwts
        existing = _signing_keys(before)
        return Edited(jwt, changed=True, new_keys=tuple(k for k in _signing_keys(jwt) if k not in existing))

    return preview(workspace, Intent(plan, wanted), edited, notices=notices, files=files, judge=judge)


def edit_account(
    workspace: Workspace,
    name: str,
    change: Callable[[Account], Account],
    reason: str,
    issuer: str | PublicKey | None = None,
    notices: Sequence[Notice] = (),
) -> Preview[Edited[Account]]:
    """Return the preview of what *change* makes of the body of the account *name*, as `edit` does."""

    def changed(claims: Claims[Account], _: tuple[str, ...]) -> Claims[Account]:
        return msgspec.structs.replace(claims, body=change(claims.body))

    return edit(workspace, (name,), changed, reason=reason, issuer=issuer, notices=notices)


def _signing_keys(jwt: Jwt[Any]) -> list[str]:
    return [signing_key(entry) for entry in getattr(jwt.claims.body, "signing_keys", ())]


def unchanged(workspace: Workspace, before: Jwt[B], notices: Sequence[Notice] = ()) -> Preview[Edited[B]]:
    """Return the empty preview of an edit that leaves *before* as it is."""
    return nothing_to_do(workspace, Edited(before, changed=False), notices)


def stored(workspace: Workspace, address: tuple[str, ...]) -> Jwt[Any]:
    """Return the jwt at *address*; raise `UsageError` with the names that there are, or for lossy members."""
    match address:
        case ():
            jwt: Jwt[Any] = workspace.operator()
        case (name,):
            jwt = workspace.account(name)
        case _:
            jwt = workspace.user(*address)
    if jwt.unknown:
        paths = ", ".join(member.path for member in jwt.unknown)
        raise BadJwt(
            f"the jwt has members that would be lost: {paths}",
            "a newer seedless may know them",
            path=jwt.unknown[0].path,
        )
    return jwt


def issuer_of(
    workspace: Workspace, before: Jwt[object], after: Claims[object], wanted: str | PublicKey | None
) -> PublicKey:
    """Return the key that signs *after*: the one *wanted*, else that of *before* where it still may."""
    if isinstance(after.body, Operator):
        return issuing_key(after, (), wanted or after.sub)
    parent, known = parent_of(workspace, before), workspace.known_keys()
    issuer = kept_issuer(parent, known, before, wanted)
    is_request = isinstance(after.body, Account) and workspace.store.managed and str(issuer) not in known
    if is_request and wanted is None:
        # In a managed store the operator's key is somebody else's. A self-signed account is the request
        # that `nsc import account` re-signs.
        return PublicKey.parse(after.sub)  # to the operator, as nsc makes it
    return issuer


def kept_issuer(
    parent: Claims[Any], known: Collection[str], before: Jwt[Any], wanted: str | PublicKey | None = None
) -> PublicKey:
    """Return the key of *parent* that signs in place of *before*: the one *wanted*, else the same again.

    Another is taken only where the same may not sign for *parent* any more, or it is not known where it is
    while another is *known*.
    """
    if wanted is not None:
        return issuing_key(parent, known, wanted)
    keys = {str(getattr(entry, "key", entry)) for entry in parent.body.signing_keys}
    if not (isinstance(parent.body, Operator) and parent.body.strict_signing_key_usage):
        keys.add(parent.sub)
    # The same key again, so that an edit changes what was edited and nothing else (nsc #328: *too easy to
    # resign with an unexpected key*).
    if str(before.issuer) in keys and (str(before.issuer) in known or not keys & set(known)):
        return before.issuer
    return issuing_key(parent, known)


def parent_of(workspace: Workspace, jwt: Jwt[Any]) -> Claims[Any]:
    """Return the claims of who issues *jwt*: the operator, or the account of a user."""
    if isinstance(jwt.claims.body, Account):
        return workspace.operator().claims
    wanted = jwt.claims.body.issuer_account or str(jwt.issuer)
    account = workspace.account_with_key(wanted)
    if account is None:
        raise UsageError(
            f"the account {wanted} of {quoted(jwt.claims.name)} is not in the store", "import it, or pull it"
        )
    return account.claims


def applied(change: Change[B] | None, claims: Claims[B]) -> Claims[B]:
    """Return what *change* makes of *claims*; raise `UsageError` for what is no change."""
    if change is None:
        return claims
    if not callable(change):
        raise arguments.wrong_type("change", change, "a function from claims to claims")
    made: object = change(claims)
    if not isinstance(made, Claims) or not isinstance(made.body, type(claims.body)):
        kind = type(claims.body).__name__
        raise arguments.wrong_type("what a change returns", made, f"claims of the same kind: {kind}")
    after: Claims[B] = made
    if (after.sub, after.name) != (claims.sub, claims.name):
        raise UsageError(
            "a change leaves subject and name of the claims as they are", "rename has its own operation"
        )
    return after


def new_claims(name: str, body: B, change: Change[B] | None) -> Claims[B]:
    """Return what *change* makes of new claims with this *name* and *body*; the subject is not known yet."""
    return applied(change, Claims(sub="", name=name, body=body))


def with_terms(
    claims: Claims[B],
    now: int,
    *,
    limits: Mapping[str, Any] | None = None,
    expiry: Time | None = None,
    tags: Iterable[str] = (),
) -> Claims[B]:
    """Return *claims* with the short arguments of `add` and `edit` applied; *now* is Unix seconds.

    *limits* are members of `nats.limits` of an account, of `nats` of a user, by their JSON names.
    """
    body: Any = claims.body
    if limits is not None:
        body = _limited(body, limits)
    # As the official library's TagList does; it does not do so for what it reads, so tags in upper case
    # exist.
    added = [tag.strip().lower() for tag in arguments.texts("tags", tags)]
    if added:
        body = msgspec.structs.replace(body, tags=tuple(dict.fromkeys([*body.tags, *added])))
    exp = claims.exp if expiry is None else arguments.seconds("expiry", expiry, now)
    return msgspec.structs.replace(claims, body=body, exp=exp)


_USER_LIMITS = ("subs", "data", "payload")


def _limited(body: Any, limits: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an account or a user
    if not isinstance(limits, Mapping):
        raise arguments.wrong_type("limits", limits, 'a mapping, as in limits={"subs": 100}')
    names = _USER_LIMITS if isinstance(body, User) else type(body.limits).__struct_fields__
    for name in limits:
        if name not in names:
            raise UsageError(f"there is no limit {quoted(str(name))}", f"there are: {', '.join(names)}")
    if isinstance(body, User):
        return msgspec.structs.replace(body, **limits)
    return msgspec.structs.replace(body, limits=msgspec.structs.replace(body.limits, **limits))


def reissued(
    parent: Claims[Account],
    known: Collection[str],
    before: Jwt[User],
    change: Callable[[Claims[User]], Claims[User]],
    issuer: str | PublicKey | None = None,
) -> tuple[Claims[User], PublicKey]:
    """Return what *change* makes of the claims of *before*, and the key of *parent* that issues them.

    Without an *issuer* (key or role) it is the same key as before. Raise `UsageError` for a user that a
    scope issues with permissions of its own, and for one without a scope and without any.
    """
    key = kept_issuer(parent, known, before, issuer)
    scope = scope_of(parent, key)
    body = before.claims.body
    if scope and not _is_scoped(parent, str(before.issuer)):
        body = User(issuer_account=parent.sub, tags=body.tags)
    elif str(key) != parent.sub:
        body = replace(body, issuer_account=parent.sub)
    after = change(replace(before.claims, body=body))
    _require_one_source(after, scope, key)
    return after, key


def _is_scoped(parent: Claims[Account], issuer: str) -> bool:
    entries = (entry for entry in parent.body.signing_keys if isinstance(entry, Scope))
    return any(signing_key(entry) == issuer for entry in entries)


def _require_one_source(claims: Claims[Any], scope: Scope | None, issuer: PublicKey) -> None:
    name, nothing = quoted(claims.name), carries_nothing(claims.body)
    if scope is not None and not nothing:
        raise UsageError(
            f"user {name} has no permissions and limits of its own: they come from the scope "
            f"{shown(scope.role or scope.key)}",
            "edit that scope, or sign with a key that is not a scope: --issuer KEY",
        )
    if scope is None and nothing:
        raise UsageError(
            f"user {name} would have no permissions and limits: a scope gave them, and {issuer} is none",
            "name a scope with --issuer ROLE, or give limits: --subs -1 --data -1 --payload -1",
        )
