"""Edit the owner's configuration: modules and contexts; comments and order stay as they are.

A table is appended, a table is cut out, a line is replaced: as text, since the standard library reads TOML
and does not write it. The result is read again, and written only when it holds what was meant and the rest
unchanged; a file that is laid out in another way is left alone, with a sentence.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from seedless import config
from seedless.errors import StoreError, UsageError
from seedless.store import atomic
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_-]+")  # a bare key of TOML
_TABLE = re.compile(
    r"^[ \t]*\[", re.MULTILINE
)  # no `\s`: of many empty lines each would be tried to the last
_SELECTED = re.compile(r"^context\s*=.*\n?", re.MULTILINE)


def add_context(environment: Mapping[str, str], name: str, values: Mapping[str, str]) -> Path:
    """Append the context *name* with *values* (as in the file: `store`, `pin-source`); return the file.

    Raise `UsageError` for a name that exists, or that TOML would have to quote; `StoreError` for the file.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{quoted(name)} cannot be the name of a context", "letters, digits, - and _ can be in it"
        )
    path, text, before = _read(environment)
    if name in before.get("contexts", {}):
        raise UsageError(f"there is a context {quoted(name)} already", f"seedless context remove {name}")
    lines = "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
    gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    contexts = {**before.get("contexts", {}), name: dict(values)}
    return _write(path, f"{text}{gap}[contexts.{name}]\n{lines}", before | {"contexts": contexts})


def add_module(environment: Mapping[str, str], module: Path) -> Path | None:
    """List *module* for commands that name none, unless modules are listed; return the file if written.

    With other modules in the list the person has to name the one that is meant: the file is left as it is.
    """
    path, text, before = _read(environment)
    if before.get("modules"):
        return None
    if "modules" in before:
        raise StoreError(f"{shown(path)} has an empty list of modules", f"add {shown(module)} to it by hand")
    line = f"modules = [{_toml(str(module))}]\n"
    return _write(path, line + text, before | {"modules": [str(module)]})


def select_context(environment: Mapping[str, str], name: str | None) -> Path:
    """Let commands use the context *name* where none is named, or none at all; return the file."""
    path, text, before = _read(environment)
    if name is not None and name not in before.get("contexts", {}):
        names = ", ".join(map(quoted, before.get("contexts", {}))) or "none yet"
        raise UsageError(f"there is no context {quoted(name)} in the configuration", f"there are: {names}")
    first = _TABLE.search(text)
    head, tables = (text, "") if first is None else (text[: first.start()], text[first.start() :])
    head = _SELECTED.sub("", head)
    after = {key: value for key, value in before.items() if key != "context"}
    if name is not None:
        head, after = f"context = {_toml(name)}\n{head}", after | {"context": name}
    return _write(path, head + tables, after)


def remove_context(environment: Mapping[str, str], name: str) -> Path:
    """Take the context *name* out of the configuration; return the file."""
    path, text, before = _read(environment)
    contexts = dict(before.get("contexts", {}))
    if contexts.pop(name, None) is None:
        names = ", ".join(map(quoted, before.get("contexts", {}))) or "none"
        raise UsageError(f"there is no context {quoted(name)} in the configuration", f"there are: {names}")
    if before.get("context") == name:
        raise UsageError(f"the context {quoted(name)} is selected", "seedless context select --none")
    table = re.compile(rf"^\[contexts\.{re.escape(name)}\][^\n]*\n(?:(?![ \t]*\[)[^\n]*\n?)*", re.MULTILINE)
    after = {key: value for key, value in before.items() if key != "contexts"}
    return _write(path, table.sub("", text), after | ({"contexts": contexts} if contexts else {}))


def _read(environment: Mapping[str, str]) -> tuple[Path, str, dict[str, Any]]:
    import tomllib  # a command with a token loads this module, and edits nothing

    config.load(environment)  # raises for what is damaged, or what others can write
    path = config.config_path(environment)
    text = (atomic.read(path) or b"").decode("utf-8")
    return path, text, tomllib.loads(text)


def _write(path: Path, text: str, meant: dict[str, object]) -> Path:
    import tomllib

    try:
        found: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        found = None
    if found != meant:
        raise StoreError(
            f"{shown(path)} is laid out in a way that only a person can edit",
            "edit it by hand; nothing was written",
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    atomic.write({path: text})
    return path


def _toml(value: str) -> str:
    """Return *value* as a basic string of TOML, whose escapes JSON's are, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
