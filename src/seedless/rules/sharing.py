"""Rules for imports and activations beside the accounts that export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.claims import Account
from seedless.findings import warning
from seedless.rules.formats import cited
from seedless.rules.trust import export_of
from seedless.subject import overlap, to_subject
from seedless.trust import account_of
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seedless.change import Context, Statement
    from seedless.claims import Activation, Import
    from seedless.findings import Finding
    from seedless.jwt import Claims

_Graph = dict[Any, list[Any]]


def c123_import_is_from_another_account(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account imports nothing from itself.

    What it exports it has already: servers deliver each message twice, as it was published and as it is
    imported.
    """
    for index, item in enumerate(said.claims.body.imports):
        if item.account == said.claims.sub:
            text = "is the account itself: each message is delivered twice"
            yield warning("C123", f"{at('nats.imports', index)}.account", text, "remove the import")


def t017_imports_form_no_cycle(said: Statement[Account], context: Context) -> Iterator[Finding]:
    """What an account imports does not come from itself, by way of others.

    Servers drop an import that closes a cycle when they load the account, with a line in the log at debug
    level. Which of the imports that is depends on which account is loaded first.
    """
    cyclic = _cyclic(context.claims)
    for index, item in enumerate(said.claims.body.imports):
        if (said.claims.sub, index) in cyclic:
            exporter = context.claims[item.account]
            text = (
                f"{cited(item.subject)} of account {cited(exporter.name)} comes from this account in the end"
            )
            hint = "remove the import, or give it a local subject that goes nowhere else"
            yield warning("T017", f"{at('nats.imports', index)}.subject", f"{text}: servers drop it", hint)


def t018_import_names_its_account(said: Statement[Account], context: Context) -> Iterator[Finding]:
    """An import has the key of its account where the export has `account_token_position`.

    Servers drop it otherwise, be it a wildcard, with a line in the log at debug level.
    """
    for index, item in enumerate(said.claims.body.imports):
        exporter = context.claims.get(item.account)
        if exporter is None or not isinstance(exporter.body, Account):
            continue
        subject = item.to if item.type == "service" and item.to else item.subject
        export = export_of(exporter.body, item.type, subject)
        position = export.account_token_position if export else 0
        if position and subject.split(".")[position - 1 : position] != [said.claims.sub]:
            text = (
                f"token {position} of {cited(subject)} is not the key of this account, as the export requires"
            )
            hint = f"write {said.claims.sub} there"
            yield warning("T018", f"{at('nats.imports', index)}.subject", f"{text}: servers drop it", hint)


def t019_activation_is_of_use(said: Statement[Activation], context: Context) -> Iterator[Finding]:
    """An activation is for another account than the one that exports, and for an export that requires one.

    Anybody imports a public export without it, and an account has what is its own.
    """
    account = account_of(said.claims, said.issuer, context.claims)
    if account is None:
        return
    if said.claims.sub == account.sub:
        yield warning("T019", "sub", "is the account that exports: it requires no activation", "sign none")
        return
    body = said.claims.body
    export = export_of(account.body, body.import_type, body.subject)
    if export and not export.token_req:
        text = f"{cited(export.subject)} is a public export: everybody may import it without an activation"
        yield warning("T019", "nats.subject", text, "make the export private, or sign none")


_last: list[tuple[Mapping[str, Claims[Any]], frozenset[tuple[str, int]]]] = []


def _cyclic(claims: Mapping[str, Claims[Any]]) -> frozenset[tuple[str, int]]:
    """Return which imports are on a cycle: key of the account and index.

    The last answer is remembered: each account of a store asks it of the same claims, and the work is that of
    the imports of all accounts, once.
    """
    for known, found in _last:
        if known is claims:
            return found
    found = frozenset(_found_cyclic(claims))
    _last[:] = [(claims, found)]
    return found


def _found_cyclic(claims: Mapping[str, Claims[Any]]) -> Iterator[tuple[str, int]]:
    """Yield the imports on cycles; subjects are compared only among accounts that import from each other."""
    imports = {key: one.body.imports for key, one in claims.items() if isinstance(one.body, Account)}
    accounts: _Graph = {
        key: list({item.account for item in items if item.account in imports and item.account != key})
        for key, items in imports.items()
    }
    for ring in _rings(accounts):
        members = set(ring)
        inside = {
            (key, index): item
            for key in ring
            for index, item in enumerate(imports[key])
            if item.account in members and item.account != key
        }
        of_account: dict[str, list[tuple[str, int]]] = {}
        for node in inside:
            of_account.setdefault(node[0], []).append(node)
        sources: _Graph = {
            node: [other for other in of_account.get(item.account, ()) if _feeds(inside[other], item)]
            for node, item in inside.items()
        }
        for found in _rings(sources):
            yield from found


def _feeds(earlier: Import, item: Import) -> bool:
    """Tell whether *item* takes from its exporter what that one has by *earlier*."""
    here = to_subject(earlier.local_subject) or earlier.subject
    return earlier.type == item.type and overlap(here, item.subject)


def _rings(graph: _Graph) -> Iterator[list[Any]]:
    """Yield the sets of more than one node of *graph* that reach each other (Tarjan, without recursion)."""
    number: dict[Any, int] = {}
    low: dict[Any, int] = {}
    path: list[Any] = []
    on_path: set[Any] = set()
    for root in filter(lambda node: node not in number, graph):
        work = [(root, iter(graph[root]))]
        while work:
            node, rest = work[-1]
            if node not in number:
                number[node] = low[node] = len(number)
                path.append(node)
                on_path.add(node)
            following = next(rest, None)
            if following is not None:
                if following not in number:
                    work.append((following, iter(graph[following])))
                elif following in on_path:
                    low[node] = min(low[node], number[following])
                continue
            work.pop()
            if work:
                parent, _ = work[-1]
                low[parent] = min(low[parent], low[node])
            if low[node] == number[node]:
                ring = _taken(path, node)
                on_path.difference_update(ring)
                if len(ring) > 1:
                    yield ring


def _taken(path: list[Any], node: object) -> list[Any]:
    """Take the nodes off *path* back to *node*, and return them."""
    ring = [path.pop()]
    while ring[-1] != node:
        ring.append(path.pop())
    return ring


ACCOUNT_RULES = (
    c123_import_is_from_another_account,
    t017_imports_form_no_cycle,
    t018_import_names_its_account,
)
"""For accounts."""

ACTIVATION_RULES = (t019_activation_is_of_use,)
"""For activations."""
