r"""Subject transforms in the targets of mappings, as nats-server reads them: `orders.{{wildcard(1)}}`.

Measured with nats-server 2.15.1, by what it logs when it loads an account, and by what comes out. A test
holds some hundred generated mappings against it. The functions, their letters and their order are those of
its `server/subject_transform.go`; that of older servers has no `left`, `right`, `random`, nor a `partition`
of all.

- **One wrong target drops the whole mapping**: an error in the log, the account stays, and messages keep
  their subject. So does a target that is named twice, for another cluster too.
- A token is a transform when it is `$` and a number, or when the token begins with `{{`, ends with `}}` and
  is longer than both. Any other, as `b{{wildcard(1)}}` or `{{}}`, goes out as it is.
- `$n` and `wildcard(n)` are the nth `*` of the source, as are the first arguments of `split(n,text)`,
  `splitFromLeft`, `splitFromRight`, `sliceFromLeft`, `sliceFromRight`, `left` and `right(n,number)`.
  `partition(count,n,…)` hashes some, without n the whole subject; `random(count)` uses none. The last two
  are all that a source without wildcards may have, and there no n of `partition` is looked at.
- Of each word of a name the first letter may be a capital. `wildcard(` is looked for first, anywhere in the
  token.
- A number beyond the wildcards drops the mapping. 0 and less do not, where the source has any, be it `>`:
  they mean the first token of the subject.
- Other numbers have 32 bits. Those of partitions may be 0 and less, which is not a number of partitions.
- Source and target end in `>` both, or neither. A target has no `*`.
- The rest that the weights leave keeps the source as its subject, unless the source is a target itself: then
  servers drop the rest. That can only be where the source has no `*`, since no target has one: `a.$1` is
  not `a.*`.
  What stays becomes a target, with `$1` for its `*`: a source whose own token is `$1` may be a wrong one.
"""

from __future__ import annotations

import collections
import itertools
import re
from typing import TYPE_CHECKING

import msgspec

from seedless.subject import has_wildcard, is_subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.claims.bodies import WeightedMapping

FUNCTIONS = (
    "wildcard(n), partition(count,n), random(count), split(n,text), splitFromLeft(n,at), "
    "splitFromRight(n,at), sliceFromLeft(n,size), sliceFromRight(n,size), left(n,size) and right(n,size)"
)
"""What a target may call, for people."""

_SPACE = r"[\t\n\f\r ]*"  # Go's \s, which is narrower than Python's
# The order matters: each expression is searched anywhere in the token, and `split` is within
# `splitFromLeft`.
_WORDS = {  # in the order in which servers look for them
    "wildcard": "[wW]ildcard",
    "partition": "[pP]artition",
    "splitfromleft": "[sS]plit[fF]rom[lL]eft",
    "splitfromright": "[sS]plit[fF]rom[rR]ight",
    "slicefromleft": "[sS]lice[fF]rom[lL]eft",
    "slicefromright": "[sS]lice[fF]rom[rR]ight",
    "split": "[sS]plit",
    "left": "[lL]eft",
    "right": "[rR]ight",
    "random": "[rR]andom",
}
# Text until `re` compiles it: few claims have mappings that call anything.
_CALLS = {name: rf"{{{{{_SPACE}{word}{_SPACE}\((.*)\){_SPACE}}}}}" for name, word in _WORDS.items()}
_COMMA = r",[\t\n\f\r ]*"
# Forty digits are beyond any int64; without a bar int() of a long text takes quadratic time.
_NUMBER = r"[+-]?[0-9]{1,40}"
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_ALL = 100
_BRACES = len("{{}}")
_BAD = frozenset("\t\n\f\r ")


class Transform(msgspec.Struct, frozen=True):
    """A call in a token: the function in lower case, the wildcards that it uses, and its other number.

    `number` is None where there is none, or where the function has a text instead.
    """

    function: str
    wildcards: tuple[int, ...]
    number: int | None = None


class Unfit(msgspec.Struct, frozen=True):
    """Why servers drop a mapping, and which of its targets is the reason: its index, None for the source."""

    reason: str
    target: int | None = None


def unfit(source: str, targets: Sequence[WeightedMapping]) -> Unfit | None:
    """Return why servers drop the mapping of *source* (a subject) to *targets*, or None when they take it."""
    if not is_subject(source):
        return Unfit("it is not a subject that can be mapped")
    seen: set[str] = set()
    for index, target in enumerate(targets):
        if target.subject in seen:
            return Unfit("is named twice", index)
        seen.add(target.subject)
        if reason := _unfit(source, target.subject):
            return Unfit(reason, index)
    if source not in seen and _leave_a_rest(targets) and (reason := _unfit(source, _as_target(source))):
        return Unfit(f"the source gets what the weights leave over, and {reason}")
    return None


