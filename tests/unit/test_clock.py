from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.claims import Account, Operator, User
from seedless.clock import Clock
from seedless.errors import Refused
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.plan import changed, resigned, revocations
from seedless.rules import judge
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Intent, Plan, issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from seedless.jwt import Draft, Jwt
    from seedless.signing_pipeline import Signed

NOW = 1_800_000_000  # 2027-01-15 08:00:00 UTC
OPERATOR, ACCOUNT = (SoftwareKey(role, bytes(range(32))) for role in (Role.OPERATOR, Role.ACCOUNT))
USER = SoftwareKey(Role.USER, bytes(range(1, 33)))


@dataclass
class Simulated:
    """A clock that moves only when somebody sleeps, and what it was told."""

    now: float = NOW
    slept: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return Clock(time=lambda: self.now, sleep=self.sleep, notify=self.said.append)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Keys:
    """Software keys that refuse to sign before the time of a draft has come."""

    def __init__(self, simulated: Simulated) -> None:
        self.simulated = simulated

    def make(self, _: object) -> Any:  # noqa: ANN401 - never returns
        raise AssertionError

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        for one in drafts:
            assert one.issued_at <= self.simulated.now
            key = next(key for key in (OPERATOR, ACCOUNT) if key.public_key == one.issuer)
            yield one.complete(key.sign(one.signing_input))


def signed(simulated: Simulated, intent: Intent) -> tuple[Jwt[Any], ...]:
    recorded: list[Signed] = []

    def record(some: Sequence[Signed], _: object) -> None:
        recorded.extend(some)

    return issue(
        intent,
        review=lambda _plan, report: not report.errors,
        keys=lambda _: nullcontext(Keys(simulated)),
        record=record,
        clock=simulated.clock,
    )


def account(conn: int = 1, **members: Any) -> Claims[Account]:  # noqa: ANN401 - any member of an account
    body = Account.new()
    limits = msgspec.structs.replace(body.limits, conn=conn)
    body = msgspec.structs.replace(body, limits=limits, **members)
    return Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=body)


def operator() -> Jwt[Operator]:
    made = draft(
        Claims(sub=str(OPERATOR.public_key), name="ACME", body=Operator.new()), OPERATOR.public_key, NOW - 9
    )
    return made.complete(OPERATOR.sign(made.signing_input))


def edit(simulated: Simulated, before: Jwt[Any] | None, claims: Claims[Any]) -> Jwt[Any]:
    now = int(simulated.now)
    change = changed(claims, OPERATOR.public_key, replaces=before, now=now, reason="edited")
    (made,) = signed(simulated, resigned(change, (operator(),), now))
    return made


def user_jwt(at: int) -> Jwt[User]:
    made = draft(Claims(sub=str(USER.public_key), name="app", body=User.new()), ACCOUNT.public_key, at)
    return made.complete(ACCOUNT.sign(made.signing_input))


def test_a_hundred_quick_edits_of_one_account_are_a_second_apart_and_never_ahead() -> None:
    simulated, before, times = Simulated(), None, []
    for conn in range(1, 101):
        before = edit(simulated, before, account(conn))
        times.append(before.issued_at)
        assert before.issued_at <= simulated.now
    assert times == [NOW + number for number in range(100)]
    assert simulated.slept == [1.0] * 99
    assert simulated.said == []


def test_thousands_of_jwts_wait_once_and_not_at_all_where_time_has_passed() -> None:
    simulated = Simulated()
    keys = [SoftwareKey(Role.USER, number.to_bytes(32)) for number in range(2000)]
    parent = edit(simulated, None, account())

    def plan(now: int, before: Sequence[Jwt[Any] | None]) -> Intent:
        changes = tuple(
            changed(
                Claims(sub=str(key.public_key), name="app", body=User.new()), ACCOUNT.public_key,
                replaces=old, now=now, reason="bulk",
            )
            for key, old in zip(keys, before, strict=True)
        )  # fmt: skip
        return Intent(lambda _: Plan(changes, now, (operator(), parent)))

    first = signed(simulated, plan(NOW, [None] * 2000))
    assert simulated.slept == []
    again = signed(simulated, plan(NOW, first))
    assert simulated.slept == [1.0]
    assert {jwt.issued_at for jwt in again} == {NOW + 1}
    simulated.now = NOW + 60.0
    signed(simulated, plan(NOW + 60, again))
    assert simulated.slept == [1.0]


