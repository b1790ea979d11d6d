"""Measured ratios: `make bench`, or `python tests/bench [--rounds N] [WORD]...` for rows with these words.

Two things are timed in turns, in one run on one machine, so that a slow moment hits both; what counts is the
ratio. A row is the median of the ratios of all rounds, with the smallest and the largest. Where a round is
cut into slices, the two sides take turns at each slice, which keeps the machine's moods out of the ratio.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Work = Callable[[], float | object]


@dataclass(frozen=True)
class Row:
    """One comparison: the time of *ours* over that of *beside*; *most* is a bar that it has to stay under.

    *least* is a bar the other way round, for what is a speed: the time of *beside* over that of *ours*.

    Where a round is so many *items*, their rates are printed too. *rounds* is for what takes seconds,
    *slices* for what a busy machine disturbs: a round is so many turns of both. A side that returns a float
    has timed itself, in seconds.
    """

    name: str
    ours: Work
    beside: Work
    most: float | None = None
    items: int | None = None
    rounds: int | None = None
    slices: int = 1
    least: float | None = None


@dataclass(frozen=True)
class Measured:
    """What a row came to: the ratios of its rounds, and the median seconds of both."""

    row: Row
    ratios: tuple[float, ...]
    seconds: tuple[float, float]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def holds(self) -> bool:
        """Whether the ratio is under its bar, or the speed over it."""
        row = self.row
        return (row.most is None or self.ratio <= row.most) and (row.least is None or self.speed >= row.least)

    @property
    def speed(self) -> float:
        """The median of the ratios the other way round."""
        return statistics.median(1 / ratio for ratio in self.ratios)

    def line(self) -> str:
        """Return one line of the table."""
        ours, beside = (f"{seconds * 1000:9.2f}" for seconds in self.seconds)
        spread = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
        verdict = "ok" if self.holds else "NO"
        bar = "" if self.row.most is None else f"at most {self.row.most}: {verdict}"
        if self.row.least is not None:
            bar = f"speed {self.speed:.3f}, at least {self.row.least}: {verdict}"
        rates = ""
        if self.row.items is not None:
            rates = "  " + " beside ".join(f"{self.row.items / seconds:.0f}/s" for seconds in self.seconds)
        return f"{self.row.name:<58}{ours}{beside}{self.ratio:7.2f}  {spread:<14} {bar}{rates}".rstrip()


def measure(row: Row, rounds: int) -> Measured:
    """Time both sides of *row* in turns, after one round that does not count."""
    pairs = [_round(row) for _ in range(rounds + 1)][1:]
    ours, beside = (statistics.median(times) for times in zip(*pairs, strict=True))
    return Measured(row, tuple(a / b for a, b in pairs), (ours, beside))


def _round(row: Row) -> tuple[float, float]:
    """Return the seconds of both sides, each the sum of its slices; who is first changes with each slice."""
    ours = beside = 0.0
    for turn in range(row.slices):
        if turn % 2:
            beside += _timed(row.beside)
        ours += _timed(row.ours)
        if not turn % 2:
            beside += _timed(row.beside)
    return ours, beside


def rows(folder: Path) -> Iterator[Row]:
    """Yield the rows of every `bench_*.py` beside this file: each has a function `rows()`."""
    sys.path.insert(0, str(folder))
    for file in sorted(folder.glob("bench_*.py")):
        yield from (Row(*row) for row in importlib.import_module(file.stem).rows())


def _timed(work: Work) -> float:
    start = time.perf_counter()
    own = work()
    return own if isinstance(own, float) else time.perf_counter() - start


def main() -> int:
    """Print the table; exit 1 when a ratio is over its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", metavar="WORD", help="only rows whose name has one of these")
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    head = f"milliseconds, medians of {options.rounds} rounds"
    print(f"{head:<58}     ours   beside  ratio  spread")
    good = True
    for row in rows(Path(__file__).parent):
        if not options.words or any(word in row.name for word in options.words):
            measured = measure(row, min(options.rounds, row.rounds or options.rounds))
            print(measured.line(), flush=True)
            good = good and measured.holds
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
