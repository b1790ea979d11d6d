"""The pages of docs as HTML, for a browser on a machine without a network."""

from __future__ import annotations

import re
import shutil
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from pathlib import Path

    from markdown_it.token import Token

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif; }}
pre {{ overflow-x: auto; padding: .6rem; background: #f4f4f4; }}
table {{ display: block; overflow-x: auto; border-collapse: collapse; }}
th, td {{ padding: .2rem .6rem; border: 1px solid #ccc; text-align: left; vertical-align: top; }}
@media print {{
  body {{ margin: 0; max-width: none; padding: 0; font-size: 10pt; }}
  pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; }}
  table {{ display: table; }}
  h1, h2, h3 {{ break-after: avoid; }}
  tr, pre {{ break-inside: avoid; }}
}}
</style>
<p><a href="{index}">Documentation</a></p>
{body}
</html>
"""


def write_pages(docs: Path, target: Path) -> None:
    """Write each Markdown page below *docs* as HTML below *target*, and copy the files that pages link to."""
    for page in sorted(docs.rglob("*.md")):
        output = target / page.relative_to(docs).with_suffix(".html")
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(_html(page, docs.resolve()), encoding="utf-8")
    for schema in sorted(docs.rglob("*.schema.json")):
        shutil.copyfile(schema, target / schema.relative_to(docs))


def _html(page: Path, docs: Path) -> str:
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(page.read_text(encoding="utf-8"))
    title = page.stem
    used: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[number + 1].content
            token.attrSet("id", _anchor(heading, used))
            title = heading if token.tag == "h1" else title
        _mend_links(token.children or [], page, docs)
    index = "../" * len(page.resolve().relative_to(docs).parent.parts) + "index.html"
    body = parser.renderer.render(tokens, parser.options, {})
    return _PAGE.format(title=escape(title), index=index, body=body)


def _anchor(heading: str, used: dict[str, int]) -> str:
    """Return the id that GitHub gives to *heading*, on which the links of the pages rely."""
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    used[anchor] = used.get(anchor, -1) + 1
    return f"{anchor}-{used[anchor]}" if used[anchor] else anchor


def _mend_links(tokens: list[Token], page: Path, docs: Path) -> None:
    """Let links between pages lead to their HTML. What is not in the folder of pages becomes plain text."""
    for token in tokens:
        link = urlsplit(str(token.attrs.get("href", "")))
        if token.type != "link_open" or link.scheme or not link.path:
            continue
        file = (page.parent / link.path).resolve()
        if not (file.is_relative_to(docs) and (file.suffix == ".md" or file.name.endswith(".schema.json"))):
            del token.attrs["href"]
        elif file.suffix == ".md":
            path = link.path.removesuffix(".md") + ".html"
            token.attrs["href"] = f"{path}#{link.fragment}" if link.fragment else path
