"""`seedless recovery check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from seedless.app import recovery
from seedless.cli.command import command
from seedless.cli.key_options import public_key_type
from seedless.cli.options import Settings, json_options
from seedless.cli.recovery.options import PATH, record_argument, warn_of_recorders, ways_option
from seedless.errors import ExitCode, UsageError
from seedless.nkey import PublicKey, Role
from seedless.recovery import journeys
from seedless.text import printable, shown
from seedless.units import moment

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.recovery.record import RecoveryRecord


@command()
@record_argument
@click.option("--one-share", is_flag=True, help="Check one share alone: the secret is not restored.")
@click.option(
    "--transcript", type=PATH, metavar="FILE",
    help="Verify the transcript of a restore instead: no share is typed.",
)  # fmt: skip
@click.option(
    "--operator-key", type=public_key_type(Role.OPERATOR), metavar="O…",
    help="The public key of the operator that is pinned, which the record has to list.",
)  # fmt: skip
@ways_option
@json_options
def check(
    settings: Settings,
    *,
    record: Path,
    one_share: bool,
    transcript: Path | None,
    operator_key: PublicKey | None,
    allowed: tuple[str, ...],
) -> int:
    """Check shares, or the transcript of a restore.

    Nothing is imported, and no token is needed. As many shares are typed as restore the secret, and the
    public keys below it are compared with RECORD. A holder alone checks one with --one-share: by its digest
    in the record.

    With --transcript it is verified that the keys were imported by shares of RECORD, and that each has signed
    a receipt of the transcript; exit 3 when it is false. No terminal and no token are needed.

    \b
    Example:
      seedless recovery check record.json --one-share
      seedless recovery check record.json --transcript FILE --operator-key O…
    """
    known = recovery.read_record(record)
    if transcript is not None:
        return _check_transcript(settings, known, transcript, operator_key)
    if operator_key is not None:
        raise UsageError("--operator-key is compared with the keys of a transcript", "name it: --transcript")
    warn_of_recorders()
    shares = journeys.check(known, is_one_share=one_share, allowed=allowed)
    data = {
        "record": known.digest,
        "shares": [{"number": share.number, "holder": share.holder} for share in shares],
        "keys": [] if one_share else [str(entry.public_key) for entry in known.keys],
    }
    lines = [f"share {share.number} of {shown(share.holder)} is that of the record" for share in shares]
    if not one_share:
        lines.append(f"the shares restore the {len(known.keys)} keys of the record; nothing was imported")
    settings.emit(data, "\n".join(lines))
    return ExitCode.OK


def _check_transcript(
    settings: Settings, known: RecoveryRecord, path: Path, operator_key: PublicKey | None
) -> int:
    checked = recovery.check_transcript(known, path, operator_key)
    found = checked.transcript
    data: dict[str, object] = {"record": known.digest, "verdict": str(checked.verdict), "text": checked.text}
    lines = [f"{checked.verdict}: {printable(checked.text)}"]
    if found is not None:
        content = found.content
        holders = {share.number: share.holder for share in known.shares}
        data |= {"transcript": found.digest, **msgspec.to_builtins(content)}
        lines += [
            f"transcript sha256 {found.digest}",
            f"record sha256 {known.digest}",
            f"{content.kind} from {moment(content.at)} to {moment(content.ended_at)}",
            f"present: {', '.join(map(shown, content.present)) or 'nobody was named'}",
            *(f"share {share.number} of {shown(holders[share.number])}" for share in content.shares),
            *(f"{key.public_key}  {printable(key.uri)}" for key in content.keys),
            f"attestation: {content.attestation}",
            f"program: {shown(content.tool)}",
        ]
    elif checked.hint:
        lines.append(f"hint: {printable(checked.hint)}")
    settings.emit(data, "\n".join(lines))
    return ExitCode.OK if found is not None else ExitCode.FINDINGS
