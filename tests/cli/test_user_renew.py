"""`seedless user renew`: users that expire last longer, and keep their keys and permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds
from seedless.jwt import read

if TYPE_CHECKING:
    from seedless.jwt import Jwt

    Cli = Any  # the fixture in tests/conftest.py

DAY = 86400


@pytest.fixture
def system(cli: Cli) -> Cli:
    """ORDERS with users for 10 and 100 days and one for ever; BILLING with one for 20 days."""
    cli.ok("operator", "add", "ACME")
    for account, name, *words in (
        ("ORDERS", "short", "--expiry", "10d", "--allow-pub", "orders.>"),
        ("ORDERS", "long", "--expiry", "100d"),
        ("ORDERS", "ever"),
        ("BILLING", "bill", "--expiry", "20d"),
    ):
        if not (cli.store / f"stores/ACME/accounts/{account}").exists():
            cli.ok("account", "add", account)
        cli.ok("user", "add", "-a", account, name, *words)
    return cli


def user(cli: Cli, account: str, name: str) -> Jwt[Any]:
    return read(cli.ok("user", "show", "-a", account, name, "--json").data["jwt"])


def renewed(done: Any) -> list[str]:  # noqa: ANN401 - what a command returns
    return sorted("/".join(one["address"]) for one in done.data["renewed"])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param(["--within", "5d"], [], id="nobody"),
        pytest.param(["--within", "15d"], ["ORDERS/short"], id="one"),
        pytest.param(["--within", "30d"], ["BILLING/bill", "ORDERS/short"], id="of all accounts"),
        pytest.param(["-a", "ORDERS", "--within", "30d"], ["ORDERS/short"], id="of one account"),
        pytest.param(["-a", "ORDERS", "long", "--within", "30d"], [], id="named but not near"),
        pytest.param(["-a", "ORDERS", "long"], ["ORDERS/long"], id="named"),
    ],
)
def test_those_are_renewed_that_are_named_or_expire_soon(
    system: Cli, words: list[str], names: list[str]
) -> None:
    assert renewed(system.ok("user", "renew", *words, "--json")) == names


def test_the_end_moves_by_the_same_length_and_all_else_stays(system: Cli) -> None:
    before = user(system, "ORDERS", "short")
    system.ok("user", "renew", "-a", "ORDERS", "short")
    after = user(system, "ORDERS", "short")
    assert after.issued_at > before.issued_at
    assert abs((after.claims.exp - after.issued_at) - 10 * DAY) <= 2
    assert (after.claims.sub, after.claims.body, after.issuer) == (
        before.claims.sub,
        before.claims.body,
        before.issuer,
    )


def test_the_creds_get_the_new_jwt(system: Cli) -> None:
    system.ok("user", "renew", "--within", "30d")
    for account, name in (("ORDERS", "short"), ("BILLING", "bill")):
        creds = parse_creds((system.store / f"keys/creds/ACME/{account}/{name}.creds").read_text())
        assert creds.jwt.text == user(system, account, name).text


def test_expiry_sets_another_end_even_for_a_jwt_without_one(system: Cli) -> None:
    system.ok("user", "renew", "-a", "ORDERS", "short", "ever", "--expiry", "2091-01-01")
    assert [user(system, "ORDERS", name).claims.exp for name in ("short", "ever")] == [3818448000] * 2


def test_who_has_expired_is_renewed_too(system: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    now = user(system, "ORDERS", "short").claims.exp + 1
    monkeypatch.setattr("seedless.app.workspace.time.time", lambda: float(now))
    assert renewed(system.ok("user", "renew", "-a", "ORDERS", "--within", "1d", "--json")) == ["ORDERS/short"]
    assert user(system, "ORDERS", "short").claims.exp == now + 10 * DAY


def test_a_user_that_never_expires_is_skipped(system: Cli) -> None:
    done = system.ok("user", "renew", "-a", "ORDERS", "ever")
    assert done.out == "no user is to be renewed\n"
    assert done.err == "user ORDERS/ever is skipped: it never expires\n"


def test_who_is_revoked_is_not_let_in_again(system: Cli) -> None:
    system.ok("account", "revoke", "-a", "ORDERS", "short")
    done = system.ok("user", "renew", "--within", "30d", "--json")
    assert renewed(done) == ["BILLING/bill"]
    assert done.data["passed"] == [{"address": ["ORDERS", "short"], "why": "it is revoked"}]


def test_a_damaged_user_is_skipped_and_the_rest_is_renewed(system: Cli) -> None:
    (system.store / "stores/ACME/accounts/ORDERS/users/long.jwt").write_text("eyJ")
    done = system.run("user", "renew", "--within", "30d", "--json")
    assert done.code == 3
    assert renewed(done) == ["BILLING/bill", "ORDERS/short"]
    assert [one["address"] for one in done.data["passed"]] == [["ORDERS", "long"]]


def test_a_damaged_account_is_skipped_with_its_users(system: Cli) -> None:
    (system.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").write_text("eyJ")
    done = system.run("user", "renew", "--within", "30d")
    assert done.code == 3
    assert done.out.startswith("user BILLING/bill: until ")
    assert "account ORDERS is skipped: " in done.err


def test_a_user_whose_scope_is_gone_is_skipped_and_the_rest_is_renewed(system: Cli) -> None:
    words = ("account", "signing-key")
    system.ok(*words, "add", "-a", "ORDERS", "--role", "sensor", "--allow-pub", "sensors.>")
    system.ok("user", "add", "-a", "ORDERS", "probe", "--issuer", "sensor", "--expiry", "5d")
    key = str(user(system, "ORDERS", "probe").issuer)
    system.ok("account", "edit", "ORDERS", "--rm-sk", key, "--force")
    done = system.run("user", "renew", "--within", "30d", "--json")
    assert done.code == 3
    assert renewed(done) == ["BILLING/bill", "ORDERS/short"]
    (passed,) = done.data["passed"]
    assert passed["why"].startswith(
        'user "probe" would have no permissions and limits: a scope gave them, and '
    )


def test_a_user_named_twice_is_renewed_once(system: Cli) -> None:
    done = system.ok("user", "renew", "-a", "ORDERS", "short", "short", "--json")
    assert renewed(done) == ["ORDERS/short"]


def test_all_are_shown_in_one_review_and_a_dry_run_signs_nothing(system: Cli) -> None:
    before = system.files()
    dry = system.ok("user", "renew", "--within", "30d", "--dry-run", "--json").data
    assert [one["address"] for one in dry["changes"]] == [["BILLING", "bill"], ["ORDERS", "short"]]
    plan = system.home / "renew.plan"
    assert system.ok("user", "renew", "--within", "30d", "--plan", str(plan), "--json").data["changes"] == 2
    assert system.files() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param([], "no users to renew are named", id="nothing said"),
        pytest.param(["no"], 'there is no user "no" in operator ACME', id="in no account"),
        pytest.param(
            ["-a", "ORDERS", "nobody"], 'there is no user "nobody" in account "ORDERS"', id="unknown"
        ),
    ],
)
def test_what_is_not_reported_is_asked_for(system: Cli, words: list[str], sentence: str) -> None:
    done = system.run("user", "renew", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {sentence}\n")
