"""Checks of ceremonies that were held, and their reports: no token, no store, no network."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from seedless import file_kind
from seedless.ceremony.check import CeremonyCheck, CeremonyVerdict, Recomputation, check, recompute
from seedless.keygen.check import KeygenCheck, check_keygen
from seedless.nkey import PublicKey
from seedless.store import atomic

__all__ = ["CeremonyAudit", "CeremonyReport", "audit", "is_key_request", "report"]


class CeremonyAudit(Struct, frozen=True, kw_only=True):
    """A ceremony that was checked afterwards; `recomputed` is None unless it was computed anew."""

    check: CeremonyCheck
    recomputed: Recomputation | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is complete, and came out byte for byte where it was computed anew."""
        is_same = self.recomputed is None or self.recomputed.agrees
        return self.check.verdict is CeremonyVerdict.COMPLETE and is_same

    @property
    def compare_with_paper(self) -> tuple[str, ...]:
        """The digests that no file can prove: only paper, or whoever was there, has them besides."""
        found = self.check
        if found.verdict is CeremonyVerdict.FALSE or found.progress is None or not found.progress.entries:
            return ()
        return ("request", *(["policy"] if found.policy else []), "transcript")


class CeremonyReport(Struct, frozen=True, kw_only=True):
    """The page about a ceremony (HTML), and the verdict at its top.

    `lacks_qr_code` is whether the digest of the transcript has no QR code, since segno is not installed.
    """

    verdict: CeremonyVerdict
    text: str
    page: str
    has_qr_code: bool
    lacks_qr_code: bool

    def write(self, path: str | Path) -> None:
        """Write the page to the new file *path*; raise `UsageError` where there is one."""
        atomic.write_new({Path(path): self.page})


def is_key_request(request: bytes) -> bool:
    """Report whether *request* (the bytes of a file) is a request to create keys."""
    return file_kind.identify(request) is file_kind.KEY_REQUEST


def audit(
    request: bytes, result: bytes, operator_key: PublicKey, *, policy: str | None, recomputes: bool
) -> CeremonyAudit:
    """Return what checking *result* comes to, see `Ceremonies.check`."""
    found = check(request, result, operator_key, policy=policy)
    is_complete = found.verdict is CeremonyVerdict.COMPLETE
    again = recompute(request, result) if recomputes and is_complete else None
    return CeremonyAudit(check=found, recomputed=again)


def report(request: bytes, result: bytes, operator_key: PublicKey) -> CeremonyReport:
    """Return the page about the ceremony of *request*, see `Ceremonies.report`."""
    from seedless.ceremony.report import qr_code, report  # only where a page is made
    from seedless.keygen.report import key_report

    checked: CeremonyCheck | KeygenCheck
    if is_key_request(request):
        checked = check_keygen(request, result, operator_key)
        qr = qr_code(checked.progress.digest) if checked.progress else None
        page = key_report(checked, qr=qr)
    else:
        checked = check(request, result, operator_key)
        qr = qr_code(checked.progress.digest) if checked.progress else None
        page = report(checked, qr=qr)
    return CeremonyReport(
        verdict=checked.verdict,
        text=checked.text,
        page=page,
        has_qr_code=qr is not None,
        lacks_qr_code=checked.progress is not None and qr is None,
    )
