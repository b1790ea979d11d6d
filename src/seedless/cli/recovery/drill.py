"""`seedless recovery drill`: the loss of a token, or of a file, played on a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.drill import play
from seedless.app.key_names import known_titles
from seedless.app.resolver.remote import Remote
from seedless.cli import consent
from seedless.cli.command import command
from seedless.cli.options import drill_options
from seedless.cli.recovery.options import PATH
from seedless.cli.workspace import CommandWorkspace
from seedless.diff import Wording
from seedless.errors import ExitCode, UsageError
from seedless.text import printable, shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from seedless.app.drill import Drill, DrillStep, LostKey


_COPIES = "Sign a copy of every account, and a user of each, that are thrown away?"
_CHALLENGES = "Sign a challenge with each key of the inventory?"


@command()
@click.argument("lost", metavar="TOKEN|inventory|store|ledger")
@click.option("--sign", "signs", is_flag=True, help="Sign on the copy, with the tokens that are left.")
@click.option("--url", "-u", "urls", multiple=True, metavar="URL", help="Of a store: pull from this server.")
@click.option("--creds", type=PATH, metavar="FILE", help="Of a store: log in there with these creds.")
@drill_options
def drill(
    workspace: CommandWorkspace, *, lost: str, signs: bool, urls: tuple[str, ...], creds: Path | None
) -> int:
    """Play the loss of a token, or of a file, on a copy.

    A file is the inventory, the store or the ledger. It reports what can be issued again, by which keys and
    commands, what servers must change, and who must act. The accounts and a user of each are planned without
    the lost keys, and judged by rules and policy. With --sign the tokens that are left sign them, which
    proves that they can: unplug the one that is meant to be lost. A lost inventory is registered again on the
    copy, and compared; each key signs a challenge. With --url a lost store is pulled from servers into the
    copy, and compared. A lost ledger is created again on the copy, from the ceremonies of this machine.
    Nothing outside of the copy is written but the journal of challenges.
    Exit 3 when something could not be issued again, or does not come back.

    \b
    Example:
      seedless recovery drill pkcs11:token=MAIN
      seedless recovery drill MAIN --sign
      seedless recovery drill inventory --json
    """
    if signs:
        question = _CHALLENGES if lost == "inventory" else _COPIES
        consent.require(
            workspace.options, question, done="nothing was signed; leave out --sign to see the plan"
        )
    if lost != "store" and (urls or creds):
        raise UsageError("--url and --creds are for the loss of a store", "seedless recovery drill store")
    remote = Remote(urls=urls, creds=creds) if urls or creds else None
    found = play(workspace, lost, signs=signs, remote=remote)
    workspace.emit(_data(found), "\n".join(_lines(found, known_titles(workspace))))
    return ExitCode.OK if found.is_survived else ExitCode.FINDINGS


def _data(found: Drill) -> dict[str, object]:
    return {
        "lost": found.lost,
        "survived": found.is_survived,
        "keys": [_key_data(key) for key in found.keys],
        "steps": [
            {
                "what": step.what,
                "possible": step.is_possible,
                "key": str(step.key) if step.key else None,
                "token": step.token or None,
                "commands": list(step.commands),
            }
            for step in found.steps
        ],
        "servers": list(found.servers),
        "restarts": found.restarts,
        "people": list(found.people),
        "stolen": list(found.stolen),
        "signed": found.signed,
        "returned": list(map(str, found.returned)),
        "missing": list(found.missing),
        "findings": [finding.data() for finding in found.findings],
    }


def _key_data(key: LostKey) -> dict[str, object]:
    backup = {"kind": key.backup.kind, "checked_at": key.backup.checked_at or None}
    return {"public_key": str(key.public_key), "name": key.name, "backup": backup}


def _lines(found: Drill, titles: Mapping[str, str]) -> Iterator[str]:
    yield f"lost: {found.lost}"
    for key in found.keys:
        checked = f", checked {moment(key.backup.checked_at)}" if key.backup.checked_at else ""
        yield f"  {shown(key.name)} ({key.public_key}): {key.backup.kind}{checked}"
    yield "what to do:"
    for number, step in enumerate(found.steps, 1):
        yield from _step_lines(number, step, titles)
    if not found.steps:
        yield "  nothing"
    yield f"servers ({found.restarts} restart{'' if found.restarts == 1 else 's'} of each):"
    yield from (f"  {sentence}" for sentence in found.servers or ("nothing",))
    yield "who must act:"
    yield from (f"  {printable(person)}" for person in found.people or ("nobody",))
    if found.stolen:
        yield "if it was stolen, and not broken:"
        yield from (f"  {printable(sentence)}" for sentence in found.stolen)
    yield from (
        f"{finding.severity}: {finding.code} {printable(f'{finding.place}: {finding.text}')}"
        for finding in found.findings
        if finding.severity == "error"
    )
    if found.signed:
        yield f"signed on the copy, and verified: {found.signed} jwts"
    if found.returned:
        what = "keys" if found.lost == "inventory" else "jwts"
        yield f"came back on the copy, as before: {len(found.returned)} {what}"
    yield from (f"missing on the copy: {printable(item)}" for item in found.missing)
    yield "all of it can be issued again" if found.is_survived else "NOT all of it can be issued again"


def _step_lines(number: int, step: DrillStep, titles: Mapping[str, str]) -> Iterator[str]:
    by = f", by {Wording(titles).key(str(step.key))}" if step.key else ""
    on = f" on token {shown(step.token)}" if step.token else ""
    yield f"  {number}. {printable(step.what)}{by}{on}{'' if step.is_possible else ': NOT POSSIBLE'}"
    yield from (f"       {printable(line)}" for line in step.commands)
