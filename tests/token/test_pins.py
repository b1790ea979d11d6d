from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pkcs11.constants import Attribute
from pkcs11.mechanisms import KeyType

from seedless.errors import PinError, TokenError
from seedless.nkey import PublicKey, Role
from seedless.pin import PromptPin, environment_pin
from seedless.pkcs11.families import EC_PARAMS_NAME
from seedless.pkcs11.module import load
from seedless.pkcs11.token import find_token, open_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_softhsm import SoftHSM
    from pytest_softhsm import Token as Made
    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Given = Callable[..., Any]
    Misbehaving = Any


def test_the_source_is_asked_with_the_label_and_the_serial(
    softhsm_token: Made, opened: Open, given: Given
) -> None:
    pins = given(softhsm_token.pin)
    with opened(softhsm_token, pins):
        pass
    assert pins.asked == [(f'token "{softhsm_token.label}" (serial {softhsm_token.serial})', "")]


def test_a_wrong_pin_is_reported_with_the_tries_left(softhsm_token: Made, opened: Open, given: Given) -> None:
    with pytest.raises(PinError) as refused, opened(softhsm_token, given("wrong-pin-1")):
        pass
    where = f'token "{softhsm_token.label}" (serial {softhsm_token.serial})'
    assert refused.value.message == f"cannot log in on {where}: the PIN is wrong, and few tries are left"
    pins = given(softhsm_token.pin)
    with opened(softhsm_token, pins):
        assert pins.asked == [(where, "low")]


def test_a_wrong_pin_is_not_sent_twice(misbehaving: Misbehaving, opened: Open, given: Given) -> None:
    made, sent = misbehaving.made, []
    for pin in ("wrong-pin-1", "wrong-pin-1", "wrong-pin-2", "wrong-pin-1"):
        with pytest.raises(PinError), opened(made, given(pin)):
            pass
        sent.append(misbehaving.calls("C_Login"))
    assert sent == [1, 1, 2, 2]
    with pytest.raises(PinError, match="has refused this PIN already, and it was not sent again"):
        opened(made, given("wrong-pin-2")).__enter__()
    with opened(made) as token:
        assert token.keys() == []


def test_a_pin_that_one_token_refused_may_be_right_for_another(
    softhsm: SoftHSM, opened: Open, given: Given
) -> None:
    first, second = softhsm.create(pin="pin-of-first"), softhsm.create(pin="pin-of-second")
    with pytest.raises(PinError), opened(first, given("pin-of-second")):
        pass
    with opened(second, given("pin-of-second")) as token:
        assert token.info.serial == second.serial
    softhsm.remove(first)
    softhsm.remove(second)


def test_a_failed_login_leaves_no_session_behind(softhsm_token: Made, opened: Open, given: Given) -> None:
    for number in range(5):
        with pytest.raises(PinError), opened(softhsm_token, given(f"wrong-pin-{number}")):
            pass
    functions = load(softhsm_token.module).functions
    slot = find_token(load(softhsm_token.module), KeyUri(serial=softhsm_token.serial)).slot_id
    # The security officer cannot log in while any session for reading is open (CKR_SESSION_READ_ONLY_EXISTS).
    result, handle = functions.open_session(slot, writable=True)
    assert result == 0
    assert functions.login(handle, 0, softhsm_token.so_pin.encode()) == 0
    assert functions.close_session(handle) == 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("\udc80\udc81", id="not-utf-8"),
    ],
)
def test_a_source_without_a_usable_pin_is_refused(
    softhsm_token: Made, opened: Open, given: Given, answer: str | None
) -> None:
    with pytest.raises(PinError), opened(softhsm_token, given(answer)):
        pass
    with opened(softhsm_token) as token:
        assert token.info.user_pin_count_low is False


def test_no_error_of_a_login_holds_the_pin_anywhere(softhsm_token: Made, opened: Open, given: Given) -> None:
    for _ in range(2):
        with pytest.raises(PinError) as refused, opened(softhsm_token, given("hunter2-secret")):
            pass
        error: BaseException | None = refused.value
        while error is not None:
            assert "hunter2" not in repr((error, error.__dict__, error.args))
            error = error.__cause__ or error.__context__


