"""Refuse a command line that holds a seed, before anything reads it: what is not understood is quoted.

Scripts that come from nsc give seeds where it takes them (`-K SO…`, `--sk SA…`). Here no argument takes one,
and what refuses a value for another reason would put it into the log of a pipeline, or take it for a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LONG_ENOUGH = 50  # characters of what may be a seed; a usual command has no such word, and loads no more
_VARIABLES = ("SEEDLESS_", "NATS_CA", "NATS_CERT", "NATS_KEY")  # which options read, by their beginning
_HINT = (
    "seeds are read from files or from stdin, by seedless key import; where a key is meant, give its public "
    "key. This one is to be replaced: others may have seen it"
)


def refuse_seeds(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Raise `UsageError` where one of *words*, or of the variables that options read, holds a seed."""
    long = [number for number, word in enumerate(words) if len(word) > _LONG_ENOUGH]
    variables = [
        name for name, text in environ.items() if name.startswith(_VARIABLES) and len(text) > _LONG_ENOUGH
    ]
    if not (long or variables):
        return
    from seedless.errors import UsageError  # few commands come here
    from seedless.text import holds_seed

    for number in long:
        if holds_seed(words[number]):
            raise UsageError(
                f"{_place(words, number, holds_seed)} holds a seed, and a seed is never an argument: "
                "the shell's history and every user of this machine see it",
                _HINT,
            )
    for name in variables:
        if holds_seed(environ[name]):
            raise UsageError(f"the environment variable {name} holds a seed, and no option takes one", _HINT)


def _place(words: Sequence[str], number: int, holds_seed: Callable[[str], bool]) -> str:
    """Name the argument *number* of *words* by its option, without its value."""
    word, before = words[number], words[number - 1] if number else ""
    name, equals, _ = word.partition("=")
    if word.startswith("--"):
        return f"the value of {name}" if equals and not holds_seed(name) else f"argument {number + 1}"
    if word.startswith("-"):
        return f"the value of {word[:2]}"
    if before.startswith("-") and "=" not in before and before not in {"-", "--"}:
        return f"what follows {before}"
    return f"argument {number + 1}"
