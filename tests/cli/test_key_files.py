"""Keys in files: users' and curve keys, lists of all that jwts name, and folders of key files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Desk = Any  # the fixture in tests/conftest.py

STRANGER = SoftwareKey(Role.ACCOUNT, bytes(range(32)))


def test_a_software_key_of_a_user_goes_into_the_key_store_alone(desk: Desk) -> None:
    desk.found_system()
    made = desk.ok("key", "new", "--role", "user", "--software", "--json").data
    seed = SoftwareKey.parse((desk.store / made["path"]).read_text())
    assert str(seed.public_key) == made["public_key"]
    assert (desk.store / made["path"]).stat().st_mode & 0o777 == 0o600
    assert seed.reveal() not in desk.ok("key", "new", "--role", "curve", "--software").out


def test_the_key_of_an_account_is_never_made_in_a_file(desk: Desk) -> None:
    desk.found_system()
    done = desk.run("key", "new", "--role", "account", "--name", "X", "--software")
    assert (done.code, done.out) == (2, "")
    assert "the key of an account is made on a token" in done.err


def test_all_keys_that_jwts_name_are_listed_with_where_they_are(desk: Desk) -> None:
    desk.found_system()
    rows = desk.ok("key", "list", "--all", "--json").data["keys"]
    assert sorted((row["role"], row["name"], row["state"]) for row in rows) == [
        ("account", "ORDERS", "noted"),
        ("account", "SYS", "noted"),
        ("operator", "ACME", "noted"),
        ("user", "app", "in a file"),
        ("user", "sys", "in a file"),
    ]
    assert [row["name"] for row in desk.ok("key", "list", "--filter", "ord", "--json").data["keys"]] == [
        "ORDERS"
    ]
    users = desk.ok("key", "list", "--all", "--role", "user", "--json").data["keys"]
    assert [row["name"] for row in users] == ["app", "sys"]


def test_a_key_that_no_jwt_names_is_found(desk: Desk) -> None:
    desk.found_system()
    desk.ok("key", "new", "--role", "account", "--name", "LEFT")
    rows = desk.ok("key", "list", "--not-referenced", "--json").data["keys"]
    assert [row["name"] for row in rows] == ["LEFT"]


def test_exported_keys_are_those_of_users_and_none_that_is_on_a_token(desk: Desk) -> None:
    desk.found_system()
    folder = desk.home / "safe"
    words = ("key", "export", "--account", "ORDERS", "--dir", str(folder), "--include-jwts", "--json")
    assert desk.ok(*words, "--dry-run").data["keys"] == desk.ok(*words).data["keys"]
    user = desk.ok("user", "show", "-a", "ORDERS", "app", "--json").data
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{user['subject']}.jwt",
        f"{user['subject']}.nk",
    ]
    seed = SoftwareKey.parse((folder / f"{user['subject']}.nk").read_text())
    assert str(seed.public_key) == user["subject"]


def test_creds_with_the_seed_of_another_user_are_not_exported_as_those_of_this_one(desk: Desk) -> None:
    desk.found_system()
    desk.ok("user", "add", "-a", "ORDERS", "shop")
    app, shop = (desk.store / f"keys/creds/ACME/ORDERS/{name}.creds" for name in ("app", "shop"))
    key, other = (
        desk.ok("user", "show", "-a", "ORDERS", name, "--json").data["subject"] for name in ("app", "shop")
    )
    seed = SoftwareKey.parse(next(line for line in app.read_text().splitlines() if line.startswith("SU")))
    app.write_text(shop.read_text())
    path = desk.store / f"keys/keys/U/{key[1:3]}/{key}.nk"
    path.unlink()
    folder = desk.home / "safe"
    words = ("key", "export", "--account", "ORDERS", "--user", "app", "--dir", str(folder))
    done = desk.run(*words)
    assert done.code == 1
    assert f"holds the seed of user shop ({other}), and its user is {key}" in done.err
    assert not folder.exists()
    path.write_text(seed.reveal())
    desk.ok(*words)
    assert [one.name for one in folder.iterdir()] == [f"{key}.nk"]


def test_an_export_replaces_nothing_else_unless_forced(desk: Desk) -> None:
    desk.found_system()
    folder = desk.home / "safe"
    words = ("key", "export", "--account", "ORDERS", "--dir", str(folder))
    desk.ok(*words)
    (file,) = folder.iterdir()
    file.write_text("something else")
    assert desk.run(*words).code == 2
    assert file.read_text() == "something else"
    desk.ok(*words, "--force")
    assert file.read_text() != "something else"


def test_a_folder_of_key_files_is_sorted_onto_the_token_and_into_the_key_store(desk: Desk) -> None:
    operator = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))
    user = SoftwareKey(Role.USER, bytes(range(2, 34)))
    folder = desk.home / "old/deeper"
    folder.mkdir(parents=True)
    for key in (operator, user, STRANGER):
        (folder / f"{key.public_key}.nk").write_text(key.reveal())
    (desk.home / "seed.nk").write_text(operator.reveal())
    desk.ok("key", "import", "--role", "operator", "--name", "ACME", str(desk.home / "seed.nk"))
    desk.ok("operator", "add", "ACME", "-k", str(operator.public_key))
    rows = desk.ok("key", "import", str(desk.home / "old"), "-R", "--json").data["keys"]
    assert {row["public_key"]: row["to"] for row in rows} == {
        str(operator.public_key): "token",
        str(user.public_key): "file",
        str(STRANGER.public_key): "nowhere: no jwt names it",
    }
    assert (
        SoftwareKey.parse(next(desk.store.glob("keys/keys/U/*/*.nk")).read_text()).public_key
        == user.public_key
    )


def test_a_key_that_a_killed_import_left_on_the_token_is_taken_up_again(desk: Desk) -> None:
    operator = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))
    folder = desk.home / "old"
    folder.mkdir()
    (folder / f"{operator.public_key}.nk").write_text(operator.reveal())
    words = ("key", "import", "--role", "operator", "--name", "ACME", str(next(folder.iterdir())))
    desk.ok(*words)
    desk.ok("operator", "add", "ACME", "-k", str(operator.public_key))
    (desk.store / "keyring.json").unlink()
    desk.ok("key", "import", str(folder))
    assert str(operator.public_key) in desk.ok("key", "list", "--long").out
