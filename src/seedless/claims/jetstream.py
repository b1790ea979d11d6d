"""JetStream capabilities: which subjects a client needs to publish to a stream, consume it, or use a bucket.

One table, `SUBJECTS`, states them; options, desired-state files and reviews are made from it. Sources: the
subjects of the API, docs.nats.io "NATS API Reference" of JetStream; the reply subjects of ADR-15 and, for
servers with domains in them, the feature flag `js_ack_fc_v2` (nats-server 2.14, default in 2.16); key-value
buckets ADR-8, object stores ADR-20; what clients do with them was read in nats-py 2.16 (`nats/js`).

Two things that subjects cannot restrict: who may create consumers may let the server deliver to any subject
of the account, and who may create streams may let them copy other streams (sources, mirrors).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import msgspec
from msgspec.structs import replace

from seedless.claims.common import Permission
from seedless.errors import UsageError
from seedless.subject import has_wildcard, is_subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.claims.common import Permissions
    from seedless.claims.user import Template, User

    P = TypeVar("P", bound=Permissions | Template | User)

Kind = Literal["publish", "consume", "kv", "object_store", "manage"]
"""What a capability is for; also its name in a desired-state file."""

KINDS: tuple[Kind, ...] = get_args(Kind)

INBOX = "_INBOX"
"""The inbox prefix of every client that is given no other one."""


class Capability(msgspec.Struct, frozen=True):
    """What a user may do with the stream or bucket `name`.

    `detail` is the subject that is published, the consumer (`""`: every one, and creating them), or the
    `read` or `write` of a bucket; `manage` has none.
    """

    kind: Kind
    name: str
    detail: str = ""

    @property
    def text(self) -> str:
        """What may be done, in words: `consume stream ORDERS`."""
        match self.kind:
            case "publish":
                return f"publish {self.detail} to stream {self.name}"
            case "consume":
                return f"consume stream {self.name}" + (f" by consumer {self.detail}" if self.detail else "")
            case "manage":
                return f"manage stream {self.name}"
        store = "key-value bucket" if self.kind == "kv" else "object store"
        return f"{'read and write' if self.detail == 'write' else 'read'} {store} {self.name}"


class Place(msgspec.Struct, frozen=True):
    """Where JetStream is for the client: its `domain` (`""`: that of its server), and its inbox prefix."""

    domain: str = ""
    inbox_prefix: str = INBOX

    @property
    def api(self) -> str:
        """The prefix of API subjects (ADR-19 and docs.nats.io on domains)."""
        return f"$JS.{self.domain}.API" if self.domain else "$JS.API"


# Reply subjects by their exact number of tokens: with `>` behind the stream, that of one layout would be
# within those of the other, where a domain is called as a stream. `{c}` is a consumer or `*`.
_ACK = ("$JS.ACK.{s}.{c}.*.*.*.*.*", "$JS.ACK.*.*.{s}.{c}.*.*.*.*.>")
_FLOW_CONTROL = ("$JS.FC.{s}.{c}.*", "$JS.FC.*.*.{s}.{c}.*")
_CREATE_CONSUMER = ("{api}.CONSUMER.CREATE.{s}", "{api}.CONSUMER.CREATE.{s}.>")
_INFO = "{api}.STREAM.INFO.{s}"
# Clients read buckets directly from a stream or through its leader, and watch them with ordered consumers,
# which they create and delete, and whose messages they do not acknowledge.
_READ_BUCKET = (
    _INFO,
    "{api}.STREAM.MSG.GET.{s}",
    "{api}.DIRECT.GET.{s}",
    "{api}.DIRECT.GET.{s}.>",
    *_CREATE_CONSUMER,
    "{api}.CONSUMER.INFO.{s}.*",
    "{api}.CONSUMER.DELETE.{s}.*",
    "{api}.CONSUMER.MSG.NEXT.{s}.*",
    *_FLOW_CONTROL,
)
_WRITE_BUCKET = ("{api}.STREAM.PURGE.{s}",)  # deletes objects, and what deleted keys leave
# nats-py looks the stream of an object up by its subject; the answer has the names of streams alone.
_READ_OBJECTS = (*_READ_BUCKET, "{api}.STREAM.NAMES")

SUBJECTS: dict[tuple[Kind, str], tuple[str, ...]] = {
    ("publish", ""): (_INFO, "{detail}"),
    ("consume", ""): (
        _INFO,
        *_CREATE_CONSUMER,
        "{api}.CONSUMER.DURABLE.CREATE.{s}.*",
        "{api}.CONSUMER.INFO.{s}.*",
        "{api}.CONSUMER.NAMES.{s}",
        "{api}.CONSUMER.LIST.{s}",
        "{api}.CONSUMER.DELETE.{s}.*",
        "{api}.CONSUMER.MSG.NEXT.{s}.*",
        *_ACK,
        *_FLOW_CONTROL,
    ),
    ("consume", "consumer"): (
        "{api}.CONSUMER.INFO.{s}.{c}",
        "{api}.CONSUMER.MSG.NEXT.{s}.{c}",
        *_ACK,
        *_FLOW_CONTROL,
    ),
    ("kv", "read"): _READ_BUCKET,
    ("kv", "write"): (*_READ_BUCKET, *_WRITE_BUCKET, "$KV.{name}.>"),
    ("object_store", "read"): _READ_OBJECTS,
    ("object_store", "write"): (*_READ_OBJECTS, *_WRITE_BUCKET, "$O.{name}.C.>", "$O.{name}.M.>"),
    ("manage", ""): (
        _INFO,
        "{api}.STREAM.CREATE.{s}",
        "{api}.STREAM.UPDATE.{s}",
        "{api}.STREAM.DELETE.{s}",
        "{api}.STREAM.PURGE.{s}",
        "{api}.STREAM.MSG.GET.{s}",
        "{api}.STREAM.MSG.DELETE.{s}",
        *_CREATE_CONSUMER,
        "{api}.CONSUMER.DURABLE.CREATE.{s}.*",
        "{api}.CONSUMER.INFO.{s}.*",
        "{api}.CONSUMER.NAMES.{s}",
        "{api}.CONSUMER.LIST.{s}",
        "{api}.CONSUMER.DELETE.{s}.*",
    ),
}
"""What is published for each kind of capability; each also subscribes to the inbox, for the answers.

