"""Which subjects claims give access to, and at which places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedless.claims import Account, Activation, Operator, Permissions, Scope, User, signing_key
from seedless.claims.templates import Filler, Unfillable, calls, filled, lists, widest
from seedless.subject import SubjectIndex, is_within, overlap, subject_and_queue, to_subject
from seedless.text import shown
from seedless.trust import account_of, carries_nothing, filler_of, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedless.change import Context, Statement
    from seedless.claims import Import, Template
    from seedless.jwt import Claims

EVERYTHING = ">"


@dataclass(frozen=True, slots=True)
class Grant:
    """A subject that is given access to, what is denied of it, and where that is.

    `entry` is what is written there, where servers take it for more.
    """

    where: str
    subject: str
    denied: SubjectIndex = field(default_factory=SubjectIndex)
    entry: str = ""

    @property
    def text(self) -> str:
        """The subject for people, and what was written for it."""
        return f"{shown(self.subject)} (by {shown(self.entry)})" if self.entry else shown(self.subject)

    def is_as_wide_as(self, subject: str) -> bool:
        """Return whether all of *subject* is within the grant."""
        return is_within(subject, self.subject)

    def reaches(self, subject: str) -> bool:
        """Return whether a message can be of both *subject* and the grant, and is not denied."""
        return overlap(self.subject, subject) and not self.denied.contain(subject)


@dataclass(frozen=True, slots=True)
class Passage:
    """What an account carries from one subject to another, whoever publishes: a mapping, an import."""

    where: str
    subjects: tuple[str, str]

    def reaches(self, reserved: Sequence[str]) -> tuple[str, ...]:
        """Return which of *reserved* have a way in or out: one end is theirs, the other is not reserved.

        What keeps its subject stays as reserved as it was.
        """
        if self.subjects[0] == self.subjects[1]:
            return ()
        found = {
            subject
            for near, far in (self.subjects, self.subjects[::-1])
            for subject in reserved
            if overlap(near, subject) and not any(is_within(far, other) for other in reserved)
        }
        return tuple(subject for subject in reserved if subject in found)


def grants(statement: Statement[Any], context: Context) -> Iterator[Grant]:
    """Yield what the claims give access to: allowed, exported, activated.

    No allowed subjects at all are everything; but a user with no permissions of its own has the account's
    defaults. What a scope gives is judged with the account, whichever users it may issue; where it has
    templates, also with each user that is signed, as they are filled for it.
    """
    body = statement.claims.body
    match body:
        case User():
            scope = _scope_of(statement, context)
            if scope is None:
                yield from _permitted(_own_or_default(body, statement, context), "nats")
            elif _has_templates(scope):
                yield from _filled(statement.claims, scope, context)
        case Account():
            if body.default_permissions != Permissions():
                yield from _permitted(body.default_permissions, "nats.default_permissions")
            for index, entry in enumerate(body.signing_keys):
                if isinstance(entry, Scope):
                    place = f"nats.signing_keys[{index}].template"
                    yield from _permitted(entry.template, place, filler_of(None, statement.claims))
            for index, export in enumerate(body.exports):
                yield Grant(f"nats.exports[{index}].subject", export.subject)
        case Activation():
            yield Grant("nats.subject", body.subject)


def passages(account: Account) -> Iterator[Passage]:
    """Yield what *account* carries between subjects, and what it imports and exports between accounts.

    A server asks nobody for permission when it maps what was imported, and none at the other account.
    """
    for source, targets in account.mappings.items():
        for index, target in enumerate(targets):
            ends = (source, _mapped(target.subject))
            yield Passage(f"nats.mappings.{source}[{index}].subject", ends)
    for index, item in enumerate(account.imports):
        yield Passage(f"nats.imports[{index}].subject", _ends(item))


def answers(statement: Statement[object], context: Context) -> Iterator[str]:
    """Yield where claims permit to answer: on whatever subject a request names, denied or not."""
    body = statement.claims.body
    match body:
        case User():
            scope = _scope_of(statement, context)
            if scope is None and _own_or_default(body, statement, context).resp:
                yield "nats.resp"
            elif scope and _has_templates(scope) and scope.template.resp:
                yield "nats"
        case Account():
            if body.default_permissions.resp:
                yield "nats.default_permissions.resp"
            for index, entry in enumerate(body.signing_keys):
                if isinstance(entry, Scope) and entry.template.resp:
                    yield f"nats.signing_keys[{index}].template.resp"


def _scope_of(statement: Statement[Any], context: Context) -> Scope | None:
    """Return the scope that issues a user; none also for one that servers refuse as it carries limits."""
    account = account_of(statement.claims, statement.issuer, context.claims)
    return scope_of(account, statement.issuer) if account and carries_nothing(statement.claims.body) else None


def _has_templates(scope: Scope) -> bool:
    return any(calls(entry) for _, entries in lists(scope.template) for entry in entries)


def _own_or_default(user: User, statement: Statement[object], context: Context) -> User | Permissions:
    # server/accounts.go:4136-4144: the defaults of the account hold for a user that has none of these at
    # all.
    if user.pub.allow or user.pub.deny or user.sub.allow or user.sub.deny or user.resp:
        return user
    account = account_of(statement.claims, statement.issuer, context.claims)
    return user if account is None else account.body.default_permissions


def _filled(user: Claims[User], scope: Scope, context: Context) -> Iterator[Grant]:
    account: Claims[Account] = context.claims[user.body.issuer_account]
    permitted = filled(scope.template, filler_of(user, account))
    if not isinstance(permitted, Unfillable):
        yield from _permitted(permitted, "nats")


def _permitted(
    permitted: User | Template | Permissions, path: str, filler: Filler | None = None
) -> Iterator[Grant]:
    """Yield what is permitted at *path*; with a *filler*, to any user that the scope may issue."""
    for name, permission in (("pub", permitted.pub), ("sub", permitted.sub)):
        denied = SubjectIndex(_denied(permission.deny, templates=filler is not None))
        place = f"{path}.{name}.allow"
        for index, entry in enumerate(permission.allow):
            for text in widest(entry, filler) if filler else (entry,):
                subject = subject_and_queue(text)[0]
                subject = _subscribed(subject) if name == "sub" else subject
                written = "" if subject == entry else entry
                yield Grant(f"{place}[{index}]", subject, denied, written)
        # `resp` alone turns off publishing everything (measured): only answers are left.
        if not permission.allow and not (name == "pub" and permitted.resp):
            yield Grant(place, EVERYTHING, denied)


def _subscribed(subject: str) -> str:
    """Return the widest that a permission to subscribe to *subject* lets in: for `a.*` it is `a.>`.

    Servers take the `>` of a subscription for one token that `*` allows (seen with nats-server 2.15.1), and
    then deliver all that is below.
    """
    return f"{subject[:-1]}{EVERYTHING}" if subject == "*" or subject.endswith(".*") else subject


def _denied(entries: Sequence[str], *, templates: bool) -> Iterator[str]:
    """Yield what is denied to everybody.

    An entry that names a queue denies that queue alone (measured with nats-server 2.15.1): whoever
    subscribes without one gets the messages. A template denies what it becomes for one user.
    """
    for entry in entries:
        if not subject_and_queue(entry)[1] and not (templates and calls(entry)):
            yield entry


def _mapped(target: str) -> str:
    """Return a subject within which a mapping's *target* stays; functions may give several tokens."""
    # What a function yields is not computed: `{{partition(3,1)}}` is any token, and `split` several. So
    # the widest is taken.
    kept: list[str] = []
    for token in to_subject(target).split("."):
        if "{{" in token or "}}" in token:
            return ".".join([*kept, EVERYTHING])
        kept.append(token)
    return ".".join(kept)


