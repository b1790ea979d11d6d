"""`seedless lint`: security issues in jwts, stores and server configurations."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless import jwt
from seedless import waivers as allow
from seedless.app.backups import unspared_keys
from seedless.change import Context
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, lint_options
from seedless.cli.render.findings import findings_data
from seedless.cli.render.progress import with_progress
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import parse_creds
from seedless.decorated import find_jwt, parse_jwt
from seedless.errors import ExitCode, SeedlessError, UsageError
from seedless.findings import Finding, Report, Severity
from seedless.lint import LintContext, count, judge_jwt, lint_context, lint_store, rules, unreadable
from seedless.nats_config import lint as waivers
from seedless.nats_config.lint import find_server, judge_configuration
from seedless.rules import code_of
from seedless.store import atomic, open_store, operators
from seedless.store.files import MARK_NAME, STORES
from seedless.store.names import name_of
from seedless.text import printable, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seedless.lint import LintedJwt
    from seedless.store import Store

_COLOURS = dict.fromkeys(Severity, "yellow") | {Severity.ERROR: "red"}


@command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit 3 for warnings too.")
@click.option("--wants-delete", is_flag=True, help="Configurations: accounts must be deletable.")
@click.option(
    "--policy", envvar="SEEDLESS_POLICY", metavar="FILE",
    help="Judge by this policy too [env: SEEDLESS_POLICY; default: as the configuration says].",
)  # fmt: skip
@lint_options
def lint(settings: Settings, *, paths: tuple[Path, ...], strict: bool, wants_delete: bool) -> int:
    """Find security issues in jwts, stores and configurations.

    PATHs are files with jwts, creds files, folders of stores, and configurations of nats-server; without any,
    the store is looked through. Exit 3 when there is an error, or something that does not hold now.

    \b
    Example:
      seedless lint
      seedless lint --strict nats.conf ORDERS.jwt
    """
    look = Look(CommandWorkspace(settings), wants_delete=wants_delete)
    judged = [found for path in paths for found in look.at(path)] if paths else list(look.at_store(None))
    return look.tell(judged, strict=strict)


@dataclasses.dataclass(slots=True)
class Look:
    """One walk of `lint`: what it looks at, and how many things it has looked at."""

    workspace: CommandWorkspace
    wants_delete: bool = False
    looked_at: int = 0
    asked: str | None = None
    waived: list[Finding] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse codes that no rule has, or that cannot be waived, before anything is looked at."""
        more = {code_of(rule) for rule in rules()}
        allow.check(self.workspace.options.allow, more, allow.NEVER | waivers.NEVER)

    def at(self, path: Path) -> Iterator[Finding]:
        """Yield what there is to say of *path*, whatever it is."""
        if path.is_dir():
            yield from self.at_store(path)
            return
        data = atomic.read(path)
        if data is None:
            raise UsageError(f"there is no file {shown(path)}")
        given = data.decode("utf-8", "replace")
        text = parse_jwt(given).strip()
        if path.suffix == ".conf" or not (path.suffix in {".jwt", ".creds"} or text.startswith("eyJ")):
            yield from self.at_configuration(path)
        else:
            yield from self._at_jwt(path, given)

    def at_configuration(self, path: Path) -> list[Finding]:
        """Return what there is to say of the server configuration *path*."""
        self.looked_at += 1
        self.asked = find_server()
        if self.asked is None:
            printing.say(f"nats-server is not installed: {shown(path)} is judged without it")
        report = judge_configuration(
            path, os.environ, self.workspace.now, program=self.asked, requires_delete=self.wants_delete
        )
        self.waived += report.waived
        return list(report.findings)

    def at_store(self, folder: Path | None) -> Iterator[Finding]:
        """Yield what there is to say of the stores in *folder*, by default of the store that is meant."""
        for store in self._stores(folder):
            unspared = unspared_keys(self.workspace)
            judged = lint_store(store, self.workspace.now, self.workspace.policy, unspared)
            walked = with_progress(judged, count(store), f"operator {shown(store.operator)}")
            yield from self._findings(walked)

    def _stores(self, folder: Path | None) -> list[Store]:
        if folder is None:
            return [self.workspace.store]
        folder = folder.resolve()
        if (folder / MARK_NAME).exists():
            root = folder.parent.parent if folder.parent.name == STORES else folder.parent
            return [open_store(root, name_of(folder.name))]
        found: list[Store] = [open_store(folder, name) for name in operators(folder)]
        if not found:
            raise UsageError(
                f"there is no store in {shown(folder)}",
                "name a file, or a folder with stores/OPERATOR or OPERATOR/OPERATOR.jwt",
            )
        return found

    def _at_jwt(self, path: Path, given: str) -> Iterator[Finding]:
        try:
            found = jwt.read(find_jwt(given).strip())
            if path.suffix == ".creds":
                parse_creds(given)
        except SeedlessError as failure:
            yield from self._findings([unreadable(shown(path), failure)])
        else:
            yield from self._findings([judge_jwt(shown(path), found, self._around())])

    def _around(self) -> LintContext:
        if self.workspace.has_store:
            unspared = unspared_keys(self.workspace)
            return lint_context(self.workspace.store, self.workspace.now, self.workspace.policy, unspared)
        return LintContext(Context(self.workspace.now))

    def _findings(self, judged: Iterable[LintedJwt]) -> Iterator[Finding]:
        for one in judged:
            self.looked_at += 1
            yield from one.findings

    def tell(self, findings: Iterable[Finding], *, strict: bool) -> int:
        """Print *findings*, the gravest first, and return the exit code."""
        report = allow.apart(Report.of(findings), self.workspace.options.allow)
        waived = [*self.waived, *report.waived]
        counted = {severity: sum(f.severity is severity for f in report.findings) for severity in Severity}
        heavy = len(report.findings) if strict else counted[Severity.ERROR] + counted[Severity.TIMECHECK]
        data: dict[str, Any] = {
            "ok": not heavy,
            "looked_at": self.looked_at,
            "nats_server": self.asked,
            "findings": findings_data(report.findings),
            "waived": findings_data(waived),
        }
        found = ", ".join(f"{_plural(n, str(severity))}" for severity, n in counted.items() if n)
        summary = f"{_plural(self.looked_at, 'file')} looked at: {found or 'nothing found'}"
        summary += f", {len(waived)} waived" if waived else ""
        lines = [line for finding in report.findings for line in _lines(finding, str(finding.severity))]
        lines += [line for finding in waived for line in _lines(finding, "waived")]
        printing.emit(data, "\n".join([*lines, summary]), as_json=self.workspace.options.as_json)
        return ExitCode.FINDINGS if heavy else ExitCode.OK


def _lines(finding: Finding, word: str) -> Iterator[str]:
    place = finding.place
    if finding.where.startswith(finding.about):  # a place in a configuration names the file itself
        place = finding.where or finding.about
    mark = click.style(f"{word}:", fg=_COLOURS[finding.severity])
    yield f"{mark} {printable(f'{finding.code} {place}: {finding.text}')}"
    if finding.hint:
        yield f"  hint: {printable(finding.hint)}"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
