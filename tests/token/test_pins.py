from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11.constants import Attribute
from pkcs11.mechanisms import KeyType

from seedless.errors import PinError, TokenError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11 import session
from seedless.pkcs11.key import EC_PARAMS_NAME
from seedless.pkcs11.module import load, read_info
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


def test_the_source_is_asked_with_the_label_and_the_serial(
    softhsm_token: Made, opened: Open, given: Given
) -> None:
    pins = given(softhsm_token.pin)
    with opened(softhsm_token, pins):
        pass
    assert pins.asked == [(f'token "{softhsm_token.label}" (serial {softhsm_token.serial})', "")]


def test_a_wrong_pin_is_told_with_the_tries_left(softhsm_token: Made, opened: Open, given: Given) -> None:
    with pytest.raises(PinError) as refused, opened(softhsm_token, given("wrong-pin-1")):
        pass
    where = f'token "{softhsm_token.label}" (serial {softhsm_token.serial})'
    assert refused.value.message == f"cannot log in on {where}: the PIN is wrong, and few tries are left"
    pins = given(softhsm_token.pin)
    with opened(softhsm_token, pins):
        assert pins.asked == [(where, "low")]


def test_a_wrong_pin_is_not_sent_twice(
    softhsm_token: Made, opened: Open, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    login = session.TokenSession.refused
    monkeypatch.setattr(
        session.TokenSession, "refused", lambda self, pin: sent.append(pin) or login(self, pin)
    )
    for pin in ("wrong-pin-1", "wrong-pin-1", "wrong-pin-2", "wrong-pin-1"):
        with pytest.raises(PinError), opened(softhsm_token, given(pin)):
            pass
    assert sent == [b"wrong-pin-1", b"wrong-pin-2"]
    with pytest.raises(PinError, match="has refused this PIN already, and it was not sent again"):
        opened(softhsm_token, given("wrong-pin-2")).__enter__()
    with opened(softhsm_token) as token:
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


def test_a_key_that_wants_the_pin_for_each_signature_gets_it(
    softhsm_token: Made, opened: Open, given: Given
) -> None:
    pins = given(softhsm_token.pin)
    with opened(softhsm_token, pins, writable=True) as token:
        signer = token.signer(make_always_authenticated(token))
        assert len(pins.asked) == 1
        assert len(signer.sign(b"one")) == len(signer.sign(b"two")) == 64
        assert len(pins.asked) == 3


def test_a_wrong_pin_for_one_signature_is_told_and_not_sent_again(
    softhsm_token: Made, opened: Open, given: Given
) -> None:
    pins = given(softhsm_token.pin)
    with opened(softhsm_token, pins, writable=True) as token:
        public_key = make_always_authenticated(token)
        signer = token.signer(public_key)
        pins.answer = "wrong-context-pin"
        with pytest.raises(PinError, match="the PIN is wrong"):
            signer.sign(b"x")
    pins.answer = softhsm_token.pin
    with opened(softhsm_token, pins) as token:
        signer = token.signer(public_key)
        pins.answer = "wrong-context-pin"
        with pytest.raises(PinError, match="refused this PIN already"):
            signer.sign(b"x")


def flags(monkeypatch: pytest.MonkeyPatch, **changed: bool) -> None:
    """Let the token say what SoftHSM never says."""
    monkeypatch.setattr(session, "read_info", lambda slot: dataclasses.replace(read_info(slot), **changed))


def test_a_locked_pin_is_not_asked_for(
    softhsm_token: Made, opened: Open, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags(monkeypatch, user_pin_locked=True)
    pins = given(softhsm_token.pin)
    with pytest.raises(PinError, match="the PIN is locked") as refused, opened(softhsm_token, pins):
        pass
    assert ("PUK" in refused.value.hint, pins.asked) == (True, [])


def test_the_last_try_is_refused_unless_it_was_asked_for(
    softhsm_token: Made, opened: Open, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags(monkeypatch, user_pin_final_try=True)
    pins = given(softhsm_token.pin)
    with (
        pytest.raises(PinError, match="the PIN was not tried, and one try is left") as refused,
        opened(softhsm_token, pins),
    ):
        pass
    assert ("--last-try" in refused.value.hint, pins.asked) == (True, [])
    uri = KeyUri.parse(softhsm_token.uri)
    with open_token(uri, pins, module=softhsm_token.module, last_try=True) as token:
        assert (token.keys(), [tries for _, tries in pins.asked]) == ([], ["last"])


def test_a_token_without_a_user_pin_says_so(
    softhsm_token: Made, opened: Open, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags(monkeypatch, user_pin_initialised=False)
    pins = given(softhsm_token.pin)
    with pytest.raises(PinError, match="has no user PIN yet"), opened(softhsm_token, pins):
        pass
    assert pins.asked == []


def test_a_token_with_its_own_pin_pad_is_not_given_a_pin(
    softhsm_token: Made, opened: Open, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags(monkeypatch, protected_authentication_path=True)
    pins = given(softhsm_token.pin)
    # SoftHSM has no pad, and refuses the login without a PIN that a pad wants.
    with pytest.raises(TokenError, match="refuses the arguments"), opened(softhsm_token, pins):
        pass
    assert pins.asked == []
