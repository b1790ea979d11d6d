"""Imports inside the package; tests/docs/test_architecture.py holds them against the floors of the page."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

# Rows of a table that want the types of the module that looks them up, which reads them late.
PACKAGE = Path(__file__).parents[1] / "src/seedless"


@dataclass(frozen=True)
class Found:
    """One import: in which module, of what, and whether it is only for types."""

    module: str
    name: str
    typing: bool

    @property
    def room(self) -> str:
        """The module or package directly in the package that it stands in."""
        return _room(self.module)


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _named(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _walk(node: ast.AST, module: str, *, typing: bool) -> list[Found]:
    found = [Found(module, name, typing) for name in _named(node)]
    for child in ast.iter_child_nodes(node):
        found += _walk(child, module, typing=typing or _is_for_types(node))
    return found


def imports_of(package: Path) -> list[Found]:
    """Every import of every module of *package*, at the top, in functions and for types."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found += _walk(ast.parse(path.read_text(encoding="utf-8")), module, typing=False)
    return found


def modules_of(package: Path) -> set[str]:
    return {found.module for found in imports_of(package)} | {package.name}


@pytest.fixture(scope="module")
def imports() -> list[Found]:
    return imports_of(PACKAGE)


def rooms_in_a_circle(imports: list[Found]) -> list[str]:
    """The rooms (modules and packages directly in the package) that import each other, for types too."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if found.name.startswith("seedless.") and _room(found.name) != found.room:
            graph.setdefault(found.room, set()).add(_room(found.name))
    return _circle(graph)


def modules_in_a_circle(imports: list[Found]) -> list[str]:
    """The modules that import each other when they run."""
    modules = {found.module for found in imports}
    graph: dict[str, set[str]] = {}
    for found in imports:
        target = found.name if found.name in modules else found.name.rpartition(".")[0]
        if not found.typing and target in modules - {found.module}:
            graph.setdefault(found.module, set()).add(target)
    return _circle(graph)


def _circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_rooms_import_each_other(imports: list[Found]) -> None:
    assert rooms_in_a_circle([found for found in imports if found.module != "seedless"]) == []


def test_no_modules_import_each_other_when_they_run(imports: list[Found]) -> None:
    assert modules_in_a_circle(imports) == []


def test_a_circle_is_found(tmp_path: Path) -> None:
    package = tmp_path / "seedless"
    package.mkdir()
    (package / "a.py").write_text("from seedless.b import x\n")
    (package / "b.py").write_text("def late():\n    import seedless.c\n")
    (package / "c.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from seedless import a\n"
    )
    found = imports_of(package)
    assert set(rooms_in_a_circle(found)) == {"seedless.a", "seedless.b", "seedless.c"}
    assert modules_in_a_circle(found) == []
    (package / "c.py").write_text("from seedless import a\n")
    assert set(modules_in_a_circle(imports_of(package))) == {"seedless.a", "seedless.b", "seedless.c"}


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("pkcs11", {"seedless.pkcs11"}),
        ("nats", {"seedless._nats", "seedless.client", "seedless.resolver", "seedless.serve"}),
        ("nacl", {"seedless.nkey", "seedless.seeds", "seedless.serve"}),  # serve: requests that are encrypted
        ("click", {"seedless.cli"}),
        ("msgspec", None),
    ],
)
def test_a_dependency_is_imported_only_where_it_belongs(
    imports: list[Found], package: str, rooms: set[str] | None
) -> None:
    found = {one.room for one in imports if one.name.split(".")[0] == package}
    assert found, f"nothing imports {package}: this test looks for the wrong name"
    if rooms is not None:
        assert found <= rooms


def test_only_seeds_makes_keys_and_signatures_in_software(imports: list[Found]) -> None:
    by_nkey = {one.name for one in imports if one.module == "seedless.nkey" and one.name.startswith("nacl.")}
    assert by_nkey == {"nacl.bindings.crypto_sign_open", "nacl.exceptions.BadSignatureError"}


def test_reading_nats_configurations_shares_nothing_with_signing(imports: list[Found]) -> None:
    rooms = {_room(one.name) for one in imports if one.room == "seedless.nats_config"}
    shared = {one for one in rooms if one.startswith("seedless.")} - {"seedless.nats_config"}
    values = {"seedless.decorated", "seedless.errors", "seedless.nkey", "seedless.text"}
    claims = {"seedless.claims", "seedless.jwt", "seedless.trust"}
    assert shared == {*values, *claims, "seedless.findings", "seedless.store"}


LOWER = (
    "errors",
    "nkey",
    "wire",
    "typed_json",
    "subject",
    "units",
    "jwt",
    "claims",
    "trust",
    "findings",
    "rules",
)
WORLD = {"os", "io", "pathlib", "socket", "time", "random", "secrets", "subprocess", "shutil", "asyncio"}


@pytest.mark.parametrize("module", LOWER)
def test_the_lower_floors_have_no_clock_no_files_and_no_network(imports: list[Found], module: str) -> None:
    used = {found.name.split(".")[0] for found in imports if found.room == f"seedless.{module}"}
    assert used, f"there is no {module}"
    assert used.isdisjoint(WORLD)


def test_importing_the_package_imports_nothing_of_it(imports: list[Found]) -> None:
    own = [found.name for found in imports if found.module == "seedless" and not found.typing]
    assert [name for name in own if name.startswith("seedless")] == []


COMMAND_LINE = 9_500
"""Lines that the command line may have: it parses, calls the application layer, and prints.

What came to it with features of their own is not counted: services, delegated keys, recovery from shares, and
ceremonies that create keys. A figure that has to grow for anything else is a decision that belongs to `app/`.
"""

FEATURES = {
    "serve", "delegate", "recovery",
    "ceremony/keygen.py", "render/keygen.py", "device_info.py", "key/challenges.py",
}  # fmt: skip


def counted_lines(folder: Path, features: set[str]) -> int:
    """The lines of all modules in *folder* but those of *features*: folders and files in it."""
    named = {path: path.relative_to(folder) for path in folder.rglob("*.py")}
    counted = (path for path, name in named.items() if not {name.parts[0], name.as_posix()} & features)
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in counted)


def test_the_command_line_is_thin() -> None:
    folder = PACKAGE / "cli"
    assert [name for name in FEATURES if not (folder / name).exists()] == []
    assert counted_lines(folder, FEATURES) <= COMMAND_LINE


def test_the_lines_of_features_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "serve").mkdir()
    (tmp_path / "render").mkdir()
    (tmp_path / "serve/callout.py").write_text("1\n2\n")
    (tmp_path / "render/keygen.py").write_text("1\n")
    (tmp_path / "render/resolver.py").write_text("1\n2\n3\n")
    assert counted_lines(tmp_path, {"serve", "render/keygen.py"}) == 3
    assert counted_lines(tmp_path, set()) == 6
