"""The pages as HTML: every link leads to a page and to a heading of it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from pages import write_pages

if TYPE_CHECKING:
    from pathlib import Path


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if values.get("id"):
            self.ids.add(str(values["id"]))


@pytest.fixture(scope="module")
def html(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("html")
    write_pages(root / "docs", folder)
    return folder


def test_each_page_is_there_with_its_title(root: Path, html: Path) -> None:
    docs = root / "docs"
    expected = {page.relative_to(docs).with_suffix(".html") for page in docs.rglob("*.md")}
    assert {page.relative_to(html) for page in html.rglob("*.html")} == expected
    text = (html / "howto/rotate.html").read_text(encoding="utf-8")
    assert "<title>Rotate keys</title>" in text
    assert '<a href="../index.html">Documentation</a>' in text


def test_every_link_between_pages_leads_somewhere(html: Path) -> None:
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in html.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if "://" in link or (target.suffix == ".json" and target.exists()):
                continue
            if target not in pages or (anchor and anchor not in pages[target].ids):
                broken.append(f"{path.relative_to(html)}: {link}")
    assert broken == []


def test_a_link_out_of_the_pages_becomes_text(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "LICENSE").touch()
    page = "# Terms & more\n\n[Licence](../LICENSE), [site](https://nats.io)\n"
    (docs / "index.md").write_text(page, encoding="utf-8")
    write_pages(docs, tmp_path / "html")
    text = (tmp_path / "html/index.html").read_text(encoding="utf-8")
    assert "<title>Terms &amp; more</title>" in text
    assert Page(text).links == ["index.html", "https://nats.io"]


def test_a_printed_page_cuts_no_command_off(html: Path) -> None:
    text = (html / "howto/ceremony-roles.html").read_text(encoding="utf-8")
    print_rules = text.split("@media print {")[1].split("</style>")[0]
    assert "pre { white-space: pre-wrap; overflow-wrap: anywhere;" in print_rules
    assert "h1, h2, h3 { break-after: avoid; }" in print_rules
