"""The report of a ceremony: one HTML page that needs nothing else, on screen and on paper.

It shows what a check has found and decides nothing. All text from requests and transcripts is escaped,
control and bidirectional characters as everywhere; no script, no link, nothing is loaded. The QR code (segno,
the extra `report`) holds the digest of the transcript; a page is whole without it.

The checklist of a ceremony: one page to print, to tick and to sign by hand.

It has neither the digest of the request nor its words: whoever compared this page with the screen would
compare the file of the request with itself. They are copied by hand from the paper of whoever prepared it.
"""

from __future__ import annotations

import html
import json
import textwrap
from typing import TYPE_CHECKING

from seedless.ceremony import words
from seedless.ceremony.transcript import ATTESTATION, draft_digest
from seedless.diff import AccountClaims, Difference, diff_change
from seedless.pkcs11.keys import SOFTWARE
from seedless.readiness import CheckStatus, Column
from seedless.text import printable, shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seedless.attestation import Attestation
    from seedless.ceremony.check import CeremonyCheck
    from seedless.ceremony.judgement import ReviewContext
    from seedless.ceremony.request import CeremonyRequest
    from seedless.ceremony.transcript import CeremonyProgress
    from seedless.change import Change
    from seedless.policy import Witnesses
    from seedless.readiness import ReadinessRow


_STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --ground: #f6f8fa; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); max-width: 60rem;
       margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .86em; overflow-wrap: anywhere; }
