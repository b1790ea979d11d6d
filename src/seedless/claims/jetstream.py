"""JetStream permissions: which subjects a client needs to publish to a stream, consume it, or use a bucket.

One table, `SUBJECTS`, states them; options, desired-state files and reviews are made from it. Sources: the
subjects of the API, docs.nats.io "NATS API Reference" of JetStream; the reply subjects of ADR-15 and, for
servers with domains in them, the feature flag `js_ack_fc_v2` (nats-server 2.14, default in 2.16); key-value
buckets ADR-8, object stores ADR-20; what clients do with them was read in nats-py 2.16 (`nats/js`),
and tried with it, nats.go 1.22.1 and `@nats-io/jetstream` 3.4.0.

Two things that subjects cannot restrict: who may create consumers may let the server deliver to any subject
of the account, and who may create streams may let them copy other streams (sources, mirrors).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import msgspec
from msgspec.structs import replace

from seedless.claims.bodies import Permission
from seedless.errors import UsageError
from seedless.subject import has_wildcard, is_subject, overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.claims.bodies import Permissions, Template, User

    P = TypeVar("P", bound=Permissions | Template | User)

Kind = Literal["publish", "consume", "kv", "object_store", "manage"]
"""What a JetStream permission is for; also its name in a desired-state file."""

KINDS: tuple[Kind, ...] = get_args(Kind)

INBOX = "_INBOX"
"""The inbox prefix of every client that is given no other one."""


class JetStreamPermission(msgspec.Struct, frozen=True):
    """What a user may do with the stream or bucket `name`, in the JetStream `domain` (`""`: of its server).

    `detail` is the subject that is published, the consumer (`""`: every one, and creating them), or the
    `read` or `write` of a bucket; `manage` has none.
    """

    kind: Kind
    name: str
    detail: str = ""
    domain: str = ""

    @property
    def words(self) -> str:
        """What may be done, in words: `consume the stream ORDERS`."""
        return self._words() + (f" of the domain {self.domain}" if self.domain else "")

    def _words(self) -> str:
        match self.kind:
            case "publish":
                return f"publish {self.detail} to the stream {self.name}"
            case "consume" if self.detail:
                return f"use the consumer {self.detail} of the stream {self.name}"
            case "consume":
                return f"consume the stream {self.name}"
            case "manage":
                return f"manage the stream {self.name}"
        store = "key-value bucket" if self.kind == "kv" else "object store"
        return f"{'read and write' if self.detail == 'write' else 'read'} the {store} {self.name}"

    @property
    def text(self) -> str:
        """As `parse` reads it: `ORDERS:app`."""
        return f"{self.name}:{self.detail}" if self.detail else self.name


class JetStreamPermissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may do with JetStream, as options and desired-state files state it; each list by its kind.

    `publish` has `STREAM:SUBJECT`, `consume` has `STREAM` or `STREAM:CONSUMER`, `kv` and `object_store` have
    `BUCKET`, `BUCKET:read` or `BUCKET:write`, `manage` has `STREAM`. `domain` is where the streams are (`""`:
    at the server that the client connects to), `inbox_prefix` that of the client (None: the one that it has,
    or else `_INBOX`).
    """

    publish: tuple[str, ...] = ()
    consume: tuple[str, ...] = ()
    kv: tuple[str, ...] = ()
    object_store: tuple[str, ...] = ()
    manage: tuple[str, ...] = ()
    domain: str = ""
    inbox_prefix: str | None = None

    def parsed(self) -> tuple[JetStreamPermission, ...]:
        """Return each permission; raise `UsageError` for a name that is none."""
        return tuple(
            parse(kind, text, self.domain) for kind in KINDS for text in dict.fromkeys(getattr(self, kind))
        )

    @property
    def inbox(self) -> str | None:
        """The subject of all answers to the client, if it is given; raise `UsageError` for what is none."""
        if self.inbox_prefix is None:
            return None
        prefix = self.inbox_prefix.removesuffix(".>")
        if not is_subject(prefix) or has_wildcard(prefix):
            raise UsageError(
                f'"{prefix}" is not an inbox prefix', "write a subject without wildcards: _INBOX_app"
            )
        # Claims contain subjects alone: reviews and rules would take what is subscribed besides for an inbox.
        if not is_inbox(f"{prefix}.>"):
            reason = (
                f'"{prefix}" is not an inbox prefix: it does not begin with _, and does not contain "inbox"'
            )
            raise UsageError(reason, "give the client a prefix of its own: _INBOX_app")
        return f"{prefix}.>"


def is_inbox(subject: str) -> bool:
    """Report whether *subject* can be the inbox of a client, with its prefix: `_INBOX.>`, `app.inbox.>`."""
    return subject.endswith(".>") and (subject.startswith("_") or "inbox" in subject.lower())


