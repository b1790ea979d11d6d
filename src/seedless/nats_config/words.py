"""Words and values that servers do not take (S009 to S011, S029).

What they take is in `known.json`: each word of each block was tried on nats-server 2.15.1, with values of
each kind; `tests/nats_config/known_words.py` does it again.
"""

from __future__ import annotations

import difflib
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless.findings import error, warning
from seedless.nats_config import Array, Map
from seedless.nats_config.server import RESOLVER, SYSTEM, block
from seedless.nats_config.source import named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from seedless.findings import Finding
    from seedless.nats_config import Member, Value
    from seedless.nats_config.server import ServerConfiguration

_TABLE = Path(__file__).with_name("known.json")
_AUTHORIZATION = {
    "users": "user",
    **dict.fromkeys(("permissions", "default_permissions", "default_permission"), "permissions"),
    **dict.fromkeys(("auth_callout", "auth_hook"), "auth_callout"),
}
_SUBJECTS = ("publish", "pub", "import", "subscribe", "sub", "export")
_RESPONSES = ("allow_responses", "publish_allow_responses")
_LISTENER = dict.fromkeys(("authorization", "authentication"), "login") | {"tls": "tls"}
_INSIDE: dict[str, dict[str, str]] = {
    "top": {
        "authorization": "authorization",
        "accounts": "accounts",
        "cluster": "cluster",
        "gateway": "gateway",
        **dict.fromkeys(("leafnodes", "leaf"), "leafnodes"),
        **dict.fromkeys(("websocket", "ws"), "websocket"),
        "mqtt": "mqtt",
        "jetstream": "jetstream",
        **dict.fromkeys(("tls", "resolver_tls"), "tls"),
        "ocsp": "ocsp",
        "ocsp_cache": "ocsp cache",
        **dict.fromkeys(("mappings", "maps"), "mappings"),
        **dict.fromkeys(RESOLVER, "resolver"),
    },
    "authorization": _AUTHORIZATION,
    "user": dict.fromkeys(("permission", "permissions", "authorization"), "permissions"),
    "permissions": dict.fromkeys(_SUBJECTS, "subjects") | dict.fromkeys(_RESPONSES, "responses"),
    "account": {
        "users": "user",
        "default_permissions": "permissions",
        "limits": "account limits",
        "jetstream": "account jetstream",
        "exports": "export",
        "imports": "import",
        **dict.fromkeys(("mappings", "maps"), "mappings"),
    },
    "import": dict.fromkeys(("stream", "service"), "import source"),
    "cluster": {"authorization": "cluster authorization", "tls": "tls", "permissions": "permissions"},
    "gateway": {"authorization": "cluster authorization", "tls": "tls", "gateways": "remote gateway"},
    "cluster authorization": _AUTHORIZATION,
    "remote gateway": {"tls": "tls"},
    "leafnodes": {"authorization": "leafnode authorization", "tls": "tls", "remotes": "remote leafnode"},
    "leafnode authorization": {"users": "leafnode user"},
    "remote leafnode": {"tls": "tls"},
    "websocket": _LISTENER,
    "mqtt": _LISTENER,
    "jetstream": {"limits": "jetstream limits"},
    "tls": {"certs": "certificate", "certificates": "certificate", "ocsp_peer": "ocsp peer"},
}
"""The kind of block that is under a word; in an array each map is one."""
_BY_NAME = {"accounts": "account", "mappings": "mapping"}
"""Blocks whose words are names, with the kind of each block below."""
_LENIENT = frozenset({"resolver"})
"""Blocks that skip words that they do not know."""
_EXACT = frozenset({"resolver", "ocsp"})
"""Blocks whose words are in lower case alone; elsewhere servers fold the case."""
_WITHOUT_VARIABLES = frozenset({"mapping", "tls", "certificate", "ocsp", "ocsp cache", "ocsp peer"})
"""Blocks that refuse a word that they do not know, though it is used as a variable."""

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
# As Go's time.ParseDuration: a sign, and numbers each with a unit, or 0 alone.
_DURATION = re.compile(r"[+-]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_ADDRESS = re.compile(r"(?:\[[^\[\]]*\]|[^\[\]:]*):[+-]?[0-9]+")
_KINDS: tuple[tuple[type, str], ...] = ((bool, "boolean"), (int, "integer"), (float, "float"))


@functools.cache
def known() -> dict[str, dict[str, dict[str, str]]]:
    """Return what servers know: by block and word, in lower case, the kinds of values, each with one."""
    return msgspec.json.decode(_TABLE.read_bytes(), type=dict[str, dict[str, dict[str, str]]])


def s009_fields_are_known(server: ServerConfiguration) -> Iterator[Finding]:
    """A field is one that servers know in its block.

    Servers do not start with others, such as `nkey_dir`, `type: nkey` or `allow_subscriptions`, which come
    from articles. A field that is used as a variable may be anywhere but in blocks of TLS, OCSP and mappings.
    """
    for kind, parent in _blocks(server.configuration.root):
        for member in () if kind in _LENIENT else _unknown(kind, parent):
            if kind in _WITHOUT_VARIABLES or member.place not in server.configuration.variables:
                text = f"servers do not know {named(member.key)} here, and do not start"
                word = member.key.lower()
                yield error("S009", str(member.place), text, _INSTEAD.get(word) or _near(word, known()[kind]))


def s010_resolver_fields_are_known(server: ServerConfiguration) -> Iterator[Finding]:
    """A field in the block of the resolver is one that servers know.

    They ignore others silently.
    """
    resolver = block(server.configuration.root, *RESOLVER)
    for member in _unknown("resolver", resolver) if resolver else ():
        text = f"servers do not know {named(member.key)} here, and ignore it"
        yield warning("S010", str(member.place), text, _near(member.key.lower(), known()["resolver"]))


def s011_fields_occur_once(server: ServerConfiguration) -> Iterator[Finding]:
    """A field occurs once in a block.

    Of two, servers take the last: a second `authorization` undoes the first.
    """
    seen: set[int] = set()
    for parent in _maps(server.configuration.root, seen):
        places: dict[tuple[str, str], Member] = {}
        for member in parent.members:
            other = places.setdefault((member.place.file, member.key), member)
            if other.place != member.place:
                text = f"{named(member.key)} is set at {other.place} already, and only the last counts"
                yield warning("S011", str(member.place), text, "put both together")


def s029_values_are_of_a_kind(server: ServerConfiguration) -> Iterator[Finding]:
    """A value is of a kind that servers take for its field: text, a duration, a number, a boolean, a list.

    Servers do not start with another, such as `ping_interval: soon` or `debug: "yes"`.
    """
    for kind, parent in _blocks(server.configuration.root):
        for member in parent.each():
            word = _word(kind, member)
            kinds = known()[kind].get(word)
            if kind == "top" and word in SYSTEM and word != member.key:  # servers ignore it
                continue
            if kinds is not None and not _is_taken(member.value, kinds):
                text = f"servers do not take this for {named(member.key)}, and do not start"
                hint = f"it takes: {', '.join(kinds)}" if kinds else "take it out"
                yield error("S029", str(member.place), text, hint)


def _is_taken(value: Value, kinds: Collection[str]) -> bool:
    if isinstance(value, Map | Array):
        return ("map" if isinstance(value, Map) else "array") in kinds
    found = value.value
    if isinstance(found, str):
        return (
            "text" in kinds
            or (not kinds and not found)
            or ("duration" in kinds and _DURATION.fullmatch(found) is not None)
            or ("address" in kinds and _ADDRESS.fullmatch(found) is not None)
        )
    kind = next((name for python, name in _KINDS if isinstance(found, python)), "time")
    return kind in kinds


def _blocks(root: Map) -> Iterator[tuple[str, Map]]:
    """Yield the blocks whose words are known, each with its kind, and once however often it is used."""
    seen: set[tuple[str, int]] = set()
    waiting: list[tuple[str, Map]] = [("top", root)]
    while waiting:
        kind, parent = waiting.pop(0)
        if (kind, id(parent)) in seen:
            continue
        seen.add((kind, id(parent)))
        if kind not in _BY_NAME:
            yield kind, parent
        for member in parent.each():
            below = _BY_NAME.get(kind) or _INSIDE.get(kind, {}).get(member.key.lower())
            if below:
                waiting += [(below, found) for found in _below(member.value)]


def _below(value: Value) -> list[Map]:
    """Return the map that *value* is, or those in an array."""
    if isinstance(value, Map):
        return [value]
    return [item for item in value.items if isinstance(item, Map)] if isinstance(value, Array) else []


def _unknown(kind: str, parent: Map) -> list[Member]:
    return [member for member in parent.each() if _word(kind, member) not in known()[kind]]


def _word(kind: str, member: Member) -> str:
    return member.key if kind in _EXACT else member.key.lower()


def _near(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {near[0]}?" if near else "take it out"


def _maps(value: Map | Array, seen: set[int]) -> Iterator[Map]:
    """Yield *value* and the maps below it, each once, however often a variable represents it."""
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


RULES = (
    s009_fields_are_known,
    s010_resolver_fields_are_known,
    s011_fields_occur_once,
    s029_values_are_of_a_kind,
)
