"""Which keys of a workspace have a spare, and what can be done for one whose token is not connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims import Operator, signing_key
from seedless.errors import ModuleError, NotConnected, NoToken, TokenError
from seedless.nkey import PublicKey, Role
from seedless.recovery import kept
from seedless.spares import Backup, backups, substitutes
from seedless.store import open_store, operators, readable
from seedless.text import quoted, shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedless.app.workspace import Workspace
    from seedless.inventory import KeyEntry
    from seedless.jwt import Claims
    from seedless.signing_pipeline import Plan

__all__ = ["key_backups", "required_spares", "unreachable", "unspared_keys", "way_on"]

_SIGNING = frozenset({Role.OPERATOR, Role.ACCOUNT})  # for which others can sign


def key_backups(workspace: Workspace) -> dict[PublicKey, Backup]:
    """Return what each key of the inventory has for the day on which its token is lost.

    The operators and accounts of all stores are read for the keys that they list.
    """
    inventory, recorded = workspace.inventory(), kept.recorded(workspace.root)
    found = backups(inventory, (), recorded)
    for operator in operators(workspace.root):
        # Store by store: whether identities can sign depends on the operator.
        for key, backup in backups(inventory, _claims(workspace, operator), recorded).items():
            if found[key].kind not in {"lost", "spare"}:
                found[key] = backup
    return found


def required_spares(workspace: Workspace, plan: Plan) -> frozenset[str]:
    """Return the issuers of *plan* (key text) that have no spare once it is done, where the policy asks.

    So the jwt that lists the first spare of its own issuer can be signed. No store is read.
    """
    if workspace.policy is None or workspace.policy.spare != "required":
        return frozenset()
    issuers = {change.draft.issuer for change in plan.changes if change.draft.issuer.role in _SIGNING}
    claims = plan.context.claims.values()
    found = backups(workspace.inventory(), claims, kept.recorded(workspace.root), issuers)
    return frozenset(str(key) for key, backup in found.items() if backup.kind in {"none", "lost"})


def way_on(workspace: Workspace, public_key: PublicKey) -> str:
    """Return, for a hint, what can be done without *public_key*: a key that signs in its place, or a new one.

    Empty for a key that the operator and the accounts of the store do not list.
    """
    if not workspace.has_store:
        return ""
    entry = workspace.inventory().get(public_key)
    lost = {place.token for place in entry.places} if entry else set()
    known = list(_claims(workspace, workspace.store.operator))
    is_strict = any(isinstance(item.body, Operator) and item.body.strict_signing_key_usage for item in known)
    for claims in known:
        listed = {claims.sub, *map(signing_key, getattr(claims.body, "signing_keys", ()))}
        if str(public_key) not in listed:
            continue
        for key in substitutes(str(public_key), claims, is_strict=is_strict):
            other = workspace.inventory().get(PublicKey.parse(key))
            for place in other.places_left if other else ():
                if place.token not in lost:
                    return f"sign with --issuer {key}, which is on token {quoted(place.token.token or '')}"
        # Only now: whoever brings shares together shows a secret, and a spare needs none.
        if kept.is_recorded(workspace.root, public_key):
            return "its shares restore it: seedless recovery restore RECORD --token OTHER"
        if isinstance(claims.body, Operator):
            return "no other key of the operator is known here; seedless docs lost-token has the way on"
        return f"seedless account signing-key add -a {shown(claims.name)} --token OTHER lists another key"
    return ""


def unreachable(workspace: Workspace, entry: KeyEntry, absent: Sequence[TokenError]) -> TokenError:
    """Return the error for the key of *entry*, with the way on if its tokens are lost.

    *absent* has why each of them cannot be used; none where all were reported as lost. Such a token that
    turns up was in other hands: it signs nothing until somebody registers it again.
    """
    place, way = entry.places[0], way_on(workspace, entry.public_key)
    error: TokenError = NotConnected(
        f"{place.where} was reported as lost on {moment(place.lost_at)[:10]}",
        f"with the token in hand, take that back: seedless key register --all --token {place.token}",
    )
    if absent:
        error = absent[0]
    message = error.message
    if len(absent) > 1:
        reasons = "; ".join(item.message for item in absent)
        message = f"{entry.public_key} is on {len(absent)} tokens, and none can be used: {reasons}"
    if isinstance(error, ModuleError):
        return ModuleError(message, error.hint)
    if absent and not any(isinstance(item, NotConnected) for item in absent):
        return NoToken(message, error.hint)  # two that match one URI are not lost
    return NotConnected(message, f"{error.hint}; if it is lost: {way}" if way else error.hint)


def _claims(workspace: Workspace, operator: str) -> Iterator[Claims[object]]:
    """Yield the claims of *operator* and its accounts, as far as they can be read."""
    for _, jwt in readable(open_store(workspace.root, operator), Role.OPERATOR, Role.ACCOUNT):
        yield jwt.claims


def unspared_keys(workspace: Workspace) -> frozenset[str]:
    """Return the keys of the inventory (key text) without a spare, where the policy requires one."""
    if workspace.policy is None or workspace.policy.spare != "required":
        return frozenset()
    found = key_backups(workspace).items()
    return frozenset(str(key) for key, backup in found if backup.kind == "none")
