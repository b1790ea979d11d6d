"""No share and no secret in the parent, on disk, in output, arguments or the terminal's history.

The needles are the shares that the test has read from the terminal, and the secret and keys that it restores
from them itself. Interruptions come at each stage before the import; none leaves anything on the token.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from secret_search import children, files_below, found_in, memory, root_of_linux, words_in

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py
    Holders = Any  # the class in conftest.py
    Created = Callable[..., tuple[Path, list[list[str]]]]

CREATE = (
    "recovery",
    "create",
    "ACME",
    "--threshold",
    "2",
    "--shares",
    "3",
    "--key",
    "operator:ACME",
    "--yes",
)


@root_of_linux
def test_the_parent_has_no_share_and_no_secret_while_its_child_has_them(cli: Cli, holders: Holders) -> None:
    record = cli.home / "record.json"
    people = holders(cli.terminal_for(*CREATE, "-o", str(record)))
    people.write_down_all()
    people.read_back(1)
    people.read_back(2)
    people.terminal.wait_for("Words 1 to 33, several on a line: ")
    parent = people.terminal.process.pid
    (child,) = children(parent)
    assert found_in(memory(parent), people.shares) == []
    in_child = found_in(memory(child), people.shares)
    assert {"value 0", "value 1", "value 2", "secret", "key"} <= set(in_child)  # the same search finds them
    for pid in (parent, child):
        for name in ("cmdline", "environ"):
            assert found_in(Path(f"/proc/{pid}/{name}").read_bytes(), people.shares) == []
    environ = Path(f"/proc/{parent}/environ").read_bytes()
    assert cli.token.pin.encode() not in environ
    people.terminal.type("!\n")
    people.type_share(people.shares[2])
    assert people.terminal.end() == 0, people.terminal.said


@root_of_linux
def test_another_user_cannot_read_the_memory_of_the_child_and_it_is_locked(
    cli: Cli, holders: Holders
) -> None:
    people = holders(cli.terminal_for(*CREATE, "-o", str(cli.home / "record.json")))
    people.write_down(1)
    (child,) = children(people.terminal.process.pid)
    status = Path(f"/proc/{child}/status").read_text()
    assert int(re.findall(r"VmLck:\s+(\d+) kB", status)[0]) > 0
    assert (
        Path(f"/proc/{child}/limits").read_text().count("Max core file size        0                    0")
        == 1
    )
    # A file of a process that cannot be dumped asks for CAP_SYS_PTRACE, whoever owns the process.
    code = "import os, sys; os.setuid(65534); open(f'/proc/{sys.argv[1]}/mem', 'rb')"
    tried = subprocess.run([sys.executable, "-c", code, str(child)], capture_output=True, check=False)
    assert b"PermissionError" in tried.stderr
    os.kill(people.terminal.process.pid, signal.SIGINT)
    assert people.terminal.end() == 130


def test_no_file_and_no_output_has_a_share_or_a_secret(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, holders: Holders, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cli.env["TMPDIR"] = str(tmp_path_factory.mktemp("temporary"))
    record = cli.home / "record.json"
    with (cli.home / "out").open("wb") as out, (cli.home / "err").open("wb") as err:
        people = holders(cli.terminal_for(*CREATE, "-o", str(record), "--json", stdout=out, stderr=err))
        people.write_down_all()
        people.read_back_all()
        assert people.terminal.end() == 0, people.terminal.said
    looked = 0
    for path in files_below(cli.home, softhsm.token_dir, Path(cli.env["TMPDIR"])):
        looked += 1
        assert (path, found_in(path.read_bytes(), people.shares)) == (path, [])
    assert looked >= 5  # record, its copy, inventory, the objects of the token
    assert json.loads((cli.home / "out").read_bytes())["record"]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not here: .ci/setup installs it")
def test_the_history_of_a_terminal_has_no_share(cli: Cli) -> None:
    socket = str(cli.home / "tmux")
    tmux = ["tmux", "-f", "/dev/null", "-S", socket]
    command = [sys.executable, "-m", "seedless", *CREATE, "-o", str(cli.home / "record.json")]

    def keys(*names: str) -> None:
        subprocess.run([*tmux, "send-keys", *names], check=True, env=cli.env)

    def screen(*more: str) -> str:
        done = subprocess.run(
            [*tmux, "capture-pane", "-p", *more], check=True, env=cli.env, capture_output=True
        )
        return done.stdout.decode()

    def wait_for(text: str) -> str:
        end = time.monotonic() + 20
        while text not in screen():
            assert time.monotonic() < end, screen()
            time.sleep(0.05)
        return screen()

    subprocess.run([*tmux, "new-session", "-d", "-x", "100", "-y", "30", "sh"], check=True, env=cli.env)
    try:
        keys(shlex.join(command), "Enter")
        wait_for("Press Enter to show the words.")
        keys("Enter")
        shown = dict(re.findall(r"(\d+)\. ([a-z]+)", wait_for("they disappear.")))
        share = [shown[str(place)] for place in range(1, 34)]
        keys("C-c")
        wait_for("interrupted")
        history = screen("-S", "-")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, env=cli.env)
    assert "1. " not in history
    assert words_in(history, share) == []


def stop_at_first_share(people: Holders) -> None:
    people.terminal.wait_for("Press Enter to show the words.")


def stop_at_words(people: Holders) -> None:
    people.write_down(1)
    people.terminal.wait_for("Press Enter to show the words.")
    people.terminal.type("\n")
    people.terminal.wait_for("they disappear.")


def stop_at_reading_back(people: Holders) -> None:
    people.write_down_all()
    people.read_back(1)
    people.terminal.wait_for("Share 2: ")


def stop_at_last_words(people: Holders) -> None:
    people.write_down_all()
    people.read_back(1)
    people.read_back(2)
    people.terminal.wait_for("Words 1 to 33, several on a line: ")
    people.terminal.type(" ".join(people.shares[2][:32]) + "\n")
    people.terminal.wait_for("Words 33 to 33, several on a line: ")


STAGES = (stop_at_first_share, stop_at_words, stop_at_reading_back, stop_at_last_words)
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: -15, signal.SIGKILL: -9}


@pytest.mark.parametrize("stop", STAGES, ids=lambda stop: stop.__name__)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_an_interruption_before_the_last_word_leaves_nothing_on_the_token(
    cli: Cli, holders: Holders, stop: Callable[[Any], None], number: signal.Signals
) -> None:
    record = cli.home / "record.json"
    people = holders(cli.terminal_for(*CREATE, "-o", str(record)))
    stop(people)
    (child,) = children(people.terminal.process.pid)
    os.kill(people.terminal.process.pid, number)
    assert people.terminal.end() == SIGNALS[number], people.terminal.said
    end = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists() or Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
    if number is signal.SIGINT:  # what ends the leader of the session hangs its terminal up
        assert people.terminal.said.count("\x1b[?1049h") <= people.terminal.said.count("\x1b[?1049l")
    assert cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"] == []
    assert not record.exists()
    assert not (cli.store / "recovery").exists()


def test_a_child_that_is_killed_is_a_sentence_and_leaves_nothing_on_the_token(
    cli: Cli, holders: Holders
) -> None:
    people = holders(cli.terminal_for(*CREATE, "-o", str(cli.home / "record.json")))
    stop_at_last_words(people)
    (child,) = children(people.terminal.process.pid)
    os.kill(child, signal.SIGKILL)
    assert people.terminal.end() == 4
    assert (
        "the process that has the secret was ended by signal 9: nothing was imported" in people.terminal.text
    )
    assert people.terminal.said.count("\x1b[?1049h") == people.terminal.said.count("\x1b[?1049l")
    assert cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"] == []


def test_ctrl_c_at_the_terminal_ends_it_and_nothing_is_imported(cli: Cli, holders: Holders) -> None:
    people = holders(cli.terminal_for(*CREATE, "-o", str(cli.home / "record.json")))
    stop_at_reading_back(people)
    people.terminal.type("\x03")
    assert people.terminal.end() == 130
    assert "interrupted: nothing more was done" in people.terminal.said
    assert cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"] == []


def test_without_a_terminal_nothing_is_shown_and_nothing_is_created(cli: Cli) -> None:
    done = cli.child(*CREATE, "-o", str(cli.home / "record.json"))
    assert done.code == 2
    assert "shares are shown and typed on a terminal, and there is none" in done.err


def test_swap_and_a_piped_core_pattern_are_ways_to_the_disk(tmp_path: Path) -> None:
    from seedless.machine import ways_to_disk

    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "swaps").write_text("Filename Type Size Used Priority\n")
    (tmp_path / "sys/kernel/core_pattern").write_text("core\n")
    assert ways_to_disk(tmp_path) == []
    (tmp_path / "swaps").write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    assert ways_to_disk(tmp_path) == ["swap"]
    (tmp_path / "sys/kernel/core_pattern").write_text("|/usr/lib/systemd/systemd-coredump %P\n")
    assert ways_to_disk(tmp_path) == ["swap", "core-pipe"]


def test_a_buffer_is_zero_and_can_be_written() -> None:
    from seedless.recovery.protected_memory import locked_buffer

    buffer = locked_buffer(4096)
    assert bytes(buffer) == bytes(4096)
    buffer[:3] = b"abc"
    assert bytes(ctypes.string_at(ctypes.addressof(ctypes.c_char.from_buffer(buffer.obj)), 3)) == b"abc"
