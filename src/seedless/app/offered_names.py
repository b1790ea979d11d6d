"""Names that a person may mean while they type: for the completion of a shell, or a menu.

They come from files that require no PIN and no driver: the store, the inventory, the configuration.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from seedless.errors import SeedlessError
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seedless.app.workspace import Workspace

__all__ = [
    "accounts", "candidates", "codes", "contexts", "delegated", "first_uses", "issuers", "jwts", "keys",
    "lost", "offered", "operators", "roles", "tokens", "users",
]  # fmt: skip


def offered(
    workspace: Workspace, command: Sequence[str], parameter: str, account: str | None = None
) -> list[str] | None:
    """Return the names that a *parameter* of a *command* may mean; None where it takes no name.

    *parameter* is an option, `--account`, or the name of an argument; users are those of *account*. What
    cannot be read has no names: a shell that completes has no place for errors.
    """
    places = (" ".join((*command[:length], parameter)) for length in range(len(command), -1, -1))
    source = next((SOURCES[place] for place in places if place in SOURCES), None)
    if source is None:
        return None
    try:
        return list(source(workspace, account))
    except (SeedlessError, OSError):
        return []


_FEW = 20


def candidates(wanted: str, kind: str, names: Sequence[str]) -> str:
    """Return the hint for a name that is *wanted* and not there: the one that may be meant, and the *names*.

    They are those of a *kind*, as in `accounts`.
    """
    if not names:
        return f"there are no {kind} yet"
    import difflib  # only for a slip of the pen

    near = difflib.get_close_matches(wanted, names, n=1)
    meant = f"did you mean {shown(near[0])}? " if near else ""
    more = f" and {len(names) - _FEW} more" if names[_FEW:] else ""
    return f"{meant}the {kind} are: {', '.join(map(shown, names[:_FEW]))}{more}"


def accounts(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Return the accounts of the store."""
    return workspace.store.children()


def users(workspace: Workspace, account: str | None = None) -> Iterable[str]:
    """Return the users of *account*, or of all accounts."""
    store = workspace.store
    accounts = [account] if account else store.children()
    return sorted({user for account in accounts for user in store.children(account)})


def operators(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Return the operators of the folder."""
    from seedless import store

    return store.operators(workspace.root)


def contexts(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Return the contexts of the configuration."""
    return workspace.config.contexts


def keys(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Return the names of the keys of the inventory, with the role where two have one name; then the keys."""
    from seedless.app.key_names import title  # only for keys

    entries = [entry for entry in workspace.inventory() if entry.name]
    count = Counter(entry.name for entry in entries)
    named = (e.name if count[e.name] == 1 else title(str(e.public_key), e.name) for e in entries)
    return [*dict.fromkeys(named), *(str(entry.public_key) for entry in workspace.inventory())]


def tokens(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Return the labels of the tokens that the inventory names."""
    labels = {place.token.token for entry in workspace.inventory() for place in entry.places}
    return sorted(label for label in labels if label)


def issuers(workspace: Workspace, account: str | None = None) -> Iterable[str]:
    """Return what may sign: roles of *account*, or of all accounts, and keys."""
    return [*roles(workspace, account), *keys(workspace)]


def roles(workspace: Workspace, account: str | None = None) -> Iterable[str]:
    """Yield the roles of *account*, or of all accounts."""
    from seedless.claims import Account, Scope  # only for roles

    store = workspace.store
    for name in [account] if account else store.children():
        jwt = store.get(name)
        if jwt is not None and isinstance(jwt.claims.body, Account):
            yield from (
                key.role for key in jwt.claims.body.signing_keys if isinstance(key, Scope) and key.role
            )


def codes(*_: object) -> Iterable[str]:
    """Return the codes of the rules."""
    from seedless.rules import code_of, rules  # only for codes

    return sorted(code_of(rule) for rule in rules())


def jwts(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Yield the names by which `show` finds what the store has: an operator, an account, `ACCOUNT/USER`."""
    store = workspace.store
    yield store.operator
    for account in store.children():
        yield account
        yield from (f"{account}/{user}" for user in store.children(account))


def delegated(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Return the keys that roles are delegated to."""
    return (str(entry.public_key) for entry in workspace.delegations.entries())


def lost(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Return what a drill can play the loss of."""
    return [*tokens(workspace), "inventory", "store", "ledger"]


def first_uses(workspace: Workspace, _: str | None = None) -> Iterable[str]:
    """Return whose jwts may be taken as the baseline of a ceremony."""
    return ["all", *keys(workspace)]


SOURCES: dict[str, Callable[[Workspace, str | None], Iterable[str]] | None] = {
    "--account": accounts,
    "--allow": codes,
    "--allow-extractable": keys,
    "--allowed-account": accounts,
    "--auth-user": users,
    "--context": contexts,
    "--first-use": first_uses,
    "--issuer": issuers,
    "--new-key": keys,
    "--operator": operators,
    "--operator-key": keys,
    "--public-key": keys,
    "--reset-time": keys,
    "--rm-allowed-account": accounts,
    "--rm-auth-user": users,
    "--rm-sk": keys,
    "--sk": keys,
    "--spare-operator": operators,
    "--spare-token": tokens,
    "--src-account": accounts,
    "--sys-account": accounts,
    "--sys-public-key": keys,
    "--system-account": accounts,
    "--system-user": users,
    "--target-account": accounts,
    "--token": tokens,
    "account name": accounts,
    "account add name": None,
    "account old": accounts,
    "account key": issuers,
    "account keys": issuers,
    "account whom": users,
    "ceremony witness --key": keys,
    "ceremony keygen --witness": keys,
    "context name": contexts,
    "context add name": None,
    "delegate account": accounts,
    "delegate key": delegated,
    "delegate keys": delegated,
    "delegate --role": roles,
    "diff old": jwts,
    "diff new": jwts,
    "key public_key": keys,
    "key export --user": users,
    "operator keys": keys,
    "operator previous": operators,
    "prune names": accounts,
    "pull names": accounts,
    "push names": accounts,
    "recovery lost": lost,
    "rotate name": accounts,
    "rotate --key": issuers,
    "show file": jwts,
    "user name": users,
    "user add name": None,
    "user names": users,
    "user old": users,
}
"""The names of a parameter, behind the words of a command or for any command; the longest words count."""
