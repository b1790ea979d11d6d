"""Templates: the table of an account with `{{variables}}` in its strings, for many accounts alike.

A string that is one variable and nothing else takes its value as it is, a number too. What ends with
parentheses, as `{{name()}}`, is a function that servers know and is left as it is. Refused: variables that
nobody gave, and those that the template never uses.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from seedless import wire
from seedless.desired.values import Wrong, found

if TYPE_CHECKING:
    from collections.abc import Mapping

Place = tuple[str | int, ...]
"""Names and indices from the file down to a value: a path, which is text, is made only for errors."""

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")


def expand(template: Any, variables: Mapping[str, Any], place: Place) -> Any:  # noqa: ANN401 - what a file holds
    """Return *template* with its *variables*; raise `Wrong` with the path at or below its *place*."""
    for name, value in variables.items():
        if isinstance(value, dict | list) or value is None:
            raise Wrong(f"the variable {name} is {found(value)}, and not one value", wire.path_of(place))
    used = {"tenant"}
    made = _expanded(template, variables, place, used)
    unused = [name for name in variables if name not in used]
    if unused:
        raise Wrong(f"the template has no variable {unused[0]}", wire.path_of(place))
    return made


def _expanded(value: Any, variables: Mapping[str, Any], place: Place, used: set[str]) -> Any:  # noqa: ANN401 - likewise
    if isinstance(value, str):
        return _text(value, variables, place, used) if "{{" in value else value
    if isinstance(value, dict):
        made: dict[str, Any] = {}
        for name, item in value.items():
            inside = (*place, name)
            written = str(_text(name, variables, inside, used)) if "{{" in name else name
            if written in made:
                raise Wrong("stands twice", wire.path_of((*place, written)))
            made[written] = _expanded(item, variables, inside, used)
        return made
    if isinstance(value, list):
        return [_expanded(item, variables, (*place, n), used) for n, item in enumerate(value)]
    return value


def _text(text: str, variables: Mapping[str, Any], place: Place, used: set[str]) -> Any:  # noqa: ANN401 - likewise
    def value_of(match: re.Match[str]) -> Any:  # noqa: ANN401 - likewise
        name = match[1]
        if name not in variables:
            near = difflib.get_close_matches(name, variables, n=1)
            meant = f", did you mean {near[0]}?" if near else ""
            raise Wrong(f"nobody gives the variable {name}{meant}", wire.path_of(place))
        used.add(name)
        return variables[name]

    whole = _VARIABLE.fullmatch(text)
    return value_of(whole) if whole else _VARIABLE.sub(lambda match: str(value_of(match)), text)
