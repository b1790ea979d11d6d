"""`seedless.sign`: claims and a signer, without a store."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import seedless
from seedless import Account, Claims, Limits, PublicKey, Role, SoftwareKey, User

OPERATOR = SoftwareKey(Role.OPERATOR, bytes([1]) * 32)
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes([2]) * 32)
APP = SoftwareKey(Role.USER, bytes([3]) * 32)


def account(body: Account) -> Claims[Account]:
    return Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=body)


def user(body: User) -> Claims[User]:
    return Claims(sub=str(APP.public_key), name="app", body=body)


def test_an_account_and_its_user_are_signed_and_read_again() -> None:
    orders = seedless.sign(account(Account.new()), OPERATOR, now=1_800_000_000)
    app = seedless.sign(user(User.new()), ACCOUNT, now=1_800_000_001)
    assert seedless.read_strict(orders.text) == orders
    assert (orders.issuer, orders.issued_at) == (OPERATOR.public_key, 1_800_000_000)
    assert (app.claims.body.subs, app.issued_at) == (-1, 1_800_000_001)


def test_the_time_is_that_of_the_clock_or_given() -> None:
    zoned = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    assert seedless.sign(account(Account.new()), OPERATOR, now=zoned).issued_at == 1_767_312_000
    before = int(dt.datetime.now(tz=dt.UTC).timestamp())
    assert before <= seedless.sign(account(Account.new()), OPERATOR).issued_at <= before + 60


def test_a_user_of_a_scope_has_no_limits_of_its_own() -> None:
    scoped = seedless.sign(
        user(User.scoped(str(ACCOUNT.public_key))), SoftwareKey(Role.ACCOUNT, bytes([4]) * 32)
    )
    assert scoped.claims.body.subs == 0


@pytest.mark.parametrize(
    ("claims", "hint"),
    [
        pytest.param(account(Account()), "Account.new()", id="account"),
        pytest.param(account(Account(description="orders")), "Account.new()", id="account with members"),
        pytest.param(user(User()), "User.new()", id="user"),
    ],
)
def test_limits_that_nobody_has_set_are_refused(claims: Claims[Any], hint: str) -> None:
    with pytest.raises(seedless.UsageError, match="are 0, which lets nothing through") as caught:
        seedless.sign(claims, OPERATOR if "account" in claims.body.kind else ACCOUNT)
    assert caught.value.hint.startswith(hint)


def test_limits_that_are_set_are_signed_as_they_are() -> None:
    closed = seedless.sign(account(Account(limits=Limits(conn=0, subs=-1))), OPERATOR)
    assert (closed.claims.body.limits.conn, closed.claims.body.limits.subs) == (0, -1)


class Wrong:
    """A signer whose signatures are somebody else's."""

    public_key = OPERATOR.public_key

    def sign(self, message: bytes, /) -> bytes:
        return ACCOUNT.sign(message)


def test_a_wrong_signature_is_never_returned() -> None:
    with pytest.raises(seedless.BadSignature, match="the signature is not by O"):
        seedless.sign(account(Account.new()), Wrong())


@pytest.mark.parametrize(
    ("claims", "signer", "now", "message"),
    [
        pytest.param(
            "orders", OPERATOR, 1, "claims are a value of the type Claims, not str", id="text as claims"
        ),
        pytest.param(
            Account.new(), OPERATOR, 1, "claims are a value of the type Claims, not Account", id="body"
        ),
        pytest.param(
            account(Account.new()), "O…", 1, "a signer has a public_key and a method sign", id="text"
        ),
        pytest.param(
            account(Account.new()), OPERATOR.public_key, 1, "and PublicKey has not both", id="public key"
        ),
        pytest.param(account(Account.new()), OPERATOR, "now", "is a datetime or seconds", id="time"),
        pytest.param(
            account(Account.new()),
            OPERATOR,
            dt.datetime(2026, 1, 1),  # noqa: DTZ001 - that is the case
            "needs a time zone",
            id="no zone",
        ),
    ],
)
def test_what_is_of_another_type_ends_in_a_sentence(claims: Any, signer: Any, now: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(seedless.UsageError, match=message):
        seedless.sign(claims, signer, now=now)


def test_an_issuer_of_the_wrong_role_is_refused() -> None:
    with pytest.raises(seedless.BadClaims):
        seedless.sign(user(User.new()), OPERATOR)


def test_a_public_key_is_that_of_the_signer() -> None:
    assert isinstance(seedless.sign(account(Account.new()), OPERATOR).issuer, PublicKey)
