"""Lines for users, operators and activations, and for permissions: of users, scopes and account defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless import units
from seedless.claims import Permissions, Template, User
from seedless.claims.fields import OPERATOR, TAGS, USER
from seedless.diff.line import Difference, Effect, Wording, word
from seedless.diff.members import compared, gate, items, members, rank, together, value
from seedless.subject import SubjectIndex, is_contained_in
from seedless.trust import carries_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from seedless.claims import Activation, Operator, ResponsePermission


Permitted = Permissions | Template | User


def user(wording: Wording, path: str, sides: tuple[User, User]) -> Iterator[Difference]:
    """Yield the lines of a user's body."""
    old, new = sides
    if wording.is_new and new.issuer_account and carries_nothing(new):
        text = "those of the scope that issues it"
        yield Difference(Effect.CHANGES, "permissions and limits", text, (path,), None, None)
    else:
        yield from template(wording, path, "", sides)
    issuers = (old.issuer_account, new.issuer_account)
    yield from value(wording, f"{path}.issuer_account", "account", issuers, show=wording.key)
    yield from items(wording, f"{path}.tags", "tags", (old.tags, new.tags))


def template(
    wording: Wording, path: str, label: str, sides: tuple[Template | User, Template | User]
) -> Iterator[Difference]:
    """Yield the lines of the permissions and limits of a user, or of a scope; *label* precedes each."""
    yield from permissions(wording, path, label, sides)
    yield from members(wording, path, USER, sides, label)


def permissions(
    wording: Wording, path: str, label: str, sides: tuple[Permitted, Permitted]
) -> Iterator[Difference]:
    """Yield the lines of what may be published, subscribed and answered."""
    old, new = sides
    if wording.is_new and is_open(new):
        if not isinstance(new, Permissions):
            text = "publish and subscribe everything"
            text += ", or the account's defaults" if isinstance(new, User) else ""
            yield Difference(Effect.WIDENS, f"{label}permissions", text, (path,), None, None)
        return
    opened = (_opened(old), _opened(new))
    allowed = (old.pub.allow, new.pub.allow)
    # Leave to answer ends the blanket leave to publish (nats-server 2.15, client.go): its line says so.
    if any(allowed) or (wording.is_new and not new.resp):
        yield from gate(
            wording, f"{path}.pub.allow", f"{label}pub allow", allowed, empty=opened, covered=_covered
        )
    allowed = (old.sub.allow, new.sub.allow)
    yield from gate(
        wording, f"{path}.sub.allow", f"{label}sub allow", allowed,
        empty=("everything", "everything"), show=_subscription, covered=_covered,
    )  # fmt: skip
    for name in ("pub", "sub"):
        denied = (getattr(old, name).deny, getattr(new, name).deny)
        yield from items(
            wording, f"{path}.{name}.deny", f"{label}{name} deny", denied,
            added=Effect.NARROWS, show=_subscription, covered=_covered,
        )  # fmt: skip
    yield from _responses(wording, path, label, sides)


def is_open(permitted: Permitted) -> bool:
    """Tell whether nothing restricts what may be published and subscribed."""
    pub, sub = permitted.pub, permitted.sub
    return not any((pub.allow, pub.deny, sub.allow, sub.deny, permitted.resp))


def _opened(permitted: Permitted) -> str:
    return "answers alone" if permitted.resp else "everything"


def _covered(others: Sequence[Hashable]) -> Callable[[object], bool]:
    """Return what tells whether a permission is one of *others*, or within one of them: queues never are."""
    same = {str(other) for other in others}
    index = SubjectIndex(text for text in same if " " not in text)
    return lambda item: str(item) in same or (" " not in str(item) and index.contain(str(item)))


def _subscription(item: object) -> str:
    """Return a subject, or subject and queue."""
    subject, _, queue = str(item).partition(" ")
    plain = subject and queue and " " not in queue and word(queue) == queue and word(subject) == subject
    return f"{subject} (queue {queue})" if plain else word(str(item))


def _responses(
    wording: Wording, path: str, label: str, sides: tuple[Permitted, Permitted]
) -> Iterator[Difference]:
    old, new = sides
    if old.resp == new.resp:
        return
    texts = [_response(side.resp) for side in sides]
    if old.resp and new.resp:
        effect = together(
            [
                compared(rank(old.resp.max), rank(new.resp.max)),
                compared(rank(old.resp.ttl), rank(new.resp.ttl)),
            ]
        )
    elif new.pub.allow and old.pub.allow:
        effect = Effect.WIDENS if new.resp else Effect.NARROWS
    else:
        effect = Effect.NARROWS if new.resp else Effect.WIDENS
        texts = [
            text if side.pub.allow else f"{text} ({_opened(side)} may be published)"
            for side, text in zip(sides, texts, strict=True)
        ]
    yield Difference(effect, f"{label}answers", wording.step(*texts), (f"{path}.resp",), old.resp, new.resp)


def _response(resp: ResponsePermission | None) -> str:
    if resp is None:
        return "none"
    count = "any number" if resp.max < 0 else "1 by default" if resp.max == 0 else str(resp.max)
    count += f" ({resp.max})" if resp.max < 0 else ""
    within = "2m by default" if resp.ttl == 0 else "any time" if resp.ttl < 0 else units.duration(resp.ttl)
    within += f" ({resp.ttl})" if resp.ttl < 0 else ""
    return f"{count} within {within}"


def operator(wording: Wording, path: str, sides: tuple[Operator, Operator]) -> Iterator[Difference]:
    """Yield the lines of an operator's body."""
    old, new = sides
    keys = (old.signing_keys, new.signing_keys)

    def named(item: object) -> str:
        return wording.key(str(item))

    yield from items(wording, f"{path}.signing_keys", "signing keys", keys, added=Effect.WIDENS, show=named)
    system = (old.system_account, new.system_account)
    effect = Effect.WIDENS if new.system_account else Effect.NARROWS
    yield from value(
        wording, f"{path}.system_account", "system account", system, effect=effect, show=wording.key
    )
    yield from members(wording, path, (*OPERATOR, TAGS), sides)


def activation(wording: Wording, path: str, sides: tuple[Activation, Activation]) -> Iterator[Difference]:
    """Yield the lines of an activation's body."""
    old, new = sides
    effect = Effect.CHANGES
    if old.subject and new.subject:
        inside = is_contained_in(new.subject, old.subject)
        effect = Effect.NARROWS if inside else Effect.WIDENS
    subjects, kinds = (old.subject, new.subject), (old.import_type, new.import_type)
    yield from value(wording, f"{path}.subject", "leave to import", subjects, effect=effect, show=word)
    yield from value(wording, f"{path}.kind", "kind of import", kinds)
    issuers = (old.issuer_account, new.issuer_account)
    yield from value(wording, f"{path}.issuer_account", "exporting account", issuers, show=wording.key)
    yield from items(wording, f"{path}.tags", "tags", (old.tags, new.tags))
