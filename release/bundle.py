"""Make the offline bundle: `make bundle`, after the wheels. docs/howto/offline-machine.md has what is in it.

Of one commit and one lock each run writes the same bytes: names are sorted, and times are SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from pages import write_pages
from sbom import sbom

_ROOT = Path(__file__).resolve().parents[1]


def make_bundle(dist: Path, pythons: list[str], now: int) -> Path:
    """Write the bundle of the wheel in *dist* beside it, with dependencies for each version in *pythons*."""
    [wheel] = dist.glob("seedless-*.whl")
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / f"seedless-{version}-offline"
        wheels = folder / "wheels"
        wheels.mkdir(parents=True)
        for python in pythons or [f"{sys.version_info.major}.{sys.version_info.minor}"]:
            _download(wheels, python)
        dependencies = sorted(wheels.glob("*.whl"))
        shutil.copyfile(wheel, wheels / wheel.name)
        own = f"seedless=={version} --hash=sha256:{_sha256(wheel)}\n"
        locked = (_ROOT / "requirements.txt").read_text(encoding="utf-8")
        (folder / "requirements.txt").write_text(own + locked, encoding="utf-8")
        bill = json.dumps(sbom(wheel, dependencies, now), indent=2)
        (folder / "sbom.cdx.json").write_text(bill + "\n", encoding="utf-8")
        write_pages(_ROOT / "docs", folder / "html")
        shutil.copy(_ROOT / "release/install.sh", folder)
        shutil.copy(_ROOT / "LICENSE", folder)
        _write_checksums(folder)
        return _archive(folder, dist / f"{folder.name}.tar.gz", now)


def _download(wheels: Path, python: str) -> None:
    """Fetch what the lock names for *python* on this platform; pip compares the hashes."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--python-version", python]
    subprocess.run([*command, "--dest", wheels, "-r", _ROOT / "requirements.txt"], check=True)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write_checksums(folder: Path) -> None:
    """Write the digest of every file, in the format of sha256sum."""
    lines = [f"{_sha256(file)}  {file.relative_to(folder)}\n" for file in _files(folder)]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def _archive(folder: Path, output: Path, now: int) -> Path:
    with (
        output.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=now) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for path in _files(folder):
            entry = tarfile.TarInfo(str(path.relative_to(folder.parent)))
            entry.size, entry.mtime = path.stat().st_size, now
            entry.mode = 0o755 if path.suffix == ".sh" else 0o644
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return output


if __name__ == "__main__":
    print(make_bundle(Path(sys.argv[1]), sys.argv[2:], int(os.environ["SOURCE_DATE_EPOCH"])))
