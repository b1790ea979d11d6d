"""Words that servers do not know (S009, S010).

The words of the blocks that decide who is let in are those of nats-server 2.15.1, each tried there. At other
places the server itself is asked (S002).
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from seedless.findings import error, warning
from seedless.nats_config import Array, Map
from seedless.nats_config.server import RESOLVER, block
from seedless.nats_config.source import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seedless.findings import Finding
    from seedless.nats_config import Member
    from seedless.nats_config.server import Server

_LOGIN = {"user", "username", "pass", "password", "timeout"}
_PERMISSIONS = {"publish", "pub", "import", "subscribe", "sub", "export", "allow_responses"}
_USER = {
    *("user", "username", "pass", "password", "nkey", "permission", "permissions", "authorization"),
    *("allowed_connection_types", "connection_types", "clients", "proxy_required"),
}
WORDS = {
    "authorization": {
        *_LOGIN,
        *("token", "users", "permissions", "default_permissions", "default_permission"),
        *("auth_callout", "auth_hook", "proxy_required"),
    },
    "leafnode authorization": {*_LOGIN, "users", "nkey", "account", "proxy_required"},
    "login": {*_LOGIN, "token"},
    "user": _USER,
    "leafnode user": {*_LOGIN, "account", "proxy_required"} - {"timeout"},
    "permissions": _PERMISSIONS,
    "subjects": {"allow", "deny"},
    "responses": {"max", "max_msgs", "expires", "ttl"},
    "resolver": {"type", "dir", "allow_delete", "hard_delete", "interval", "limit", "timeout", "ttl"},
}
"""The words of a block, in lower case."""

_INSTEAD = {
    "nkey_dir": "servers know no folder of keys: list users = [ { nkey: U… } ]",
    "type": "a user is an NKey user by nkey: U… alone",
    "allow_subscriptions": "write permissions: { subscribe: { allow: [ … ] } }",
    "allow_publish": "write permissions: { publish: { allow: [ … ] } }",
    "nkey": "list it: users = [ { nkey: U… } ]",
    "nkeys": "list them: users = [ { nkey: U… } ]",
    "users": "put it into authorization { … }",
    "operator_jwt": "the word is operator",
    "auth_timeout": "write authorization { timeout: … }",
}
_NOT_AT_TOP = frozenset(
    {"nkey_dir", "allow_subscriptions", "nkey", "nkeys", "users", "operator_jwt", "auth_timeout"}
)


def s009_words_are_known(server: Server) -> Iterator[Finding]:
    """A word in a block of logins or permissions is one that servers know there.

    Servers refuse to start with others, such as `nkey_dir`, `type: nkey` or `allow_subscriptions`, which come
    from articles. A word that is used as a variable may stand anywhere.
    """
    root = server.configuration.root
    strangers = [member for member in root.each() if member.key.lower() in _NOT_AT_TOP]
    for kind, parent in _blocks(root):
        strangers += _unknown(kind, parent)
    for member in strangers:
        if member.place not in server.configuration.variables:
            text = f"servers do not know {named(member.key)} here, and do not start"
            yield error("S009", str(member.place), text, _hint(member.key.lower()))


def s010_resolver_takes_the_word(server: Server) -> Iterator[Finding]:
    """A word in the block of the resolver is one that servers know.

    They take others without a word, and nothing comes of them.
    """
    resolver = block(server.configuration.root, *RESOLVER)
    for member in _unknown("resolver", resolver) if resolver else ():
        text = f"servers do not know {named(member.key)} here, and pass over it"
        yield warning("S010", str(member.place), text, _near(member.key.lower(), WORDS["resolver"]))


def s011_words_stand_once(server: Server) -> Iterator[Finding]:
    """A word stands once in a block.

    Of two servers take the last: a second `authorization` undoes the first.
    """
    seen: set[int] = set()
    for parent in _maps(server.configuration.root, seen):
        places: dict[tuple[str, str], Member] = {}
        for member in parent.members:
            other = places.setdefault((member.place.file, member.key), member)
            if other.place != member.place:
                text = f"{named(member.key)} stands at {other.place} already, and only the last counts"
                yield warning("S011", str(member.place), text, "put both together")


def _blocks(root: Map) -> Iterator[tuple[str, Map]]:
    """Yield the blocks whose words are known, each with its kind."""
    for kind, parents in (
        ("authorization", [root, *_named(root, "cluster"), *_named(root, "gateway")]),
        ("leafnode authorization", _named(root, "leafnodes", "leaf")),
        ("login", [*_named(root, "websocket", "ws"), *_named(root, "mqtt")]),
    ):
        for parent in parents:
            for authorization in _named(parent, "authorization"):
                yield kind, authorization
                yield from _users("leafnode user" if kind.startswith("leafnode") else "user", authorization)
                yield from _permissions(
                    authorization, "permissions", "default_permissions", "default_permission"
                )
    for accounts in _named(root, "accounts"):
        for account in accounts.each():
            if isinstance(account.value, Map):
                yield from _users("user", account.value)
                yield from _permissions(account.value, "default_permissions")


def _users(kind: str, parent: Map) -> Iterator[tuple[str, Map]]:
    users = parent.find("users")
    for entry in users.value.items if users and isinstance(users.value, Array) else ():
        if isinstance(entry, Map):
            yield kind, entry
            yield from _permissions(entry, "permission", "permissions", "authorization")


def _permissions(parent: Map, *names: str) -> Iterator[tuple[str, Map]]:
    for permissions in _named(parent, *names):
        yield "permissions", permissions
        for member in permissions.each():
            if isinstance(member.value, Map) and member.key.lower() in _PERMISSIONS:
                yield "responses" if member.key.lower() == "allow_responses" else "subjects", member.value


def _named(parent: Map, *names: str) -> list[Map]:
    found = block(parent, *names)
    return [found] if found else []


def _unknown(kind: str, parent: Map) -> list[Member]:
    return [member for member in parent.each() if member.key.lower() not in WORDS[kind]]


def _hint(word: str) -> str:
    return _INSTEAD.get(word) or _near(word, {known for words in WORDS.values() for known in words})


def _near(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {near[0]}?" if near else "take it out"


def _maps(value: Map | Array, seen: set[int]) -> Iterator[Map]:
    """Yield *value* and the maps below it, each once, however often a variable stands for it."""
    waiting: list[Map | Array] = [value]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Map):
            yield found
        inner = found.items if isinstance(found, Array) else [member.value for member in found.members]
        waiting += [item for item in inner if isinstance(item, Map | Array)]


RULES = (s009_words_are_known, s010_resolver_takes_the_word, s011_words_stand_once)
