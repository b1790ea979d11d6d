"""`account revoke`, `unrevoke` and `revocations`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from seedless.jwt import read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py
    Stored = Any

OWN_USER = str(SoftwareKey(Role.USER, bytes(range(32))).public_key)
OWN_ACCOUNT = str(SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key)
NOVEMBER = 1793491200  # 2026-11-01


@pytest.fixture
def orders(cli: Cli) -> Cli:
    """A home with the account ORDERS and its user app."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    cli.ok("user", "add", "-a", "ORDERS", "app")
    return cli


def revoked(cli: Cli) -> dict[str, int]:
    path = cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
    times: dict[str, int] = read(path.read_text()).claims.body.revocations
    return times


def app(cli: Cli) -> Stored:
    return read((cli.store / "stores/ACME/accounts/ORDERS/users/app.jwt").read_text())


def test_a_user_is_revoked_by_name_until_now(orders: Cli) -> None:
    done = orders.ok("account", "revoke", "-a", "ORDERS", "app")
    assert "servers let them in until they have this account: seedless push ORDERS\n" in done.err
    assert list(revoked(orders)) == [app(orders).claims.sub]
    assert app(orders).issued_at <= revoked(orders)[app(orders).claims.sub] <= int(time.time())


def test_users_are_revoked_by_key_and_all_at_once_until_a_date(orders: Cli) -> None:
    orders.ok("account", "revoke", "-a", "ORDERS", OWN_USER, "*", "--at", "2026-11-01")
    assert revoked(orders) == {"*": NOVEMBER, OWN_USER: NOVEMBER}


def test_a_revocation_that_reaches_further_stays(orders: Cli) -> None:
    orders.ok("account", "revoke", "-a", "ORDERS", OWN_USER, "--at", "2026-11-01")
    done = orders.ok(
        "account", "revoke", "-a", "ORDERS", OWN_USER, "--at", "2026-10-01", "--json", TOKEN_PIN=None
    )
    assert done.data == {"changed": False}
    assert revoked(orders) == {OWN_USER: NOVEMBER}


def test_a_user_that_is_signed_again_later_is_valid_again_and_the_review_shows_it(
    orders: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.ok("account", "revoke", "-a", "ORDERS", "app")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 10)
    done = orders.ok("sign", "--record", "-", stdin=app(orders).text)
    assert "warning: T006" in done.err
    assert app(orders).issued_at > revoked(orders)[app(orders).claims.sub]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["revoke", "nobody"], 'there is no user "nobody"', id="no such user"),
        pytest.param(["revoke", OWN_ACCOUNT], "is not the key of a user", id="the key of an account"),
        pytest.param(["revoke", "app", "--at", "2999-01-01"], "--at 2999-01-01 has not come yet", id="ahead"),
        pytest.param(["unrevoke", "app"], '"app" is not revoked by account "ORDERS"', id="not revoked"),
        pytest.param(["unrevoke", "*"], '"*" is not revoked', id="everyone is not revoked"),
    ],
)
def test_what_cannot_be_revoked_is_refused(orders: Cli, words: list[str], sentence: str) -> None:
    files = orders.files()
    done = orders.run("account", *words, "-a", "ORDERS", TOKEN_PIN=None)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert orders.files() == files


def test_a_revocation_is_taken_back(orders: Cli) -> None:
    orders.ok("account", "revoke", "-a", "ORDERS", "app", "*")
    done = orders.ok("account", "unrevoke", "-a", "ORDERS", "app", "--dry-run", "--json", TOKEN_PIN=None)
    (change,) = done.data["changes"]
    assert [one["effect"] for one in change["differences"]] == ["widens"]
    orders.ok("account", "unrevoke", "-a", "ORDERS", "app")
    assert list(revoked(orders)) == ["*"]


def test_revocations_are_listed_with_names(orders: Cli) -> None:
    orders.ok("account", "revoke", "-a", "ORDERS", "app", OWN_USER, "*", "--at", "2026-11-01")
    data = orders.ok("account", "revocations", "-a", "ORDERS", "--json").data
    assert data["account"] == "ORDERS"
    assert {one["user"]: (one["name"], one["until"]) for one in data["revocations"]} == {
        "*": ("everyone", NOVEMBER),
        app(orders).claims.sub: ("app", NOVEMBER),
        OWN_USER: (None, NOVEMBER),
    }
    lines = orders.ok("account", "revocations", "-a", "ORDERS").out.splitlines()
    assert lines[0].split() == ["USER", "PUBLIC", "KEY", "ISSUED", "UNTIL"]
    assert "2026-11-01 00:00:00 UTC" in lines[1]
