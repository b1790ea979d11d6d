"""Claims rules for imports: of one account, and beside the accounts that export.

Source: nats-io/jwt v2.8.2, imports.go, types.go `RenamingSubject`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from seedless.claims import Account
from seedless.findings import error, warning
from seedless.rules.formats import cited
from seedless.rules.places import tokens
from seedless.rules.trust import export_of
from seedless.subject import SubjectIndex, is_contained_in, overlap, references, to_subject
from seedless.trust import account_of
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.change import Context, Statement
    from seedless.claims import Activation, Import
    from seedless.findings import Finding
    from seedless.jwt import Claims


# imports.go:128-160. What is compared is `to`, else the local subject with `*` for `$n`, else the
# subject.
def c022_service_imports_do_not_overlap(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Services imported from one account have local subjects of which none contains another.

    A request on a subject of both would go to one of them, and which one is not stated.
    """
    services = [(path, subject, account) for path, subject, account, _ in _services(statement)]
    overlapping = _overlapping(services)
    earlier: set[tuple[str, str]] = set()
    for path, subject, account in services:
        for other in sorted(overlapping[account, subject]):
            if (account, other) in earlier:
                text = f"{cited(subject)} overlaps with {cited(other)}, also from {cited(account)}"
                yield error("C022", path, text, "give another local_subject")
        earlier.add((account, subject))


