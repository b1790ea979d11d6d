"""What `app/` promises to programs: no front end, nothing printed, nobody asked, no process ended."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import seedless

APP = Path(seedless.__file__).parent / "app"
MODULES = sorted(APP.rglob("*.py"))
FRONT_ENDS = {"click", "seedless.cli", "seedless.serve"}
FORBIDDEN = {"print", "input", "exit", "quit", "breakpoint", "sys.exit", "os._exit", "os.fork", "os.abort"}


def front_ends(source: str) -> list[str]:
    """Return what *source* imports of a front end, for types too."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found += [name for name in names if any(f"{name}.".startswith(f"{one}.") for one in FRONT_ENDS)]
    return found


def forbidden(source: str) -> list[str]:
    """Return what *source* does that only a front end may: print, ask, end the process, use its streams."""
    nodes = list(ast.walk(ast.parse(source)))
    calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)} & FORBIDDEN
    streams = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    exits = {ast.unparse(node) for node in nodes if isinstance(node, ast.Name)} & {"SystemExit"}
    return sorted(calls | exits | (streams & {"sys.stdout", "sys.stderr", "sys.stdin"}))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(APP)))
def test_the_application_layer_imports_no_front_end(path: Path) -> None:
    assert front_ends(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(APP)))
def test_the_application_layer_prints_nothing_and_ends_no_process(path: Path) -> None:
    assert forbidden(path.read_text(encoding="utf-8")) == []


def test_what_is_looked_for_is_found() -> None:
    source = (
        "import sys\nimport click.core\nfrom seedless.cli import main\nprint(1, file=sys.stderr)\nsys.exit(2)"
    )
    assert front_ends(source) == ["click.core", "seedless.cli.main"]
    assert forbidden(source) == ["print", "sys.exit", "sys.stderr"]
    assert forbidden("raise SystemExit(1)") == ["SystemExit"]
    assert front_ends("import clickhouse\nfrom seedless import client") == []
