"""`seedless docs`: the pages that are shipped inside the package, for machines without a network."""

from __future__ import annotations

from pathlib import Path

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, json_options
from seedless.errors import UsageError
from seedless.text import quoted

_PACKAGE = Path(__file__).resolve().parents[1]
_KINDS = ("tutorial", "howto", "reference", "explanation")


@command()
@click.argument("page", required=False)
@json_options
def docs(settings: Settings, *, page: str | None) -> None:
    """Show the pages that come with the program.

    Without PAGE they are listed. A page is named by its path, or by a part of it that no other page has.

    \b
    Example:
      seedless docs
      seedless docs howto/rotate
    """
    found = pages()
    if page is None:
        rows = [(name, _title(path)) for name, path in found.items()]
        data = {"pages": [{"page": name, "title": title} for name, title in rows]}
        settings.emit(data, printing.table(rows, ("PAGE", "ABOUT")))
        printing.report("one of them: seedless docs howto/rotate")
        return
    wanted = page.removesuffix(".md")
    names = [name for name in found if name == wanted] or [name for name in found if wanted in name]
    if len(names) != 1:
        several = f"{quoted(page)} may be one of several pages: {', '.join(names)}"
        raise UsageError(several if names else f"there is no page {quoted(page)}", "seedless docs lists them")
    text = found[names[0]].read_text(encoding="utf-8")
    if settings.as_json:
        settings.emit({"page": names[0], "text": text}, text)
    else:
        click.echo_via_pager(text)


def pages() -> dict[str, Path]:
    """Return the pages by their names: those in the package, or of the folder that it was installed from."""
    shipped = _PACKAGE / "pages"
    root = shipped if shipped.is_dir() else _PACKAGE.parents[1] / "docs"
    return {f"{kind}/{path.stem}": path for kind in _KINDS for path in sorted((root / kind).glob("*.md"))}


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()
