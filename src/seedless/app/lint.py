"""Security issues in jwts, stores and configurations of nats-server: `Workspace.lint`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless import jwt, waivers
from seedless.app.backups import unspared_keys
from seedless.app.pipeline import Notice
from seedless.change import Context
from seedless.creds import parse_creds
from seedless.decorated import find_jwt, parse_jwt
from seedless.errors import SeedlessError, UsageError
from seedless.findings import Finding, Report, Severity
from seedless.lint import (
    LintContext,
    LintedJwt,
    count,
    judge_jwt,
    lint_context,
    lint_store,
    rules,
    unreadable,
)
from seedless.nats_config import lint as configurations
from seedless.nats_config.lint import find_server, judge_configuration
from seedless.rules import code_of
from seedless.store import Store, atomic, open_store, operators
from seedless.store.files import MARK_NAME, STORES
from seedless.store.names import name_of
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["LintReport", "lint", "lint_configurations"]


class LintReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, the gravest first, and what is waived; `looked_at` counts jwts and configurations.

    `nats_server` is the program that was asked about configurations, None without any or where it is not
    installed, which the `notices` state.
    """

    findings: tuple[Finding, ...]
    waived: tuple[Finding, ...] = ()
    looked_at: int = 0
    nats_server: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def counted(self) -> dict[Severity, int]:
        """How many findings there are of each severity."""
        return {
            severity: sum(finding.severity is severity for finding in self.findings) for severity in Severity
        }

    def holds(self, *, strict: bool = False) -> bool:
        """Whether there is no error, and nothing that does not hold now; with *strict* no finding at all."""
        counted = self.counted
        return not (self.findings if strict else counted[Severity.ERROR] + counted[Severity.TIMECHECK])


def lint(workspace: Workspace, paths: Iterable[Path], *, requires_delete: bool = False) -> LintReport:
    """Look at *paths*, or at the store without any, see `Workspace.lint`."""
    linter, paths = _Linter(workspace, requires_delete=requires_delete), tuple(paths)
    if not paths:
        return linter.report(list(linter.at_store(None)))
    return linter.report([finding for path in paths for finding in linter.at(path)])


def lint_configurations(
    workspace: Workspace, paths: Iterable[Path], *, requires_delete: bool = False
) -> LintReport:
    """Look at the configurations of nats-server *paths*, whatever their names are; as `lint`."""
    linter, paths = _Linter(workspace, requires_delete=requires_delete), tuple(paths)
    for path in paths:
        if not path.exists():
            raise _missing(path)
    return linter.report([finding for path in paths for finding in linter.at_configuration(path)])


def _missing(path: Path) -> UsageError:
    return UsageError(f"there is no file {shown(path)}", "name a file that can be read")


class _Linter:
    """What is looked at, and how many things that were."""

    def __init__(self, workspace: Workspace, *, requires_delete: bool) -> None:
        """Refuse codes that no rule has, or that cannot be waived, before anything is looked at."""
        self._workspace = workspace
        self._requires_delete = requires_delete
        self._looked_at = 0
        self._asked: str | None = None
        self._waived: list[Finding] = []
        self._notices: list[Notice] = []
        more = {code_of(rule) for rule in rules()}
        waivers.check(workspace.settings.allow, more, waivers.NEVER | configurations.NEVER)

    def report(self, findings: Iterable[Finding]) -> LintReport:
        """Return *findings*, the gravest first, apart from those that are waived."""
        report = waivers.apart(Report.of(findings), self._workspace.settings.allow)
        return LintReport(
            findings=tuple(report.findings),
            waived=(*self._waived, *report.waived),
            looked_at=self._looked_at,
            nats_server=self._asked,
            notices=tuple(self._notices),
        )

    def at(self, path: Path) -> Iterator[Finding]:
        """Yield what is found in *path*, whatever it is."""
        if path.is_dir():
            yield from self.at_store(path)
            return
        data = atomic.read(path)
        if data is None:
            raise _missing(path)
        given = data.decode("utf-8", "replace")
        text = parse_jwt(given).strip()
        if path.suffix == ".conf" or not (path.suffix in {".jwt", ".creds"} or text.startswith("eyJ")):
            yield from self.at_configuration(path)
        else:
            yield from self._at_jwt(path, given)

    def at_configuration(self, path: Path) -> list[Finding]:
        """Return what is found in the server configuration *path*."""
        self._looked_at += 1
        self._asked = find_server()
        if self._asked is None:
            self._notices.append(Notice(f"nats-server is not installed: {shown(path)} is judged without it"))
        report = judge_configuration(
            path,
            os.environ,
            self._workspace.now,
            program=self._asked,
            requires_delete=self._requires_delete,
        )
        self._waived += report.waived
        return list(report.findings)

    def at_store(self, folder: Path | None) -> Iterator[Finding]:
        """Yield what is found in the stores in *folder*, by default in the store that is meant."""
        workspace = self._workspace
        for store in self._stores(folder):
            judged = lint_store(store, workspace.now, workspace.policy, unspared_keys(workspace))
            label = f"operator {shown(store.operator)}"
            yield from self._findings(workspace.observer.progress(judged, count(store), label))

    def _stores(self, folder: Path | None) -> list[Store]:
        if folder is None:
            return [self._workspace.store]
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
        workspace = self._workspace
        if workspace.has_store:
            unspared = unspared_keys(workspace)
            return lint_context(workspace.store, workspace.now, workspace.policy, unspared)
        return LintContext(Context(workspace.now))

    def _findings(self, judged: Iterable[LintedJwt]) -> Iterator[Finding]:
        for finding in judged:
            self._looked_at += 1
            yield from finding.findings
