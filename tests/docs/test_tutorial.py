"""The tutorial is walked, command by command, as a person would."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest_softhsm

_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_tutorial_run(
    root: Path, tmp_path: Path, softhsm: pytest_softhsm.SoftHSM
) -> None:
    page = (root / "docs/tutorial/first-walk.md").read_text(encoding="utf-8")
    lines = [line for block in _CONSOLE.findall(page) for line in block.splitlines()]
    script = "\n".join(line.removeprefix("$ ") for line in lines)
    assert [line for line in script.splitlines() if line.startswith("export ")] == [
        "export SEEDLESS_PIN_SOURCE=file:$PWD/pin"
    ]
    script = script.replace("--softhsm", f"--softhsm --module {softhsm.module}")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SEEDLESS", "SOFTHSM", "XDG_"))
    }
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-eux", "-c", script],
        cwd=tmp_path,
        env={**kept, "PATH": path, "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "account ORDERS (A" in done.stdout
    assert done.stdout.count("good       trusted  valid") == 6
    assert (
        tmp_path / ".local/share/seedless/keys/creds/ACME/ORDERS/app.creds"
    ).stat().st_mode & 0o777 == 0o600
