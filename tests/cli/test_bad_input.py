"""Bad input: each gets a sentence, a hint and an exit code, and leaves the store as it was."""

from __future__ import annotations

import _ssl
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytest_softhsm import SoftHSM

    Cli = Any  # the fixtures in tests/conftest.py
    Mounts = Any

SEED = bytes(range(32))
ACCOUNT = str(SoftwareKey(Role.ACCOUNT, SEED).public_key)


@pytest.fixture
def founded(cli: Cli) -> Cli:
    """A home with an operator."""
    cli.ok("operator", "add", "ACME")
    return cli


def refused(cli: Cli, code: int, message: str, hint: str, *words: str, **env: str | None) -> None:
    """Run a command that must fail so, and leave every file as it was."""
    before = cli.files()
    done = cli.run(*words, **env)
    told = done.err[done.err.index("error: ") :]
    assert (done.code, done.out) == (code, "")
    assert told.startswith(f"error: {message}")
    assert f"\nhint: {hint}" in told
    assert cli.files() == before


def test_a_wrong_pin(founded: Cli) -> None:
    refused(
        founded, 4, f'cannot log in on token "{founded.token.label}" (serial {founded.token.serial}): '
        "the PIN is wrong", "make sure of the PIN before you try again",
        "account", "add", "ORDERS", TOKEN_PIN="not-this-one",
    )  # fmt: skip


def test_a_pin_that_is_not_there(founded: Cli) -> None:
    refused(
        founded, 4, "the environment variable TOKEN_PIN is not set\n", "put the PIN into it\n",
        "account", "add", "ORDERS", TOKEN_PIN=None,
    )  # fmt: skip


def test_a_pin_file_that_others_can_read(founded: Cli, tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text(founded.token.pin)
    file.chmod(0o644)
    refused(
        founded, 4, f"{file} holds a PIN and is open to others than its owner\n", f"chmod 600 {file}\n",
        "account", "add", "ORDERS", "--pin-source", f"file:{file}",
    )  # fmt: skip


@pytest.mark.parametrize("source", ["1234", "pin:1234", "env:", "env:A B", "fd:x", "file:"])
def test_a_pin_source_that_is_none_is_not_repeated(founded: Cli, source: str) -> None:
    before = founded.files()
    done = founded.run("account", "add", "ORDERS", "--pin-source", source, "--module", "/nowhere.so")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert "\nhint: " in done.err
    assert "1234" not in done.err
    assert founded.files() == before


def test_no_terminal_to_ask_for_a_pin(founded: Cli) -> None:
    before = founded.files()
    done = founded.child("account", "add", "ORDERS", "--pin-source", "prompt")
    assert done.code == 4
    assert "error: there is no terminal to ask for the PIN\nhint: give it by env:NAME, file:PATH" in done.err
    assert founded.files() == before


def test_two_tokens_with_one_label(founded: Cli, softhsm: SoftHSM) -> None:
    twin = softhsm.create(founded.token.label, pin=founded.token.pin)
    refused(
        founded, 4, f"2 tokens match pkcs11:token={founded.token.label}: ", "add ;serial=… to the URI\n",
        "account", "add", "ORDERS", "--token", f"pkcs11:token={founded.token.label}",
    )  # fmt: skip
    softhsm.remove(twin)


def test_two_keys_that_match(founded: Cli) -> None:
    for number in (1, 2):
        founded.token.import_ed25519(SEED, label="account:ORDERS", id=bytes([number]))
    claims = founded.home / "claims.json"
    claims.write_text(json.dumps({"sub": str(SoftwareKey(Role.USER, SEED).public_key), "nats": {"x": 1}}))
    refused(
        founded, 4, f"it is not known where the key {ACCOUNT} is: 2 keys on ", "",
        "sign", str(claims), "--kind", "generic", "-K", ACCOUNT,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "code", "message", "hint"),
    [
        pytest.param("pkcs11:token=NOBODY", 4, "no token matches pkcs11:token=NOBODY: the module shows ",
                     "name one by its label or serial", id="no such token"),
        pytest.param("pkcs11:token=A?pin-value=1234", 2, "the PKCS#11 URI holds a pin-value\n",
                     "take the PIN out", id="a PIN in the URI"),
        pytest.param("pkcs12:token=ACME", 2, "this is not a PKCS#11 URI\n", "it begins with pkcs11:",
                     id="another scheme"),
    ],
)  # fmt: skip
def test_a_token_that_is_not_named_right(founded: Cli, uri: str, code: int, message: str, hint: str) -> None:
    refused(founded, code, message, hint, "account", "add", "ORDERS", "--token", uri)


