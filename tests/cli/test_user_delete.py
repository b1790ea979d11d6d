"""`seedless user delete`: out of the store, and revoked where the creds would still be good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.jwt import read
from seedless.trust import is_revoked

if TYPE_CHECKING:
    from seedless.jwt import Jwt

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """ORDERS with the users app and shop."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    cli.ok("user", "add", "-a", "ORDERS", "app", "--expiry", "10d")
    cli.ok("user", "add", "-a", "ORDERS", "shop")
    return cli


def delete(cli: Cli, *words: str) -> Any:  # noqa: ANN401 - what a command returns
    return cli.ok("user", "delete", "-a", "ORDERS", *words)


def account(cli: Cli) -> Jwt[Any]:
    return read(cli.ok("account", "show", "ORDERS", "--json").data["jwt"])


def user(cli: Cli, name: str) -> Jwt[Any]:
    return read(cli.ok("user", "show", "-a", "ORDERS", name, "--json").data["jwt"])


def users(cli: Cli) -> list[str]:
    return [one["name"] for one in cli.ok("user", "list", "-a", "ORDERS", "--json").data["users"]]


def test_a_user_whose_jwt_still_holds_is_revoked(system: Cli) -> None:
    gone = user(system, "app")
    done = delete(system, "app")
    assert done.out == "user app: deleted and revoked\n"
    assert users(system) == ["shop"]
    assert is_revoked(account(system), gone)
    assert not is_revoked(account(system), user(system, "shop"))
    assert "narrows  revocation: added " in done.err
    assert "user app (removed: deleted)\n" in done.err


def test_a_user_that_was_signed_again_a_moment_ago_is_revoked_all_the_same(system: Cli) -> None:
    for number in range(4):
        system.ok("user", "edit", "-a", "ORDERS", "app", "--subs", str(number + 1))
    gone = user(system, "app")
    delete(system, "app")
    assert is_revoked(account(system), gone)


