"""The rule table of an auth callout: from an identity to an account, a role or permissions, a validity.

The first rule whose conditions hold decides; where none does, the login is refused. A rule that matches and
cannot be filled, as where an attribute is absent, refuses too: a later rule might give more.

Source networks and types of connection are conditions here because servers accept `src` and
`allowed_connection_types` of users that a callout answers, and enforce neither (measured with nats-server
2.15.1). Values of an identity are put into names, tags and subjects only where they are one token of a
subject: scopes expand `{{name()}}` and `{{tag(x)}}` with the text as it is, and `*` would be a wildcard.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from seedless import units
from seedless.claims import Permission, Permissions
from seedless.claims.bodies import ResponsePermission
from seedless.claims.jetstream import KINDS, JetStreamPermissions, allow
from seedless.claims.templates import is_plain_token
from seedless.errors import InvalidValue, Refused, UsageError
from seedless.serve.login import Identity, Login, LoginGrant
from seedless.strict_json import Parsed
from seedless.subject import is_subject, subject_and_queue
from seedless.text import brief, quoted

__all__ = [
    "Condition",
    "ConnectionType",
    "Rule",
    "connection_type",
    "decide",
    "is_from",
    "is_user_name",
    "require_tag",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ConnectionType = Literal["STANDARD", "WEBSOCKET", "LEAFNODE", "MQTT"]
_TYPES: dict[str, ConnectionType] = {"nats": "STANDARD", "websocket": "WEBSOCKET", "mqtt": "MQTT"}
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")
_MOST_VALUES = 256  # that one text may become; servers take 4,096 subjects of a list
_Values = Mapping[str, tuple[str, ...]]


def _span(text: str) -> int:
    seconds = units.parse_span(text)
    if not seconds:
        raise InvalidValue("is not a time at all: write 15m, 12h, 30d")
    return seconds


Span = Annotated[int, Parsed("a span of time, as 15m, 12h, 30d", _span)]
_NETWORK = Parsed("a network, as 10.0.0.0/8 or 2001:db8::/32", ipaddress.ip_network)
_DURATION = Parsed("a duration, as 500ms, 5s, 1m", units.parse_duration)


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What has to hold of a login; each member that is given, and of a list one entry."""

    backends: Annotated[tuple[str, ...], Meta(description="names of the backends that proved the login")] = ()
    names: Annotated[
        tuple[str, ...], Meta(description="patterns of the identity's name: `*`, `?` and `[…]` as in a shell")
    ] = ()
    tags: Annotated[tuple[str, ...], Meta(description="patterns, likewise; one of the tags fits one")] = ()
    attributes: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description="patterns of each attribute; one of its values fits one"),
    ] = {}
    networks: Annotated[
        tuple[Annotated[Network, _NETWORK], ...],
        Meta(description="networks, one of which has the client's address"),
    ] = ()
    connections: Annotated[tuple[ConnectionType, ...], Meta(description="types of the connection")] = ()


class SubjectLists(msgspec.Struct, frozen=True):
    """Subjects that may and may not be used."""

    allow: Annotated[tuple[str, ...], Meta(description="subjects; none at all are everything")] = ()
    deny: Annotated[tuple[str, ...], Meta(description="subjects, which win over `allow`")] = ()


class Responses(msgspec.Struct, frozen=True):
    """Permission to respond to requests that were received."""

    max: Annotated[int, Meta(description="messages to each request")] = 1
    ttl: Annotated[int, _DURATION, Meta(description="how long after the request")] = 0


class RulePermissions(msgspec.Struct, frozen=True):
    """What may be published and subscribed; the names are those of claims."""

    pub: Annotated[SubjectLists, Meta(description="what may be published")] = SubjectLists()
    sub: Annotated[
        SubjectLists, Meta(description="what may be subscribed; `subject queue` names a queue group")
    ] = SubjectLists()
    resp: Annotated[Responses | None, Meta(description="the permission to respond")] = None
    jetstream: Annotated[
        JetStreamPermissions | None,
        Meta(description="what may be done with streams and buckets, as in desired-state files"),
    ] = None


