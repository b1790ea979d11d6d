"""Which subjects claims give access to, and where they say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless.claims import Account, Activation, Permissions, Scope, Template, User
from seedless.subject import is_contained_in
from seedless.trust import carries_nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement

EVERYTHING = ">"


@dataclass(frozen=True, slots=True)
class Grant:
    """A subject that is given access to, what is denied of it, and where that stands."""

    where: str
    subject: str
    denied: tuple[str, ...] = ()

    def is_as_wide_as(self, subject: str) -> bool:
        """Tell whether all of *subject* is within the grant."""
        return is_contained_in(subject, self.subject)

    def reaches(self, subject: str) -> bool:
        """Tell whether a message can be of both *subject* and the grant, and is not denied."""
        if any(is_contained_in(subject, denied) for denied in self.denied):
            return False
        return _overlap(self.subject.split("."), subject.split("."))


def grants(said: Statement[Any], context: Context) -> Iterator[Grant]:
    """Yield what the claims give access to: allowed, exported, activated.

    No allowed subjects at all are everything; but a user with no permissions of its own has the account's
    defaults, and one of a scope has what its scope gives, which is judged with the account.
    """
    body = said.claims.body
    match body:
        case User():
            if not _is_scoped(said, context):
                yield from _permitted(_own_or_default(body, said, context), "nats")
        case Account():
            if body.default_permissions != Permissions():
                yield from _permitted(body.default_permissions, "nats.default_permissions")
            for index, entry in enumerate(body.signing_keys):
                if isinstance(entry, Scope):
                    yield from _permitted(entry.template, f"nats.signing_keys[{index}].template")
            for index, export in enumerate(body.exports):
                yield Grant(f"nats.exports[{index}].subject", _plain(export.subject))
        case Activation():
            yield Grant("nats.subject", _plain(body.subject))


def _is_scoped(said: Statement[Any], context: Context) -> bool:
    body: User = said.claims.body
    account = context.claims.get(body.issuer_account)
    if account is None or not isinstance(account.body, Account):
        return False
    scopes = {entry.key for entry in account.body.signing_keys if isinstance(entry, Scope)}
    return said.issuer in scopes and carries_nothing(body)


def _own_or_default(user: User, said: Statement[Any], context: Context) -> User | Permissions:
    if user.pub.allow or user.pub.deny or user.sub.allow or user.sub.deny or user.resp:
        return user
    account = context.claims.get(user.issuer_account or said.issuer)
    if account is None or not isinstance(account.body, Account):
        return user
    return account.body.default_permissions


def _permitted(permitted: User | Template | Permissions, path: str) -> Iterator[Grant]:
    for name, permission in (("pub", permitted.pub), ("sub", permitted.sub)):
        denied = tuple(_plain(subject) for subject in permission.deny)
        place = f"{path}.{name}.allow"
        for index, subject in enumerate(permission.allow):
            yield Grant(f"{place}[{index}]", _plain(subject), denied)
        if not permission.allow and not (name == "pub" and permitted.resp):
            yield Grant(place, EVERYTHING, denied)


def _plain(subject: str) -> str:
    """Return *subject* without a queue, what a template fills in as `*`."""
    first = subject.partition(" ")[0] if "{{" not in subject else subject
    return ".".join("*" if "{{" in token else token for token in first.split("."))


def _overlap(one: list[str], other: list[str]) -> bool:
    if one[0] == EVERYTHING and len(one) == 1:
        return True
    if other[0] == EVERYTHING and len(other) == 1:
        return True
    if one[0] != other[0] and "*" not in {one[0], other[0]}:
        return False
    if len(one) == 1 or len(other) == 1:
        return len(one) == len(other)
    return _overlap(one[1:], other[1:])