def test_an_error_of_the_pin_source_leaves_the_token_usable(softhsm_token: Made, opened: Open) -> None:
    class Broken:
        def pin(self, *_: str) -> str:
            raise PinError("there is no terminal to ask for the PIN")

    with pytest.raises(PinError, match="no terminal"), opened(softhsm_token, Broken()):
        pass
    with opened(softhsm_token) as token:
        assert token.keys() == []


def make_always_authenticated(token: Token) -> PublicKey:
    with token._session.use("test") as raw:
        raw.generate_keypair(
            KeyType.EC_EDWARDS,
            id=b"\x01",
            label="user:each",
            store=True,
            public_template={Attribute.EC_PARAMS: EC_PARAMS_NAME},
            private_template={Attribute.ALWAYS_AUTHENTICATE: True},
        )
    [key] = token.keys()
    assert key.attributes.always_authenticate is True
    return PublicKey(Role.USER, key.raw)


def test_a_key_that_requires_the_pin_for_each_signature_gets_it_and_the_person_is_asked_once(
    misbehaving: Misbehaving, opened: Open, given: Given
) -> None:
    pins = given(misbehaving.made.pin)
    with opened(misbehaving.made, pins, writable=True) as token:
        signer = token.signer(make_always_authenticated(token))
        assert len(signer.sign(b"one")) == len(signer.sign(b"two")) == 64
        assert (misbehaving.calls("C_Login"), len(pins.asked)) == (3, 1)
        assert pins.answer not in repr((token, token._session, signer))


def test_a_second_token_that_nobody_was_asked_for_asks_for_the_first_signature(
    misbehaving: Misbehaving, opened: Open, given: Given
) -> None:
    with opened(misbehaving.made, writable=True) as first:
        public_key = make_always_authenticated(first)
        pins = given(misbehaving.made.pin)
        with opened(misbehaving.made, pins) as second:
            signer = second.signer(public_key)
            assert pins.asked == []
            assert len(signer.sign(b"one")) == len(signer.sign(b"two")) == 64
            assert len(pins.asked) == 1


def test_a_wrong_pin_for_one_signature_is_reported_and_not_sent_again(
    misbehaving: Misbehaving, opened: Open, given: Given
) -> None:
    with opened(misbehaving.made, writable=True) as first:
        public_key = make_always_authenticated(first)
        misbehaving.forget()
        pins = given("wrong-context-pin")
        for said in ("the PIN is wrong", "refused this PIN already"):
            with opened(misbehaving.made, pins) as token:
                signer = token.signer(public_key)
                with pytest.raises(PinError, match=said):
                    signer.sign(b"x")
        assert misbehaving.calls("C_Login") == 1


def test_a_pin_changed_between_two_signatures_is_sent_once(
    misbehaving: Misbehaving, opened: Open, given: Given
) -> None:
    pins = given(misbehaving.made.pin)
    with opened(misbehaving.made, pins, writable=True) as token:
        signer = token.signer(make_always_authenticated(token))
        signer.sign(b"x")
        misbehaving.forget()
        misbehaving.wants("fault C_Login 1 0xa0")
        for error in (PinError, TokenError):
            with pytest.raises(error):
                signer.sign(b"x")
        assert (misbehaving.calls("C_Login"), len(pins.asked)) == (1, 1)


def test_the_pin_is_typed_on_the_pad_for_login_and_for_each_signature(
    misbehaving: Misbehaving, opened: Open, given: Given
) -> None:
    misbehaving.wants(f"set pad {misbehaving.made.pin}")
    pins = given("never asked for")
    with opened(misbehaving.made, pins, writable=True) as token:
        signer = token.signer(make_always_authenticated(token))
        assert len(signer.sign(b"x")) == 64
        assert (misbehaving.calls("C_Login"), pins.asked) == (2, [])


