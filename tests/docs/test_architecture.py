"""docs/explanation/architecture.md is the law of the floors, and true."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_FLOOR = re.compile(r"^### (\d) ", re.MULTILINE)
_ROW = re.compile(r"^\| `([\w.]+/?)` \| .* \| ?(.*) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs/explanation/architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def floors(page: str) -> dict[str, int]:
    """The floor of each room: the name of a module, or of a package."""
    _, *parts = _FLOOR.split(page.partition("\n## Promises")[0])
    numbered = zip(parts[::2], parts[1::2], strict=True)
    return {row[1]: int(number) for number, text in numbered for row in _ROW.finditer(text)}


def rooms(package: Path) -> set[str]:
    files = {path.name for path in package.glob("*.py")}
    return files | {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}


def imported(path: Path) -> set[str]:
    """The modules of the package that *path* imports, those for types too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("seedless.")}


def upward(package: Path, floors: dict[str, int]) -> list[str]:
    """Each import from a lower to a higher floor."""
    found = []
    for path in sorted(package.rglob("*.py")):
        first = path.relative_to(package).parts[0]
        here = floors.get(first, floors.get(f"{first}/", 0))
        for name in sorted(imported(path)):
            room = name.split(".")[1]
            there = floors.get(f"{room}.py", floors.get(f"{room}/", 0))
            if there > here:
                found.append(f"{path.relative_to(package)} (floor {here}) imports {name} (floor {there})")
    return found


def test_every_room_stands_on_one_floor_and_is_there(root: Path, page: str, floors: dict[str, int]) -> None:
    assert set(floors) == rooms(root / "src/seedless")
    assert len(_ROW.findall(page)) == len(floors)


def test_every_module_of_a_package_is_named(root: Path, page: str, floors: dict[str, int]) -> None:
    named = {room: set(re.findall(r"`([\w/]+)`", cell)) for room, cell in _ROW.findall(page)}
    for room in floors:
        if room.endswith("/"):
            folder = root / "src/seedless" / room
            there = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.py")}
            assert named[room] == there, f"{room}: make docs"


def test_no_import_goes_upward(root: Path, floors: dict[str, int]) -> None:
    assert upward(root / "src/seedless", floors) == []


def test_an_import_that_goes_upward_is_found(tmp_path: Path) -> None:
    (tmp_path / "nkey.py").write_text("def late():\n    from seedless.plan import Subject\n")
    (tmp_path / "plan.py").write_text("import seedless.nkey\n")
    assert upward(tmp_path, {"nkey.py": 0, "plan.py": 4}) == [
        "nkey.py (floor 0) imports seedless.plan (floor 4)",
        "nkey.py (floor 0) imports seedless.plan.Subject (floor 4)",
    ]