def _ends(item: Import) -> tuple[str, str]:
    """Return the subjects of *item* here and at the exporting account."""
    if item.local_subject:
        return to_subject(item.local_subject), item.subject
    if item.to:
        return (
            (item.subject, item.to) if item.type == "service" else (f"{item.to}.{item.subject}", item.subject)
        )
    return item.subject, item.subject


def named_keys(sub: str, body: object) -> Iterator[tuple[str, str, str]]:
    """Yield the keys that the claims of *sub* (key text) name: what they are in a policy, where, the key."""
    if isinstance(body, Operator):
        for index, key in enumerate(body.signing_keys):
            yield "signing-keys", f"nats.signing_keys[{index}]", key
        if body.system_account:
            yield "accounts", "nats.system_account", body.system_account
    if isinstance(body, Activation):
        yield "accounts", "sub", sub
    if isinstance(body, Account):
        for index, entry in enumerate(body.signing_keys):
            yield "signing-keys", f"nats.signing_keys[{index}]", signing_key(entry)
        for index, item in enumerate(body.imports):
            yield "accounts", f"nats.imports[{index}].account", item.account
        for index, key in enumerate(body.authorization.auth_users):
            yield "users", f"nats.authorization.auth_users[{index}]", key
        for index, key in enumerate(body.authorization.allowed_accounts):
            yield "accounts", f"nats.authorization.allowed_accounts[{index}]", key
