"""The pages of YubiKey and YubiHSM up to the first ceremony, followed as far as no device is needed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py
    Misbehaving = Any

HOWTO = Path(__file__).parents[2] / "docs/howto"
YUBIKEY = ("set manufacturer Yubico (www.yubico.com)", "set model YubiKey YK5", "set firmware 5 74")
YUBIHSM = ("set manufacturer Yubico (www.yubico.com)", "set model YubiHSM", "set firmware 2 31")
FACTORY = """\
PIV version:              5.7.4
PIN tries remaining:      3/3
PUK tries remaining:      3/3
Management key algorithm: AES192
WARNING: Using default PIN!
WARNING: Using default PUK!
WARNING: Using default Management key!
CHUID: No data available
CCC:   No data available
"""
REPLACED = "".join(line for line in FACTORY.splitlines(keepends=True) if not line.startswith("WARNING"))
SHELL = "Version number:\t\t2.3.1\nSerial number:\t\t{}\nLog used:\t\t3/62\nSupported algorithms:\ted25519\n"


def problems(cli: Cli, text: str) -> tuple[list[str], dict[str, str]]:
    """Return the problems of the token after the output *text*, and what was found, by the name of each."""
    (cli.home / "info.txt").write_text(text)
    done = cli.run("token", "doctor", "--ceremony", "--from", str(cli.home / "info.txt"), "--json")
    rows = [row for row in done.data["rows"] if row["about"].startswith("token ")]
    return [row["what"] for row in rows if row["status"] == "problem"], {r["what"]: r["found"] for r in rows}


def test_the_secrets_of_a_reset_yubikey_are_problems_until_they_were_replaced(
    cli: Cli, misbehaving: Misbehaving
) -> None:
    cli.env["SEEDLESS_MODULE"] = str(misbehaving.made.module)
    misbehaving.wants(*YUBIKEY)
    found, rows = problems(cli, FACTORY)
    assert found == ["PIN of the factory", "PUK of the factory", "Management key of the factory"]
    assert rows["firmware"] == "5.7.4"
    assert problems(cli, REPLACED)[0] == []
    assert problems(cli, REPLACED.replace("5.7.4", "5.7.2"))[0] == ["output of a program"]


def test_the_output_of_yubihsm_shell_is_compared_with_the_device(cli: Cli, misbehaving: Misbehaving) -> None:
    cli.env["SEEDLESS_MODULE"] = str(misbehaving.made.module)
    misbehaving.wants(*YUBIHSM)
    found, rows = problems(cli, SHELL.format(cli.token.serial))
    assert (found, rows["log entries"]) == ([], "3/62, by yubihsm-shell -a get-device-info"), rows
    assert rows["known fault"].startswith("YSA-2024-03 (2024-09-03): ")
    assert problems(cli, SHELL.format("1234"))[0] == ["output of a program"]


@pytest.mark.parametrize(
    ("page", "first", "then"),
    [
        ("yubihsm.md", "yubihsm> session open 2", "yubihsm> delete 0 1 authentication-key"),
        ("yubihsm.md", "Log in with the replacement", "then** delete key 1"),
        ("yubikey.md", "Replace them, as above", "Use the replacements before anything depends on them"),
    ],
)
def test_the_pages_log_in_with_a_replacement_before_the_default_goes(
    page: str, first: str, then: str
) -> None:
    text = (HOWTO / page).read_text()
    assert 0 < text.index(first) < text.index(then)


def test_the_secrets_of_the_pages_state_their_entropy_and_have_it() -> None:
    text = " ".join((HOWTO / "yubihsm.md").read_text().split())
    command = "openssl rand -base64 24"
    assert f"`{command}` has 192, 12 characters of 94 kinds only 79" in text
    made = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout.strip()
    assert len(made) * 6 == 192
    assert 8 <= len(made) <= 64  # what a PIN of a YubiHSM takes as a password
    assert "has 192 random bits (AES-192)" in (HOWTO / "yubikey.md").read_text()


def log_of(counts: dict[str, int]) -> str:
    """Return a log as `yubihsm-shell -a get-logs` prints it, with *counts* signatures of each object id."""
    line = (
        "item: {:5} -- cmd: 0x{} -- length: {:4} -- session key: 0x0002 -- target key: 0x{} -- "
        "second key: 0xffff -- result: 0x{} -- tick: 697 -- hash: 2e395d1b706668737e1d2215813db47e"
    )
    entries = [
        ("00", 0, "0000", "00"),
        ("03", 10, "0002", "83"),
        ("6a", 66, "0003", "ff"),
    ]  # the last one failed
    entries += [("6a", 66, key, "ea") for key, count in counts.items() for _ in range(count)]
    lines = [line.format(number, *entry) for number, entry in enumerate(entries, 1)]
    return "\n".join(["0 unlogged boots found", f"Found {len(lines)} items", *lines, ""])


def test_the_log_of_a_device_has_as_many_signatures_as_transcripts_and_journal(
    cli: Cli, misbehaving: Misbehaving
) -> None:
    """The page's count, over a log with as many entries as the driver was asked for signatures."""
    cli.env["SEEDLESS_MODULE"] = str(misbehaving.made.module)
    (cli.home / "keys.toml").write_text(
        'format = "seedless key specification 1"\noperator = "ACME"\n'
        '[[keys]]\nrole = "operator"\nname = "ACME"\nholder = "Ada"\n'
        '[[keys]]\nrole = "account"\nname = "SYS"\nholder = "Ada"\n'
    )
    request, result = str(cli.home / "request.json"), str(cli.home / "result.json")
    prepared = cli.ok(
        "ceremony", "prepare", str(cli.home / "keys.toml"), "--reason", "x", "-o", request, "--json"
    )
    misbehaving.forget()
    cli.ok(
        "ceremony", "keygen", "--request", request, "--expect", prepared.data["request"], "--clock-checked",
        "-o", result,
    )  # fmt: skip
    cli.ok("key", "audit")
    asked = misbehaving.calls("C_Sign")
    operator = cli.ok("ceremony", "keys", result, "--json").data["keys"][0]["public_key"]
    checked = cli.ok("ceremony", "check", request, result, "--operator-key", operator, "--json").data
    journal = cli.ok("key", "challenges", "--json").data["keys"]
    names = {key["public_key"]: key["name"] for key in checked["keys"]}
    signed = {names[key]: count for key, count in checked["signatures"].items()}
    accounted = {one["name"]: signed[one["name"]] + one["count"] - one["in_transcripts"] for one in journal}
    assert (accounted, sum(accounted.values())) == ({"ACME": 4, "SYS": 4}, asked)

    ids = dict(zip(("0003", "0004"), accounted, strict=True))
    (cli.home / "log.txt").write_text(log_of({key: accounted[name] for key, name in ids.items()}))
    (command,) = re.findall(r"^grep -c .*log\.txt$", (HOWTO / "yubihsm.md").read_text(), re.MULTILINE)
    for key, name in ids.items():
        counted = subprocess.run(
            ["sh", "-c", command.replace("0x0003", f"0x{key}")],
            cwd=cli.home, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert int(counted.stdout) == accounted[name]
