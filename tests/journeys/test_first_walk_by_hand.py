"""The README's first steps by hand, as a normal user with nothing but a home."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest_softhsm

_ROOT = Path(__file__).parents[2]
_NOBODY = 65534
_CONSOLE = re.compile(r"## First steps by hand\n.*?^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INSTALL = re.compile(r"## Install\n.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SETPRIV = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
_PACKAGES = (
    "seedless",
    "click",
    "msgspec",
    "nacl",
    "cffi",
    "_cffi_backend",
    "pycparser",
    "pkcs11",
    "asn1crypto",
)


def can_run(*command: str | Path, **env: str) -> bool:
    """Report whether *command* runs for nobody; `setpriv` is in every Linux distribution."""
    words = [*_SETPRIV, *command, "-c", "import seedless.cli.main, os; os.getuid() or os._exit(1)"]
    if not shutil.which("setpriv"):
        return False
    return subprocess.run(words, env=env, cwd="/", capture_output=True, check=False).returncode == 0


def copy_packages(folder: Path) -> None:
    """Copy the program into *folder*, where everybody can read it: a checkout below /root is root's alone."""
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        for place in (spec and spec.submodule_search_locations) or ():
            shutil.copytree(place, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        if spec and spec.origin and not spec.submodule_search_locations:
            shutil.copy(spec.origin, folder)


class Newcomer:
    """A normal user with an empty home and one variable; a test as root becomes one."""

    def __init__(self, home: Path, softhsm: pytest_softhsm.SoftHSM, packages: Path) -> None:
        self.home = home
        self.module = softhsm.module
        self.drop: tuple[str, ...] = ()
        self.python = Path(sys.executable)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
        (home / "pin").write_text("1234\n", "ascii")
        (home / "pin").chmod(0o600)
        self.env["SEEDLESS_PIN_SOURCE"] = f"file:{home / 'pin'}"
        if os.geteuid() == 0:
            self.drop = _SETPRIV
            if not can_run(self.python, **self.env):
                copy_packages(packages)
                self.python = Path(getattr(sys, "_base_executable", sys.executable))
                self.env["PYTHONPATH"] = str(packages)
                assert can_run(self.python, **self.env), "the walk is a normal user's: run this as one"
            os.chown(home, _NOBODY, _NOBODY)
            os.chown(home / "pin", _NOBODY, _NOBODY)

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.drop, self.python, "-m", "seedless", *words],
            cwd=self.home,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def newcomer(softhsm: pytest_softhsm.SoftHSM) -> Iterator[Newcomer]:
    # pytest's own folders can be entered by the user of the tests alone.
    with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
        Path(folder).chmod(0o755)
        home, packages = Path(folder, "home"), Path(folder, "packages")
        home.mkdir(mode=0o700)
        packages.mkdir()
        yield Newcomer(home, softhsm, packages)


def test_the_first_steps_of_the_readme_run_as_a_normal_user_with_one_variable(newcomer: Newcomer) -> None:
    match = _CONSOLE.search((_ROOT / "README.md").read_text("utf-8"))
    assert match is not None
    lines = [line.removeprefix("$ seedless ").replace("'", "").split() for line in match[1].splitlines()]
    assert lines[0] == ["token", "init", "--softhsm", "--label", "ACME"]
    assert lines[1][0] == "operator", "the second command signs the first jwt"
    assert not any(word == "export" for line in lines for word in line)
    for words in lines:
        more = ["--so-pin-source", newcomer.env["SEEDLESS_PIN_SOURCE"]] if words[1:2] == ["init"] else []
        consent = ["--yes"] if words[0] in {"token", "operator", "account", "user"} else []
        done = newcomer.run(*words, *more, *consent)
        assert done.returncode == 0, (words, done.stderr)
    assert "account ORDERS (A" in done.stdout
    assert (newcomer.home / "trust.conf").is_file()
    tokens = newcomer.home / ".local/share/softhsm2"
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o700


def test_five_commands_lead_from_nothing_to_the_first_signed_jwt() -> None:
    readme = (_ROOT / "README.md").read_text("utf-8")
    install, walk = _INSTALL.search(readme), _CONSOLE.search(readme)
    assert install is not None
    assert walk is not None
    commands = [line.split("#")[0].strip() for line in install[1].splitlines()]
    first_jwt = [line.removeprefix("$ ") for line in walk[1].splitlines()][:2]
    # Debian's packages are named in the prose of both sections, since other systems have others.
    assert all(f"`apt install {name}`" in readme for name in ("python3-venv", "softhsm2"))
    assert [
        "apt install python3-venv softhsm2",
        *commands[: commands.index("pip install .") + 1],
        *first_jwt,
    ] == [
        "apt install python3-venv softhsm2",
        "python3 -m venv ~/seedless-env && . ~/seedless-env/bin/activate",
        "pip install .",
        "seedless token init --softhsm --label ACME",
        "seedless operator add ACME --sys",
    ]


