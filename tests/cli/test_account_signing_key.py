"""`account signing-key`: plain keys and scopes, and whom their removal locks out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from seedless.claims import Permission, ResponsePermission, Scope, Template, TimeRange
from seedless.jwt import read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py
    Stored = Any

OWN_ACCOUNT = str(SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key)
KEY = ("account", "signing-key")


@pytest.fixture
def orders(cli: Cli) -> Cli:
    """A home with the account ORDERS."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    return cli


def entries(cli: Cli) -> tuple[Scope | str, ...]:
    path = cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
    keys: tuple[Scope | str, ...] = read(path.read_text()).claims.body.signing_keys
    return keys


def scope(cli: Cli) -> Scope:
    (entry,) = entries(cli)
    assert isinstance(entry, Scope)
    return entry


def user(cli: Cli, name: str) -> Stored:
    return read((cli.store / f"stores/ACME/accounts/ORDERS/users/{name}.jwt").read_text())


def test_a_plain_signing_key_is_made_and_issues_users(orders: Cli) -> None:
    done = orders.ok(*KEY, "add", "-a", "ORDERS")
    (key,) = entries(orders)
    assert done.out == f"account ORDERS: changed\nsigning key: {key}\n"
    orders.ok("user", "add", "-a", "ORDERS", "app", "--allow-pub", "orders.>")
    assert str(user(orders, "app").issuer) == key


def test_a_scope_has_a_role_and_all_that_limits_a_user(orders: Cli) -> None:
    orders.ok(
        *KEY, "add", "-a", "ORDERS", "--role", "service", "--description", "what services may",
        "--allow-pub", "orders.{{name()}}.>", "--allow-sub", "_INBOX.>", "--deny-pubsub", "secret.>",
        "--allow-pub-response", "--response-ttl", "5s", "--subs", "10", "--data", "1M", "--payload", "1K",
        "--source-network", "10.0.0.0/8", "--time", "08:00:00-18:00:00", "--locale", "Europe/Berlin",
        "--conn-type", "standard,websocket", "--proxy-required",
    )  # fmt: skip
    made = scope(orders)
    assert (made.role, made.description) == ("service", "what services may")
    assert made.template == Template(
        pub=Permission(allow=("orders.{{name()}}.>",), deny=("secret.>",)),
        sub=Permission(allow=("_INBOX.>",), deny=("secret.>",)),
        resp=ResponsePermission(max=1, ttl=5 * 10**9),
        src=("10.0.0.0/8",),
        times=(TimeRange(start="08:00:00", end="18:00:00"),),
        times_location="Europe/Berlin",
        subs=10,
        data=1000**2,
        payload=1000,
        proxy_required=True,
        allowed_connection_types=("STANDARD", "WEBSOCKET"),
    )
    shown = orders.ok("key", "show", made.key, "--json").data
    assert (shown["role"], shown["name"]) == ("account", "ORDERS service")


def test_users_of_a_scope_are_issued_by_its_role_and_carry_nothing(orders: Cli) -> None:
    orders.ok(*KEY, "add", "-a", "ORDERS", "--role", "service", "--allow-pub", "orders.{{name()}}")
    orders.ok("user", "add", "-a", "ORDERS", "app", "-K", "service")
    made = user(orders, "app")
    assert str(made.issuer) == scope(orders).key
    assert (made.claims.body.subs, made.claims.body.pub) == (0, Permission())


def test_a_key_that_is_given_becomes_a_scope(orders: Cli) -> None:
    orders.ok(*KEY, "add", "-a", "ORDERS", "--sk", OWN_ACCOUNT, "--role", "remote")
    assert scope(orders) == Scope(key=OWN_ACCOUNT, role="remote", template=Template.new())


def test_a_scope_is_edited_by_its_role(orders: Cli) -> None:
    orders.ok(
        *KEY, "add", "-a", "ORDERS", "--role", "service", "--allow-pub", "a,b",
        "--source-network", "10.0.0.0/8", "--time", "08:00:00-12:00:00,13:00:00-17:00:00",
        "--conn-type", "MQTT,STANDARD", "--bearer", "--allow-pub-response", "3",
    )  # fmt: skip
    orders.ok(
        *KEY, "edit", "service", "-a", "ORDERS", "--rm", "a", "--allow-pub", "c",
        "--rm-source-network", "10.0.0.0/8", "--rm-time", "08:00:00", "--rm-conn-type", "mqtt", "--no-bearer",
        "--rm-response-perms", "--subs", "5",
        "--role", "services", "--set", "times_location=UTC",
    )  # fmt: skip
    now = scope(orders)
    assert now.role == "services"
    assert now.template == Template(
        pub=Permission(allow=("b", "c")),
        times=(TimeRange(start="13:00:00", end="17:00:00"),),
        times_location="UTC",
        allowed_connection_types=("STANDARD",),
        subs=5,
        data=-1,
        payload=-1,
    )


def test_a_plain_key_becomes_a_scope_where_its_users_carry_nothing(orders: Cli) -> None:
    orders.ok(*KEY, "add", "-a", "ORDERS", "--sk", OWN_ACCOUNT)
    orders.ok(*KEY, "edit", OWN_ACCOUNT, "-a", "ORDERS", "--role", "remote", "--allow-sub", "x")
    assert scope(orders).template == Template(sub=Permission(allow=("x",)), subs=-1, data=-1, payload=-1)


