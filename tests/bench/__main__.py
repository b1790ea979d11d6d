"""Measured ratios: `make bench`, or `python tests/bench [--rounds N] [WORD]...` for rows with these words.

Two things are timed in turns, in one run on one machine, so that a slow moment hits both; what counts is the
ratio. A row is the median of the ratios of all rounds, with the smallest and the largest. Where a round is
cut into slices, the two sides take turns at each slice, which keeps the machine's moods out of the ratio.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Work = Callable[[], float | object]


_MANY = 4  # rounds
_HEADER = ("work, ours beside another", "bar", "median", "spread", "", "measured")
_WIDTHS = (62, 8, 7, 14, 12, 0)
_PAGE = Path(__file__).parents[2] / "docs/explanation/performance.md"
_BEGIN, _END = "<!-- measured by `python tests/bench --write` -->", "<!-- end of what was measured -->"


@dataclass(frozen=True)
class Row:
    """One comparison: the time of *ours* over that of *beside*; *most* is a bar that it has to stay under.

    *least* is a bar the other way round, for what is a speed: the time of *beside* over that of *ours*.

    Where a round is so many *items*, their rates are printed too. *rounds* is for what takes seconds,
    *slices* for what a busy machine disturbs: a round is so many turns of both. A side that returns a float
    has timed itself, in seconds, or has measured something else, in *unit*.
    """

    name: str
    ours: Work
    beside: Work
    most: float | None = None
    items: int | None = None
    rounds: int | None = None
    slices: int = 1
    least: float | None = None
    unit: str = "ms"


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

    @property
    def figure(self) -> float:
        """What the bar is held against: the ratio, or where the bar is a speed, its inverse."""
        return self.ratio if self.row.least is None else self.speed

    def cells(self) -> tuple[str, ...]:
        """Return one row of the table: name, bar, figure, spread, verdict, and what was measured."""
        row = self.row
        bar = f"<= {row.most:.2f}" if row.most is not None else ""
        bar = f">= {row.least:.2f}" if row.least is not None else bar
        figures = self.ratios if row.least is None else tuple(1 / ratio for ratio in self.ratios)
        spread = f"{min(figures):.2f} to {max(figures):.2f}"
        verdict = "" if not bar else "reached" if self.holds else "NOT REACHED"
        scale = 1000 if row.unit == "ms" else 1
        measured = " beside ".join(f"{value * scale:.2f}" for value in self.seconds) + f" {row.unit}"
        if row.items is not None:
            measured += "; " + " beside ".join(f"{row.items / value:.0f}/s" for value in self.seconds)
        return row.name, bar, f"{self.figure:.3f}", spread, verdict, measured


def measure(row: Row, rounds: int) -> Measured:
    """Measure both sides of *row* in turns; before many rounds there is one that does not count."""
    if rounds >= _MANY:
        _round(row)
    pairs = [_round(row) for _ in range(rounds)]
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
        for row in importlib.import_module(file.stem).rows():
            yield Row(**row) if isinstance(row, dict) else Row(*row)


def _timed(work: Work) -> float:
    start = time.perf_counter()
    own = work()
    return own if isinstance(own, float) else time.perf_counter() - start


def _line(cells: Sequence[str]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def write(page: Path, table: Sequence[Sequence[str]]) -> None:
    """Put *table* into *page*, between its two marks, with the machine that it was measured on.

    Rows that were measured before, and not now, stay as they are.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    old, end, after = rest.partition(_END)
    named = {line.split(" | ")[0]: line for line in old.splitlines() if line.startswith("| ")}
    for cells in (_HEADER, ["---"] * len(_HEADER), *table):
        named[f"| {cells[0]}"] = f"| {' | '.join(cells)} |"
    lines = named.values()
    text = "\n".join([_machine(), "", *lines])
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _machine() -> str:
    processors = os.cpu_count() or 1
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search("model name\\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        name = found[1] if found else name
    return f"{processors} processors, {name}, {platform.system()}, Python {platform.python_version()}."


def main() -> int:
    """Print the table; exit 1 when a bar is not reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", metavar="WORD", help="only rows whose name has one of these")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--write", action="store_true", help="put the table into the page on performance too")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each program compiles what was edited, each time
    print(_line(_HEADER))
    table = []
    good = True
    for row in rows(Path(__file__).parent):
        if not options.words or any(word in row.name for word in options.words):
            measured = measure(row, min(options.rounds, row.rounds or options.rounds))
            table.append(measured.cells())
            print(_line(table[-1]), flush=True)
            good = good and measured.holds
    if options.write:
        write(_PAGE, table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
