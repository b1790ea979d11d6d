"""`seedless ceremony check`: check a ceremony afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless import file_kind
from seedless.ceremony import documents, words
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.check import check as examine
from seedless.ceremony.check import recompute as compute_again
from seedless.cli import _ceremony_desk as desk
from seedless.cli import printing
from seedless.cli.ceremony import key_requests
from seedless.cli.command import command
from seedless.cli.options import Settings, json_options
from seedless.errors import ExitCode
from seedless.policy import read as read_policy
from seedless.text import printable, shown

if TYPE_CHECKING:
    from seedless.ceremony.check import CeremonyCheck
    from seedless.nkey import PublicKey
    from seedless.policy import Policy

_FILE = click.Path(path_type=Path)


@command()
@click.argument("request_file", metavar="REQUEST", type=_FILE)
@click.argument("result_file", metavar="RESULT", type=_FILE)
@desk.operator_key_option
@click.option("--policy", "policy_file", type=_FILE, metavar="FILE", help="The policy that it has to be.")
@click.option(
    "--recompute", is_flag=True, help="Compute request and result anew too; every byte has to come out again."
)
@json_options
def check(
    settings: Settings,
    *,
    request_file: Path,
    result_file: Path,
    operator_key: PublicKey,
    policy_file: Path | None,
    recompute: bool,
) -> int:
    """Check a ceremony afterwards: no token, no store, no network.

    RESULT is a result, or the transcript of a ceremony that was interrupted. What was signed is judged again,
    by the policy in the transcript. The verdict is *complete*, *incomplete* (no receipts: never valid),
    *forbidden* (signed against its policy or a rule), or *false* with the place; exit code 3 unless it is
    complete. The digests of request, policy and transcript are to be compared with those on paper.

    With --recompute the transcript is computed anew, all of it but the signatures: also what was found and
    shown. That takes the seedless that signed; another version may find something else.

    \b
    Example:
      seedless ceremony check request.json result.json --operator-key O…
    """
    if key_requests.is_request(request_file):
        return key_requests.check(settings, request_file, result_file, operator_key)
    policy = None
    if policy_file is not None:
        data = documents.read(policy_file, file_kind.POLICY)
        policy = read_policy(data, shown(policy_file)).digest
    request = documents.read(request_file, file_kind.REQUEST)
    result = documents.read(result_file, file_kind.RESULT, file_kind.TRANSCRIPT)
    found = examine(request, result, operator_key, policy=policy)
    again = (
        compute_again(request, result) if recompute and found.verdict is CeremonyVerdict.COMPLETE else None
    )
    lines = [
        f"{found.verdict}: {found.text}",
        *([f"hint: {found.hint}"] if found.hint else []),
        *_lines(found),
        *([f"recomputed  {again.text}"] if again else []),
        *([f"compare with paper: {', '.join(_on_paper(found))}"] if _on_paper(found) else []),
    ]
    said = _data(found) | {
        "compare_with_paper": _on_paper(found),
        "recomputed": {"agrees": again.agrees, "text": again.text} if again else None,
    }
    printing.emit(said, "\n".join(map(printable, lines)), as_json=settings.as_json)
    is_good = found.verdict is CeremonyVerdict.COMPLETE and (again is None or again.agrees)
    return ExitCode.OK if is_good else ExitCode.FINDINGS


def _on_paper(found: CeremonyCheck) -> list[str]:
    """Return the digests that no file can prove: only paper, or whoever was there, has them besides."""
    if found.verdict is CeremonyVerdict.FALSE or found.progress is None or not found.progress.entries:
        return []
    return ["request", *(["policy"] if found.policy else []), "transcript"]


def _lines(found: CeremonyCheck) -> list[str]:
    if found.verdict is CeremonyVerdict.FALSE or found.request is None or found.progress is None:
        return []
    request, progress, policy = found.request, found.progress, found.policy
    opened = progress.opened or {}
    rows = [
        ("reason", request.reason),
        ("prepared", f"{printing.moment(request.plan.prepared_at)} by {request.prepared_by}"),
        ("began", printing.moment(progress.at) if opened else "not yet"),
        ("present", ", ".join(opened.get("present", [])) or "nobody was named"),
        ("request", f"sha256 {request.digest}"),
        ("policy", f"sha256 {policy.digest if policy else 'not yet'}"),
        ("transcript", f"sha256 {progress.digest}"),
        *(("", row) for row in words.rows(bytes.fromhex(progress.digest))),
    ]
    if policy:
        rows.append(("witnesses", _witnesses(found, policy)))
    rows += [("witness", str(one.issuer)) for one in found.witnesses]
    rows += [("lifted", text) for text in (progress.reviewed or {}).get("lifted", [])]
    for key, driver_report in progress.driver_report.items():
        rows.append(("key", f"{key}: {_driver(driver_report)}"))
        if key in found.attestations:
            rows += [("attested", line) for line in found.attestations[key].lines]
    rows += [
        ("signed", f"{jwt.claims.body.kind} {jwt.claims.name or jwt.claims.sub}") for jwt in progress.signed
    ]
    return [*([request.mark] if request.mark else []), *printing.labelled(rows, 11)]


def _witnesses(found: CeremonyCheck, policy: Policy) -> str:
    if not policy.witnesses:
        return "none required"
    keys, threshold = policy.witnesses.keys, policy.witnesses.threshold
    return f"{len(found.witnesses)} of {len(keys)} signed, {threshold} required"


def _driver(driver_report: dict[str, Any]) -> str:
    told = [
        f"{name} {driver_report[name]}" for name in ("token", "serial", "papers") if driver_report.get(name)
    ]
    return f"the driver says {', '.join(told)}" if told else "nothing is said of it"


def _data(found: CeremonyCheck) -> dict[str, Any]:
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
        "keys": sorted(progress.driver_report) if progress else [],
        "attested": {
            key: {"device": one.device, "serial": one.serial, "sha256": one.digest, "root": one.root}
            for key, one in sorted(found.attestations.items())
        },
        "signed": [one.text for one in progress.signed] if progress else [],
        "receipts": [one.text for one in found.receipts],
    }
