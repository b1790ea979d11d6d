"""Every command in every surrounding: streams that are closed, broken or full, an ASCII locale, no home.

To start Python for each would take minutes. So one is started for each surrounding, with its environment and
folder; it loads all commands, and forks for each of them a child that takes the streams and runs it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py
    Commands = Mapping[tuple[str, ...], click.Command]

FORKING = r"""
import gc, importlib, json, os, pkgutil, sys, traceback
import seedless, nacl.bindings, pkcs11
from seedless.cli.main import main

streams, folder = json.loads(sys.argv[1]), sys.argv[2]
answers = os.fdopen(os.dup(1), "w")
encodings = [(stream.encoding, stream.errors) for stream in (sys.stdin, sys.stdout, sys.stderr)]

def take(number, what):
    try:
        os.close(number)
    except OSError:
        pass
    if what == "closed":
        return None
    if what == "broken":
        reading, writing = os.pipe()
        os.close(reading)
        found = writing
    else:
        found = os.open("/dev/full" if what == "full" else what, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    if found != number:
        os.dup2(found, number)
        os.close(found)
    encoding, errors = encodings[number]
    return open(number, "w" if number else "r", encoding=encoding, errors=errors, closefd=False)

def run(name, words):
    # A number that is to be closed comes last, or the next that is opened would get it.
    for number in sorted((2, 1, 0), key=lambda number: streams[number] == "closed"):
        stream = take(number, streams[number] or f"{folder}/{name}.{number}")
        setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
    sys.argv = ["seedless", *words]
    try:
        code = main()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        return code
    except SystemExit as error:
        return error.code
    except BaseException:
        with open(f"{folder}/traceback", "a") as file:
            file.write(traceback.format_exc())
        return 1

for module in pkgutil.walk_packages(seedless.__path__, "seedless."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
gc.freeze()
for line in sys.stdin:
    lines = json.loads(line)
    child = os.fork()
    if not child:
        codes = [run(name, words) for name, words in enumerate(lines)]
        if codes[1:]:
            with open(f"{folder}/codes", "w") as file:
                json.dump(codes, file)
        os._exit(codes[0])
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]
    if lines[1:]:
        with open(f"{folder}/codes") as file:
            codes = json.load(file)
    print(json.dumps(codes), file=answers, flush=True)
"""


@dataclass(frozen=True)
class Surrounding:
    """What stdin, stdout and stderr are ("" is a file), and what differs in the environment."""

    streams: tuple[str, str, str] = ("/dev/null", "", "")
    env: Mapping[str, str | None] = field(default_factory=dict)


SURROUNDINGS = {
    "stdin closed": Surrounding(("closed", "", "")),
    "stdout closed": Surrounding(("/dev/null", "closed", "")),
    "stderr closed": Surrounding(("/dev/null", "", "closed")),
    "all closed": Surrounding(("closed", "closed", "closed")),
    "stdout broken": Surrounding(("/dev/null", "broken", "")),
    "stderr broken": Surrounding(("/dev/null", "", "broken")),
    "both broken": Surrounding(("/dev/null", "broken", "broken")),
    "stdout full": Surrounding(("/dev/null", "full", "")),
    "stderr full": Surrounding(("/dev/null", "", "full")),
    "both full": Surrounding(("/dev/null", "full", "full")),
    "ASCII": Surrounding(env={"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}),
    "no colour": Surrounding(env={"NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "xterm"}),
    "dumb": Surrounding(env={"TERM": "dumb"}),
    "no home": Surrounding(env={"HOME": None, "SEEDLESS_STORE": None}),
    "a home that is not there": Surrounding(env={"HOME": "/nowhere/at/all", "SEEDLESS_STORE": None}),
    "nothing in the environment": Surrounding(env=dict.fromkeys(["HOME", "PATH", "LANG", "SEEDLESS_STORE"])),
}
VALUES = {
    "--account": "ORDERS",
    "--subject": "orders.>",
    "--from": "a",
    "--to": "b",
    "--weight": "50",
    "--role": "account",
    "shell": "bash",
    "old": "ORDERS",
    "new": "LATER",
    "file": "{jwt}",
    "files": "{jwt}",
    "--dir": "{home}/out",
    "--output": "{home}/out.file",
    "--operator-key": "{key}",
    "--target-account": "{key}",
    "public_key": "{key}",
}


def invocation(words: Sequence[str], command: click.Command, place: Mapping[str, str]) -> list[str]:
    """Return *words* with something for everything that *command* must have, and --dry-run if it has that."""
    given = list(words)
    for parameter in command.params:
        name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.name or ""
        value = VALUES.get(name, "app" if words[0] == "user" else "ORDERS").format(**place)
        if isinstance(parameter, click.Option):
            given += [name, value] if parameter.required else []
            given += {"--dry-run": ["--dry-run"], "--module": ["--module", "/nowhere.so"]}.get(name, [])
        else:
            given.append(value)
    return given


@dataclass
class Forking:
    """The Python of one surrounding."""

    process: subprocess.Popen[str]
    folder: Path

    def run(self, *lines: Sequence[str]) -> list[tuple[int, str, str]]:
        """Return exit code, stdout and stderr of each of these commands; only files have anything.

        Several are run in one process, which those that load a driver cannot be.
        """
        for file in self.folder.iterdir():
            file.unlink()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(lines) + "\n")
        self.process.stdin.flush()
        codes = json.loads(self.process.stdout.readline())
        return [
            (code, self._read(f"{number}.1"), self._read(f"{number}.2")) for number, code in enumerate(codes)
        ]

    def _read(self, name: str) -> str:
        file = self.folder / name
        return file.read_bytes().decode("utf-8") if file.exists() else ""

    @property
    def traceback(self) -> str:
        """What Python would have said at the end of the last command."""
        return self._read("traceback")


@pytest.fixture(params=SURROUNDINGS.values(), ids=SURROUNDINGS)
def surrounding(request: pytest.FixtureRequest) -> Surrounding:
    found: Surrounding = request.param
    return found


@pytest.fixture
def forking(cli: Cli, surrounding: Surrounding, tmp_path: Path) -> Iterator[Forking]:
    folder = tmp_path / "streams"
    folder.mkdir()
    cli.found_system()
    cli.ok("account", "add", "ÖRDERS", "--description", "☃ snow")
    process = subprocess.Popen(
        [sys.executable, "-c", FORKING, json.dumps(surrounding.streams), str(folder)],
        env=cli.env_with(**surrounding.env),
        cwd=cli.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Forking(process, folder)
    process.communicate("")


SENTENCE = re.compile(r"^(error: .+[^.\s]|interrupted: .+|Usage: .+|stdin:.+)$", re.MULTILINE)


def objections(surrounding: Surrounding, code: int, out: str, err: str, traceback: str) -> list[str]:
    """Return what is wrong with how a command ended."""
    _, stdout, stderr = surrounding.streams
    wrong = {
        "a traceback": "Traceback" in out + err + traceback,
        "a bug": "seedless has a bug" in out + err,
        "complaints of Python": "Exception ignored" in err,
        "an unknown exit code": code not in {0, 1, 2, 3, 4, 5},
        "no error": code in {1, 2, 4}
        and not stderr
        and stdout != "broken"
        and not (SENTENCE.search(err) or out),
        "success without an output": code == 0 and stdout in {"closed", "broken", "full"},
        "colours": "\x1b" in out + err,
    }
    return [objection for objection, applies in wrong.items() if applies]


def test_every_command_ends_in_a_sentence_and_an_exit_code(
    cli: Cli, forking: Forking, surrounding: Surrounding, commands: Commands
) -> None:
    jwt = cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
    key = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    place = {"jwt": str(jwt), "home": str(cli.home), "key": key}
    before, found = cli.files(), {}
    helps = [[*words, "--help"] for words in commands]
    real = [
        invocation(words, command, place)
        for words, command in commands.items()
        if not isinstance(command, click.Group)
    ]
    for lines in (helps, *([line] for line in real)):
        for line, done in zip(lines, forking.run(*lines), strict=True):
            if wrong := objections(surrounding, *done, forking.traceback):
                found[" ".join(line)] = (wrong, done)
    assert found == {}
    assert cli.files() == before
    assert (len(helps) > 90, len(real) > 80) == (True, True)


def test_what_is_signed_is_recorded_or_nothing_is(
    cli: Cli, forking: Forking, surrounding: Surrounding
) -> None:
    path = cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
    before = path.read_text()
    words = ["account", "edit", "ORDERS", "--tag", "seen", "-y", "--store", str(cli.store)]
    (done,) = forking.run(words)
    assert objections(surrounding, *done, forking.traceback) == []
    assert done[0] == (1 if surrounding.streams[1] else 0)
    assert (path.read_text() != before) is (surrounding.streams[1] != "closed")
