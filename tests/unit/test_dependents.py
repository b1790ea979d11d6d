from __future__ import annotations

from datetime import UTC, datetime

import pytest

from seedless.claims import Account, Operator, Scope, User
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.trust import dependents

OPERATOR, ACCOUNT, SIGNING, OTHER = (
    SoftwareKey(role, bytes([number] * 32))
    for number, role in enumerate((Role.OPERATOR, Role.ACCOUNT, Role.ACCOUNT, Role.ACCOUNT), 1)
)
NOW = 1_700_000_000


def signed(body: Operator | Account | User, subject: str, by: SoftwareKey, expires: int = 0) -> Jwt[object]:
    claims = Claims(sub=subject, name="x", exp=expires, body=body)
    drafted = draft(claims, by.public_key, datetime.fromtimestamp(NOW, UTC))
    return drafted.complete(by.sign(drafted.signing_input))


def account(*, expires: int = 0) -> Jwt[object]:
    body = Account(signing_keys=(str(SIGNING.public_key),))
    return signed(body, str(ACCOUNT.public_key), OPERATOR, expires)


@pytest.mark.parametrize(
    ("key", "tied"),
    [
        pytest.param(OPERATOR, ("issuer",), id="issuer"),
        pytest.param(ACCOUNT, ("subject",), id="subject"),
        pytest.param(SIGNING, ("signing key",), id="signing-key"),
        pytest.param(OTHER, (), id="another-key"),
    ],
)
def test_a_jwt_is_tied_to_its_subject_signing_keys_and_issuer(
    key: SoftwareKey, tied: tuple[str, ...]
) -> None:
    assert dependents(account(), key.public_key, NOW) == tied


def test_a_key_with_a_scope_is_a_signing_key_too() -> None:
    body = Account(signing_keys=(Scope(key=str(SIGNING.public_key), role="app"),))
    assert dependents(signed(body, str(ACCOUNT.public_key), OPERATOR), SIGNING.public_key, NOW) == (
        "signing key",
    )


def test_an_operator_is_tied_to_itself_and_its_signing_keys() -> None:
    second = SoftwareKey(Role.OPERATOR, bytes([9] * 32)).public_key
    jwt = signed(Operator(signing_keys=(str(second),)), str(OPERATOR.public_key), OPERATOR)
    assert dependents(jwt, OPERATOR.public_key, NOW) == ("subject", "issuer")
    assert dependents(jwt, second, NOW) == ("signing key",)


def test_the_raw_key_counts_in_whichever_role() -> None:
    assert dependents(account(), PublicKey(Role.USER, ACCOUNT.public_key.raw), NOW) == ("subject",)


@pytest.mark.parametrize(
    ("expires", "tied"),
    [
        pytest.param(NOW - 1, (), id="expired"),
        pytest.param(NOW, (), id="at-the-second"),
        pytest.param(NOW + 1, ("subject",), id="a-second-left"),
    ],
)
def test_an_expired_jwt_is_tied_to_nothing(expires: int, tied: tuple[str, ...]) -> None:
    assert dependents(account(expires=expires), ACCOUNT.public_key, NOW) == tied
