"""A request to create keys, in the commands that prepare, show, witness, check and report requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless import file_kind
from seedless.app import ceremonies_keygen
from seedless.ceremony import documents
from seedless.ceremony.check import CeremonyVerdict
from seedless.cli import printing
from seedless.cli.render.ceremony import digest_lines, key_data, key_line, words_data
from seedless.errors import ExitCode
from seedless.keygen import request as key_request
from seedless.store import atomic
from seedless.text import printable, shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.options import Settings
    from seedless.cli.workspace import CommandWorkspace
    from seedless.keygen.request import KeygenRequest
    from seedless.keygen.run import KeygenCheck


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
    lines = [f"request: {output}", *digest_lines(request.digest)]
    printing.emit(
        data_of(request) | {"file": str(output), "dry_run": settings.dry_run},
        "\n".join(lines),
        as_json=settings.as_json,
    )


def show(request: KeygenRequest, *, with_words: bool = True) -> None:
    """Show a request: the keys, the people, and its header; its words last, unless they are to be typed."""
    for line in key_request.description(request):
        printing.report(printable(line))
    rows = [
        ("reason", request.reason),
        ("prepared", f"{printing.moment(request.prepared_at)} by {request.prepared_by}, with {request.tool}"),
        ("expires", printing.moment(request.expires)),
        ("witnesses", _witnesses(request)),
    ]
    for line in printing.labelled([(label, printable(text)) for label, text in rows], 10):
        printing.report(line)
    if with_words:
        for line in digest_lines(request.digest):
            printing.report(line)


def emit_check(settings: Settings, checked: KeygenCheck) -> int:
    """Print what checking the creation of keys has come to; return the exit code."""
    lines = [f"{checked.verdict}: {checked.text}", *([f"hint: {checked.hint}"] if checked.hint else [])]
    data: dict[str, Any] = {"verdict": str(checked.verdict), "text": checked.text, "hint": checked.hint}
    so_far = checked.progress
    if checked.request is not None and so_far is not None:
        lines += [key_line(key) for key in so_far.keys]
        lines += [f"signatures of {key}: {count}" for key, count in so_far.signatures_in_all.items()]
        lines += digest_lines(checked.request.digest)
        lines += ["transcript", *digest_lines(so_far.digest)]
        data |= {
            "request": checked.request.digest, "transcript": so_far.digest,
            "keys": [key_data(key) for key in so_far.keys],
            "signatures": so_far.signatures_in_all,
        }  # fmt: skip
    printing.emit(data, "\n".join(map(printable, lines)), as_json=settings.as_json)
    return ExitCode.OK if checked.verdict is CeremonyVerdict.COMPLETE else ExitCode.FINDINGS


def data_of(request: KeygenRequest) -> dict[str, Any]:
    """Return a request as --json prints it."""
    return {
        "request": request.digest,
        "words": words_data(request.digest),
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
