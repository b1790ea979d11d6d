"""Files that are given: jwts, creds, claims and seeds, from a path or stdin, and jwts from a URL."""

from __future__ import annotations

import contextlib
import stat
import sys
from typing import TYPE_CHECKING, Any

from seedless import jwt
from seedless.errors import BadJwt, BadKey, SeedlessError, UsageError
from seedless.text import shown
from seedless.units import size

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.claims import Account, Operator, User
    from seedless.jwt import Jwt
    from seedless.seeds import SoftwareKey

__all__ = [
    "checked",
    "is_open_to_others",
    "jwt_in",
    "named",
    "parsed_jwt",
    "parsed_key",
    "read_given",
    "read_input",
    "read_jwt",
    "read_seed",
]

_HERE = ("localhost", "127.0.0.1", "::1")
_PATIENCE = 10  # seconds for a server that does not answer
_DASHES = "---"
_ENOUGH = 4 * jwt.MAX_SIZE  # bytes: a jwt with what people write around it, and claims as they indent them


def named(file: str) -> str:
    """Return what messages call *file*: its name, safe to print, or stdin for `-`."""
    return "stdin" if file == "-" else shown(file)


def read_input(name: str) -> str:
    """Return the text of the file *name*, or of stdin for `-`; raise `UsageError` for what is not text."""
    try:
        # Not pathlib, which loads urllib: a tenth of the time that is ours.
        with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb") as file:  # noqa: PTH123 - see above
            data = file.read(_ENOUGH + 1)  # a device may have no end
        if len(data) > _ENOUGH:
            raise UsageError(f"{shown(name)} is larger than {size(_ENOUGH)}", "give a jwt, creds or claims")
        text = data.decode()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot read {shown(name)}: {reason}", "name a file that can be read") from error
    except ValueError as error:
        if not isinstance(error, UnicodeDecodeError):  # a NUL, or a character that no file can be named with
            raise UsageError(f"{shown(name)} is no name of a file", "name a file that can be read") from None
        raise UsageError(f"{shown(name)} is not text", "give a jwt, creds or claims") from None
    _refuse_document(name, text)
    return text


def _refuse_document(name: str, text: str) -> None:
    """Raise `WrongFile` for a plan, or a file of a ceremony, which can hold many jwts."""
    if text.startswith("{") and '"format":"seedless ' in text:  # canonical JSON: no blanks, one spelling
        from seedless import file_kind  # few files are of that kind

        file_kind.require(text.encode(), name, file_kind.JWT, file_kind.CLAIMS)


def jwt_in(text: str) -> str:
    """Return the jwt in *text*: bare, or the one of a creds file."""
    if _DASHES in text:
        from seedless.decorated import find_jwt  # only for what is between lines of dashes

        text = find_jwt(text)
    return text.strip()


def read_jwt(name: str) -> Jwt[object]:
    """Read and verify the jwt in the file *name*; the error names the file."""
    return parsed_jwt(read_input(name), name)


def parsed_jwt(text: str, name: str) -> Jwt[object]:
    """Return the jwt in *text*, bare or of a creds file; the error names the file *name*."""
    try:
        return jwt.read(jwt_in(text))
    except SeedlessError as error:
        error.message = f"{named(name)}: {error.message}"
        raise


def parsed_key(text: str, name: str) -> SoftwareKey:
    """Return the key whose seed is *text*; the error names the file *name*, and shows nothing of it."""
    from seedless.creds import parse_key  # for files of keys alone

    try:
        return parse_key(text.strip())
    except BadKey as error:
        error.message = f"{named(name)}: {error.message}"
        raise


def is_open_to_others(path: Path) -> bool:
    """Return whether others on this machine can read the file *path*."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def read_given(file: str, body: type[Operator | Account]) -> Jwt[Any]:
    """Return the jwt in *file*; raise `UsageError` or `BadJwt` for one that cannot be taken in."""
    given: Jwt[Any] = _fetched(file) if file.lower().startswith(("http://", "https://")) else read_jwt(file)
    return checked(given, named(file), body)


def checked(given: Jwt[Any], where: str, body: type[Operator | Account | User]) -> Jwt[Any]:
    """Return *given*; raise as `importable` does, with *where* it is from."""
    from seedless.app.jwt_import import importable  # much of the program, for few files

    try:
        return importable(given, body)
    except SeedlessError as error:
        error.message = f"{where}: {error.message}"
        raise


def _fetched(url: str) -> Jwt[object]:
    """Return the jwt at *url*; raise `UsageError` where nothing can be had from there.

    What comes over plain http may be anybody's operator: only this machine is asked in that way.
    """
    import urllib.error  # slow to load, and few jwts come from there
    import urllib.request
    from urllib.parse import urlsplit

    if url.startswith("http:") and urlsplit(url).hostname not in _HERE:
        raise UsageError(
            f"{shown(url)} is not encrypted, and could be anybody's answer", "give an https: URL"
        )
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 - http and https alone
            data = answer.read(_ENOUGH + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the response, too
        raise UsageError(
            f"cannot read {shown(url)}: {error}", "fetch it with a browser, and give the file"
        ) from error
    try:
        return jwt.read(jwt_in(data.decode()))
    except (SeedlessError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, SeedlessError) else "it is not text"
        raise BadJwt(f"{shown(url)}: {reason}", "is it the URL of a jwt?") from error


def read_seed(path: Path) -> SoftwareKey:
    """Return the key whose seed is in the file *path*; raise `UsageError`, `WrongFile` for another file."""
    from seedless import file_kind  # few commands read a seed
    from seedless.seeds import SoftwareKey
    from seedless.store import atomic

    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name a file with a seed, S…")
    file_kind.require(data, path, file_kind.SEED)
    try:
        return SoftwareKey.parse(data.decode("ascii", "replace").strip())
    except SeedlessError as error:
        raise UsageError(f"{shown(path)} holds no seed: {error.message}", error.hint) from error
