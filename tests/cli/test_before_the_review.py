"""What needs no PIN is looked at before the review: the module, the tokens, where the PIN comes from.

And where new keys go when no token is named: to the token of the key that signs for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import Any

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py

ADD = ("account", "add", "NEW")


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.ok("operator", "add", "ACME")
    return cli


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        pytest.param({"SEEDLESS_MODULE": "/nowhere.so"}, "/nowhere.so", id="module"),
        pytest.param({"SEEDLESS_TOKEN": "OTHER"}, "OTHER", id="token of the new key"),
        pytest.param(
            {"SEEDLESS_PIN_SOURCE": "env:NO_SUCH"}, "the environment variable NO_SUCH is not set", id="env"
        ),
        pytest.param(
            {"SEEDLESS_PIN_SOURCE": "env:ACME_PIN", "ACME_PIN": ""},
            "the environment variable ACME_PIN is empty\nhint: put the PIN into it",
            id="empty",
        ),
        pytest.param(
            {"SEEDLESS_PIN_SOURCE": "file:/no/such/file"}, "cannot read the PIN from /no/such/file", id="file"
        ),
        pytest.param({"SEEDLESS_PIN_SOURCE": "fd:99"}, "cannot read the PIN from descriptor 99", id="fd"),
    ],
)
def test_what_is_missing_is_reported_in_place_of_the_review(
    acme: Cli, env: dict[str, str], sentence: str
) -> None:
    done = acme.run(*ADD, **env)
    assert (done.code, sentence in done.err) == (4, True), done.err
    assert "account NEW" not in done.err
    shown = acme.ok(*ADD, "--dry-run", **env).err
    assert "account NEW" in shown


def test_findings_come_before_tokens(acme: Cli) -> None:
    done = acme.run(*ADD, "--expiry", "2001-01-01", SEEDLESS_MODULE="/nowhere.so")
    assert (done.code, "C001" in done.err) == (3, True)


def test_whoever_declines_has_caused_no_login(acme: Cli) -> None:
    """The PIN is not even read, so that nothing was logged in to with it."""
    marker = acme.home / "read"
    terminal = acme.terminal_for(*ADD, "--pin-source", f"cmd:touch {marker}")
    terminal.wait_for("[y/N]")
    terminal.type("n\n")
    assert terminal.end() == 3
    assert "account NEW" in terminal.said
    assert not marker.exists()


def test_a_new_key_goes_to_the_token_of_the_key_that_signs_for_it(
    acme: Cli, softhsm: pytest_softhsm.SoftHSM
) -> None:
    second = softhsm.create(pin=acme.token.pin)
    acme.ok("account", "add", "ORDERS", SEEDLESS_TOKEN=None)
    acme.ok("account", "add", "AUDIT", "--token", second.uri)
    acme.ok("user", "add", "-a", "AUDIT", "app", "--on-token", SEEDLESS_TOKEN=None)
    acme.ok("account", "signing-key", "add", "-a", "AUDIT", SEEDLESS_TOKEN=None)
    rows = acme.ok("key", "list", "--json").data["keys"]
    tokens = {row["name"]: "second" if second.serial in row["uri"] else "first" for row in rows}
    assert tokens == {
        "ACME": "first", "ORDERS": "first", "AUDIT": "second", "app": "second", "AUDIT signing": "first",
    }  # fmt: skip


def test_without_a_known_key_the_token_has_to_be_named(cli: Cli, softhsm: pytest_softhsm.SoftHSM) -> None:
    softhsm.create(pin=cli.token.pin)
    done = cli.run("operator", "add", "ACME", SEEDLESS_TOKEN=None)
    assert (done.code, "and none was named" in done.err) == (4, True), done.err
    assert "operator ACME" not in done.err
