"""How requests to create keys, their check and the keys that were created are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from seedless.ceremony.request import REHEARSAL
from seedless.cli import printing
from seedless.cli.render.ceremony import digest_lines, word_rows, words_data
from seedless.diff import Wording
from seedless.keygen.request import description
from seedless.policy import read as read_policy
from seedless.text import printable, shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.app.ceremony_keys import CreatedKeys
    from seedless.app.ceremony_rehearsal import KeygenRehearsal
    from seedless.ceremony.keys import CeremonyKey
    from seedless.cli.workspace import CommandWorkspace
    from seedless.keygen.check import KeygenCheck
    from seedless.keygen.request import KeygenRequest
    from seedless.keygen.transcript import KeygenProgress


def show_request(request: KeygenRequest, *, with_words: bool = True) -> None:
    """Show a request: the keys, the people, and its header; its words last, unless they are to be typed."""
    for line in description(request):
        printing.report(printable(line))
    rows = [
        ("reason", request.reason),
        ("prepared", f"{printing.moment(request.prepared_at)} by {request.prepared_by}, with {request.tool}"),
        ("expires", printing.moment(request.expires)),
        ("witnesses", _required(request)),
    ]
    for line in printing.labelled([(label, printable(text)) for label, text in rows], 10):
        printing.report(line)
    for line in digest_lines(request.digest) if with_words else ():
        printing.report(line)


def _required(request: KeygenRequest) -> str:
    wanted = request.specification.witnesses
    return f"{wanted.threshold} of {len(wanted.keys)}" if wanted else "none"


def request_data(request: KeygenRequest) -> dict[str, Any]:
    """Return a request as --json prints it."""
    asked = printing.members(request, "reason", "prepared_by", "prepared_at", "expires", "tool")
    return (
        {"request": request.digest, "words": words_data(request.digest)}
        | asked
        | {
            "labels": [key.label for key in request.specification.keys],
            "lines": list(description(request)),
        }
    )


def show_key_rehearsal(workspace: CommandWorkspace, rehearsed: KeygenRehearsal) -> None:
    """Show what was rehearsed of the creation of keys, and what the real ceremony will need."""
    real = rehearsed.real.specification
    printing.report(f"{REHEARSAL}: the keys are created on a token that is deleted at the end")
    for line in _held(rehearsed.check.progress) if rehearsed.check.progress else ():
        printing.report(printable(line))
    needs = [
        *(("token", name) for name in dict.fromkeys(key.token for key in real.keys if key.token)),
        *(("there", f"{person.name} ({person.role})") for person in real.people),
        *(("bag", f"{bag.number}: {bag.content}") for bag in real.bags),
        *([("witnesses", str(real.witnesses.threshold))] if real.witnesses else []),
        *([("shares", f"not rehearsed: for {', '.join(real.shares.holders)}")] if real.shares else []),
        *([("attest", "not rehearsed: seedless key attest")] if real.attestation_roots else []),
    ]
    printing.report("the real ceremony will need")
    for line in printing.labelled(needs, 11, "  "):
        printing.report(printable(line))
    data = {
        "mark": REHEARSAL,
        "verdict": str(rehearsed.check.verdict),
        "request": rehearsed.real.digest,
        "needs": [{"what": label, "text": text} for label, text in needs],
    }
    workspace.emit(data, f"{REHEARSAL} {rehearsed.check.verdict}: {rehearsed.check.text}")


def emit_check(workspace: CommandWorkspace, checked: KeygenCheck) -> None:
    """Print what checking the creation of keys has come to."""
    lines = [f"{checked.verdict}: {checked.text}", *([f"hint: {checked.hint}"] if checked.hint else [])]
    data: dict[str, Any] = {"verdict": str(checked.verdict), "text": checked.text, "hint": checked.hint}
    again, so_far = checked.recomputed, checked.progress
    if so_far is not None:
        lines += _held(so_far)
        data |= _held_data(so_far)
    if again is not None:
        lines.append(f"recomputed  {again.text}")
        data["recomputed"] = {"agrees": again.agrees, "text": again.text}
    if so_far is not None:
        lines.append("compare with paper: request, transcript")
    workspace.emit(data, "\n".join(map(printable, lines)))


def _held(so_far: KeygenProgress) -> list[str]:
    request, first = so_far.request, so_far.sessions[0]
    titled = Wording(so_far.titles | so_far.witnesses)
    rows = [
        ("reason", request.reason),
        ("prepared", f"{printing.moment(request.prepared_at)} by {request.prepared_by}, with {request.tool}"),
        ("began", f"{printing.moment(first.at)}, with {first.tool}"),
        *(
            ("resumed", f"{printing.moment(session.at)}, with {session.tool}")
            for session in so_far.sessions[1:]
        ),
        *(("programs", f"{tool} is not the one that prepared the request") for tool in so_far.other_tools),
        ("present", ", ".join(so_far.present) or "nobody was named"),
        *(("absent", name) for name in so_far.absent),
        ("witnesses", f"{len(so_far.witnesses)} signed; needed: {_required(request)}"),
        *(("witness", titled.key(key)) for key in so_far.witnesses),
        *(("bag", f"{bag.number}: {bag.found}") for session in so_far.sessions for bag in session.bags),
        *(("exception", text) for session in so_far.sessions for text in session.exceptions),
        *(("key", key_line(key)) for key in so_far.keys),
        *(("signatures", f"{count} of {titled.key(key)}") for key, count in _signatures(so_far).items()),
        ("request", f"sha256 {request.digest}"),
        ("transcript", f"sha256 {so_far.digest}"),
        *(("", row) for row in word_rows(so_far.digest)),
    ]
    return [*([request.mark] if request.mark else []), *printing.labelled(rows, 11)]


def _held_data(so_far: KeygenProgress) -> dict[str, Any]:
    request = so_far.request
    return {
        "mark": request.mark,
        "request": request.digest,
        "transcript": so_far.digest,
        "keys": [key_data(key) for key in so_far.keys],
        "signatures": _signatures(so_far),
        "absent": list(so_far.absent),
        "other_tools": list(so_far.other_tools),
        "sessions": [msgspec.to_builtins(session) for session in so_far.sessions],
    }


def _signatures(so_far: KeygenProgress) -> dict[str, int]:
    return so_far.signatures_in_all if so_far.is_ended else so_far.signatures


def emit_created(workspace: CommandWorkspace, created: CreatedKeys, output: Path) -> None:
    """Print the keys that were created, and the digests of their policy and transcript."""
    policy = read_policy(created.policy.encode()).digest if created.policy else None
    data = {
        "file": str(output),
        "keys": [key_data(key) for key in created.keys],
        "policy": policy,
        "words": words_data(policy) if policy else [],
        "transcript": created.transcript or None,
    }
    lines = [key_line(key) for key in created.keys]
    lines += digest_lines(policy, "policy") if policy else []
    lines += digest_lines(created.transcript, "transcript") if created.transcript else []
    workspace.emit(data, "\n".join(lines))


def key_line(made: CeremonyKey) -> str:
    """Return a line about a key that was created."""
    role, provenance = made.public_key.role.name.lower(), made.driver_report.get("papers")
    seen = f"the driver reports: {provenance}" if provenance else "the driver reports nothing"
    return printable(f"{role} {shown(made.name)}: {made.public_key}, held by {made.holder}; {seen}")


def key_data(made: CeremonyKey) -> dict[str, Any]:
    """Return a key that was created as --json prints it."""
    role, reported = made.public_key.role.name.lower(), dict(made.driver_report)
    return printing.members(made, "public_key", "name", "holder", "uri", "at") | {
        "role": role,
        "the_driver_says": reported,
    }
