"""The offline bundle: installed without a network, identical when built again; its SBOM fits the standard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from sbom import sbom

if TYPE_CHECKING:
    from pathlib import Path

_CONNECT = "import socket; socket.create_connection(('192.0.2.1', 443))"
_DEPENDENCIES = ["asn1crypto", "cffi", "click", "msgspec", "pycparser", "PyNaCl", "python-pkcs11"]


def create(root: Path, dist: Path, folder: Path) -> Path:
    shutil.copytree(dist, folder)
    done = subprocess.run(
        [sys.executable, root / "release/bundle.py", folder],
        env=os.environ | {"SOURCE_DATE_EPOCH": "1767225600"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "seedless-0.1.0-offline.tar.gz"


@pytest.fixture(scope="module")
def bundle(registry: None, root: Path, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create(root, dist, tmp_path_factory.mktemp("bundle") / "dist")


@pytest.fixture
def unpacked(bundle: Path, tmp_path: Path) -> Path:
    subprocess.run(["tar", "xf", bundle], cwd=tmp_path, check=True)
    return tmp_path / "seedless-0.1.0-offline"


@pytest.fixture
def without_network() -> list[str]:
    """The words before a command that let it run in an empty network namespace of its own."""
    ways = [["unshare", "-n"]] if os.geteuid() == 0 else [["unshare", "-rn"], ["sudo", "-n", "unshare", "-n"]]
    for way in ways:
        if shutil.which(way[0]) and run(*way, "true").returncode == 0:
            return way
    pytest.fail("a network namespace is required: run this as root, or with user namespaces")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_it_is_installed_and_runs_without_a_network(
    unpacked: Path, without_network: list[str], tmp_path: Path
) -> None:
    reached = run(*without_network, sys.executable, "-c", _CONNECT)
    assert "Network is unreachable" in reached.stderr
    installed = run(*without_network, unpacked / "install.sh", tmp_path / "an installed one")
    assert installed.returncode == 0, installed.stderr
    program = tmp_path / "an installed one/bin/seedless"
    version = run(*without_network, program, "--version")
    assert version.stdout.split()[-1] == "0.1.0"
    page = run(*without_network, program, "docs", "howto/offline-machine")
    assert page.stdout.startswith("# Install on a machine without a network\n")
    share = tmp_path / "an installed one/share"
    assert "seedless account add" in (share / "man/man1/seedless-account-add.1").read_text(encoding="utf-8")
    assert (share / "doc/seedless/index.html").is_file()


def test_a_file_that_was_changed_stops_the_installer(unpacked: Path, tmp_path: Path) -> None:
    with (unpacked / "requirements.txt").open("a", encoding="utf-8") as file:
        file.write("# one more line\n")
    done = run(unpacked / "install.sh", tmp_path / "installed")
    assert done.returncode == 1
    assert "requirements.txt: FAILED" in done.stdout + done.stderr
    assert not (tmp_path / "installed").exists()


def test_pip_rejects_another_wheel_though_its_digest_is_listed(unpacked: Path, tmp_path: Path) -> None:
    [wheel] = (unpacked / "wheels").glob("click-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    lines = (unpacked / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    names = [line.split("  ")[1] for line in lines]
    digests = subprocess.run(["sha256sum", *names], cwd=unpacked, capture_output=True, check=True).stdout
    (unpacked / "SHA256SUMS").write_bytes(digests)
    done = run(unpacked / "install.sh", tmp_path / "installed")
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_two_bundles_of_one_commit_are_identical(
    root: Path, dist: Path, bundle: Path, tmp_path: Path
) -> None:
    assert create(root, dist, tmp_path / "dist").read_bytes() == bundle.read_bytes()


def test_the_sbom_fits_the_schema_and_names_each_dependency(unpacked: Path) -> None:
    text = (unpacked / "sbom.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert [component["name"] for component in bill["components"]] == _DEPENDENCIES
    assert all(component["licenses"] for component in bill["components"])
    graph = {edge["ref"].split("@")[0]: edge["dependsOn"] for edge in bill["dependencies"]}
    assert [name.split("@")[0] for name in graph["pkg:pypi/seedless"]] == [
        "pkg:pypi/click",
        "pkg:pypi/msgspec",
        "pkg:pypi/pynacl",
        "pkg:pypi/python-pkcs11",
    ]


def test_the_sbom_of_the_project_alone_fits_the_schema(dist: Path) -> None:
    [wheel] = dist.glob("seedless-*.whl")
    bill = sbom(wheel, [], 1767225600)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    component = bill["metadata"]["component"]
    assert component["purl"] == "pkg:pypi/seedless@0.1.0"
    assert component["type"] == "application"
    assert component["licenses"] == [{"expression": "Apache-2.0"}]
    assert bill["metadata"]["timestamp"] == "2026-01-01T00:00:00+00:00"