# Reply subjects by their exact number of tokens: with `>` behind the stream, that of one layout would be
# within those of the other, where a domain is called as a stream. `{c}` is a consumer or `*`.
_ACK = ("$JS.ACK.{s}.{c}.*.*.*.*.*", "$JS.ACK.*.*.{s}.{c}.*.*.*.*.>")
_FLOW_CONTROL = ("$JS.FC.{s}.{c}.*", "$JS.FC.*.*.{s}.{c}.*")
_CREATE_CONSUMER = ("{api}.CONSUMER.CREATE.{s}", "{api}.CONSUMER.CREATE.{s}.>")
_CONSUMERS = (
    *_CREATE_CONSUMER,
    "{api}.CONSUMER.DURABLE.CREATE.{s}.*",
    "{api}.CONSUMER.INFO.{s}.*",
    "{api}.CONSUMER.NAMES.{s}",
    "{api}.CONSUMER.LIST.{s}",
    "{api}.CONSUMER.DELETE.{s}.*",
    "{api}.CONSUMER.PAUSE.{s}.*",
    "{api}.CONSUMER.RESET.{s}.*",
    "{api}.CONSUMER.UNPIN.{s}.*",
)
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
        *_CONSUMERS,
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
        *_CONSUMERS,
    ),
}
"""What is published for each kind of permission; each also subscribes to the inbox, for the answers.

`{s}` is the stream (of a bucket: `KV_` or `OBJ_` and its name), `{name}` the stream or bucket.
"""

# nats.go writes keys below the API prefix of a domain (kv.go, useJSPfx); a server that is not of the domain
# passes the subject on as it is.
_WRITE_KEYS_IN_DOMAIN = "$JS.{domain}.API.$KV.{name}.>"
_API = "$JS.API"
_STREAM: dict[Kind, str] = {"kv": "KV_", "object_store": "OBJ_"}
_UNFIT = frozenset(" \t\r\n\f./\\*>:")
_BUCKET = re.compile(r"[A-Za-z0-9_-]+")
_FORMS = {
    "publish": "STREAM:SUBJECT",
    "consume": "STREAM or STREAM:CONSUMER",
    "kv": "BUCKET, BUCKET:read or BUCKET:write",
    "object_store": "BUCKET, BUCKET:read or BUCKET:write",
    "manage": "STREAM",
}


