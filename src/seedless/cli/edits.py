"""Edits: a jwt of the store, with something in it changed, goes through the walk again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.claims import Account, Operator
from seedless.cli import printing
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.errors import BadJwt, UsageError
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key, resigned
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Claims, Jwt


def edit(
    workspace: CommandWorkspace,
    address: tuple[str, ...],
    change: Callable[[Claims[Any]], Claims[Any]],
    *,
    reason: str,
    issuer: str | None = None,
) -> Jwt[Any] | None:
    """Sign what *change* makes of the jwt at *address*, in its place; None when it changes nothing.

    *issuer* is a key or a role; without it the key that issued the jwt signs again, where it still may.
    """
    with workspace.lock():
        before = found(workspace, address)
        after = change(before.claims)
        if after == before.claims and issuer is None:
            return None
        key = issuer_of(workspace, before, after, issuer)
        step = changed(after, key, replaces=before, now=workspace.now, reason=reason, address=address)
        around = workspace.around(after, keys=(str(key), str(before.issuer)))
        (jwt,) = sign(workspace, resigned(step, around, workspace.now))
        return jwt


def found(workspace: CommandWorkspace, address: tuple[str, ...]) -> Jwt[Any]:
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
    workspace: CommandWorkspace, before: Jwt[Any], after: Claims[Any], wanted: str | None
) -> PublicKey:
    """Return the key that signs *after*: the one *wanted*, else that of *before* where it still may."""
    if isinstance(after.body, Operator):
        return issuing_key(after, (), wanted or after.sub)
    parent, known = parent_of(workspace, before), workspace.known_keys()
    issuer = kept_issuer(parent, known, before, wanted)
    is_request = isinstance(after.body, Account) and workspace.store.managed and str(issuer) not in known
    if is_request and wanted is None:
        return PublicKey.parse(after.sub)  # to the operator, as nsc makes it
    return issuer


def kept_issuer(
    parent: Claims[Any], known: Collection[str], before: Jwt[Any], wanted: str | None = None
) -> PublicKey:
    """Return the key of *parent* that signs in place of *before*: the one *wanted*, else the same again.

    Another is taken only where the same may not sign for *parent* any more, or nobody knows where it is
    while another is *known*.
    """
    if wanted is not None:
        return issuing_key(parent, known, wanted)
    keys = {str(getattr(entry, "key", entry)) for entry in parent.body.signing_keys}
    if not (isinstance(parent.body, Operator) and parent.body.strict_signing_key_usage):
        keys.add(parent.sub)
    if str(before.issuer) in keys and (str(before.issuer) in known or not keys & set(known)):
        return before.issuer
    return issuing_key(parent, known)


def parent_of(workspace: CommandWorkspace, jwt: Jwt[Any]) -> Claims[Any]:
    """Return the claims of who issues *jwt*: the operator, or the account of a user."""
    if isinstance(jwt.claims.body, Account):
        return workspace.operator().claims
    wanted = jwt.claims.body.issuer_account or str(jwt.issuer)
    for account in workspace.readable_accounts():
        if account.claims.sub == wanted:
            return account.claims
    raise UsageError(
        f"the account {wanted} of {quoted(jwt.claims.name)} is not in the store", "import it, or pull it"
    )


def tell(workspace: CommandWorkspace, jwt: Jwt[Any] | None, what: str) -> None:
    """Print what came of an edit: the jwt, or that there was nothing to change."""
    if jwt is None:
        printing.emit({"changed": False}, f"{what}: nothing to change", as_json=workspace.options.as_json)
    else:
        printing.emit(
            describe.data(jwt) | {"changed": True}, f"{what}: changed", as_json=workspace.options.as_json
        )