def test_a_wait_of_more_than_a_second_is_reported_with_its_end() -> None:
    simulated = Simulated()
    simulated.clock.wait_until(NOW + 1)
    assert simulated.said == []
    simulated.clock.wait_until(NOW + 13)
    assert simulated.said == [
        "waiting 12 seconds, until 2027-01-15 08:00:13 UTC: nothing is signed before its time"
    ]
    assert simulated.slept == [1.0, 12.0]


@pytest.mark.parametrize("second", [0, NOW - 1, NOW])
def test_a_second_that_has_come_is_not_waited_for(second: int) -> None:
    simulated = Simulated()
    simulated.clock.wait_until(second)
    assert simulated.slept == []


def test_a_second_of_more_than_a_minute_ahead_is_refused_with_both_times() -> None:
    simulated = Simulated()
    with pytest.raises(Refused) as refused:
        simulated.clock.wait_until(NOW + 61)
    assert str(refused.value.message) == (
        "the jwts are dated 2027-01-15 08:01:01 UTC, and this clock reads 2027-01-15 08:00:00 UTC"
    )
    assert simulated.slept == []


@pytest.mark.parametrize("step", [0.0, -5.0], ids=["stands still", "is set back"])
def test_a_clock_that_does_not_get_there_is_refused(step: float) -> None:
    times = [NOW + step * number for number in range(9)]
    slept: list[float] = []
    clock = Clock(time=lambda: times.pop(0), sleep=slept.append)
    with pytest.raises(Refused, match="and this clock reads"):
        clock.wait_until(NOW + 1)
    assert len(slept) == 1


@pytest.mark.parametrize("until", [NOW - 1, NOW, NOW + 2])
def test_a_user_that_is_issued_again_is_dated_after_its_revocation(until: int) -> None:
    for key in ("*", str(USER.public_key)):
        simulated = Simulated(now=NOW + 2 if until > NOW else NOW)
        parent = edit(simulated, None, account(revocations={key: until}))
        change = changed(
            user_jwt(1).claims, ACCOUNT.public_key, replaces=user_jwt(NOW - 5), now=NOW, reason="again"
        )
        (made,) = signed(simulated, resigned(change, (operator(), parent), NOW))
        assert made.issued_at == max(NOW, until + 1)


@pytest.mark.parametrize(
    ("key", "issued", "expected"),
    [
        ("*", [NOW - 5, NOW + 3], {"*": NOW + 3}),
        ("U", [NOW + 3], {"U": NOW + 3}),
        ("U", [NOW - 5], {"U": NOW}),
        ("*", [NOW + 3600, NOW - 5], {"*": NOW, "U": NOW + 3600}),
        ("U", [NOW + 3600], {"U": NOW + 3600}),
        ("UNKNOWN", [NOW + 3600], {"UNKNOWN": NOW}),
    ],
)
def test_a_revocation_stands_against_every_jwt_that_is_known(
    key: str, issued: list[int], expected: dict[str, int]
) -> None:
    own = str(USER.public_key)
    found = revocations(own if key == "U" else key, [user_jwt(at) for at in issued], NOW)
    assert {"U" if sub == own else sub: until for sub, until in found.items()} == expected


