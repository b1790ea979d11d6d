from __future__ import annotations

from typing import Any

import pytest

from seedless.claims import Account, Activation, Export, Operator, Scope, User
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.trust import carried_limits, did_sign, is_revoked

Craft = Any  # tests/unit/conftest.py: Craft
OPERATOR, OPERATOR_2, ACCOUNT, ACCOUNT_2, USER = (
    SoftwareKey(role, bytes([number]) * 32) for number, role in enumerate(map(Role, "OOAAU"), start=40)
)
AT = 1000


def sign(body: Any, sub: SoftwareKey, iss: SoftwareKey, at: int = AT) -> Jwt[Any]:  # noqa: ANN401 - any body
    made = draft(Claims(sub=str(sub.public_key), body=body), iss.public_key, at)
    return made.complete(iss.sign(made.signing_input))


def operator(*signing_keys: SoftwareKey, strict: bool = False) -> Jwt[Any]:
    keys = tuple(str(key.public_key) for key in signing_keys)
    return sign(Operator(signing_keys=keys, strict_signing_key_usage=strict), OPERATOR, OPERATOR)


def account(**members: Any) -> Jwt[Any]:  # noqa: ANN401 - members of an account
    return sign(Account(**members), ACCOUNT, OPERATOR)


@pytest.mark.parametrize(
    ("parent", "issuer", "signed"),
    [
        pytest.param(operator(), OPERATOR, True, id="the identity"),
        pytest.param(operator(OPERATOR_2), OPERATOR_2, True, id="a signing key"),
        pytest.param(operator(), OPERATOR_2, False, id="a stranger"),
        pytest.param(operator(OPERATOR_2, strict=True), OPERATOR, False, id="a strict identity"),
        pytest.param(operator(OPERATOR_2, strict=True), OPERATOR_2, True, id="a signing key, strict"),
    ],
)
def test_an_operator_signed_an_account_by(parent: Jwt[Any], issuer: SoftwareKey, signed: bool) -> None:  # noqa: FBT001 - a table
    assert did_sign(parent, sign(Account(), ACCOUNT, issuer)) is signed


def test_a_strict_operator_signs_itself() -> None:
    strict = operator(OPERATOR_2, strict=True)
    assert did_sign(strict, strict)


NAME = str(ACCOUNT.public_key)
KEY = str(ACCOUNT_2.public_key)


@pytest.mark.parametrize(
    ("members", "issuer", "issuer_account", "signed"),
    [
        pytest.param({}, ACCOUNT, "", True, id="the identity"),
        pytest.param({}, ACCOUNT, NAME, True, id="the identity, naming itself"),
        pytest.param({}, ACCOUNT_2, NAME, False, id="a stranger"),
        pytest.param({"signing_keys": (KEY,)}, ACCOUNT_2, NAME, True, id="a signing key"),
        pytest.param({"signing_keys": (Scope(key=KEY),)}, ACCOUNT_2, NAME, True, id="a scoped signing key"),
        pytest.param({"signing_keys": (KEY,)}, ACCOUNT_2, "", False, id="a signing key without the account"),
        pytest.param({"signing_keys": (KEY,)}, ACCOUNT_2, KEY, False, id="a signing key for another account"),
    ],
)
@pytest.mark.parametrize("kind", [User, Activation])
def test_an_account_signed_users_and_activations_by(
    kind: type,
    members: dict[str, Any],
    issuer: SoftwareKey,
    issuer_account: str,
    signed: bool,  # noqa: FBT001 - a table
) -> None:
    sub = USER if kind is User else ACCOUNT
    assert did_sign(account(**members), sign(kind(issuer_account=issuer_account), sub, issuer)) is signed


def test_users_sign_nothing() -> None:
    user = sign(User(), USER, ACCOUNT)
    assert not did_sign(user, user)


@pytest.mark.parametrize(
    ("revocations", "revoked"),
    [
        ({}, False),
        ({str(USER.public_key): AT - 1}, False),
        ({str(USER.public_key): AT}, True),
        ({str(USER.public_key): AT + 1}, True),
        ({"*": AT}, True),
        ({"*": AT - 1, str(USER.public_key): AT - 1}, False),
        ({"*": AT - 1, str(USER.public_key): AT}, True),
        ({NAME: AT}, False),
    ],
)
def test_a_user_is_revoked_up_to_the_time_given(revocations: dict[str, int], revoked: bool) -> None:  # noqa: FBT001 - a table
    assert is_revoked(account(revocations=revocations), sign(User(), USER, ACCOUNT)) is revoked


@pytest.mark.parametrize(
    ("export", "revoked"),
    [
        pytest.param(Export(subject="a.>", type="stream", revocations={NAME: AT}), True, id="its export"),
        pytest.param(Export(subject="a.>", type="stream", revocations={"*": AT}), True, id="everyone"),
        pytest.param(Export(subject="a.>", type="service", revocations={NAME: AT}), False, id="another type"),
        pytest.param(Export(subject="b.>", type="stream", revocations={NAME: AT}), False, id="subject"),
        pytest.param(Export(subject="a.>", type="stream"), False, id="nothing"),
    ],
)
def test_an_activation_is_revoked_by_the_export_that_it_is_for(export: Export, revoked: bool) -> None:  # noqa: FBT001 - a table
    activation = sign(Activation(subject="a.b", import_type="stream"), ACCOUNT, ACCOUNT_2)
    assert is_revoked(account(exports=(export,), revocations={NAME: AT}), activation) is revoked


def test_a_jwt_without_time_or_subject_counts_as_revoked(craft: Craft) -> None:
    nats = {"type": "user", "version": 2}
    assert is_revoked(account(), read(craft({"sub": "s", "nats": nats})))
    assert is_revoked(account(), read(craft({"iat": 5, "nats": nats})))
    assert not is_revoked(account(), read(craft({"sub": "s", "iat": 5, "nats": nats})))


@pytest.mark.parametrize(
    ("members", "carried"),
    [
        ({}, ()),
        ({"tags": ["t"], "issuer_account": "A", "pub": {}, "sub": {}, "subs": 0, "bearer_token": False}, ()),
        ({"pub": {"x": 1}}, ()),
        ({"pub": {"allow": []}}, ("pub",)),
        ({"sub": {"deny": ["a"]}}, ("sub",)),
        ({"resp": {}}, ("resp",)),
        ({"src": []}, ("src",)),
        ({"src": ""}, ("src",)),
        ({"times": []}, ("times",)),
        ({"allowed_connection_types": []}, ("allowed_connection_types",)),
        ({"subs": -1, "data": 5, "payload": -1}, ("subs", "data", "payload")),
        ({"bearer_token": True, "proxy_required": True}, ("bearer_token", "proxy_required")),
        ({"times_location": "UTC"}, ("times_location",)),
    ],
    ids=repr,
)
def test_a_scoped_user_carries_what_servers_would_see(
    craft: Craft, members: dict[str, Any], carried: tuple[str, ...]
) -> None:
    jwt = read(craft({"sub": "s", "nats": members | {"type": "user", "version": 2}}))
    assert carried_limits(jwt) == carried


def test_a_user_of_version_1_carries_the_limits_that_it_is_migrated_to(craft: Craft) -> None:
    jwt = read(craft({"sub": "s", "type": "user", "nats": {}}, version=1))
    assert carried_limits(jwt) == ("subs", "data", "payload")
