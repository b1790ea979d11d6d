"""`account delete` and `account rename`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from seedless.creds import parse_creds
from seedless.jwt import read

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """A home with ACME, SYS, ORDERS and its user app."""
    cli.found_system()
    return cli


def importing(cli: Cli) -> None:
    """Make the account SHOP, which imports from ORDERS."""
    orders = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    entry = f'[{{"subject":"orders","account":"{orders}","type":"stream"}}]'
    cli.ok("account", "edit", "ORDERS", "--set", 'exports=[{"subject":"orders","type":"stream"}]')
    cli.ok("account", "add", "SHOP", "--set", f"imports={entry}")


def creds(cli: Cli, account: str) -> Path:
    path: Path = cli.store / f"keys/creds/ACME/{account}/app.creds"
    return path


def test_an_account_is_deleted_with_its_users_and_keeps_its_key(system: Cli) -> None:
    subject = system.ok("account", "show", "ORDERS", "--json").data["subject"]
    done = system.ok("account", "delete", "ORDERS", "--json", TOKEN_PIN=None)
    assert done.data == {
        "deleted": "ORDERS", "subject": subject, "users": ["app"], "removed": [], "keys_left": [subject],
        "servers": [],
    }  # fmt: skip
    assert not (system.store / "stores/ACME/accounts/ORDERS").exists()
    assert creds(system, "ORDERS").exists()
    assert [one["name"] for one in system.ok("account", "list", "--json").data["accounts"]] == ["SYS"]
    assert system.ok("key", "show", subject, "--json").data["name"] == "ORDERS"


def test_creds_are_removed_where_that_is_requested(system: Cli) -> None:
    path = creds(system, "ORDERS")
    key = parse_creds(path.read_text()).jwt.claims.sub
    seed = system.store / f"keys/keys/U/{key[1:3]}/{key}.nk"
    done = system.ok("account", "delete", "ORDERS", "-C", "-D", "--json")
    assert (done.data["removed"], path.exists()) == ([str(path), str(seed)], False)
    assert not seed.exists()


def test_creds_that_stay_are_reported(system: Cli) -> None:
    done = system.ok("account", "delete", "ORDERS")
    assert done.out.startswith("account ORDERS: deleted, with 1 user\n")
    assert (
        f"the creds of 1 user stay: {creds(system, 'ORDERS').parent}; --rm-creds removes them\n" in done.err
    )
    assert "the seeds of 1 user stay in the key store; --rm-nkey removes them\n" in done.err


def test_the_system_account_is_not_deleted(system: Cli) -> None:
    files = system.files()
    done = system.run("account", "delete", "SYS", "--force")
    assert (done.code, done.out) == (2, "")
    assert '"SYS" is the system account' in done.err
    assert "operator edit --system-account NAME" in done.err
    assert system.files() == files


def test_an_account_that_others_import_from_is_deleted_by_force_alone(system: Cli) -> None:
    importing(system)
    done = system.run("account", "delete", "ORDERS")
    assert (done.code, done.out) == (2, "")
    assert 'account "ORDERS" is named by the imports of SHOP' in done.err
    forced = system.ok("account", "delete", "ORDERS", "--force")
    assert 'warning: account "ORDERS" is named by the imports of SHOP' in forced.err


def test_an_account_that_a_callout_places_users_in_is_not_deleted(system: Cli) -> None:
    system.ok("account", "add", "AUTH")
    system.ok("user", "add", "-a", "AUTH", "callout")
    system.ok("account", "authcallout", "AUTH", "--auth-user", "callout", "--allowed-account", "ORDERS")
    done = system.run("account", "delete", "ORDERS")
    assert (done.code, 'account "ORDERS" is named by the auth callout of AUTH' in done.err) == (2, True)


def test_a_deletion_is_tried_dry(system: Cli) -> None:
    files = system.files()
    done = system.ok("account", "delete", "ORDERS", "--dry-run", "--json")
    assert [(one["address"], one["removed"]) for one in done.data["placements"]] == [
        (["ORDERS", "app"], True),
        (["ORDERS"], True),
    ]
    assert system.files() == files


def test_a_deletion_is_planned_and_done_later(system: Cli) -> None:
    plan = system.home / "delete.plan"
    digest = system.ok("account", "delete", "ORDERS", "--plan", str(plan), "--json").data["digest"]
    operator = system.ok("operator", "show", "--json").data["subject"]
    (system.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    assert system.ok("account", "show", "ORDERS").code == 0
    system.ok("sign", "--plan", str(plan), "--expect", digest, "--policy", str(system.home / "policy.toml"))
    assert system.run("account", "show", "ORDERS").code == 2
    refused = system.run("account", "delete", "SYS", "-C", "--plan", str(plan))
    assert (refused.code, "a plan removes only jwts" in refused.err) == (2, True)


def test_an_account_with_a_damaged_user_can_be_deleted(system: Cli) -> None:
    (system.store / "stores/ACME/accounts/ORDERS/users/app.jwt").write_text("damaged")
    system.ok("account", "delete", "ORDERS")
    assert not (system.store / "stores/ACME/accounts/ORDERS").exists()


def test_a_renamed_account_keeps_key_users_and_creds(system: Cli) -> None:
    system.ok("account", "signing-key", "add", "-a", "ORDERS")
    before = system.ok("account", "show", "ORDERS", "--json").data
    user = system.ok("user", "show", "-a", "ORDERS", "app", "--raw").out
    done = system.ok("account", "rename", "ORDERS", "SALES", "--json")
    assert (done.data["name"], done.data["was"], done.data["subject"]) == (
        "SALES",
        "ORDERS",
        before["subject"],
    )
    assert done.data["issued_at"] > before["issued_at"]
    assert not (system.store / "stores/ACME/accounts/ORDERS").exists()
    assert system.ok("user", "show", "-a", "SALES", "app", "--raw").out == user
    assert not creds(system, "ORDERS").exists()
    assert f"{parse_creds(creds(system, 'SALES').read_text()).jwt.text}\n" == user
    name = read((system.store / "stores/ACME/accounts/SALES/SALES.jwt").read_text()).claims.name
    assert name == "SALES"
    system.ok("verify")
    names = {key["name"] for key in system.ok("key", "list", "--json").data["keys"]}
    assert {"SALES", "SALES signing"} <= names
    assert not any("ORDERS" in name for name in names)


def test_a_renaming_that_was_ended_before_the_old_name_was_gone_goes_on(system: Cli) -> None:
    accounts = system.store / "stores/ACME/accounts"
    old = {path: path.read_text() for path in (accounts / "ORDERS").rglob("*.jwt")}
    old[creds(system, "ORDERS")] = creds(system, "ORDERS").read_text()
    system.ok("account", "rename", "ORDERS", "SALES")
    new = (accounts / "SALES/SALES.jwt").read_text()
    for path, text in old.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (accounts / "SALES/users/app.jwt").unlink()
    done = system.ok("account", "rename", "ORDERS", "SALES", "--json", TOKEN_PIN=None)
    assert (done.data["was"], done.data["jwt"]) == ("ORDERS", new)
    assert not (accounts / "ORDERS").exists()
    assert (accounts / "SALES/users/app.jwt").read_text() == old[accounts / "ORDERS/users/app.jwt"]
    assert (creds(system, "ORDERS").exists(), creds(system, "SALES").exists()) == (False, True)


@pytest.mark.parametrize("points", [1, 2, 3])
def test_a_deletion_that_is_killed_is_finished_by_the_same_command(
    system: Cli, points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.unlink, [points]

    def unlink(path: Any, **how: Any) -> None:  # noqa: ANN401 - as of os
        if not str(path).endswith(".tmp"):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
        real(path, **how)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "unlink", unlink)
        system.run("account", "delete", "ORDERS", "-C")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    system.ok("account", "delete", "ORDERS", "-C")
    assert not (system.store / "stores/ACME/accounts/ORDERS").exists()
    assert not creds(system, "ORDERS").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["ORDERS", "ORDERS"], 'account "ORDERS" is in the store already', id="its own name"),
        pytest.param(["ORDERS", "SYS"], 'account "SYS" is in the store already', id="a name that is taken"),
        pytest.param(["NOBODY", "SALES"], 'there is no account "NOBODY"', id="nobody"),
        pytest.param(["ORDERS", "a/b"], "a/b", id="no name of a file"),
    ],
)
def test_a_name_that_cannot_be_is_refused(system: Cli, words: list[str], sentence: str) -> None:
    files = system.files()
    done = system.run("account", "rename", *words, TOKEN_PIN=None)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert system.files() == files
