"""JSON exactly as Go's encoding/json writes it, and reading that forgives nothing.

Writing: field order is the struct's, maps are sorted by UTF-8 bytes, `< > &`, U+2028 and U+2029 are
escaped, floats have Go's formats. Reading refuses what Go forgives: names twice, bytes that are not
UTF-8, nesting beyond `MAX_DEPTH`. Numbers that are no plain integers stay text (`Number`) until the
place where they are determines what they should be.
"""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from seedless.errors import BadClaims

if TYPE_CHECKING:
    import json
    from collections.abc import Iterable, Iterator, Sequence

RULES = {
    "loose-base64": "base64 with line breaks or unused bits that are not zero",
    "loose-base32": "a key that is not the one spelling of 32 bytes: line breaks, unused bits, other lengths",
    "header-spelling": "a header that is not spelled byte for byte as the official library writes it",
    "not-utf8": "bytes that are not UTF-8, or an escaped half of a surrogate pair",
    "duplicate-name": "a member name that occurs twice in one object",
    "folded-name": "a member name that equals a known one but for upper and lower case",
    "too-deep": "nesting deeper than 100 levels",
    "small-order-key": "a public key, or first half of a signature, that is a point of small order",
    "null": "null for a member, in a list or in a map",
    "null-entry": "null for an import or an export",
    "empty-type": "an empty top-level type, or version 1 without one",
    "v1-under-v2-header": "claims of version 1 under a header of version 2",
    "generic-names-typed": "generic claims whose type names one of the typed kinds",
}
"""Where the strict reader is stricter than the official library, on purpose: name and description."""

ALWAYS_REFUSED = frozenset(
    {"loose-base32", "too-deep", "small-order-key", "null-entry", "generic-names-typed"}
)
"""The rules that hold for every reader; what breaks another is read by `jwt.read` and reported."""

MAX_DEPTH = 100
# int() of a text takes quadratic time, and int64 has 19 digits and a sign; longer ones stay text, and the
# place where they are refuses them by name.
_LONGEST_INT = 20
_LONGEST_PATH = 400
_LONGEST_NAME = 80
# An unfinished string is matched as well: starting again at each quote in it would take quadratic time.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SURROGATE = "[\ud800-\udfff]"  # compiled by `re` when a text that is not ASCII comes
_PLAIN_NAME = re.compile(r"[\w*>$-]+")
_BRACKET = re.compile(rb"[\[\]{}]")
# encoding/json escapes these for HTML by default (SetEscapeHTML), and the official library does not turn
# that off. Without it a name with `&` would have other bytes than nsc writes.
_ESCAPES = tuple((ord(mark), mark.encode(), b"\\u%04x" % ord(mark)) for mark in "<>&")
# Line ends in JavaScript before ES2019; encoding/json escapes them whatever its options are.
_WIDE_ESCAPES = tuple((mark.encode(), b"\\u%04x" % ord(mark)) for mark in "\u2028\u2029")
# Sorts by code points, which is the order of UTF-8 bytes that Go sorts the keys of maps by; UTF-16 order,
# as JavaScript has it, would differ beyond U+FFFF.
_ENCODER = msgspec.json.Encoder(order="deterministic")


class Number(str):
    """The text of a JSON number that is not an integer of twenty characters or fewer."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object as it is: its names and values in their order, some of them perhaps more than once."""

    def twice(self) -> str | None:
        """Return the first name that occurs more than once."""
        seen: set[str] = set()
        for name, _ in self:
            if name in seen:
                return name
            seen.add(name)
        return None


def encode(value: object) -> bytes:
    """Return *value* as Go writes it; raise `BadClaims` for what JSON cannot hold."""
    try:
        data = _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise BadClaims(
            "text holds half of a surrogate pair, which is not a character", rule="not-utf8"
        ) from None
    except (OverflowError, TypeError, ValueError, RecursionError) as error:
        raise BadClaims(f"this cannot be written as JSON: {error}") from error
    for byte, raw, escaped in _ESCAPES:
        if byte in data:  # a byte is looked for much faster than bytes are
            data = data.replace(raw, escaped)
    if not data.isascii():
        for raw, escaped in _WIDE_ESCAPES:
            data = data.replace(raw, escaped)
    return data


def go_number(number: float) -> str:
    """Return the float64 *number* as Go's encoding/json writes it (strconv 'f', or 'e' far from 1)."""
    if not math.isfinite(number):
        raise BadClaims(f"{number} is not a JSON number")
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    sign = "-" if number < 0 else ""
    mantissa, _, power = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).strip("0")
    leading = len(whole) if whole != "0" else len(fraction.lstrip("0")) - len(fraction)
    point = int(power or 0) + leading  # the value is 0.DIGITS times ten to the power of point
    # Go writes 1e-7 where Python writes 1e-07, and digits in full up to 1e21 where Python stops at 1e16.
    if 1e-6 <= abs(number) < 1e21:  # noqa: PLR2004 - the bounds of encoding/json's floatEncoder
        return sign + _plain(digits, point)
    exponent = point - 1
    point_and_rest = "." + digits[1:] if digits[1:] else ""
    return f"{sign}{digits[0]}{point_and_rest}e{'-' if exponent < 0 else '+'}{abs(exponent)}"


