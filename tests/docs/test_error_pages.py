"""The pages on exit codes 3 and 4: each error that they show is caused, and ends with that code."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

_ERROR = re.compile(r"^error: .*$", re.MULTILINE)
OTHER = "OBTL47RTFR5EKMZSXWOQU735WBK7LRPPDIDK3JTNTCZZ7NUBBRDTVSBZ"


def shown(page: Path) -> list[str]:
    """The errors that *page* shows."""
    return _ERROR.findall(page.read_text(encoding="utf-8"))


def matches(template: str, message: str) -> bool:
    """Whether *message* is what the page shows: `…` is any text, `O…` and `A…` are keys."""
    pattern = ".*".join(re.escape(part) for part in template.split("…"))
    return any(re.match(pattern, line) for line in message.splitlines())


def edit(*words: str) -> Callable[[Cli], Any]:
    return lambda cli: cli.run("account", "edit", "ORDERS", *words)


def user(name: str, *words: str) -> Callable[[Cli], Any]:
    return lambda cli: cli.run("user", "add", "-a", "ORDERS", name, *words)


def mapping(cli: Cli) -> Any:  # noqa: ANN401 - a Done
    words = ("account", "mapping", "add", "-a", "ORDERS", "--from", "a", "--weight", "70", "--to")
    cli.ok(*words, "b")
    return cli.run(*words, "c")


def policy(cli: Cli, text: str, operator: str = "") -> Any:  # noqa: ANN401 - a Done
    """Edit ORDERS under a policy with *text*, that pins the operator of the store unless another is given."""
    path = cli.home / "policy.toml"
    key = operator or cli.ok("operator", "show", "--json").data["subject"]
    path.write_text(f'operator = "{key}"\n{text}', encoding="utf-8")
    return cli.run("account", "edit", "ORDERS", "--conns", "5000", "--policy", str(path))


def needed(cli: Cli) -> Any:  # noqa: ANN401 - a Done
    key = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    return cli.run("key", "delete", key, "--name", "ORDERS")


SCOPE = ("account", "signing-key", "add", "-a", "ORDERS", "--role", "s", "--allow-sub", "{{nope()}}")
FINDINGS: dict[str, Callable[[Cli], Any]] = {
    "G003": edit("--expiry", "2020-01-01"),
    "C006": user("x", "--allow-pub", "a..b"),
    "C053": edit("--set", "limits.imports=-5"),
    "C065": mapping,
    "C074": user("b2", "--source-network", "1.2.3.4"),
    "C109": lambda cli: cli.run(*SCOPE),
    "P001": lambda cli: policy(cli, "", OTHER),
    "P010": lambda cli: policy(cli, "[limits.account]\nconn = 1000\n"),
    "P012": lambda cli: policy(cli, 'tokens = ["12"]\n'),
    "the key": needed,
}


@pytest.mark.parametrize("name", FINDINGS)
def test_each_finding_of_the_page_ends_with_3_and_its_sentence(cli: Cli, root: Path, name: str) -> None:
    errors = [line for line in shown(root / "docs/howto/exit-code-3.md") if line.startswith(f"error: {name}")]
    cli.found_system()
    done = FINDINGS[name](cli)
    assert done.code == 3
    assert matches(errors[0], done.err), done.err


def test_a_changed_signature_is_bad_in_the_rows_of_verify(cli: Cli) -> None:
    cli.found_system()
    text = cli.ok("account", "show", "ORDERS", "--raw").out.strip()
    path = cli.home / "changed.jwt"
    path.write_text(f"{text[:-6]}AAAAAA", encoding="utf-8")
    done = cli.run("verify", str(path))
    assert done.code == 3
    assert re.search(r"changed\.jwt\s+bad\s", done.out)


def new_key(cli: Cli, *words: str, **env: str | None) -> Any:  # noqa: ANN401 - a Done
    return cli.run("key", "new", "--role", "account", "--name", "X", *words, **env)


def test_every_finding_of_the_page_is_caused_by_a_test(root: Path) -> None:
    assert len(shown(root / "docs/howto/exit-code-3.md")) == len(FINDINGS)


def own_softhsm(cli: Cli, *labels: str) -> dict[str, str | None]:
    """The environment in which the tokens with these *labels* are all that there is."""
    (cli.home / "own").mkdir()
    conf = cli.home / "own.conf"
    conf.write_text(f"directories.tokendir = {cli.home}/own\n", encoding="utf-8")
    own = {"SOFTHSM2_CONF": str(conf), "SEEDLESS_TOKEN": None, "SO": "so-pin-1234"}
    for label in labels:
        assert cli.child("token", "init", "--label", label, "--so-pin-source", "env:SO", **own).code == 0
    return own


def in_an_own_softhsm(cli: Cli, *labels: str) -> Any:  # noqa: ANN401 - a Done
    return cli.child("key", "new", "--role", "account", "--name", "X", **own_softhsm(cli, *labels))


def elsewhere(cli: Cli, *, is_inventory_kept: bool) -> Any:  # noqa: ANN401 - a Done
    """Sign an account where another token is all that there is."""
    cli.found_system()
    if not is_inventory_kept:
        (cli.store / "keyring.json").unlink()
    return cli.child("account", "edit", "ORDERS", "--conns", "7", **own_softhsm(cli, "B"))


_DELETE = """
import os, pkcs11
token = pkcs11.lib(os.environ["SEEDLESS_MODULE"]).get_token(token_serial=os.environ["SERIAL"].encode())
with token.open(rw=True, user_pin=os.environ["TOKEN_PIN"]) as session:
    for one in list(session.get_objects()):
        one.destroy()
