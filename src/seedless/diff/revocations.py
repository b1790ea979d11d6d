"""Lines for revocations: of users by an account, of importing accounts by an export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.diff.line import Difference, Effect, Wording, member
from seedless.trust import EVERYONE
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def revocations(
    wording: Wording, path: str, label: str, sides: tuple[Mapping[str, int], Mapping[str, int]]
) -> Iterator[Difference]:
    """Yield one line for each revocation that comes, goes or moves in time; a later time revokes more."""
    old, new = sides
    for key in [*new, *(key for key in old if key not in new)]:
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        whom = "everyone" if key == EVERYONE else wording.key(key)
        if was is not None and now is not None:
            effect = Effect.NARROWS if now > was else Effect.WIDENS
            text = f"{whom}, issued until {moment(was)} -> {moment(now)}"
        else:
            effect = Effect.WIDENS if now is None else Effect.NARROWS
            text = f"{whom}, issued until {moment((now if was is None else was) or 0)}"
            text = f"removed {text}" if now is None else wording.added(text)
        yield Difference(effect, label, text, (member(path, key),), was, now)