`{s}` is the stream (of a bucket: `KV_` or `OBJ_` and its name), `{name}` the stream or bucket.
"""

# nats.go writes keys below the API prefix of a domain (kv.go, useJSPfx), and servers map that.
_WRITE_KEYS_IN_DOMAIN = "{api}.$KV.{name}.>"
_STREAM = {"kv": "KV_", "object_store": "OBJ_"}
_UNFIT = frozenset(" \t\r\n\f./\\*>:")
_BUCKET = re.compile(r"[A-Za-z0-9_-]+")
_FORMS = {
    "publish": "STREAM:SUBJECT",
    "consume": "STREAM or STREAM:CONSUMER",
    "kv": "BUCKET, BUCKET:read or BUCKET:write",
    "object_store": "BUCKET, BUCKET:read or BUCKET:write",
    "manage": "STREAM",
}


def parse(kind: Kind, text: str) -> Capability:
    """Return the capability that *text* names (`ORDERS:app`); raise `UsageError`.

    A bucket is read unless it is to be written. Names of streams and consumers are one token.
    """
    name, colon, detail = text.partition(":")
    if kind in _STREAM and not colon:
        detail = "read"
    hint = f"write {_FORMS[kind]}"
    if kind == "publish" and not detail:
        reason = (
            f'"{text}" does not name what is published: the name of a stream does not contain its subjects'
        )
        raise UsageError(reason, f"write STREAM:SUBJECT, as in {name or 'ORDERS'}:orders.>")
    if kind == "manage" and colon:
        raise UsageError(f'"{text}" is no name of a stream', hint)
    if not is_name(name) or (kind in _STREAM and not _is_bucket(name)):
        what = "bucket" if kind in _STREAM else "stream"
        raise UsageError(f'"{name}" is no name of a {what}', hint)
    if kind == "consume" and colon and not is_name(detail):
        raise UsageError(f'"{detail}" is no name of a consumer', hint)
    if kind in _STREAM and detail not in {"read", "write"}:
        raise UsageError(f'"{detail}" is neither read nor write', hint)
    if kind == "publish" and not is_subject(detail):
        raise UsageError(f'"{detail}" is no subject', hint)
    return Capability(kind, name, detail)


def is_name(text: str) -> bool:
    """Report whether *text* can be the name of a stream or consumer: one token (ADR-6), or a template."""
    return bool(text) and not _UNFIT.intersection(text)


def _is_bucket(text: str) -> bool:
    return bool(_BUCKET.fullmatch(re.sub(r"\{\{[^{}]*\}\}", "x", text)))


def place(domain: str | None, inbox_prefix: str | None) -> Place:
    """Return where JetStream is; raise `UsageError` for what is no domain or no inbox prefix."""
    if domain and not is_name(domain):
        raise UsageError(f'"{domain}" is no name of a JetStream domain', "write one token, as in hub")
    prefix = (INBOX if inbox_prefix is None else inbox_prefix).removesuffix(".>")
    if not is_subject(prefix) or has_wildcard(prefix):
        raise UsageError(f'"{prefix}" is no inbox prefix', "write a subject without wildcards: _INBOX_app")
    return Place(domain or "", prefix)


def subjects(capability: Capability, where: Place) -> tuple[str, ...]:
    """Return the subjects that *capability* publishes; it subscribes to `inbox` of *where*."""
    kind, detail = capability.kind, capability.detail
    row = "consumer" if kind == "consume" and detail else detail if kind in _STREAM else ""
    patterns = SUBJECTS[kind, row]
    if kind == "kv" and detail == "write" and where.domain:
        patterns = (*patterns, _WRITE_KEYS_IN_DOMAIN)
    # By replacement, and not by `format`: names of a scope may be templates, in braces.
    values = {
        "{api}": where.api,
        "{s}": _STREAM.get(kind, "") + capability.name,
        "{c}": detail if row == "consumer" else "*",
        "{name}": capability.name,
        "{detail}": detail,
    }
    return tuple(_filled(pattern, values) for pattern in patterns)


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{\w+\}", lambda match: values[match[0]], pattern)


def inbox(where: Place) -> str:
    """Return the subject of all answers to the client."""
    return f"{where.inbox_prefix}.>"


def expansion(capabilities: Iterable[Capability], where: Place) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what *capabilities* publish and subscribe, each subject once, in the order of the table.

    Capabilities add up: the same one twice is one, and `write` contains `read`.
    """
    some = tuple(capabilities)
    published = dict.fromkeys(subject for one in some for subject in subjects(one, where))
    return tuple(published), ((inbox(where),) if some else ())


