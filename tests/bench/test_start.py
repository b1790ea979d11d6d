"""What starting costs, by counting: times are for `make bench`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedless.claims import Operator
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {"asyncio", "msgspec", "nacl", "nats", "pkcs11", "seedless.claims", "seedless.jwt", "ssl"}
_PROGRAM = """
import sys
from seedless.cli.main import main
main(sys.argv[1:])
print("\\nmodules:", *sys.modules)
"""


def imported(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("modules:")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["no-such-command"]], ids=" ".join)
def test_a_start_without_a_command_imports_nothing_heavy(arguments: list[str]) -> None:
    assert imported(*arguments) & HEAVY == set()


def test_the_list_of_commands_needs_neither_digests_nor_compressions() -> None:
    assert imported("--help") & {"bz2", "hashlib", "lzma", "seedless.text", "shutil"} == set()


@pytest.mark.parametrize(
    "noun", ["account", "lint", "operator", "server", "show", "sign", "tree", "user", "verify"]
)
def test_the_help_of_a_command_loads_no_hardware_and_no_network_code(noun: str) -> None:
    assert imported(noun, "--help") & {"asyncio", "nats", "pkcs11", "ssl"} == set()


def test_the_search_for_heavy_modules_finds_those_of_a_real_command() -> None:
    assert {"msgspec", "seedless.jwt"} <= imported("show", "--help")


def test_a_jwt_is_shown_without_openssl_json_and_what_only_other_claims_need(tmp_path: Path) -> None:
    key = SoftwareKey(Role.OPERATOR, bytes(32))
    made = draft(Claims(sub=str(key.public_key), body=Operator.new(), name="ACME"), key.public_key, 1)
    file = tmp_path / "ACME.jwt"
    file.write_text(made.complete(key.sign(made.signing_input)).text, encoding="utf-8")
    loaded = imported("show", str(file))
    assert {"nacl", "seedless.jwt"} <= loaded
    slow = {"_hashlib", "json", "pathlib", "seedless.claims.url", "seedless.typed_json", "seedless.store"}
    assert loaded & (slow | HEAVY - {"msgspec", "nacl", "seedless.claims", "seedless.jwt"}) == set()
