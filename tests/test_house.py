"""Modules are one subject each, functions are short, and names have a meaning."""

from __future__ import annotations

import ast
import io
import re
import statistics
import subprocess
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "softhsm/src").rglob("*.py")])
LONGEST_MODULE = 600
LONGEST_FUNCTION = 40
FRAGMENT = 60
"""Lines below which a module that one other imports belongs into that one."""

# Fragments that stay, each with its reason. Commands are loaded by their names, so nothing imports them.
FRAGMENTS = {
    "app/observer.py": "the port that front ends implement, public",
    "cli/arguments.py": "runs before anything of the command line is loaded",
    "cli/user/import_.py": "a command, which seedless import user is too",
    "recovery/paths.py": "the paths are a format, which other programs can read about in one place",
    "recovery/form.py": "the text of a form is not of the command line, and nothing secret",
}
EMPTY_NAMES = re.compile(r"Manager|Helper|Util|Handler|Base(?![a-z0-9])")


def functions(path: Path) -> list[tuple[str, int]]:
    """Each function of *path* with its lines, signature and comments too; not decorators and docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.name, _lines(node)) for node in nodes]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def importers(package: Path) -> dict[Path, set[Path]]:
    """The modules of *package*, each with those that import it, for types too."""
    names = {_dotted(path, package): path for path in package.rglob("*.py")}
    users: dict[Path, set[Path]] = {path: set() for path in names.values()}
    for path in names.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    module = names.get(f"{node.module}.{alias.name}") or names.get(node.module or "")
                    if module is not None:
                        users[module].add(path)
    return users


def _dotted(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def fragments(package: Path) -> set[str]:
    """The short modules of *package* that exactly one other imports."""
    return {
        str(path.relative_to(package))
        for path, users in importers(package).items()
        if path.stem not in {"__init__", "__main__"}
        and len(path.read_text(encoding="utf-8").splitlines()) < FRAGMENT
        and len(users) == 1
    }


def test_the_root_has_no_file_that_a_command_left_there() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("an unpacked archive: only a clone can tell its files from what was left beside them")
    # In a container the clone belongs to another user, whose folders git does not read unless it is told to.
    command = ["git", "-c", "safe.directory=*", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in listed.splitlines()} == {
        ".ci",
        ".github",
        ".gitignore",
        "LICENSE",
        "Makefile",
        "README.md",
        "docs",
        "pyproject.toml",
        "release",
        "requirements-dev.txt",
        "requirements.txt",
        "softhsm",
        "src",
        "tests",
    }


def test_a_module_is_one_subject_and_no_fragment_of_another() -> None:
    found = fragments(ROOT / "src/seedless") | fragments(ROOT / "softhsm/src/pytest_softhsm")
    assert found == FRAGMENTS.keys()
    assert all(FRAGMENTS.values())


def test_a_fragment_is_found(tmp_path: Path) -> None:
    package = tmp_path / "seedless"
    package.mkdir()
    (package / "whole.py").write_text("from seedless import part\nfrom seedless.shared import x\n")
    (package / "other.py").write_text("from seedless.shared import x\n")
    (package / "part.py").write_text("x = 1\n")
    (package / "shared.py").write_text("x = 1\n")
    assert fragments(package) == {"part.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    assert [(name, lines) for name, lines in functions(path) if lines >= LONGEST_FUNCTION] == []


def test_most_functions_are_near_ten_lines() -> None:
    assert statistics.median(lines for path in MODULES for _, lines in functions(path)) <= 12


def test_a_long_function_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text('def f():\n    """Say\n\n    more.\n    """\n' + "    x = 1\n" * 39)
    assert functions(path) == [("f", 40)]
    # A signature of three lines, a comment and a statement; neither the docstring nor what decorates it.
    path.write_text('@g\n@h\ndef f(\n    a,\n):\n    """Say more."""\n    # why\n    x = 1\n')
    assert functions(path) == [("f", 5)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_have_a_meaning_and_modules_begin_with_their_purpose(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if EMPTY_NAMES.search(name)] == []
    assert ast.get_docstring(tree)


MARK = re.compile(r"noqa|type: ignore")


def comments(source: str) -> tuple[int, int]:
    """How many lines of *source* are comments and nothing else, and how many have a mark for a linter."""
    found = [
        token
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token[0] == tokenize.COMMENT
    ]
    marks = [token for token in found if MARK.search(token.string)]
    return sum(token.line.lstrip().startswith("#") for token in found if token not in marks), len(marks)


def any_types(source: str) -> int:
    """How often *source* has the word `Any`, in quoted types too; imports are not counted."""
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    imported = sum(alias.name == "Any" for node in imports for alias in node.names)
    return len(re.findall(r"\bAny\b", source)) - imported


def per_thousand(count: Callable[[str], int]) -> float:
    """How many of what *count* counts there are in a thousand lines of the package."""
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "src/seedless").rglob("*.py"))]
    lines = sum(len(source.splitlines()) for source in sources)
    return 1000 * sum(map(count, sources)) / lines


def test_two_lines_of_a_hundred_or_more_are_comments_which_give_reasons() -> None:
    assert per_thousand(lambda source: comments(source)[0]) >= 20


def test_few_types_are_any() -> None:
    assert per_thousand(any_types) <= 15


def test_few_lines_have_marks_for_linters() -> None:
    assert per_thousand(lambda source: comments(source)[1]) <= 4


def test_comments_marks_and_any_are_counted() -> None:
    source = "from typing import Any\n# why\nx: list[Any] = f()  # what\ny = 1  # noqa: A1\n"
    assert (comments(source), any_types(source)) == ((1, 1), 1)
