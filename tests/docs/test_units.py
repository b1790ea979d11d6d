"""The systemd unit of the services, as the page shows it, before the tool of systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PAGE = Path(__file__).parents[2] / "docs" / "howto" / "callout.md"
_MOST = 2.0  # of 10; a unit without any restriction has 9.6


def analyze(*arguments: str) -> str:
    """Return what `systemd-analyze` prints, and require that it finds nothing."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: install the package systemd, as .ci/setup does")
    done = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    # It reports what is wrong in other units of the machine, too.
    assert (done.returncode, "seedless" in done.stderr) == (0, False), done.stderr
    return done.stdout


def test_the_unit_of_the_page_is_right_and_leaves_little_open(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```ini\n(.*?)^```$", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    command = Path(sys.executable).with_name("seedless")
    unit = tmp_path / "seedless-callout.service"
    unit.write_text(text.replace("/opt/seedless/bin/seedless", str(command)))
    assert str(command) in unit.read_text()
    analyze("verify", str(unit))
    summary = analyze("security", "--offline=true", str(unit)).splitlines()[-1]
    (exposure,) = re.findall(r"\d\.\d", summary)
    assert float(exposure) <= _MOST
