"""`seedless ceremony inventory`: the keys of the transcripts beside what the tokens show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless import file_kind
from seedless.app.tokens import open_tokens
from seedless.ceremony import documents
from seedless.ceremony.keys import differences, reported_keys
from seedless.ceremony.offline import RESULT_NAME, TRANSCRIPT_NAME
from seedless.cli import printing
from seedless.cli._ceremony_token import driver_says
from seedless.cli.command import command
from seedless.cli.options import Settings, token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import NoKey, NoToken, UsageError
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seedless.app.tokens import OpenTokens
    from seedless.ceremony.keys import ReportedKey

_FOUND = 3


@command()
@click.option("--offline", is_flag=True, help="Only what the transcripts say; no token is opened.")
@token_options
def inventory(settings: Settings, *, offline: bool) -> int:
    """Lay the keys of the transcripts beside the tokens.

    The transcripts are those of the ceremonies that this machine has held. Each key is looked for on its
    token, and what the driver says of it now is compared with what it said then; exit code 3 when one is
    missing or has changed.

    \b
    Example:
      seedless ceremony inventory --token pkcs11:token=ACME
    """
    workspace = CommandWorkspace(settings)
    known = reported_keys(_transcripts(workspace.root / "ceremonies"))
    if not known:
        raise UsageError(
            "no ceremony was held here", f"transcripts lie in {shown(workspace.root / 'ceremonies')}"
        )
    rows = list(_rows(workspace, known, offline=offline))
    text = [
        (row["public_key"], row["state"], shown(row["token"]), printing.moment(row["at"])) for row in rows
    ]
    printing.emit(
        {"keys": rows},
        printing.table(text, ("PUBLIC KEY", "STATE", "TOKEN", "LAST USED")),
        as_json=settings.as_json,
    )
    return _FOUND if any(row["state"] not in {"present", "not looked for"} for row in rows) else 0


def _transcripts(folder: Path) -> Iterator[bytes]:
    """Yield the results of the ceremonies in *folder*, and the transcripts of those that have not ended."""
    for held in sorted(path for path in folder.glob("*") if path.is_dir()):
        result = held / RESULT_NAME
        path = result if result.exists() else held / TRANSCRIPT_NAME
        if path.exists():
            yield documents.read(path, file_kind.RESULT, file_kind.TRANSCRIPT)


def _rows(
    workspace: CommandWorkspace, known: tuple[ReportedKey, ...], *, offline: bool
) -> Iterator[dict[str, Any]]:
    with open_tokens(workspace) as tokens:
        for one in known:
            state, changed = ("not looked for", ()) if offline else _state(tokens, one)
            yield {
                "public_key": str(one.public_key),
                "state": state,
                "changed": list(changed),
                "token": str(one.driver_report.get("token", "")),
                "at": one.at,
            }


def _state(tokens: OpenTokens, one: ReportedKey) -> tuple[str, tuple[str, ...]]:
    try:
        token = tokens.holding(one.public_key)
        now = driver_says(token, token.find(one.public_key.raw))
    except (NoKey, NoToken):
        return "missing", ()
    changed = differences(one.driver_report, now)
    return (f"changed: {', '.join(changed)}" if changed else "present"), changed
