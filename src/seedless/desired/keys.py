"""Whose key is which: of operator, accounts and signing keys, those that are there, and those yet to be made.

A signing key is named by its public key, or by its role, or by a name that the inventory has for it
(`ACCOUNT/NAME`). A key that was made for a name and is used nowhere yet is taken up: a run that was killed
has left it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.claims import Scope, signing_key
from seedless.desired.standing import Standing, require_same
from seedless.errors import BadKey, UsageError
from seedless.nkey import PublicKey, Role
from seedless.signing_pipeline import NewKey
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.desired.read import Desired

Slot = tuple[str, ...]
"""`("",)` the operator, `("", NAME)` a signing key of it, `(ACCOUNT,)`, `(ACCOUNT, NAME)`."""


def slots(desired: Desired, standing: Standing) -> dict[Slot, PublicKey | NewKey]:
    """Return the key of every operator, account and signing key that *desired* names or that stands."""
    found: dict[Slot, PublicKey | NewKey] = {
        (name,): PublicKey.parse(jwt.claims.sub) for name, jwt in standing.accounts.items()
    }
    operator = _operator_name(desired, standing)
    require_same("operator", operator, desired.operator.get("public_key"), standing.operator, desired.file)
    found["",] = (
        PublicKey.parse(standing.operator.claims.sub)
        if standing.operator
        else _identity(Role.OPERATOR, operator, desired.operator, standing)
    )
    for name, said in desired.operator.get("signing_keys", {}).items():
        found["", name] = _signing_key(Role.OPERATOR, operator, name, said, standing.operator, standing)
    for account, table in desired.accounts.items():
        there = standing.accounts.get(account)
        require_same("account", account, table.get("public_key"), there, desired.file)
        if there is None:
            found[account,] = _identity(Role.ACCOUNT, account, table, standing)
        for name, said in table.get("signing_keys", {}).items():
            found[account, name] = _signing_key(Role.ACCOUNT, account, name, said, there, standing)
    return found


def _operator_name(desired: Desired, standing: Standing) -> str:
    name: str | None = desired.operator.get("name")
    if standing.operator is not None:
        return standing.operator.claims.name.strip()
    if name is None:
        raise UsageError(
            f"there is no operator yet, and {desired.file} names none", 'say [operator] name = "ACME"'
        )
    return name


def _identity(role: Role, name: str, said: Mapping[str, Any], standing: Standing) -> PublicKey | NewKey:
    """Return the key of an operator or an account that is new."""
    if "public_key" in said:
        return PublicKey.parse(said["public_key"])
    return _made(role, name, standing)


def _made(role: Role, name: str, standing: Standing) -> PublicKey | NewKey:
    unused = (key for key in standing.called.get((role, name), ()) if not standing.is_used(key))
    return next(unused, None) or NewKey(role, name)


def _signing_key(
    role: Role,
    owner: str,
    name: str,
    said: Mapping[str, Any],
    there: Any,  # noqa: ANN401 - a jwt, or None
    standing: Standing,
) -> PublicKey | NewKey:
    key = said.get("key") or as_key(name, role)
    if key is not None:
        return PublicKey.parse(key)
    entries = there.claims.body.signing_keys if there is not None else ()
    wanted = said.get("role", name)
    scopes = [entry.key for entry in entries if isinstance(entry, Scope) and entry.role == wanted]
    if len(scopes) > 1:
        raise UsageError(
            f"account {quoted(owner)} has {len(scopes)} signing keys with the role {quoted(wanted)}",
            f"say which: key = {quoted(scopes[0])}",
        )
    if scopes:
        return PublicKey.parse(scopes[0])
    held = {signing_key(entry) for entry in entries}
    ours, of_commands = f"{owner}/{name}", f"{owner} {name}"
    named = (one for called in (ours, of_commands) for one in standing.called.get((role, called), ()))
    mine = (one for one in named if str(one) in held)
    return next(mine, None) or _made(role, ours, standing)


def as_key(name: str, role: Role) -> str | None:
    """Return *name* where it is the public key of *role*, else None."""
    try:
        return name if PublicKey.parse(name).role is role else None
    except BadKey:
        return None


def account_key(text: str) -> str | None:
    """Return *text* where it is the public key of an account, else None: it is a name."""
    return as_key(text, Role.ACCOUNT)


def account_named(names: Mapping[Slot, PublicKey], name: str, where: str) -> str:
    """Return the key, as text, of the account *name*; raise `UsageError` with the place that names it."""
    key = names.get((name,))
    if key is None:
        raise UsageError(
            f"{where}: there is no account {quoted(name)} in the file nor in the store",
            "accounts are named as their tables are",
        )
    return str(key)
