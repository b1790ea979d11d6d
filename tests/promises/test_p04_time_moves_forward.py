"""Promise 4: time moves forward, and never ahead; a mistake of the clock has a documented way out."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from seedless.claims import Operator
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import Role
from seedless.plan import changed, resigned
from seedless.seeds import SoftwareKey
from seedless.store import NscStore, open_store
from seedless.trust import is_revoked
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from seedless.change import Change

    Cli = Any  # the fixture in tests/conftest.py

KEY = SoftwareKey(Role.OPERATOR, bytes(range(32)))
NOW = 1_800_000_000
CLAIMS = Claims(sub=str(KEY.public_key), name="ACME", body=Operator.new())


def issued(at: int) -> Jwt[Any]:
    made = draft(CLAIMS, KEY.public_key, at)
    return made.complete(KEY.sign(made.signing_input))


def replacement(before: int) -> Change:
    return changed(CLAIMS, KEY.public_key, replaces=issued(before), now=NOW, reason="again")


@pytest.mark.parametrize(
    ("before", "after"),
    [(NOW - 1000, NOW), (NOW - 1, NOW), (NOW, NOW + 1), (NOW + 30, NOW + 31), (NOW + 59, NOW + 60)],
    ids=["long ago", "a second ago", "this second", "half a minute ahead", "nearly a minute ahead"],
)
def test_a_successor_is_later_than_what_it_replaces(before: int, after: int) -> None:
    plan = resigned(replacement(before), (), NOW).rehearsed()
    assert plan.changes[0].draft.issued_at == after
    assert plan.judge().errors == ()


@pytest.mark.parametrize("before", [NOW + 60, NOW + 3600], ids=["a minute ahead", "an hour ahead"])
def test_no_jwt_is_more_than_a_minute_ahead(before: int) -> None:
    plan = resigned(replacement(before), (), NOW).rehearsed()
    assert [finding.code for finding in plan.judge().errors] == ["G002"]


def test_signing_again_and_again_within_a_second_gives_each_its_own_time(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    times = [cli.ok("operator", "show", "--json").data["issued_at"]]
    for _ in range(3):
        text = cli.ok("operator", "show", "--json").data["jwt"]
        times.append(cli.ok("sign", "-", "--record", "--json", stdin=text).data["issued_at"])
    assert sorted(set(times)) == times
    assert times[-1] <= time.time()


def test_an_older_jwt_of_the_same_subject_does_not_take_the_time_back(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    first = cli.ok("operator", "show", "--json").data["jwt"]
    second = cli.ok("sign", "-", "--record", "--json", stdin=first).data
    third = cli.ok("sign", "-", "--record", "--json", stdin=first).data
    assert read(first).issued_at < second["issued_at"] < third["issued_at"]


def stored(cli: Cli, *address: str) -> Jwt[Any]:
    jwt = open_store(cli.store).get(*address)
    assert jwt is not None
    return jwt


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    monkeypatch.setattr("seedless.app.workspace.time.time", lambda: REAL() + ahead)


REAL = time.time


def test_quick_edits_of_an_account_are_dated_when_they_are_signed(cli: Cli) -> None:
    cli.found_system()
    for number in range(3):
        done = cli.ok("account", "edit", "ORDERS", "--conns", str(number + 1))
        assert "G00" not in done.err
        assert stored(cli, "ORDERS").issued_at <= time.time()


@pytest.mark.parametrize("whom", ["*", "app"])
def test_a_revocation_applies_to_every_jwt_and_no_guard_fires(cli: Cli, whom: str) -> None:
    cli.found_system()
    for number in range(3):
        cli.ok("user", "edit", "-a", "ORDERS", "app", "--tag", f"n:{number}")
    done = cli.ok("account", "revoke", "-a", "ORDERS", whom)
    assert ("error" in done.err, "warning" in done.err) == (False, False)
    account, user = stored(cli, "ORDERS"), stored(cli, "ORDERS", "app")
    (until,) = account.claims.body.revocations.values()
    assert user.issued_at <= until <= account.issued_at <= time.time()


def test_a_user_that_is_issued_again_in_the_second_of_its_revocation_is_not_revoked(cli: Cli) -> None:
    cli.found_system()
    for whom in ("app", "*"):
        cli.ok("account", "revoke", "-a", "ORDERS", whom)
        done = cli.ok("user", "edit", "-a", "ORDERS", "app", "--tag", "again")
        account, user = stored(cli, "ORDERS"), stored(cli, "ORDERS", "app")
        assert not is_revoked(account, user)
        assert "servers refuse it" not in done.err
        assert user.issued_at <= time.time()
        cli.ok("user", "edit", "-a", "ORDERS", "app", "--rm-tag", "again")


def test_a_user_that_is_added_in_the_second_of_a_revocation_of_everyone_is_not_revoked(cli: Cli) -> None:
    cli.found_system()
    cli.ok("account", "revoke", "-a", "ORDERS", "*")
    cli.ok("user", "add", "-a", "ORDERS", "new")
    assert not is_revoked(stored(cli, "ORDERS"), stored(cli, "ORDERS", "new"))


def test_a_lock_that_is_held_for_minutes_makes_no_guard_fire(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.found_system()
    before = NscStore.lock

    @contextlib.contextmanager
    def slow(store: NscStore, waits: Callable[[str], None] | None = None) -> Iterator[None]:
        with before(
            store, waits
        ):  # somebody else had it, signed the account, and let it go two minutes later
            set_clock(monkeypatch, 120)
            yield

    monkeypatch.setattr(NscStore, "lock", slow)
    cli.ok("account", "edit", "ORDERS", "--conns", "7")
    assert stored(cli, "ORDERS").issued_at >= REAL() + 110


YEAR = 365 * 86400


@pytest.fixture
def frozen(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A home whose account was signed once with a clock that was a year ahead."""
    cli.found_system()
    with monkeypatch.context() as fast:
        set_clock(fast, YEAR)
        cli.ok("account", "edit", "ORDERS", "--conns", "5")
    return cli


