"""Text of nats-server configurations: an operator with its accounts, or bare NKey users.

The memory resolver is written as nsc 2.13 does (`memresolverconfigbuilder.go`), to the byte; the full one has
its members and states in its own words what they do. Names from jwts are in comments, quoted, so that they
cannot end the comment. Refused: an account twice, a system account that is not among the accounts, keys that
are not users', and values that could not be in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from seedless.claims import Account, Operator
from seedless.errors import UsageError
from seedless.nkey import Role
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.claims import Permission, Permissions
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey

__all__ = ["cache", "full", "memory", "nkey_users"]

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+", re.ASCII)

_FULL = """\
# Operator {operator_name}
operator: {operator}

# System account {system_name}
system_account: {system}

# Accounts are kept by the servers, which exchange them with each other.
resolver {{
    type: full
    # The folder of the account jwts; one for each server.
    dir: {folder}
    # Whether a jwt signed by the operator may delete accounts. The server then renames the file.
    allow_delete: {allow_delete}
    # How often a server compares its accounts with those of another server.
    interval: "{interval}"
    # How long to wait for another server that may have an account which this one does not have.
    timeout: "{timeout}"
}}

# The system account, without which nothing could be pushed. Once another jwt of it is pushed, that counts.
resolver_preload: {{
{preload}}}
"""

_CACHE = """\
# Operator {operator_name}
operator: {operator}

# System account {system_name}
system_account: {system}

# A few accounts are kept here; the others are asked of servers with a full resolver.
resolver {{
    type: cache
    # The folder of the account jwts; one for each server.
    dir: {folder}
    # How long an account is kept after it was last asked for.
    ttl: "{ttl}"
    # How long to wait for another server that may have an account which this one does not have.
    timeout: "{timeout}"
}}