def test_a_plain_key_with_users_of_its_own_becomes_no_scope_by_accident(orders: Cli) -> None:
    orders.ok(*KEY, "add", "-a", "ORDERS")
    (key,) = entries(orders)
    orders.ok("user", "add", "-a", "ORDERS", "app", "--allow-pub", "x")
    done = orders.run(*KEY, "edit", str(key), "-a", "ORDERS", "--role", "late", TOKEN_PIN=None)
    assert (done.code, "which locks out 1 user: app" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["add", "--role", "service"], 'has "service" already', id="a role twice"),
        pytest.param(
            ["edit", "nobody", "--subs", "1"],
            '"nobody" is not a signing key or role of account ORDERS',
            id="no role",
        ),
        pytest.param(["edit", "service"], "no option names a change", id="no option"),
        pytest.param(["edit", "service", "--time", "8"], '"8" is not a span of a day', id="no time of day"),
        pytest.param(["remove", "nobody"], "there are: service", id="nothing to remove"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_the_token_is_asked(
    orders: Cli, words: list[str], sentence: str
) -> None:
    orders.ok(*KEY, "add", "-a", "ORDERS", "--role", "service")
    files = orders.files()
    done = orders.run(*KEY, *words, "-a", "ORDERS", TOKEN_PIN=None)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert orders.files() == files


def test_a_limit_of_zero_in_a_scope_is_warned_of(orders: Cli) -> None:
    done = orders.ok(*KEY, "add", "-a", "ORDERS", "--role", "none", "--subs", "0", "--dry-run")
    assert "warning: C103" in done.err


def test_a_key_is_not_removed_while_it_has_users_unless_forced(orders: Cli) -> None:
    orders.ok(*KEY, "add", "-a", "ORDERS", "--role", "service")
    orders.ok("user", "add", "-a", "ORDERS", "app", "-K", "service")
    done = orders.run(*KEY, "remove", "service", "-a", "ORDERS", TOKEN_PIN=None)
    assert done.code == 2
    assert "a signing key goes, which locks out 1 user: app" in done.err
    forced = orders.ok(*KEY, "remove", "service", "-a", "ORDERS", "--force")
    assert "warning: a signing key goes, which locks out 1 user: app" in forced.err
    assert entries(orders) == ()


def test_users_that_have_expired_hold_no_key(orders: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    orders.ok(*KEY, "add", "-a", "ORDERS", "--role", "service")
    orders.ok("user", "add", "-a", "ORDERS", "app", "-K", "service", "--expiry", "1d")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 2 * 86400)
    orders.ok(*KEY, "remove", "service", "-a", "ORDERS")
    assert entries(orders) == ()


def test_signing_keys_are_listed_with_their_users(orders: Cli) -> None:
    orders.ok(*KEY, "add", "-a", "ORDERS", "--role", "service", "--description", "d")
    orders.ok(*KEY, "add", "-a", "ORDERS", "--sk", OWN_ACCOUNT)
    orders.ok("user", "add", "-a", "ORDERS", "app", "-K", "service")
    made = next(entry.key for entry in entries(orders) if isinstance(entry, Scope))
    data = orders.ok(*KEY, "list", "-a", "ORDERS", "--json").data
    assert data["account"] == "ORDERS"
    assert {row["key"]: row for row in data["signing_keys"]} == {
        made: {"key": made, "scoped": True, "role": "service", "description": "d", "known": True, "users": 1},
        OWN_ACCOUNT: {
            "key": OWN_ACCOUNT, "scoped": False, "role": None, "description": None, "known": False,
            "users": 0,
        },
    }  # fmt: skip
    lines = orders.ok(*KEY, "list", "-a", "ORDERS").out.splitlines()
    assert lines[0].split() == ["NAME", "SIGNING", "KEY", "SCOPE", "USERS"]
    assert sorted(line.split() for line in lines[1:]) == [
        ["-", OWN_ACCOUNT, "any", "0"],
        ["ORDERS", "service", f"{made[:15]}…", "service", "1"],
    ]


def test_a_signing_key_is_tried_dry_and_not_made(orders: Cli) -> None:
    before = orders.ok("key", "list", "--json").data["keys"]
    done = orders.ok(*KEY, "add", "-a", "ORDERS", "--role", "service", "--dry-run", "--json", TOKEN_PIN=None)
    assert done.data["new_keys"] == ["account:ORDERS service"]
    assert orders.ok("key", "list", "--json").data["keys"] == before


def test_a_template_that_the_users_of_a_scope_do_not_fit_is_not_signed(orders: Cli) -> None:
    orders.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "clerk", "--allow-pub", "app.x")
    for name in ("*", "plain", *(f"a.{number}" for number in range(10))):
        orders.ok("user", "add", "-a", "ORDERS", name, "-K", "clerk")
    orders.ok("user", "add", "-a", "ORDERS", "tagged", "-K", "clerk", "--tag", "team:x.>")
    edit = ("account", "signing-key", "edit", "-a", "ORDERS", "clerk")
    done = orders.run(*edit, "--allow-pub", "app.{{tag(team)}}")
    assert done.code == 3
    assert 'error: T015 user tagged nats.tags: "x.>" goes into "{{tag(team)}}" of a scope' in done.err
    assert "T015 user plain" not in done.err
    done = orders.run(*edit, "--allow-pub", "app.{{name()}}.>")
    assert done.code == 3
    assert (
        'error: T015 user * name: "*" goes into "{{name()}}" of a scope, and is not one plain token'
        in done.err
    )
    assert (
        "error: T015 account ORDERS nats.signing_keys: so it is with 1 more users of its scopes" in done.err
    )
    for name in ("*", *(f"a.{number}" for number in range(10))):
        orders.ok("user", "delete", "-a", "ORDERS", name)
    assert "T015" not in orders.ok(*edit, "--allow-pub", "app.{{name()}}.>").err
