"""Jwts that others made, read from a file or a URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from seedless.app.jwt_import import importable
from seedless.cli.show import ENOUGH, jwt_in, read_jwt
from seedless.errors import BadJwt, SeedlessError, UsageError
from seedless.jwt import read
from seedless.text import shown

_URL = re.compile(r"https?://", re.IGNORECASE)
_HERE = ("localhost", "127.0.0.1", "::1")
_PATIENCE = 10
"""Seconds for a server that does not answer."""

if TYPE_CHECKING:
    from seedless.claims import Account, Operator, User
    from seedless.jwt import Jwt


def read_given(file: str, body: type[Operator | Account]) -> Jwt[Any]:
    """Return the jwt in *file*; raise `UsageError` or `BadJwt` for one that cannot be taken in."""
    jwt: Jwt[Any] = _fetched(file) if _URL.match(file) else read_jwt(file)
    return checked(jwt, "stdin" if file == "-" else shown(file), body)


def checked(jwt: Jwt[Any], where: str, body: type[Operator | Account | User]) -> Jwt[Any]:
    """Return *jwt*; raise as `importable` does, with *where* it is from."""
    try:
        return importable(jwt, body)
    except SeedlessError as error:
        error.message = f"{where}: {error.message}"
        raise


def _fetched(url: str) -> Jwt[Any]:
    """Return the jwt at *url*; raise `UsageError` where nothing can be had from there.

    What comes over plain http may be anybody's operator: only this machine is asked in that way.
    """
    import urllib.request  # slow to load, and few jwts come from there
    from urllib.parse import urlsplit

    if url.startswith("http:") and urlsplit(url).hostname not in _HERE:
        raise UsageError(
            f"{shown(url)} is not encrypted, and could be anybody's answer", "give an https: URL"
        )
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 - http and https alone
            data = answer.read(ENOUGH + 1)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read {shown(url)}: {error}", "fetch it with a browser, and give the file"
        ) from error
    try:
        return read(jwt_in(data.decode()))
    except (SeedlessError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, SeedlessError) else "it is not text"
        raise BadJwt(f"{shown(url)}: {reason}", "is it the URL of a jwt?") from error
