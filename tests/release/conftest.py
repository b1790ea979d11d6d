from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EPOCH = "1767225600"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


Build = Callable[[Path], Path]


def _run(*command: str | Path) -> None:
    environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _run_build(project: Path, dist: Path) -> None:
    _run("-m", "build", "--no-isolation", "--outdir", dist, project)


@pytest.fixture(scope="session")
def build() -> Build:
    """Build both projects from a copy with what a clone has; return the folder of the distributions."""
    unwanted = shutil.ignore_patterns(
        ".git", ".venv", "dist", "build", ".*_cache", ".hypothesis", "__pycache__"
    )

    def build_in(folder: Path) -> Path:
        project = folder / "project"
        shutil.copytree(ROOT, project, ignore=unwanted, copy_function=shutil.copyfile)
        _run(project / "release/manuals.py")
        _run_build(project, folder / "dist")
        _run_build(project / "softhsm", folder / "dist")
        return folder / "dist"

    return build_in


@pytest.fixture(scope="session")
def dist(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distributions of both projects."""
    return build(tmp_path_factory.mktemp("built"))