def test_an_account_is_dated_no_earlier_than_its_revocations_that_are_due() -> None:
    simulated = Simulated()
    made = edit(simulated, None, account(revocations={"*": NOW + 3}))
    assert made.issued_at == NOW + 3
    assert simulated.slept == [3.0]
    far = changed(
        account(revocations={str(USER.public_key): NOW + 3600}),
        OPERATOR.public_key,
        replaces=None,
        now=NOW,
        reason="",
    )
    assert far.draft.issued_at == NOW


def test_an_approved_plan_is_not_dated_again() -> None:
    simulated = Simulated()
    parent = edit(simulated, None, account(revocations={"*": NOW}))
    change = changed(user_jwt(1).claims, ACCOUNT.public_key, replaces=None, now=NOW, reason="")
    intent = Intent(lambda _: Plan((change,), NOW, (operator(), parent)), is_final=True)
    assert intent.rehearsed().changes == (change,)
    (moved,) = Intent(intent.plan).rehearsed().changes
    assert moved.draft.issued_at == NOW + 1


FUTURE = NOW + 365 * 86400


def follow(make: Callable[..., Any] = changed) -> tuple[Any, Jwt[Any]]:
    made = draft(account(), OPERATOR.public_key, FUTURE)
    before = made.complete(OPERATOR.sign(made.signing_input))
    return make(account(2), OPERATOR.public_key, replaces=before, now=NOW, reason="back"), before


def test_what_follows_a_jwt_from_the_future_is_refused_with_the_way_back() -> None:
    change, _ = follow()
    (finding,) = resigned(change, (operator(),), NOW).rehearsed().judge().errors
    assert (finding.code, finding.text) == (
        "G002",
        (
            "is 2028-01-15 08:00:01 UTC, which is 31536001 seconds ahead of this clock, "
            "2027-01-15 08:00:00 UTC; the jwt that it replaces is of 2028-01-15 08:00:00 UTC"
        ),
    )
    assert finding.hint.endswith(f"see seedless docs howto/clock: --reset-time {ACCOUNT.public_key}")


def test_a_named_subject_is_dated_by_the_clock_and_shown_as_lifted() -> None:
    change, _ = follow()
    intent = msgspec.structs.replace(
        resigned(change, (operator(),), NOW), reset_time=frozenset({str(ACCOUNT.public_key)})
    )
    plan = intent.rehearsed()
    assert plan.changes[0].draft.issued_at == NOW
    assert [finding.code for finding in plan.judge().errors] == ["G001"]  # who judges names it too
    context = msgspec.structs.replace(plan.context, reset_time=intent.reset_time)
    report = judge(plan.changes, context)
    assert report.errors == ()
    assert [(one.code, one.place, one.text) for one in report.waived] == [
        ("G001", "account ORDERS iat", _BACK)
    ]


_BACK = "is 2027-01-15 08:00:00 UTC, not later than 2028-01-15 08:00:00 UTC, that of the jwt that it replaces"


@pytest.mark.parametrize("named", [(), (str(USER.public_key),)], ids=["nobody", "another"])
def test_a_subject_that_is_not_named_stays_where_it_is(named: tuple[str, ...]) -> None:
    change, _ = follow()
    intent = msgspec.structs.replace(resigned(change, (operator(),), NOW), reset_time=frozenset(named))
    assert intent.rehearsed().changes[0].draft.issued_at == FUTURE + 1


@pytest.mark.parametrize("before", [NOW - 5, NOW, NOW + 59])
def test_a_jwt_that_is_not_from_the_future_is_never_gone_back_behind(before: int) -> None:
    made = draft(account(), OPERATOR.public_key, before)
    old = made.complete(OPERATOR.sign(made.signing_input))
    change = changed(account(2), OPERATOR.public_key, replaces=old, now=NOW, reason="")
    intent = msgspec.structs.replace(
        resigned(change, (operator(),), NOW), reset_time=frozenset({str(ACCOUNT.public_key)})
    )
    assert intent.rehearsed().changes[0].draft.issued_at == max(NOW, before + 1)
