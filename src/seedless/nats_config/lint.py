"""Ask a real nats-server what it thinks of a configuration: `nats-server -t`.

The server gets no variable of the environment but those that the configuration uses: others may be secrets.
It makes the folder of a resolver even when it only tests; what it has made empty is taken away again.

Comments in a configuration that waive a finding: `# seedless: allow S008 because guests may read`.

Such a comment counts for its own line when it is behind something, and for the next line that has something
when it has a line of its own. `allow-file` in its stead counts for the whole file that it is in. Codes are
separated by commas. What is waived is shown and counted; a seed (S006) and what cannot be read (S001) cannot
be waived.

Put a server configuration before the rules for configurations (Snnn).
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import SeedlessError, StoreError
from seedless.findings import Finding, Report, Severity, error, warning
from seedless.nats_config import Map, logins, reader, trust, words
from seedless.nats_config.server import RESOLVER, ServerConfiguration, read_server, text_of
from seedless.nats_config.source import SourcePlace
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


_PATIENCE = 10.0
_PLACED = re.compile(r"(?P<file>.*?):(?P<line>[0-9]+):(?P<column>[0-9]+): (?P<text>.*)")
_PROGRAM = "nats-server: "
_WARNING = "invalid use of field"


def find_server() -> str | None:
    """Return the path of nats-server: on the PATH, or beside this Python."""
    return shutil.which("nats-server") or shutil.which("nats-server", path=sysconfig.get_path("scripts"))


def s002_the_server_takes_it(
    server: ServerConfiguration, program: str, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """A server reads the configuration without an error (`nats-server -t`).

    Asked where the program is installed; it looks at the files, and not at whether trust holds. Of what it
    calls an invalid use of a field, such as seconds where a duration should be, it only warns at a start.
    """
    path = next(iter(server.configuration.files))
    for line in _refusal(server, path, program, environment):
        placed = _PLACED.fullmatch(line)
        where = f"{placed['file']}:{placed['line']}" if placed else path
        output = placed["text"] if placed else line
        if output.startswith(_WARNING):
            yield warning("S002", where, f"nats-server warns of it: {output}")
        else:
            yield error("S002", where, f"nats-server refuses it: {output}")


def _refusal(
    server: ServerConfiguration, path: str, program: str, environment: Mapping[str, str]
) -> list[str]:
    """Return what the server states against the file *path*, a line for each error."""
    passed_on = {*server.configuration.environment, "PATH", "HOME", "TMPDIR"}
    made = _missing(server)
    try:
        done = subprocess.run(  # noqa: S603 - the program that was found, and a file that it only reads
            [program, "-t", "-c", path],
            env={name: environment[name] for name in passed_on & environment.keys()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"it has not come to an end in {_PATIENCE:g} seconds"]
    except OSError as failure:
        return [f"it cannot be run: {(failure.strerror or '').lower()}"]
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
    output = done.stderr.decode("utf-8", "replace").removeprefix(_PROGRAM)
    return [line for line in output.splitlines() if line.strip()] if done.returncode else []


def _missing(server: ServerConfiguration) -> list[Path]:
    """Return the folders that a server would make for the resolver, the deepest first."""
    resolver = server.find(*RESOLVER)
    named = text_of(resolver.value.find("dir")) if resolver and isinstance(resolver.value, Map) else None
    if not named:
        return []
    folder = Path(named)
    return [path for path in (folder, *folder.parents) if not path.exists()]


NEVER = frozenset({"S001", "S006"})
"""Codes of rules for configurations whose findings nothing waives."""

_COMMENT = re.compile(
    r"(?:#|//)[ \t]*seedless:[ \t]*allow(?P<whole>-file)?[ \t]+"
    r"(?P<codes>[A-Z0-9]+(?:[ \t]*,[ \t]*[A-Z0-9]+)*)(?:[ \t]+because[ \t]+(?P<reason>.*?))?[ \t\r]*$"
)
_EMPTY = re.compile(r"[ \t\r]*(?:(?:#|//).*)?")


@dataclass(frozen=True, slots=True)
class Waiver:
    """A code that a comment at `place` waives, in the `lines` of its file, and why."""

    code: str
    reason: str
    place: SourcePlace
    lines: range


def waivers(files: Mapping[str, str]) -> tuple[Waiver, ...]:
    """Return what the comments in *files*, texts by their names, waive."""
    return tuple(waiver for name, text in files.items() for waiver in _in_file(name, text))


def _in_file(name: str, text: str) -> Iterator[Waiver]:
    if "seedless:" not in text:
        return
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        match = _COMMENT.search(line)
        if match is None:
            continue
        place = SourcePlace(name, number, match.start() + 1)
        reach = range(1, len(lines) + 1) if match["whole"] else range(number, _last(lines, number) + 1)
        for code in re.split(r"[ \t]*,[ \t]*", match["codes"]):
            yield Waiver(code, match["reason"] or "", place, reach)


def _last(lines: list[str], number: int) -> int:
    """Return the last line for which a comment in line *number* counts."""
    if not _EMPTY.fullmatch(lines[number - 1]):
        return number
    for later in range(number + 1, len(lines) + 1):
        if not _EMPTY.fullmatch(lines[later - 1]):
            return later
    return number


def waive(findings: Iterable[Finding], waivers_given: Collection[Waiver]) -> Report:
    """Return a report on *findings*, with those apart that a waiver is there for, each with its reason."""
    kept, waived = [], []
    for finding in findings:
        waiver = next((candidate for candidate in waivers_given if _is_for(candidate, finding)), None)
        if waiver is None:
            kept.append(finding)
        else:
            hint = f"waived at {waiver.place}" + (f": {waiver.reason}" if waiver.reason else "")
            waived.append(msgspec.structs.replace(finding, hint=hint))
    return msgspec.structs.replace(Report.of(kept), waived=tuple(waived))


def _is_for(waiver: Waiver, finding: Finding) -> bool:
    if waiver.code != finding.code or waiver.code in NEVER:
        return False
    place, _, last = finding.where.rpartition(":")
    if not last.isdecimal():
        return False
    file, _, line = place.rpartition(":")
    if not line.isdecimal():  # a line without a column
        file, line = place, last
    return file == shown(waiver.place.file) and int(line) in waiver.lines


def s030_waivers_name_a_rule(waivers_given: Collection[Waiver], codes: Collection[str]) -> Iterator[Finding]:
    """A comment that waives names rules for configurations whose findings can be waived.

    Another has no effect.
    """
    for waiver in waivers_given:
        place = str(waiver.place)
        if waiver.code in NEVER:
            yield warning("S030", place, f"{waiver.code} cannot be waived", "take it out of the comment")
        elif waiver.code not in codes:
            text = f"no rule for configurations has the code {waiver.code}"
            yield warning("S030", place, text, "seedless docs reference/rules lists them")


ServerRule = Callable[[ServerConfiguration], Iterator[Finding]]
"""Look at what a configuration states, and yield the findings on it."""

RULES: tuple[ServerRule, ...] = (*logins.RULES, *words.RULES, *trust.RULES, *logins.LISTENERS_RULES)
_SEED = re.compile(r"S[OAUNCX][A-Z2-7]{40,}")


def s001_configuration_can_be_read(failure: SeedlessError) -> Iterator[Finding]:
    """A configuration can be read: its syntax, the files that it includes, its variables.

    What cannot be read is not looked at any further.
    """
    yield error("S001", "", f"cannot be read: {failure.message}", failure.hint)


def judge_configuration(
    path: Path,
    environment: Mapping[str, str],
    now: int,
    *,
    program: str | None = None,
    requires_delete: bool = False,
) -> Report:
    """Return a report on the configuration *path*, with the findings apart that its comments waive.

    Its variables come from *environment*; *now* is Unix seconds; *program* is a nats-server that is asked
    too. No finding quotes a seed.
    """
    try:
        server = read_server(reader.load(path, environment), now)
        if not server.configuration.root.members:
            raise StoreError(f"{shown(path)}: there are no values", "servers do not start with it")
    except SeedlessError as failure:
        report = Report.of(s001_configuration_can_be_read(failure))
    else:
        waivers_given = waivers(server.configuration.files)
        found = [*_findings(server, environment, program, requires_delete=requires_delete)]
        report = waive([*found, *s030_waivers_name_a_rule(waivers_given, _codes())], waivers_given)
    return msgspec.structs.replace(
        report,
        findings=tuple(_without_seeds(path, finding) for finding in report.findings),
        waived=tuple(_without_seeds(path, finding) for finding in report.waived),
    )


def lint_configuration(
    path: Path,
    environment: Mapping[str, str],
    now: int,
    *,
    program: str | None = None,
    requires_delete: bool = False,
) -> list[Finding]:
    """Return the findings of `judge_configuration` that are not waived, the gravest first."""
    report = judge_configuration(path, environment, now, program=program, requires_delete=requires_delete)
    return list(report.findings)


def _codes() -> frozenset[str]:
    named = (s002_the_server_takes_it, *RULES, trust.s023_accounts_can_be_deleted)
    return frozenset(rule.__name__.partition("_")[0].upper() for rule in named)


def _findings(
    server: ServerConfiguration, environment: Mapping[str, str], program: str | None, *, requires_delete: bool
) -> Iterator[Finding]:
    notes = set()
    chosen = (*RULES, trust.s023_accounts_can_be_deleted) if requires_delete else RULES
    for rule in chosen:
        for found in rule(server):
            notes |= {found.where.rpartition(":")[0]} if found.severity is Severity.ERROR else set()
            yield found
    if program is not None:
        yield from (
            found
            for found in s002_the_server_takes_it(server, program, environment)
            if found.where not in notes
        )


def _without_seeds(path: Path, finding: Finding) -> Finding:
    text, hint = _SEED.sub("S…", finding.text), _SEED.sub("S…", finding.hint)
    return msgspec.structs.replace(finding, about=str(path), text=text, hint=hint)
