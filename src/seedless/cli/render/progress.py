"""How far long work is: a bar on a terminal, plain lines elsewhere, both on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar

import click

from seedless.cli import printing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

_LONG = 200  # items; fewer are done before a person looks
_TENTHS = 10


def with_progress(items: Iterable[T], length: int, label: str) -> Iterator[T]:
    """Yield *items*, of which there are *length*, and tell how many are done; nothing when they are few."""
    if length < _LONG:
        yield from items
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
            yield from bar
    else:
        yield from _with_lines(items, length, label)


def _with_lines(items: Iterable[T], length: int, label: str) -> Iterator[T]:
    """Yield *items*, and say after every tenth of them how many are done."""
    told = 0
    for done, item in enumerate(items, start=1):
        yield item
        tenth = done * _TENTHS // length
        if tenth > told:
            told = tenth
            printing.say(f"{label}: {done} of {length}")
