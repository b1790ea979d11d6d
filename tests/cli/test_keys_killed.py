"""Keys on a token, when the command that creates them is killed: none is forgotten, and none is left over.

The process is killed by SIGKILL just before a call that changes a file, its own or one of the token: see
`killing.c`. Each run is a fork of one process that has loaded everything but the driver, so that hundreds of
them take seconds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Cli = Any  # the fixtures in tests/conftest.py
    Mounts = Any
    Run = Callable[..., bool]

_SERVER = """
import ctypes, json, os, signal, sys
killing = ctypes.CDLL(os.environ["LD_PRELOAD"])
from seedless.cli.main import main
from seedless.pkcs11.binding import load_binding
load_binding()
import seedless.cli.ceremony.keygen, seedless.cli.account.edit, seedless.cli.apply
import seedless.cli.key.new, seedless.cli.user.edit
import seedless.pending_keys, seedless.pkcs11.key_creation, seedless.pkcs11.token
for line in sys.stdin:
    number, words = json.loads(line)
    pid = os.fork()
    if not pid:
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        killing.kill_before(ctypes.c_long(number))
        os._exit(main(words))
    status = os.waitpid(pid, 0)[1]
    print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
"""
_COUNT = """
import os, pkcs11
from pkcs11.constants import Attribute, ObjectClass
token = pkcs11.lib(os.environ["SEEDLESS_MODULE"]).get_token(token_label=os.environ["LABEL"])
with token.open(user_pin=os.environ["TOKEN_PIN"]) as session:
    for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        found = list(session.get_objects({Attribute.CLASS: kind}))
        print(sum(bool(one.get_attributes([Attribute.LABEL]).get(Attribute.LABEL)) for one in found))