"""


def deleted_by_another_program(cli: Cli) -> Any:  # noqa: ANN401 - a Done
    cli.found_system()
    environment = cli.env_with(SERIAL=cli.token.serial)
    subprocess.run([sys.executable, "-c", _DELETE], env=environment, check=True, timeout=60)
    return cli.run("account", "edit", "ORDERS", "--conns", "7")


NO_TOKEN: dict[str, Callable[[Cli], Any]] = {
    "no PKCS#11 module": lambda cli: new_key(cli, SEEDLESS_MODULE=None),
    "cannot load": lambda cli: new_key(cli, "--module", "/nowhere/libsofthsm2.so"),
    "no token matches": lambda cli: new_key(cli, "--token", "pkcs11:token=GONE"),
    "there is no terminal": lambda cli: new_key(cli, SEEDLESS_PIN_SOURCE=None),
    "cannot read the PIN": lambda cli: new_key(cli, "--pin-source", f"file:{cli.home}/none"),
    "cannot log in": lambda cli: new_key(cli, TOKEN_PIN="not the PIN"),
    'token "': lambda cli: elsewhere(cli, is_inventory_kept=True),
    "it is not known": lambda cli: elsewhere(cli, is_inventory_kept=False),
    "no key on token": deleted_by_another_program,
    "there are 2": lambda cli: in_an_own_softhsm(cli, "A", "B"),
    "the uninitialised": in_an_own_softhsm,
    "token …": lambda cli: [new_key(cli, TOKEN_PIN="wrong again") for _ in range(2)][1],
}


def test_the_next_command_sends_a_rejected_pin_again(cli: Cli) -> None:
    errors = [
        cli.child("key", "new", "--role", "account", "--name", "X", TOKEN_PIN="not the PIN").err for _ in "12"
    ]
    assert [": the PIN is wrong" in error for error in errors] == [True, True]


@pytest.mark.parametrize("name", NO_TOKEN)
def test_each_error_of_the_page_ends_with_4_and_its_sentence(cli: Cli, root: Path, name: str) -> None:
    errors = [line for line in shown(root / "docs/howto/exit-code-4.md") if line.startswith(f"error: {name}")]
    assert len(errors) == 1
    done = NO_TOKEN[name](cli)
    assert done.code == 4
    assert matches(errors[0], done.err), done.err


def test_a_key_that_is_not_on_its_token_is_named(cli: Cli) -> None:
    done = deleted_by_another_program(cli)
    assert re.search(r"has the public key operator ACME \(O[A-Z2-7]{55}\)\n", done.err), done.err


def test_every_error_of_the_page_is_caused_by_a_test(root: Path) -> None:
    assert len(shown(root / "docs/howto/exit-code-4.md")) == len(NO_TOKEN)