def allow(permitted: P, capabilities: Iterable[Capability], where: Place = Place()) -> P:  # noqa: B008 - frozen
    """Return *permitted* (of a user or a scope) with the subjects of *capabilities* allowed, each once.

    Subjects that are denied stay denied.
    """
    pub, sub = expansion(capabilities, where)
    return replace(permitted, pub=_with(permitted.pub, pub), sub=_with(permitted.sub, sub))


def _with(permission: Permission, added: tuple[str, ...]) -> Permission:
    return Permission(allow=tuple(dict.fromkeys((*permission.allow, *added))), deny=permission.deny)


_API = re.compile(r"\$JS\.(?:(?P<domain>[^.]+)\.)?API\.(?P<rest>.+)")
_ANCHORS = (
    (re.compile(r"STREAM\.INFO\.KV_([^.]+)"), "kv"),
    (re.compile(r"STREAM\.INFO\.OBJ_([^.]+)"), "object_store"),
    (re.compile(r"STREAM\.INFO\.([^.]+)"), "manage"),
    (re.compile(r"STREAM\.INFO\.([^.]+)"), "consume"),
    (re.compile(r"CONSUMER\.MSG\.NEXT\.([^.]+)\.([^.]+)"), "consume"),
)


def recognised(permitted: Permissions | Template | User) -> tuple[Capability, ...]:
    """Return the capabilities whose subjects *permitted* allows, all of them and in these words.

    Contained ones are left out. To publish is recognised by a stream that no other capability explains,
    where it is the only such stream: then all subjects that remain are what is published.
    """
    found: list[Capability] = []
    for where in _places(permitted):
        allowed = frozenset(permitted.pub.allow)
        held = {
            one: frozenset(subjects(one, where))
            for one in _candidates(allowed, where)
            if allowed.issuperset(subjects(one, where))
        }
        kept = [one for one in held if not any(held[one] < other for other in held.values())]
        explained = frozenset().union(*(held[one] for one in kept))
        published = _published(permitted.pub.allow, explained, where)
        found += [one for one in (*published, *kept) if one not in found]
    return tuple(found)