def test_a_user_that_has_expired_is_not_revoked_and_nothing_is_signed(
    system: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = user(system, "app").claims.exp + 1
    before = account(system).text
    monkeypatch.setattr("seedless.app.workspace.time.time", lambda: float(now))
    done = system.ok("user", "delete", "-a", "ORDERS", "app", TOKEN_PIN="0000")
    assert done.out == "user app: deleted\n"
    assert account(system).text == before


@pytest.mark.parametrize(
    ("flag", "revoked"),
    [pytest.param("--no-revoke", [], id="no"), pytest.param("--revoke", ["app", "shop"], id="yes")],
)
def test_revocation_is_as_it_is_reported(system: Cli, flag: str, revoked: list[str]) -> None:
    keys = {name: user(system, name).claims.sub for name in ("app", "shop")}
    assert delete(system, "app", "shop", flag, "--json").data["revoked"] == revoked
    assert set(account(system).claims.body.revocations) == {keys[name] for name in revoked}
    assert users(system) == []


def test_a_user_that_is_revoked_already_is_not_revoked_again(system: Cli) -> None:
    system.ok("account", "revoke", "-a", "ORDERS", "app")
    before = account(system).text
    assert delete(system, "app", "--json").data["revoked"] == []
    assert account(system).text == before


def test_creds_and_seeds_stay_unless_they_are_to_go(system: Cli) -> None:
    app, shop = (system.store / f"keys/creds/ACME/ORDERS/{name}.creds" for name in ("app", "shop"))
    done = delete(system, "app")
    assert f"the creds stay: {app}; --rm-creds removes them\n" in done.err
    assert "the seed stays: " in done.err
    assert app.exists()
    key = user(system, "shop").claims.sub
    seed = system.store / f"keys/keys/U/{key[1:3]}/{key}.nk"
    assert seed.read_text().startswith("SU")
    done = delete(system, "shop", "-C", "-D", "--json")
    assert done.data["removed"] == [str(shop), str(seed)]
    assert done.data["kept"] == []
    assert not shop.exists()
    assert not seed.exists()


def test_the_seed_of_a_user_that_was_deleted_before_can_be_removed_later(system: Cli) -> None:
    key = user(system, "app").claims.sub
    seed = system.store / f"keys/keys/U/{key[1:3]}/{key}.nk"
    delete(system, "app")
    assert seed.exists()
    assert str(seed) in delete(system, "app", "-C", "-D", "--json").data["removed"]
    assert not seed.exists()


def test_the_files_that_would_go_are_shown_before(system: Cli) -> None:
    creds = system.store / "keys/creds/ACME/ORDERS/app.creds"
    done = delete(system, "app", "--rm-creds", "--dry-run", "--json")
    assert f"{creds} (removed)\n" in done.err
    assert done.data["files_removed"] == [str(creds)]
    assert creds.exists()
    assert delete(system, "app", "--dry-run", "--json").data["files_removed"] == []


def test_creds_that_stayed_can_be_removed_later(system: Cli) -> None:
    creds = system.store / "keys/creds/ACME/ORDERS/app.creds"
    delete(system, "app")
    done = delete(system, "app", "shop", "--rm-creds", "--json")
    assert done.data["revoked"] == ["shop"]
    assert users(system) == []
    assert not creds.exists()


def test_a_user_named_twice_is_deleted_once(system: Cli) -> None:
    assert delete(system, "app", "app", "--json").data["deleted"] == ["app"]


@pytest.mark.parametrize("flag", ["--rm-creds", "--rm-nkey"])
def test_a_plan_removes_no_files(system: Cli, flag: str) -> None:
    plan = str(system.home / "delete.plan")
    done = system.run("user", "delete", "-a", "ORDERS", "app", flag, "--plan", plan)
    assert done.code == 2
    assert done.err.startswith("error: a plan removes users, not files\n")


def test_the_plan_of_a_deletion_revokes_and_deletes_when_it_is_signed(system: Cli) -> None:
    gone = user(system, "app")
    plan = str(system.home / "delete.plan")
    digest = delete(system, "app", "--plan", plan, "--json").data["digest"]
    operator = system.ok("operator", "show", "--json").data["subject"]
    (system.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    policy = {"SEEDLESS_POLICY": str(system.home / "policy.toml")}
    creds = system.store / "keys/creds/ACME/ORDERS/app.creds"
    done = system.ok("sign", "--plan", plan, "--expect", digest, "--json", **policy)
    assert f"the creds stay: {creds}; its user is removed\n" in done.err
    assert done.data["creds_left"] == [str(creds)]
    assert creds.exists()
    creds.unlink()
    done = system.ok("sign", "--plan", plan, "--expect", digest, "--json", **policy)
    assert ("the creds stay" in done.err, done.data["creds_left"]) == (False, [])
    assert users(system) == ["shop"]
    assert is_revoked(account(system), gone)


def test_a_dry_run_and_a_plan_show_the_revocation_and_delete_nothing(system: Cli) -> None:
    before = system.files()
    dry = delete(system, "app", "--dry-run", "--json").data
    assert [one["address"] for one in dry["changes"]] == [["ORDERS"]]
    assert dry["placements"] == [{"address": ["ORDERS", "app"], "removed": True, "reason": "deleted"}]
    plan = system.home / "delete.plan"
    assert delete(system, "app", "--plan", str(plan), "--json").data["placements"] == 1
    assert system.files() == before


def test_nobody_is_deleted_when_one_is_unknown(system: Cli) -> None:
    before = system.files()
    done = system.run("user", "delete", "-a", "ORDERS", "app", "nobody")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        'error: there is no user "nobody" in account "ORDERS"\nhint: the users are: app, shop\n'
    )  # fmt: skip
    assert system.files() == before


def test_what_stays_and_what_servers_do_not_know_yet_is_reported(system: Cli) -> None:
    system.ok("user", "add", "-a", "ORDERS", "clerk", "--on-token")
    key = user(system, "clerk").claims.sub
    done = delete(system, "clerk")
    assert f"its key stays on its token: seedless key delete {key}\n" in done.err
    assert "servers let them in until they have this account: seedless push ORDERS\n" in done.err
    done = delete(system, "app", "--no-revoke", "--rm-creds")
    assert "servers let them in" not in done.err
    assert f"removed: {system.store}/keys/creds/ACME/ORDERS/app.creds\n" in done.out
