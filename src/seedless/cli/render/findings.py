"""Findings, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.key_names import with_titles
from seedless.findings import Severity
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seedless.findings import Finding

_COLOURS = dict.fromkeys(Severity, "yellow") | {Severity.ERROR: "red"}


def finding_lines(finding: Finding, titles: Mapping[str, str], word: str = "") -> Iterator[str]:
    """Yield *finding* behind its severity, or *word*, with the *titles* of keys; and what to do."""
    mark = click.style(f"{word or finding.severity}:", fg=_COLOURS[finding.severity])
    yield f"{mark} {finding_sentence(finding, titles)}"
    if finding.hint:
        yield f"  hint: {printable(finding.hint)}"


def finding_sentence(finding: Finding, titles: Mapping[str, str]) -> str:
    """Return code, place and text of *finding*, with the *titles* of keys."""
    place, text = (with_titles(part, titles) for part in (finding.place, finding.text))
    return printable(f"{finding.code} {place}: {text}")
