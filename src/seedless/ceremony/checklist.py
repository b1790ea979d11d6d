"""The checklist of a ceremony: one page to print, to tick and to sign by hand.

It tells neither the digest of the request nor its words: whoever compared this page with the screen would
compare the file of the request with itself. They are copied by hand from the paper of whoever prepared it.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from seedless.ceremony.judgement import Ground

_WIDTH = 78
_WORDS = 32  # of a SHA-256
_IN_A_ROW = 4  # half a row of the screen: handwriting wants room
_BLANK = "_" * 16
_MOST = 20  # lines of changes; more do not fit on the page
_STEPS = (
    "The machine has no network: cables out, radios off. Its clock says the time of day.",
    "The words above are from the paper of whoever prepared the request. They were read aloud and compared.",
    "The digest of the policy is the one that was written down when the policy was made.",
    "Each change was read and is wanted. Nothing was lifted that nobody can explain.",
    "Each witness has signed, with a key of their own.",
    "The token is the one that is named below; its serial was read from the device.",
    "The words were typed; the PIN was typed last, and nobody watched.",
    "The result was copied; its digest was written down: ________________________________",
    "The token is back in its safe. The ledger was backed up.",
)


def checklist(ground: Ground, token_lines: tuple[str, ...] = ()) -> str:
    """Return the page, plain text; *token_lines* name the token of each key that is to sign."""
    request, policy = ground.request, ground.policy
    changes = [
        f"{'change' if one.replaces else 'new':<7} {shown(one.title)} ({shown(one.reason)})"
        for one in request.plan.changes
    ]
    if len(changes) > _MOST:
        changes = [*changes[: _MOST - 1], f"and {len(changes) - _MOST + 1} more"]
    wanted = f"{policy.witnesses.threshold} of {len(policy.witnesses.keys)}" if policy.witnesses else "none"
    lines = [
        f"CEREMONY {request.mark}".strip(),
        "",
        f"reason       {shown(request.reason)}",
        f"prepared     {moment(request.plan.prepared_at)} by {shown(request.prepared_by)}",
        f"expires      {moment(request.expires)}",
        f"operator     {request.operator_key}",
        f"policy       {policy.digest}",
        f"witnesses    {wanted}",
        "",
        "the words of the request, from the paper of whoever prepared it",
        *(f"{first:>3}  {' '.join([_BLANK] * _IN_A_ROW)}" for first in range(1, _WORDS, _IN_A_ROW)),
        "",
        *changes,
        "",
        *token_lines,
        *([""] if token_lines else []),
    ]
    for number, step in enumerate(_STEPS, 1):
        lines += textwrap.wrap(f"[ ] {number}. {step}", _WIDTH, subsequent_indent="       ")
    lines += [
        "",
        "date, place  ______________________________",
        "names        ______________________________",
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"
