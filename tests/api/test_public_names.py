"""What `import seedless` gives: names that load late, and that Python's own tools can describe."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import pydoc
import subprocess
import sys
import typing
from pathlib import Path
from types import FunctionType

import msgspec
import pytest

import seedless

PACKAGE = Path(seedless.__file__).parent


def child(code: str) -> str:
    """Run *code* in a Python of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def methods(kind: type) -> list[FunctionType]:
    """Return the public methods and properties that *kind* itself has, and its constructor."""
    found = []
    for name, value in vars(kind).items():
        function = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if isinstance(function, FunctionType) and (not name.startswith("_") or name == "__init__"):
            found.append(function)
    return found


def structs() -> list[type]:
    """Return every Struct of the package with a public name, in modules with public names."""
    found = []
    for module in pkgutil.walk_packages(seedless.__path__, "seedless."):
        if "._" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            is_own = isinstance(value, type) and value.__module__ == module.name
            if is_own and issubclass(value, msgspec.Struct) and not name.startswith("_"):
                found.append(value)
    return found


def test_importing_the_package_loads_nothing_of_it() -> None:
    code = "import sys; before = set(sys.modules); import seedless; print(sorted(set(sys.modules) - before))"
    assert child(code) == "['__future__', 'seedless']\n"


def test_a_name_loads_what_it_needs_and_no_front_end() -> None:
    loaded = child("import sys; from seedless import PublicKey; print(*sys.modules)").split()
    assert "seedless.nkey" in loaded
    assert {"click", "pkcs11", "seedless.cli", "seedless.jwt"}.isdisjoint(loaded)


def test_the_names_for_types_are_those_that_are_loaded() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == vars(seedless)["_MODULES"]
    assert sorted(imported) == list(seedless.__all__)


def test_dir_has_the_names_before_they_are_used() -> None:
    assert set(child("import seedless; print(*dir(seedless))").split()) >= set(seedless.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'seedless' has no attribute 'nonsense'"):
        seedless.nonsense  # noqa: B018 - it is looked up


def test_no_name_is_that_of_a_module() -> None:
    modules = {module.name for module in pkgutil.iter_modules(seedless.__path__)}
    assert modules.isdisjoint(seedless.__all__)


@pytest.mark.parametrize("name", seedless.__all__)
def test_hints_and_signatures_of_each_name_can_be_looked_up(name: str) -> None:
    value = getattr(seedless, name)
    hints = typing.get_type_hints(value)
    assert "return" in hints or isinstance(value, type)
    for function in [value] if isinstance(value, FunctionType) else methods(value):
        inspect.signature(function)


def groups() -> list[type]:
    """Return the classes of a workspace's groups of operations: what its properties import."""
    blank = seedless.Workspace()
    properties = {
        name: value for name, value in vars(seedless.Workspace).items() if isinstance(value, property)
    }
    found = [name for name, one in properties.items() if "from seedless.app." in inspect.getsource(one.fget)]
    return [type(getattr(blank, name)) for name in found]


OPERATIONS = [*groups(), seedless.Preview]


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.__name__)
def test_hints_of_what_a_workspace_does_can_be_looked_up(kind: type) -> None:
    functions = [function for function in methods(kind) if function.__name__ != "__init__"]
    assert [f.__name__ for f in functions if "return" not in typing.get_type_hints(f)] == []
    typing.get_type_hints(seedless.Workspace.__init__)


@pytest.mark.parametrize("kind", structs(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_the_hints_of_each_struct_can_be_looked_up(kind: type) -> None:
    assert set(typing.get_type_hints(kind)) >= set(kind.__struct_fields__)  # type: ignore[attr-defined]
    inspect.signature(kind)


def test_help_shows_every_name() -> None:
    text = pydoc.plain(pydoc.render_doc(seedless))
    assert [name for name in seedless.__all__ if name not in text] == []


@pytest.mark.parametrize("name", seedless.__all__)
def test_help_of_each_name_has_a_sentence(name: str) -> None:
    value = getattr(seedless, name)
    assert inspect.getdoc(value)
    assert pydoc.plain(pydoc.render_doc(value))


PUBLIC = (
    "errors",
    "jwt",
    "nkey",
    "seeds",
    "signer",
    "signing",
    "creds",
    "client",
    "server_config",
    "findings",
)


def with_names() -> list[str]:
    """Return the modules outside of the command line that list their public names."""
    modules = (module.name for module in pkgutil.walk_packages(seedless.__path__, "seedless."))
    own = [name for name in modules if not f"{name}.".startswith("seedless.cli.") and "._" not in name]
    return [name for name in own if hasattr(importlib.import_module(name), "__all__")]


@pytest.mark.parametrize("name", with_names())
def test_a_module_that_lists_its_public_names_has_them_described(name: str) -> None:
    module = importlib.import_module(name)
    assert list(module.__all__)
    for public in module.__all__:
        value = getattr(module, public)
        if isinstance(value, FunctionType | type):
            assert inspect.getdoc(value), public


def test_what_programs_import_by_name_lists_its_names() -> None:
    folder = PACKAGE / "app"
    wanted = {f"seedless.{name}" for name in PUBLIC} | {
        f"seedless.app.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"
    }
    assert wanted - set(with_names()) == set()
