"""`seedless policy`, and a walk under a pinned policy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

STRANGER = str(SoftwareKey(Role.OPERATOR, bytes(range(32))).public_key)


@pytest.fixture
def founded(cli: Cli) -> Cli:
    """A home with an operator, an account and a user."""
    cli.found_system()
    return cli


def pinned(cli: Cli, more: str = "", operator: str = "", name: str = "policy.toml") -> str:
    path: Path = cli.home / name
    operator = operator or cli.ok("operator", "show", "--json").data["subject"]
    path.write_text(f'operator = "{operator}"\n{more}')
    return str(path)


def digest(cli: Cli, path: str) -> str:
    found: str = cli.ok("policy", "check", path, "--json").data["digest"]
    return found


def test_a_policy_that_is_right_is_reported_with_its_digest(founded: Cli) -> None:
    done = founded.ok("policy", "check", pinned(founded))
    assert re.fullmatch(r"sha256 [0-9a-f]{64}\n", done.out)


def test_a_policy_that_is_wrong_is_reported_with_the_place(founded: Cli) -> None:
    done = founded.run("policy", "check", pinned(founded, "tokns = []\n"))
    assert done.code == 2
    assert "policy.toml: tokns is not a key of a policy, did you mean tokens?" in done.err
    assert founded.run("policy", "explain", str(founded.home / "none.toml")).code == 2


def test_a_policy_is_explained_in_sentences(founded: Cli) -> None:
    path = pinned(founded, '[names]\nuser = ["svc-*"]\n', STRANGER)
    done = founded.ok("policy", "explain", path)
    assert done.out.splitlines() == [
        f"Only the operator {STRANGER} is trusted.",
        "The name of a user is like svc-*.",
        f"sha256 {digest(founded, path)}",
    ]
    assert founded.ok("policy", "explain", path, "--json").data["rules"] == {
        "operator": f"Only the operator {STRANGER} is trusted.",
        "names.user": "The name of a user is like svc-*.",
    }


def test_a_change_of_policy_is_shown_and_ends_with_5(founded: Cli) -> None:
    old = pinned(founded, 'tokens = ["1"]\n', name="old.toml")
    new = pinned(founded, name="new.toml")
    done = founded.run("policy", "check", new, "--against", old)
    assert done.code == 5
    assert done.out.startswith("removed  Only tokens with the serial 1 sign.\nsha256 ")
    done = founded.run("policy", "check", new, "--against", new)
    assert (done.code, done.out.splitlines()[0]) == (0, "nothing changes")


def test_a_pipeline_that_the_policy_allows_prints_the_digest_of_the_policy(founded: Cli) -> None:
    path = pinned(founded)
    done = founded.ok("user", "add", "-a", "ORDERS", "one", "--policy", path)
    assert f"policy: sha256 {digest(founded, path)} (" in done.err
    done = founded.ok("user", "add", "-a", "ORDERS", "two", "--policy", path, "--dry-run", "--json")
    assert done.data["policy"] == digest(founded, path)
    done = founded.ok("user", "add", "-a", "ORDERS", "two", "--dry-run", "--json")
    assert done.data["policy"] is None


@pytest.mark.parametrize("way", ["option", "environment", "configuration"])
def test_a_pipeline_that_the_policy_refuses_signs_nothing(founded: Cli, way: str) -> None:
    path = pinned(founded, '[names]\nuser = ["svc-*"]\n')
    before = founded.files()
    words, env = [], {}
    if way == "option":
        words = ["--policy", path]
    elif way == "environment":
        env = {"SEEDLESS_POLICY": path}
    else:
        (founded.home / "config.toml").write_text(f'policy = "{path}"\n')
        env = {"SEEDLESS_CONFIG": str(founded.home / "config.toml")}
    done = founded.run("user", "add", "-a", "ORDERS", "mine", *words, **env, TOKEN_PIN="wrong")
    assert done.code == 3
    assert "P005 user mine name: mine is not like svc-*" in done.err
    assert founded.files() == before


def test_a_policy_that_pins_another_operator_refuses_everything(founded: Cli) -> None:
    path = pinned(founded, operator=STRANGER)
    for words in (
        ["account", "add", "MORE"],
        ["user", "add", "-a", "ORDERS", "more"],
        ["sign", str(next(founded.store.rglob("ORDERS.jwt")))],
    ):
        done = founded.run(*words, "--policy", path, TOKEN_PIN="wrong")
        assert done.code == 3, words
        assert "P001" in done.err


def test_a_token_that_the_policy_does_not_list_gets_no_pin(founded: Cli) -> None:
    path = pinned(founded, 'tokens = ["0000"]\n')
    done = founded.run("user", "add", "-a", "ORDERS", "more", "--policy", path, TOKEN_PIN=None)
    assert done.code == 3
    assert "P012 token" in done.err
    listed = pinned(founded, f'tokens = ["{founded.token.serial}"]\n')
    founded.ok("user", "add", "-a", "ORDERS", "more", "--policy", listed)


def test_a_missing_policy_stops_the_signing_pipeline(founded: Cli) -> None:
    done = founded.run("user", "add", "-a", "ORDERS", "x", "--policy", str(founded.home / "none.toml"))
    assert done.code == 2
    assert "there is no policy" in done.err


def test_a_finding_is_waived_by_its_code_and_shown_as_waived(founded: Cli) -> None:
    words = ["user", "add", "-a", "ORDERS", "late", "--expiry", "2001-01-01"]
    done = founded.run(*words)
    assert done.code == 3
    assert "G003" in done.err
    done = founded.ok(*words, "--allow", "G003", "--dry-run", "--json")
    assert [finding["code"] for finding in done.data["lifted"]] == ["G003"]
    assert "G003" not in [finding["code"] for finding in done.data["findings"]]
    done = founded.ok(*words, "--allow", "G003")
    assert "waived: G003 user late" in done.err


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param("P005", "P005 is a finding of the policy, which nothing waives", id="policy"),
        pytest.param("T001", "T001 cannot be waived: it guards a promise", id="a promise"),
        pytest.param("C999", "no rule has the code C999", id="unknown"),
    ],
)
def test_a_finding_that_cannot_be_waived_is_an_error_of_usage(founded: Cli, code: str, message: str) -> None:
    done = founded.run("user", "add", "-a", "ORDERS", "x", "--allow", code, TOKEN_PIN=None)
    assert done.code == 2
    assert message in done.err
