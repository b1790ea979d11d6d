"""Put a server configuration before the rules for configurations (Snnn)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import SeedlessError, StoreError
from seedless.findings import Finding, Report, Severity, error
from seedless.nats_config import files, listeners, logins, trust, waivers, words
from seedless.nats_config.server import Server, read_server
from seedless.nats_config.server_check import s002_the_server_takes_it
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ServerRule = Callable[[Server], Iterator[Finding]]
"""Look at what a configuration says, and yield what there is to say of it."""

RULES: tuple[ServerRule, ...] = (*logins.RULES, *words.RULES, *trust.RULES, *listeners.RULES)
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
    wants_delete: bool = False,
) -> Report:
    """Return a report on the configuration *path*, with the findings apart that its comments waive.

    Its variables come from *environment*; *now* is Unix seconds; *program* is a nats-server that is asked
    too. No finding quotes a seed.
    """
    try:
        server = read_server(files.load(path, environment), now)
        if not server.configuration.root.members:
            raise StoreError(f"{shown(path)}: there are no values", "servers do not start with it")
    except SeedlessError as failure:
        report = Report.of(s001_configuration_can_be_read(failure))
    else:
        given = waivers.waivers(server.configuration.files)
        found = [*_findings(server, environment, program, wants_delete=wants_delete)]
        report = waivers.waive([*found, *waivers.s030_waivers_name_a_rule(given, _codes())], given)
    return msgspec.structs.replace(
        report,
        findings=tuple(_without_seeds(path, finding) for finding in report.findings),
        lifted=tuple(_without_seeds(path, finding) for finding in report.lifted),
    )


def lint_configuration(
    path: Path,
    environment: Mapping[str, str],
    now: int,
    *,
    program: str | None = None,
    wants_delete: bool = False,
) -> list[Finding]:
    """Return the findings of `judge_configuration` that are not waived, the gravest first."""
    report = judge_configuration(path, environment, now, program=program, wants_delete=wants_delete)
    return list(report.findings)


def _codes() -> frozenset[str]:
    named = (s002_the_server_takes_it, *RULES, trust.s023_accounts_can_be_deleted)
    return frozenset(rule.__name__.partition("_")[0].upper() for rule in named)


def _findings(
    server: Server, environment: Mapping[str, str], program: str | None, *, wants_delete: bool
) -> Iterator[Finding]:
    told = set()
    chosen = (*RULES, trust.s023_accounts_can_be_deleted) if wants_delete else RULES
    for rule in chosen:
        for found in rule(server):
            told |= {found.where.rpartition(":")[0]} if found.severity is Severity.ERROR else set()
            yield found
    if program is not None:
        yield from (
            found
            for found in s002_the_server_takes_it(server, program, environment)
            if found.where not in told
        )


def _without_seeds(path: Path, finding: Finding) -> Finding:
    text, hint = _SEED.sub("S…", finding.text), _SEED.sub("S…", finding.hint)
    return msgspec.structs.replace(finding, about=str(path), text=text, hint=hint)