"""
_USAGE = 2
_SIGKILL = -9


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("killing") / "killing.so"
    source = Path(__file__).with_name("killing.c")
    options = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.fail("the kills need a C compiler: install gcc and libc6-dev", pytrace=False)
    subprocess.run([compiler, *options, "-o", str(built), str(source), "-ldl"], check=True)
    return built


@pytest.fixture
def run(cli: Cli, killing: Path) -> Iterator[Run]:
    """Run a command that is killed before the n-th change of a file, 0 for never; return whether it ended."""
    cli.ok("operator", "add", "ACME", "--yes")
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    env = cli.env_with(LD_PRELOAD=str(killing), SEEDLESS_POLICY=str(cli.home / "policy.toml"))
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        env=env,
        cwd=cli.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        stdin, stdout = server.stdin, server.stdout
        assert stdin is not None
        assert stdout is not None

        def killed_before(number: int, *words: str) -> bool:
            print(json.dumps([number, words]), file=stdin, flush=True)
            code = json.loads(stdout.readline())
            told = (cli.home / "stderr").read_text()
            # Killed behind the last file of the store, all is done: the same command has nothing left to do.
            is_done = code == 0 or (code == _USAGE and "is in the store already" in told)
            assert is_done or code == _SIGKILL, (words, number, told)
            return is_done

        yield killed_before
        stdin.close()


def objects(cli: Cli) -> tuple[int, int]:
    """Return how many private and how many public keys a fresh process finds on the token.

    An object that has no label yet is none: SoftHSM writes that before any other part of a key.
    """
    done = subprocess.run(
        [sys.executable, "-c", _COUNT],
        env=cli.env_with(LABEL=cli.token.label),
        capture_output=True,
        text=True,
        check=True,
    )
    private, public = map(int, done.stdout.split())
    return private, public


def inventory(cli: Cli) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = cli.ok("key", "list", "--json").data["keys"]
    return keys


def kills_of_each(run: Run, words: Callable[[str], tuple[str, ...]]) -> int:
    """Kill the command at every third point, each time for another name, and run it again; count kills."""
    names = 0
    while not run(3 * names + 1, *words(f"n{names}")):
        assert run(0, *words(f"n{names}"))
        names += 1
    return names


def kills_in_a_row(run: Run, *words: str) -> int:
    """Kill one command again and again, each time four changes later, until it ends; return how often."""
    times = 0
    while not run(4 * times + 1, *(word.format(times) for word in words)):
        times += 1
    return times


def test_after_two_hundred_kills_each_key_is_used_and_there_is_none_too_many(cli: Cli, run: Run) -> None:
    (cli.home / "tenants.toml").write_text("".join(f"[accounts.T{number}]\n" for number in range(4)))
    kills = [
        accounts := kills_of_each(run, lambda name: ("account", "add", name, "--yes")),
        kills_in_a_row(run, "user", "add", "-a", "n1", "app", "--on-token", "--yes"),
        kills_in_a_row(run, "apply", "tenants.toml", "--yes"),
        kills_in_a_row(run, "key", "new", "--role", "account", "--name", "SPARE", "--yes"),
        kills_in_a_row(run, "ceremony", "keygen", "ECMA", "--holder", "Ada", "-o", "keys{}.json", "--yes"),
    ]
    assert sum(kills) >= 200, kills
    assert min(kills) > 25, kills
    wanted = 1 + (accounts + 1) + 1 + 4 + 1 + 3
    assert objects(cli) == (wanted, wanted)
    keys = inventory(cli)
    assert len(keys) == wanted
    assert len({(key["role"], key["name"]) for key in keys}) == wanted
    assert not (cli.store / "pending-keys.json").exists()
    assert cli.ok("verify", "--json").data["ok"] is True


@pytest.mark.parametrize("free_blocks", [0, 1, 2, 3])
def test_a_full_disk_leaves_no_key_too_many(cli: Cli, mounts: Mounts, free_blocks: int) -> None:
    cli.ok("operator", "add", "ACME", "--yes")
    command = [sys.executable, "-m", "seedless", "account", "add", "ORDERS", "--yes"]
    done = mounts.run_full(cli.store, *command, env=cli.env, free_blocks=free_blocks)
    assert done.returncode in {0, 1}, done.stderr
    assert ("the disk is full" in done.stderr) == (done.returncode == 1)
    if done.returncode:
        cli.ok("account", "add", "ORDERS", "--yes")
    assert objects(cli) == (2, 2)
    assert [key["name"] for key in inventory(cli)].count("ORDERS") == 1
    assert not (cli.store / "pending-keys.json").exists()


def test_keygen_creates_keys_however_many_the_inventory_holds(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--yes")
    (cli.home / "policy.toml").write_text(
        f'operator = "{cli.ok("operator", "show", "--json").data["subject"]}"\n'
    )
    (cli.home / "many.toml").write_text("".join(f"[accounts.T{number}]\n" for number in range(30)))
    policy = ("--policy", str(cli.home / "policy.toml"))
    cli.ok("apply", str(cli.home / "many.toml"), "--yes", *policy)
    assert len(inventory(cli)) == 31
    made = cli.ok("ceremony", "keygen", "ECMA", "--holder", "Ada", "-o", str(cli.home / "keys.json"), "--yes")
    assert len(made.out.splitlines()) == 3
    assert len(inventory(cli)) == 34
    assert objects(cli) == (34, 34)


_HALF = """
import os, pkcs11
from pkcs11 import KeyType
from pkcs11.constants import Attribute
token = pkcs11.lib(os.environ["SEEDLESS_MODULE"]).get_token(token_label=os.environ["LABEL"])
with token.open(user_pin=os.environ["TOKEN_PIN"], rw=True) as session:
    public, private = session.generate_keypair(
        KeyType.EC_EDWARDS, id=bytes(8), label="account:ORDERS", store=True,
        public_template={Attribute.EC_PARAMS: bytes.fromhex("06032b6570")})
    {"private": public, "public": private}[os.environ["HALF"]].destroy()
"""


@pytest.mark.parametrize("half", ["private", "public"])
def test_half_a_key_is_removed_and_the_key_is_created_anew(cli: Cli, half: str) -> None:
    cli.ok("operator", "add", "ACME", "--yes")
    token = inventory(cli)[0]["uri"].partition(";object=")[0]
    uri = f"{token};object=account:ORDERS;id=%00%00%00%00%00%00%00%00;type=private"
    pending = {"role": "account", "name": "ORDERS", "uri": uri, "until": "registered"}
    (cli.store / "pending-keys.json").write_text(json.dumps({"version": 1, "keys": [pending]}))
    env = cli.env_with(LABEL=cli.token.label, HALF=half)
    subprocess.run([sys.executable, "-c", _HALF], env=env, check=True)
    assert objects(cli) == ((2, 1) if half == "private" else (1, 2))
    cli.ok("account", "add", "ORDERS", "--yes")
    assert objects(cli) == (2, 2)
    assert [key["name"] for key in inventory(cli)].count("ORDERS") == 1
    assert not (cli.store / "pending-keys.json").exists()


def test_a_damaged_file_of_pending_keys_is_reported_before_a_key_is_created(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--yes")
    (cli.store / "pending-keys.json").write_text('{"version": 1, "keys": [{"role": "king"}]}')
    done = cli.run("account", "add", "ORDERS", "--yes")
    assert done.code == 1
    assert "pending-keys.json is damaged" in done.err
    assert objects(cli) == (1, 1)