def test_a_jwt_of_a_fast_clock_freezes_its_subject_and_the_hint_names_the_way_back(frozen: Cli) -> None:
    for words in (("edit", "ORDERS", "--conns", "6"), ("revoke", "-a", "ORDERS", "*")):
        done = frozen.run("account", *words)
        assert (done.code, done.out) == (3, "")
        key = stored(frozen, "ORDERS").claims.sub
        assert "G002 account ORDERS iat: is " in done.err
        assert f"seedless docs howto/clock: --reset-time {key}" in done.err


def test_others_are_shown_which_jwt_is_from_the_future(frozen: Cli) -> None:
    done = frozen.run("account", "add", "OTHER")
    assert done.code == 3
    at = moment(stored(frozen, "ORDERS").issued_at)
    assert f"and the newest here, account ORDERS, is of {at}" in done.err


def test_the_named_way_back_shows_all_times_and_signs_by_the_clock(frozen: Cli) -> None:
    before = stored(frozen, "ORDERS")
    words = ("account", "revoke", "-a", "ORDERS", "*", "--reset-time", before.claims.sub)
    dry = frozen.ok(*words, "--dry-run")
    for row in ("this clock reads 20", f"in the store: {moment(before.issued_at)}", "in the ledger: nothing"):
        assert row in dry.err
    assert "waived: G001 account ORDERS iat: is " in dry.err
    assert stored(frozen, "ORDERS") == before
    frozen.ok(*words)
    after = stored(frozen, "ORDERS")
    assert after.issued_at <= time.time()
    assert list(after.claims.body.revocations) == ["*"]
    frozen.ok("account", "edit", "ORDERS", "--conns", "6")
    frozen.ok("account", "add", "OTHER")


def test_the_way_back_is_for_the_named_subject_alone(frozen: Cli) -> None:
    sys_key, app_key = stored(frozen, "SYS").claims.sub, stored(frozen, "ORDERS", "app").claims.sub
    for key in (sys_key, app_key):
        done = frozen.run("account", "edit", "ORDERS", "--conns", "6", "--reset-time", key)
        assert done.code == 3
    assert (
        "G001 cannot be waived"
        in frozen.run("account", "edit", "ORDERS", "--conns", "6", "--allow", "G001").err
    )


def test_a_slow_clock_is_not_taken_for_a_fast_one(frozen: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    key = stored(frozen, "ORDERS").claims.sub
    set_clock(monkeypatch, -3600)  # now all jwts of the store are from the future
    done = frozen.run("account", "edit", "ORDERS", "--conns", "6", "--reset-time", key)
    assert done.code == 3
    assert "G006" in done.err


def test_a_user_of_a_fast_clock_is_revoked_until_then_and_everyone_until_now(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.found_system()
    with monkeypatch.context() as fast:
        set_clock(fast, YEAR)
        cli.ok("user", "edit", "-a", "ORDERS", "app", "--tag", "fast")
    cli.ok("account", "revoke", "-a", "ORDERS", "*")
    account, user = stored(cli, "ORDERS"), stored(cli, "ORDERS", "app")
    held = account.claims.body.revocations
    assert held.keys() == {"*", user.claims.sub}
    assert held[user.claims.sub] == user.issued_at
    assert held["*"] <= account.issued_at <= time.time()
    assert is_revoked(account, user)


def test_a_revocation_that_a_fast_clock_dated_is_dated_by_the_clock_again(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.found_system()
    with monkeypatch.context() as fast:
        set_clock(fast, YEAR)
        cli.ok("account", "revoke", "-a", "ORDERS", "*")
    reset = ("--reset-time", stored(cli, "ORDERS").claims.sub)
    done = cli.run("account", "edit", "ORDERS", "--conns", "6", *reset)
    assert (done.code, "G007" in done.err, "seedless docs howto/clock" in done.err) == (3, True, True)
    cli.ok("account", "revoke", "-a", "ORDERS", "*", *reset)
    account = stored(cli, "ORDERS")
    assert account.claims.body.revocations["*"] <= account.issued_at <= time.time()
    cli.ok("user", "add", "-a", "ORDERS", "new")
    assert not is_revoked(account, stored(cli, "ORDERS", "new"))
    assert is_revoked(account, stored(cli, "ORDERS", "app"))


def test_a_plan_of_the_way_back_is_signed_only_where_it_is_named_again(frozen: Cli) -> None:
    key = stored(frozen, "ORDERS").claims.sub
    plan = str(frozen.home / "back.plan")
    words = ("account", "edit", "ORDERS", "--conns", "6")
    digest = frozen.ok(*words, "--reset-time", "ORDERS", "--plan", plan, "--json").data["digest"]
    policy = frozen.home / "policy.toml"
    policy.write_text(f'operator = "{stored(frozen).claims.sub}"\n')
    signing = ("sign", "--plan", plan, "--expect", digest, "--policy", str(policy), "--yes")
    assert "G001" in frozen.run(*signing).err
    frozen.ok(*signing, "--reset-time", key)
    assert stored(frozen, "ORDERS").issued_at <= time.time()