def _missing(folder: Path) -> Path:
    return folder / "missing.so"


def _text(folder: Path) -> Path:
    (folder / "text.so").write_text("no library")
    return folder / "text.so"


def _library(folder: Path) -> Path:
    return shutil.copy(_ssl.__file__, folder / "other.so")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(_missing, "cannot load the PKCS#11 module {}: no such file", id="missing"),
        pytest.param(_text, "cannot load {}: ", id="no library"),
        pytest.param(_library, "{} is a library and no PKCS#11 module: it has no C_Get", id="another"),
    ],
)
def test_a_path_without_a_module_is_refused(
    cli: Cli, tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    module = make(tmp_path)
    done = cli.run("operator", "add", "ACME", "--module", str(module))
    told = done.err[done.err.index("error: ") :]
    assert (done.code, done.out) == (4, "")
    assert told.lower().startswith(f"error: {message.format(module)}".lower())
    assert "\nhint: " in told
    assert cli.files() == {}


def test_no_module_is_named(cli: Cli) -> None:
    refused(
        cli, 4, "no PKCS#11 module is named\n",
        "give --module PATH, set SEEDLESS_MODULE, or list it under modules in the configuration; "
        "to try it: seedless token init --softhsm --label NAME; SoftHSM's is /",
        "token", "list", SEEDLESS_MODULE=None, SEEDLESS_TOKEN=None,
    )  # fmt: skip


def test_a_token_without_ed25519(founded: Cli, tmp_path: Path) -> None:
    configuration = tmp_path / "softhsm2.conf"
    original = (Path(founded.env["SOFTHSM2_CONF"])).read_text()
    configuration.write_text(f"{original}slots.mechanisms = CKM_RSA_PKCS,CKM_SHA256\n")
    before = founded.files()
    done = founded.child("account", "add", "ORDERS", SOFTHSM2_CONF=str(configuration))
    assert (done.code, done.out) == (4, "")
    assert "cannot sign with Ed25519: it does not list CKM_EDDSA\nhint: use a token that can: " in done.err
    assert founded.files() == before


def test_a_keyring_that_brings_its_own_module(founded: Cli) -> None:
    inventory = founded.store / "keyring.json"
    inventory.write_text(
        inventory.read_text().replace(";type=private", ";type=private?module-path=/tmp/evil.so")
    )
    refused(
        founded, 1, f"{inventory} is damaged: keys.O",
            "restore it from a backup, or move it away and run: seedless key register --all",
        "account", "add", "ORDERS",
    )  # fmt: skip


def test_a_store_that_cannot_be_written(founded: Cli, mounts: Mounts) -> None:
    before = founded.files()
    command = [sys.executable, "-m", "seedless", "account", "add", "ORDERS", "--yes"]
    done = mounts.run_read_only(founded.store, *command, env=founded.env)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "the file system is read-only\nhint: mount it for writing, or choose another place\n" in done.stderr
    )
    assert founded.files() == before