# The system account, without which no other server could be asked.
resolver_preload: {{
{preload}}}
"""


def memory(
    operator: Jwt[object],
    accounts: Sequence[Jwt[object]],
    system_account: str | None = None,
    *,
    spares: Sequence[Jwt[object]] = (),
) -> str:
    """Return the configuration of a server that has all *accounts* in memory (`resolver: MEMORY`).

    *system_account* is the public key of one of them. Accounts are sorted by key. *spares* are operators that
    the server trusts beside this one. Raise `UsageError`.
    """
    by_key = _by_key(operator, accounts)
    if system_account is not None and system_account not in by_key:
        raise UsageError(f"the system account {quoted(system_account)} is not among the accounts", _SYSTEM)
    parts = [f"// Operator {quoted(operator.claims.name)}\noperator: {_trusted(operator, spares, '//')}\n\n"]
    if system_account is not None:
        parts.append(f"system_account: {system_account}\n\n")
    parts.append("resolver: MEMORY\n\nresolver_preload: {\n")
    # By key, as nsc sorts them: a configuration that is written again differs only where accounts do.
    for key, account in sorted(by_key.items()):
        parts.append(f"  // Account {quoted(account.claims.name)}\n  {key}: {account.text}\n\n")
    return "".join([*parts, "}\n"])


def full(
    operator: Jwt[object],
    accounts: Sequence[Jwt[object]],
    *,
    folder: str = "./jwt",
    allow_delete: bool = False,
    interval: str = "2m",
    timeout: str = "1.9s",
    system_account: str | None = None,
    spares: Sequence[Jwt[object]] = (),
) -> str:
    """Return the configuration of a server that accounts are pushed to (`resolver: { type: full }`).

    Of *accounts* only the system account is written: *system_account* (a public key), by default the one that
    the operator's claims name. *interval* and *timeout* are durations as Go writes them (`2m`, `1.9s`).
    *spares* are operators that the server trusts beside this one. Raise `UsageError`.
    """
    _require_durations(interval=interval, timeout=timeout)
    members = _members(operator, accounts, system_account, folder, spares)
    return _FULL.format(
        **members, allow_delete="true" if allow_delete else "false", interval=interval, timeout=timeout
    )


def cache(
    operator: Jwt[object],
    accounts: Sequence[Jwt[object]],
    *,
    folder: str = "./jwt",
    ttl: str = "1h",
    timeout: str = "1.9s",
    system_account: str | None = None,
    spares: Sequence[Jwt[object]] = (),
) -> str:
    """Return the configuration of a server that asks others for accounts (`resolver: { type: cache }`).

    It requires servers with a full resolver beside it. *ttl* is a duration as *timeout* is; the rest as
    `full`.
    """
    _require_durations(ttl=ttl, timeout=timeout)
    members = _members(operator, accounts, system_account, folder, spares)
    return _CACHE.format(**members, ttl=ttl, timeout=timeout)


def nkey_users(
    public_keys: Sequence[PublicKey], permissions: Mapping[PublicKey, Permissions] | None = None
) -> str:
    """Return the configuration of a server that lets in the owners of *public_keys*, without any jwt.

    A key without *permissions* may do everything. Raise `UsageError` for keys that are not users'.
    """
    granted = permissions or {}
    for key in (*public_keys, *granted):
        if key.role is not Role.USER:
            raise UsageError(f"{key} is not a user's key", "NKey users are public keys that begin with U")
    if len(set(public_keys)) != len(public_keys) or not public_keys:
        raise UsageError("every NKey user occurs once, and at least one does")
    # Permissions for a key that is not listed would be dropped without a word, and the person believe that
    # they hold.
    if strangers := granted.keys() - set(public_keys):
        raise UsageError(f"there are permissions for {min(strangers)}, who is not among the users")
    users = [_user(key, granted.get(key)) for key in public_keys]
    return "".join(["authorization {\n  users: [\n", *users, "  ]\n}\n"])


_SYSTEM = "make one: seedless operator add NAME --sys, or name one in the operator's claims"


def _require_durations(**durations: str) -> None:
    for what, text in durations.items():
        if not _DURATION.fullmatch(text):
            raise UsageError(f"the {what} {quoted(text)} is not a duration", "write it as 2m or 1.9s")


def _members(
    operator: Jwt[Any],
    accounts: Sequence[Jwt[Any]],
    system_account: str | None,
    folder: str,
    spares: Sequence[Jwt[Any]],
) -> dict[str, str]:
    """Return what configurations of both kinds of resolver state."""
    by_key = _by_key(operator, accounts)
    system = system_account or operator.claims.body.system_account
    # A server with a full resolver ends at its start without the system account, and nobody could log in to
    # push it.
    if system not in by_key:
        raise UsageError("servers that keep accounts need the operator's system account", _SYSTEM)
    return {
        "operator_name": quoted(operator.claims.name),
        "operator": _trusted(operator, spares, "#"),
        "system_name": quoted(by_key[system].claims.name),
        "system": system,
        "folder": _path(folder),
        "preload": f"    {system}: {by_key[system].text}\n",
    }


def _trusted(operator: Jwt[Any], spares: Sequence[Jwt[Any]], comment: str) -> str:
    """Return the jwt of *operator*, or the list of that and those of *spares*; raise `UsageError`."""
    if not spares:
        return operator.text
    system = operator.claims.body.system_account
    lines = [f"    {operator.text}\n"]
    for spare in spares:
        body, name = spare.claims.body, quoted(spare.claims.name)
        if not isinstance(body, Operator) or spare.claims.sub == operator.claims.sub:
            raise UsageError(f"{name} is no other operator", "name the one that signs when this one is lost")
        # nats-server 2.15.1 does not start with operators that name two.
        if body.system_account not in {"", system}:
            raise UsageError(
                f"the spare operator {name} has another system account, {body.system_account}",
                f"let it name that of the other one: seedless operator edit --system-account {system}",
            )
        lines.append(f"    {comment} Spare operator {name}\n    {spare.text}\n")
    return f"[\n{''.join(lines)}]"


def _by_key(operator: Jwt[Any], accounts: Sequence[Jwt[Any]]) -> dict[str, Jwt[Any]]:
    """Return *accounts* by their public key; raise `UsageError` unless all are what they should be."""
    if not isinstance(operator.claims.body, Operator):
        raise UsageError(f"{operator.claims.body.kind} claims are not those of an operator")
    by_key: dict[str, Jwt[Any]] = {}
    for account in accounts:
        key = account.claims.sub
        if not isinstance(account.claims.body, Account):
            raise UsageError(f"{account.claims.body.kind} claims are not those of an account")
        if not re.fullmatch("A[A-Z2-7]{55}", key):
            raise UsageError(f"the subject {quoted(key)} is not an account's key")
        if key in by_key:
            raise UsageError(f"the account {key} occurs twice", "keep the newer jwt")
        by_key[key] = account
    return by_key


def _user(key: PublicKey, permissions: Permissions | None) -> str:
    if permissions is None:
        # `nkey` and not `user`: `{ user: "U…" }` is accepted by nats-server and lets anybody in who has
        # read the public key, without a signature (measured, 2.15.1).
        return f"    {{ nkey: {key} }}\n"
    response = permissions.resp
    members = [
        *_subjects("publish", permissions.pub),
        *_subjects("subscribe", permissions.sub),
        *([f'allow_responses: {{ max: {response.max}, expires: "{response.ttl}ns" }}'] if response else []),
    ]
    return f"    {{ nkey: {key}, permissions: {{ {', '.join(members)} }} }}\n"


def _subjects(name: str, permission: Permission) -> list[str]:
    lists = [
        f"{verb}: [{', '.join(map(_string, subjects))}]"
        for verb, subjects in (("allow", permission.allow), ("deny", permission.deny))
        if subjects
    ]
    return [f"{name}: {{ {', '.join(lists)} }}"] if lists else []


def _path(folder: str) -> str:
    """Return *folder* as nsc writes it, in single quotes, if it can be there."""
    text = _string(folder)
    # In single quotes the parser of nats-server takes no escapes; in double ones a backslash begins one.
    return text if "\\" in text or "'" in text else f"'{folder}'"


def _string(text: str) -> str:
    """Return *text* in the double quotes of a server's configuration; raise `UsageError` if it cannot be."""
    if not text or not text.isprintable():
        raise UsageError(f"{quoted(text)} cannot be in a configuration", "use printable characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
