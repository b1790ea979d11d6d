"""A key is named by what it is called, wherever a command takes one; a name of several ends in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seedless import Workspace
from seedless.app.key_names import keys_named

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    cli.ok("account", "add", "ORDERS")
    return cli


def keys_of(cli: Cli) -> dict[str, str]:
    """Return the keys of the inventory by role and name, as in `operator ACME`."""
    keys = cli.ok("key", "list", "--json").data["keys"]
    return {f"{key['role']} {key['name']}": key["public_key"] for key in keys}


def test_a_key_is_shown_attested_and_deleted_by_its_name(acme: Cli) -> None:
    acme.ok("key", "new", "--role", "operator", "--name", "ACME spare")
    keys = keys_of(acme)
    shown = acme.ok("key", "show", "ACME spare", "--json").data
    assert shown["public_key"] == keys["operator ACME spare"]
    (acme.store / "stores/ACME/ACME.jwt").rename(acme.home / "gone.jwt")
    assert acme.ok("key", "show", "ACME spare", "--json").data == shown
    (acme.home / "gone.jwt").rename(acme.store / "stores/ACME/ACME.jwt")
    acme.ok("key", "delete", "ACME spare")
    assert "operator ACME spare" not in keys_of(acme)


def test_an_account_is_signed_with_the_key_of_this_name(acme: Cli) -> None:
    acme.ok("operator", "signing-key", "add")
    keys = keys_of(acme)
    for account, name in {"A": "ACME signing", "B": "operator ACME signing 2"}.items():
        acme.ok("account", "add", account, "--issuer", name)
        issuer = acme.ok("account", "show", account, "--json").data["issuer"]
        assert issuer == keys[f"operator {name.removeprefix('operator ')}"]


def test_a_signing_key_is_added_and_removed_by_its_name(acme: Cli) -> None:
    acme.ok("key", "new", "--role", "account", "--name", "ORDERS spare")
    spare = keys_of(acme)["account ORDERS spare"]
    acme.ok("account", "edit", "ORDERS", "--sk", "ORDERS spare")
    [listed] = acme.ok("account", "signing-key", "list", "-a", "ORDERS", "--json").data["signing_keys"]
    assert listed["key"] == spare
    acme.ok("account", "signing-key", "remove", "-a", "ORDERS", "ORDERS spare")
    assert acme.ok("account", "signing-key", "list", "-a", "ORDERS", "--json").data["signing_keys"] == []


def test_the_role_of_a_scope_goes_before_the_name_of_a_key(acme: Cli) -> None:
    acme.ok("key", "new", "--role", "account", "--name", "reader")
    acme.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "reader", "--allow-sub", "a.>")
    acme.ok("user", "add", "-a", "ORDERS", "app", "-K", "reader")
    issuer = acme.ok("user", "show", "-a", "ORDERS", "app", "--json").data["issuer"]
    assert issuer == keys_of(acme)["account ORDERS reader"]


def test_the_word_for_a_new_key_is_never_the_name_of_one(acme: Cli) -> None:
    acme.ok("account", "add", "generate")
    acme.ok("account", "edit", "ORDERS", "--sk", "generate")
    [listed] = acme.ok("account", "signing-key", "list", "-a", "ORDERS", "--json").data["signing_keys"]
    keys = keys_of(acme)
    assert listed["key"] == keys["account ORDERS signing"] != keys["account generate"]


def test_an_account_whose_name_begins_with_a_role_is_found_in_a_store_without_an_inventory(acme: Cli) -> None:
    acme.ok("account", "add", "account X")
    key = keys_of(acme)["account account X"]
    (acme.store / "keyring.json").unlink()
    workspace = Workspace(acme.store)
    for name in ("account X", "account account X"):
        assert [str(known) for known in keys_named(workspace, name)] == [key]


def test_a_name_of_several_keys_ends_in_a_sentence_with_the_candidates(acme: Cli) -> None:
    acme.ok("account", "add", "ACME")
    keys = keys_of(acme)
    done = acme.run("key", "show", "ACME")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f'error: "ACME" is the name of 2 keys: operator ({keys["operator ACME"]}), '
        f"account ({keys['account ACME']})\n"
        'hint: name its role too, as in "operator ACME"\n'
    )
    assert acme.ok("key", "show", "account ACME", "--json").data["public_key"] == keys["account ACME"]
    acme.ok("account", "edit", "ORDERS", "--conns", "3", "-K", "operator ACME signing")


def test_two_keys_of_one_name_and_role_are_told_apart_by_the_key_alone(cli: Cli) -> None:
    cli.ok("key", "new", "--role", "account", "--name", "X")
    cli.ok("key", "new", "--role", "account", "--name", "X")
    done = cli.run("key", "show", "X")
    assert (done.code, done.err.splitlines()[-1]) == (2, "hint: give the key itself")


def test_a_name_of_no_key_ends_in_a_sentence(acme: Cli) -> None:
    sentences = {
        ("key", "show", "NO"): 'there is no key called "NO"',
        ("rotate", "account-key", "ORDERS", "--new-key", "ACME", "--without-servers"): (
            'there is no key of an account called "ACME"'
        ),
        ("key", "show", "O" * 56): "the checksum of the key is wrong",
        ("account", "edit", "ORDERS", "-K", "NO"): '"NO" is not a key or role of operator ACME',
        # Its name goes to another key while it is replaced, and the same command again must mean the same.
        ("rotate", "account-key", "ORDERS", "--emergency", "--key", "ORDERS", "--without-servers"): (
            '"ORDERS" is a name, and names pass to the replacement key'
        ),
    }
    for words, sentence in sentences.items():
        done = acme.run(*words)
        assert (done.code, done.out, sentence in done.err) == (2, "", True), done.err


def test_a_rotation_by_name_goes_on_with_the_same_key_although_the_name_goes_to_the_new_one(
    acme: Cli,
) -> None:
    acme.ok("account", "edit", "ORDERS", "--sk", "generate")
    previous = keys_of(acme)["account ORDERS signing"]
    rotate = ("rotate", "account-key", "ORDERS", "--key", "ORDERS signing", "--without-servers")
    acme.ok(*rotate)
    replacement = keys_of(acme)["account ORDERS signing"]
    assert replacement != previous
    acme.ok(*rotate)
    acme.ok(*rotate, "--finish")
    [listed] = acme.ok("account", "signing-key", "list", "-a", "ORDERS", "--json").data["signing_keys"]
    assert listed["key"] == replacement
