"""What goes to whom: data to stdout, talk to stderr, questions to the terminal."""

from __future__ import annotations

import itertools
import re
import sys
from typing import TYPE_CHECKING, TypeVar

import click

from seedless.cli.streams import write_to_stderr
from seedless.terminal import columns, fitted
from seedless.text import printable, without_seeds
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "emit",
    "emit_rows",
    "keep_unseen",
    "labelled",
    "members",
    "moment",
    "pages",
    "print_table",
    "printable",
    "report",
    "report_safe",
    "set_quiet",
    "table",
    "taken_unseen",
    "until",
]

R = TypeVar("R")
_PAGE = 500
_UNSEEN = re.compile(r"[^\n -~]")
_quiet = False
# What was printed on a stderr that is not the terminal where a person is asked.
_unseen: list[str] | None = None


def emit(data: object, text: str, *, as_json: bool, is_file: bool = False) -> None:
    """Print *data* as one JSON object, or *text* for people, wrapped on a terminal unless it *is_file*.

    *data* may be a function that returns it: of thousands of jwts it is made for JSON only.
    """
    if as_json:
        click.echo(_json(data() if callable(data) else data))
    else:
        click.echo(text if is_file else fitted(text, sys.stdout))


def emit_rows(data: dict[str, object], name: str, rows: Iterable[object]) -> None:
    """Print one JSON object: *data*, and as its last member *name* all *rows*, which are not held."""
    click.echo(_json(data | {name: []}).removesuffix("]\n}"), nl=False)
    separator = "\n    "
    for page in pages(rows):
        shown = (_json(row).replace("\n", "\n    ") for row in page)
        click.echo(separator + ",\n    ".join(shown), nl=False)
        separator = ",\n    "
    click.echo("]\n}" if separator == "\n    " else "\n  ]\n}")


def pages(rows: Iterable[R]) -> Iterator[list[R]]:
    """Yield *rows* in lists: each time that something is printed, all of it is flushed."""
    left = iter(rows)
    while page := list(itertools.islice(left, _PAGE)):
        yield page


def _json(data: object) -> str:
    import json  # slow to load, and people do not need it

    return _UNSEEN.sub(_escape, json.dumps(data, indent=2, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    """Return a character that cannot be seen as JSON's escape, which means the same."""
    import json

    mark = found[0]
    return mark if mark.isprintable() else json.dumps(mark)[1:-1]


def members(value: object, *names: str) -> dict[str, object]:
    """Return the members *names* of *value* as --json prints them: keys, paths and words as text."""
    return {name: _plain(getattr(value, name)) for name in names}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, int) else str(value)


def report(text: str) -> None:
    """Report something to the person, on stderr, where no seed belongs."""
    text = without_seeds(text)
    if not _quiet:
        write_to_stderr(text)
    if _unseen is not None:
        _unseen.append(text)


def report_safe(text: str) -> None:
    """Report *text*, parts of which come from elsewhere, with escapes for what cannot be seen."""
    report(printable(text))


def set_quiet(*, is_quiet: bool) -> None:
    """Print nothing on stderr from now on but errors, and what a person is asked about; or print as usual."""
    global _quiet  # noqa: PLW0603 - one process, one terminal
    _quiet = is_quiet
    keep_unseen(is_kept=is_quiet)


def keep_unseen(*, is_kept: bool) -> None:
    """Keep what is reported from now on until it is taken, or keep nothing."""
    global _unseen  # noqa: PLW0603 - one process, one terminal
    _unseen = [] if is_kept or _quiet else None


def taken_unseen() -> list[str]:
    """Return what was reported since it was last taken, where it is kept."""
    global _unseen  # noqa: PLW0603 - see above
    kept = _unseen or []
    _unseen = None if _unseen is None else []
    return kept


def table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> str:
    """Return *rows* as columns under *header*; on a terminal that is too narrow, each cell on a line."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    if len(lines) > 1 and not fits(sum(widths) + 2 * len(widths) - 2):
        side = max(map(len, header))
        return "\n\n".join(_lines(zip(header, row, strict=True), (side, 0)) for row in lines[1:])
    return _lines(lines, widths)


def fits(width: int) -> bool:
    """Report whether a line of *width* characters fits on the terminal; files and pipes take any."""
    return not sys.stdout.isatty() or width <= columns(sys.stdout)


def print_table(rows: Iterable[Sequence[str]], widths: Sequence[int]) -> None:
    """Print *rows* as columns of these *widths*, without holding them."""
    for page in pages(rows):
        click.echo(fitted(_lines(page, widths), sys.stdout))


def labelled(rows: Iterable[tuple[str, str]], width: int, indent: str = "") -> list[str]:
    """Return a line for each label and text, with the texts below each other; no label continues a text."""
    return [f"{indent}{label:<{width}} {text}" for label, text in rows]


def _lines(rows: Iterable[Sequence[str]], widths: Sequence[int]) -> str:
    line = "  ".join(f"{{:<{width}}}" for width in widths).format
    return "\n".join(line(*row).rstrip() for row in rows)


def until(seconds: int) -> str:
    """Return an expiry for people; 0 is never."""
    return moment(seconds) if seconds > 0 else "never"
