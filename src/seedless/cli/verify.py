"""`seedless verify`: signatures, and whether they lead to the store's operator."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING

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
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.jwt import Jwt

_IN_MEMORY = 64 * 1024  # bytes
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
    # All are read first, and the widths of the columns with them: of many only the first stay in memory.
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="ascii") as file:
        for page in printing.pages(verdicts):
            good = good and all(verdict.ok for verdict in page)
            unspared += sum(verdict.backup == "none" for verdict in page)
            lost += sum(verdict.backup == "lost" for verdict in page)
            file.write(f"{json.dumps([msgspec.structs.astuple(verdict) for verdict in page])}\n")
            for verdict in page:
                widths = list(map(max, widths, map(len, _cells(verdict))))

        def again() -> Iterator[VerifiedJwt]:
            file.seek(0)
            return (VerifiedJwt(*row) for line in file for row in json.loads(line))

        if workspace.options.as_json:
            printing.emit_rows({"ok": good}, "jwts", map(_data, again()))
        else:
            printing.print_table([_HEADER], widths)
            printing.print_table(map(_cells, again()), widths)
            for verdict in again():
                _explain(verdict, titles)
    if unspared:
        printing.report(f"keys without a spare: in {unspared} of these jwts; see seedless key list --backup")
    if lost:
        printing.report(f"keys on lost tokens: {lost} of these jwts list some; seedless docs lost-token")
    return ExitCode.OK if good else ExitCode.FINDINGS


def _explain(verdict: VerifiedJwt, titles: Mapping[str, str]) -> None:
    """Print why *verdict* is not good, or what is unusual about the jwt, below the table."""
    if verdict.error:
        word = "bad" if verdict.signature == "bad" else "unreadable"
        text = f"{word}: {printing.printable(with_titles(verdict.error, titles))}"
        printing.emit(None, text, as_json=False)
    elif verdict.unusual:
        text = f"warning: G013 {shown(verdict.what)} {printing.printable(verdict.unusual)}"
        printing.emit(None, text, as_json=False)


def _cells(verdict: VerifiedJwt) -> tuple[str, str, str, str]:
    return shown(verdict.what), verdict.signature, verdict.trust, verdict.times


def _data(verdict: VerifiedJwt) -> dict[str, object]:
    data = printing.members(verdict, "what", "ok", "signature", "trust", "times", "error")
    return data | {"unusual": verdict.unusual or None, "backup": verdict.backup or None}
