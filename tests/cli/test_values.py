"""One parser: an option, a file of desired state, a template and a policy read a value alike, as nsc does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seedless.jwt import read
from seedless.policy import read as read_policy

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

OPERATOR = "OCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYOCS"


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """A home with the operator ACME and its account A."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "A")
    return cli


def limit(cli: Cli, name: str) -> int:
    body = read((cli.store / "stores/ACME/accounts/A/A.jwt").read_text()).claims.body
    number: int = getattr(body.limits, name)
    return number


@pytest.mark.parametrize(
    ("text", "number"),
    [("10k", 10_000), ("10G", 10_000_000_000), ("10GB", 10_000_000_000), ("10GiB", 10_737_418_240),
     ("1.5G", 1_500_000_000), ("2K", 2_000), ("512", 512)],
)  # fmt: skip
@pytest.mark.parametrize(("option", "member"), [("--payload", "payload"), ("--subscriptions", "subs")])
def test_a_number_is_the_same_wherever_it_is_written(
    acme: Cli, option: str, member: str, text: str, number: int
) -> None:
    acme.ok("account", "edit", "A", option, text)
    assert limit(acme, member) == number
    acme.ok("account", "edit", "A", option, "-1")
    file = acme.home / "state.json"
    file.write_text(json.dumps({"accounts": {"A": {"limits": {member: text}}}}))
    acme.ok("apply", str(file))
    assert limit(acme, member) == number
    acme.ok("account", "edit", "A", option, "-1")
    tenants = [{"template": "t", "name": "A", "vars": {"n": text}}]
    file.write_text(json.dumps({"templates": {"t": {"limits": {member: "{{n}}"}}}, "tenants": tenants}))
    acme.ok("apply", str(file))
    assert limit(acme, member) == number
    policy = read_policy(f'operator = "{OPERATOR}"\n[limits.account]\n{member} = "{text}"\n'.encode())
    assert policy.limits["account"][member] == number


@pytest.mark.parametrize("text", ["2050-01-01", "2050-01-01 00:00:00 UTC", "2524608000"])
def test_a_time_is_read_in_each_spelling(acme: Cli, text: str) -> None:
    acme.ok("account", "edit", "A", "--expiry", text)
    assert read((acme.store / "stores/ACME/accounts/A/A.jwt").read_text()).claims.exp == 2524608000
    file = acme.home / "state.json"
    acme.ok("account", "edit", "A", "--expiry", "0")
    file.write_text(json.dumps({"accounts": {"A": {"exp": text}}}))
    acme.ok("apply", str(file))
    assert read((acme.store / "stores/ACME/accounts/A/A.jwt").read_text()).claims.exp == 2524608000


def test_unix_seconds_set_until_when_a_user_is_revoked(acme: Cli) -> None:
    acme.ok("user", "add", "-a", "A", "app")
    acme.ok("account", "revoke", "app", "-a", "A", "--at", "1767225600")
    body = read((acme.store / "stores/ACME/accounts/A/A.jwt").read_text()).claims.body
    assert list(body.revocations.values()) == [1767225600]
