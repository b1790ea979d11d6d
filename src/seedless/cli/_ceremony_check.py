"""`seedless ceremony check`: check a ceremony afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless.ceremony import documents, words
from seedless.ceremony.check import Verdict
from seedless.ceremony.check import check as examine
from seedless.cli import _ceremony_desk as desk
from seedless.cli import _io
from seedless.cli._options import Settings, json_options
from seedless.errors import UsageError
from seedless.policy import read as read_policy
from seedless.store import atomic
from seedless.text import printable, shown

if TYPE_CHECKING:
    from seedless.ceremony.check import Checked
    from seedless.nkey import PublicKey

_FOUND = 3
_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("request_file", metavar="REQUEST", type=_FILE)
@click.argument("result_file", metavar="RESULT", type=_FILE)
@desk.operator_key_option
@click.option("--policy", "policy_file", type=_FILE, metavar="FILE", help="The policy that it has to be.")
@json_options
def check(
    settings: Settings,
    *,
    request_file: Path,
    result_file: Path,
    operator_key: PublicKey,
    policy_file: Path | None,
) -> int:
    """Check a ceremony afterwards: no token, no store, no network.

    RESULT is a result, or the transcript of a ceremony that was interrupted. The verdict is *complete*,
    *incomplete* (no receipts: never valid), or *false* with the place; exit code 3 unless it is complete.

    \b
    Example:
      seedless ceremony check request.json result.json --operator-key O…
    """
    policy = None
    if policy_file is not None:
        data = atomic.read(policy_file)
        if data is None:
            raise UsageError(f"there is no {shown(policy_file)}", "name the file of a policy")
        policy = read_policy(data, shown(policy_file)).digest
    found = examine(documents.read(request_file), documents.read(result_file), operator_key, policy=policy)
    lines = [
        f"{found.verdict}: {found.text}",
        *([f"hint: {found.hint}"] if found.hint else []),
        *_lines(found),
    ]
    _io.emit(_data(found), "\n".join(map(printable, lines)), as_json=settings.as_json)
    return 0 if found.verdict is Verdict.COMPLETE else _FOUND


def _lines(found: Checked) -> list[str]:
    if found.verdict is Verdict.FALSE or found.request is None or found.progress is None:
        return []
    opened = found.progress.opened or {}
    said = [
        *([found.request.mark] if found.request.mark else []),
        f"reason      {found.request.reason}",
        f"prepared    {_io.moment(found.request.plan.prepared_at)} by {found.request.prepared_by}",
        f"began       {_io.moment(found.progress.at) if opened else 'not yet'}",
        f"present     {', '.join(opened.get('present', [])) or 'nobody was named'}",
        f"request     sha256 {found.request.digest}",
        f"policy      sha256 {found.policy.digest if found.policy else 'not yet'}",
        f"transcript  sha256 {found.progress.digest}",
        *(f"            {row}" for row in words.rows(bytes.fromhex(found.progress.digest))),
    ]
    said += [f"witness     {one.issuer}" for one in found.witnesses]
    said += [f"lifted      {text}" for text in (found.progress.reviewed or {}).get("lifted", [])]
    said += [f"key         {key}: {_driver(says)}" for key, says in found.progress.says.items()]
    said += [
        f"signed      {one.claims.body.kind} {one.claims.name or one.claims.sub}"
        for one in found.progress.signed
    ]
    return said


def _driver(says: dict[str, Any]) -> str:
    told = [f"{name} {says[name]}" for name in ("token", "serial", "papers") if says.get(name)]
    return f"the driver says {', '.join(told)}" if told else "nothing is said of it"


def _data(found: Checked) -> dict[str, Any]:
    request, progress = found.request, found.progress
    opened = (progress.opened if progress else None) or {}
    return {
        "verdict": str(found.verdict),
        "text": found.text,
        "hint": found.hint,
        "mark": request.mark if request else None,
        "reason": request.reason if request else None,
        "prepared_by": request.prepared_by if request else None,
        "request": request.digest if request else None,
        "transcript": progress.digest if progress else None,
        "policy": found.policy.digest if found.policy else None,
        "at": opened.get("at"),
        "present": opened.get("present", []),
        "lifted": ((progress.reviewed if progress else None) or {}).get("lifted", []),
        "witnesses": [str(one.issuer) for one in found.witnesses],
        "keys": sorted(progress.says) if progress else [],
        "signed": [one.text for one in progress.signed] if progress else [],
        "receipts": [one.text for one in found.receipts],
    }