def test_a_disk_that_is_full(founded: Cli, mounts: Mounts) -> None:
    before = founded.files()
    command = [sys.executable, "-m", "seedless", "account", "add", "ORDERS", "-k", ACCOUNT, "-y"]
    done = mounts.run_full(founded.store, *command, env=founded.env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the disk is full\nhint: free some space and run it again; nothing was changed\n" in done.stderr
    assert founded.files() == before


@pytest.mark.parametrize("damage", ["junk", "", "e30.e30.e30"], ids=["junk", "empty", "another header"])
def test_a_damaged_account_is_named_and_the_others_still_listed(cli: Cli, damage: str) -> None:
    cli.found_system()
    file = cli.store / "stores" / "ACME" / "accounts" / "SYS" / "SYS.jwt"
    file.write_text(damage)
    refused(
        cli,
        1,
        f"{file} is damaged: ",
        "restore it from a backup, or import it again",
        "account",
        "show",
        "SYS",
    )
    refused(cli, 1, f"{file} is damaged: ", "restore it", "server", "config", "--mem-resolver")
    listed = cli.run("account", "list", "--json")
    assert listed.code == 3
    assert [account["name"] for account in listed.data["accounts"]] == ["ORDERS"]
    assert [entry["name"] for entry in listed.data["damaged"]] == ["SYS"]
    verified = cli.run("verify", "--json")
    assert verified.code == 3
    assert [row["what"] for row in verified.data["jwts"] if row["signature"] == "unread"] == ["account SYS"]
    (node,) = [child for child in cli.ok("tree", "--json").data["children"] if child["name"] == "SYS"]
    assert node["damaged"].startswith(f"{file} is damaged: ")


def test_a_damaged_operator_is_marked_and_stops_what_builds_on_it(cli: Cli) -> None:
    cli.found_system()
    file = cli.store / "stores" / "ACME" / "ACME.jwt"
    file.write_text("junk")
    refused(cli, 1, f"{file} is damaged: ", "restore it", "account", "add", "OTHER")
    assert cli.run("verify").code == 3
    assert cli.ok("tree", "--json").data["damaged"].startswith(f"{file} is damaged: ")


def test_a_jwt_at_the_place_of_another_is_damage(cli: Cli) -> None:
    cli.found_system()
    accounts = cli.store / "stores" / "ACME" / "accounts"
    shutil.copy(accounts / "SYS" / "SYS.jwt", accounts / "ORDERS" / "ORDERS.jwt")
    refused(
        cli, 1, f'{accounts}/ORDERS/ORDERS.jwt holds the jwt of "SYS", not of "ORDERS"\n', "put it where",
        "account", "show", "ORDERS",
    )  # fmt: skip


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["table", "json"])
def test_a_folder_whose_name_is_no_text_is_verified_like_others(cli: Cli, words: list[str]) -> None:
    cli.found_system()
    name = "b\udcff"  # as Python reads a byte that is not UTF-8
    folder = cli.store / "stores" / "ACME" / "accounts" / name
    folder.mkdir()
    (folder / f"{name}.jwt").write_text("x.y.z")
    done = cli.run("verify", *words)
    assert done.code == 3
    assert done.err == "keys without a spare: in 3 of these jwts; see seedless key list --backup\n"
    assert re.search(
        r'\nunreadable: ".*/b\\xff/b\\xff.jwt" is damaged: |"what": "account b\\udcff"', done.out
    )


def test_a_damaged_creds_file(cli: Cli) -> None:
    cli.found_system()
    file = cli.store / "keys" / "creds" / "ACME" / "ORDERS" / "app.creds"
    file.write_bytes(b"\xff\xfe")
    for key_file in (cli.store / "keys/keys/U").rglob("*.nk"):
        key_file.unlink()  # from which the creds are made otherwise
    refused(
        cli, 1, f"{file} is damaged: it is not text\n", "restore it from a backup",
        "user", "creds", "-a", "ORDERS", "app",
    )  # fmt: skip


NAMES = {
    "a slash": ("a/b", 'the name "a/b" holds a /'),
    "the folder above": ("..", 'the name ".." begins with a dot'),
    "a way out": ("../../x", 'the name "../../x" holds a /'),
    "hidden": (".x", 'the name ".x" begins with a dot'),
    "empty": ("", 'the name "" is empty'),
    "a line end": ("a\nb", r'the name "a\nb" holds a control character'),
    "an escape": ("a\x1b[31mb", r'the name "a\x1b[31mb" holds a control character'),
    "right to left": ("a\u202eb", r'the name "a\u202eb" holds a character that cannot be seen'),
    "zero width": ("a\u200bb", r'the name "a\u200bb" holds a character that cannot be seen'),
    "not UTF-8": ("a\udcffb", r'the name "a\xffb" holds a control character'),
    "a blank at its end": ("a ", 'the name "a " begins or ends with a blank'),
    "too long": ("a" * 300, f'the name "{"a" * 64}"… is longer than 249 bytes'),
}


@pytest.mark.parametrize("noun", [["operator", "add"], ["account", "add"], ["user", "add", "-a", "ORDERS"]],
                         ids=["operator", "account", "user"])  # fmt: skip
@pytest.mark.parametrize("case", NAMES)
def test_an_invalid_name_never_reaches_the_token(cli: Cli, noun: list[str], case: str) -> None:
    name, message = NAMES[case]
    if noun[0] != "operator":
        cli.ok("operator", "add", "ACME")
        cli.ok("account", "add", "ORDERS", "-k", ACCOUNT)
    refused(
        cli, 2, f"{message}\n", "choose another, such as orders or node-7\n",
        *noun, "--module", "/nowhere.so", "--", name,
    )  # fmt: skip


