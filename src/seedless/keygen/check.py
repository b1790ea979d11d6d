"""Check a ceremony that created keys, afterwards: from its files alone, and by computing it anew."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.ceremony import transcript
from seedless.ceremony.check import CeremonyVerdict, Recomputation
from seedless.ceremony.keys import RESULT_FORMAT, policy_text
from seedless.ceremony.statements import read_ceremony_jwt, require_equal, require_witnesses
from seedless.errors import Refused, SeedlessError
from seedless.keygen import request as key_request
from seedless.keygen.run import RECORD_NAME, KeygenRun, run_keygen
from seedless.keygen.transcript import KeygenProgress, content_of, progress, receipt_drafts
from seedless.policy import read as read_policy
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.ceremony.keys import CeremonyKey
    from seedless.jwt import Draft, Jwt
    from seedless.keygen.request import KeygenRequest, SpecifiedKey
    from seedless.nkey import PublicKey


_ORDER = "an entry is missing, added, swapped or changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeygenCheck:
    """A verdict on request and result, what to state about it, and what was read."""

    verdict: CeremonyVerdict
    text: str
    hint: str = ""
    request: KeygenRequest | None = None
    progress: KeygenProgress | None = None
    recomputed: Recomputation | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is complete, and came out byte for byte where it was computed anew."""
        is_same = self.recomputed is None or self.recomputed.agrees
        return self.verdict is CeremonyVerdict.COMPLETE and is_same


def policy_of(so_far: KeygenProgress) -> str:
    """Return the policy (TOML) that pins the operator whose keys were created; `UsageError` for none."""
    specification = so_far.request.specification
    witnesses = specification.witnesses
    return policy_text(
        so_far.keys,
        witnesses.keys if witnesses else (),
        witnesses.threshold if witnesses else 0,
        specification.attestation_roots,
        recoverable=bool(specification.recoverable),
    )


def check_keygen(
    request: bytes,
    result: bytes,
    operator: PublicKey | None = None,
    *,
    policy: str | None = None,
    recompute: bool = False,
) -> KeygenCheck:
    """Return the verdict on *request* and *result* (or a transcript): no token, clock or network is asked.

    *operator* is the pinned operator key, which has to be one of those that were created; *policy* the digest
    of the one that has to follow from them. With *recompute* one that is complete is computed anew.
    """
    try:
        asked = key_request.parse(request)
        read = transcript.parse(result, RESULT_FORMAT)
        so_far = progress(asked, read.entries)
        if not so_far.entries:
            raise Refused("the transcript has no entries", "it was cut off")
        _require_witnessed(so_far)
        if read.receipts is None:
            return _incomplete(so_far)
        if not so_far.is_ended:
            raise Refused("result.transcript stops before its end, and has receipts", _ORDER)
        _require_receipts(so_far, read.receipts)
        if operator is not None and operator not in {key.public_key for key in so_far.keys}:
            raise Refused(f"the pinned operator key {operator} is none of the keys that were created")
        # By its digest, which has no comments and no order: people edit the file, and may not edit this.
        if policy is not None and read_policy(policy_of(so_far).encode()).digest != policy:
            raise Refused("the policy is another one than follows from the keys that were created")
        again = recompute_keygen(request, result) if recompute else None
    except SeedlessError as error:
        return KeygenCheck(verdict=CeremonyVerdict.FALSE, text=error.message, hint=error.hint)
    count = len(so_far.keys)
    text = f"{count} {'key was' if count == 1 else 'keys were'} created as requested, each signed a receipt"
    return KeygenCheck(
        verdict=CeremonyVerdict.COMPLETE, text=text, request=asked, progress=so_far, recomputed=again
    )


def _incomplete(so_far: KeygenProgress) -> KeygenCheck:
    done, wanted = len(so_far.keys), len(so_far.request.specification.keys)
    end = "it was abandoned" if so_far.is_abandoned else "it has not ended"
    again = "where it was begun, seedless ceremony keygen --request goes on with it"
    return KeygenCheck(
        verdict=CeremonyVerdict.INCOMPLETE,
        text=f"{done} of {wanted} keys were created, and there are no receipts: {end}",
        hint="" if so_far.is_abandoned else again,
        request=so_far.request,
        progress=so_far,
    )


