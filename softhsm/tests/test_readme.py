"""The README is the only documentation: its examples are run as they are."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_softhsm
from pytest_softhsm import Token, _keys

if TYPE_CHECKING:
    import pytest

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_example_of_the_readme_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, softhsm: pytest_softhsm.SoftHSM
) -> None:
    blocks = _BLOCK.findall(README.read_text(encoding="utf-8"))
    (tmp_path / "tests").mkdir()
    (command,) = [text for kind, text in blocks if kind == "sh" and text.startswith("openssl")]
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)
    for number, text in enumerate(text for kind, text in blocks if kind == "python"):
        (tmp_path / "tests" / f"test_{number}.py").write_text(text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SOFTHSM2_CONF", "PYTEST_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path, env=kept | {"SOFTHSM2_MODULE": str(softhsm.module)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].startswith("6 passed in "), done.stdout


def test_the_readme_names_every_public_member() -> None:
    cells = re.findall(r"^\| ([^|]*) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`(\w+)[`(]", cell)}
    for public in (Token, pytest_softhsm.SoftHSM, _keys.KeyPair):
        members = {*dir(public), *public.__dataclass_fields__}
        assert {name for name in members if not name.startswith("_")} - named == set(), public
