"""What others can read of a process that works with a PIN: its environment, and a core file (promise 6)."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Cli = Any  # the fixture in tests/conftest.py
    Misbehaving = Any  # and in conftest.py

linux = pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that has /proc and PR_GET_DUMPABLE")
PIN = "Kr0nenkorken-81"
PR_SET_DUMPABLE = 4


def allow_cores() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def children(pid: int) -> list[int]:
    """Every process below *pid*."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found += [child, *children(child)]
    return found


def environment(environ: bytes) -> dict[str, str]:
    entries = environ.decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


@pytest.fixture
def at_work(cli: Cli, misbehaving: Misbehaving) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command that may write core files, and wait until its driver sleeps in a signature."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    (cli.home / "in").mkdir()
    started = []

    def start(*words: str, signatures: int = 1, **env: str | None) -> subprocess.Popen[str]:
        misbehaving.forget()
        misbehaving.wants("fault C_Sign 1+ SLEEP 30")
        kept = {name: os.environ[name] for name in ("MISBEHAVE", "MISBEHAVE_MODULE")}
        process = subprocess.Popen(
            [sys.executable, "-m", "seedless", *words],
            env=cli.env_with(SEEDLESS_MODULE=str(misbehaving.made.module), **kept, **env),
            cwd=cli.home / "in",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=allow_cores,  # noqa: PLW1509 - nothing but one system call
        )
        started.append(process)
        until = time.monotonic() + 20
        while misbehaving.calls("C_Sign") < signatures and time.monotonic() < until:
            time.sleep(0.02)
        assert misbehaving.calls("C_Sign") >= signatures, process.poll()
        return process

    yield start
    for process in started:
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()


SIGN = ("sign", "{jwt}", "--record", "--yes")
IN_WORKERS = ("sign", "{jwt}", "--record", "--yes", "--jobs", "2")


def words_of(cli: Cli, words: tuple[str, ...]) -> list[str]:
    return [word.format(jwt=cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt") for word in words]


@linux
@pytest.mark.parametrize(("words", "processes"), [(SIGN, 2), (IN_WORKERS, 3)], ids=["one", "workers"])
def test_a_pin_from_a_variable_is_in_the_environment_of_no_process_at_work(
    cli: Cli,
    at_work: Callable[..., subprocess.Popen[str]],
    words: tuple[str, ...],
    processes: int,
    protected_environ: Callable[[int], bytes | None],
) -> None:
    process = at_work(*words_of(cli, words), "--pin-source", "env:GIVEN", GIVEN=cli.token.pin, TOKEN_PIN=None)
    pids = [process.pid, *children(process.pid)]
    assert len(pids) >= processes
    for pid in pids:
        assert cli.token.pin.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert cli.token.pin.encode() not in (protected_environ(pid) or b"")
    if (environ := protected_environ(pids[1])) is not None:  # it is an environment that was looked at
        assert environment(environ)["SEEDLESS_STORE"] == str(cli.store)


@linux
def test_the_same_look_finds_a_pin_that_is_only_taken_out_of_the_environment_of_python() -> None:
    code = "import os, sys; del os.environ['GIVEN']; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], env={"GIVEN": PIN}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert environment(Path(f"/proc/{process.pid}/environ").read_bytes())["GIVEN"] == PIN
        process.communicate(b"")


@linux
@pytest.mark.parametrize("words", [SIGN, IN_WORKERS], ids=["one", "workers"])
def test_a_process_at_work_that_is_aborted_leaves_no_core(
    cli: Cli, at_work: Callable[..., subprocess.Popen[str]], words: tuple[str, ...]
) -> None:
    control = subprocess.Popen(
        [sys.executable, "-c", "import os; os.abort()"],
        cwd=cli.home,
        preexec_fn=allow_cores,  # noqa: PLW1509 - nothing but one system call
    )
    assert os.WCOREDUMP(os.waitpid(control.pid, 0)[1]) is (resource.getrlimit(resource.RLIMIT_CORE)[1] != 0)
    control.returncode = -signal.SIGABRT
    process = at_work(*words_of(cli, words))
    below = children(process.pid)
    for pid in reversed(below):
        os.kill(pid, signal.SIGABRT)
    os.kill(process.pid, signal.SIGABRT)
    status = os.waitpid(process.pid, 0)[1]
    assert os.WCOREDUMP(status) is False
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in below) and time.monotonic() < until:
        time.sleep(0.02)
    assert list((cli.home / "in").iterdir()) == []


DUMPABLE = "import ctypes; dumpable = lambda: ctypes.CDLL(None).prctl(3)"


@linux
def test_no_core_is_written_from_before_a_pin_is_asked_for() -> None:
    code = f"""
{DUMPABLE}
import resource
from seedless.pin import PromptPin
print(dumpable())
PromptPin(lambda _: print(dumpable(), resource.getrlimit(resource.RLIMIT_CORE)) or "x").pin("", "")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n0 (0, 0)\n"


@linux
@pytest.mark.parametrize("source", ["env:GIVEN", "file:{file}", "fd:0", "cmd:cat {file}"])
def test_no_core_is_written_whatever_the_source_of_the_pin(tmp_path: Path, source: str) -> None:
    file = tmp_path / "pin"
    file.touch(0o600)
    file.write_text(PIN)
    code = f"""
{DUMPABLE}
from seedless.pin import parse_pin_source
print(parse_pin_source({source.format(file=file)!r}).pin("", ""), dumpable())
ctypes.CDLL(None).prctl({PR_SET_DUMPABLE}, 1)  # or the file in /proc would be root's
print(open("/proc/self/environ").read())
"""
    with file.open() as stdin:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, stdin=stdin,
            env={**os.environ, "GIVEN": PIN},
        )  # fmt: skip
    first, shown = done.stdout.split("\n", 1)
    assert first == f"{PIN} 0"
    assert (PIN in shown) is (source != "env:GIVEN")


@linux
def test_a_worker_writes_no_core_from_before_its_first_job() -> None:
    code = f"""
{DUMPABLE}
import os, resource
from seedless.pkcs11.isolation import worker
found = []
worker._work = lambda pool: found.extend([dumpable(), resource.getrlimit(resource.RLIMIT_CORE)])
worker.main()
os.write(2, str(found).encode())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[0, (0, 0)]"


@linux
def test_a_variable_that_was_set_again_is_overwritten_where_it_was_and_where_it_is() -> None:
    code = """
import ctypes, os
from seedless.pin import overwrite_variables
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
os.environ["GIVEN"] = "the second"
os.environ["GIVENTOO"] = "kept"
overwrite_variables(["GIVEN", "NOT_SET"])
print(getenv(b"GIVEN"), getenv(b"GIVENTOO"), os.environ["GIVEN"])
entries = open("/proc/self/environ", "rb").read().split(b"\\0")
print([entry for entry in entries if entry.startswith(b"GIVEN")])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"GIVEN": PIN, "GIVENX": "x"},
    )
    assert done.stdout == "b'' b'kept' the second\n[b'GIVEN=', b'GIVENX=x']\n"
