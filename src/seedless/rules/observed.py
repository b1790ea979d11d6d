"""Claims rules beyond the official library's: what servers and other tools do with claims."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from seedless.claims import NO_LIMIT, Account, Generic, JetStreamLimits, Operator, Scope, Template, User
from seedless.findings import error, warning
from seedless.nkey import Role
from seedless.rules.formats import cited, is_key
from seedless.rules.places import ClaimText, entries, permissions, subjects
from seedless.subject import subject_and_queue
from seedless.wire import at, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import Limits
    from seedless.findings import Finding


_NAMED = frozenset({"operator", "account", "user"})
_LIMITS = ("conn", "subs", "payload")
_CONNECTIONS = frozenset(
    {"STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"}
)
_UNSEEN = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f]")
_EVERYONE = "*"
_NOT_HERE = ("nats.default_permissions", "nats.mappings")  # looked at above, and by C116


# nsc and the folder layout address everything by name; servers use keys and do not look at it.
def c101_has_a_name(statement: Statement[Any], _: Context) -> Iterator[Finding]:
    """Operators, accounts and users have a name.

    Stores of jwts and their tools know them by it.
    """
    if statement.claims.body.kind in _NAMED and not statement.claims.name:
        yield warning("C101", "name", "has no name", "give it one")


# JSON drops zeros, so *no limits given* and *all limits zero* are the same bytes: an account without
# `conn` allows no connection, a user without `subs` is disconnected at once.
def c102_limits_let_something_through(statement: Statement[Any], context: Context) -> Iterator[Finding]:
    """A limit of 0 lets nothing through, and an absent limit is 0.

    Without `conn` an account has no connections, without `subs` a user is disconnected at once, without
    `payload` at its first message. In a scoped user limits are absent: the scope gives them.
    """
    body = statement.claims.body
    if isinstance(body, User) and _has_scope(statement, context):
        return
    limited, path = (body.limits, "nats.limits") if isinstance(body, Account) else (body, "nats")
    for name in _LIMITS:
        if getattr(limited, name, None) == 0:
            yield warning("C102", f"{path}.{name}", "a limit of 0 lets nothing through", "-1 is no limit")


# signingkeys.go:164: in a template an absent limit means -1, and an explicit 0 is dropped when it is
# written. A 0 does not survive the first tool that reads and writes the account.
def c103_scope_limits_survive(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A scope has no limit of 0.

    Other tools drop it when they write the account again, and in a scope an absent limit is none.
    """
    for path, template in _templates(statement):
        for name in _LIMITS:
            if getattr(template, name, None) == 0:
                text = "a limit of 0 becomes no limit when other tools write it again"
                yield warning("C103", f"{path}.{name}", text, "write 1, or deny the subjects")


def c104_subjects_are_printable(statement: Statement[Any], _: Context) -> Iterator[Finding]:
    """A subject has no tabs, line breaks or other characters that are not seen.

    The official library refuses blanks alone. The protocol divides its words with tabs as well: nobody can
    publish or subscribe to such a subject, and a person who reads it takes it for another.
    """
    places = [
        *subjects(statement.claims),
        *(ClaimText(path, text) for path, text, _ in permissions(statement.claims)),
    ]
    if isinstance(statement.claims.body, Account):
        for path, template in _templates(statement):
            places += [ClaimText(place, text) for place, text, _ in entries(template, path)]
    for path, text in dict.fromkeys(places):
        if _UNSEEN.search(text):
            yield warning("C104", path, f"{cited(text)} has white space or control characters", "retype it")


def c118_rest_is_last(statement: Statement[object], _: Context) -> Iterator[Finding]:
    """The wildcard `>` is the last token of a subject: `orders.>.x` matches nothing.

    Servers ignore a permission with such a subject, with a line in the log: what was to be denied is not.
    They drop imports and mappings of it, and nothing can be imported from such an export. Mappings are
    C116.
    """
    found = [ClaimText(path, subject_and_queue(text)[0]) for path, text, _ in permissions(statement.claims)]
    if not isinstance(statement.claims.body, User):
        found += [subject for subject in subjects(statement.claims) if not subject.path.startswith(_NOT_HERE)]
    for path, text in found:
        if ">" in text.split(".")[:-1]:
            hint = "end it in >, or write * for one token"
            yield error("C118", path, f"{cited(text)} has a > that is not last: servers ignore it", hint)


