"""Names, and the names of files that hold what is called so.

The name of an account is not a path: servers run accounts called `team/orders`, or with a leading dot. What
a file system cannot have, or what would hide in a folder or break a line, is written in a file's name as in
URLs (RFC 3986, section 2.1): `team%2Forders`. All other names are names of files as they are, so that the
stores of nsc stay as they are; nsc calls such an account by the name of its folder.
"""

from __future__ import annotations

import functools
import os
import re
import unicodedata

from seedless.errors import UsageError
from seedless.text import quoted

LONGEST_NAME = 255 - len(".creds")
"""Bytes of the longest name: with its ending it is still the name of a file."""

_ESCAPED = len("%2F")  # at most so many characters of a file's name are one of an ASCII name
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_WRITTEN_OTHERWISE = frozenset({"Cc", "Zl", "Zp"})
_ESCAPE = re.compile("((?:%[0-9A-F]{2})+)")
# A percent sign is one of these only where it begins what `file_name` writes: a / or a control character, a
# dot at the beginning, or a percent sign. So a%20b stays the name of its file.
_LIKE_ESCAPE = re.compile("%(?=2F|25|0[0-9A-F]|1[0-9A-F]|7F|C2%[89]|E2%80%A[89])|^%(?=2E)")


def check_name(name: str) -> None:
    """Raise `UsageError` unless *name* may be given to an operator, account or user of a store."""
    reason = _objection(name)
    if reason:
        raise UsageError(f"the name {_shortened(name)} {reason}", "choose another, such as orders or node-7")


def require_storable(name: str) -> None:
    """Raise `UsageError` unless a store can have what others called *name*."""
    if name.isascii() and 0 < len(name) * _ESCAPED <= LONGEST_NAME:
        return  # as nearly all of the thousands of names in a file are
    reason = ""
    if not name:
        reason = "is empty"
    elif any(unicodedata.category(character) == "Cs" for character in name if not character.isascii()):
        reason = "holds half of a surrogate pair"
    elif len(os.fsencode(file_name(name))) > LONGEST_NAME:
        reason = f"is longer than {LONGEST_NAME} bytes as the name of a file"
    if reason:
        raise UsageError(f"the name {_shortened(name)} {reason}", "have it renamed by who issued it")


@functools.lru_cache(maxsize=1024)
def file_name(name: str) -> str:
    """Return what the file of *name* is called, without its ending: two names never share a file."""
    if name.isascii() and name.isprintable() and not {"/", "%"} & set(name) and not name.startswith("."):
        return name
    marked = _LIKE_ESCAPE.sub("%25", name)
    written = "".join(
        _escaped(item) if item == "/" or unicodedata.category(item) in _WRITTEN_OTHERWISE else item
        for item in marked
    )
    return f"%2E{written[1:]}" if written.startswith(".") else written


def name_of(file: str) -> str:
    """Return the name whose file is called *file*."""
    if "%" not in file:
        return file
    try:
        name = "".join(_unescaped(part) for part in _ESCAPE.split(file))
    except UnicodeDecodeError:
        return file
    return name if file_name(name) == file else file


def is_plain(name: str) -> bool:
    """Return whether *name* stays in the folder that it is looked up in."""
    return bool(name) and name not in {".", ".."} and "/" not in name and "\0" not in name


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _unescaped(part: str) -> str:
    return bytes.fromhex(part.replace("%", "")).decode() if _ESCAPE.fullmatch(part) else part


def _shortened(name: str) -> str:
    return quoted(name[:64]) + ("…" if name[64:] else "")


def _objection(name: str) -> str:
    objections = (
        (not name, "is empty"),
        ("/" in name, "holds a /"),
        (name.startswith("."), "begins with a dot"),
        (_holds_control(name), "holds a control character"),
        (name != name.strip(), "begins or ends with a blank"),
        (len(os.fsencode(name)) > LONGEST_NAME, f"is longer than {LONGEST_NAME} bytes"),
    )
    return next((text for applies, text in objections if applies), "")


def _holds_control(name: str) -> bool:
    if name.isascii():
        return not name.isprintable()
    return any(unicodedata.category(c) in _REFUSED_CATEGORIES for c in name)
