"""A request to create keys, in the commands that prepare, show, witness, check and report requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless import file_kind
from seedless.app import ceremonies_keygen
from seedless.ceremony import documents, words
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.report import qr_code
from seedless.ceremony.statements import witness_problem
from seedless.cli import _ceremony_desk as desk
from seedless.cli import printing
from seedless.errors import ExitCode, Refused
from seedless.keygen import request as key_request
from seedless.keygen.report import key_report
from seedless.keygen.run import check_keygen, content_of
from seedless.store import atomic
from seedless.text import printable, shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.ceremony.statements import StatementContent
    from seedless.cli.options import Settings
    from seedless.cli.workspace import CommandWorkspace
    from seedless.keygen.request import KeygenRequest
    from seedless.keygen.run import KeygenCheck
    from seedless.nkey import PublicKey


def is_specification(path: Path) -> bool:
    """Report whether a key specification lies at *path*."""
    return file_kind.identify(atomic.read(path) or b"") is file_kind.KEY_SPECIFICATION


def is_request(path: Path) -> bool:
    """Report whether a request to create keys lies at *path*."""
    return file_kind.identify(atomic.read(path) or b"") is file_kind.KEY_REQUEST


def read(path: Path) -> KeygenRequest:
    """Return the request to create keys at *path*; raise `UsageError`."""
    return key_request.parse(documents.read(path, file_kind.KEY_REQUEST))


def prepare(workspace: CommandWorkspace, path: Path, output: Path, **header: Any) -> None:  # noqa: ANN401 - as of the app
    """Make a request of the key specification at *path*, and print its digest in words."""
    settings = workspace.options
    data = documents.read(path, file_kind.KEY_SPECIFICATION)
    request = ceremonies_keygen.prepare(workspace, data, shown(path), **header)
    if not settings.dry_run:
        atomic.write_new({output: request.data.decode()})
    said = [f"request: {output}", *_digest_lines(request)]
    printing.emit(
        data_of(request) | {"file": str(output), "dry_run": settings.dry_run},
        "\n".join(said),
        as_json=settings.as_json,
    )


def show(request: KeygenRequest, *, tell_words: bool = True) -> None:
    """Show a request: the keys, the people, and its header; its words last, unless they are to be typed."""
    for line in key_request.description(request):
        printing.say(printable(line))
    rows = [
        ("reason", request.reason),
        ("prepared", f"{printing.moment(request.prepared_at)} by {request.prepared_by}, with {request.tool}"),
        ("expires", printing.moment(request.expires)),
        ("witnesses", _witnesses(request)),
    ]
    for line in printing.labelled([(label, printable(text)) for label, text in rows], 10):
        printing.say(line)
    if tell_words:
        for line in _digest_lines(request):
            printing.say(line)


def review(settings: Settings, path: Path) -> None:
    """Show the request at *path*."""
    request = read(path)
    show(request)
    printing.emit(data_of(request), f"sha256 {request.digest}", as_json=settings.as_json)


def content(request: KeygenRequest, public_key: PublicKey) -> StatementContent:
    """Return what the witness *public_key* signs; raise `Refused` for one whom the request does not list."""
    why = witness_problem(public_key, request.specification.witnesses, ())
    if why:
        raise Refused(
            why.replace("policy", "request"), "[witnesses] of the key specification lists who counts"
        )
    return content_of(request)


def check(settings: Settings, request: Path, result: Path, operator_key: PublicKey) -> int:
    """Check what keys were created, and print it."""
    checked = _checked(request, result, operator_key)
    lines = [f"{checked.verdict}: {checked.text}", *([f"hint: {checked.hint}"] if checked.hint else [])]
    data: dict[str, Any] = {"verdict": str(checked.verdict), "text": checked.text, "hint": checked.hint}
    so_far = checked.progress
    if checked.request is not None and so_far is not None:
        lines += [desk.key_line(key) for key in so_far.keys]
        lines += [f"signatures of {key}: {count}" for key, count in so_far.signatures_in_all.items()]
        lines += _digest_lines(checked.request)
        lines += ["transcript", f"sha256 {so_far.digest}", *words.rows(bytes.fromhex(so_far.digest))]
        data |= {
            "request": checked.request.digest, "transcript": so_far.digest,
            "keys": [desk.key_data(key) for key in so_far.keys],
            "signatures": so_far.signatures_in_all,
        }  # fmt: skip
    printing.emit(data, "\n".join(map(printable, lines)), as_json=settings.as_json)
    return ExitCode.OK if checked.verdict is CeremonyVerdict.COMPLETE else ExitCode.FINDINGS


def report(settings: Settings, request: Path, result: Path, operator_key: PublicKey, output: Path) -> int:
    """Write the report of a ceremony that created keys."""
    checked = _checked(request, result, operator_key)
    qr = qr_code(checked.progress.digest) if checked.progress else None
    atomic.write_new({output: key_report(checked, qr=qr)})
    data = {"verdict": str(checked.verdict), "path": str(output), "has_qr_code": qr is not None}
    printing.emit(data, f"{output}\n{checked.verdict}: {checked.text}", as_json=settings.as_json)
    return ExitCode.OK if checked.verdict is CeremonyVerdict.COMPLETE else ExitCode.FINDINGS


def _checked(request: Path, result: Path, operator_key: PublicKey) -> KeygenCheck:
    return check_keygen(
        documents.read(request, file_kind.KEY_REQUEST),
        documents.read(result, file_kind.KEY_RESULT),
        operator_key,
    )


def data_of(request: KeygenRequest) -> dict[str, Any]:
    """Return a request as --json prints it."""
    return {
        "request": request.digest,
        "words": list(words.words(bytes.fromhex(request.digest))),
        "reason": request.reason,
        "prepared_by": request.prepared_by,
        "prepared_at": request.prepared_at,
        "expires": request.expires,
        "tool": request.tool,
        "labels": [key.label for key in request.specification.keys],
        "lines": list(key_request.description(request)),
    }


def _witnesses(request: KeygenRequest) -> str:
    wanted = request.specification.witnesses
    return f"{wanted.threshold} of {len(wanted.keys)}" if wanted else "none are required"


def _digest_lines(request: KeygenRequest) -> list[str]:
    return [f"sha256 {request.digest}", *words.rows(bytes.fromhex(request.digest))]