def test_a_lost_session_of_a_token_with_a_pad_is_logged_in_on_the_pad_again(
    misbehaving: Misbehaving, opened: Open, given: Given
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    misbehaving.wants(f"set pad {misbehaving.made.pin}")
    pins = given("never asked for")
    with opened(misbehaving.made, pins) as token:
        [key] = token.keys()
        signer = token.signer(PublicKey(Role.USER, key.raw))
        misbehaving.wants(f"set pad {misbehaving.made.pin}", "fault C_Sign 1 DEVICE_REMOVED")
        assert len(signer.sign(b"x")) == 64
    assert (misbehaving.calls("C_Login"), pins.asked) == (2, [])


def test_a_pin_mistyped_on_the_pad_is_reported(misbehaving: Misbehaving, opened: Open, given: Given) -> None:
    misbehaving.wants("set pad mistyped", "set tries 3")
    with pytest.raises(PinError, match="the PIN is wrong, and few tries are left"), opened(misbehaving.made):
        pass
    assert misbehaving.calls("C_Login") == 1


def test_the_ladder_of_wrong_pins_is_reported_rung_by_rung_down_to_the_lock(
    misbehaving: Misbehaving, given: Given
) -> None:
    misbehaving.wants("set tries 3")
    uri, module = KeyUri.parse(misbehaving.made.uri), misbehaving.made.module
    said = []
    for pin, last_try in (
        ("wrong-1", False),
        ("wrong-2", False),
        ("wrong-3", False),
        ("wrong-3", True),
        (misbehaving.made.pin, True),
    ):
        pins = given(pin)
        with pytest.raises(PinError) as refused, open_token(uri, pins, module=module, last_try=last_try):
            pass
        said.append((refused.value.message.rpartition(": ")[2], [tries for _, tries in pins.asked]))
        assert refused.value.exit_code == 4
    assert said == [
        ("the PIN is wrong, and few tries are left", [""]),
        ("the PIN is wrong, and one try is left", ["low"]),
        ("the PIN was not tried, and one try is left", []),
        ("the PIN was wrong and is now locked", ["last"]),
        ("the PIN is locked", []),
    ]
    assert ("PUK" in refused.value.hint, misbehaving.calls("C_Login")) == (True, 3)


def test_a_right_pin_at_the_last_try_opens_and_gives_all_tries_back(
    misbehaving: Misbehaving, given: Given
) -> None:
    misbehaving.wants("set tries 2")
    uri, module = KeyUri.parse(misbehaving.made.uri), misbehaving.made.module
    with pytest.raises(PinError), open_token(uri, given("wrong-1"), module=module):
        pass
    pins = given(misbehaving.made.pin)
    with pytest.raises(PinError) as refused, open_token(uri, pins, module=module):
        pass
    assert ("--last-try" in refused.value.hint, pins.asked) == (True, [])
    with open_token(uri, pins, module=module, last_try=True) as token:
        assert (token.keys(), [tries for _, tries in pins.asked]) == ([], ["last"])
    with open_token(uri, pins, module=module) as token:
        assert token.info.tries == ""


def test_a_recovery_does_not_spend_the_last_try(misbehaving: Misbehaving, opened: Open) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    misbehaving.wants("set tries 2")
    with opened(misbehaving.made) as token:
        [key] = token.keys()
        signer = token.signer(PublicKey(Role.USER, key.raw))
        misbehaving.forget()
        misbehaving.wrong_pins(1)  # by somebody else
        misbehaving.wants("set tries 2", "fault C_Sign 1 DEVICE_REMOVED")
        with pytest.raises(PinError, match="the PIN was not tried, and one try is left"):
            signer.sign(b"x")
    assert misbehaving.calls("C_Login") == 0


def test_a_token_without_a_user_pin_is_reported(misbehaving: Misbehaving, opened: Open, given: Given) -> None:
    misbehaving.wants("set no_user_pin")
    pins = given("1234")
    with pytest.raises(PinError, match="has no user PIN yet"), opened(misbehaving.made, pins):
        pass
    assert (pins.asked, misbehaving.calls("C_Login")) == ([], 0)


def test_a_token_without_login_asks_for_no_pin(misbehaving: Misbehaving, opened: Open, given: Given) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    misbehaving.wants(f"set no_login {misbehaving.made.pin}")
    pins = given("never asked for")
    with opened(misbehaving.made, pins) as token:
        [key] = token.keys()
        signer = token.signer(PublicKey(Role.USER, key.raw))
        assert len(signer.sign(b"x")) == 64
        misbehaving.wants(f"set no_login {misbehaving.made.pin}", "fault C_Sign 1 DEVICE_REMOVED")
        assert len(signer.sign(b"x")) == 64
    assert (pins.asked, misbehaving.calls("C_Login")) == ([], 0)


YUBIHSM = ("set manufacturer Yubico (www.yubico.com)", "set model YubiHSM")
YUBIKEY = ("set manufacturer Yubico (www.yubico.com)", "set model YubiKey YK5", "set firmware 5 74")


@pytest.mark.parametrize(
    ("device", "pin", "hint"),
    [
        pytest.param(YUBIHSM, "password-of-mine", "4 hex digits, and then the password", id="no-key-id"),
        pytest.param(YUBIHSM, "0001short", "4 hex digits, and then the password", id="short-password"),
        pytest.param(YUBIKEY, "12345", "6 to 8 characters", id="short-pin"),
        pytest.param(YUBIKEY, "123456789", "6 to 8 characters", id="long-pin"),
    ],
)
def test_a_pin_that_cannot_be_right_for_the_device_is_not_sent(
    misbehaving: Misbehaving, opened: Open, given: Given, device: tuple[str, ...], pin: str, hint: str
) -> None:
    misbehaving.wants(*device)
    with pytest.raises(PinError, match="cannot be right, and it was not sent") as refused:
        opened(misbehaving.made, given(pin)).__enter__()
    assert (hint in refused.value.hint, misbehaving.calls("C_Login")) == (True, 0)
    assert pin not in repr(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("0x7", "the driver refuses the arguments", id="arguments-bad"),
        pytest.param("0x82", "it has no such user", id="unknown-authentication-key"),
    ],
)
def test_a_yubihsm_that_refuses_the_form_of_a_pin_reports_the_form(
    misbehaving: Misbehaving, opened: Open, given: Given, fault: str, said: str
) -> None:
    misbehaving.wants(*YUBIHSM, f"fault C_Login 1 {fault}")
    with pytest.raises(PinError, match=said) as refused:
        opened(misbehaving.made, given("0001password")).__enter__()
    assert "as in 0001password" in refused.value.hint


