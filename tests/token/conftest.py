from __future__ import annotations

import dataclasses
import fcntl
import os
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from seedless.pkcs11.module import load
from seedless.pkcs11.token import Token, open_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import pytest_softhsm


@dataclass
class GivenPin:
    """A PinSource that gives one PIN and writes down what it was asked."""

    answer: str | None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def pin(self, token: str, tries: str) -> str | None:
        self.asked.append((token, tries))
        return self.answer


class Opener(Protocol):
    def __call__(
        self, made: pytest_softhsm.Token, pins: GivenPin | None = None, *, writable: bool = False
    ) -> AbstractContextManager[Token]: ...


def environ_of_protected(pid: int) -> bytes | None:
    """Return the environment of a process that forbade dumps, where this user may read it.

    Its file belongs to root, and the kernel asks for CAP_SYS_PTRACE on top. To everybody else it must be
    closed: that it is, is asserted here, and None returned.
    """
    path = Path(f"/proc/{pid}/environ")
    capabilities = int(re.findall(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())[0], 16)
    if os.geteuid() == 0 and capabilities >> _CAP_SYS_PTRACE & 1:
        return path.read_bytes()
    with pytest.raises(PermissionError):
        path.read_bytes()
    return None


_CAP_SYS_PTRACE = 19
_SOURCE = Path(__file__).with_name("misbehaving.c")
_WRONG_PINS = 100
_FUNCTIONS = re.findall(r"[GS]\(\d+, (C_\w+), \d\)", _SOURCE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Misbehaving:
    """A token behind `misbehaving.c`: that file says what can be wanted of it."""

    made: pytest_softhsm.Token
    straight: pytest_softhsm.Token
    control: Path

    def wants(self, *lines: str) -> None:
        """Let it misbehave so from now on; without lines, not at all."""
        fresh = self.control.with_suffix(".fresh")
        fresh.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        fresh.replace(self.control)

    def calls(self, name: str) -> int:
        """Return how often the function was called since the last `forget`, by all processes."""
        data = Path(f"{self.control}.counts").read_bytes()
        return int(struct.unpack_from("=Q", data, 8 * _FUNCTIONS.index(name))[0])

    def wrong_pins(self, number: int) -> None:
        """Let it remember that so many wrong PINs were typed: what `set tries` counts."""
        with Path(f"{self.control}.counts").open("r+b") as file:
            file.seek(8 * _WRONG_PINS)
            file.write(struct.pack("=Q", number))

    def forget(self) -> None:
        """Set all counters to zero, that of wrong PINs too."""
        path = Path(f"{self.control}.counts")
        if path.exists():
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))


@pytest.fixture(scope="session")
def misbehaving_module(softhsm: pytest_softhsm.SoftHSM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build `misbehaving.c` once for all workers; it forwards to a SoftHSM of its own, a copy of the file."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    built = shared / "misbehaving.so"
    with (shared / "misbehaving.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            _build(built)
    # A module is one library for each file, and SoftHSM itself is used by other tests in this process.
    folder = tmp_path_factory.mktemp("misbehaving")
    for name, source in (("softhsm.so", softhsm.module), ("misbehaving.so", built)):
        shutil.copy(source, folder / name)
    os.environ["MISBEHAVE_MODULE"] = str(folder / "softhsm.so")
    os.environ["MISBEHAVE"] = str(folder / "wants")
    return folder / "misbehaving.so"


def _build(built: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.fail("the misbehaving token needs a C compiler: install gcc and libc6-dev", pytrace=False)
    half = built.with_suffix(".half")
    options = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread"]
    tried = subprocess.run(
        [compiler, *options, "-fvisibility=hidden", "-o", str(half), str(_SOURCE), "-ldl"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if tried.returncode:
        pytest.fail(
            f"misbehaving.c does not compile (Debian's packages are gcc and libc6-dev): {tried.stderr}",
            pytrace=False,
        )
    half.replace(built)


@pytest.fixture
def misbehaving(misbehaving_module: Path, softhsm_token: pytest_softhsm.Token) -> Iterator[Misbehaving]:
    """A fresh token behind the misbehaving module, which behaves until it is told otherwise."""
    made = dataclasses.replace(softhsm_token, module=misbehaving_module)
    token = Misbehaving(made, softhsm_token, misbehaving_module.with_name("wants"))
    token.wants()
    module = load(misbehaving_module)
    module.start_anew(module.generation)  # or SoftHSM would not see the new token
    token.forget()
    yield token
    token.wants()


@pytest.fixture
def protected_environ() -> Callable[[int], bytes | None]:
    return environ_of_protected


@pytest.fixture
def given() -> type[GivenPin]:
    return GivenPin


@pytest.fixture
def opened() -> Opener:
    """Open a token that the plugin made, with its own PIN unless another source is given."""

    def open_made(
        made: pytest_softhsm.Token, pins: GivenPin | None = None, *, writable: bool = False
    ) -> AbstractContextManager[Token]:
        source = pins or GivenPin(made.pin)
        return open_token(KeyUri.parse(made.uri), source, module=made.module, writable=writable)

    return open_made


_PREAMBLE = """
import os, sys
from pathlib import Path
from seedless.errors import SeedlessError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.module import load
from seedless.pkcs11.token import open_token
from seedless.pkcs11.uri import KeyUri

class Given:
    def pin(self, token, tries):
        return os.environ["TEST_PIN"]

MODULE = Path(os.environ["TEST_MODULE"])
URI = KeyUri.parse(os.environ["TEST_URI"])
"""


@pytest.fixture
def in_child() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run code in a process of its own, where a crash of the driver does not end the tests.

    The code finds MODULE, URI and Given() for the token.
    """

    def run(made: pytest_softhsm.Token, code: str, **env: str) -> subprocess.CompletedProcess[str]:
        given = {"TEST_PIN": made.pin, "TEST_MODULE": str(made.module), "TEST_URI": made.uri}
        return subprocess.run(
            [sys.executable, "-c", _PREAMBLE + code],
            env={**os.environ, **made.env, **given, **env},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run
