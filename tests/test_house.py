"""The size of modules and functions, and the names that say nothing."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "softhsm/src").rglob("*.py")])
LONGEST_MODULE = 600
LONGEST_FUNCTION = 40
EMPTY_NAMES = re.compile(r"Manager|Helper|Util|Handler|Base(?![a-z0-9])")


def functions(path: Path) -> list[tuple[str, int]]:
    """Each function of *path*, with its lines: decorators and docstring are not counted."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.name, _lines(node)) for node in nodes]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < LONGEST_MODULE
    assert [(name, lines) for name, lines in functions(path) if lines >= LONGEST_FUNCTION] == []


def test_most_functions_are_near_ten_lines() -> None:
    assert statistics.median(lines for path in MODULES for _, lines in functions(path)) <= 12


def test_a_long_function_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text('def f():\n    """Say\n\n    more.\n    """\n' + "    x = 1\n" * 39)
    assert functions(path) == [("f", 40)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_say_something_and_modules_begin_with_what_they_decide(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if EMPTY_NAMES.search(name)] == []
    assert ast.get_docstring(tree)
