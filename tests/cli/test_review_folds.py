"""A review does not repeat what every new jwt of a kind has; whatever differs from that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from seedless.change import Change
from seedless.claims import Export
from seedless.cli import review
from seedless.diff import AccountClaims
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.plan import system_account
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


def lines_of(cli: Cli, *words: str) -> list[str]:
    """Return the lines of a review but for keys and times."""
    shown = cli.ok(*words, "--dry-run").err.splitlines()
    hidden = ("  subject:", "  issuer:", "  issued:", "  name:", "  expires:")
    return [line for line in shown if not line.startswith(hidden)]


def new(body: Any) -> Change:  # noqa: ANN401 - the body of an account
    """Return the change of a new account with *body*."""
    issuer, key = SoftwareKey(Role.OPERATOR, bytes(32)), SoftwareKey(Role.ACCOUNT, bytes(range(32)))
    claims = Claims(sub=str(key.public_key), name="SYS", body=body)
    return Change(draft(claims, issuer.public_key, 1_700_000_000), reason="new", address=("SYS",))


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.ok("operator", "add", "ACME", "--sys")
    return cli


def test_the_exports_of_a_system_account_are_one_line(cli: Cli) -> None:
    assert lines_of(cli, "operator", "add", "ACME", "--sys")[2:4] == [
        "account SYS (new: system account)",
        "  defaults: export, wildcard exports, unlimited, JetStream (-v shows them)",
    ]


def test_verbose_shows_every_line(acme: Cli) -> None:
    assert lines_of(acme, "account", "add", "ORDERS", "-v") == [
        "account ORDERS (new: new account)",
        "  wildcard exports: allowed",
        "  unlimited: conn, leaf, subs, data, payload, imports, exports",
        "  JetStream: off",
    ]


def test_a_limit_is_shown_and_what_is_left_without_one(acme: Cli) -> None:
    assert lines_of(acme, "account", "add", "ORDERS", "--conns", "5") == [
        "account ORDERS (new: new account)",
        "  limits: conn 5",
        "  unlimited: leaf, subs, data, payload, imports, exports",
        "  defaults: wildcard exports, JetStream (-v shows them)",
    ]


def test_what_a_new_user_may_publish_and_subscribe_is_always_shown(acme: Cli) -> None:
    assert lines_of(acme, "user", "add", "-a", "SYS", "app") == [
        "user app (new: new user)",
        "  permissions: publish and subscribe to everything, or the account's defaults",
        "  defaults: unlimited (-v shows them)",
    ]


def test_an_account_with_one_export_more_than_a_system_account_shows_all_of_them() -> None:
    system = system_account()
    more = replace(system, exports=(*system.exports, Export(subject="$SYS.>", type="stream")))
    shown = [review.lines(new(body), AccountClaims(), {}, folds=True) for body in (system, more)]
    assert [sum(row.startswith("export: ") for row in rows) for rows in shown] == [0, 3]


def test_an_edit_and_json_fold_nothing(acme: Cli) -> None:
    acme.ok("account", "add", "ORDERS", "--conns", "5")
    edited = lines_of(acme, "account", "edit", "ORDERS", "--conns", "-1")
    assert "defaults:" not in "\n".join(edited)
    data = acme.ok("account", "add", "NEXT", "--dry-run", "--json").data
    labels = [one["label"] for one in data["changes"][0]["differences"]]
    assert {"wildcard exports", "unlimited", "JetStream"} <= set(labels)
