from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_two_builds_are_identical_wherever_and_whenever_they_are_made(
    build: Callable[[Path], Path], dist: Path, tmp_path: Path
) -> None:
    before = os.umask(0o077)
    try:
        again = build(tmp_path)
    finally:
        os.umask(before)
    files = sorted(path.name for path in dist.iterdir())
    assert files == [
        "pytest_softhsm-0.1.0-py3-none-any.whl",
        "pytest_softhsm-0.1.0.tar.gz",
        "seedless-0.1.0-py3-none-any.whl",
        "seedless-0.1.0.tar.gz",
    ]
    assert [name for name in files if (dist / name).read_bytes() != (again / name).read_bytes()] == []


def test_the_wheel_has_its_pages_and_its_types(dist: Path, tmp_path: Path) -> None:
    [wheel] = dist.glob("seedless-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert {"seedless/py.typed", "seedless/pages/reference/desired-state.schema.json"} <= names
        pages = {name for name in names if name.startswith("seedless/pages/")}
        assert {name.rsplit(".", 1)[1] for name in pages} == {"md", "json"}
        assert {name.split("/")[2] for name in pages} == {"tutorial", "howto", "reference", "explanation"}
        archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "seedless", "docs", "howto/rotate"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("# Rotate keys")
    assert (tmp_path / "seedless/pages/howto/rotate.md").read_text(
        encoding="utf-8"
    ).strip() == done.stdout.strip()
