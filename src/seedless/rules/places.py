"""Where claims hold what several rules look at: subjects, permissions, activation tokens, descriptions.

Each comes with its path. What is named is what the official library validates, as often as it does.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from seedless import jwt
from seedless.claims import Account, Activation, Import, User
from seedless.errors import BadJwt, BadSignature
from seedless.wire import at, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedless.claims import Export, Permission, Permissions, Template
    from seedless.jwt import Claims, Jwt

T = TypeVar("T")

_SUBJECT_AND_QUEUE = 2


class ClaimText(NamedTuple):
    """A text and where it is."""

    path: str
    text: str


class PermissionEntry(NamedTuple):
    """An entry of a permission: its path, its text, and whether it may name a queue."""

    path: str
    text: str
    may_queue: bool


class Description(NamedTuple):
    """What is stated for people about an account or an export."""

    path: str
    description: str
    info_url: str


class ActivationToken(NamedTuple):
    """An import with an activation token, and the activation, or None when the token is none."""

    path: str
    item: Import
    activation: Jwt[Activation] | None


@functools.lru_cache
def _activation(token: str) -> Jwt[Activation] | None:
    """Read *token* once for all rules: its signature is verified each time that it is read."""
    try:
        found = jwt.read(token)
    except (BadJwt, BadSignature):
        return None
    return found if isinstance(found.claims.body, Activation) else None


def tokens(account: Account) -> Iterator[ActivationToken]:
    """Yield the imports of *account* that have an activation token."""
    for index, item in enumerate(account.imports):
        if item.token:
            yield ActivationToken(f"{at('nats.imports', index)}.token", item, _activation(item.token))


def activations(claims: Claims[object]) -> Iterator[tuple[str, Activation]]:
    """Yield each activation in *claims*: itself, or those of its imports."""
    if isinstance(claims.body, Activation):
        yield "nats", claims.body
    elif isinstance(claims.body, Account):
        for token in tokens(claims.body):
            if token.activation:
                yield token.path, token.activation.claims.body


def _once(walk: Callable[[Claims[Any]], Iterator[T]]) -> Callable[[Claims[Any]], tuple[T, ...]]:
    """Return *walk* so that it walks claims once for all rules, which look at the same claims in turn."""
    last: tuple[Claims[Any] | None, tuple[T, ...]] = None, ()

    @functools.wraps(walk)
    def walked(claims: Claims[Any]) -> tuple[T, ...]:
        nonlocal last
        known, found = last
        if known is not claims:
            found = tuple(walk(claims))
            last = claims, found
        return found

    return walked


@_once
def exports(claims: Claims[Account]) -> Iterator[tuple[str, Export]]:
    """Yield the exports of an account, each with its path."""
    for index, export in enumerate(claims.body.exports):
        yield at("nats.exports", index), export


def described(account: Account) -> Iterator[Description]:
    """Yield what is stated for people about *account* and its exports."""
    yield Description("nats", account.description, account.info_url)
    for index, export in enumerate(account.exports):
        yield Description(at("nats.exports", index), export.description, export.info_url)


@_once
def permissions(claims: Claims[object]) -> Iterator[PermissionEntry]:
    """Yield every entry of the permissions of a user, or of the default permissions of an account."""
    if isinstance(claims.body, User):
        yield from entries(claims.body, "nats")
    elif isinstance(claims.body, Account):
        yield from entries(claims.body.default_permissions, "nats.default_permissions")


def entries(permissions_of: Permissions | User | Template, path: str) -> Iterator[PermissionEntry]:
    """Yield every entry of the permissions of *permissions_of* at *path*; a queue is for subscribers."""
    sides: tuple[tuple[str, Permission, bool], ...] = (
        ("sub", permissions_of.sub, True),
        ("pub", permissions_of.pub, False),
    )
    for name, side, may_queue in sides:
        for kind, texts in (("allow", side.allow), ("deny", side.deny)):
            for index, text in enumerate(texts):
                yield PermissionEntry(at(f"{path}.{name}.{kind}", index), text, may_queue)


@_once
def subjects(claims: Claims[object]) -> Iterator[ClaimText]:
    """Yield every subject of *claims*; of a permission its subject, and its queue likewise."""
    for entry in permissions(claims):
        parts = entry.text.split(" ")
        if len(parts) <= _SUBJECT_AND_QUEUE:
            yield from (ClaimText(entry.path, part) for part in parts)
    for path, activation in activations(claims):
        yield ClaimText(f"{path}.subject", activation.subject)
    if isinstance(claims.body, Account):
        yield from _of_imports(claims.body)
        yield from _of_exports(claims.body)
        yield from _of_mappings(claims.body)


def _of_imports(account: Account) -> Iterator[ClaimText]:
    for index, item in enumerate(account.imports):
        path = at("nats.imports", index)
        yield ClaimText(f"{path}.subject", item.subject)
        if item.local_subject:
            yield ClaimText(f"{path}.local_subject", item.local_subject)


def _of_exports(account: Account) -> Iterator[ClaimText]:
    for index, item in enumerate(account.exports):
        path = at("nats.exports", index)
        yield ClaimText(f"{path}.subject", item.subject)
        if item.service_latency:
            yield ClaimText(f"{path}.service_latency.results", item.service_latency.results)


def _of_mappings(account: Account) -> Iterator[ClaimText]:
    for source, targets in account.mappings.items():
        path = join("nats.mappings", source)
        yield ClaimText(path, source)
        for index, target in enumerate(targets):
            yield ClaimText(f"{at(path, index)}.subject", target.subject)