def test_a_store_that_is_a_file(cli: Cli) -> None:
    cli.store.write_text("hello")
    done = cli.run("operator", "add", "ACME")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {cli.store}")
    assert cli.store.read_text() == "hello"
    listed = cli.run("account", "list")
    assert listed.code == 1
    assert listed.err.startswith(f"error: {cli.store}")


def test_no_home_and_no_store_is_named(cli: Cli) -> None:
    done = cli.run("completion", "bash", HOME=None, SEEDLESS_STORE=None)
    assert done.code == 0


@pytest.mark.parametrize(
    "words", ["tree", "context list", "migrate nsc", "tree --store ~/x", "token list --module ~/x.so"]
)
def test_a_user_whom_the_system_does_not_know_has_no_home(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    done = cli.run(*words.split(), HOME=None, SEEDLESS_STORE=None)
    assert (done.code, done.out) == (2, "")
    assert "the home folder of this user is not known\nhint: set HOME, or " in done.err


def test_a_home_that_does_not_exist(cli: Cli) -> None:
    done = cli.run("tree", HOME="/nowhere/at/all", SEEDLESS_STORE=None)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: there is no store in /nowhere/at/all/.local/share/seedless\n"
        "hint: this is the default store, since --store and SEEDLESS_STORE are not set: set one to "
        "the folder of your store; seedless --help shows how a first one is created\n"
    )


@pytest.mark.parametrize(
    ("words", "variable", "table", "by"),
    [
        pytest.param((), "{mount}", "", "SEEDLESS_STORE names", id="variable"),
        pytest.param(("--store", "{mount}"), "/elsewhere", "", "--store names", id="option"),
        pytest.param((), None, "", "the configuration names", id="configuration"),
        pytest.param(("--context", "other"), None, "[contexts.other]\n", "the context names", id="context"),
    ],
)
def test_a_store_that_is_not_mounted_is_named_and_no_second_operator_is_suggested(
    cli: Cli, words: tuple[str, ...], variable: str | None, table: str, by: str
) -> None:
    mount = cli.home / "mnt"
    mount.mkdir()
    file = cli.home / ".config" / "seedless" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'{table}store = "{mount}"\n')
    env = {"SEEDLESS_STORE": variable and variable.format(mount=mount)}
    for command in (("tree",), ("account", "add", "ORDERS"), ("push", "--all"), ("account", "list")):
        done = cli.run(*command, *(word.format(mount=mount) for word in words), **env)
        assert (done.code, done.out) == (2, ""), command
        assert done.err == (
            f"error: there is no store in {mount}\n"
            f"hint: {by} this folder: is it the right one, and is it mounted?\n"
        )
    assert list(mount.iterdir()) == []


@pytest.mark.parametrize("words", ["tree", "account add X", "account list", "user add -a X u", "push --all"])
def test_a_store_that_nobody_named_ends_in_no_second_operator(cli: Cli, words: str) -> None:
    done = cli.run(*words.split(), SEEDLESS_STORE=None)
    assert done.code == 2
    assert f"error: there is no store in {cli.home}/.local/share/seedless\n" in done.err
    assert "--store and SEEDLESS_STORE are not set" in done.err
    assert "operator add" not in done.err


def test_an_operator_that_a_store_that_is_not_mounted_lacks_is_not_suggested(cli: Cli) -> None:
    done = cli.run("tree", "--operator", "ACME")
    assert (done.code, f'error: there is no operator "ACME" in {cli.store}\n' in done.err) == (2, True)
    assert "hint: SEEDLESS_STORE names this folder: is it the right one, and is it mounted?\n" in done.err


def test_a_configuration_that_is_damaged_is_named(cli: Cli) -> None:
    file = cli.home / "config.toml"
    file.write_text("modules = 5\n")
    done = cli.run("tree", SEEDLESS_CONFIG=str(file), SEEDLESS_STORE=None)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {file}: modules is not a list\nhint: ")


def test_an_error_is_also_one_json_object(founded: Cli) -> None:
    done = founded.run("account", "show", "NOBODY", "--json")
    assert done.code == 2
    assert done.data == {
        "error": {
            "message": 'there is no account "NOBODY" in operator ACME',
            "hint": "there are no accounts yet",
            "exit_code": 2,
        }
    }