def parse(kind: Kind, text: str, domain: str = "") -> JetStreamPermission:
    """Return the permission that *text* names (`ORDERS:app`); raise `UsageError`.

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
        raise UsageError(f'"{text}" is not a name of a stream', hint)
    if not is_name(name) or (kind in _STREAM and not _is_bucket(name)):
        what = "bucket" if kind in _STREAM else "stream"
        raise UsageError(f'"{name}" is not a name of a {what}', hint)
    if kind == "consume" and colon and not is_name(detail):
        raise UsageError(f'"{detail}" is not a name of a consumer', hint)
    if kind in _STREAM and detail not in {"read", "write"}:
        raise UsageError(f'"{detail}" is not read or write', hint)
    if kind == "publish":
        _require_published(detail, hint)
    if domain and not is_name(domain):
        raise UsageError(f'"{domain}" is not a name of a JetStream domain', "write one token, as in hub")
    return JetStreamPermission(kind, name, detail, domain)


def _require_published(subject: str, hint: str) -> None:
    if not is_subject(subject):
        raise UsageError(f'"{subject}" is not a subject', hint)
    # A stream of such a subject has no acks, for the same reason.
    if overlap(subject, f"{_API}.>"):
        reason = f'"{subject}" would also permit requests to JetStream, which manage every stream'
        raise UsageError(reason, "name the subjects of the stream, as in orders.>")


def is_name(text: str) -> bool:
    """Report whether *text* can be the name of a stream or consumer: one token (ADR-6), or a template."""
    return bool(text) and not _UNFIT.intersection(text)


def _is_bucket(text: str) -> bool:
    return bool(_BUCKET.fullmatch(re.sub(r"\{\{[^{}]*\}\}", "x", text)))


def subjects(permission: JetStreamPermission) -> tuple[str, ...]:
    """Return the subjects that the client publishes; it subscribes to its inbox."""
    kind, detail = permission.kind, permission.detail
    row = "consumer" if kind == "consume" and detail else detail if kind in _STREAM else ""
    patterns = SUBJECTS[kind, row]
    if permission.domain:
        if kind == "kv" and detail == "write":
            patterns = (*patterns, _WRITE_KEYS_IN_DOMAIN)
        # A server of the domain maps the subject before it checks the permission, another one passes it on
        # as it is (nats-server 2.15, `selectMappedSubject`): the client may be connected to either.
        patterns = tuple(
            dict.fromkeys(
                text
                for pattern in patterns
                for text in (pattern.replace("{api}", "$JS.{domain}.API"), pattern)
            )
        )
    # By replacement, and not by `format`: names of a scope may be templates, in braces.
    values = {
        "{api}": _API,
        "{domain}": permission.domain,
        "{s}": _STREAM.get(kind, "") + permission.name,
        "{c}": detail if row == "consumer" else "*",
        "{name}": permission.name,
        "{detail}": detail,
    }
    return tuple(re.sub(r"\{\w+\}", lambda match: values[match[0]], pattern) for pattern in patterns)


def allow(permitted: P, permissions: JetStreamPermissions) -> P:
    """Return *permitted* (of a user or a scope) with the subjects of *permissions* allowed, each once.

    Permissions add up: the same one twice is one, and `write` contains `read`. Subjects that are denied stay
    denied. Raise `UsageError` for a name that is none.
    """
    some, inbox = permissions.parsed(), permissions.inbox or _inbox_of(permitted) or f"{INBOX}.>"
    if not some:
        if permissions != JetStreamPermissions():
            raise UsageError(
                "a domain or an inbox prefix goes with a JetStream permission",
                "as in --allow-js-consume ORDERS",
            )
        return permitted
    published = (subject for permission in some for subject in subjects(permission))
    return replace(permitted, pub=_with(permitted.pub, published), sub=_with(permitted.sub, (inbox,)))


def remove(permitted: P, permissions: JetStreamPermissions) -> P:
    """Return *permitted* without the subjects of *permissions*, but for those that other ones require.

    A bucket is removed whole, whatever its mode, and a permission in every domain; the inbox stays. Raise
    `UsageError` for what *permitted* does not contain, and where nothing is left, which allows everything.
    """
    wanted = permissions.parsed()
    if not wanted:
        return permitted
    found = recognised(permitted).permissions
    for permission in wanted:
        if not any(_is_meant(permission, other) for other in found):
            rest = ", ".join(other.words for other in found) or "nothing of JetStream"
            raise UsageError(f"it may not {permission.words}", f"it may {rest}; --rm removes single subjects")
    kept = [other for other in found if not any(_is_meant(permission, other) for permission in wanted)]
    gone = {subject for other in found if other not in kept for subject in subjects(other)}
    gone.difference_update(*map(subjects, kept))
    left = tuple(subject for subject in permitted.pub.allow if subject not in gone)
    if not left:
        raise UsageError(
            "nothing would be left that may be published, and an empty list allows everything",
            "deny everything besides: --deny-pub '>' and --rm with each subject; or delete the user",
        )
    return replace(permitted, pub=Permission(allow=left, deny=permitted.pub.deny))


def _is_meant(wanted: JetStreamPermission, other: JetStreamPermission) -> bool:
    is_same = (wanted.kind, wanted.name) == (other.kind, other.name)
    return is_same and (wanted.kind in _STREAM or wanted.detail == other.detail)


def _with(permission: Permission, added: Iterable[str]) -> Permission:
    return Permission(allow=tuple(dict.fromkeys((*permission.allow, *added))), deny=permission.deny)


class Recognised(msgspec.Struct, frozen=True):
    """JetStream permissions that claims contain, and the subjects (`pub`, `sub`) that they consist of."""

    permissions: tuple[JetStreamPermission, ...] = ()
    inbox_prefix: str = INBOX
    pub: frozenset[str] = frozenset()
    sub: frozenset[str] = frozenset()

    def table(self) -> JetStreamPermissions | None:
        """Return them by their kinds; None where they are of several domains, or there are none."""
        domains = {permission.domain for permission in self.permissions}
        if len(domains) != 1:
            return None
        lists: dict[str, Any] = {
            kind: tuple(permission.text for permission in self.permissions if permission.kind == kind)
            for kind in KINDS
        }
        return JetStreamPermissions(**lists, domain=domains.pop(), inbox_prefix=self.inbox_prefix)


_INFO_OF_STREAM = re.compile(r"\$JS\.(?:(?P<domain>[^.]+)\.)?API\.STREAM\.INFO\.(?P<stream>[^.*>]+)")
_CONSUMER = re.compile(
    r"\$JS\.(?:(?P<domain>[^.]+)\.)?API\.CONSUMER\.MSG\.NEXT\.(?P<stream>[^.*>]+)\.(?P<consumer>[^.*>]+)"
)


def recognised(permitted: Permissions | Template | User) -> Recognised:
    """Return the permissions whose subjects *permitted* allows, all of them and in these words.

    Contained ones are left out, and those of which a subject is denied. To publish is recognised by what
    follows the subject of a stream, where `allow` has put it.
    """
    # First, for a plan may have ten thousand users without JetStream.
    if not any(text.startswith("$JS.") for text in permitted.pub.allow):
        return Recognised()
    allowed, inbox = frozenset(permitted.pub.allow), _inbox_of(permitted)
    if inbox is None:
        return Recognised()
    sets = {}
    for subject in filter(_is_sound, _candidates(permitted.pub.allow)):
        needed = frozenset(subjects(subject))
        if needed <= allowed and not _is_denied(needed, permitted.pub.deny):
            sets[subject] = needed
    kept = {
        permission: needed
        for permission, needed in sets.items()
        if not any(needed < other for other in sets.values())
    }
    explained = frozenset().union(*kept.values())
    for subject in filter(_is_sound, _published(permitted.pub.allow, explained)):
        if not _is_denied(subjects(subject), permitted.pub.deny):
            kept[subject] = frozenset(subjects(subject))
    if not kept:
        return Recognised()
    ordered = sorted(kept, key=lambda permission: KINDS.index(permission.kind))
    used = frozenset().union(*kept.values())
    return Recognised(tuple(ordered), inbox.removesuffix(".>"), used, frozenset((inbox,)))


def _is_sound(permission: JetStreamPermission) -> bool:
    """Report whether `parse` takes its text: claims hold any, which could be taken for other words."""
    try:
        return parse(permission.kind, permission.text, permission.domain) == permission
    except UsageError:
        return False


def _is_denied(needed: Iterable[str], denied: tuple[str, ...]) -> bool:
    return any(overlap(subject, other) for subject in needed for other in denied)


def _inbox_of(permitted: Permissions | Template | User) -> str | None:
    """Return the subject of the answers: who has none receives no answer, and has no permission."""
    inboxes = [
        text
        for text in permitted.sub.allow
        if is_inbox(text) and "*" not in text and not _is_denied((text,), permitted.sub.deny)
    ]
    # One of its own is what the client uses: `_INBOX.>` beside it is more than it requires.
    inboxes.sort(key=lambda text: text != f"{INBOX}.>")
    return inboxes[-1] if inboxes else None


def _candidates(allowed: tuple[str, ...]) -> Iterator[JetStreamPermission]:
    for text in allowed:
        if match := _INFO_OF_STREAM.fullmatch(text):
            domain, stream = match["domain"] or "", match["stream"]
            for kind, prefix in _STREAM.items():
                if stream.startswith(prefix):
                    bucket = stream.removeprefix(prefix)
                    yield JetStreamPermission(kind, bucket, "read", domain)
                    yield JetStreamPermission(kind, bucket, "write", domain)
            yield JetStreamPermission("manage", stream, "", domain)
            yield JetStreamPermission("consume", stream, "", domain)
        elif match := _CONSUMER.fullmatch(text):
            yield JetStreamPermission("consume", match["stream"], match["consumer"], match["domain"] or "")


def _published(allowed: tuple[str, ...], explained: frozenset[str]) -> Iterator[JetStreamPermission]:
    stream = domain = ""
    for text in allowed:
        match = _INFO_OF_STREAM.fullmatch(text)
        if match and not (stream == match["stream"] and domain and not match["domain"]):
            stream, domain = match["stream"], match["domain"] or ""
        elif not match and (text in explained or text.startswith("$")):
            stream = ""
        elif not match and stream:
            yield JetStreamPermission("publish", stream, text, domain)


OPTIONS: dict[Kind, str] = {
    "publish": "allow_js_publish",
    "consume": "allow_js_consume",
    "kv": "allow_kv",
    "object_store": "allow_object_store",
    "manage": "allow_js_manage",
}
"""The option of each kind, with underscores."""


def removed_by(options: Mapping[str, Any]) -> JetStreamPermissions:
    """Return the permissions that *options* (`rm_kv` for `allow_kv`) remove."""
    lists: dict[str, Any] = {
        kind: tuple(options.get(name.replace("allow", "rm")) or ()) for kind, name in OPTIONS.items()
    }
    return JetStreamPermissions(**lists)


def of_options(options: Mapping[str, Any]) -> JetStreamPermissions:
    """Return the permissions among *options* (by the names of `OPTIONS`)."""
    lists: dict[str, Any] = {kind: tuple(options.get(OPTIONS[kind]) or ()) for kind in KINDS}
    return JetStreamPermissions(
        **lists, domain=options.get("js_domain") or "", inbox_prefix=options.get("inbox_prefix")
    )