@pytest.mark.parametrize("command", [(), ("token", "init")], ids=["seedless", "token init"])
def test_the_help_shows_the_walk_of_the_readme(newcomer: Newcomer, command: tuple[str, ...]) -> None:
    """The README has options beside: the jwts of a user who may do something."""
    walk = _CONSOLE.search((_ROOT / "README.md").read_text("utf-8"))
    assert walk is not None
    readme = [line.removeprefix("$ ") for line in walk[1].splitlines()]
    shown = newcomer.run(*command, "--help").stdout
    lines = [
        line.strip()
        for line in re.findall(r"^ +seedless .*--softhsm.*(?:\n +seedless .*)*", shown, re.MULTILINE)[
            0
        ].splitlines()
    ]
    assert len(lines) >= 4
    assert [line for line, own in zip(lines, readme, strict=False) if not own.startswith(line)] == []


def test_the_commands_of_the_page_about_softhsm_run_one_after_the_other(newcomer: Newcomer) -> None:
    page = (_ROOT / "docs/howto/softhsm.md").read_text("utf-8")
    commands = [line.split() for line in re.findall(r"^\$ seedless (.+)$", page, re.MULTILINE)]
    assert len(commands) == 5
    for words in commands:
        more = ["--so-pin-source", newcomer.env["SEEDLESS_PIN_SOURCE"]] if words[1] == "init" else []
        done = newcomer.run(*words, *more, *(["--yes"] if words[1] in {"init", "new"} else []))
        assert done.returncode == 0, (words, done.stderr)
    assert re.search(r"^account +ORDERS +A\S+ .*ACME", done.stdout, re.MULTILINE)


def init(newcomer: Newcomer, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    so_pin = newcomer.env["SEEDLESS_PIN_SOURCE"]
    return newcomer.run("token", "init", "--label", "ACME", "--so-pin-source", so_pin, "--yes", *words, **env)


def test_what_was_written_is_printed_and_a_second_time_nothing_is_replaced(newcomer: Newcomer) -> None:
    first = init(newcomer, "--softhsm")
    configuration = newcomer.home / ".config/softhsm2/softhsm2.conf"
    for path in (
        configuration,
        newcomer.home / ".local/share/softhsm2",
        newcomer.home / ".config/seedless/config.toml",
    ):
        assert f"wrote {path}\n" in first.stderr
    before = configuration.read_text("utf-8")
    again = init(newcomer, "--softhsm")
    assert again.returncode == 0
    assert "wrote" not in again.stderr
    assert configuration.read_text("utf-8") == before


def test_a_dry_run_of_the_set_up_writes_nothing(newcomer: Newcomer) -> None:
    done = init(newcomer, "--softhsm", "--dry-run")
    assert done.returncode == 0
    assert f"would write {newcomer.home}/.config/softhsm2/softhsm2.conf" in done.stdout
    assert sorted(path.name for path in newcomer.home.iterdir()) == ["pin"]


def test_modules_that_are_listed_already_stay_as_they_are(newcomer: Newcomer) -> None:
    folder = newcomer.home / ".config/seedless"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f'# mine\nmodules = ["{newcomer.module}"]\n', "utf-8")
    if newcomer.drop:
        for path in (newcomer.home / ".config", folder, folder / "config.toml"):
            os.chown(path, _NOBODY, _NOBODY)
    assert init(newcomer, "--softhsm").returncode == 0
    assert (folder / "config.toml").read_text("utf-8") == f'# mine\nmodules = ["{newcomer.module}"]\n'


def test_a_configuration_of_softhsm_that_cannot_be_read_is_named_with_what_to_do(newcomer: Newcomer) -> None:
    if os.access("/etc/softhsm/softhsm2.conf", os.R_OK) and not newcomer.drop:
        done = init(newcomer, "--module", str(newcomer.module), SOFTHSM2_CONF=str(newcomer.home / "none"))
        assert "you cannot read" in done.stderr
        assert "SOFTHSM2_CONF names it" in done.stderr
        return
    done = init(newcomer, "--module", str(newcomer.module))
    assert done.returncode == 4
    assert "you cannot read /etc/softhsm/softhsm2.conf, SoftHSM's configuration" in done.stderr
    assert "seedless token init --softhsm --label LABEL" in done.stderr
