"""JetStream permissions that are not whole: what clients do beside what is permitted (`claims.jetstream`).

Servers refuse one request of several, and clients report it as a time-out: the usual way to lose an hour.
Each was measured with nats-server 2.15 and nats-py 2.16.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from seedless.claims import Account, Scope
from seedless.claims.jetstream import is_inbox
from seedless.findings import warning
from seedless.rules.formats import cited
from seedless.subject import SubjectIndex, is_within
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import Permissions, Template, User
    from seedless.findings import Finding

_API = re.compile(
    r"(?P<api>\$JS\.(?:[^.]+\.)?API)"
    r"\.(?P<operation>STREAM\.INFO|STREAM\.MSG\.GET|CONSUMER\.MSG\.NEXT|CONSUMER\.CREATE|CONSUMER\.DURABLE\.CREATE)"
    r"\.(?P<stream>[^.>]+)(?P<rest>\..*)?"
)
_ANY_API = re.compile(r"\$JS\.(?:[^.]+\.)?API\..+")
_KEYS = re.compile(r"\$KV\.(?P<bucket>[^.>]+)\..+")
_BUCKETS = {
    "KV_": ("--allow-kv", "key-value bucket"),
    "OBJ_": ("--allow-object-store", "object store"),
}
"""How the streams of buckets begin, and the option and the words for them."""


class _Gap(NamedTuple):
    """What is missing, in words, beside the entry of `pub.allow` at `place`; the same is reported once."""

    place: int
    text: str
    hint: str


def c124_jetstream_permissions_are_whole(
    statement: Statement[Account | User], _: Context
) -> Iterator[Finding]:
    """Who may use JetStream may do all that its client does: receive answers, acknowledge, read directly.

    Servers refuse the request that is not permitted, and clients report a time-out. Reported are: no inbox to
    receive answers in; messages that are fetched and not acknowledged, or from a consumer that is not looked
    up; a bucket whose keys are not read directly (as every client reads them), that is watched without
    answers to flow control, or that is written and not looked up; consumers that are created as before
    nats-server 2.9. `--allow-js-consume`, `--allow-kv` and their like permit the whole.
    """
    for path, permitted in _permitted(statement):
        seen: set[str] = set()
        for gap in _gaps(permitted):
            if gap.text not in seen:
                seen.add(gap.text)
                yield warning("C124", at(f"{path}.pub.allow", gap.place), gap.text, gap.hint)


def _permitted(statement: Statement[Account | User]) -> Iterator[tuple[str, Permissions | Template | User]]:
    body = statement.claims.body
    if not isinstance(body, Account):
        yield "nats", body
        return
    yield "nats.default_permissions", body.default_permissions
    for index, entry in enumerate(body.signing_keys):
        if isinstance(entry, Scope):
            yield f"{at('nats.signing_keys', index)}.template", entry.template


def _gaps(permitted: Permissions | Template | User) -> Iterator[_Gap]:
    allowed = permitted.pub.allow
    if not any(text.startswith(("$JS.", "$KV.")) for text in allowed):
        return
    published = SubjectIndex(allowed)
    apis = {"$JS.API", *(match["api"] for match in map(_API.fullmatch, allowed) if match)}
    has_inbox = not permitted.sub.allow or any(map(_receives_answers, permitted.sub.allow))
    for index, text in enumerate(allowed):
        if not has_inbox and _ANY_API.fullmatch(text):
            yield _Gap(
                index,
                "asks JetStream and receives no answer: no inbox is in sub.allow",
                "allow to subscribe _INBOX.>, or the inbox prefix of the client",
            )
        if match := _API.fullmatch(text):
            domain = match["api"].removeprefix("$JS.").removesuffix("API").removesuffix(".")
            place = f" --js-domain {domain}" if domain else ""
            for found, option in (
                *_of_consumers(match, published, can_respond=permitted.resp is not None),
                *_of_bucket(match, published),
            ):
                yield _Gap(index, found, f"{option}{place} permits all that clients do")
        elif match := _KEYS.fullmatch(text):
            bucket = match["bucket"]
            if not any(published.contain(f"{api}.STREAM.INFO.KV_{bucket}") for api in apis):
                yield _Gap(
                    index,
                    f"writes the key-value bucket {cited(bucket)} and may not look it up",
                    f"--allow-kv {bucket}:write permits all that clients do",
                )


def _of_consumers(
    match: re.Match[str], published: SubjectIndex, *, can_respond: bool
) -> Iterator[tuple[str, str]]:
    """Yield what is missing beside a request to consumers of a stream, and the option that permits it.

    An ack is a response to a message: who *can_respond* has it.
    """
    api, operation, stream = match["api"], match["operation"], match["stream"]
    consumer = (match["rest"] or "").removeprefix(".")
    token = "x" if consumer in {"", "*", ">"} else consumer
    named = f"{'STREAM' if stream == '*' else stream}{'' if token == 'x' else f':{token}'}"
    if operation == "CONSUMER.MSG.NEXT" and not stream.startswith(tuple(_BUCKETS)):
        name, fetches = "x" if stream == "*" else stream, f"fetches messages of the stream {cited(stream)}"
        if not can_respond and not published.contain(f"$JS.ACK.{name}.{token}.1.1.1.1.1"):
            text = "they are delivered again, unless the consumer requires no acks"
            yield f"{fetches} and may not acknowledge them: {text}", f"--allow-js-consume {named}"
        if not published.contain(f"{api}.CONSUMER.INFO.{name}.{token}"):
            yield f"{fetches} and may not look the consumer up", f"--allow-js-consume {named}"
    if operation == "CONSUMER.DURABLE.CREATE" and not published.contain(f"{api}.CONSUMER.CREATE.{stream}.x"):
        yield (
            f"creates consumers of the stream {cited(stream)} as clients did before nats-server 2.9 alone",
            f"--allow-js-consume {stream}",
        )


def _of_bucket(match: re.Match[str], published: SubjectIndex) -> Iterator[tuple[str, str]]:
    """Yield what is missing beside a request to the stream of a bucket, and the option that permits it."""
    api, operation, stream = match["api"], match["operation"], match["stream"]
    kind, _, bucket = stream.partition("_")
    # Who may change the stream of a bucket has it for that.
    if f"{kind}_" not in _BUCKETS or not bucket or published.contain(f"{api}.STREAM.UPDATE.{stream}"):
        return
    if operation == "CONSUMER.CREATE" and not published.contain(f"$JS.FC.{stream}.x.x"):
        option, store = _BUCKETS[f"{kind}_"]
        yield (
            f"watches the {store} {cited(bucket)} and may not answer flow control: the watch stops",
            f"{option} {bucket}",
        )
    is_read = stream.startswith("KV_") and operation in {"STREAM.INFO", "STREAM.MSG.GET"}
    if is_read and not published.contain(f"{api}.DIRECT.GET.{stream}.$KV.{bucket}.x"):
        yield (
            f"reads the key-value bucket {cited(bucket)} and may not get keys directly, as clients do",
            f"--allow-kv {bucket}",
        )


def _receives_answers(entry: str) -> bool:
    """Report whether *entry* of `sub.allow` can be the inbox of a client, or contains `_INBOX.>`."""
    subject = entry.partition(" ")[0]
    return is_inbox(subject) or is_within("_INBOX.x.*", subject)


RULES = (c124_jetstream_permissions_are_whole,)
"""For users, and for accounts: their scopes and their default permissions."""
