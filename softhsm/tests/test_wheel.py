from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, PROJECT]
    subprocess.run(command, check=True, timeout=300)
    (built,) = folder.glob("pytest_softhsm-*.whl")
    with zipfile.ZipFile(built) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_wheel_holds_the_package_with_its_types_and_no_tests(wheel: dict[str, str]) -> None:
    assert {name for name in wheel if ".dist-info/" not in name} == {
        "pytest_softhsm/__init__.py",
        "pytest_softhsm/_cryptoki.py",
        "pytest_softhsm/_ed25519.py",
        "pytest_softhsm/_errors.py",
        "pytest_softhsm/_find.py",
        "pytest_softhsm/_keys.py",
        "pytest_softhsm/_objects.py",
        "pytest_softhsm/_pkcs8.py",
        "pytest_softhsm/_tokens.py",
        "pytest_softhsm/plugin.py",
        "pytest_softhsm/py.typed",
    }


def test_the_wheel_reports_pytest_and_needs_nothing_else(wheel: dict[str, str]) -> None:
    (entry_points,) = (text for name, text in wheel.items() if name.endswith("entry_points.txt"))
    assert entry_points == "[pytest11]\nsofthsm = pytest_softhsm.plugin\n"
    (metadata,) = (text.splitlines() for name, text in wheel.items() if name.endswith("/METADATA"))
    assert [line for line in metadata if line.startswith("Requires-Dist")] == ["Requires-Dist: pytest>=8"]
    assert "License-Expression: Apache-2.0" in metadata
