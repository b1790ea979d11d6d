"""Who may sign for whom (Tnnn): what a server would refuse later, or take otherwise, is stated here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.claims import Account, Activation, Operator, User
from seedless.findings import error, warning
from seedless.rules.formats import cited
from seedless.rules.places import tokens
from seedless.subject import SubjectIndex
from seedless.trust import EVERYONE, account_of, carries_nothing, may_issue, scope_of
from seedless.units import moment
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from seedless.change import Context, Statement
    from seedless.claims import Export, Import
    from seedless.findings import Finding
    from seedless.jwt import Claims


# Measured with nats-server 2.15.1: an account that is signed by a stranger is answered with `200 jwt
# updated` and works on until the server restarts. Trust is tested on load only.
def t001_issuer_is_the_operator(
    statement: Statement[Operator | Account], context: Context
) -> Iterator[Finding]:
    """An operator or account jwt is issued by the operator's identity or one of its signing keys.

    A resolver stores an account that is signed by anybody, and refuses it at its next start. With
    `strict_signing_key_usage` the identity signs nothing but the operator itself. In a managed store, whose
    operator is somebody else, an account that signed itself is a request, and a warning states so.
    """
    own = isinstance(statement.claims.body, Operator)
    operator: Claims[Any] | None = statement.claims if own else context.operator
    if operator is None or may_issue(operator, statement.issuer, statement.claims):
        return
    if not own and context.managed and statement.issuer == statement.claims.sub:
        name = cited(operator.name)
        text = f"is a request, signed by itself: servers refuse it until operator {name} signs it"
        yield warning("T001", "iss", text, "send it to the operator, who runs: seedless import account FILE")
        return
    strict = operator.body.strict_signing_key_usage and statement.issuer == operator.sub
    text = f"{statement.issuer} is not a key that operator {cited(operator.name)} signs accounts with"
    if strict:
        text += ": it is strict, and requires a signing key"
    yield error("T001", "iss", text, "sign with the operator's key or one of its signing keys")


# account_claims.go:434-450, server/auth.go. A user by a signing key without `issuer_account` is refused:
# servers would look for the account under the signing key.
def t002_issuer_is_the_account(statement: Statement[User], context: Context) -> Iterator[Finding]:
    """A user is issued by its account or, with `issuer_account`, by one of the account's signing keys.

    A server finds the account by it, and refuses the login otherwise.
    """
    account = _account_of(statement, context)
    if account is None or not may_issue(account, statement.issuer, statement.claims):
        text = f"{statement.issuer} is not its account's key or one of its signing keys"
        yield error("T002", "iss", text, "sign with a key of the account; a signing key needs issuer_account")


# signingkeys.go:94-106: the user's permissions must be *deeply* equal to the zero struct. Not even an
# empty list may be in the jwt (`"src":[]`), nor the -1 that `NewUserClaims` writes.
def t003_scoped_user_carries_nothing(statement: Statement[User], context: Context) -> Iterator[Finding]:
    """A user of a scoped signing key has no permissions or limits of its own.

    The scope gives them. Servers refuse a user that has even one, be it a limit of -1.
    """
    account = _account_of(statement, context)
    if account is None or scope_of(account, statement.issuer) is None:
        return
    if not carries_nothing(statement.claims.body):
        text = "carries permissions or limits, and is issued by a scoped signing key, which gives them"
        yield error("T003", "nats", text, "leave them out, or sign with another key of the account")


# The system account has to be preloaded in the configuration, or in the folder of the resolver: nobody
# could log in to push it.
def t004_system_account_exists(statement: Statement[Operator], context: Context) -> Iterator[Finding]:
    """The system account that an operator names is known here.

    A server with such an operator does not start before it has the account.
    """
    key = statement.claims.body.system_account
    if key and key not in context.claims:
        text = f"names the system account {cited(key)}, which is not in the store"
        yield warning("T004", "nats.system_account", text, "add it, or servers will not start")


def t005_expiry_nests(
    statement: Statement[Account | User | Activation], context: Context
) -> Iterator[Finding]:
    """A jwt expires no later than the one above it: a user than its account, an account than its operator.

    When an account expires, its users are cut off, whatever their jwts state. Servers do not look at the
    expiry of an operator; other tools do.
    """
    parent = (
        context.operator if isinstance(statement.claims.body, Account) else _account_of(statement, context)
    )
    if parent is None or parent.exp <= 0:
        return
    if statement.claims.exp <= 0 or statement.claims.exp > parent.exp:
        text = f"outlives {parent.body.kind} {cited(parent.name)}, which expires first"
        yield warning("T005", "exp", text, "renew that one in time, or give an earlier expiry")


# revocation_list.go:71-83: revoked if `iat` is at or before the time of its subject, or of `*`.
def t006_revoked_stays_revoked(
    statement: Statement[User | Activation], context: Context
) -> Iterator[Finding]:
    """What is revoked is not issued again unnoticed.

    A revocation applies to every jwt issued at its time or before: one issued later is let in, one
    issued earlier is refused.
    """
    account = _account_of(statement, context)
    if account is None:
        return
    for revocations in _revocations(account.body, statement.claims.body):
        if _is_revoked_at(revocations, statement.claims.sub, statement.issued_at):
            until = max(revocations[key] for key in (statement.claims.sub, EVERYONE) if key in revocations)
            text = f"is {moment(statement.issued_at)}, and what is issued until {moment(until)} is revoked"
            yield warning(
                "T006",
                "iat",
                f"{text}: servers refuse it",
                "if that is meant, delete the jwt; else issue it again, or revoke less",
            )
        elif statement.claims.sub in revocations:
            yield warning(
                "T006", "sub", "was revoked, and this jwt is let in again", "unrevoke it to state so"
            )


# activation_claims.go and server/accounts.go (`checkActivation`).
def t007_activation_is_by_the_account(
    statement: Statement[Activation], context: Context
) -> Iterator[Finding]:
    """An activation is issued by the exporting account or, with `issuer_account`, by one of its signing keys.

    The official library believes the `issuer_account`; servers look whether the key is the account's.
    """
    account = _account_of(statement, context)
    if account is None or not may_issue(account, statement.issuer, statement.claims):
        text = f"{statement.issuer} is not the exporting account's key or one of its signing keys"
        yield error("T007", "iss", text, "sign with a key of the account; a signing key needs issuer_account")


def t008_activation_is_for_an_export(statement: Statement[Activation], context: Context) -> Iterator[Finding]:
    """An activation is for a subject of an export of its account, of the same kind.

    Permission to import what is not exported is of no use.
    """
    account = _account_of(statement, context)
    body = statement.claims.body
    if account is not None and export_of(account.body, body.import_type, body.subject) is None:
        text = f"account {cited(account.name)} exports no {body.import_type} {cited(body.subject)}"
        yield warning("T008", "nats.subject", text, "export it first")


def t009_import_is_exported(statement: Statement[Account], context: Context) -> Iterator[Finding]:
    """What is imported is exported by the account that it is from, as the same kind.

    Servers take the account, and the import stays dead.
    """
    for path, item, exporter, export in _known_imports(statement, context):
        if export is None:
            text = f"account {cited(exporter.name)} exports no {item.type} {cited(_subject(item))}"
            yield warning("T009", f"{path}.subject", text, "export it there first")


def t010_private_import_has_permission(statement: Statement[Account], context: Context) -> Iterator[Finding]:
    """The import of a private export has an activation.

    Without one servers do not connect it.
    """
    for path, item, exporter, export in _known_imports(statement, context):
        if export and export.token_req and not item.token:
            text = f"account {cited(exporter.name)} exports it to those with an activation"
            yield warning("T010", f"{path}.token", text, "ask that account for one")


def t011_permission_is_by_a_key_of_the_exporter(
    statement: Statement[Account], context: Context
) -> Iterator[Finding]:
    """The activation of an import is by a key that the exporting account has now.

    Servers drop the import when a signing key was taken out of that account.
    """
    for path, item, activation in tokens(statement.claims.body):
        exporter = _account(context, item.account)
        if exporter and activation and not may_issue(exporter, str(activation.issuer), activation.claims):
            account = cited(exporter.name)
            text = f"the activation is by {activation.issuer}, which is not a key of account {account}"
            yield warning("T011", path, text, "ask that account for another")


def t012_permission_is_not_revoked(statement: Statement[Account], context: Context) -> Iterator[Finding]:
    """The activation of an import is not revoked by the exporting account.

    Servers do not connect the import.
    """
    for path, item, activation in tokens(statement.claims.body):
        exporter = _account(context, item.account)
        if exporter is None or activation is None:
            continue
        for revocations in _revocations(exporter.body, activation.claims.body):
            if _is_revoked_at(revocations, activation.claims.sub, activation.issued_at):
                text = f"account {cited(exporter.name)} has revoked the activation"
                yield warning("T012", path, text, "ask that account for another")


# operator_claims.go:178-190 has the check for accounts; for users the server has one of its own.
def t013_strict_account_signs_no_users(statement: Statement[User], context: Context) -> Iterator[Finding]:
    """Under a strict operator a user is issued by a signing key of its account, not by the identity.

    Servers refuse the login. The official library's `DidSign` lets it pass.
    """
    operator = context.operator
    account = _account_of(statement, context)
    if operator is None or account is None or statement.issuer != account.sub:
        return
    if operator.body.strict_signing_key_usage:
        text = f"is issued by the identity of its account, and operator {cited(operator.name)} is strict"
        yield error("T013", "iss", text, "sign with a signing key of the account")


def t014_callout_needs_a_system_account(
    statement: Statement[Operator | Account], context: Context
) -> Iterator[Finding]:
    """An account has an auth callout only where the operator names a system account.

    A server without one ends at the first login that the callout decides on (seen with 2.15.1). At an
    operator it is judged by the accounts that are known.
    """
    own = isinstance(statement.claims.body, Operator)
    operator: Claims[Any] | None = statement.claims if own else context.operator
    if operator is None or operator.body.system_account:
        return
    for claims in context.claims.values() if own else (statement.claims,):
        if isinstance(claims.body, Account) and claims.body.authorization.auth_users:
            text = f"account {cited(claims.name)} has an auth callout, and the operator no system account"
            where = "nats.system_account" if own else "nats.authorization.auth_users"
            yield error("T014", where, text, "name one, or servers end at the first such login")


def _account(context: Context, key: str) -> Claims[Account] | None:
    known = context.claims.get(key)
    return known if known is not None and isinstance(known.body, Account) else None


def _account_of(statement: Statement[object], context: Context) -> Claims[Account] | None:
    """Return the account for which a user or an activation is issued, if it is known."""
    return account_of(statement.claims, statement.issuer, context.claims)


def _revocations(account: Account, body: User | Activation) -> Iterator[dict[str, int]]:
    """Yield the lists of *account* that may apply to *body*, as servers choose them."""
    if isinstance(body, User):
        yield account.revocations
        return
    yield from (export.revocations for export in _exports(account, body.import_type, body.subject))


def _is_revoked_at(revocations: dict[str, int], subject: str, issued_at: int) -> bool:
    """Report whether *revocations* apply to a jwt of *subject* that was issued then."""
    return any(key in revocations and issued_at <= revocations[key] for key in (subject, EVERYONE))


def export_of(account: Account, kind: str, subject: str) -> Export | None:
    """Return the first export of *account* that a *subject* of its *kind* is of, or None."""
    return next(iter(_exports(account, kind, subject)), None)


def _exports(account: Account, kind: str, subject: str) -> list[Export]:
    """Return the exports of *account* that a *subject* of its *kind* is of, in their order."""
    places, index = _indexed(account, kind)
    fitting = [place for found in index.containing(subject) for place in places[found]]
    return [account.exports[place] for place in sorted(fitting)]


def _indexed(account: Account, kind: str) -> tuple[Mapping[str, list[int]], SubjectIndex]:
    """Return where the exports of a *kind* are in *account*, by subject, and the index of their subjects.

    The last accounts are remembered: many import from one, each for several subjects.
    """
    key = (id(account), kind)
    if key in _indexes:
        owner, places, index = _indexes[key]
        if owner is account:
            return places, index
    fresh: dict[str, list[int]] = {}
    for place, export in enumerate(account.exports):
        if export.type == kind:
            fresh.setdefault(export.subject, []).append(place)
    if len(_indexes) >= _MOST_INDEXES:
        _indexes.clear()
    index = SubjectIndex(fresh)
    _indexes[key] = (account, fresh, index)
    return fresh, index


# By `id` and compared with `is`: hashing an account with thousands of exports costs more than the search.
# The entry keeps the account alive, so an id is not reused meanwhile.
_MOST_INDEXES = 256
_indexes: dict[tuple[int, str], tuple[Account, Mapping[str, list[int]], SubjectIndex]] = {}


def _subject(item: Import) -> str:
    """Return the subject of *item* at the exporting account."""
    return item.to if item.type == "service" and item.to else item.subject


def _known_imports(
    statement: Statement[Account], context: Context
) -> Iterator[tuple[str, Import, Claims[Account], Export | None]]:
    """Yield the imports from accounts that are known, and the export that each is of."""
    for index, item in enumerate(statement.claims.body.imports):
        exporter = _account(context, item.account)
        if exporter is not None:
            path = at("nats.imports", index)
            yield path, item, exporter, export_of(exporter.body, item.type, _subject(item))


RULES: dict[str, tuple[Callable[..., Iterator[Finding]], ...]] = {
    "operator": (
        t001_issuer_is_the_operator,
        t004_system_account_exists,
        t014_callout_needs_a_system_account,
    ),
    "account": (
        t001_issuer_is_the_operator,
        t005_expiry_nests,
        t009_import_is_exported,
        t010_private_import_has_permission,
        t011_permission_is_by_a_key_of_the_exporter,
        t012_permission_is_not_revoked,
        t014_callout_needs_a_system_account,
    ),
    "user": (
        t002_issuer_is_the_account,
        t003_scoped_user_carries_nothing,
        t005_expiry_nests,
        t006_revoked_stays_revoked,
        t013_strict_account_signs_no_users,
    ),
    "activation": (
        t005_expiry_nests,
        t006_revoked_stays_revoked,
        t007_activation_is_by_the_account,
        t008_activation_is_for_an_export,
    ),
}
"""For each kind of claims."""
