"""`make demo`, as a newcomer sees it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0
_CHANGING = (
    (re.compile(r"\b([OAU])[A-Z2-7]{55}\b"), r"\1…"),
    (re.compile(r"\b([OAU])[A-Z2-7]{11}…"), r"\1…"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "SERIAL"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "TIME"),
    (re.compile(r"SEEDLESS_MODULE=\S+"), "SEEDLESS_MODULE=MODULE"),
)


def start(temporary: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the demo with *temporary* as its temporary folder, as the leader of a process group."""
    names = ("NATS", "SEEDLESS", "SOFTHSM2")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    return subprocess.Popen(
        [sys.executable, "docs/tutorial/demo.py"],
        cwd=ROOT,
        env={**kept, "TMPDIR": str(temporary), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def require_nothing_left(demo: subprocess.Popen[str], temporary: Path) -> None:
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)
    assert list(temporary.iterdir()) == []


def normalised(text: str) -> str:
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return text.strip()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run the whole demo once, and require that it leaves nothing behind."""
    temporary = tmp_path_factory.mktemp("demo")
    demo = start(temporary)
    output, errors = demo.communicate(timeout=_PATIENCE)
    assert (demo.returncode, errors) == (0, "")
    require_nothing_left(demo, temporary)
    return output


@pytest.mark.parametrize(
    "line",
    [
        "   $ seedless operator add ACME --sys --yes",
        "   app received 'one dozen eggs' on orders.new",
        "   clerk's message is number 2 in the stream ORDERS",
        "   operator ACME (O…)  on a token",
        "   ├── account ORDERS (A…)  on a token",
        "   │   ├── user app (U…)",
        "   │   └── user clerk (U…)  on a token",
        "   └── account SYS (A…)  on a token",
        "Done. The server has been stopped and the folder is deleted.",
    ],
)
def test_the_demo_shows(shown: str, line: str) -> None:
    assert line in normalised(shown).splitlines()


def test_the_demo_writes_no_colours_and_no_seeds_into_a_pipe(shown: str) -> None:
    assert "\x1b" not in shown
    assert not re.search(r"S[OAU][A-Z2-7]{56}", shown)


def test_the_readme_shows_what_the_demo_prints(shown: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert normalised(shown) in [normalised(block) for block in blocks]


@pytest.mark.parametrize(
    ("line", "wait"),
    [
        pytest.param("listening on", 0.0, id="when the server runs"),
        pytest.param("nats.connect", 0.03, id="while a client talks to it"),
    ],
)
def test_a_demo_that_is_ended_in_the_middle_leaves_nothing(tmp_path: Path, line: str, wait: float) -> None:
    demo = start(tmp_path, PYTHONUNBUFFERED="1")
    assert demo.stdout is not None
    for shown in demo.stdout:
        if line in shown:
            time.sleep(wait)
            demo.send_signal(signal.SIGTERM)
            break
    _, errors = demo.communicate(timeout=_PATIENCE)
    assert demo.returncode == 130
    assert errors.splitlines()[-1] == "demo: it was interrupted"
    require_nothing_left(demo, tmp_path)


def test_a_demo_that_fails_ends_with_a_sentence(tmp_path: Path) -> None:
    no_module = tmp_path / "libsofthsm2.so"
    no_module.write_text("no library")
    (tmp_path / "work").mkdir()
    demo = start(tmp_path / "work", SOFTHSM2_MODULE=str(no_module))
    _, errors = demo.communicate(timeout=_PATIENCE)
    assert demo.returncode == 1
    failed = (
        "demo: `seedless token init --label demo --yes --so-pin-source file:so-pin` ended with 4: error: "
    )
    assert errors.startswith(failed)
    assert "Traceback" not in errors
    require_nothing_left(demo, tmp_path / "work")
