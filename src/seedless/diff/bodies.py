"""Lines for users, operators and activations, and for permissions: of users, scopes and account defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from seedless import units
from seedless.claims import Permissions, Template, User
from seedless.claims.fields import OPERATOR, TAGS, USER
from seedless.claims.jetstream import INBOX, JetStreamPermission, recognised, subjects
from seedless.diff.members import (
    Difference,
    Effect,
    Wording,
    allow_list,
    compared,
    items,
    members,
    rank,
    together,
    value,
    word,
)
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
            text = "publish and subscribe to everything"
            text += ", or the account's defaults" if isinstance(new, User) else ""
            yield Difference(Effect.WIDENS, f"{label}permissions", text, (path,), None, None)
        return
    found = _JetStream.of(sides)
    yield from found.lines(path, label, is_new=wording.is_new)
    everything = ("everything", "everything")
    for name, empty, show in (
        ("pub", (_opened(old), _opened(new)), _subject),
        ("sub", everything, _subscription),
    ):
        allowed = found.others(name, is_new=wording.is_new)
        is_unlimited = not getattr(new, name).allow
        # A permission to answer ends the one to publish everything (nats-server 2.15, client.go).
        if any(allowed) or (wording.is_new and is_unlimited and not (name == "pub" and new.resp)):
            place, title = f"{path}.{name}.allow", f"{label}{name} allow"
            lines = allow_list(wording, place, title, allowed, empty=empty, show=show, covered=_covered)
            real = (getattr(old, name).allow, getattr(new, name).allow)
            yield from (replace(line, old=real[0], new=real[1]) for line in lines)
    for name in ("pub", "sub"):
        denied = (getattr(old, name).deny, getattr(new, name).deny)
        yield from items(
            wording, f"{path}.{name}.deny", f"{label}{name} deny", denied,
            added=Effect.NARROWS, show=_subscription, covered=_covered,
        )  # fmt: skip
    yield from _responses(wording, path, label, sides)


def is_open(permitted: Permitted) -> bool:
    """Return whether nothing restricts what may be published and subscribed."""
    pub, sub = permitted.pub, permitted.sub
    return not any((pub.allow, pub.deny, sub.allow, sub.deny, permitted.resp))


class _JetStream(msgspec.Struct, frozen=True):
    """What is gained and lost of JetStream between two sides, and the subjects that lines about it sum up.

    A permission is one line in place of its subjects. It is lost where all of them are: while one is left,
    each subject that is not has its place in the usual lines.
    """

    sides: tuple[Permitted, Permitted]
    gained: tuple[JetStreamPermission, ...]
    lost: tuple[JetStreamPermission, ...]
    has_common_inbox: bool

    @classmethod
    def of(cls, sides: tuple[Permitted, Permitted]) -> _JetStream:
        """Compare *sides*."""
        if sides[0].pub == sides[1].pub:
            return cls(sides, (), (), has_common_inbox=False)
        found = tuple(map(recognised, sides))
        old, new = (side.permissions for side in found)
        prefixes = {side.inbox_prefix for side in found if side.permissions}
        allowed = frozenset(sides[1].pub.allow)
        is_left = _covered(tuple(allowed.difference(*map(subjects, new))))
        gone = (permission for permission in old if allowed and not allowed.issuperset(subjects(permission)))
        lost = tuple(permission for permission in gone if not any(map(is_left, subjects(permission))))
        gained = tuple(permission for permission in new if permission not in old)
        return cls(sides, gained, lost, prefixes == {INBOX})

    def lines(self, path: str, label: str, *, is_new: bool) -> Iterator[Difference]:
        """Yield a line for each permission."""
        paths = (f"{path}.pub.allow", f"{path}.sub.allow")
        old, new = self.sides
        for permission in self.gained:
            needed = subjects(permission)
            effect = Effect.WIDENS if is_new else _effect(permission, old, Effect.WIDENS)
            text = f"may {_permitted(permission)}"
            yield Difference(effect, f"{label}JetStream", text, paths, None, needed, needed)
        for permission in self.lost:
            effect, needed = _effect(permission, new, Effect.NARROWS), subjects(permission)
            text = f"may no longer {_permitted(permission)}"
            yield Difference(effect, f"{label}JetStream", text, paths, needed, None, needed)

    def others(self, name: str, *, is_new: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what is allowed on both sides besides, to publish or to subscribe (*name*)."""
        old, new = (getattr(side, name).allow for side in self.sides)
        if bool(old) != bool(new) and not is_new:
            # What was everything, or is everything now, is one line, of which that of JetStream is a part.
            return (old, new) if name == "sub" else (_summed_up(self.sides[0]), _summed_up(self.sides[1]))
        if name == "pub":
            went, came = (frozenset().union(*map(subjects, some)) for some in (self.lost, self.gained))
        else:
            # An inbox of its own is shown: it is what other users may not subscribe to. And so is `_INBOX.>`
            # beside one, or in its place: whoever has it receives the answers to all others.
            common = frozenset((f"{INBOX}.>",) if self.has_common_inbox else ())
            went, came = (common if some else frozenset() for some in (self.lost, self.gained))
        went, came = went.difference(new), came.difference(old)
        return tuple(text for text in old if text not in went), tuple(
            text for text in new if text not in came
        )


def _summed_up(permitted: Permitted) -> tuple[str, ...]:
    found = recognised(permitted)
    others = tuple(text for text in permitted.pub.allow if text not in found.pub)
    return (*others, "the subjects of JetStream") if found.pub else others


def _permitted(permission: JetStreamPermission) -> str:
    """Return what may be done, with names that cannot be taken for more than one."""
    names = {name: getattr(permission, name) for name in ("name", "domain")}
    # `read` and `write` of a bucket are words already; subjects and consumers are names.
    names |= {"detail": permission.detail} if permission.kind in {"publish", "consume"} else {}
    return replace(permission, **{name: word(text) for name, text in names.items() if text}).words


def _effect(permission: JetStreamPermission, other: Permitted, effect: Effect) -> Effect:
    """Return *effect*, unless the *other* side allows all of *permission* too."""
    is_covered = _covered(other.pub.allow)
    is_within = not other.pub.allow or all(map(is_covered, subjects(permission)))
    return Effect.CHANGES if is_within else effect


def _opened(permitted: Permitted) -> str:
    return "answers alone" if permitted.resp else "everything"


def _covered(others: Sequence[Hashable]) -> Callable[[object], bool]:
    """Return a test whether a permission is one of *others*, or within one of them: queues never are."""
    same = {str(other) for other in others}
    index = SubjectIndex(text for text in same if " " not in text)
    return lambda item: str(item) in same or (" " not in str(item) and index.contain(str(item)))


def _subject(item: object) -> str:
    return word(str(item))


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
    yield from value(wording, f"{path}.subject", "may import", subjects, effect=effect, show=word)
    yield from value(wording, f"{path}.kind", "kind of import", kinds)
    issuers = (old.issuer_account, new.issuer_account)
    yield from value(wording, f"{path}.issuer_account", "exporting account", issuers, show=wording.key)
    yield from items(wording, f"{path}.tags", "tags", (old.tags, new.tags))
