"""Files that are given: jwts, creds, claims and seeds, from a path or stdin, and jwts from a URL."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from seedless import jwt
from seedless.errors import UsageError, about
from seedless.text import shown
from seedless.units import size

if TYPE_CHECKING:
    from seedless.claims import Account, Operator, User
    from seedless.jwt import Jwt
    from seedless.seeds import SoftwareKey

__all__ = [
    "checked",
    "named",
    "parsed_jwt",
    "parsed_key",
    "read_given",
    "read_input",
    "read_jwt",
]

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
            raise UsageError(
                f"{shown(name)} is not a name of a file", "name a file that can be read"
            ) from None
        raise UsageError(f"{shown(name)} is not text", "give a jwt, creds or claims") from None
    _refuse_document(name, text)
    return text


def _refuse_document(name: str, text: str) -> None:
    """Raise `WrongFile` for a plan, or a file of a ceremony, which can hold many jwts."""
    if text.startswith("{") and '"format":"seedless ' in text:  # canonical JSON: no blanks, one spelling
        from seedless import file_kind  # few files are of that kind

        file_kind.require(text.encode(), name, file_kind.JWT, file_kind.CLAIMS)


def read_jwt(name: str) -> Jwt[object]:
    """Read and verify the jwt in the file *name*; the error names the file."""
    return parsed_jwt(read_input(name), name)


def parsed_jwt(text: str, name: str) -> Jwt[object]:
    """Return the jwt in *text*, bare or of a creds file; the error names the file *name*."""
    with about(named(name)):
        return jwt.read(jwt.bare(text))


def parsed_key(text: str, name: str) -> SoftwareKey:
    """Return the key whose seed is *text*; the error names the file *name*, and shows nothing of it."""
    from seedless.creds import parse_key  # for files of keys alone

    with about(named(name)):
        return parse_key(text.strip())


def read_given(file: str, body: type[Operator | Account]) -> Jwt[Any]:
    """Return the jwt in *file*; raise `UsageError` or `BadJwt` for one that cannot be taken in."""
    if file.lower().startswith(("http://", "https://")):
        from seedless.app.jwt_import import fetched  # few jwts come from there

        return checked(fetched(file), shown(file), body)
    return checked(read_jwt(file), named(file), body)


def checked(given: Jwt[Any], where: str, body: type[Operator | Account | User]) -> Jwt[Any]:
    """Return *given*; raise as `importable` does, with *where* it is from."""
    from seedless.app.jwt_import import importable  # much of the program, for few files

    with about(where):
        return importable(given, body)
