"""A user is named by its name alone, where one account has a user of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def two(cli: Cli) -> Cli:
    """Two accounts: ORDERS with the users app, web and batch, and PAYROLL with one that is called app too."""
    cli.ok("operator", "add", "ACME")
    for address in ("ORDERS", "PAYROLL"):
        cli.ok("account", "add", address)
        cli.ok("user", "add", "-a", address, "app")
    for name in ("web", "batch"):
        cli.ok("user", "add", "-a", "ORDERS", name)
    return cli


def test_a_user_of_one_account_is_meant_without_it_by_every_command(two: Cli) -> None:
    for command in (["show"], ["creds"], ["context", "--dry-run", "--url", "nats://h"]):
        alone = two.ok("user", *command, "web").out
        assert alone == two.ok("user", *command, "-a", "ORDERS", "web").out
    two.ok("user", "edit", "web", "--tag", "eu")
    assert two.ok("user", "show", "web", "--json").data["claims"]["nats"]["tags"] == ["eu"]
    two.ok("user", "rename", "web", "shop")
    assert two.ok("user", "renew", "shop", "--expiry", "30d", "--json").data["renewed"][0]["address"] == [
        "ORDERS", "shop"
    ]  # fmt: skip
    deleted = two.ok("user", "delete", "shop", "batch", "--json").data
    assert (deleted["account"], deleted["deleted"]) == ("ORDERS", ["shop", "batch"])
    assert two.ok("user", "list", "-a", "ORDERS", "--json").data["users"][0]["name"] == "app"


def test_a_public_key_means_its_user_although_others_have_its_name(two: Cli) -> None:
    key = two.ok("user", "show", "-a", "PAYROLL", "app", "--json").data["subject"]
    two.ok("user", "edit", key, "--tag", "paid")
    assert two.ok("user", "show", key, "--json").data["claims"]["nats"]["tags"] == ["paid"]
    assert two.ok("user", "delete", key, "--json").data["account"] == "PAYROLL"


def test_the_account_is_asked_for_where_several_have_such_a_user_and_where_none_has_all(two: Cli) -> None:
    several = 'error: "app" is a user of 2 accounts: ORDERS, PAYROLL\nhint: name one: --account ORDERS\n'
    nobody = 'error: there is no user "no" in operator ACME\nhint: seedless user list shows the users\n'
    for words in (["show"], ["creds"], ["context"], ["edit", "--tag", "x"], ["delete"], ["renew"]):
        for name, sentence in {"app": several, "no": nobody}.items():
            done = two.run("user", *words, name)
            assert (done.code, done.out, done.err) == (2, "", sentence)
    assert two.run("user", "rename", "app", "shop").err == several
    two.ok("user", "add", "-a", "PAYROLL", "clerk")
    done = two.run("user", "delete", "clerk", "web")
    assert (done.code, done.err) == (2, (
        'error: no account has all of these users: "clerk", "web"\n'
        "hint: name those of one account at a time: --account PAYROLL\n"
    ))  # fmt: skip
    # A variable of a script that is not set names no account, and must not mean any.
    done = two.run("user", "delete", "-a", "", "web")
    assert (done.code, done.out) == (2, "")


def test_the_role_of_the_account_that_is_found_goes_before_the_name_of_a_key(two: Cli) -> None:
    two.ok("key", "new", "--role", "account", "--name", "reader")
    scoped = two.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "reader", "--json").data
    two.ok("user", "add", "-a", "ORDERS", "scoped", "-K", "reader")
    two.ok("user", "edit", "scoped", "-K", "reader", "--tag", "x")
    assert two.ok("user", "show", "scoped", "--json").data["issuer"] in str(scoped)
