"""Lines for an operator, and for an activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims.fields import OPERATOR, TAGS
from seedless.diff.line import Difference, Effect, Wording, word
from seedless.diff.members import items, members, value
from seedless.subject import is_contained_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.claims import Activation, Operator


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