class Rule(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One rule: a condition, and what a login gets for which it holds.

    `{{name}}` and `{{attribute}}` in `account`, `role`, `name`, `tags` and subjects are filled with values of
    the identity.
    """

    when: Annotated[Condition, Meta(description="the conditions; none at all hold for every login")] = (
        Condition()
    )
    refuse: Annotated[bool, Meta(description="refuse the login")] = False
    account: Annotated[str, Meta(description="the account; else the one that the backend states")] = ""
    role: Annotated[
        str,
        Meta(
            description="the role of a scoped signing key; else, without `permissions`, that of the backend"
        ),
    ] = ""
    permissions: Annotated[
        RulePermissions | None,
        Meta(description="in the place of a role; empty ones are the account's defaults"),
    ] = None
    validity: Annotated[Span | None, Meta(description="how long the user is valid; else `validity`")] = None
    tags: Annotated[tuple[str, ...], Meta(description="tags, beside those that the backend states")] = ()
    name: Annotated[str, Meta(description="the name of the user: one token of a subject")] = "{{name}}"

    def check(self) -> None:
        """Raise `InvalidValue` with the place in the rule for what can never be right."""
        if self.role and self.permissions is not None:
            raise InvalidValue("has a role and permissions: a role has its own", "permissions")
        given = (self.account, self.role, self.permissions, self.validity, self.tags)
        if self.refuse and any(given):
            raise InvalidValue("is given beside what a login gets", "refuse")
        for place, texts in self._texts():
            for text in texts:
                if re.search(r"\{\{|\}\}", _PLACEHOLDER.sub("", text)):
                    raise InvalidValue(f"has braces that are not a placeholder: {quoted(text)}", place)
        for place, subjects in _lists(self.permissions):
            for text in subjects:
                _require_subject(_PLACEHOLDER.sub("x", text), place)
        for tag in self.tags:
            require_tag(_PLACEHOLDER.sub("x", tag))
        if self.permissions is not None and self.permissions.jetstream is not None:
            names = _names(self.permissions)
            sample = {match: ("x",) for text in names for match in _PLACEHOLDER.findall(text)}
            _with_jetstream(Permissions(), self.permissions.jetstream, sample)

    def _texts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (
            ("account", (self.account,)),
            ("role", (self.role,)),
            ("name", (self.name,)),
            ("tags", self.tags),
            *_lists(self.permissions),
            ("permissions.jetstream", _names(self.permissions)),
        )


def _lists(permissions: RulePermissions | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if permissions is None:
        return ()
    return (
        ("permissions.pub.allow", permissions.pub.allow),
        ("permissions.pub.deny", permissions.pub.deny),
        ("permissions.sub.allow", permissions.sub.allow),
        ("permissions.sub.deny", permissions.sub.deny),
    )


def _require_subject(text: str, place: str) -> None:
    subject, queue = subject_and_queue(text) if ".sub." in place else (text, "")
    if not is_subject(subject) or (queue and not is_subject(queue)):
        raise InvalidValue(f"has {quoted(text)}, which is not a subject", place)


def is_user_name(text: str) -> bool:
    """Report whether *text* can name a user: one token of a subject, which logs can show as it is."""
    return is_plain_token(text) and text.isprintable()


def require_tag(tag: str) -> None:
    """Raise `InvalidValue` for a tag whose value would be more than one token of a subject."""
    _, colon, value = tag.partition(":")
    if not tag.isprintable() or " " in tag or not is_plain_token(value if colon else tag):
        raise InvalidValue(
            f"has {brief(tag)}: a tag's value is one token of a subject, without . * > and blanks",
            "tags",
        )


def connection_type(login: Login) -> ConnectionType | None:
    """Return the type of the connection in the words of user claims, None for one that is not known.

    A server states neither whether MQTT or a leaf node came by a websocket (2.15.1), so `MQTT` and `LEAFNODE`
    stand for both.
    """
    return "LEAFNODE" if login.kind == "Leafnode" else _TYPES.get(login.type)


def is_from(host: str, networks: tuple[Network, ...]) -> bool:
    """Report whether the address *host*, as servers state it, is in one of *networks*.

    A host that is not an address, as of a connection inside the server's process, is in none.
    """
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in networks)


def matches(condition: Condition, identity: Identity, login: Login) -> bool:
    """Report whether *condition* holds."""
    wanted = condition.attributes.items()
    return (
        (not condition.backends or identity.backend in condition.backends)
        and (not condition.names or _fits((identity.name,), condition.names))
        and (not condition.tags or _fits(identity.tags, condition.tags))
        and all(_fits(_several(identity.attributes.get(name, ())), patterns) for name, patterns in wanted)
        and (not condition.networks or is_from(login.host, condition.networks))
        and (not condition.connections or connection_type(login) in condition.connections)
    )


def _fits(values: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)


def _several(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def decide(
    rules: tuple[Rule, ...], identity: Identity, login: Login, *, validity: int, now: int
) -> LoginGrant:
    """Return what *identity* gets by the first of *rules* that matches; raise `Refused` for the log.

    *validity* in seconds is that of rules without one, *now* in Unix seconds. A grant ends with the proof.
    """
    for number, rule in enumerate(rules, 1):
        if matches(rule.when, identity, login):
            try:
                return _granted(rule, identity, validity, now)
            except InvalidValue as error:
                place = f"{error.path} " if error.path else ""
                raise Refused(f"rule {number}: {place}{error}") from error
    raise Refused("no rule matches")


def _granted(rule: Rule, identity: Identity, validity: int, now: int) -> LoginGrant:
    if rule.refuse:
        raise InvalidValue("refuses the login")
    values: _Values = {
        **{name: _several(value) for name, value in identity.attributes.items()},
        "name": (identity.name,),
        "backend": (identity.backend,),
    }
    name = _one("name", rule.name, values)
    if not is_user_name(name):
        raise InvalidValue(f"is {brief(name)}, which is not one token of a subject", "name")
    account = _one("account", rule.account, values) if rule.account else identity.account
    role = _one("role", rule.role, values) if rule.role else identity.role
    if not account:
        raise InvalidValue("is not given by the rule or the backend", "account")
    permissions = None if rule.permissions is None else _permissions(rule.permissions, values)
    if permissions is None and not role:
        raise InvalidValue("is not given by the rule or the backend, and there are no permissions", "role")
    tags = (*identity.tags, *itertools.chain(*(_filled("tags", tag, values) for tag in rule.tags)))
    for tag in tags:
        require_tag(tag)
    seconds = rule.validity or validity
    if identity.expires:
        seconds = min(seconds, identity.expires - now)
    if seconds <= 0:
        raise InvalidValue("the proof of the identity has expired")
    return LoginGrant(
        account=account,
        name=name,
        validity=seconds,
        role=role if permissions is None else None,
        permissions=permissions,
        tags=tuple(dict.fromkeys(tags)),
    )


def _permissions(given: RulePermissions, values: _Values) -> Permissions:
    made = {}
    for place, texts in _lists(given):
        made[place] = tuple(
            dict.fromkeys(
                subject for text in texts for subject in _filled(place, text, values, fits=is_plain_token)
            )
        )
        for subject in made[place]:
            _require_subject(subject, place)
    resp = None if given.resp is None else ResponsePermission(max=given.resp.max, ttl=given.resp.ttl)
    pub, sub = (
        Permission(allow=made[f"permissions.{side}.allow"], deny=made[f"permissions.{side}.deny"])
        for side in ("pub", "sub")
    )
    permissions = Permissions(pub=pub, sub=sub, resp=resp)
    return permissions if given.jetstream is None else _with_jetstream(permissions, given.jetstream, values)


def _names(permissions: RulePermissions | None) -> tuple[str, ...]:
    jetstream = None if permissions is None else permissions.jetstream
    if jetstream is None:
        return ()
    return (*(text for kind in KINDS for text in getattr(jetstream, kind)), jetstream.inbox_prefix or "")


def _with_jetstream(permissions: Permissions, given: JetStreamPermissions, values: _Values) -> Permissions:
    """Return *permissions* with what *given* allows, filled with *values*; raise `InvalidValue`."""
    place = "permissions.jetstream"
    lists = {
        kind: tuple(
            item for text in getattr(given, kind) for item in _filled(place, text, values, fits=_is_part)
        )
        for kind in KINDS
    }
    inbox = given.inbox_prefix and _one(place, given.inbox_prefix, values, fits=_is_part)
    try:
        return allow(permissions, replace(given, **lists, inbox_prefix=inbox))
    except UsageError as error:
        raise InvalidValue(f"has {error.message}", place) from error


def _is_part(value: str) -> bool:
    """Report whether *value* is one token, and no more than a part of `BUCKET:write`."""
    return is_plain_token(value) and ":" not in value


def _one(place: str, text: str, values: _Values, *, fits: Callable[[str], bool] = lambda _: True) -> str:
    filled = _filled(place, text, values, fits=fits)
    if len(filled) != 1:
        raise InvalidValue(f"becomes {len(filled)} values, and one is required", place)
    return filled[0]


def _filled(
    place: str, text: str, values: _Values, *, fits: Callable[[str], bool] = lambda _: True
) -> tuple[str, ...]:
    """Return what *text* becomes: with an attribute of several values, each of them, if it *fits*."""
    names = tuple(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(text)))
    lists: list[tuple[str, ...]] = []
    for name in names:
        # An entry that vanished without a value would widen what is denied, or empty what is allowed.
        if not values.get(name):
            raise InvalidValue(f"needs {quoted(name)}, which the identity does not have", place)
        for value in values[name]:
            if not fits(value):
                raise InvalidValue(
                    f"would contain {brief(value)}, which is not one token of a subject", place
                )
        lists.append(values[name])
    combinations = list(itertools.islice(itertools.product(*lists), _MOST_VALUES + 1))
    if len(combinations) > _MOST_VALUES:
        raise InvalidValue(f"becomes more than {_MOST_VALUES} values", place)
    return tuple(_substituted(text, dict(zip(names, chosen, strict=True))) for chosen in combinations)


def _substituted(text: str, chosen: Mapping[str, object]) -> str:
    return _PLACEHOLDER.sub(lambda match: str(chosen[match[1]]), text)