def _leave_a_rest(targets: Sequence[WeightedMapping]) -> bool:
    """Return whether the weights are less than all, in a cluster or for those that are for none."""
    shares = collections.Counter({"": 0})
    for target in targets:
        shares[target.cluster] += target.weight or _ALL
    return any(share != _ALL for share in shares.values())


def _as_target(source: str) -> str:
    """Return *source* with `$1`, `$2`, … for each of its `*`."""
    numbers = itertools.count(1)
    return ".".join(f"${next(numbers)}" if token == "*" else token for token in source.split("."))


def transforms(target: str) -> tuple[Transform | str, ...]:
    """Return the transforms in *target* (a subject), in their order; for a wrong one the reason, a text."""
    read = (_transform(token) for token in target.split("."))
    return tuple(found for found in read if found is not None)


def has_stray_transform(target: str) -> bool:
    """Return whether *target* (a subject) has braces that servers take for a part of the subject."""
    tokens = target.split(".")
    return any(("{{" in token or "}}" in token) and _transform(token) is None for token in tokens)


def _unfit(source: str, target: str) -> str:
    """Return why *target* does not fit *source* (a subject), or nothing."""
    tokens, stars = target.split("."), source.split(".").count("*")
    if reason := _malformed(tokens):
        return reason
    if _ends_open(source.split(".")) != _ends_open(tokens):
        return f"{source!r} and the target do not both end in >"
    for found in transforms(target):
        if isinstance(found, str):
            return found
        beyond = any(number > stars for number in found.wildcards)
        if beyond if has_wildcard(source) else found.wildcards and found.function != "partition":
            numbers = ", ".join(map(str, found.wildcards))
            return f"{found.function} takes wildcard {numbers}, and {source!r} has {stars or 'none'}"
    return ""


def _malformed(tokens: Sequence[str]) -> str:
    """Return what makes *tokens* no target, whatever the source is, or nothing."""
    if "" in tokens or ">" in tokens[:-1]:
        return "is not a subject"
    if "*" in tokens:
        return "has a wildcard *: write $1, $2, …"
    if any(_BAD & set(token) for token in tokens if not _has_braces(token)):
        return "has white space"
    return ""


def _ends_open(tokens: Sequence[str]) -> bool:
    return tokens[-1] == ">"


def _has_braces(token: str) -> bool:
    return len(token) > _BRACES and token.startswith("{{") and token.endswith("}}")


def _transform(token: str) -> Transform | str | None:
    """Return the call that *token* is, why it is a wrong one, or None when it is none."""
    if token.startswith("$") and len(token) > 1:
        number = _int(token[1:])
        return None if number is None else Transform("wildcard", (number,))
    if not _has_braces(token):
        return None
    for name, pattern in _CALLS.items():
        if call := re.search(pattern, token):
            return _call(name, re.split(_COMMA, call[1]))
    return f"{token!r} is not a function that servers know"


def _call(name: str, arguments: list[str]) -> Transform | str:
    """Return the call of a function that exists, or why its *arguments* (texts) are wrong."""
    # partition takes any count of wildcards behind its number, none at all meaning the whole subject.
    fewest, most = {"wildcard": (1, 1), "random": (1, 1), "partition": (1, len(arguments))}.get(name, (2, 2))
    if not fewest <= len(arguments) <= most:
        return f"{name} takes {fewest} argument{'s' if fewest > 1 else ''}, not {len(arguments)}"
    numbers = [_int(argument.strip(" ")) for argument in arguments]
    if name == "split":
        index, text = numbers[0], arguments[1]
        fits = not set(" .") & set(text)
        return Transform(name, (index,)) if index is not None and fits else _wrong(name, arguments)
    if None in numbers:
        return _wrong(name, arguments)
    whole = [number for number in numbers if number is not None]
    if name == "wildcard":
        return Transform(name, (whole[0],))
    first_is_count = name in {"partition", "random"}
    number = whole[0] if first_is_count else whole[1]
    too_big = number > _INT32[-1] if first_is_count else number not in _INT32
    if too_big:
        return _wrong(name, arguments)
    return Transform(name, tuple(whole[1:] if first_is_count else whole[:1]), number)


def _wrong(name: str, arguments: list[str]) -> str:
    return f"{name} does not take {','.join(arguments)!r}"


def _int(text: str) -> int | None:
    """Return the number that Go's strconv.Atoi reads in *text*, or None."""
    number = int(text) if re.fullmatch(_NUMBER, text) else None
    return number if number is not None and number in _INT64 else None  # None is sought in each of the range
