"""Promise 6: a PIN is never on a command line, in a log, in an exception, in a child's environment; a wrong
one is never tried twice by itself; a module that only a file names is not loaded.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from pytest_softhsm import SoftHSM

    Cli = Any  # the fixture in tests/conftest.py
    Watch = Any  # and in conftest.py
    Forms = Callable[[str], dict[str, bytes]]

SEEDLESS = (sys.executable, "-m", "seedless")
PIN = "Kr0nenkorken-81"
SO_PIN = "Zw1ebelfisch-93"


@pytest.fixture
def planted(cli: Cli, softhsm: SoftHSM, tmp_path: Path) -> Cli:
    """A home whose token has a PIN that is nowhere else, but in a file for its owner."""
    token = softhsm.create(pin=PIN, so_pin=SO_PIN)
    file = tmp_path / "pin"
    file.touch(0o600)
    file.write_text(f"{PIN}\n")
    env = cli.env | {"SEEDLESS_TOKEN": token.uri, "SEEDLESS_PIN_SOURCE": f"file:{file}"}
    del env["TOKEN_PIN"]
    return type(cli)(cli.home, token, env)


def test_a_pin_is_in_its_file_alone(planted: Cli, watch: Watch, text_forms: Forms, softhsm: SoftHSM) -> None:
    for words in ("operator add ACME --sys", f"key list --token {planted.token.uri} --json"):
        watch.run(*SEEDLESS, *planted.agreed(*words.split()), env=planted.env)
    places = watch.places_of(text_forms(PIN), planted.home, watch.folder, softhsm.folder)
    assert places == [f"text in {planted.home}/pin"]


def test_the_same_search_finds_a_pin_that_is_an_argument(cli: Cli, watch: Watch, text_forms: Forms) -> None:
    watch.run(sys.executable, "-c", "import time; time.sleep(0.2)", "--pin", PIN, env=cli.env)
    assert [place.split(" of ")[0] for place in watch.places_of(text_forms(PIN))] == ["text in cmdline"]


@pytest.mark.parametrize("debug", [None, "1"], ids=["usual", "debug"])
@pytest.mark.parametrize("wrong", ["Kr0nenkorken-82", "Kr0nen\x7fkorken\N{SNOWMAN}", "x"])
def test_a_wrong_pin_is_in_no_error(planted: Cli, text_forms: Forms, debug: str | None, wrong: str) -> None:
    done = planted.child(
        "operator", "add", "ACME", "--json", "--pin-source", "env:GIVEN", GIVEN=wrong, SEEDLESS_DEBUG=debug
    )
    assert done.code == (1 if debug else 4)
    if len(wrong) > 1:
        assert not any(form in (done.out + done.err).encode() for form in text_forms(wrong).values())
    assert planted.files() == {}


def test_a_pin_from_the_environment_is_taken_out_of_it(cli: Cli) -> None:
    code = (
        "import os, subprocess, sys; from seedless.cli.main import main; "
        "main(['operator', 'add', 'ACME', '--yes']); os.execvp('env', ['env'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=cli.env, capture_output=True, text=True, check=True
    )
    assert "SEEDLESS_TOKEN=" in done.stdout
    assert cli.token.pin not in done.stdout + done.stderr


def test_a_wrong_pin_is_sent_once_by_one_process(cli: Cli) -> None:
    first = cli.run("operator", "add", "ACME", TOKEN_PIN="not-this-one")
    assert (first.code, "the PIN is wrong" in first.err) == (4, True)
    second = cli.run("operator", "add", "ACME", TOKEN_PIN="not-this-one")
    assert (second.code, "has refused this PIN already, and it was not sent again" in second.err) == (4, True)
    assert cli.run("operator", "add", "ACME").code == 0


def test_so_pins_are_nowhere(planted: Cli, watch: Watch, text_forms: Forms, tmp_path: Path) -> None:
    so_file = tmp_path / "so-pin"
    so_file.touch(0o600)
    so_file.write_text(SO_PIN)
    words = ("token", "init", "--label", "NEW", "--so-pin-source", f"file:{so_file}")
    watch.run(*SEEDLESS, *planted.agreed(*words), "--erase", planted.token.serial, env=planted.env)
    assert watch.places_of(text_forms(SO_PIN), planted.home, watch.folder) == [f"text in {so_file}"]


def test_a_module_that_only_the_inventory_names_is_not_loaded(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    inventory = cli.store / "keyring.json"
    inventory.write_text(
        inventory.read_text().replace(";type=private", ";type=private?module-path=/tmp/evil.so")
    )
    done = cli.run("account", "add", "ORDERS", SEEDLESS_MODULE=None)
    assert (done.code, done.out) == (1, "")
    assert f"{inventory} is damaged: " in done.err
