from __future__ import annotations

import os
import re
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


def test_the_wheel_has_a_manual_page_for_each_command_where_man_looks(dist: Path) -> None:
    [wheel] = dist.glob("seedless-*.whl")
    folder = "seedless-0.1.0.data/data/share/man/man1/"
    with zipfile.ZipFile(wheel) as archive:
        names = {name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)}
        whole = archive.read(f"{folder}seedless.1").decode()
    listed = set(re.findall(r"\\fBseedless-(\S+)\(1\)", whole))
    assert {"seedless.1", "seedless-account-mapping-add.1"} | {
        f"seedless-{name}.1" for name in listed
    } <= names
    assert len(listed) > 20
    assert '"2026-01-01" "0.1.0"' in whole
    assert "seedless \\- Sign NATS claim JWTs with keys that stay on a PKCS#11 token.\n" in whole


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


_RETIRED = {
    "lib/python*/site-packages/seedless/retired/module.py": "seedless/retired/module.py",
    "lib/python*/site-packages/seedless/retired/__pycache__/*": "seedless/retired/__init__.py",
    "lib/python*/site-packages/seedless/pages/howto/retired.md": "seedless/pages/howto/retired.md",
    "share/man/man1/seedless-retired.1": "seedless-0.0.9.data/data/share/man/man1/seedless-retired.1",
}


def earlier(wheel: Path, folder: Path) -> Path:
    """Write *wheel* as version 0.0.9, with a module, a page and a manual page that it has no longer."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name.replace("0.1.0", "0.0.9"): archive.read(name) for name in archive.namelist()}
    files = {name: text for name, text in files.items() if not name.startswith("seedless/cli/")}
    metadata = "seedless-0.0.9.dist-info/METADATA"
    files[metadata] = files[metadata].replace(b"\nVersion: 0.1.0\n", b"\nVersion: 0.0.9\n")
    files |= dict.fromkeys(_RETIRED.values(), b"")
    files["seedless-0.0.9.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files).encode()
    output = folder / "seedless-0.0.9-py3-none-any.whl"
    with zipfile.ZipFile(output, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return output


def test_an_upgrade_leaves_no_module_or_page_of_the_earlier_version(dist: Path, tmp_path: Path) -> None:
    [wheel] = dist.glob("seedless-*.whl")
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-index", "--no-deps", "--upgrade"]
    subprocess.run([*install, earlier(wheel, tmp_path)], check=True)
    assert [pattern for pattern in _RETIRED if not list(folder.glob(pattern))] == []
    subprocess.run([*install, wheel], check=True)
    assert [pattern for pattern in _RETIRED if list(folder.glob(pattern))] == []
    assert list(folder.glob("lib/python*/site-packages/seedless/cli/main.py"))
    assert [path.name for path in folder.glob("lib/python*/site-packages/*.dist-info")] == [
        "seedless-0.1.0.dist-info"
    ]
