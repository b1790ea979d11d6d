"""A second operator on a token is not created by a store that was forgotten without a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py


def test_an_operator_of_another_store_on_the_token_is_a_warning_before_the_review(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM
) -> None:
    assert "warning" not in cli.ok("operator", "add", "ACME").err
    assert "warning: the token has the key" not in cli.ok("operator", "add", "CORP").err
    other = str(cli.home / "other")
    for more in (("--dry-run",), ()):
        done = cli.ok("operator", "add", "NEW", *more, SEEDLESS_STORE=other)
        warnings = [line for line in done.err.splitlines() if line.startswith("warning: the token has")]
        assert warnings == [
            (
                "warning: the token has a key of an operator (ACME, CORP) that the inventory of this store, "
                f"{other}, does not have; for another store: set SEEDLESS_STORE; for the key in this one: "
                "seedless key register --all"
            )
        ]
        assert done.err.index("warning") < done.err.index("operator NEW")
    spare = softhsm.create(pin=cli.token.pin)
    words = ("operator", "add", "NEXT", "--spare-token", cli.token.uri, "--dry-run", "--token", spare.uri)
    done = cli.ok(*words, SEEDLESS_STORE=other)
    assert done.err.count("has a key of an operator") == 1
    assert "warning: the spare token has a key of an operator (ACME, CORP) that the inventory of" in done.err
    cli.ok("key", "register", "--all", SEEDLESS_STORE=other)
    assert "the token has the key" not in cli.ok("operator", "add", "LAST", SEEDLESS_STORE=other).err


def test_a_token_that_is_not_connected_is_no_obstacle_to_a_dry_run(cli: Cli) -> None:
    done = cli.ok("operator", "add", "ACME", "--dry-run", SEEDLESS_TOKEN="NONE")
    assert "operator ACME" in done.err
