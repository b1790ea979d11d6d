"""`account authcallout`: the service that decides on logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seedless.claims import ExternalAuthorization
from seedless.jwt import read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

OWN_USER, OWN_ACCOUNT, OWN_CURVE = (
    str(SoftwareKey(role, bytes(range(32))).public_key) for role in (Role.USER, Role.ACCOUNT, Role.CURVE)
)


@pytest.fixture
def auth(cli: Cli) -> Cli:
    """A home with the account AUTH, its user callout, and the account ORDERS."""
    cli.ok("operator", "add", "ACME", "--sys")
    for name in ("AUTH", "ORDERS"):
        cli.ok("account", "add", name)
    cli.ok("user", "add", "-a", "AUTH", "callout")
    return cli


def said(cli: Cli) -> ExternalAuthorization:
    path = cli.store / "stores/ACME/accounts/AUTH/AUTH.jwt"
    found: ExternalAuthorization = read(path.read_text()).claims.body.authorization
    return found


def subject(cli: Cli, path: str) -> str:
    return read((cli.store / "stores/ACME/accounts" / path).read_text()).claims.sub


def test_users_and_accounts_of_a_callout_are_named_or_keys(auth: Cli) -> None:
    auth.ok(
        "account", "authcallout", "AUTH", "--auth-user", f"callout,{OWN_USER}", "--allowed-account", "ORDERS",
        "--allowed-account", OWN_ACCOUNT, "--curve", OWN_CURVE,
    )  # fmt: skip
    callout, orders = subject(auth, "AUTH/users/callout.jwt"), subject(auth, "ORDERS/ORDERS.jwt")
    assert said(auth) == ExternalAuthorization(
        auth_users=(callout, OWN_USER), allowed_accounts=(orders, OWN_ACCOUNT), xkey=OWN_CURVE
    )
    auth.ok(
        "account", "authcallout", "AUTH", "--rm-auth-user", OWN_USER, "--rm-allowed-account", "ORDERS",
        "--rm-curve",
    )  # fmt: skip
    assert said(auth) == ExternalAuthorization(auth_users=(callout,), allowed_accounts=(OWN_ACCOUNT,))


def test_the_seed_of_a_curve_key_goes_into_a_file_for_the_owner_alone(auth: Cli) -> None:
    done = auth.ok("account", "authcallout", "AUTH", "--auth-user", "callout", "-x", "generate", "--json")
    key = said(auth).xkey
    path = auth.store / "keys/keys/X" / key[1:3] / f"{key}.nk"
    assert (done.data["curve"], done.data["seed"]) == (key, str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    seed = SoftwareKey.parse(path.read_text())
    assert (seed.public_key.role, str(seed.public_key)) == (Role.CURVE, key)
    assert seed.reveal() not in done.out + done.err


def test_no_curve_key_is_kept_where_nothing_was_signed(auth: Cli) -> None:
    words = ("account", "authcallout", "AUTH", "--auth-user", "callout", "--curve", "generate")
    files = auth.files()
    assert auth.run(*words, TOKEN_PIN="wrong").code == 4
    auth.ok(*words, "--dry-run")
    assert auth.files() == files


def test_a_callout_is_disabled_as_a_whole(auth: Cli) -> None:
    auth.ok("account", "authcallout", "AUTH", "--auth-user", "callout", "--allowed-account", "*")
    assert said(auth).allowed_accounts == ("*",)
    auth.ok("account", "authcallout", "AUTH", "--disable")
    assert said(auth) == ExternalAuthorization()


def test_a_callout_and_no_system_account_do_not_go_together(auth: Cli) -> None:
    auth.ok("operator", "edit", "--system-account", "")
    done = auth.run("account", "authcallout", "AUTH", "--auth-user", "callout", TOKEN_PIN=None)
    assert (done.code, "has no system account, and servers end" in done.err) == (2, True)
    auth.ok("operator", "edit", "--system-account", "SYS")
    auth.ok("account", "authcallout", "AUTH", "--auth-user", "callout")
    done = auth.run("operator", "edit", "--system-account", "", TOKEN_PIN=None)
    assert (done.code, "account AUTH has an auth callout" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        pytest.param([], 2, "no option names a change", id="no option"),
        pytest.param(["--disable", "--rm-curve"], 2, "--disable is used alone", id="off, and edited"),
        pytest.param(["--curve", OWN_USER], 2, "is not a curve key", id="the key of a user as a curve key"),
        pytest.param(["--curve", "generate", "--rm-curve"], 2, "set or removed, not both", id="both ways"),
        pytest.param(["--auth-user", "nobody"], 2, 'there is no user "nobody"', id="no such user"),
        pytest.param(["--auth-user", "*"], 2, "not everyone can be a user of the service", id="everyone"),
        pytest.param(["--allowed-account", "ORDERS"], 3, "C0", id="accounts without users"),
        pytest.param(["--auth-user", "callout", "--allowed-account", "*,ORDERS"], 3, "C0", id="all and one"),
    ],
)
def test_a_callout_that_cannot_be_is_refused(auth: Cli, words: list[str], code: int, sentence: str) -> None:
    files = auth.files()
    done = auth.run("account", "authcallout", "AUTH", *words, TOKEN_PIN=None)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err
    assert auth.files() == files