def test_a_pin_of_the_right_form_is_sent(misbehaving: Misbehaving, opened: Open, given: Given) -> None:
    misbehaving.wants(*YUBIHSM)
    with pytest.raises(PinError, match="the PIN is wrong"), opened(misbehaving.made, given("0001password")):
        pass
    assert misbehaving.calls("C_Login") == 1


def typed(*pins: str) -> tuple[PromptPin, list[str]]:
    """Somebody who types *pins*, one after the other, and then nothing; and the questions."""
    asked: list[str] = []
    left = iter(pins)

    def answer(question: str) -> str:
        asked.append(question)
        return next(left, "")

    return PromptPin(answer), asked


def test_who_mistypes_a_pin_is_asked_again_in_place_with_the_tries_left(
    misbehaving: Misbehaving, opened: Open
) -> None:
    made = misbehaving.made
    misbehaving.wants("set tries 9")
    where = f'token "{made.label}" (serial {made.serial})'
    pins, asked = typed("wrong-1", made.pin)
    with opened(made, pins) as token:
        assert token.keys() == []
    why = f"cannot log in on {where}: the PIN is wrong, and few tries are left"
    assert asked == [f"PIN for {where}: ", f"{why}\nPIN for {where} (few tries left): "]
    assert misbehaving.calls("C_Login") == 2


def test_a_wrong_pin_that_is_typed_again_is_not_sent_again(misbehaving: Misbehaving, opened: Open) -> None:
    misbehaving.wants("set tries 9")
    pins, asked = typed("wrong-1", "wrong-1", "wrong-1", misbehaving.made.pin)
    with opened(misbehaving.made, pins):
        pass
    assert misbehaving.calls("C_Login") == 2
    assert [("refused this PIN already" in question) for question in asked] == [False, False, True, True]


