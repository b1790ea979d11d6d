"""The report of a ceremony that created keys, as of every ceremony, and the checklist before it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from seedless.ceremony.report import (
    checklist_text,
    code_html,
    digest_html,
    facts_html,
    figure_html,
    key_html,
    named_html,
    page_html,
    people_html,
    readiness_html,
    software_html,
    text_html,
    threshold_text,
    verdict_html,
)
from seedless.keygen import request as key_request
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.keygen.check import KeygenCheck
    from seedless.keygen.request import KeygenRequest
    from seedless.keygen.transcript import KeygenProgress
    from seedless.readiness import ReadinessRow


def key_report(checked: KeygenCheck, *, qr: str | None = None) -> str:
    """Return the page for what was *checked*; *qr* is an SVG element of the digest of the transcript."""
    request, so_far = checked.request, checked.progress
    name = f" {request.specification.operator}" if request else ""
    title = f"Ceremony: keys created for the operator{name}"
    parts = [f"<h1>{text_html(title)}</h1>"]
    if request is not None and request.mark:
        parts.append(f'<div class="mark">{text_html(request.mark)}</div>')
    parts.append(verdict_html(str(checked.verdict), checked.text, checked.hint))
    if request is not None and so_far is not None:
        present, names = [_with_role(request, name) for name in so_far.present], so_far.titles
        reports = {str(key.public_key): key.driver_report for key in so_far.keys}
        parts += [
            software_html(reports, names),
            _summary(request, so_far),
            _digests(request, so_far, qr),
            "<h2>What was requested</h2>",
            *(f"<p>{text_html(line)}</p>" for line in key_request.description(request)),
            _sessions(request, so_far),
            _steps(so_far),
            _shares(so_far),
            readiness_html(so_far.readiness),
            "<h2>Keys: what the driver reports</h2>" if reports else "",
            *(key_html(key, item, names[key]) for key, item in reports.items()),
            _signatures(so_far),
            people_html(present, "request and transcript"),
        ]
    return page_html(title, parts, request.digest if request else "")


def _summary(request: KeygenRequest, so_far: KeygenProgress) -> str:
    witnesses, needed = so_far.witnesses, threshold_text(request.specification.witnesses)
    rows = [
        ("Reason", text_html(request.reason)),
        ("Prepared", text_html(f"{moment(request.prepared_at)} by {request.prepared_by}")),
        ("Expires", text_html(moment(request.expires))),
        ("Held", text_html(f"{moment(so_far.sessions[0].at)} to {moment(so_far.entries[-1]['at'])}")),
        ("Absent", text_html(", ".join(so_far.absent) or "nobody of the specification")),
        ("Witnesses", text_html(f"{len(witnesses)} signed; needed: {needed}")),
        *(("Witness", named_html(key, witnesses)) for key in witnesses),
        ("Prepared with", code_html(request.tool)),
        ("Created with", text_html("; ".join(so_far.other_tools) or "the same program")),
    ]
    return facts_html(rows)


def _with_role(request: KeygenRequest, name: str) -> str:
    roles = {person.name: person.role for person in request.specification.people}
    return f"{name} ({roles.get(name, 'not in the key specification')})" if roles else name


def _digests(request: KeygenRequest, so_far: KeygenProgress, qr: str | None) -> str:
    blocks = digest_html("Request", request.digest) + digest_html("Transcript", so_far.digest)
    return f'<h2>Digests (SHA-256)</h2><div class="digest"><div>{blocks}</div>{figure_html(qr)}</div>'


def _sessions(request: KeygenRequest, so_far: KeygenProgress) -> str:
    """Return who was there, how bags were found, and what was not as planned, each time it went on."""
    parts = []
    for number, session in enumerate(so_far.sessions):
        people = [_with_role(request, name) for name in session.present]
        found = {bag.number: bag.found for bag in session.bags}
        rows = [("Present", text_html(", ".join(people) or "nobody was named"))]
        for bag in request.specification.bags:
            if bag.number in found or not number:
                text = found.get(bag.number, "nobody reported how it was found")
                rows.append((text_html(f"Bag {bag.number}"), text_html(text)))
        rows.append(("Exceptions", text_html("; ".join(session.exceptions) or "none were reported")))
        heading = "Interrupted, and continued" if number else "Begun"
        parts.append(f"<h3>{heading}: {text_html(moment(session.at))}</h3>{facts_html(rows)}")
    return f"<h2>In the room</h2>{''.join(parts)}"


def _steps(so_far: KeygenProgress) -> str:
    """Return what was done when: a row for each entry of the transcript."""
    keys = so_far.request.specification.keys
    rows = []
    for entry in so_far.entries:
        about = f" {keys[entry['key']].label}" if entry["kind"] in {"intent", "created"} else ""
        rows.append((text_html(f"{entry['kind']}{about}"), text_html(moment(entry["at"]))))
    return f"<h2>Times of the steps</h2>{facts_html(rows)}"


def _shares(so_far: KeygenProgress) -> str:
    if so_far.record is None:
        return ""
    rows = [
        (f"Share {share.number}", text_html(f"{share.holder}, sha256 {share.sha256}"))
        for share in so_far.record.shares
    ]
    text = f"{so_far.record.threshold} of {len(rows)} shares restore the recoverable keys."
    return f"<h2>Shares</h2><p>{text}</p>{facts_html(rows)}"


def _signatures(so_far: KeygenProgress) -> str:
    """Return how many signatures each key has made: what the log of its device has to contain."""
    names = so_far.titles
    counts = so_far.signatures_in_all if so_far.is_ended else so_far.signatures
    if not counts:
        return ""
    rows = [(text_html(names.get(key, "")), f"{count}<br>{code_html(key)}") for key, count in counts.items()]
    return f"<h2>Signatures of each key, challenges included</h2>{facts_html(rows)}"


_STEPS = (
    "The machine has no network: cables out, radios off. Its clock shows the time of day.",
    "The digest of the program was computed without it, and is the one that was written down.",
    "The words above are from the paper of whoever prepared the request. They were read aloud and compared.",
    "Each bag was whole, and its number is the one on the next page. Each device was reset in view of all.",
    "Each key, its holder and its token were read aloud, and are intended.",
    "Each witness has signed, with a key of their own.",
    "The words were typed; the PIN was typed last, and nobody watched.",
    "The result was copied. The words of the transcript were read aloud twice; they are on the last page.",
    "The public key of the operator and the digest of the policy were written down.",
    "Each token is in a new bag: number ________________ and ________________",
)
_ROOM = "_" * 34


def key_checklist(request: KeygenRequest, readiness: Iterable[ReadinessRow] = ()) -> str:
    """Return the page to print for the room: keys, people, bags, room for times and exceptions, steps.

    *readiness* is as of `seedless.ceremony.report.checklist`.
    """
    specification = request.specification
    head = [
        ("reason", shown(request.reason)),
        ("prepared", f"{moment(request.prepared_at)} by {shown(request.prepared_by)}"),
        ("expires", moment(request.expires)),
        ("operator", shown(specification.operator)),
        ("program", shown(request.tool)),
        ("witnesses", threshold_text(specification.witnesses)),
    ]
    lines = [
        *key_request.key_lines(specification),
        *(f"agreed exception: {shown(text)}" for text in specification.exceptions),
    ]
    body = [line for text in lines for line in textwrap.wrap(text, 78, subsequent_indent="    ")]
    body.append("")
    room = ["IN THE ROOM", "", f"{'people':<43} there from, signature"]
    for person in specification.people:
        room += ["", f"{shown(f'{person.name}, {person.role}'):<43} {_ROOM}"]
    room += ["", "", f"{'bags':<43} seal and number as found"]
    for bag in specification.bags:
        room += ["", f"{shown(f'{bag.number}: {bag.content}'):<43} {_ROOM}"]
    return checklist_text(f"KEY CEREMONY {request.mark}", head, body, _STEPS, readiness, room)
