"""The pages on ceremonies name every finding, every member of the files, and all that --json prints."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from seedless.ceremony import request, transcript
from seedless.ceremony.judgement import CODES
from seedless.ceremony.statements import KEY, RECEIPT, WITNESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py


def test_the_page_of_the_files_has_every_finding_about_a_request(root: Path) -> None:
    page = (root / "docs/reference/ceremony.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (R\d{3}) \| (.*) \|$", page, re.MULTILINE))
    assert rows == CODES


def test_the_page_of_the_files_names_every_member(root: Path) -> None:
    page = (root / "docs/reference/ceremony.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w-]+)`", page))
    structs = (request._RequestMembers, transcript._ResultMembers, *transcript._ENTRIES.values())
    members = {name for struct in structs for name in struct.__struct_fields__}
    assert len(members) > 20
    assert {*members, *transcript._ENTRIES, KEY, RECEIPT, WITNESS} - named == set()


def names_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            if name not in {"the_driver_says", "old", "new", "claims"}:
                yield from names_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from names_in(item)


def test_the_page_of_json_names_every_member_that_the_commands_print(cli: Cli, root: Path) -> None:
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")

    def run(command: str, *words: str) -> Any:  # noqa: ANN401 - JSON
        return cli.ok("ceremony", command, *words, "--json").data

    def path(name: str) -> str:
        return str(cli.home / name)

    witness = cli.ok("key", "new", "--role", "user", "--name", "ada", "--json").data["public_key"]
    made = ("keygen", "ACME", "--holder", "Ada", "-o", path("keys.json"), "--policy-out", path("policy.toml"))
    printed = {"keygen dry": run(*made, "--dry-run")}
    printed["keygen"] = run(*made, "--witness", witness, "--witnesses", "1")
    printed["keys"] = run("keys", path("keys.json"))
    cli.ok("operator", "add", "ACME", "--generate-signing-key", "--plan", path("first.plan"))
    printed["prepare"] = run("prepare", path("first.plan"), "--reason", "a", "-o", path("first.json"))
    printed["review"] = run("review", path("first.json"))
    consent = ("--expect", printed["prepare"]["request"], "--clock-checked")
    printed["witness"] = run("witness", path("first.json"), "--key", witness, *consent, "-o", path("ada"))
    signing = ("sign", path("first.json"), "--witness", path("ada"), *consent, "-o", path("result"))
    printed["sign dry"] = run(*signing, "--dry-run")
    printed["sign"] = run(*signing)
    printed["accept"] = run("accept", path("result"))
    operator = cli.ok("operator", "show", "--json").data["subject"]
    printed["check"] = run("check", path("first.json"), path("result"), "--operator-key", operator)
    page = (root / "docs/reference/json.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[`\"](\w+)[`\"]", page))
    missing = {name: set(names_in(data)) - named for name, data in printed.items()}
    assert {name: names for name, names in missing.items() if names} == {}
    assert json.loads((cli.home / "first.json").read_text())["reason"] == "a"
