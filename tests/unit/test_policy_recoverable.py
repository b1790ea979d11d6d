"""`recoverable` of a policy: which keys shares may restore, and what excludes attestation."""

from __future__ import annotations

import pytest

from seedless.errors import Refused, WrongFile
from seedless.nkey import PublicKey, Role
from seedless.policy import Policy, read, refuse_recoverable, require_recoverable, sentences
from seedless.seeds import SoftwareKey

OPERATOR = SoftwareKey(Role.OPERATOR, bytes(32)).public_key
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key
USER = SoftwareKey(Role.USER, bytes(range(1, 33))).public_key
ROOT = "62760c6a6ef91679f454c8902b80fd009825b3f25da90f1fbace2ec6586cd5a8"


def policy(text: str = "") -> Policy:
    return read(f'operator = "{OPERATOR}"\n{text}'.encode())


def attestation(*roles: str) -> str:
    return f'[attestation]\nroots = ["{ROOT}"]\nrequired = [{", ".join(f"{role!r}" for role in roles)}]'


def test_the_default_is_forbidden_and_no_policy_forbids_nothing() -> None:
    with pytest.raises(Refused, match="P015 the policy forbids keys that shares restore"):
        refuse_recoverable(policy(), [Role.OPERATOR])
    refuse_recoverable(None, [Role.OPERATOR])
    for word in ("allowed", "required"):
        refuse_recoverable(policy(f'recoverable = "{word}"'), [Role.OPERATOR])


def test_the_default_is_left_out_of_the_canonical_form() -> None:
    assert policy('recoverable = "forbidden"').digest == policy().digest
    assert policy('recoverable = "allowed"').digest != policy().digest


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("allowed", "Shares may restore keys."),
        ("required", "The key of an operator or an account signs only if shares restore it."),
    ],
)
def test_it_is_read_aloud(word: str, sentence: str) -> None:
    assert sentences(policy(f'recoverable = "{word}"'))["recoverable"] == sentence


def test_another_word_is_refused() -> None:
    with pytest.raises(WrongFile, match="recoverable"):
        policy('recoverable = "yes"')


@pytest.mark.parametrize("roles", [("operator",), ("account",), ("operator", "account", "user")])
def test_required_shares_and_required_attestation_are_a_contradiction(roles: tuple[str, ...]) -> None:
    with pytest.raises(WrongFile, match="exclude each other for the key of"):
        policy(f'recoverable = "required"\n{attestation(*roles)}')


def test_a_user_that_is_attested_contradicts_nothing() -> None:
    assert policy(f'recoverable = "required"\n{attestation("user")}').recoverable == "required"


def test_a_key_that_has_to_be_attested_is_not_created_from_shares() -> None:
    pinned = policy(f'recoverable = "allowed"\n{attestation("operator")}')
    refuse_recoverable(pinned, [Role.ACCOUNT])
    with pytest.raises(Refused, match="P015 the policy requires that a device attests the key of operator"):
        refuse_recoverable(pinned, [Role.ACCOUNT, Role.OPERATOR])


@pytest.mark.parametrize(
    ("word", "key", "is_recorded", "sentence"),
    [
        ("forbidden", ACCOUNT, True, f"P015 shares restore {ACCOUNT}, and the policy forbids such keys"),
        ("forbidden", ACCOUNT, False, ""),
        ("allowed", ACCOUNT, True, ""),
        ("allowed", ACCOUNT, False, ""),
        ("required", ACCOUNT, True, ""),
        ("required", OPERATOR, False, f"P015 no record lists shares that restore {OPERATOR}"),
        ("required", USER, False, ""),
    ],
)
def test_a_key_signs_only_if_the_policy_allows_its_shares(
    word: str,
    key: PublicKey,
    is_recorded: bool,  # noqa: FBT001 - a row
    sentence: str,
) -> None:
    pinned = policy(f'recoverable = "{word}"')
    if not sentence:
        require_recoverable(pinned, key, is_recorded=is_recorded)
        return
    with pytest.raises(Refused, match=sentence):
        require_recoverable(pinned, key, is_recorded=is_recorded)
