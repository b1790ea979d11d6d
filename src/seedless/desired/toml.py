"""TOML 1.0 as people write it: a table for each thing, and what is short on one line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Path = tuple[str, ...]

_WIDTH = 100
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_UNWRITTEN = re.compile("[\x7f\x80-\x9f\ufeff\u2028\u2029]")


def dumps(members: Mapping[str, Any], has_header: Callable[[Path], bool]) -> str:
    """Return *members* (text, booleans, integers, lists, tables) as TOML.

    A table for whose path *has_header* has a header of its own, be it ever so short.
    """
    return "\n".join(_table(members, (), has_header)).strip() + "\n"


def _table(members: Mapping[str, Any], path: Path, has_header: Callable[[Path], bool]) -> Iterator[str]:
    below: dict[str, Any] = {}
    for name, value in members.items():
        line = f"{_key(name)} = {_inline(value)}"
        is_apart = isinstance(value, dict) and (has_header((*path, name)) or len(line) > _WIDTH)
        if is_apart or _is_of_tables(value):
            below[name] = value
        else:
            yield line if not isinstance(value, list) or len(line) <= _WIDTH else _long(name, value)
    for name, value in below.items():
        header = ".".join(map(_key, (*path, name)))
        for item in value if isinstance(value, list) else ():
            yield f"\n[[{header}]]"
            yield from (f"{_key(member)} = {_inline(held)}" for member, held in item.items())
        if isinstance(value, dict):
            lines = list(_table(value, (*path, name), has_header))
            if not lines or not lines[0].startswith("\n"):
                yield f"\n[{header}]"
            yield from lines


def _is_of_tables(value: Any) -> bool:  # noqa: ANN401 - any value
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _long(name: str, values: list[Any]) -> str:
    return "\n".join([f"{_key(name)} = [", *(f"  {_inline(value)}," for value in values), "]"])


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _inline(value: Any) -> str:  # noqa: ANN401 - any value
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _text(value)
        case dict():
            inside = ", ".join(f"{_key(name)} = {_inline(item)}" for name, item in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            return f"[{', '.join(map(_inline, value))}]"


def _text(text: str) -> str:
    """Return *text* as a basic string; what TOML refuses or nobody sees is escaped."""
    written = json.dumps(text, ensure_ascii=False)
    return _UNWRITTEN.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