# server/client.go:6818-6839 compares in upper case and ignores what it does not know, unless nothing
# known is left: then the login is refused.
def c105_connection_types_are_known(statement: Statement[Any], _: Context) -> Iterator[Finding]:
    """A connection type is one that servers know; upper and lower case do not count.

    Servers ignore others, and when none is left that they know, they refuse the login.
    """
    limited: list[tuple[str, User | Template]] = []
    if isinstance(statement.claims.body, Account):
        limited += _templates(statement)
    elif isinstance(statement.claims.body, User):
        limited.append(("nats", statement.claims.body))
    for path, limits in limited:
        types = limits.allowed_connection_types
        unknown = [kind for kind in types if kind.upper() not in _CONNECTIONS]
        for index, kind in enumerate(types):
            if kind in unknown:
                rest = (
                    "it is ignored" if len(unknown) < len(types) else "none is left, and logins are refused"
                )
                text = f"{cited(kind)} is not a connection type: {rest}"
                place = at(f"{path}.allowed_connection_types", index)
                yield error("C105", place, text, f"one of {', '.join(sorted(_CONNECTIONS))}")


# types.go:426-461: the library's Add and Contains fold to lower case, its JSON does not. A tag in upper
# case is one that `nsc edit --rm-tag` cannot find.
def c106_tags_are_in_lower_case(statement: Statement[Any], _: Context) -> Iterator[Finding]:
    """Tags are in lower case, without blanks around them.

    Tools write them so when they next touch the claims, and templates of scopes look for them so.
    """
    tags = () if isinstance(statement.claims.body, Generic) else statement.claims.body.tags
    for index, tag in enumerate(tags):
        if tag != tag.strip().lower():
            text = f"{cited(tag)} loses its case or blanks when other tools write it again"
            yield warning("C106", at("nats.tags", index), text, "write it in lower case")


