"""Put a server configuration before the rules for configurations (Snnn)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import SeedlessError
from seedless.findings import Finding, Severity, error
from seedless.nats_config import files, listeners, logins, trust, words
from seedless.nats_config.server import Server, read_server
from seedless.nats_config.server_check import s002_the_server_takes_it

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


def lint_configuration(
    path: Path,
    environment: Mapping[str, str],
    now: int,
    *,
    program: str | None = None,
    wants_delete: bool = False,
) -> list[Finding]:
    """Return what there is to say of the configuration *path*, in the order of the rules.

    Its variables come from *environment*; *now* is Unix seconds; *program* is a nats-server that is asked
    too. No finding quotes a seed.
    """
    return [
        msgspec.structs.replace(found, about=str(path), text=_masked(found.text), hint=_masked(found.hint))
        for found in _findings(path, environment, now, program, wants_delete=wants_delete)
    ]


def _findings(
    path: Path, environment: Mapping[str, str], now: int, program: str | None, *, wants_delete: bool
) -> Iterator[Finding]:
    try:
        server = read_server(files.load(path, environment), now)
    except SeedlessError as failure:
        yield from s001_configuration_can_be_read(failure)
        return
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


def _masked(text: str) -> str:
    return _SEED.sub("S…", text)