def _plain(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return digits[:point] + "." + digits[point:]


def generic(value: object, path: str = "") -> object:
    """Return *value* (what a generic body holds) ready for `encode`: every number as Go's float64."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        # Generic claims pass through float64 in Go: 2^53+1 comes out as 2^53. Another spelling would
        # change in the first tool that reads and writes it.
        return msgspec.Raw(go_number(to_float(value, path)).encode())
    if isinstance(value, dict):
        return {_name(name, path): generic(item, join(path, name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [generic(item, at(path, index)) for index, item in enumerate(value)]
    raise BadClaims(f"{type(value).__name__} has no place in JSON", path=path)


def _name(name: object, path: str) -> str:
    if not isinstance(name, str):
        raise BadClaims(f"{path}: the name of a member is text, not {name!a:.40}", path=path)
    return name


def to_float(value: float | Number, path: str = "") -> float:
    """Return *value* as a float64; raise `BadClaims` when it is beyond the range."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadClaims(f"{path}: the number is beyond the range of a float64", path=path)
    return number


def parse(data: bytes) -> Any:  # noqa: ANN401 - JSON is what it is
    """Read one JSON value strictly; raise `BadClaims` with the rule that it breaks.

    Integers become `int`, all other numbers `Number`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadClaims(f"byte {error.start} is not UTF-8", rule="not-utf8") from None
    value = _decoded(data, text, _decoder())
    for path, item in walk(value):
        if isinstance(item, Pairs):
            place = join(path, item.twice() or "")
            raise BadClaims(f"{place}: the name occurs twice", "keep one", path=place, rule="duplicate-name")
        if isinstance(item, str) and not item.isascii() and re.search(_SURROGATE, item):
            raise BadClaims(f"{path}: an escape is half of a surrogate pair", path=path, rule="not-utf8")
    return value


def parse_pairs(data: bytes, text: str) -> object:
    """Read one JSON value, which is *data* as *text*, with every object as `Pairs`; raise `BadClaims`."""
    return _decoded(data, text, _pairs_decoder())


def count_text(data: bytes, text: str) -> int:
    """Return how often *text*, an ASCII word in lower case, is in the JSON *data* without escapes."""
    spelled = f'"{text}"'.encode()
    return sum(found[0].lower() == spelled for found in _STRING.finditer(data))


def _decoded(data: bytes, text: str, decoder: json.JSONDecoder) -> object:
    if _is_deep(data):
        raise BadClaims(f"the JSON is nested deeper than {MAX_DEPTH} levels", rule="too-deep")
    from json import JSONDecodeError  # see `_decoder`

    try:
        return decoder.decode(text)
    except JSONDecodeError as error:
        raise BadClaims(
            f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}, line {error.lineno} column {error.colno}"
        ) from None


def walk(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path and value of everything in *value*, names of members included, parents first."""
    yield path, value
    open_ones = [_inside(value, path)]
    while open_ones:
        for place, item in open_ones[-1]:
            yield place, item
            if isinstance(item, dict | list):
                open_ones.append(_inside(item, place))
                break
        else:
            open_ones.pop()


def _inside(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict | Pairs):
        for name, item in value.items() if isinstance(value, dict) else value:
            yield path, name
            yield join(path, name), item
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield at(path, index), item


def join(path: str, name: str) -> str:
    """Return the path of the member *name* of what is at *path*, cut: paths are for people."""
    if len(path) > _LONGEST_PATH:
        return path if path.endswith("…") else f"{path}…"
    shown = _shown(name[: _LONGEST_NAME + 1])
    return f"{path}.{shown}" if path else shown


@functools.lru_cache(maxsize=1024)
def _shown(name: str) -> str:
    """Return *name* as a path has it, cut; remembered, for a large file has few names of members."""
    short = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    return short if _PLAIN_NAME.fullmatch(short) else _quoted(short)


def _quoted(name: str) -> str:
    import json  # see `_decoder`

    return json.dumps(name)


def at(path: str, index: int) -> str:
    """Return the path of the item *index* of the list at *path*, cut likewise."""
    if len(path) > _LONGEST_PATH:
        return path if path.endswith("…") else f"{path}…"
    return f"{path}[{index}]"


def path_of(steps: Iterable[str | int]) -> str:
    """Return the path that these names of members and indices of lists make, each in the one before."""
    path = ""
    for step in steps:
        path = join(path, step) if isinstance(step, str) else at(path, step)
    return path


def _is_deep(data: bytes) -> bool:
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", data)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _integer(text: str) -> int | Number:
    return Number(text) if len(text) > _LONGEST_INT or text == "-0" else int(text)


def _constant(text: str) -> NoReturn:
    from json import JSONDecodeError  # see `_decoder`

    raise JSONDecodeError(f"there is no number {text}", text, 0)


def _members(pairs: Sequence[tuple[str, object]]) -> dict[str, object] | Pairs:
    """Return the members as a dict, or as `Pairs` where a name occurs twice."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else Pairs(pairs)


@functools.cache
def _decoder() -> json.JSONDecoder:
    import json  # slow to load, and what is canonical never needs it

    return json.JSONDecoder(
        object_pairs_hook=_members, parse_int=_integer, parse_float=Number, parse_constant=_constant
    )


@functools.cache
def _pairs_decoder() -> json.JSONDecoder:
    import json  # see `_decoder`

    return json.JSONDecoder(
        object_pairs_hook=Pairs, parse_int=_integer, parse_float=Number, parse_constant=_constant
    )
