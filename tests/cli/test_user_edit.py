"""`seedless user edit`, `rename` and `show`: one user's jwt, signed again or looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds
from seedless.jwt import read

if TYPE_CHECKING:
    from seedless.jwt import Jwt

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """The account ORDERS and its user app."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    cli.ok("user", "add", "-a", "ORDERS", "app", "--allow-pub", "orders.>", "--tag", "shop", "--bearer")
    return cli


@pytest.fixture
def scoped(system: Cli) -> Cli:
    """ORDERS with a scope, role `sensor`, and its user probe."""
    system.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "sensor", "--allow-pub", "sensors.>")
    system.ok("user", "add", "-a", "ORDERS", "probe", "--issuer", "sensor")
    return system


def user(cli: Cli, name: str = "app") -> Jwt[Any]:
    return read(cli.ok("user", "show", "-a", "ORDERS", name, "--json").data["jwt"])


def edit(cli: Cli, *words: str, name: str = "app") -> Any:  # noqa: ANN401 - what a command returns
    return cli.ok("user", "edit", "-a", "ORDERS", name, *words)


def creds_path(cli: Cli, name: str = "app") -> Any:  # noqa: ANN401 - a path
    return cli.store / f"keys/creds/ACME/ORDERS/{name}.creds"


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        pytest.param(["--allow-pub", "audit"], {"pub": {"allow": ["orders.>", "audit"]}}, id="allow"),
        pytest.param(["--deny-sub", "secret"], {"sub": {"deny": ["secret"]}}, id="deny"),
        pytest.param(["--rm", "orders.>"], {"pub": {}}, id="rm"),
        pytest.param(["--allow-pub-response", "3"], {"resp": {"max": 3, "ttl": 0}}, id="responses"),
        pytest.param(["--source-network", "10.0.0.0/8"], {"src": ["10.0.0.0/8"]}, id="network"),
        pytest.param(
            ["--time", "08:00:00-18:00:00", "--locale", "Europe/Berlin"],
            {"times": [{"start": "08:00:00", "end": "18:00:00"}], "times_location": "Europe/Berlin"},
            id="times",
        ),
        pytest.param(["--subs", "10", "--payload", "1K"], {"subs": 10, "payload": 1000}, id="limits"),
        pytest.param(["--conn-type", "mqtt"], {"allowed_connection_types": ["MQTT"]}, id="connections"),
        pytest.param(["--no-bearer"], {"bearer_token": None}, id="no bearer"),
        pytest.param(["--tag", "new", "--rm-tag", "shop"], {"tags": ["new"]}, id="tags"),
    ],
)
def test_an_edit_changes_what_is_named_and_leaves_the_rest(
    system: Cli, words: list[str], changed: dict[str, Any]
) -> None:
    before = system.ok("user", "show", "-a", "ORDERS", "app", "--json").data["claims"]["nats"]
    edit(system, *words)
    after = system.ok("user", "show", "-a", "ORDERS", "app", "--json").data["claims"]["nats"]
    assert after == {name: value for name, value in (before | changed).items() if value is not None}


def test_the_key_stays_and_the_creds_get_the_new_jwt(system: Cli) -> None:
    before = user(system)
    edit(system, "--expiry", "90d")
    after = user(system)
    assert after.claims.sub == before.claims.sub
    assert after.issued_at > before.issued_at
    assert 0 <= after.claims.exp - (before.issued_at + 90 * 86400) <= 60
    assert parse_creds(creds_path(system).read_text()).jwt.text == after.text


def test_an_edit_that_changes_nothing_signs_nothing(system: Cli) -> None:
    before = system.files()
    assert edit(system, "--tag", "SHOP").out == "user app: nothing to change\n"
    assert system.files() == before


def test_an_option_without_its_value_is_reported_with_the_help_of_the_command(system: Cli) -> None:
    done = system.run("user", "edit", "-a", "ORDERS", "app", "--tag", asks=True)
    assert (done.code, done.err) == (
        2,
        "error: option '--tag' requires an argument\nhint: seedless user edit --help\n",
    )


def test_an_edit_without_options_reports_that_there_is_nothing_to_do(system: Cli) -> None:
    done = system.run("user", "edit", "-a", "ORDERS", "app")
    assert (done.code, done.err) == (
        2,
        "error: no option names a change\nhint: seedless user edit --help\n",
    )


def test_an_edit_can_be_tried_dry_and_planned(system: Cli) -> None:
    before = system.files()
    dry = edit(system, "--subs", "5", "--dry-run", "--json").data
    assert [one["address"] for one in dry["changes"]] == [["ORDERS", "app"]]
    plan = system.home / "edit.plan"
    edit(system, "--subs", "5", "--plan", str(plan))
    assert system.files() == before


@pytest.mark.parametrize(
    "words", [["--allow-pub", "x"], ["--subs", "5"], ["--bearer"], ["--set", "payload=5"]], ids=" ".join
)
def test_a_scoped_user_has_no_permissions_of_its_own(scoped: Cli, words: list[str]) -> None:
    done = scoped.run("user", "edit", "-a", "ORDERS", "probe", *words)
    assert done.code == 2
    assert done.err == (
        'error: user "probe" has no permissions and limits of its own: they come from the scope sensor\n'
        "hint: edit that scope, or sign with a key that is not a scope: --issuer KEY\n"
    )


