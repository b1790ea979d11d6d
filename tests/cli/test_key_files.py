"""Keys in files: users' and curve keys, lists of all that jwts name, and folders of key files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py

STRANGER = SoftwareKey(Role.ACCOUNT, bytes(range(32)))


def test_a_software_key_of_a_user_goes_into_the_key_store_alone(cli: Cli) -> None:
    cli.found_system()
    made = cli.ok("key", "new", "--role", "user", "--software", "--json").data
    seed = SoftwareKey.parse((cli.store / made["path"]).read_text())
    assert str(seed.public_key) == made["public_key"]
    assert (cli.store / made["path"]).stat().st_mode & 0o777 == 0o600
    assert seed.reveal() not in cli.ok("key", "new", "--role", "curve", "--software").out


def test_the_key_of_an_account_is_never_made_in_a_file(cli: Cli) -> None:
    cli.found_system()
    done = cli.run("key", "new", "--role", "account", "--name", "X", "--software")
    assert (done.code, done.out) == (2, "")
    assert "the key of an account is created on a token" in done.err


def test_all_keys_that_jwts_name_are_listed_with_where_they_are(cli: Cli) -> None:
    cli.found_system()
    rows = cli.ok("key", "list", "--all", "--json").data["keys"]
    assert sorted((row["role"], row["name"], row["state"]) for row in rows) == [
        ("account", "ORDERS", "registered"),
        ("account", "SYS", "registered"),
        ("operator", "ACME", "registered"),
        ("user", "app", "in a file"),
        ("user", "sys", "in a file"),
    ]
    assert [row["name"] for row in cli.ok("key", "list", "--filter", "ord", "--json").data["keys"]] == [
        "ORDERS"
    ]
    users = cli.ok("key", "list", "--all", "--role", "user", "--json").data["keys"]
    assert [row["name"] for row in users] == ["app", "sys"]


def test_a_key_that_no_jwt_names_is_found(cli: Cli) -> None:
    cli.found_system()
    cli.ok("key", "new", "--role", "account", "--name", "LEFT")
    rows = cli.ok("key", "list", "--not-referenced", "--json").data["keys"]
    assert [row["name"] for row in rows] == ["LEFT"]


def test_exported_keys_are_those_of_users_and_none_that_is_on_a_token(cli: Cli) -> None:
    cli.found_system()
    folder = cli.home / "safe"
    words = ("key", "export", "--account", "ORDERS", "--dir", str(folder), "--include-jwts", "--json")
    assert cli.ok(*words, "--dry-run").data["keys"] == cli.ok(*words).data["keys"]
    user = cli.ok("user", "show", "-a", "ORDERS", "app", "--json").data
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{user['subject']}.jwt",
        f"{user['subject']}.nk",
    ]
    seed = SoftwareKey.parse((folder / f"{user['subject']}.nk").read_text())
    assert str(seed.public_key) == user["subject"]


def test_creds_with_the_seed_of_another_user_are_not_exported_as_those_of_this_one(cli: Cli) -> None:
    cli.found_system()
    cli.ok("user", "add", "-a", "ORDERS", "shop")
    app, shop = (cli.store / f"keys/creds/ACME/ORDERS/{name}.creds" for name in ("app", "shop"))
    key, other = (
        cli.ok("user", "show", "-a", "ORDERS", name, "--json").data["subject"] for name in ("app", "shop")
    )
    seed = SoftwareKey.parse(next(line for line in app.read_text().splitlines() if line.startswith("SU")))
    app.write_text(shop.read_text())
    path = cli.store / f"keys/keys/U/{key[1:3]}/{key}.nk"
    path.unlink()
    folder = cli.home / "safe"
    words = ("key", "export", "--account", "ORDERS", "--user", "app", "--dir", str(folder))
    done = cli.run(*words)
    assert done.code == 1
    assert f"holds the seed of user shop ({other}), and its user is {key}" in done.err
    assert not folder.exists()
    path.write_text(seed.reveal())
    cli.ok(*words)
    assert [one.name for one in folder.iterdir()] == [f"{key}.nk"]


def test_an_export_replaces_nothing_else_unless_forced(cli: Cli) -> None:
    cli.found_system()
    folder = cli.home / "safe"
    words = ("key", "export", "--account", "ORDERS", "--dir", str(folder))
    cli.ok(*words)
    (file,) = folder.iterdir()
    file.write_text("something else")
    assert cli.run(*words).code == 2
    assert file.read_text() == "something else"
    cli.ok(*words, "--force")
    assert file.read_text() != "something else"


def test_a_folder_of_key_files_is_sorted_onto_the_token_and_into_the_key_store(cli: Cli) -> None:
    operator = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))
    user = SoftwareKey(Role.USER, bytes(range(2, 34)))
    folder = cli.home / "old/deeper"
    folder.mkdir(parents=True)
    for key in (operator, user, STRANGER):
        (folder / f"{key.public_key}.nk").write_text(key.reveal())
    (cli.home / "seed.nk").write_text(operator.reveal())
    cli.ok("key", "import", "--role", "operator", "--name", "ACME", str(cli.home / "seed.nk"))
    cli.ok("operator", "add", "ACME", "-k", str(operator.public_key))
    rows = cli.ok("key", "import", str(cli.home / "old"), "-R", "--json").data["keys"]
    assert {row["public_key"]: row["to"] for row in rows} == {
        str(operator.public_key): "token",
        str(user.public_key): "file",
        str(STRANGER.public_key): "nowhere: no jwt names it",
    }
    assert (
        SoftwareKey.parse(next(cli.store.glob("keys/keys/U/*/*.nk")).read_text()).public_key
        == user.public_key
    )


def test_a_second_token_gets_the_same_keys_and_what_is_skipped_is_reported(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM
) -> None:
    keys = [SoftwareKey(Role.OPERATOR, bytes(range(1, 33))), SoftwareKey(Role.ACCOUNT, bytes(range(2, 34)))]
    user = SoftwareKey(Role.USER, bytes(range(3, 35)))
    folder = cli.home / "old"
    folder.mkdir()
    for key in (*keys, user):
        (folder / f"{key.public_key}.nk").write_text(key.reveal())
    cli.ok("key", "import", "--role", "operator", "--name", "ACME", str(folder / f"{keys[0].public_key}.nk"))
    cli.ok("operator", "add", "ACME", "-k", str(keys[0].public_key))
    cli.ok("account", "add", "ORDERS", "-k", str(keys[1].public_key))
    rows = cli.ok("key", "import", str(folder), "--json").data["keys"]
    assert [row["skipped"] for row in rows if row["skipped"]] == [f"{where(cli.token)} has it"]
    second = softhsm.create(pin=cli.token.pin)
    rows = cli.ok("key", "import", str(folder), "--token", second.uri, "--json").data["keys"]
    assert [row["skipped"] for row in rows if row["skipped"]] == ["the key store has it"]
    placed = {row["public_key"]: len(row["spares"]) for row in cli.ok("key", "list", "--json").data["keys"]}
    assert placed == {str(key.public_key): 1 for key in keys}
    again = cli.ok("key", "import", str(folder), "--token", second.uri).out
    assert again.count(f"skipped: {where(second)} has it") == 2
    cli.ok("key", "delete", "--lost", "--token", second.uri, "--yes")
    cli.ok("key", "delete", "--lost", "--yes", TOKEN_PIN=None)  # the last places, so they stay, marked
    back = "it was reported as lost: seedless key register --all takes that back"
    again = cli.ok("key", "import", str(folder)).out
    assert again.count(f"skipped: {where(cli.token)} has it; {back}") == 2
    absent = cli.run("key", "import", str(folder), "--token", "pkcs11:token=NOBODY")
    assert (absent.code, "NOBODY" in absent.err) == (4, True)


def where(token: pytest_softhsm.Token) -> str:
    return f'token "{token.label}" (serial {token.serial})'


def test_a_key_that_a_killed_import_left_on_the_token_is_reused(cli: Cli) -> None:
    operator = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))
    folder = cli.home / "old"
    folder.mkdir()
    (folder / f"{operator.public_key}.nk").write_text(operator.reveal())
    words = ("key", "import", "--role", "operator", "--name", "ACME", str(next(folder.iterdir())))
    cli.ok(*words)
    cli.ok("operator", "add", "ACME", "-k", str(operator.public_key))
    (cli.store / "keyring.json").unlink()
    cli.ok("key", "import", str(folder))
    assert str(operator.public_key) in cli.ok("key", "list", "--long").out
