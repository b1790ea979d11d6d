"""`seedless recovery form`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli.command import command
from seedless.cli.options import Settings, json_options
from seedless.cli.recovery.options import PATH
from seedless.recovery import form as forms
from seedless.recovery.journeys import SECRET_SIZES, require_possible
from seedless.recovery.slip39 import word_count
from seedless.store import atomic

if TYPE_CHECKING:
    from pathlib import Path


@command()
@click.option("--threshold", required=True, type=int, metavar="T", help="How many restore the keys.")
@click.option("--shares", "count", required=True, type=int, metavar="N", help="How many forms.")
@click.option(
    "--bits", type=click.Choice([str(bits) for bits in SECRET_SIZES]), default="256",
    help="Size of the secret: 33 or 20 words [default: 256].",
)  # fmt: skip
@click.option("--output", "-o", type=PATH, metavar="FILE", help="Write HTML, a sheet for each share.")
@json_options
def form(settings: Settings, *, threshold: int, count: int, bits: str, output: Path | None) -> None:
    """Write blank forms for shares.

    Their holders write the words on the numbered lines by hand. The words themselves are never printed and
    never in a file: print queues are disks. Without --output the forms are plain text on stdout.

    \b
    Example:
      seedless recovery form --threshold 2 --shares 3 -o forms.html
    """
    require_possible(threshold, count)
    words = word_count(SECRET_SIZES[int(bits)])
    if output is not None:
        atomic.write_new({output: forms.html_forms(count, threshold, words)})
        data = {"file": str(output), "shares": count, "words": words}
        settings.emit(data, f"{count} forms: {output}")
        return
    texts = [forms.text_form(share, count, threshold, words) for share in range(1, count + 1)]
    data = {"file": None, "shares": count, "words": words, "forms": texts}
    settings.emit(data, "\f".join(texts), is_file=True)