def test_a_scoped_user_keeps_its_scope_when_its_tags_and_expiry_change(scoped: Cli) -> None:
    before = user(scoped, "probe")
    edit(scoped, "--tag", "north", "--expiry", "1y", name="probe")
    after = user(scoped, "probe")
    assert (after.issuer, after.claims.body.tags) == (before.issuer, ("north",))
    assert after.claims.body.subs == 0


def test_a_user_moves_into_a_scope_and_leaves_its_permissions_behind(scoped: Cli) -> None:
    done = edit(scoped, "--issuer", "sensor")
    after = user(scoped).claims
    account = scoped.ok("account", "show", "ORDERS", "--json").data["subject"]
    assert (after.body.issuer_account, after.body.tags) == (account, ("shop",))
    assert (after.body.pub.allow, after.body.subs, after.body.bearer_token) == ((), 0, False)
    assert "issuer: account ORDERS" in done.err
    assert "scope: none -> sensor" in done.err
    assert "widens   pub allow: added sensors.>" in done.err
    assert "narrows  pub allow: removed orders.>" in done.err
    assert "unlimited -> none" not in done.err


def test_a_user_leaves_a_scope_only_with_limits_of_its_own(scoped: Cli) -> None:
    account = scoped.ok("account", "show", "ORDERS", "--json").data["subject"]
    done = scoped.run("user", "edit", "-a", "ORDERS", "probe", "--issuer", account)
    assert done.code == 2
    assert done.err.startswith(
        'error: user "probe" would have no permissions and limits: a scope gave them, and '
    )
    edit(scoped, "--issuer", account, "--subs", "-1", "--data", "-1", "--payload", "-1", name="probe")
    assert str(user(scoped, "probe").issuer) == account


def test_a_rename_keeps_the_key_and_moves_jwt_and_creds(system: Cli) -> None:
    before = user(system)
    done = system.ok("user", "rename", "-a", "ORDERS", "app", "shop")
    after = user(system, "shop")
    assert done.out == "user app is now shop\n"
    assert (after.claims.sub, after.claims.name) == (before.claims.sub, "shop")
    assert after.claims.body == before.claims.body
    assert parse_creds(creds_path(system, "shop").read_text()).jwt.text == after.text
    assert not creds_path(system).exists()
    assert system.run("user", "show", "-a", "ORDERS", "app").code == 2


def test_a_rename_that_was_ended_before_the_old_name_was_gone_goes_on(system: Cli) -> None:
    places = (system.store / "stores/ACME/accounts/ORDERS/users/app.jwt", creds_path(system))
    old = [path.read_text() for path in places]
    system.ok("user", "rename", "-a", "ORDERS", "app", "shop")
    new = user(system, "shop").text
    for path, text in zip(places, old, strict=True):
        path.write_text(text)
    done = system.ok("user", "rename", "-a", "ORDERS", "app", "shop", TOKEN_PIN="0000")
    assert done.out == "user app is now shop\n"
    assert user(system, "shop").text == new
    assert [path.exists() for path in places] == [False, False]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["app", "other"], 'user "other" is in the store already', id="taken"),
        pytest.param(["app", "app"], "user app has this name already", id="same"),
        pytest.param(["nobody", "x"], 'there is no user "nobody" in account "ORDERS"', id="unknown"),
        pytest.param(["app", "a/b"], 'the name "a/b" holds a /', id="no name of a file"),
    ],
)
def test_a_name_that_cannot_be_is_a_sentence(system: Cli, words: list[str], sentence: str) -> None:
    system.ok("user", "add", "-a", "ORDERS", "other")
    before = system.files()
    done = system.run("user", "rename", "-a", "ORDERS", *words)
    assert done.code == 2
    assert done.err.startswith(f"error: {sentence}")
    assert system.files() == before


def test_a_user_is_shown_raw_by_field_and_into_a_file(system: Cli) -> None:
    words = ("user", "show", "-a", "ORDERS", "app")
    jwt = user(system)
    assert system.ok(*words, "--raw").out == f"{jwt.text}\n"
    assert system.ok(*words, "--field", "sub").out == f"{jwt.claims.sub}\n"
    assert system.ok(*words, "-F", "nats.pub.allow[0]", "--json").data == {
        "field": "nats.pub.allow[0]",
        "value": "orders.>",
    }
    path = system.home / "app.jwt"
    system.ok(*words, "--raw", "-o", str(path))
    assert path.read_text() == f"{jwt.text}\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(
            ["-F", "nats.nothing"],
            'the jwt has no "nats.nothing"\nhint: in place of "nothing" there are: pub, sub, ',
            id="unknown",
        ),
        pytest.param(
            ["-F", "nats.tags.7"],
            'the jwt has no "nats.tags.7"\nhint: in place of "7" there are: 1 items',
            id="item",
        ),
        pytest.param(
            ["-F", "sub.x"], 'the jwt has no "sub.x"\nhint: in place of "x" there are: no members', id="text"
        ),
        pytest.param(["-F", "sub", "--raw"], "the jwt itself has no fields", id="raw"),
    ],
)
def test_a_field_that_is_not_there_is_a_sentence(system: Cli, words: list[str], told: str) -> None:
    done = system.run("user", "show", "-a", "ORDERS", "app", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {told}")
