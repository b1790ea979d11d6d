"""Names that become names of files. What could leave the folder, hide in it or break a line is refused."""

from __future__ import annotations

import os
import unicodedata

from seedless.errors import UsageError
from seedless.text import quoted

LONGEST_NAME = 255 - len(".creds")
"""Bytes of the longest name: with its ending it is still the name of a file."""

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_name(name: str) -> None:
    """Raise `UsageError` unless *name* may be given to an operator, account or user of a store."""
    reason = _objection(name)
    if reason:
        shortened = quoted(name[:64]) + ("…" if name[64:] else "")
        raise UsageError(f"the name {shortened} {reason}", "choose another, such as orders or node-7")


def is_plain(name: str) -> bool:
    """Return whether *name* stays in the folder that it is looked up in."""
    return bool(name) and name not in {".", ".."} and "/" not in name and "\0" not in name


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
