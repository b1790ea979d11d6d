"""Names that a person may mean while they type: for the completion of a shell, or a menu.

They come from files that require no PIN and no driver: the store, the inventory, the configuration.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.app.workspace import Workspace

__all__ = [
    "accounts", "codes", "contexts", "issuers", "keys", "operators", "roles", "tokens",
    "users",
]  # fmt: skip


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
