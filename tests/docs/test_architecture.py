"""docs/explanation/architecture.md lists the layers, and imports keep to them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_LAYER = re.compile(r"^### (\d) ", re.MULTILINE)
_ROW = re.compile(r"^\| `([\w.]+/?)` \| .* \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs/explanation/architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def layers(page: str) -> dict[str, int]:
    """The layer of each room: the name of a module, or of a package."""
    _, *parts = _LAYER.split(page.partition("\n## Promises")[0])
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


def upward(package: Path, layers: dict[str, int]) -> list[str]:
    """Each import from a lower to a higher layer."""
    found = []
    for path in sorted(package.rglob("*.py")):
        first = path.relative_to(package).parts[0]
        here = layers.get(first, layers.get(f"{first}/", 0))
        for name in sorted(imported(path)):
            room = name.split(".")[1]
            there = layers.get(f"{room}.py", layers.get(f"{room}/", 0))
            if there > here:
                found.append(f"{path.relative_to(package)} (layer {here}) imports {name} (layer {there})")
    return found


def test_every_room_is_in_one_layer_and_exists(root: Path, page: str, layers: dict[str, int]) -> None:
    assert set(layers) == rooms(root / "src/seedless")
    assert len(_ROW.findall(page)) == len(layers)


def test_the_page_of_modules_lists_every_module_with_its_docstring(root: Path) -> None:
    modules = (root / "docs/reference/modules.md").read_text(encoding="utf-8")
    package = root / "src/seedless"
    listed = re.findall(r"^\| `([\w/.]+)` \| \S", modules, re.MULTILINE)
    assert sorted(listed) == sorted(str(path.relative_to(package)) for path in package.rglob("*.py"))


def test_no_import_goes_upward(root: Path, layers: dict[str, int]) -> None:
    assert upward(root / "src/seedless", layers) == []


def test_an_import_that_goes_upward_is_found(tmp_path: Path) -> None:
    (tmp_path / "nkey.py").write_text("def late():\n    from seedless.plan import Subject\n")
    (tmp_path / "plan.py").write_text("import seedless.nkey\n")
    assert upward(tmp_path, {"nkey.py": 0, "plan.py": 4}) == [
        "nkey.py (layer 0) imports seedless.plan (layer 4)",
        "nkey.py (layer 0) imports seedless.plan.Subject (layer 4)",
    ]
