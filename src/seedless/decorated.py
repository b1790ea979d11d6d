"""Decorated text: what is between lines of dashes, as in creds files and files that nsc writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seedless.errors import BadJwt

if TYPE_CHECKING:
    from collections.abc import Iterator

_DASHES = "---"
# Only to detect whether a file holds a seed where the jwt should be, which is then not quoted. Whether the
# seed is right is for `seeds`.
_SEED = re.compile(r"S[OAUNCX][A-Z2-7]{56}")
_BODY = re.compile(r"[\w\-.=]+", re.ASCII)


def parse_jwt(text: str) -> str:
    """Return what the first block of *text* holds, or all of *text* if it has none (`ParseDecoratedJWT`).

    What is returned is unverified.
    """
    return next(blocks(text), text)


def find_jwt(text: str) -> str:
    """Return the jwt in *text* as `parse_jwt` does; raise `BadJwt` where that would be no jwt but a fault.

    That is a seed where the jwt should be, and lines of dashes without a block: an empty line beside the jwt
    is enough, and servers and clients then take all of the file for a jwt.
    """
    # Not `parse_jwt`: that returns the whole text where there is no block, as the library does, and the
    # error would be about the base64 of a line of dashes.
    found = next(blocks(text), None)
    is_seed = found is not None and _SEED.fullmatch(found) is not None
    lines = text.split("\n")
    if is_seed and not any(line.lstrip().startswith("eyJ") for line in lines):
        raise BadJwt(
            "this file holds a seed and no jwt", "take the jwt and the seed together: seedless user creds"
        )
    if is_seed or (found is None and any(map(_is_opening, lines))):
        raise BadJwt(
            "lines of dashes and no block: the jwt must be on one line between them",
            "remove empty lines and line breaks between the lines of dashes",
        )
    return text if found is None else found


def blocks(text: str) -> Iterator[str]:
    r"""Yield what is between lines of dashes.

    The official library's expression is `\s*(?:(?:[-]{3,}.*[-]{3,}\r?\n)([\w\-.=]+)(?:\r?\n[-]{3,}.*[-]{3,}
    (\r?\n|\z)))`. In Python it would take cubic time on long lines of dashes, so it is read line by line.
    """
    lines = text.split("\n")
    at = 0
    while at + 2 < len(lines):
        opening, body, closing = lines[at : at + 3]
        ended = at + 3 < len(lines)
        if (
            _is_opening(opening)
            and _BODY.fullmatch(inner := body.removesuffix("\r"))
            and _is_closing(closing.removesuffix("\r") if ended else closing)
        ):
            yield inner
            at += 3
        else:
            at += 1


def _is_opening(line: str) -> bool:
    line = line.removesuffix("\r")
    return line.endswith(_DASHES) and 0 <= line.find(_DASHES) <= len(line) - 2 * len(_DASHES)


def _is_closing(line: str) -> bool:
    return line.startswith(_DASHES) and line.endswith(_DASHES) and len(line) >= 2 * len(_DASHES)
