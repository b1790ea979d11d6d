"""Compute a past ceremony anew, all of it but the signatures, which are verified.

The times are those of the transcript, the policy is the one that it holds, the ledger is made of what the
request brings, less what was taken on first use; the keys give the signatures that are there. What comes out
has to be the result, byte for byte. It cannot tell what the machine knew beyond that.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedless.ceremony import result as results
from seedless.ceremony.judgement import past_ground
from seedless.ceremony.offline import TRANSCRIPT_NAME, Sitting, sit
from seedless.ceremony.progress import progress
from seedless.ceremony.request import parse
from seedless.clock import Clock
from seedless.errors import Refused
from seedless.jwt import read
from seedless.policy import of_canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.ceremony.progress import Progress
    from seedless.jwt import Draft, Jwt
    from seedless.nkey import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What came of it: whether every byte agrees, and where the first one differs that does not."""

    agrees: bool
    text: str
    signatures: int


class _NotSignedError(Refused):
    """There is no signature of what has to be signed."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Keys that give the signatures of a transcript, and what it says of them."""

    jwts: Mapping[bytes, Jwt[Any]]
    told: Mapping[str, Mapping[str, Any]]

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        for one in drafts:
            there = self.jwts.get(one.signing_input)
            if there is None:
                raise _NotSignedError("what has to be signed here was not signed then")
            yield there

    def says(self, public_key: PublicKey) -> Mapping[str, Any]:
        if str(public_key) not in self.told:
            raise _NotSignedError("of a key that has to sign here nothing was said then")
        return self.told[str(public_key)]


def recompute(request_data: bytes, result_data: bytes) -> Recomputed:
    """Compute the ceremony of *request_data* anew and compare what comes out with *result_data*.

    What is judged and shown may change with the version of this program: a difference is no proof of forgery.

    Raise `Refused`, or what reading raises, for what is no request or no whole result.
    """
    request, given = parse(request_data), results.parse(result_data)
    if given.receipts is None:
        raise Refused(
            "there is a transcript and no result: the ceremony did not end", "finish it, or check it"
        )
    so_far = progress(request, given.entries)
    policy = of_canonical(str((so_far.reviewed or {}).get("policy", "")).encode())
    ground = past_ground(request, so_far, policy)
    times = iter([entry["at"] for entry in so_far.entries[1:]])
    keys = _Recorded(_jwts(so_far, given.receipts), so_far.says)
    with tempfile.TemporaryDirectory(prefix="seedless-recompute-") as folder:
        sitting = Sitting(
            ground=ground,
            folder=Path(folder) / "ceremony",
            ledger=Path(folder) / "ledger.json",
            clock=lambda: next(times, so_far.latest),
            statements=tuple(so_far.statements),
            present=tuple((so_far.opened or {}).get("present", ())),
            tool=str((so_far.opened or {}).get("tool", "")),
            waits=Clock(time=lambda: math.inf),  # it was waited for then
        )
        try:
            again = sit(
                sitting, review=lambda _plan, _report: True, keys=lambda: contextlib.nullcontext(keys)
            )
        except _NotSignedError:
            again = (sitting.folder / TRANSCRIPT_NAME).read_bytes()
    if again == result_data:
        return Recomputed(agrees=True, text="every byte agrees", signatures=len(keys.jwts))
    return Recomputed(agrees=False, text=_difference(again, given.entries), signatures=len(keys.jwts))


def _jwts(so_far: Progress, receipts: Iterable[str]) -> dict[bytes, Jwt[Any]]:
    """Return what was signed by what was signed for it: header and payload, receipts among them."""
    jwts = [*so_far.signed, *(read(text) for text in receipts)]
    return {jwt.text.rpartition(".")[0].encode(): jwt for jwt in jwts}


def _difference(again: bytes, entries: tuple[Any, ...]) -> str:
    """Return the place of the first entry that comes out as another."""
    anew = results.parse(again).entries
    for number, (one, other) in enumerate(zip(anew, entries, strict=False)):
        names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
        if names:
            return f"transcript[{number}].{names[0]} comes out as another"
    return f"transcript[{min(len(anew), len(entries))}] is where they part"
