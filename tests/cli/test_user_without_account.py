"""A user is shown by its name alone, where one account has a user of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


def test_the_account_of_a_user_is_named_where_several_have_one_of_this_name(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    cli.ok("user", "add", "-a", "ORDERS", "app")
    assert cli.ok("user", "show", "app").out == cli.ok("user", "show", "-a", "ORDERS", "app").out
    assert cli.ok("user", "creds", "app").out == cli.ok("user", "creds", "-a", "ORDERS", "app").out
    assert (
        cli.ok("user", "context", "app", "--dry-run", "--json", "--url", "nats://h").data["context"]
        == "ACME-ORDERS-app"
    )
    done = cli.run("user", "show", "no")
    assert (done.code, done.err) == (
        2, 'error: there is no user "no" in operator ACME\nhint: seedless user list shows the users\n'
    )  # fmt: skip
    cli.ok("account", "add", "PAYROLL")
    cli.ok("user", "add", "-a", "PAYROLL", "app")
    for command in ("show", "creds", "context"):
        done = cli.run("user", command, "app")
        assert (done.code, done.err) == (
            2, 'error: "app" is a user of 2 accounts: ORDERS, PAYROLL\nhint: name one: --account ORDERS\n'
        )  # fmt: skip
