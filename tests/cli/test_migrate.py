"""`seedless migrate nsc`: the store of nsc is used as it is, and its seeds go onto a token."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from seedless import Workspace
from seedless.app.migration import NscMigration
from seedless.claims import Account, Operator, Scope, User
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

AT = 1_700_000_000
OPERATOR, SIGNING = (SoftwareKey(Role.OPERATOR, bytes([n]) * 32) for n in (1, 2))
ACCOUNT, SCOPED = (SoftwareKey(Role.ACCOUNT, bytes([n]) * 32) for n in (3, 4))
USER = SoftwareKey(Role.USER, bytes([5]) * 32)
MOVED = (OPERATOR, SIGNING, ACCOUNT, SCOPED)


def signed(claims: Claims[Any], key: SoftwareKey) -> Jwt[Any]:
    made = draft(claims, key.public_key, AT)
    return made.complete(key.sign(made.signing_input))


@pytest.fixture
def nsc(cli: Cli) -> Path:
    """The data folder of an nsc with one operator, one account with a scope, and one user."""
    root: Path = cli.home / ".local/share/nats/nsc"
    files = {
        "ACME.jwt": signed(
            Claims(
                sub=str(OPERATOR.public_key),
                name="ACME",
                body=replace(Operator.new(), signing_keys=(str(SIGNING.public_key),)),
            ),
            OPERATOR,
        ).text,
        "accounts/ORDERS/ORDERS.jwt": signed(
            Claims(
                sub=str(ACCOUNT.public_key),
                name="ORDERS",
                body=replace(Account.new(), signing_keys=(Scope(key=str(SCOPED.public_key), role="reader"),)),
            ),
            SIGNING,
        ).text,
        "accounts/ORDERS/users/app.jwt": signed(
            Claims(sub=str(USER.public_key), name="app", body=User.new()), ACCOUNT
        ).text,
        ".nsc": '{"managed":false,"name":"ACME","kind":"operator","version":"1"}',
    }
    for name, text in files.items():
        path = root / "stores/ACME" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for key in (*MOVED, USER):
        path = seed_file(root, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(key.reveal())
    home = cli.home / ".config/nats/nsc"
    home.mkdir(parents=True)
    (home / "nsc.json").write_text(json.dumps({"store_root": str(root / "stores"), "operator": "ACME"}))
    return root


def seed_file(root: Path, key: SoftwareKey) -> Path:
    text = str(key.public_key)
    return root / "keys/keys" / text[0] / text[1:3] / f"{text}.nk"


def everything(folder: Path) -> dict[str, str]:
    kept = (".seedless.lock", "keyring.json", "challenges.jsonl")  # of the keys on tokens, beside the jwts
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in kept
    }


def test_a_dry_run_lists_the_keys_and_writes_nothing(cli: Cli, nsc: Path) -> None:
    before = everything(nsc)
    data = cli.ok("migrate", "nsc", "--dry-run", "--json").data
    assert [(key["name"], key["holds"], key["on_token"]) for key in data["keys"]] == [
        ("ACME", "seed", False),
        ("ACME signing", "seed", False),
        ("ORDERS", "seed", False),
        ("ORDERS reader", "seed", False),
    ]
    assert data["store"] == str(nsc)
    assert everything(nsc) == before


def test_the_seeds_go_onto_the_token_and_the_store_is_signed_with_them(cli: Cli, nsc: Path) -> None:
    before = everything(nsc)
    data = cli.ok("migrate", "nsc", "--yes", "--json").data
    assert [key["on_token"] for key in data["keys"]] == [True] * 4
    assert everything(nsc) == before
    cli.env["SEEDLESS_STORE"] = str(nsc)
    cli.ok("user", "add", "-a", "ORDERS", "late", "-K", "reader")
    cli.ok("account", "add", "NEW")
    assert cli.ok("verify").code == 0


def test_replaced_seeds_are_in_the_backup_and_the_files_hold_public_keys(cli: Cli, nsc: Path) -> None:
    backup = cli.home / "safe"
    cli.ok("migrate", "nsc", "--yes", "--replace-seeds", "--backup", str(backup))
    for key in MOVED:
        assert seed_file(nsc, key).read_text() == str(key.public_key)
        copy = backup / seed_file(nsc, key).relative_to(nsc / "keys")
        assert copy.read_text() == key.reveal()
        assert copy.stat().st_mode & 0o777 == 0o600
    assert seed_file(nsc, USER).read_text() == USER.reveal()
    assert cli.ok("migrate", "nsc", "--yes", "--json").data["keys"][0]["holds"] == "public key"


def test_a_second_run_finishes_what_the_first_left(cli: Cli, nsc: Path) -> None:
    cli.ok("migrate", "nsc", "--yes")
    (nsc / "keyring.json").unlink()  # as if it had been ended between the token and the inventory
    data = cli.ok("migrate", "nsc", "--yes", "--json").data
    assert [key["on_token"] for key in data["keys"]] == [True] * 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["--replace-seeds", "--yes"], "seeds are replaced only after a backup", id="no backup"),
        pytest.param([], "not confirmed: run it on a terminal, or add --yes", id="nobody to ask"),
    ],
)
def test_a_run_that_cannot_be_right_changes_nothing(
    cli: Cli, nsc: Path, words: list[str], sentence: str
) -> None:
    before = everything(nsc)
    done = cli.run("migrate", "nsc", *words, asks=True)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert everything(nsc) == before


def test_nobody_is_asked_about_keys_for_a_token_that_is_not_there(cli: Cli, nsc: Path) -> None:
    before = everything(nsc)
    terminal = cli.terminal_for("migrate", "nsc", "--token", "OTHER")
    assert terminal.end() == 4
    assert "no token matches pkcs11:token=OTHER" in terminal.said
    assert "[y/N]" not in terminal.said
    assert everything(nsc) == before


def test_where_nsc_has_no_store_the_folder_to_name_is_reported(cli: Cli) -> None:
    done = cli.run("migrate", "nsc", "--data-dir", str(cli.home / "stores"))
    assert (done.code, done.out) == (2, "")
    assert "there is no store of nsc in " in done.err
    assert "--data-dir" in done.err


def test_a_backup_that_holds_something_else_replaces_nothing(cli: Cli, nsc: Path) -> None:
    backup = cli.home / "safe"
    copy = backup / seed_file(nsc, OPERATOR).relative_to(nsc / "keys")
    copy.parent.mkdir(parents=True)
    copy.write_text("something else")
    done = cli.run("migrate", "nsc", "--yes", "--replace-seeds", "--backup", str(backup))
    assert done.code == 1
    assert "holds something else" in done.err
    assert seed_file(nsc, ACCOUNT).read_text() == ACCOUNT.reveal()


def test_a_damaged_key_file_is_named(cli: Cli, nsc: Path) -> None:
    seed_file(nsc, OPERATOR).write_text(SIGNING.reveal())
    done = cli.run("migrate", "nsc", "--yes")
    assert done.code == 1
    assert f"{OPERATOR.public_key}.nk does not hold the key that it is named after" in done.err
    assert SIGNING.reveal() not in done.err


def test_a_program_migrates_with_its_streams_closed(
    cli: Cli, nsc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_PIN", cli.token.pin)
    monkeypatch.setenv("SEEDLESS_CONFIG", "")
    for name in ("stdin", "stdout"):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, name, closed)
    workspace = Workspace(module=cli.token.module, token=cli.token.label, pin_source="env:TOKEN_PIN")
    migration = NscMigration(
        workspace, config=cli.home / ".config/nats/nsc", data=nsc / "stores", keystore=nsc / "keys"
    )
    with migration.workspace.lock():
        missing = migration.missing()
        assert {key.public_key for key in missing} == {key.public_key for key in MOVED}
        entries = migration.import_keys(missing)
        assert [entry.made for entry in entries] == ["import"] * len(MOVED)
        assert migration.missing() == ()
        replacement = migration.replacement(cli.home / "backup")
        assert len(replacement.keys) == len(MOVED)
        replacement.run()
        assert migration.replacement(cli.home / "backup").is_empty
    assert seed_file(nsc, ACCOUNT).read_text() == str(ACCOUNT.public_key)
    assert migration.workspace.account("ORDERS").claims.sub == str(ACCOUNT.public_key)
