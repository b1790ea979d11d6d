"""Less to type: a name is enough, a list is whole, and a table fits the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

KEY = SoftwareKey(Role.ACCOUNT, bytes(range(32)))


@pytest.fixture
def filled(cli: Cli) -> Cli:
    cli.ok("operator", "add", "ACME")
    for account, user in (("ORDERS", "app"), ("PAYROLL", "batch")):
        cli.ok("account", "add", account)
        cli.ok("user", "add", "-a", account, user)
    return cli


@pytest.mark.parametrize(
    ("name", "kind"), [("ACME", "operator"), ("ORDERS", "account"), ("PAYROLL/batch", "user")]
)
def test_a_jwt_of_the_store_is_shown_by_its_name_or_key(filled: Cli, name: str, kind: str) -> None:
    shown = filled.ok("show", name, "--json").data
    assert (shown["kind"], shown["name"]) == (kind, name.rpartition("/")[2])
    assert filled.ok("show", shown["subject"], "--json").data == shown


def test_a_file_wins_over_a_name(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(filled.home)
    filled.ok("account", "show", "PAYROLL", "--raw", "--output", "ORDERS")
    assert filled.ok("show", "ORDERS", "--json").data["name"] == "PAYROLL"


@pytest.mark.parametrize("name", ["NOBODY", "ORDERS/nobody", "../ORDERS", "a/b/c", "ORDERS.jwt"])
def test_a_name_that_nothing_has_is_a_mistake(filled: Cli, name: str) -> None:
    done = filled.run("show", name)
    assert done.code == 2
    assert done.err == (
        f'error: there is no file "{name}", and no jwt of this name in the store\n'
        "hint: seedless tree shows the names\n"
    )


def test_a_user_of_one_account_alone_is_shown_without_it(filled: Cli) -> None:
    assert filled.ok("show", "app", "--json").data["name"] == "app"
    filled.ok("user", "add", "-a", "PAYROLL", "app")
    done = filled.run("show", "app")
    assert (done.code, done.err) == (
        2,
        'error: "app" is a user of 2 accounts\nhint: name one of ORDERS/app, PAYROLL/app\n',
    )


def test_the_role_of_a_scope_is_meant_where_a_user_has_the_same_name(filled: Cli) -> None:
    """No user key signs, so that of a user called as the role is not taken for the issuer."""
    filled.ok("user", "add", "-a", "ORDERS", "clerk", "--on-token")
    done = filled.run("user", "add", "-a", "ORDERS", "ann", "--issuer", "clerk")
    assert done.code == 2
    assert done.err.startswith('error: "clerk" is not a')


def test_users_of_all_accounts_are_listed(filled: Cli) -> None:
    lines = filled.ok("user", "list").out.splitlines()
    assert lines[0].split() == ["ACCOUNT/USER", "PUBLIC", "KEY", "EXPIRES"]
    assert [line.split()[0] for line in lines[1:]] == ["ORDERS/app", "PAYROLL/batch"]
    assert [user["name"] for user in filled.ok("user", "list", "--json").data["users"]] == ["app", "batch"]


def test_a_list_of_keys_fits_eighty_columns(cli: Cli) -> None:
    name = "A-NAME-THAT-IS-LONGER-THAN-A-COLUMN"
    cli.ok("operator", "add", name)
    lines = cli.ok("key", "list").out.splitlines()
    assert lines[0].split() == ["ROLE", "NAME", "KEY", "STATE", "TOKEN"]
    assert max(map(len, lines)) <= 80
    assert "A-NAME-THAT-IS-LONG…" in lines[1]
    key = cli.ok("key", "list", "--json").data["keys"][0]["public_key"]
    assert f"{key[:15]}…" in lines[1]
    assert key in cli.ok("key", "list", "--long").out


def test_the_public_key_of_a_seed_is_printed_and_nothing_of_the_seed(cli: Cli) -> None:
    seed = KEY.reveal()
    done = cli.ok("key", "public", stdin=f"{seed}\n")
    assert (done.out, done.err) == (f"{KEY.public_key}\n", "")
    (cli.home / "orders.nk").write_text(seed)
    (cli.home / "orders.nk").chmod(0o600)
    both = cli.ok("key", "public", str(cli.home / "orders.nk"), "--fingerprint")
    assert both.out == f"{KEY.public_key}  A:KZDV-VJ2U-MNDU-YAUF\n"
    assert seed not in both.out + both.err


def test_what_is_no_seed_has_no_public_key(cli: Cli) -> None:
    done = cli.run("key", "public", stdin="ORDERS\n")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: stdin: ")


def test_a_folder_has_no_role_and_a_file_needs_a_name(cli: Cli) -> None:
    (cli.home / "seeds").mkdir()
    done = cli.run("key", "import", str(cli.home / "seeds"), "--name", "X")
    assert done.code == 2
    assert "is a folder, whose keys have the roles and names of their jwts" in done.err
    done = cli.run("key", "import", stdin=f"{KEY.reveal()}\n")
    assert (done.code, done.err) == (
        2, "error: a key on a token has the name of its owner\nhint: add --name\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"), [("take", "seedless key register"), ("import-folder", "seedless key import")]
)
def test_a_command_that_has_moved_names_the_new_one(cli: Cli, old: str, new: str) -> None:
    done = cli.run("key", old)
    assert (done.code, done.err) == (
        2, f'error: there is no command "{old}": did you mean {new}?\nhint: {new}\n'
    )  # fmt: skip


def test_a_token_is_named_by_its_label(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", SEEDLESS_TOKEN=cli.token.label)
    key = cli.ok("operator", "show", "--json").data["subject"]
    keys = cli.ok("key", "list", "--token", cli.token.label, "--json").data["keys"]
    assert [(row["public_key"], row["state"]) for row in keys] == [(key, "present")]


NO_TOKENS = {
    "an unknown label": ("nobody", "no token matches pkcs11:token=nobody"),
    "a label with a blank and a colon": ("Ada: 1", "no token matches pkcs11:token=Ada:%201"),
    "another scheme": ("pkcs12:token=ACME", "this is not a PKCS#11 URI"),
    "an unknown attribute": ("pkcs11:tokn=ACME", "tokn"),
}


@pytest.mark.parametrize("case", NO_TOKENS)
def test_a_token_that_is_not_there_is_named(cli: Cli, case: str) -> None:
    given, sentence = NO_TOKENS[case]
    done = cli.run("token", "show", "--token", given)
    assert done.code in {2, 4}
    assert sentence in done.err.splitlines()[0]
