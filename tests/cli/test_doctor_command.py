"""`seedless token doctor`: the table, the object, and the exit code."""

from __future__ import annotations

from typing import Any

Cli = Any  # the fixture in tests/conftest.py


def test_the_doctor_prints_a_verdict_for_each_line(cli: Cli) -> None:
    done = cli.ok("token", "doctor")
    first = done.out.splitlines()[0].split()
    assert first[:3] == ["ok", "module", f"{cli.token.module}:"]
    assert "largest message" in done.out
    assert cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"] == []


def test_the_doctor_gives_an_object_with_the_same_lines(cli: Cli) -> None:
    data = cli.ok("token", "doctor", "--json").data
    assert (set(data), data["ok"]) == ({"at", "ok", "lines"}, True)
    assert all(set(line) == {"what", "verdict", "found", "advice"} for line in data["lines"])
    what = [line["what"] for line in data["lines"]]
    assert what[0] == "module"
    assert what.count("throw-away key") == 2


def test_the_doctor_creates_no_key_with_no_key(cli: Cli) -> None:
    data = cli.ok("token", "doctor", "--no-key", "--json").data
    (line,) = [line for line in data["lines"] if line["what"] == "throw-away key"]
    assert line == {
        "what": "throw-away key", "verdict": "note", "found": "not made", "advice": "leave out --no-key",
    }  # fmt: skip


def test_a_wrong_pin_ends_the_doctor_with_4_and_is_not_shown(cli: Cli) -> None:
    done = cli.run("token", "doctor", TOKEN_PIN="wrong-pin-0815")
    assert (done.code, "the PIN is wrong" in done.out) == (4, True)
    assert "wrong-pin-0815" not in done.out + done.err
    careful = cli.run("token", "doctor")
    assert (careful.code, "few tries are left, so it was not asked for" in careful.out) == (4, True)
    cli.ok("token", "doctor", "--last-try")


def test_a_token_that_is_not_there_ends_the_doctor_with_4(cli: Cli) -> None:
    done = cli.run("token", "doctor", "--token", "pkcs11:token=nobody")
    assert (done.code, "no token matches pkcs11:token=nobody" in done.out) == (4, True)


def test_nobody_is_asked_about_a_key_on_a_token_or_a_module_that_is_not_there(cli: Cli) -> None:
    for words in (("--token", "pkcs11:token=nowhere"), ("--module", "/no/module.so")):
        terminal = cli.terminal_for("token", "doctor", *words)
        terminal.wait_for("problem")
        assert (terminal.end(), "[y/N]" in terminal.said) == (4, False)


def test_a_key_that_the_doctor_left_is_deleted_by_its_name(cli: Cli) -> None:
    cli.token.import_ed25519(bytes(range(32)), label="user:seedless-doctor-0815", id=b"\x07")
    done = cli.ok("token", "doctor", "--no-key")
    assert 'a throw-away key, "user:seedless-doctor-0815"' in done.out
    (key,) = cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"]
    cli.ok("key", "delete", key["public_key"], "--name", "seedless-doctor-0815")
    assert "a throw-away key" not in cli.ok("token", "doctor", "--no-key").out
