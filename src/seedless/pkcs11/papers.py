"""The papers of a key: what follows from what its driver says of it. Statements, not attestations.

Nothing here is proved: a driver can say what it likes, and one that says nothing gets no credit. Refused is
nothing; whoever signs refuses a key that can leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from seedless.pkcs11.info import TokenInfo
    from seedless.pkcs11.key import KeyAttributes

STATEMENT: Final = "these are statements of the driver, not attestations"
SOFTWARE: Final = "software: the files can be copied"
_UNAVAILABLE = frozenset({0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})  # CK_UNAVAILABLE_INFORMATION, both widths
_SOFTWARE_FAMILIES = frozenset({"SoftHSM", "NSS softoken"})


class Verdict(StrEnum):
    """What follows for one key, in the words of *the driver says*."""

    MADE_HERE = "made on this token, not extractable"
    COULD_LEAVE = "made on this token, but could leave before"
    IMPORTED = "imported"
    CAN_LEAVE = "can leave"
    UNSAID = "not reported by the driver"


@dataclass(frozen=True, slots=True)
class Papers:
    """The verdict on one key, the mechanism that made it (None: not told), and remarks to be said with it."""

    verdict: Verdict
    mechanism: int | None = None
    remarks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The verdict and the remarks, in one line."""
        return "; ".join((self.verdict, *self.remarks))


def papers(attributes: KeyAttributes, mechanism: int | None, info: TokenInfo) -> Papers:
    """Return what follows from the *attributes* of a private key on a token.

    *mechanism* is its CKA_KEY_GEN_MECHANISM, None where the driver gives none (PKCS#11 2.40 §4.4: also
    CK_UNAVAILABLE_INFORMATION, for a key that was not made on the token).
    """
    told = None if mechanism in _UNAVAILABLE else mechanism
    return Papers(
        _verdict(attributes, told, reports=info.quirks.reports_origin),
        told,
        (SOFTWARE,) if is_software(info) else (),
    )


def is_software(info: TokenInfo) -> bool:
    """Say whether the token is known to be a program, whose keys lie in files."""
    family = info.quirks.family
    return family in _SOFTWARE_FAMILIES or (family == "openCryptoki" and "soft" in info.model.lower())


def _verdict(says: KeyAttributes, mechanism: int | None, *, reports: bool) -> Verdict:
    if says.can_leave:
        return Verdict.CAN_LEAVE
    if not reports:
        return Verdict.UNSAID
    made_here = says.local is True or (says.local is None and mechanism is not None)
    if says.local is False:
        return Verdict.IMPORTED
    if not made_here or says.extractable is None:
        return Verdict.UNSAID
    if says.never_extractable is False or says.always_sensitive is False:
        return Verdict.COULD_LEAVE
    return Verdict.MADE_HERE
