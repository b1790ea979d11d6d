"""`seedless expirations`: what a monitor asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """ORDERS for 100 days, its user app for 10 days, its user ever for ever."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS", "--expiry", "100d")
    cli.ok("user", "add", "-a", "ORDERS", "app", "--expiry", "10d")
    cli.ok("user", "add", "-a", "ORDERS", "ever")
    return cli


def states(cli: Cli, *words: str) -> tuple[int, list[tuple[str, str]]]:
    done = cli.run("expirations", "--json", *words)
    return done.code, [
        ("/".join(one["address"]) or "operator", one["state"]) for one in done.data["expirations"]
    ]


@pytest.mark.parametrize(
    ("words", "code", "listed"),
    [
        pytest.param(
            [],
            0,
            [("ORDERS/app", "later"), ("ORDERS", "later"), ("operator", "never"), ("ORDERS/ever", "never")],
            id="all",
        ),
        pytest.param(["--skip"], 0, [("ORDERS/app", "later"), ("ORDERS", "later")], id="skip"),
        pytest.param(["--within", "9d"], 0, [], id="nothing within"),
        pytest.param(["--within", "11d"], 3, [("ORDERS/app", "soon")], id="one within"),
        pytest.param(["--within", "1y"], 3, [("ORDERS/app", "soon"), ("ORDERS", "soon")], id="two within"),
    ],
)
def test_the_first_to_expire_comes_first_and_the_code_reports_whether_it_is_near(
    system: Cli, words: list[str], code: int, listed: list[tuple[str, str]]
) -> None:
    assert states(system, *words) == (code, listed)


def test_what_has_expired_counts_whatever_the_span(system: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    now = system.ok("user", "show", "-a", "ORDERS", "app", "--json").data["expires"] + 1
    monkeypatch.setattr("seedless.app.workspace.time.time", lambda: float(now))
    assert states(system, "--within", "1d") == (3, [("ORDERS/app", "expired")])
    assert states(system)[0] == 3


def test_the_activation_of_an_import_expires_too(system: Cli) -> None:
    system.ok("account", "add", "BILLING")
    system.ok("account", "export", "add", "-a", "ORDERS", "-s", "orders.>", "--private")
    leave = system.ok(
        "activation", "new", "-a", "ORDERS", "-s", "orders.>", "-t", "BILLING", "--expiry", "5d"
    ).out.strip()
    system.ok("account", "import", "add", "-a", "BILLING", "--activation", leave)
    done = system.run("expirations", "--within", "7d")
    assert done.code == 3
    assert done.out.splitlines()[1].startswith("activation  BILLING import orders.>  ")


def test_a_damaged_file_is_reported_and_the_rest_is_listed(system: Cli) -> None:
    (system.store / "stores/ACME/accounts/ORDERS/users/ever.jwt").write_text("eyJ")
    done = system.run("expirations", "--skip", "--json")
    assert done.code == 3
    assert [one["address"] for one in done.data["damaged"]] == [["ORDERS", "ever"]]
    assert len(done.data["expirations"]) == 2


def test_a_search_without_matches_is_reported_in_words(system: Cli) -> None:
    assert system.ok("expirations", "--within", "1d").out == "nothing expires\n"