def test_who_types_is_not_asked_for_the_last_try_unless_it_was_asked_for(misbehaving: Misbehaving) -> None:
    misbehaving.wants("set tries 3")
    uri, module = KeyUri.parse(misbehaving.made.uri), misbehaving.made.module
    pins, asked = typed("wrong-1", "wrong-2", misbehaving.made.pin)
    with pytest.raises(PinError) as refused, open_token(uri, pins, module=module):
        pass
    assert refused.value.message.endswith("the PIN is wrong, and one try is left")
    assert "--last-try" in refused.value.hint
    assert (len(asked), misbehaving.calls("C_Login")) == (2, 2)
    pins, asked = typed(misbehaving.made.pin)
    with open_token(uri, pins, module=module, last_try=True):
        pass
    assert "LAST try" in asked[0]


def test_a_pin_that_locks_the_token_is_the_end_for_who_types_too(misbehaving: Misbehaving) -> None:
    misbehaving.wants("set tries 1")
    uri, module = KeyUri.parse(misbehaving.made.uri), misbehaving.made.module
    pins, asked = typed("wrong-1", misbehaving.made.pin)
    with pytest.raises(PinError, match="is now locked"), open_token(uri, pins, module=module, last_try=True):
        pass
    assert len(asked) == 1


def test_an_empty_line_gives_up_and_the_error_states_that_no_try_was_spent(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.wants("set tries 9")
    where = f'token "{misbehaving.made.label}" (serial {misbehaving.made.serial})'
    hint = "run the command again and type the PIN, or give it by env:NAME, file:PATH, fd:N or cmd:PROGRAM"
    for answers, logins, message in (
        (
            ["wrong-1"],
            1,
            f"no PIN was typed for {where}: nothing was sent, and as many tries are left as before",
        ),
        ([], 0, f"no PIN was typed for {where}"),
    ):
        misbehaving.forget()
        pins, asked = typed(*answers)
        with pytest.raises(PinError) as refused, opened(misbehaving.made, pins):
            pass
        assert (refused.value.message, refused.value.hint) == (message, hint)
        assert (len(asked), misbehaving.calls("C_Login")) == (logins + 1, logins)


def test_a_function_that_answers_always_the_same_wrong_pin_ends(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.wants("set tries 99")
    pins, asked = typed(*["wrong-1"] * 99)
    with pytest.raises(PinError, match="refused this PIN already"), opened(misbehaving.made, pins):
        pass
    assert (len(asked), misbehaving.calls("C_Login")) == (10, 1)


def test_a_pin_from_elsewhere_is_never_tried_twice(misbehaving: Misbehaving, opened: Open) -> None:
    misbehaving.wants("set tries 9")
    with (
        pytest.raises(PinError, match="the PIN is wrong"),
        opened(misbehaving.made, environment_pin("PIN", {"PIN": "wrong-1"})),
    ):
        pass
    assert misbehaving.calls("C_Login") == 1


def test_a_pin_that_is_refused_for_one_signature_is_asked_again(
    misbehaving: Misbehaving, opened: Open
) -> None:
    with opened(misbehaving.straight, writable=True) as token, token._session.use("test") as raw:
        raw.generate_keypair(
            KeyType.EC_EDWARDS, id=b"\x07", label="user:each", store=True,
            public_template={Attribute.EC_PARAMS: EC_PARAMS_NAME},
            private_template={Attribute.ALWAYS_AUTHENTICATE: True},
        )  # fmt: skip
    misbehaving.forget()
    misbehaving.wants("set tries 9", "fault C_Login 2 0xa0")
    pins, asked = typed(misbehaving.made.pin, misbehaving.made.pin)
    with opened(misbehaving.made, pins) as token:
        [key] = token.keys()
        with pytest.raises(PinError, match="nothing was sent, and as many tries are left as before"):
            token.signer(PublicKey(Role.USER, key.raw)).sign(b"x")
    assert ["the PIN is wrong" in question for question in asked] == [False, True, False]
    assert "has refused this PIN already" in asked[2]
    assert misbehaving.calls("C_Login") == 2