# A revocation of what is not a key never matches. Servers and library take it.
def c107_revocations_name_keys(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Revocations of an account name users, those of an export accounts, or everyone (`*`).

    A name that is no such key revokes nothing.
    """
    account = statement.claims.body
    lists = [("nats.revocations", account.revocations, Role.USER)]
    for index, export in enumerate(account.exports):
        lists.append((f"{at('nats.exports', index)}.revocations", export.revocations, Role.ACCOUNT))
    for path, revocations, role in lists:
        for key in revocations:
            if key != _EVERYONE and not is_key(key, role):
                text = f"{cited(key)} is not a {role.name.lower()}'s public key: it revokes nothing"
                yield warning("C107", join(path, key), text, f"give one, {role.value}…, or *")


def c108_import_is_from_an_account(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The account that is imported from is named by an account key.

    The official library takes any text; servers find no account by it, and the import is dead.
    """
    for index, item in enumerate(statement.claims.body.imports):
        if item.account and not is_key(item.account, Role.ACCOUNT):
            text = f"{cited(item.account)} is not an account's public key"
            yield warning("C108", f"{at('nats.imports', index)}.account", text, "give one, A…")


def _templates(statement: Statement[Account]) -> Iterator[tuple[str, Template]]:
    for index, entry in enumerate(statement.claims.body.signing_keys):
        if isinstance(entry, Scope):
            yield f"{at('nats.signing_keys', index)}.template", entry.template


def _has_scope(statement: Statement[User], context: Context) -> bool:
    """Report whether the issuer is a scope of the account; also when the account is not known."""
    if not statement.claims.body.issuer_account:
        return False
    account = context.claims.get(statement.claims.body.issuer_account)
    if account is None or not isinstance(account.body, Account):
        return True
    return any(
        isinstance(entry, Scope) and entry.key == statement.issuer for entry in account.body.signing_keys
    )


RULES = (c101_has_a_name, c106_tags_are_in_lower_case)
"""For claims of every kind."""

HOLDER_RULES = (c102_limits_let_something_through, c105_connection_types_are_known)
"""For accounts and users."""

SUBJECT_RULES = (c104_subjects_are_printable, c118_rest_is_last)
"""For accounts, users and activations."""

ACCOUNT_RULES = (c103_scope_limits_survive, c107_revocations_name_keys, c108_import_is_from_an_account)
"""For accounts."""


_LIMITS_LIMITS = "nats.limits"
_OF_ALL = ("subs", "data", "payload")
_OF_ACCOUNTS = (*_OF_ALL, "conn", "leaf")
_OF_STORAGE = ("mem_storage", "disk_storage", "streams", "consumer")
_OF_32_BITS = ("subs", "payload", "conn", "leaf")
_MOST = 2**31 - 1


# A running server logs `jetstream can not be enabled on the system account`; at its next start it ends
# with that.
def c119_system_account_has_no_jetstream(
    statement: Statement[Operator | Account], context: Context
) -> Iterator[Finding]:
    """The system account has no JetStream.

    A server with JetStream does not start with such a system account: "Not allowed to enable JetStream on
    the system account". One that runs logs an error, and ends at its next start. At an operator it is
    judged by the account that it names.
    """
    own = isinstance(statement.claims.body, Operator)
    operator: Any = statement.claims.body if own else context.operator.body if context.operator else None
    if operator is None or not operator.system_account:
        return
    account = context.claims.get(operator.system_account) if own else statement.claims
    if account is None or account.sub != operator.system_account or not isinstance(account.body, Account):
        return
    if _has_storage(account.body.limits):
        text = f"the system account {cited(account.name)} has JetStream: servers with it do not start again"
        where = "nats.system_account" if own else _LIMITS_LIMITS
        yield error(
            "C119",
            where,
            text,
            f"seedless account edit {cited(account.name)} --js-disable, or name another account",
        )


def c120_jetstream_has_storage(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Limits of JetStream come with storage: without memory and disk JetStream stays off.

    `mem_storage` and `disk_storage` are 0 when they are absent. Servers answer "JetStream not enabled for
    account".
    """
    limits = statement.claims.body.limits
    parts: list[tuple[str, Limits | JetStreamLimits]] = (
        [(_LIMITS_LIMITS, limits)] if not limits.tiered_limits else []
    )
    tiers = [
        (join(f"{_LIMITS_LIMITS}.tiered_limits", name), tier) for name, tier in limits.tiered_limits.items()
    ]
    for path, part in [*parts, *tiers]:
        names_given = [name for name in JetStreamLimits.__struct_fields__ if getattr(part, name)]
        if names_given and not (part.mem_storage or part.disk_storage):
            text = f"{', '.join(names_given)} without storage: JetStream stays off"
            yield warning(
                "C120", path, text, "--js-disk-storage gives it storage, --js-disable removes its limits"
            )


_LOCKS_OUT = frozenset({"conn", "subs", "payload"})


# Servers clamp limits from 64 to 32 bits and take the minimum of user, account and server, for which -1
# is infinite and -2 is less than anything (client.go:942-995).
def c121_limit_is_a_number_or_none(statement: Statement[Account | User], _: Context) -> Iterator[Finding]:
    """A limit is 0 or more, or -1 for none.

    With a `conn`, `subs` or `payload` below -1 servers refuse every connection, subscription or message, as
    with 0. What they make of others below -1 is documented nowhere.
    """
    for path, limited, names in _limits_of(statement):
        for name in names:
            value = getattr(limited, name)
            if value < NO_LIMIT:
                text = f"{value} is no limit that servers know"
                text += ", and locks out as 0 does" if name in _LOCKS_OUT else ""
                yield error("C121", f"{path}.{name}", text, "-1 is no limit")


def c122_limit_fits_older_servers(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Limits on connections, subscriptions and bytes of a message are below 2,147,483,648.

    nats-server 2.15 takes them for no limit. Servers of 2.9 and 2.10 keep 32 bits (`int32(ac.Limits.Conn)`
    in their `server/accounts.go`, read there, not run): the number becomes another, 0 or below it, and
    locks out.
    """
    for name in _OF_32_BITS:
        value = getattr(statement.claims.body.limits, name)
        if value > _MOST:
            text = f"{value} has more than 31 bits: servers of 2.10 and before read another number"
            yield warning("C122", f"{_LIMITS_LIMITS}.{name}", text, "-1 is no limit")


def _has_storage(limits: Limits) -> bool:
    """Report whether servers turn JetStream on: by the tiers if there are some, else by flat limits."""
    if limits.tiered_limits:
        return any(tier.mem_storage or tier.disk_storage for tier in limits.tiered_limits.values())
    return bool(limits.mem_storage or limits.disk_storage)


def _limits_of(statement: Statement[Account | User]) -> Iterator[tuple[str, object, tuple[str, ...]]]:
    """Yield path, limits, and names of those that count, of an account or a user."""
    body = statement.claims.body
    if isinstance(body, User):
        yield "nats", body, _OF_ALL
        return
    yield _LIMITS_LIMITS, body.limits, (*_OF_ACCOUNTS, *_OF_STORAGE)
    for name, tier in body.limits.tiered_limits.items():
        yield join(f"{_LIMITS_LIMITS}.tiered_limits", name), tier, _OF_STORAGE


OPERATOR_RULES = (c119_system_account_has_no_jetstream,)
"""For operators."""

LIMITS_ACCOUNT_RULES = (
    c119_system_account_has_no_jetstream,
    c120_jetstream_has_storage,
    c121_limit_is_a_number_or_none,
    c122_limit_fits_older_servers,
)
"""For accounts."""

USER_RULES = (c121_limit_is_a_number_or_none,)
"""For users."""
