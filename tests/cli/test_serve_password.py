"""`seedless serve password`: typed twice or from a source, and never shown."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from nacl import pwhash

from seedless.serve.backends.users import read_users

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py


def test_a_password_that_is_typed_twice_becomes_an_entry_of_a_users_file(cli: Cli) -> None:
    terminal = cli.terminal_for("serve", "password", "ada")
    for first, second in (("correct horse", "correct house"), ("correct horse", "correct horse")):
        terminal.wait_for("New password for user ada: ")
        terminal.type(f"{first}\n")
        terminal.wait_for("once more: ")
        terminal.type(f"{second}\n")
        if first != second:
            terminal.wait_for("the two entries of the password differ")
    assert terminal.end() == 0
    assert "horse" not in terminal.said
    entry = terminal.said[terminal.said.index('["ada"]') :].replace("\r\n", "\n")
    hashed = read_users(entry.encode()).users["ada"].password
    assert pwhash.argon2id.verify(hashed.encode(), b"correct horse")


def test_a_password_comes_from_a_source_and_json_has_the_hash(cli: Cli) -> None:
    done = cli.ok("serve", "password", "--json", "--password-source", "env:SECRET", SECRET="correct horse")
    assert done.data["name"] is None
    assert pwhash.argon2id.verify(done.data["password"].encode(), b"correct horse")
    again = cli.ok("serve", "password", "--password-source", "env:SECRET", SECRET="correct horse")
    assert again.out.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert again.out.strip() != done.data["password"]  # a salt of its own


def test_a_name_with_quotes_is_one_entry(cli: Cli) -> None:
    name = 'a"b\\c.d'
    done = cli.ok("serve", "password", name, "--password-source", "env:SECRET", SECRET="x")
    assert list(tomllib.loads(done.out)) == [name]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            ("--password-source", "secret"), "the source of the password is not understood", id="no source"
        ),
        pytest.param(
            ("--password-source", "env:ABSENT"), "the environment variable ABSENT is not set", id="absent"
        ),
        pytest.param(("--password-source", "fd:99"), "cannot read the password from descriptor 99", id="fd"),
        pytest.param(
            ("--password-source", "cmd:false"), "false gave no password and ended with status 1", id="program"
        ),
        pytest.param(("--password-source", "cmd:true"), "the password from cmd:true is empty", id="nothing"),
        pytest.param((), "there is no terminal to ask for the password", id="no terminal"),
        pytest.param(
            ("a\nb", "--password-source", "cmd:echo x"),
            "the name of a user is text without control characters",
            id="name",
        ),
    ],
)
def test_what_is_no_password_is_a_sentence(cli: Cli, words: tuple[str, ...], sentence: str) -> None:
    done = cli.run("serve", "password", *words)
    assert done.code in {2, 4}
    assert done.err.startswith(f"error: {sentence}")
    assert "secret" not in done.err