# imports.go:128-160. An identical pair breaks this rule and C022, as in the library.
def c023_service_imports_are_not_repeated(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """No two services imported from one account have the same local subject.

    One of them could never be reached.
    """
    for path, subject, account, earlier in _services(statement):
        if subject in earlier:
            text = f"{cited(subject)} is imported from {cited(account)} already"
            yield error("C023", path, text, "give another local_subject, or leave one out")


def c024_only_stream_imports_trace(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Only an import of a stream may allow traces.

    Whether a service may be traced is stated where it is exported.
    """
    for path, item in _imports(statement):
        if item.type == "service" and item.allow_trace:
            yield error("C024", f"{path}.allow_trace", "only imports of streams have it", "leave it out")


# imports.go:62-122. The library looks only whether it is empty, not whether it is a key: that is C108.
def c025_import_names_its_account(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An import states from which account it is.

    Servers refuse one that does not.
    """
    for path, item in _imports(statement):
        if not item.account:
            yield error("C025", f"{path}.account", "does not name its account", "give its key, A…")


def c026_to_is_deprecated(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An import is renamed by `local_subject`; `to` is its old name.

    Servers still obey `to`; of a service it means the other side.
    """
    for path, item in _imports(statement):
        if item.to:
            yield warning("C026", f"{path}.to", "is deprecated", "write local_subject")


def c027_local_subject_replaces_to(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An import has `local_subject` or `to`, not both.

    They may contradict each other.
    """
    for path, item in _imports(statement):
        if item.local_subject and item.to:
            yield error("C027", f"{path}.to", "is set beside local_subject", "leave it out")


def c028_renaming_ends_alike(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A local subject and the subject that it renames both end in `>`, or neither does.

    The rest of a subject cannot be dropped, nor come from nowhere.
    """
    for path, item in _renamed(statement):
        if _has_rest(item.local_subject) != _has_rest(item.subject):
            text = f"{cited(item.local_subject)} and {cited(item.subject)} do not both end in >"
            yield error("C028", path, text, "end both in >, or neither")


# types.go:107-144. Go's Atoi reads the number, so `$01`, `$+1` and `$-1` are references too.
def c029_references_exist(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A local subject refers to wildcards that its subject has: `$2` to the second `*`.

    Servers refuse a reference to nothing.
    """
    for path, item in _renamed(statement):
        stars = _stars(item.subject)
        for number in references(item.local_subject):
            if number > stars:
                text = f"refers to ${number}, but {cited(item.subject)} has {stars} wildcards *"
                yield error("C029", path, text, "refer to one that is there")


def c030_wildcards_are_kept(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A local subject takes over every `*` of its subject, as `*` or as a reference.

    Otherwise messages of several subjects could not be distinguished.
    """
    for path, item in _renamed(statement):
        stars = _stars(item.subject)
        covered = [number for number in references(item.local_subject) if number <= stars]
        used = len(covered) + _stars(item.local_subject)
        if used != stars:
            text = f"takes over {used} wildcards, but {cited(item.subject)} has {stars}"
            yield error("C030", path, text, "write $1, $2, … for each *")


def c031_only_service_imports_share(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Only an import of a service shares who asks.

    `share` informs the exporting account about the client, for its measurements of latency.
    """
    for path, item in _imports(statement):
        if item.share and item.type != "service":
            yield error("C031", f"{path}.share", "only imports of services have it", "leave it out")


def c032_activation_is_readable(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The token of an import is an activation jwt whose signature verifies.

    Servers refuse the account otherwise; a URL is no longer taken.
    """
    for path, _item, activation in tokens(statement.claims.body):
        if activation is None:
            yield error(
                "C032", path, "is not an activation jwt that can be read", "ask the exporting account"
            )


def c033_activation_is_by_the_exporter(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An activation is issued by the account that is imported from, or in its name.

    Permission by anybody else is not a permission.
    """
    for path, item, activation in tokens(statement.claims.body):
        if activation is None:
            continue
        if item.account not in {str(activation.issuer), activation.claims.body.issuer_account}:
            text = f"the activation is not by {cited(item.account)}, which is imported from"
            yield error("C033", path, text, "ask the exporting account for another")


def c034_activation_is_for_this_account(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An activation is for the account that has it.

    Permission for one account is not a permission for another.
    """
    for path, _item, activation in tokens(statement.claims.body):
        if activation is not None and activation.claims.sub != statement.claims.sub:
            text = f"the activation is for {cited(activation.claims.sub)}"
            yield error("C034", path, text, "ask the exporting account for one for this account")


def c035_activation_is_of_its_kind(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An activation is for a stream where a stream is imported, and for a service where a service is.

    One does not represent the other.
    """
    for path, item, activation in tokens(statement.claims.body):
        if activation is not None and activation.claims.body.import_type != item.type:
            kind = activation.claims.body.import_type or "nothing"
            text = f"the activation is for {kind}, the import of a {item.type or 'nothing'}"
            yield error("C035", path, text, "correct the type, or ask for another activation")


def c036_activation_covers_the_subject(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The subject of an import is within that of its activation.

    An activation for `orders.eu.*` does not permit `orders.>`.
    """
    for path, item, activation in tokens(statement.claims.body):
        if activation is None:
            continue
        subject = item.to if item.type == "service" and item.to else item.subject
        allowed = activation.claims.body.subject
        if not is_contained_in(subject, allowed):
            text = f"the activation is for {cited(allowed)}, which does not contain {cited(subject)}"
            yield error("C036", path, text, "import less, or ask for another activation")


def _imports(statement: Statement[Account]) -> Iterator[tuple[str, Import]]:
    for index, item in enumerate(statement.claims.body.imports):
        yield at("nats.imports", index), item


def _renamed(statement: Statement[Account]) -> Iterator[tuple[str, Import]]:
    """Yield the imports that are renamed, with the path of the local subject."""
    for path, item in _imports(statement):
        if item.local_subject:
            yield f"{path}.local_subject", item


def _services(statement: Statement[Account]) -> Iterator[tuple[str, str, str, set[str]]]:
    """Yield path, local subject and account of each imported service, and its predecessors' subjects."""
    earlier: dict[str, set[str]] = {}
    for path, item in _imports(statement):
        if item.type == "service":
            subject = item.to or to_subject(item.local_subject) or item.subject
            before = earlier.setdefault(item.account, set())
            yield path, subject, item.account, before
            before.add(subject)


def _overlapping(services: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], set[str]]:
    """Return the subjects that contain, or are contained in, each subject, itself included, by account."""
    of_accounts: dict[str, dict[str, None]] = defaultdict(dict)
    for _path, subject, account in services:
        of_accounts[account][subject] = None
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for account, subjects in of_accounts.items():
        index = SubjectIndex(subjects)
        for subject in subjects:
            for other in index.containing(subject):
                found[account, subject].add(other)
                found[account, other].add(subject)
    return found


def _has_rest(subject: str) -> bool:
    return subject == ">" or subject.endswith(".>")


def _stars(subject: str) -> int:
    return subject.split(".").count("*")


RULES = (
    c022_service_imports_do_not_overlap,
    c023_service_imports_are_not_repeated,
    c024_only_stream_imports_trace,
    c025_import_names_its_account,
    c026_to_is_deprecated,
    c027_local_subject_replaces_to,
    c028_renaming_ends_alike,
    c029_references_exist,
    c030_wildcards_are_kept,
    c031_only_service_imports_share,
    c032_activation_is_readable,
    c033_activation_is_by_the_exporter,
    c034_activation_is_for_this_account,
    c035_activation_is_of_its_kind,
    c036_activation_covers_the_subject,
)
"""For the imports of accounts."""


_Graph = dict[Any, list[Any]]


def c123_import_is_from_another_account(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account imports nothing from itself.

    What it exports it has already: servers deliver each message twice, as it was published and as it is
    imported.
    """
    for index, item in enumerate(statement.claims.body.imports):
        if item.account == statement.claims.sub:
            text = "is the account itself: each message is delivered twice"
            yield warning("C123", f"{at('nats.imports', index)}.account", text, "remove the import")


def t017_imports_form_no_cycle(statement: Statement[Account], context: Context) -> Iterator[Finding]:
    """What an account imports does not come from itself, by way of others.

    Servers drop an import that closes a cycle when they load the account, with a line in the log at debug
    level. Which of the imports that is depends on which account is loaded first.
    """
    cyclic = _cyclic(context.claims)
    for index, item in enumerate(statement.claims.body.imports):
        if (statement.claims.sub, index) in cyclic:
            exporter = context.claims[item.account]
            text = (
                f"{cited(item.subject)} of account {cited(exporter.name)} comes from this account in the end"
            )
            hint = "remove the import, or give it a local subject that goes nowhere else"
            yield warning("T017", f"{at('nats.imports', index)}.subject", f"{text}: servers drop it", hint)


def t018_import_names_its_account(statement: Statement[Account], context: Context) -> Iterator[Finding]:
    """An import has the key of its account where the export has `account_token_position`.

    Servers drop it otherwise, be it a wildcard, with a line in the log at debug level.
    """
    for index, item in enumerate(statement.claims.body.imports):
        exporter = context.claims.get(item.account)
        if exporter is None or not isinstance(exporter.body, Account):
            continue
        subject = item.to if item.type == "service" and item.to else item.subject
        export = export_of(exporter.body, item.type, subject)
        position = export.account_token_position if export else 0
        if position and subject.split(".")[position - 1 : position] != [statement.claims.sub]:
            text = (
                f"token {position} of {cited(subject)} is not the key of this account, as the export requires"
            )
            hint = f"write {statement.claims.sub} there"
            yield warning("T018", f"{at('nats.imports', index)}.subject", f"{text}: servers drop it", hint)


def t019_activation_is_required(statement: Statement[Activation], context: Context) -> Iterator[Finding]:
    """An activation is for another account than the one that exports, and for an export that requires one.

    Anybody imports a public export without it, and an account has what is its own.
    """
    account = account_of(statement.claims, statement.issuer, context.claims)
    if account is None:
        return
    if statement.claims.sub == account.sub:
        yield warning("T019", "sub", "is the account that exports: it requires no activation", "sign none")
        return
    body = statement.claims.body
    export = export_of(account.body, body.import_type, body.subject)
    if export and not export.token_req:
        text = f"{cited(export.subject)} is a public export: everybody may import it without an activation"
        yield warning("T019", "nats.subject", text, "make the export private, or sign none")


_last: list[tuple[Mapping[str, Claims[Any]], frozenset[tuple[str, int]]]] = []


def _cyclic(claims: Mapping[str, Claims[object]]) -> frozenset[tuple[str, int]]:
    """Return which imports are on a cycle: key of the account and index.

    The last answer is remembered: each account of a store asks it of the same claims, and the work is that of
    the imports of all accounts, once.
    """
    for known, found in _last:
        if known is claims:
            return found
    found = frozenset(_cyclic_accounts(claims))
    _last[:] = [(claims, found)]
    return found


def _cyclic_accounts(claims: Mapping[str, Claims[Any]]) -> Iterator[tuple[str, int]]:
    """Yield the imports on cycles; subjects are compared only among accounts that import from each other."""
    imports = {
        key: account.body.imports for key, account in claims.items() if isinstance(account.body, Account)
    }
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
    """Report whether *item* takes from its exporter what that one has by *earlier*."""
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


def _taken(path: list[object], node: object) -> list[object]:
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

ACTIVATION_RULES = (t019_activation_is_required,)
"""For activations."""