p, li { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .7rem .25rem 0; overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--soft); width: 11rem; }
.verdict { border-left: .5rem solid; padding: .6rem 1rem; background: var(--ground); margin: 1rem 0; }
.complete { border-color: #1a7f37; } .incomplete { border-color: #9a6700; }
.false, .forbidden { border-color: #cf222e; }
.verdict strong { text-transform: uppercase; letter-spacing: .05em; }
.mark { border: 3px solid #cf222e; color: #cf222e; font-weight: 700; text-align: center; padding: .4rem;
        letter-spacing: .3em; margin: 1rem 0; }
.warning { border: 2px solid #9a6700; padding: .5rem 1rem; margin: 1rem 0; }
.digest { display: flex; gap: 1.5rem; align-items: flex-start; }
.digest > div { flex: 1; }
figure { flex: none; width: 9.5rem; margin: 0; font-size: .8em; color: var(--soft); }
figure svg { display: block; width: 100%; height: auto; }
.words { display: grid; grid-template-columns: repeat(8, 1fr); gap: .1rem .6rem; margin: .3rem 0 1rem;
         font: .78em/1.6 ui-monospace, "DejaVu Sans Mono", monospace; }
.words span:nth-child(odd) { color: #0b4a8f; }
.block { border: 1px solid var(--line); border-radius: .4rem; padding: .2rem 1rem .7rem; margin: .8rem 0; }
.widens { color: #cf222e; } .narrows { color: #1a7f37; } .changes { color: #9a6700; }
.effect { font-weight: 600; width: 6rem; }
.soft { color: var(--soft); }
.sign { border-collapse: separate; border-spacing: 1.5rem 0; margin: 0 -1.5rem; width: calc(100% + 3rem); }
.known { table-layout: fixed; }
.known thead th + th, .sign th { width: auto; overflow-wrap: normal; }
.sign td { border-bottom: 1px solid var(--ink); height: 3rem; width: 33%; }
@media (max-width: 44rem) { body { margin: 1rem auto; padding: 0 .8rem; }
  .words { grid-template-columns: repeat(4, 1fr); } .digest { display: block; }
  .facts th, .facts td, .known th, .known td { display: block; width: auto; padding-bottom: 0; }
  .known thead, .known td:empty { display: none; }
  .known td::before { content: attr(data-column) ": "; color: var(--soft); }
  .sign { border-spacing: .6rem 0; margin: 0 -.6rem; width: calc(100% + 1.2rem); } }
@media print { body { font-size: 10pt; margin: 0; max-width: none; padding: 0; }
  .block, tr, .verdict, .warning, .digest, .words, .together { break-inside: avoid; }
  h2, h3, h2 + p, thead { break-after: avoid; }
  .words { font-size: 7.5pt; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""
# The foot of each printed page names its request, so that pages of two ceremonies are not mixed up. Browsers
# that know no margin boxes (Firefox) leave the foot out and print their own.
_PAGE = """
@page { size: A4; margin: 16mm 16mm 20mm;
  @bottom-left { content: "request %s"; font: 8pt monospace; }
  @bottom-right { content: "page " counter(page) " of " counter(pages); font: 8pt sans-serif; } }
"""
_HEAD = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
"""
_SHORT = 16  # digits of a digest in the foot: enough to distinguish printed pages, and no proof of anything
_LINES = 2  # for signatures of people whom no option named


def report(checked: CeremonyCheck, *, qr: str | None = None) -> str:
    """Return the page for what was *checked*; *qr* is an SVG element of the digest of the transcript."""
    request, progress = checked.request, checked.progress
    name = _operator_name(request) if request else ""
    title = f"Ceremony{f' of {name}' if name else ''}"
    parts = [f"<h1>{text_html(title)}</h1>"]
    if request is not None and request.mark:
        parts.append(f'<div class="mark">{text_html(request.mark)}</div>')
    parts.append(verdict_html(str(checked.verdict), checked.text, checked.hint))
    if request is not None and progress is not None:
        names = progress.titles
        parts += [
            software_html(progress.driver_report, names),
            _summary(request, progress, names),
            _digests(request, progress, checked, qr),
            _changes(request, progress, names),
            _people(progress, checked, names),
            readiness_html(progress.readiness),
            _keys(progress, checked, names),
            _findings(progress),
            people_html((progress.opened or {}).get("present", [])),
        ]
    return page_html(title, parts, request.digest if request else "")


def page_html(title: str, parts: Iterable[str], digest: str) -> str:
    """Return the page with *parts*, HTML; each printed page names the *digest* of its request."""
    body = "\n".join(part for part in parts if part)
    foot = _PAGE % (digest[:_SHORT] or "not read")
    head = f"{_HEAD}<title>{text_html(title)}</title><style>{_STYLE}{foot}</style></head>"
    return f"{head}\n<body>\n{body}\n</body></html>\n"


def qr_code(digest: str) -> str | None:
    """Return *digest* as a QR code, an SVG element; None where segno is not installed."""
    try:
        import segno  # an extra
    except ImportError:
        return None
    svg: str = segno.make(f"sha256:{digest}", micro=False).svg_inline(border=1, omitsize=True)
    return svg


def _operator_name(request: CeremonyRequest) -> str:
    if request.operator is not None:
        return request.operator.claims.name
    claims = (change.draft.claims for change in request.plan.changes)
    return next((claim.name for claim in claims if claim.sub == request.operator_key), "")


def named_html(key: str, names: Mapping[str, str]) -> str:
    """Return the name of a key before the key; the key alone where it has none."""
    return f"{text_html(names[key])}<br>{code_html(key)}" if names.get(key) else code_html(key)


def verdict_html(word: str, text: str, hint: str) -> str:
    """Return the box with a verdict, its sentence and its hint."""
    more = f'<br><span class="soft">{text_html(hint)}</span>' if hint else ""
    return f'<div class="verdict {word}"><strong>{word}</strong>: {text_html(text)}{more}</div>'


def software_html(reports: Mapping[str, Mapping[str, object]], names: Mapping[str, str]) -> str:
    """Return a warning that names the keys whose token was a program, as its driver reported it."""
    keys = [key for key, item in reports.items() if any(SOFTWARE in str(value) for value in item.values())]
    if not keys:
        return ""
    named = ", ".join(names.get(key, key) for key in keys)
    text = f"<strong>Keys in software</strong>: {text_html(named)}. Whoever can copy the files has the keys."
    return f'<div class="warning">{text}</div>'


def _summary(request: CeremonyRequest, progress: CeremonyProgress, names: Mapping[str, str]) -> str:
    opened = progress.opened or {}
    rows = [
        ("Reason", text_html(request.reason)),
        ("Prepared", f"{text_html(moment(request.plan.prepared_at))} by {text_html(request.prepared_by)}"),
        ("Expires", text_html(moment(request.expires))),
        ("Held", text_html(moment(progress.at)) if opened else "not yet"),
        ("Present", text_html(", ".join(opened.get("present", [])) or "nobody was named")),
        ("Operator", named_html(request.operator_key, names)),
        ("Prepared with", code_html(request.tool)),
        ("Signed with", code_html(str(opened.get("tool", "nothing yet")))),
    ]
    return facts_html(rows)


def _digests(
    request: CeremonyRequest, progress: CeremonyProgress, checked: CeremonyCheck, qr: str | None
) -> str:
    policy = checked.policy.digest if checked.policy else ""
    spoken = [
        digest_html("Request", request.digest),
        digest_html("Policy", policy) if policy else facts_html([("Policy", "not yet")]),
        digest_html("Transcript", progress.digest),
    ]
    before = facts_html([("Ceremony before", code_html(request.previous or "none"))])
    intro = "<p>Compare each with the words that were written down in the room.</p>"
    blocks = f'<div class="digest"><div>{"".join(spoken)}</div>{figure_html(qr)}</div>'
    return f"<h2>Digests (SHA-256)</h2>{intro}{blocks}{before}"


def digest_html(name: str, digest: str) -> str:
    """Return a digest in hex and in words, in rows of eight as `ceremony review` prints them."""
    spoken = "".join(f"<span>{word}</span>" for word in words.words(bytes.fromhex(digest)))
    return f'<div><strong>{name}</strong> {code_html(digest)}<div class="words">{spoken}</div></div>'


def figure_html(qr: str | None) -> str:
    """Return the QR code of the digest of a transcript with what it contains; nothing without one."""
    return f"<figure>{qr}<figcaption>the digest of the transcript</figcaption></figure>" if qr else ""


def _changes(request: CeremonyRequest, progress: CeremonyProgress, names: Mapping[str, str]) -> str:
    done, accounts = len(progress.signed), request.plan.accounts
    blocks = [
        _change(change, accounts, names, is_signed=number < done)
        for number, change in enumerate(request.plan.changes)
    ]
    placed = [
        f"<p>{text_html('/'.join(write.address))}: {'put into' if write.jwt else 'removed from'} the store "
        f"({text_html(write.reason)})</p>"
        for write in request.plan.store_writes
    ]
    return f"<h2>What was signed: {done} of {len(blocks)}</h2>" + "".join([*blocks, *placed])


def _change(change: Change, accounts: AccountClaims, names: Mapping[str, str], *, is_signed: bool) -> str:
    old = change.replaces
    found = diff_change(change, accounts, names=names)
    rows = [
        *(_difference(difference, is_new=old is None) for difference in found),
        _row("issuer", named_html(str(change.draft.issuer), names)),
        *_previous_issuer(change, names),
        _row("issued", text_html(moment(change.draft.issued_at))),
        _row("sha256 of what is signed", code_html(draft_digest(change.draft))),
    ]
    state = "" if is_signed else ' <span class="soft">not signed</span>'
    heading = f"{change.title} ({'changed' if old else 'new'}: {change.reason})"
    return f'<div class="block"><h3>{text_html(heading)}{state}</h3>{_facts(rows)}</div>'


def _previous_issuer(change: Change, names: Mapping[str, str]) -> list[str]:
    """Return a row with who signed before, where it was another key: all that a rotation changes."""
    if change.replaces is None or change.replaces.issuer == change.draft.issuer:
        return []
    return [_row("issuer before", named_html(str(change.replaces.issuer), names))]


def _difference(difference: Difference, *, is_new: bool) -> str:
    # All of what a line sums up: the report is read by who was not there.
    details = "".join(f"<br>{code_html(text)}" for text in difference.details)
    if is_new:
        return f'<tr><td colspan="2">{text_html(difference.line)}{details}</td></tr>'
    effect = f'<span class="{difference.effect}">{difference.effect}</span>'
    return f'<tr><td class="effect">{effect}</td><td>{text_html(difference.line)}{details}</td></tr>'


def _people(progress: CeremonyProgress, checked: CeremonyCheck, names: Mapping[str, str]) -> str:
    pinned = checked.policy.witnesses if checked.policy else None
    needed = f"{pinned.threshold} of {len(pinned.keys)} required" if pinned else "the policy requires none"
    rows = [("Witness", code_html(str(witness.issuer))) for witness in checked.witnesses]
    rows += [("Receipt by", named_html(str(receipt.issuer), names)) for receipt in checked.receipts]
    count = len(progress.statements)
    return f"<h2>Witnesses and receipts</h2><p>{count} signed; {text_html(needed)}.</p>{facts_html(rows)}"


def readiness_html(known: Sequence[ReadinessRow]) -> str:
    """Return what was known of tokens and machine: a column for who knows it, and what a person answers."""
    if not known:
        return ""
    parts = []
    for about in dict.fromkeys(row.about for row in known):
        rows = [row for row in known if row.about == about]
        # An empty column would take the room of the others.
        columns = [column for column in Column if any(row.column is column for row in rows)]
        head = "".join(f"<th>{text_html(name)}</th>" for name in ("", *columns))
        table = f"<thead><tr>{head}</tr></thead>{''.join(_known(row, columns) for row in rows)}"
        parts.append(f'<h3>{text_html(about)}</h3><table class="known">{table}</table>')
    note = "<p>Reported by drivers, by programs and by this machine; questions are answered by hand.</p>"
    return f"<h2>Before the ceremony</h2>{note}{''.join(parts)}"


def _known(row: ReadinessRow, columns: Sequence[Column]) -> str:
    text = "<br>".join(text_html(item) for item in (row.found, row.advice) if item)
    mark = "" if row.status is CheckStatus.NOTE else f"{text_html(row.status)}: "
    own = f'<td data-column="{row.column}">{mark}{text}</td>'  # a narrow screen has no heads of columns
    cells = (own if row.column is column else "<td></td>" for column in columns)
    return f"<tr><th>{text_html(row.what)}</th>{''.join(cells)}</tr>"


_TOKEN = ("token", "serial", "model", "manufacturer", "firmware", "library")


def _keys(progress: CeremonyProgress, checked: CeremonyCheck, names: Mapping[str, str]) -> str:
    blocks = [
        key_html(key, driver_report, names.get(key, ""), checked.attestations.get(key))
        for key, driver_report in progress.driver_report.items()
    ]
    note = "<p>The tables are statements of a driver, not attestations of a device.</p>"
    return f"<h2>Keys: what the driver reports</h2>{note}{''.join(blocks)}" if blocks else ""


def key_html(
    key: str, driver_report: Mapping[str, object], named: str, attested: Attestation | None = None
) -> str:
    """Return what a driver reports of *key*, which is *named*, and what attests it."""
    token = ", ".join(f"{name} {_value(driver_report[name])}" for name in _TOKEN if name in driver_report)
    # Whoever wrote the transcript chose the members: those that are unknown here are shown with the rest.
    rest = sorted(driver_report.keys() - {ATTESTATION, "papers", *_TOKEN})
    rows = [
        _row("Token", text_html(token)),
        _row("Provenance", text_html(_value(driver_report["papers"]))) if "papers" in driver_report else "",
        _row("Attributes", text_html(", ".join(f"{name} {_value(driver_report[name])}" for name in rest))),
    ]
    lines = "".join(f"<li>{text_html(line)}</li>" for line in attested.lines) if attested else ""
    verified = f"<p>Attested by its device, verified again:</p><ul>{lines}</ul>" if lines else ""
    name = f"{text_html(named)}<br>" if named else ""
    return f'<div class="block"><h3>{name}{code_html(key)}</h3>{_facts(rows)}{verified}</div>'


def people_html(present: Sequence[str], digests: str = "request, policy and transcript") -> str:
    """Return a table to sign by hand: the *digests*, a line for each who was *present*, and empty ones."""
    people = [*present, *[""] * _LINES]
    rows = "".join(f"<tr><td>{text_html(name)}</td><td></td><td></td></tr>" for name in people)
    head = "<tr><th>Name and role</th><th>Place and date</th><th>Signature</th></tr>"
    intro = f"<p>I was there, and the digests of {digests} are those on paper.</p>"
    # A sheet with names and without what they sign would prove nothing.
    table = f'<table class="sign">{head}{rows}</table>'
    return f'<section class="together"><h2>Signatures</h2>{intro}{table}</section>'


def _findings(progress: CeremonyProgress) -> str:
    reviewed = progress.reviewed or {}
    items = [*(f"waived: {text}" for text in reviewed.get("lifted", [])), *reviewed.get("findings", [])]
    if not items:
        return "<h2>Findings</h2><p>None.</p>"
    return f"<h2>Findings</h2><ul>{''.join(f'<li>{text_html(item)}</li>' for item in items)}</ul>"


def _value(value: object) -> str:
    match value:
        case str():
            return value
        case True | False:
            return "yes" if value else "no"
        case None:
            return "nothing"
        case _:
            return json.dumps(value)


def facts_html(rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and values; the values are HTML."""
    return _facts(_row(name, value) for name, value in rows)


def _facts(rows: Iterable[str]) -> str:
    return f'<table class="facts">{"".join(rows)}</table>'


def _row(name: str, value: str) -> str:
    return f"<tr><th>{name}</th><td>{value}</td></tr>"


def code_html(text: str) -> str:
    """Return *text*, escaped, as code."""
    return f"<code>{text_html(text)}</code>"


def text_html(text: str) -> str:
    """Return *text*, escaped, as HTML."""
    return html.escape(printable(text))


_WIDTH = 78
_WORDS = 32  # of a SHA-256
_IN_A_ROW = 4  # half a row of the screen: handwriting requires room
_BLANK = "_" * 16
_ROWS = tuple(f"{first:>3}  {' '.join([_BLANK] * _IN_A_ROW)}" for first in range(1, _WORDS, _IN_A_ROW))
_AFTERWARDS = (
    "AFTER THE CEREMONY",
    *("", "the words of the transcript, from the screen", *_ROWS),
    *("", "", "exceptions, with the time", *["", f"{'_' * 8} {'_' * 69}"] * 4),
    *("", "", "names and signatures", *["", f"{_BLANK * 2} {'_' * 45}"] * 4),
)
_MOST = 20  # lines of changes; more do not fit on the page
_STEPS = (
    "The machine has no network: cables out, radios off. Its clock shows the time of day.",
    "The words above are from the paper of whoever prepared the request. They were read aloud and compared.",
    "The digest of the policy is the one that was written down when the policy was made.",
    "Each change was read and is intended. Nothing was waived that nobody can explain.",
    "Each witness has signed, with a key of their own.",
    "The token is the one that is named above; its serial was read from the device.",
    "The words were typed; the PIN was typed last, and nobody watched.",
    "The result was copied. The words of the transcript were read aloud twice; they are on the last page.",
    "The token is back in its safe. The ledger was backed up.",
)


def checklist(
    review_context: ReviewContext, token_lines: Sequence[str] = (), readiness: Iterable[ReadinessRow] = ()
) -> str:
    """Return the page, plain text; *token_lines* name the token of each key that is to sign.

    *readiness* is what is known of tokens and machine, with room for what a person answers: a page of its
    own. The last page has room for what comes after the signatures. Form feeds are between pages.
    """
    request, policy = review_context.request, review_context.policy
    changes = [
        f"{'change' if change.replaces else 'new':<7} {shown(change.title)} ({shown(change.reason)})"
        for change in request.plan.changes
    ]
    if len(changes) > _MOST:
        changes = [*changes[: _MOST - 1], f"and {len(changes) - _MOST + 1} more"]
    head = [
        ("reason", shown(request.reason)),
        ("prepared", f"{moment(request.plan.prepared_at)} by {shown(request.prepared_by)}"),
        ("expires", moment(request.expires)),
        ("operator", shown(_operator_name(request))),
        ("", request.operator_key),
        ("policy", policy.digest),
        ("witnesses", threshold_text(policy.witnesses)),
    ]
    body = [*changes, "", *token_lines, *([""] if token_lines else [])]
    return checklist_text(f"CEREMONY {request.mark}", head, body, _STEPS, readiness)


def threshold_text(witnesses: Witnesses | None) -> str:
    """Return how many of the *witnesses* have to sign."""
    return f"{witnesses.threshold} of {len(witnesses.keys)}" if witnesses else "none"


def checklist_text(
    title: str,
    head: Iterable[tuple[str, str]],
    body: Iterable[str],
    steps: Iterable[str],
    readiness: Iterable[ReadinessRow],
    room: Sequence[str] = (),
) -> str:
    """Return pages to print: *head* (names and values), room for the words, *body*, and *steps* to tick.

    *room* is a page of its own, before that of *readiness*.
    """
    lines = [title.strip(), ""]
    for name, text in head:
        lines += textwrap.wrap(f"{name:<12} {text}", _WIDTH, subsequent_indent=" " * 13)
    lines += [
        "",
        "the words of the request, from the paper of whoever prepared it",
        *_ROWS,
        "",
        *body,
    ]
    for number, step in enumerate(steps, 1):
        lines += textwrap.wrap(f"[ ] {number}. {step}", _WIDTH, subsequent_indent="       ")
    lines += ["", "date, place  ______________________________"]
    pages = [page for page in (lines, room, _readiness_lines(readiness), _AFTERWARDS) if page]
    return "\f".join("\n".join(line.rstrip() for line in page) + "\n" for page in pages)


def _readiness_lines(rows: Iterable[ReadinessRow]) -> list[str]:
    """Return *rows* as lines, by who knows them; behind what nobody has read is room for handwriting."""
    known = list(rows)
    lines = ["BEFORE THE CEREMONY", ""] if known else []
    for column in Column:
        own = [row for row in known if row.column is column]
        lines += [str(column)] if own else []
        for row in own:
            text = ": ".join(item for item in (row.what, row.found) if item)
            advice = f" ({row.advice})" if row.advice else ""
            lines += textwrap.wrap(
                f"[ ] {shown(row.about)}: {printable(text)}{printable(advice)}",
                _WIDTH,
                subsequent_indent="    ",
            )
            lines += [] if column is Column.READ else [f"    {_BLANK * 2}"]
        lines += [""] if own else []
    return lines
