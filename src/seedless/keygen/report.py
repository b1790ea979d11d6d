"""The report of a ceremony that created keys: one HTML page, as of every ceremony."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.ceremony.report import (
    code_html,
    digest_html,
    facts_html,
    figure_html,
    key_html,
    page_html,
    people_html,
    readiness_html,
    software_html,
    text_html,
    verdict_html,
)
from seedless.keygen import request as key_request
from seedless.units import moment

if TYPE_CHECKING:
    from seedless.keygen.request import KeygenRequest
    from seedless.keygen.run import KeygenCheck, KeygenProgress


def key_report(checked: KeygenCheck, *, qr: str | None = None) -> str:
    """Return the page for what was *checked*; *qr* is an SVG element of the digest of the transcript."""
    request, so_far = checked.request, checked.progress
    name = f" of {request.specification.operator}" if request else ""
    title = f"Keys created for the operator{name}"
    parts = [f"<h1>{text_html(title)}</h1>", verdict_html(str(checked.verdict), checked.text, checked.hint)]
    if request is not None and so_far is not None:
        opened, names = so_far.opened or {}, so_far.titles
        reports = {str(key.public_key): key.driver_report for key in so_far.keys}
        parts += [
            software_html(reports, names),
            _summary(request, so_far),
            _digests(request, so_far, qr),
            "<h2>What was requested</h2>",
            *(f"<p>{text_html(line)}</p>" for line in key_request.description(request)),
            _shares(so_far),
            readiness_html(so_far.readiness),
            "<h2>Keys: what the driver reports</h2>",
            *(key_html(key, one, names[key]) for key, one in reports.items()),
            _signatures(so_far),
            people_html(opened.get("present", [])),
        ]
    return page_html(title, parts, request.digest if request else "")


def _summary(request: KeygenRequest, so_far: KeygenProgress) -> str:
    opened = so_far.opened or {}
    rows = [
        ("Reason", request.reason),
        ("Prepared", f"{moment(request.prepared_at)} by {request.prepared_by}"),
        ("Held", f"{moment(opened.get('at', 0))} to {moment(so_far.entries[-1]['at'])}"),
        ("Present", ", ".join(opened.get("present", [])) or "nobody was named"),
        ("Exceptions", "; ".join(opened.get("exceptions", [])) or "none"),
        ("Witnesses", f"{len(so_far.statements)} signed"),
        ("Prepared with", request.tool),
        ("Created with", str(opened.get("tool", "nothing yet"))),
    ]
    return facts_html([(name, text_html(text)) for name, text in rows])


def _digests(request: KeygenRequest, so_far: KeygenProgress, qr: str | None) -> str:
    blocks = digest_html("Request", request.digest) + digest_html("Transcript", so_far.digest)
    return f'<h2>Digests (SHA-256)</h2><div class="digest"><div>{blocks}</div>{figure_html(qr)}</div>'


def _shares(so_far: KeygenProgress) -> str:
    if so_far.record is None:
        return ""
    rows = [
        (f"Share {one.number}", text_html(f"{one.holder}, sha256 {one.sha256}"))
        for one in so_far.record.shares
    ]
    text = f"{so_far.record.threshold} of {len(rows)} shares restore the recoverable keys."
    return f"<h2>Shares</h2><p>{text}</p>{facts_html(rows)}"


def _signatures(so_far: KeygenProgress) -> str:
    """Return how many signatures each key has made: what the log of its device has to contain."""
    names = so_far.titles
    rows = [
        (text_html(names.get(key, "")), f"{count}<br>{code_html(key)}")
        for key, count in so_far.signatures_in_all.items()
    ]
    return f"<h2>Signatures of each key, challenges included</h2>{facts_html(rows)}"
