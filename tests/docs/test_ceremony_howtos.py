"""The pages on ceremonies after the first one: every command runs, from where the tutorial ended."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import pytest_softhsm

_BLOCK = re.compile(r"^```(console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_AS_THE_TUTORIAL = """
umask 077
export SOFTHSM2_CONF=$PWD/offline/softhsm2.conf SEEDLESS_STORE=store SEEDLESS_PIN_SOURCE=file:pin
ADA=$(grep -o 'U[A-Z2-7]\\{55\\}' offline/policy.toml)
ACME=$(grep -o 'O[A-Z2-7]\\{55\\}' offline/policy.toml)
cd online
"""
PAGES = {
    "ceremony-keys": ["2"],
    "ceremony-several-tokens": [],
    "ceremony-policy": ["5", "3", "3"],
    "ceremony-machine": ["3"],
    "ceremony-rotation": [],
    "ceremony-roles": [],
}
"""The exit codes of the commands in `sh` blocks: those that a page shows as refused."""


def commands(path: Path) -> list[tuple[str, str]]:
    """The blocks of a page that are commands: `console` ends well, `sh` is refused."""
    found = _BLOCK.findall(path.read_text(encoding="utf-8"))
    return [(kind, "\n".join(line.removeprefix("$ ") for line in text.splitlines())) for kind, text in found]


def run(script: str, folder: Path, softhsm: pytest_softhsm.SoftHSM) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDLESS", "SOFTHSM"))}
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": str(folder), "SEEDLESS_MODULE": str(softhsm.module)}
    done = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=folder, env=kept | environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def after_the_tutorial(
    root: Path, softhsm: pytest_softhsm.SoftHSM, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folders `online`, `offline` and `auditor` as the tutorial leaves them."""
    folder = tmp_path_factory.mktemp("tutorial")
    blocks = commands(root / "docs/tutorial/first-ceremony.md")
    script = "\n".join(text for kind, text in blocks if kind == "console")
    run(script.replace("/usr/lib/softhsm/libsofthsm2.so", str(softhsm.module)), folder, softhsm)
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_runs(
    root: Path, after_the_tutorial: Path, tmp_path: Path, softhsm: pytest_softhsm.SoftHSM, page: str
) -> None:
    place = tmp_path / "place"
    shutil.copytree(after_the_tutorial, place)
    configuration = place / "offline" / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {place}/offline/tokens\n", encoding="utf-8")
    codes = tmp_path / "codes"
    codes.touch()
    steps = [
        text if kind == "console" else f"({text}) && echo 0 >> {codes} || echo $? >> {codes}"
        for kind, text in commands(root / f"docs/howto/{page}.md")
    ]
    assert len(steps) >= 3
    run("\n".join([_AS_THE_TUTORIAL, *steps]), place, softhsm)
    assert codes.read_text().split() == PAGES[page]