def _require_witnessed(so_far: KeygenProgress) -> None:
    request = so_far.request
    require_witnesses(
        so_far.statements, content_of(request), request.specification.witnesses,
        signers={key.public_key.raw for key in so_far.keys},
        prepared_at=request.prepared_at, now=so_far.sessions[0].at,
    )  # fmt: skip


def _require_receipts(so_far: KeygenProgress, texts: Sequence[str]) -> None:
    drafts = receipt_drafts(so_far)
    for number, (text, draft) in enumerate(zip(texts, drafts, strict=False)):
        place = f"result.receipts[{number}]"
        require_equal(read_ceremony_jwt(text, place), draft, place)
    if len(texts) != len(drafts):
        raise Refused(f"result.receipts holds {len(texts)}, and {len(drafts)} keys were created")


def recompute_keygen(request: bytes, result: bytes) -> Recomputation:
    """Compute the ceremony of *request* anew, all of it but the signatures, and compare it with *result*.

    Raise `Refused`, or what reading raises, for what is not a request or no whole result.
    """
    asked, read = key_request.parse(request), transcript.parse(result, RESULT_FORMAT)
    if read.receipts is None:
        raise Refused(
            "there is a transcript and no result: the ceremony did not end", "finish it, or check it"
        )
    so_far = progress(asked, read.entries)
    # The same code as in the ceremony runs, with its files; only tokens and clock are replaced.
    recorded = _Recorded(so_far, read.receipts)
    count = sum(so_far.signatures_in_all.values())
    try:
        with tempfile.TemporaryDirectory(prefix="seedless-recompute-") as folder:
            agrees = recorded.held(Path(folder)) == result
    except Refused as error:
        # Another version may write it otherwise: a difference is no proof of forgery, and no verdict.
        return Recomputation(agrees=False, text=error.message, signatures=count)
    text = "every byte agrees" if agrees else "it comes out otherwise than the result has it"
    return Recomputation(agrees=agrees, text=text, signatures=count)


class _InterruptedError(Exception):
    """The ceremony was interrupted here."""


@dataclass(slots=True)
class _Recorded:
    """What a transcript has, in the place of tokens, people and clock; implements `KeygenTokens`."""

    so_far: KeygenProgress
    receipts: Sequence[str]
    written: int = 0
    goes_on: bool = False

    def held(self, folder: Path) -> bytes:
        """Return the result of the ceremony, held again in *folder*, as often as it was interrupted."""
        if self.so_far.record is not None:
            atomic.write({folder / RECORD_NAME: self.so_far.record.to_bytes().decode()})
        for session in self.so_far.sessions:
            run = KeygenRun(
                request=self.so_far.request, folder=folder, clock=self._clock, tool=session.tool,
                statements=tuple(self.so_far.statements), present=session.present, bags=session.bags,
                exceptions=session.exceptions, readiness=lambda: self.so_far.readiness,
            )  # fmt: skip
            with contextlib.suppress(_InterruptedError):
                return run_keygen(run, lambda: contextlib.nullcontext(self))
        raise Refused("the transcript has no end", _ORDER)

    def _clock(self) -> int:
        """Return the time of the next entry; one that went on later has it for the first of its entries."""
        # `run_keygen` reads the clock once for each entry that it writes, in their order.
        entry = self.so_far.entries[min(self.written, len(self.so_far.entries) - 1)]
        if entry["kind"] == "resumed" and not self.goes_on:
            self.goes_on = True
            raise _InterruptedError
        self.goes_on = False
        self.written += 1
        return int(entry["at"])

    def require_free(self, keys: Sequence[SpecifiedKey]) -> None:
        """Pass: whether a label was free is known to the token alone, and was then."""

    def create(self, key: SpecifiedKey) -> tuple[CeremonyKey, int]:
        """Return *key* as it was created, and how many challenges it signed."""
        made = self.so_far.keys[self.so_far.request.specification.keys.index(key)]
        return made, self.so_far.signatures[str(made.public_key)] - 1

    def sign(self, drafts: Sequence[Draft[object]]) -> Sequence[Jwt[object]]:
        """Return what was signed for each draft; raise `Refused` where nothing was."""
        return [self._signed(draft) for draft in drafts]

    def _signed(self, draft: Draft[object]) -> Jwt[object]:
        for text in (*self.so_far.key_statements, *self.receipts):
            if text.startswith(f"{draft.signing_input.decode()}."):
                return read_ceremony_jwt(text, "the result")
        raise Refused("a signature of the result is over something else than comes out", _ORDER)
