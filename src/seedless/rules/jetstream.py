"""JetStream permissions that are not whole: what clients do beside what is permitted (`claims.jetstream`).

Servers refuse one request of several, and clients report it as a time-out: the usual way to lose an hour.
Each was measured with nats-server 2.15 and nats-py 2.16.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from seedless.claims import Account, Scope
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
    r"\.(?P<operation>STREAM\.INFO|STREAM\.MSG\.GET|CONSUMER\.MSG\.NEXT|CONSUMER\.DURABLE\.CREATE)"
    r"\.(?P<stream>[^.>]+)(?P<rest>\..*)?"
)
_ANY_API = re.compile(r"\$JS\.(?:[^.]+\.)?API\..+")
_KEYS = re.compile(r"\$KV\.(?P<bucket>[^.>]+)\..+")
_BUCKETS = ("KV_", "OBJ_")


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
    receive answers in; messages that are fetched and not acknowledged; a bucket whose keys are not read
    directly (as every client reads them), or that is written and not looked up; consumers that are created as
    before nats-server 2.9. `--allow-js-consume`, `--allow-kv` and their like permit the whole.
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
    has_inbox = not permitted.sub.allow or any(map(_is_inbox, permitted.sub.allow))
    for index, text in enumerate(allowed):
        if not has_inbox and _ANY_API.fullmatch(text):
            yield _Gap(
                index,
                "asks JetStream and receives no answer: no inbox is in sub.allow",
                "allow to subscribe _INBOX.>, or the inbox prefix of the client",
            )
        if match := _API.fullmatch(text):
            yield from _of_stream(index, match, published)
        elif match := _KEYS.fullmatch(text):
            bucket = match["bucket"]
            if not published.contain(f"$JS.API.STREAM.INFO.KV_{bucket}"):
                yield _Gap(
                    index,
                    f"writes the key-value bucket {cited(bucket)} and may not look it up",
                    f"--allow-kv {bucket}:write permits all that clients do",
                )


def _of_stream(index: int, match: re.Match[str], published: SubjectIndex) -> Iterator[_Gap]:
    api, operation, stream = match["api"], match["operation"], match["stream"]
    if operation == "CONSUMER.MSG.NEXT" and not stream.startswith(_BUCKETS):
        consumer = (match["rest"] or "").removeprefix(".")
        token = "x" if consumer in {"", "*", ">"} else consumer
        name = "x" if stream == "*" else stream
        if not published.contain(f"$JS.ACK.{name}.{token}.1.1.1.1.1"):
            yield _Gap(
                index,
                f"fetches messages of the stream {cited(stream)} and may not acknowledge them: "
                "they are delivered again, unless the consumer requires no acks",
                f"--allow-js-consume {stream} permits all that clients do",
            )
    if operation == "CONSUMER.DURABLE.CREATE" and not published.contain(f"{api}.CONSUMER.CREATE.{stream}.x"):
        yield _Gap(
            index,
            f"creates consumers of the stream {cited(stream)} as clients did before nats-server 2.9 alone",
            f"--allow-js-consume {stream} permits all that clients do",
        )
    bucket = stream.removeprefix("KV_")
    is_read = operation in {"STREAM.INFO", "STREAM.MSG.GET"} and bucket not in {stream, ""}
    # Who may change the stream of a bucket has it for that.
    enough = (f"{api}.STREAM.UPDATE.{stream}", f"{api}.DIRECT.GET.{stream}.$KV.{bucket}.x")
    if is_read and not any(map(published.contain, enough)):
        yield _Gap(
            index,
            f"reads the key-value bucket {cited(bucket)} and may not get keys directly, as clients do",
            f"--allow-kv {bucket} permits all that clients do",
        )


def _is_inbox(entry: str) -> bool:
    """Report whether *entry* of `sub.allow` can be the inbox of a client, `_INBOX.>` or `_INBOX_app.>`."""
    subject = entry.partition(" ")[0]
    is_one = subject.startswith("_") or "inbox" in subject.lower()
    return is_within("_INBOX.x.*", subject) or (is_one and subject.endswith(".>"))


RULES = (c124_jetstream_permissions_are_whole,)
"""For users, and for accounts: their scopes and their default permissions."""