def _places(permitted: Permissions | Template | User) -> Iterator[Place]:
    """Yield each domain of the API subjects; who has no inbox receives no answer, and has no capability."""
    prefixes = [text.removesuffix(".>") for text in permitted.sub.allow if text.endswith(".>")]
    if prefixes:
        matches = map(_API.fullmatch, permitted.pub.allow)
        for domain in dict.fromkeys(match["domain"] or "" for match in matches if match):
            yield Place(domain, prefixes[0])


def _candidates(allowed: frozenset[str], where: Place) -> Iterator[Capability]:
    for text in sorted(allowed):
        rest = text.removeprefix(f"{where.api}.")
        if rest == text:
            continue
        for anchor, kind in _ANCHORS:
            match = anchor.fullmatch(rest)
            if match is None or "*" in match.groups():
                continue
            if kind in _STREAM:
                yield from (Capability(kind, match[1], mode) for mode in ("read", "write"))  # type: ignore[arg-type]  # of the table
            else:
                yield Capability(kind, *match.groups())  # type: ignore[arg-type]  # likewise


def _published(allowed: tuple[str, ...], explained: frozenset[str], where: Place) -> Iterator[Capability]:
    head = _INFO.replace("{api}", where.api).replace("{s}", "")
    streams = [text.removeprefix(head) for text in allowed if text.startswith(head) and text not in explained]
    rest = [text for text in allowed if text not in explained and not text.startswith("$")]
    if len(streams) == 1:
        yield from (Capability("publish", streams[0], subject) for subject in rest)


OPTIONS: dict[Kind, str] = {
    "publish": "allow_js_publish",
    "consume": "allow_js_consume",
    "kv": "allow_kv",
    "object_store": "allow_object_store",
    "manage": "allow_js_manage",
}
"""The option of each kind, with underscores."""


def of_options(options: Mapping[str, Any]) -> tuple[tuple[Capability, ...], Place]:
    """Return the capabilities among *options* (by the names of `OPTIONS`), and where JetStream is.

    Raise `UsageError` for a name that is none, and for a domain or an inbox prefix without a capability.
    """
    capabilities = tuple(parse(kind, text) for kind in KINDS for text in options.get(OPTIONS[kind]) or ())
    domain, prefix = options.get("js_domain"), options.get("inbox_prefix")
    if not capabilities and (domain is not None or prefix is not None):
        name = "--js-domain" if domain is not None else "--inbox-prefix"
        raise UsageError(f"{name} goes with a JetStream permission", "as in --allow-js-consume ORDERS")
    return capabilities, place(domain, prefix)


def of_table(table: Mapping[str, Any]) -> tuple[tuple[Capability, ...], Place]:
    """Return the same of a *table* of a desired-state file, whose lists are named by kind."""
    named: dict[str, Any] = {OPTIONS[kind]: table.get(kind, ()) for kind in KINDS}
    return of_options(named | {name: table.get(name) for name in ("js_domain", "inbox_prefix")})
