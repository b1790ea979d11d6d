"""The digest of the program, and the rows about what else Python runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedless.program import examine_program, program_digest
from seedless.readiness import CheckStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedless.readiness import ReadinessRow

COREUTILS = (
    "find -L . -name __pycache__ -prune -o -type f -print0 | LC_ALL=C sort -z | "
    "xargs -0 sha256sum | sha256sum"
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "rules").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "rules/known.json").write_text("{}")
    (folder / "a b.py").write_text("x = 1\n")
    return folder


def digest(folder: Path) -> str:
    program_digest.cache_clear()
    return program_digest(folder)


def test_coreutils_compute_the_digest_of_any_folder(package: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/module.py").write_text("y = 2\n")
    (package / "linked").symlink_to(tmp_path / "elsewhere")
    (package / "é.py").symlink_to(tmp_path / "elsewhere/module.py")
    (package / "gone.py").symlink_to(tmp_path / "nothing")
    (package / "here").symlink_to(package)
    (package / "rules/above").symlink_to(package)
    for name in ("two\nlines.py", "back\\slash.py", "carriage\rreturn.py"):
        (package / name).write_text("z = 3\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__/a.pyc").write_bytes(b"\0")
    done = subprocess.run(["sh", "-c", COREUTILS], cwd=package, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == digest(package)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: (folder / "a b.py").write_text("x = 2\n"), id="a-module"),
        pytest.param(lambda folder: (folder / "rules/known.json").write_text("[]"), id="data"),
        pytest.param(lambda folder: (folder / "rules.cpython-311.so").write_bytes(b"\x7fELF"), id="native"),
        pytest.param(lambda folder: (folder / "rules/__init__.pyc").write_bytes(b"\0"), id="bytecode-alone"),
        pytest.param(lambda folder: (folder / "a b.py").rename(folder / "b.py"), id="a-name"),
        pytest.param(lambda folder: (folder / "rules/known.json").unlink(), id="a-file-less"),
    ],
)
def test_whatever_is_changed_in_the_package_has_another_digest(
    package: Path, change: Callable[[Path], object]
) -> None:
    before = digest(package)
    change(package)
    assert digest(package) != before


def rows(packages: Path, **more: object) -> dict[str, ReadinessRow]:
    program_digest.cache_clear()
    usual: dict[str, object] = {"environment": {}, "places": [str(packages)]} | more
    return {row.what: row for row in examine_program(packages=packages, **usual)}  # type: ignore[arg-type]  # named above


def test_a_clean_environment_has_digests_and_no_findings(package: Path) -> None:
    found = rows(package)
    assert found["other packages"].found == f"0 in {package}, sha256 {digest(package)}"
    assert found["digest"].found.startswith("seedless ")
    for what, text in (
        ("variables of Python", "none that names other modules"),
        ("other places of modules", "none"),
    ):
        assert (found[what].found, found[what].status) == (text, CheckStatus.OK)


def test_modules_from_elsewhere_are_a_problem_or_noted(package: Path, tmp_path: Path) -> None:
    row = rows(package, environment={"PYTHONPATH": "/home/eve"})["variables of Python"]
    assert (row.found, row.status) == ("PYTHONPATH=/home/eve", CheckStatus.PROBLEM)
    (tmp_path / "bin").mkdir()
    places = ["", str(tmp_path / "bin"), str(package)]
    assert str(tmp_path / "bin") not in rows(package, places=places)["other places of modules"].found
    (tmp_path / "bin/click.py").write_text("")
    row = rows(package, places=places)["other places of modules"]
    assert (str(tmp_path / "bin") in row.found, row.status) == (True, CheckStatus.NOTE)


def test_a_line_that_is_run_at_the_start_is_named_with_its_file(package: Path) -> None:
    (package / "paths.pth").write_text("/usr/lib/more\n")
    assert "paths.pth" not in rows(package)["code at the start"].found
    (package / "evil.pth").write_text("import os; os.system('true')\n")
    row = rows(package)["code at the start"]
    assert (str(package / "evil.pth") in row.found, row.status) == (True, CheckStatus.NOTE)


@pytest.mark.parametrize("name", ["__init__.pyc", "__init__.cpython-311-x86_64-linux-gnu.so"])
def test_a_package_without_a_source_is_a_module_from_elsewhere(
    package: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "bin/msgspec").mkdir(parents=True)
    (tmp_path / "bin/msgspec" / name).write_bytes(b"\0")
    row = rows(package, places=[str(tmp_path / "bin")])["other places of modules"]
    assert (row.found, row.status) == (str(tmp_path / "bin"), CheckStatus.NOTE)


def test_a_line_that_is_run_at_the_start_is_found_in_every_place_of_modules(
    package: Path, tmp_path: Path
) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user/evil.pth").write_text("import os\n")
    row = rows(package, places=[str(tmp_path / "user")])["code at the start"]
    assert (str(tmp_path / "user/evil.pth") in row.found, row.status) == (True, CheckStatus.NOTE)


def test_a_byte_order_mark_does_not_hide_a_line_that_is_run_at_the_start(package: Path) -> None:
    (package / "evil.pth").write_bytes(b"\xef\xbb\xbfimport os\n")
    assert str(package / "evil.pth") in rows(package)["code at the start"].found


def test_bytecode_that_python_takes_for_a_source_is_covered_by_no_digest_and_is_reported(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: a cached file with the date and size of its source, and other code."""
    source = package / "victim.py"
    source.write_text("value = 'good'\n")
    command = [sys.executable, "-c", "import victim; print(victim.value)"]

    def run(**environment: str) -> str:
        return subprocess.run(
            command, cwd=package, capture_output=True, text=True, check=True, env=environment
        ).stdout

    assert run() == "good\n"
    before = digest(package)
    (cached,) = (package / "__pycache__").glob("victim.*")
    cached.write_bytes(cached.read_bytes().replace(b"good", b"evil"))
    assert (run(), digest(package)) == ("evil\n", before)
    assert run(PYTHONPYCACHEPREFIX=str(tmp_path / "fresh")) == "good\n"
    monkeypatch.setattr(sys, "pycache_prefix", None)
    assert rows(package)["bytecode"].status is CheckStatus.NOTE
    monkeypatch.setattr(sys, "pycache_prefix", "/home/fresh")
    assert rows(package)["bytecode"].found == "compiled from the sources into /home/fresh"
