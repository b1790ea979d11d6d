"""The receipt: every key that signed in a ceremony also signs the digest of its transcript.

A transcript whose hashes were all computed again has another digest, and nobody without the keys has a
receipt for it. Refused are a receipt that is missing, that is by another key, or that says anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.ceremony.own import RECEIPT, own_draft, read_own, require_says
from seedless.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.ceremony.request import Request
    from seedless.jwt import Draft, Jwt


def receipt_drafts(request: Request, transcript: str, at: int) -> tuple[Draft[Any], ...]:
    """Return the drafts of the receipts for *transcript* (hex digest), one by each key that signed."""
    said = {"request": request.digest}
    return tuple(own_draft(RECEIPT, transcript, said, issuer, at) for issuer in request.issuers)


def require_receipts(
    texts: Sequence[str], request: Request, transcript: str, at: int
) -> tuple[Jwt[Any], ...]:
    """Return the verified receipts in *texts*; raise `Refused` that names the place of what is wrong."""
    wanted = receipt_drafts(request, transcript, at)
    found = [read_own(text, f"result.receipts[{number}]") for number, text in enumerate(texts)]
    for number, (jwt, draft) in enumerate(zip(found, wanted, strict=False)):
        require_says(jwt, draft, f"result.receipts[{number}]")
    if len(found) != len(wanted):
        raise Refused(f"result.receipts holds {len(found)}, and {len(wanted)} keys have signed")
    return tuple(found)
