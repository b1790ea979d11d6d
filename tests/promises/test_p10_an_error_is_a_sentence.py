"""Promise 10: an error is a sentence: what happened, to what, what to do. A traceback is a bug."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py
    Done = Any  # and what its commands leave

JUNK = "\xff\u202e\udcff;{}$(id)`'\"\\\n\r\t\x1b[2J"
NOWHERE = ("--module", "/nowhere.so")
LONG = "A" * 100_000

HOSTILE: dict[str, tuple[str, ...]] = {
    "junk for a command": (JUNK,),
    "junk for a verb": ("account", JUNK),
    "junk for an option": ("account", "add", f"--{JUNK}"),
    "junk for a name": ("account", "add", JUNK),
    "a long name": ("account", "add", LONG),
    "junk for an account": ("user", "add", "-a", JUNK, "x"),
    "junk for a user": ("user", "add", "-a", "ORDERS", JUNK),
    "junk for a key": ("account", "add", "X", "-k", JUNK),
    "a long key": ("key", "show", LONG),
    "junk for an issuer": ("account", "add", "X", "-K", JUNK),
    "junk for a file": ("show", JUNK),
    "a folder for a file": ("show", "/"),
    "an endless file": ("show", "/dev/full"),
    "a file that cannot be": ("show", "/proc/self/mem"),
    "junk for a claims file": ("sign", JUNK),
    "a folder for claims": ("sign", "/etc"),
    "junk for a store": ("tree", "--store", JUNK),
    "a device for a store": ("operator", "add", "X", "--store", "/dev/null"),
    "a store in proc": ("operator", "add", "X", "--store", "/proc/x"),
    "junk for an operator": ("tree", "--operator", JUNK),
    "the folder above for an operator": ("tree", "--operator", "../.."),
    "junk for a module": ("token", "list", "--module", JUNK),
    "a folder for a module": ("token", "list", "--module", "/etc"),
    "a device for a module": ("token", "list", "--module", "/dev/null"),
    "junk for a URI": ("token", "show", "--token", JUNK),
    "a long URI": ("token", "show", "--token", f"pkcs11:token={LONG}"),
    "half an escape in a URI": ("token", "show", "--token", "pkcs11:token=%4"),
    "bytes in a URI": ("token", "show", "--token", "pkcs11:token=%FF%00"),
    "junk for a PIN source": ("account", "add", "X", "--pin-source", JUNK),
    "a folder for a PIN file": ("account", "add", "X", "--pin-source", "file:/"),
    "a closed descriptor for a PIN": ("account", "add", "X", "--pin-source", "fd:9999"),
    "junk for a size": ("account", "add", "X", "--data", JUNK),
    "a huge size": ("account", "add", "X", "--data", "9" * 30),
    "a huge number": ("account", "add", "X", "--conns", "9" * 30),
    "a very huge number": ("account", "add", "X", "--conns", "9" * 5000),
    "junk for a time": ("account", "add", "X", "--expiry", JUNK),
    "a time before all": ("account", "add", "X", "--expiry", "0001-01-01T00:00:00+14:00"),
    "a time after all": ("account", "add", "X", "--expiry", "999999y"),
    "a start after the end": ("account", "add", "X", "--start", "9999-12-31", "--expiry", "9998-01-01"),
    "a huge duration": ("user", "add", "-a", "ORDERS", "x", "--response-ttl", "9" * 400 + "h"),
    "junk for a setting": ("account", "add", "X", "--set", f"{JUNK}={JUNK}"),
    "a deep setting": ("account", "add", "X", "--set", f"info_url={'[' * 100_000}"),
    "a deep path": ("account", "add", "X", "--set", f"{'a.' * 5000}b=1"),
    "a setting of a huge number": ("account", "add", "X", "--set", f"limits.conn={'9' * 5000}"),
    "a setting of a list": ("account", "add", "X", "--set", "limits=[]"),
    "a setting of nothing": ("account", "add", "X", "--set", "="),
    "junk for a subject": ("user", "add", "-a", "ORDERS", "x", "--allow-pub", JUNK, *NOWHERE),
    "junk for a tag": ("account", "add", "X", "--tag", JUNK, *NOWHERE),
    "junk for a description": ("account", "add", "X", "--description", JUNK, *NOWHERE),
    "junk for a network": ("user", "add", "-a", "ORDERS", "x", "--source-network", JUNK, *NOWHERE),
    "junk for a role": ("key", "new", "--role", JUNK, "--name", "x"),
    "junk for a key's name": ("key", "new", "--role", "user", "--name", JUNK),
    "junk for a label": ("token", "init", "--label", JUNK, "--so-pin-source", "env:TOKEN_PIN"),
    "junk for a serial": ("token", "init", "--label", "x", "--so-pin-source", "env:X", "--erase", JUNK),
    "junk for a shell": ("completion", JUNK),
    "junk for a folder of servers": ("server", "config", "--nats-resolver", "--dir", JUNK),
    "junk for an interval": ("server", "config", "--nats-resolver", "--interval", JUNK),
    "a folder for an output": ("server", "config", "--mem-resolver", "-o", "/"),
    "a device for an output": ("user", "creds", "-a", "ORDERS", "app", "-o", "/dev/null"),
}  # fmt: skip
SENTENCE = re.compile(r"error: ([A-Z]\d{3} )?[^A-Z\s].*[^.\s]")


def objections(done: Done) -> list[str]:
    """Return what is wrong with the way in which a command failed."""
    lines = done.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    wrong = {
        "a traceback": "Traceback" in done.err,
        "a bug": "seedless has a bug" in done.err,
        "an unknown exit code": done.code not in {1, 2, 3, 4},
        "no error": not errors,
        "no sentence": bool(errors) and not SENTENCE.fullmatch(errors[-1]),
        "something after the hint": not lines or not lines[-1].startswith(("error: ", "hint: ")),
        "a hint that is none": any(line in {"hint:", "hint: "} for line in lines),
        "control characters": not (done.err + done.out).replace("\n", "").isprintable(),
        "no object on stdout": set(json.loads(done.out or "{}").get("error", {}))
        != {"message", "hint", "exit_code"},
        "too long": len(done.err) > 10_000,
    }
    return [objection for objection, applies in wrong.items() if applies]


def test_hostile_commands_end_in_sentences_and_change_nothing(cli: Cli) -> None:
    cli.found_system()
    before = cli.files()
    found = {}
    for case, words in HOSTILE.items():
        done = cli.run(*words, "--json")
        if wrong := objections(done):
            found[case] = (wrong, done.code, done.err[-300:])
    assert found == {}
    assert cli.files() == before


@pytest.mark.parametrize(
    "damage",
    [b"", b"\xff\xfe", b"{", b"[]", b"null", b"{}" * 10, b"[" * 200_000, b'{"version": 1, "keys": []}'],
    ids=["empty", "no text", "half", "a list", "null", "many", "deep", "wrong type"],
)
@pytest.mark.parametrize("name", ["keyring.json", "stores/ACME/.nsc", "stores/ACME/ACME.jwt"])
def test_damaged_files_end_in_sentences(cli: Cli, name: str, damage: bytes) -> None:
    cli.ok("operator", "add", "ACME")
    (cli.store / name).write_bytes(damage)
    before = cli.files()
    assert objections(cli.run("account", "add", "ORDERS", "--json")) == []
    assert cli.files() == before


def test_what_a_damaged_configuration_ends_in_is_a_sentence(cli: Cli) -> None:
    file = cli.home / "config.toml"
    for damage in (
        b"\xff",
        b"x",
        b"modules = [",
        b"store = 5",
        b"modules = ['relative']",
        b"[uris]\na = 'b'",
    ):
        file.write_bytes(damage)
        assert objections(cli.run("tree", "--json", SEEDLESS_CONFIG=str(file))) == [], damage
