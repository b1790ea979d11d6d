"""`seedless verify`: signatures, and whether they lead to the store's operator."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click
import msgspec

from seedless.app.key_names import known_titles, with_titles
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.input_files import read_jwt
from seedless.cli.options import store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import BadJwt, BadSignature, ExitCode, SeedlessError
from seedless.text import shown
from seedless.verification import VerifiedJwt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from seedless.jwt import Jwt

_IN_MEMORY = 64 * 1024  # bytes
_PAGE = 250  # rows that are written at once
_HEADER = ("JWT", "SIGNATURE", "TRUST", "TIMES")


def _cores() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


@command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--jobs", "-j", type=click.IntRange(min=1), metavar="N",
    help="Processes for a large store [default: as many as there are processors].",
)  # fmt: skip
@store_options
def verify(workspace: CommandWorkspace, *, files: tuple[str, ...]) -> int:
    """Verify jwts, and whether the store trusts them.

    FILEs hold jwts, bare or in creds files; without any, all of the store is verified. Exit 3 when one does
    not hold.

    A signature proves only who signed. TRUSTED means that it leads to the operator of
    the store, and that nothing in the store makes servers refuse it.

    \b
    Example:
      seedless verify
      seedless verify ORDERS.jwt app.creds
    """
    verdicts = workspace.verify(_read(files) if files else None, jobs=workspace.options.jobs or _cores())
    return _report(workspace, verdicts)


def _read(files: Iterable[str]) -> Iterator[tuple[str, Jwt[object] | SeedlessError]]:
    for file in files:
        try:
            yield shown(file), read_jwt(file)
        except (BadJwt, BadSignature) as error:
            yield shown(file), error


def _report(workspace: CommandWorkspace, verdicts: Iterable[VerifiedJwt]) -> int:
    """Print *verdicts* when all are there, and return the exit code."""
    good, unspared, lost, titles = True, 0, 0, known_titles(workspace)
    widths = [len(title) for title in _HEADER]
    with spooled() as spool:
        for verdict in verdicts:
            good = good and verdict.ok
            unspared += verdict.backup == "none"
            lost += verdict.backup == "lost"
            spool.add(msgspec.structs.astuple(verdict))
            widths = list(map(max, widths, map(len, _cells(verdict))))
        if workspace.options.as_json:
            printing.emit_rows({"ok": good}, "jwts", (_data(VerifiedJwt(*row)) for row in spool))
        else:
            printing.print_table([_HEADER], widths)
            printing.print_table((_cells(VerifiedJwt(*row)) for row in spool), widths)
            for row in spool:
                _explain(VerifiedJwt(*row), titles)
    if unspared:
        printing.report(f"keys without a spare: in {unspared} of these jwts; see seedless key list --backup")
    if lost:
        printing.report(f"keys on lost tokens: {lost} of these jwts list some; seedless docs lost-token")
    return ExitCode.OK if good else ExitCode.FINDINGS


def _explain(verdict: VerifiedJwt, titles: Mapping[str, str]) -> None:
    """Print why *verdict* is not good, or what is unusual about the jwt, below the table."""
    if verdict.error:
        word = "bad" if verdict.signature == "bad" else "unreadable"
        click.echo(f"{word}: {printing.printable(with_titles(verdict.error, titles))}")
    elif verdict.unusual:
        click.echo(f"warning: G013 {shown(verdict.what)} {printing.printable(verdict.unusual)}")


def _cells(verdict: VerifiedJwt) -> tuple[str, str, str, str]:
    return shown(verdict.what), verdict.signature, verdict.trust, verdict.times


def _data(verdict: VerifiedJwt) -> dict[str, object]:
    return {
        "what": verdict.what,
        "ok": verdict.ok,
        "signature": verdict.signature,
        "trust": verdict.trust,
        "times": verdict.times,
        "error": verdict.error,
        "unusual": verdict.unusual or None,
        "backup": verdict.backup or None,
    }


class Spool:
    """Rows of what JSON knows, in the order in which they came: first all are added, then they are read."""

    def __init__(self, file: IO[str]) -> None:
        """Write to *file*, which is empty."""
        self._file = file
        self._page: list[Sequence[Any]] = []

    def add(self, row: Sequence[Any]) -> None:
        """Write *row* behind the others."""
        self._page.append(row)
        if len(self._page) == _PAGE:
            self._turn()

    def __iter__(self) -> Iterator[list[Any]]:
        """Read all rows again."""
        if self._page:
            self._turn()
        self._file.seek(0)
        for line in self._file:
            yield from json.loads(line)

    def _turn(self) -> None:
        self._file.write(f"{json.dumps(self._page)}\n")
        self._page.clear()


@contextmanager
def spooled() -> Iterator[Spool]:
    """Give a `Spool`, whose file is gone at the end; the first rows stay in memory."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="ascii") as file:
        yield Spool(file)
