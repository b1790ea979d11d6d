"""Names after a tab, in the shells themselves; each completes what the store and the inventory hold."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from seedless.app import offered_names
from seedless.cli.values import ParsedType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Commands = Mapping[tuple[str, ...], click.Command]
    Cli = Any  # the fixture in tests/conftest.py

_NOT_HERE = "install it: .ci/setup does, with the system's package manager"


@pytest.fixture(scope="module")
def _shells() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert shutil.which(shell), f"{shell} is not installed; {_NOT_HERE}"


@pytest.fixture
def filled(cli: Cli, _shells: None) -> Cli:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    cli.ok("account", "add", "PAYROLL")
    cli.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "reader", "--allow-sub", "a.>")
    cli.ok("user", "add", "-a", "ORDERS", "app")
    cli.ok("user", "add", "-a", "PAYROLL", "batch")
    for context in ("prod", "test"):
        cli.ok("context", "add", context, "--operator", "ACME")
    return cli


def completed(cli: Cli, line: str) -> list[str]:
    """Return what the program offers for the last word of *line*, asked as bash asks it."""
    words = line.split(" ")
    env = {"_SEEDLESS_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return [answer.partition(",")[2] for answer in cli.run(**env).out.splitlines() if answer]


CASES = {
    "an account": ("seedless account show ", ["ORDERS", "PAYROLL"]),
    "an account by its first letter": ("seedless account edit P", ["PAYROLL"]),
    "an account of an option": ("seedless user list -a O", ["ORDERS"]),
    "a user of any account": ("seedless user show ", ["app", "batch"]),
    "a user of one account": ("seedless user show -a PAYROLL ", ["batch"]),
    "an operator": ("seedless account list --operator ", ["ACME"]),
    "a role": ("seedless user add -a ORDERS new -K r", ["reader"]),
    "a rule code": ("seedless account edit ORDERS --allow C00", ["C001", "C002", "C003", "C004"]),
    "nothing for a new name": ("seedless operator add ", []),
    "a command": ("seedless acc", ["account"]),
    "a command of a group": ("seedless account ren", ["rename"]),
    "nothing for a new account": ("seedless account add ", []),
    "nothing for a new user": ("seedless user add -a ORDERS ", []),
    "an account for an activation": ("seedless activation new -a ORDERS -t P", ["PAYROLL"]),
    "no account for a subject": ("seedless account mapping add -a ORDERS --to P", []),
    "a context": ("seedless context select ", ["prod", "test"]),
    "a context that is removed": ("seedless context remove p", ["prod"]),
    "a jwt of the store": ("seedless show ORDERS", ["ORDERS", "ORDERS/app"]),
    "a user of the account that is edited": ("seedless account authcallout PAYROLL --auth-user ", ["batch"]),
    "a role that is delegated": ("seedless delegate add ORDERS --role ", ["reader"]),
    "a key that may leave": ("seedless account edit ORDERS --allow-extractable AC", ["ACME"]),
    "an operator to replace": ("seedless operator replace ", ["ACME"]),
    "what is lost": ("seedless recovery drill in", ["inventory"]),
    "a page": ("seedless docs howto/rot", ["howto/rotate"]),
    "a command that help is for": ("seedless help account mapp", ["mapping"]),
    "a command of a group that help is for": ("seedless help account mapping r", ["remove"]),
}


def test_a_shell_is_offered_the_names_that_exist(filled: Cli) -> None:
    offered = {case: completed(filled, line)[: len(names) or None] for case, (line, names) in CASES.items()}
    assert offered == {case: names for case, (_, names) in CASES.items()}


# Names that do not exist yet, or are not known here; pages and commands the command line has itself.
NO_NAMES = {
    "--by", "--cluster", "--curve", "--holder", "--key", "--role", "--name", "--nkey", "--present",
    "--rm-kv", "--rm-object-store", "--allow-js-consume", "--allow-kv", "--allow-object-store",
    "--rm-js-consume", "account rename new", "ceremony keygen name",
    "operator add name", "recovery create name", "serve password name",
    "user rename new", "docs page", "help words",
}  # fmt: skip
_OF_NAMES = re.compile("NAME|KEY|ROLE|CODE|LABEL|TOKEN|…|BUCKET|COMMAND")


def test_each_parameter_that_takes_a_name_has_names_or_is_known_to_have_none(commands: Commands) -> None:
    found = set()
    for words, command in commands.items():
        for parameter in [] if isinstance(command, click.Group) else command.params:
            place = max(parameter.opts, key=len)
            places = {" ".join((*words[:length], place)) for length in range(len(words) + 1)}
            if (
                isinstance(parameter.type, (click.types.StringParamType, ParsedType))
                and _OF_NAMES.search(parameter.metavar or ("" if place[0] == "-" else "NAME"))
                and not places & offered_names.SOURCES.keys()
            ):
                found.add(place if place.startswith("-") else " ".join((*words, place)))
    assert found == NO_NAMES


def test_tokens_and_keys_come_from_the_inventory_without_a_driver(filled: Cli) -> None:
    filled.env["SEEDLESS_MODULE"] = "/nowhere.so"
    keys = filled.ok("key", "list", "--json").data["keys"]
    names = ["ACME", "ORDERS", r"ORDERS\\ reader", "PAYROLL"]
    offered = completed(filled, "seedless key show ")
    assert (sorted(offered[:4]), offered[4:]) == (names, [key["public_key"] for key in keys])
    assert completed(filled, "seedless account list --context ") == ["prod", "test"]
    assert completed(filled, "seedless key list --token ") == [filled.token.label]


def test_a_damaged_store_completes_nothing_and_prints_no_error(filled: Cli) -> None:
    (filled.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").write_text("damaged")
    done = filled.child(
        _SEEDLESS_COMPLETE="bash_complete", COMP_WORDS="seedless user add -a ORDERS x -K ", COMP_CWORD="7"
    )
    assert (done.out, done.err) == ("\n", "")


def _script(cli: Cli, shell: str) -> Path:
    file = cli.home / f"seedless.{shell}"
    file.write_text(cli.ok("completion", shell).out)
    return file


def _environment(cli: Cli) -> dict[str, str]:
    return cli.env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "dumb"}


def test_bash_completes_an_account(filled: Cli) -> None:
    code = (
        f"source {_script(filled, 'bash')}; COMP_WORDS=(seedless account show O); COMP_CWORD=3; "
        "_seedless_completion seedless; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", code], env=_environment(filled), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("ORDERS\n", "")


def test_bash_completes_the_name_of_a_key_in_which_there_is_a_space(filled: Cli) -> None:
    filled.ok("key", "new", "--role", "operator", "--name", "ORDERS")
    # A command of its own, so that what is completed can be seen without being run.
    start = filled.home / "start.bash"
    start.write_text(
        f"PS1='ready> '; source {_script(filled, 'bash')}; _given() {{ _seedless_completion seedless; }}; "
        'complete -F _given given; given() { echo "given<$3>"; }\n'
    )
    typed = {
        r"ORDERS\ r": "given<ORDERS reader>",
        '"ORDERS r': "given<ORDERS reader>",
        "'account O": "given<account ORDERS>",
    }
    with _shell(filled, "bash", "--rcfile", str(start), "-i") as terminal:
        _read_until(terminal, "ready> ")
        for word, whole in typed.items():
            os.write(terminal, f"given key show {word}\t\n".encode())
            assert whole in _read_until(terminal, ">\r\n", "ready> ")


def test_fish_completes_a_user(filled: Cli) -> None:
    code = f"source {_script(filled, 'fish')}; complete --do-complete 'seedless user show -a ORDERS '"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code], env=_environment(filled), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["app"]


def test_zsh_completes_an_account_when_tab_is_typed(filled: Cli) -> None:
    script = _script(filled, "zsh")
    start = f"autoload -Uz compinit; compinit -u -D; source {script}; PS1='ready> '\n"
    with _shell(filled, "zsh", "-f", "-i") as terminal:
        os.write(terminal, start.encode())
        _read_until(terminal, "ready> ")
        os.write(terminal, b"seedless account show PAY\t")
        assert "PAYROLL" in _read_until(terminal, "PAYROLL")


@contextlib.contextmanager
def _shell(cli: Cli, *command: str) -> Iterator[int]:
    """Run a shell on a terminal, and give the other end."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, _environment(cli))  # noqa: S606 - the shell is what is tested
    try:
        yield terminal
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def _read_until(terminal: int, *texts: str) -> str:
    """Return what the *terminal* showed until *texts* came, one behind the other, or for half a minute."""
    shown, end = "", time.monotonic() + 30
    wanted = re.compile(".*".join(map(re.escape, texts)), re.DOTALL)
    while not wanted.search(shown) and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 1 << 16).decode("utf-8", "replace")
    return shown
