from __future__ import annotations

import pytest
from pkcs11 import exceptions

from seedless.errors import NoKey, NoToken, PinError, SeedlessError, TokenError
from seedless.pkcs11.return_values import explain, explained, is_dislike, pin_rejected
from seedless.pkcs11.token_info import TokenInfo


def info(**flags: bool) -> TokenInfo:
    return TokenInfo(
        label="ops", manufacturer="", model="", serial="01", slot_id=0, initialised=True, **flags
    )


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        pytest.param(exceptions.PinIncorrect(), PinError, "the PIN is wrong", id="pin-wrong"),
        pytest.param(exceptions.PinLocked(), PinError, "the PIN is locked", id="pin-locked"),
        pytest.param(exceptions.UserPinNotInitialized(), PinError, "no user PIN has been set", id="no-pin"),
        pytest.param(exceptions.DeviceRemoved(), TokenError, "the device was removed", id="removed"),
        pytest.param(exceptions.SessionHandleInvalid(), TokenError, "the session was lost", id="session"),
        pytest.param(
            exceptions.MechanismInvalid(), TokenError, "it does not know this mechanism", id="mechanism"
        ),
        pytest.param(exceptions.FunctionFailed(), TokenError, "the operation failed", id="failed"),
        pytest.param(
            exceptions.TokenWriteProtected(), TokenError, "the token is write-protected", id="protected"
        ),
        pytest.param(
            exceptions.AttributeReadOnly(), TokenError, "an attribute of the object cannot", id="read-only"
        ),
        pytest.param(exceptions.DataLenRange(), TokenError, "the message is too long", id="too-long"),
        pytest.param(exceptions.DeviceMemory(), TokenError, "the token is full", id="full"),
        pytest.param(
            exceptions.GeneralError(), TokenError, "the driver reports a general error", id="general"
        ),
        pytest.param(exceptions.ObjectHandleInvalid(), NoKey, "the key is gone", id="key-gone"),
        pytest.param(exceptions.TokenNotPresent(), NoToken, "the token is gone", id="token-gone"),
        pytest.param(
            exceptions.KeyIndigestible(), TokenError, "the driver answered KeyIndigestible", id="other"
        ),
        pytest.param(
            exceptions.PKCS11Error("Buffer was too small. Should never see this."),
            TokenError,
            "the message is too long for the token",
            id="buffer",
        ),
        pytest.param(
            exceptions.PKCS11Error("Initialisation error (not initialized). Should never see this."),
            TokenError,
            "another part of this program has shut the driver down",
            id="finalised",
        ),
        pytest.param(
            exceptions.PKCS11Error("Unmapped error code 0x1b"),
            TokenError,
            "may not be changed",
            id="prohibited",
        ),
        pytest.param(
            exceptions.PKCS11Error("Unmapped error code 0x80000001"),
            TokenError,
            "answered 0x80000001",
            id="vendor",
        ),
        pytest.param(exceptions.PKCS11Error("?"), TokenError, "an unknown error", id="text"),
        pytest.param(ValueError("5 is not a valid KeyType"), TokenError, "makes no sense", id="value-error"),
        pytest.param(NotImplementedError("0x40"), TokenError, "makes no sense", id="not-implemented"),
    ],
)
def test_what_the_binding_raises_becomes_a_sentence(
    error: Exception, kind: type[SeedlessError], message: str
) -> None:
    with pytest.raises(SeedlessError) as raised, explained("sign", info().where):
        raise error
    assert type(raised.value) is kind
    assert raised.value.message.startswith('cannot sign on token "ops" (serial 01): ')
    assert message in raised.value.message
    assert raised.value.__cause__ is error
    assert "Should never see this" not in raised.value.message


def test_every_exception_of_the_binding_ends_in_an_error_of_exit_code_4() -> None:
    kinds = [
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, RuntimeError)
    ]
    assert len(kinds) > 60
    for kind in kinds:
        with pytest.raises(TokenError) as raised, explained("sign", "it"):
            raise kind
        assert raised.value.exit_code == 4


def test_errors_of_our_own_and_bugs_pass_through() -> None:
    for error in (NoKey("no key"), KeyError("bug")):
        with pytest.raises(type(error)) as raised, explained("sign", "it"):
            raise error
        assert raised.value is error


@pytest.mark.parametrize(
    ("flags", "wrong", "message"),
    [
        pytest.param({}, True, "the PIN is wrong", id="wrong"),
        pytest.param(
            {"user_pin_count_low": True}, True, "the PIN is wrong, and few tries are left", id="low"
        ),
        pytest.param(
            {"user_pin_count_low": True, "user_pin_final_try": True},
            True,
            "the PIN is wrong, and one try is left",
            id="final",
        ),
        pytest.param({"user_pin_locked": True}, True, "the PIN was wrong and is now locked", id="locked-now"),
        pytest.param({"user_pin_locked": True}, False, "the PIN is locked", id="locked"),
        pytest.param(
            {"user_pin_final_try": True}, False, "the PIN was not tried, and one try is left", id="not-tried"
        ),
    ],
)
def test_the_tries_left_are_reported(flags: dict[str, bool], wrong: bool, message: str) -> None:  # noqa: FBT001 - a table
    error = pin_rejected(info(**flags), wrong=wrong)
    assert error.message == f'cannot log in on token "ops" (serial 01): {message}'
    assert error.hint
    assert error.exit_code == 4


def test_a_value_that_a_call_of_our_own_saw_is_explained() -> None:
    assert (
        explain(0xE2, "initialise", "it").message == "cannot initialise on it: the token is write-protected"
    )
    assert (
        explain(0x12345, "initialise", "it").message == "cannot initialise on it: the driver answered 0x12345"
    )


@pytest.mark.parametrize(
    ("error", "dislike"),
    [
        pytest.param(exceptions.TemplateInconsistent(), True, id="template"),
        pytest.param(exceptions.PKCS11Error("Unmapped error code 0x140"), True, id="curve"),
        pytest.param(exceptions.PKCS11Error("Unmapped error code 0x1b"), False, id="prohibited"),
        pytest.param(exceptions.FunctionFailed(), False, id="disk-full"),
        pytest.param(exceptions.DeviceMemory(), False, id="token-full"),
        pytest.param(exceptions.DeviceRemoved(), False, id="removed"),
    ],
)
def test_only_a_dislike_of_the_template_is_worth_another_try(error: Exception, dislike: bool) -> None:  # noqa: FBT001 - a table
    assert is_dislike(error) is dislike
