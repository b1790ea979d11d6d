"""What `.ci/setup`, with which `make demo` and `make test` begin, reports where it cannot go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Mounts

_ANOTHER = "PYTHON=python3.13 make test takes another Python"
_PACKAGES = "SoftHSM, p11-kit, a C compiler, Graphviz, zsh, fish, tmux and systemd-analyze"
_OLD = """
[ "$1" = --version ] && echo Python 3.10.13 && exit
exec {python} -c 'import sys; sys.version_info = (3, 10, 13); exec(sys.argv[1])' "$2"
"""
_WITHOUT_VENV = """
[ "$1" = -c ] && exit
mkdir -p .venv/bin && touch .venv/bin/python && chmod +x .venv/bin/python
exit 1
"""


class Machine:
    """A checkout, and a PATH with the programs of a machine: those of the shell, scripts for the others."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.checkout, self.programs = folder / "ein Ordner für seedless", folder / "bin"
        for name in (".ci/setup", "pyproject.toml", "softhsm/pyproject.toml", "requirements-dev.txt"):
            (self.checkout / name).parent.mkdir(exist_ok=True, parents=True)
            shutil.copy(root / name, self.checkout / name)
        self.programs.mkdir()
        for name in ("sh", "cat", "cksum", "dirname", "env", "grep", "mkdir", "touch", "chmod", "rm"):
            (self.programs / name).symlink_to(str(shutil.which(name)))
        self.add(self.programs / "id", "echo 1000")

    @staticmethod
    def add(program: Path, script: str) -> None:
        program.parent.mkdir(exist_ok=True, parents=True)
        program.write_text(f"#!/bin/sh\n{script.format(python=sys.executable)}\n", encoding="utf-8")
        program.chmod(0o755)

    def has(self, python: str, *others: str) -> None:
        self.add(self.programs / "python3", python)
        for name in others:
            self.add(self.programs / name, '[ "$1" ] && "$@"' if name == "sudo" else "exit 100")

    def has_all(self, python: str) -> None:
        self.has(python, "softhsm2-util", "p11-kit", "cc", "dot", "zsh", "fish", "tmux")

    def has_environment(self, folder: Path) -> None:
        self.add(self.checkout / ".venv/bin/python", "exit 1")
        made = f"command = python3 -m venv {folder.resolve()}/.venv\n"
        (self.checkout / ".venv/pyvenv.cfg").write_text(made, encoding="utf-8")

    def failure(self, **env: str) -> str:
        """Return the last line of a setup that ended with exit code 1."""
        command, environment = [self.checkout / ".ci/setup"], {"PATH": str(self.programs), **env}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        return done.stderr.splitlines()[-1].removeprefix("setup: ")


@pytest.fixture
def machine(root: Path, tmp_path: Path) -> Machine:
    return Machine(root, tmp_path)


def test_without_sudo_the_command_for_root_is_named(machine: Machine) -> None:
    machine.has("exit 0", "apt-get")
    assert machine.failure().startswith(
        "this needs root, and there is no sudo here. As root: apt-get install softhsm2 p11-kit "
    )


def test_packages_that_cannot_be_had_are_named(machine: Machine) -> None:
    machine.has("exit 0", "apt-get", "sudo")
    assert machine.failure().startswith(
        f"{_PACKAGES} could not be installed; is there a network? Else as root, later: apt-get install soft"
    )


def test_without_a_known_package_manager_the_programs_are_named(machine: Machine) -> None:
    machine.has("exit 0")
    assert machine.failure() == f"install {_PACKAGES} by hand, then run this again"


def test_an_old_python_is_named_before_anything_is_installed(machine: Machine) -> None:
    machine.has(_OLD, "apt-get")
    assert machine.failure() == f"Python 3.10.13 is too old, 3.11 is the oldest; {_ANOTHER}"


def test_a_python_that_is_not_there_is_named(machine: Machine) -> None:
    machine.has("exit 0", "apt-get")
    assert machine.failure(PYTHON="python3.99") == f"python3.99 is not here; {_ANOTHER}"


def test_a_python_without_venv_leaves_no_half_made_environment(machine: Machine) -> None:
    machine.has_all(_WITHOUT_VENV)
    assert machine.failure() == (
        "python3 made no .venv; Debian has its venv in a package of its own: apt-get install python3-venv"
    )
    assert not (machine.checkout / ".venv").exists()


def test_without_a_network_the_way_with_a_folder_of_wheels_is_named(machine: Machine) -> None:
    machine.has_all("exit 0")
    machine.has_environment(machine.checkout)
    assert machine.failure() == (
        "pip could not install what the project requires; "
        "without a network: PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER_OF_WHEELS"
    )
    assert not (machine.checkout / ".venv/installed").exists()


def test_a_copied_checkout_gets_an_environment_of_its_own(machine: Machine, tmp_path: Path) -> None:
    machine.has_all(_WITHOUT_VENV)
    machine.has_environment(tmp_path)
    assert machine.failure().startswith("python3 made no .venv")


def test_a_checkout_that_cannot_be_written_is_left_alone(machine: Machine, mounts: Mounts) -> None:
    done = mounts.run_read_only(machine.checkout, str(machine.checkout / ".ci/setup"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"setup: {machine.checkout} is not yours to write to, and .venv is made there: "
        "clone the project into a folder of your own\n"
    )


@pytest.mark.parametrize(
    ("locale", "exported"),
    [
        ({}, {"LC_ALL := C.UTF-8", "LANG := C.UTF-8"}),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, {"LC_ALL := C.UTF-8", "LANG := C.UTF-8"}),
        ({"LANG": "de_DE.UTF-8"}, {"LANG = de_DE.UTF-8"}),
    ],
    ids=["none", "C over another", "another"],
)
def test_make_takes_utf_8_in_place_of_the_locale_c(
    root: Path, locale: dict[str, str], exported: set[str]
) -> None:
    command = [str(shutil.which("make")), "--print-data-base", "--dry-run", "help"]
    env = {"PATH": os.environ["PATH"], **locale}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
    assert {line for line in done.stdout.splitlines() if line.startswith(("LC_ALL ", "LANG "))} == exported
