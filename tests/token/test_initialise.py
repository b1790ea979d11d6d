from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.errors import NoToken, PinError, TokenError, UsageError
from seedless.pkcs11.initialise import blank_or_named, contents_of, initialise_token
from seedless.pkcs11.public_objects import PublicObject
from seedless.pkcs11.token import open_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_softhsm import Token as Made
    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Given = Callable[..., Any]
    Misbehaving = Any

SO_PIN = "so-pin-new"
PIN = "pin-new"


@pytest.fixture
def module(softhsm_token: Made) -> Path:
    return softhsm_token.module


def test_a_blank_token_becomes_one_that_makes_keys(module: Path, given: Given) -> None:
    info = initialise_token(module, KeyUri(), label="fresh", so_pin=SO_PIN, pin=PIN)
    assert (info.label, info.initialised, info.user_pin_initialised, len(info.serial)) == (
        "fresh",
        True,
        True,
        16,
    )
    with open_token(info.uri, given(PIN), module=module, writable=True) as token:
        assert token.generate("operator:o").label == "operator:o"


def test_two_blank_tokens_can_be_made_one_after_the_other_while_a_token_is_open(
    module: Path, softhsm_token: Made, opened: Open
) -> None:
    with opened(softhsm_token, writable=True) as token:
        serials = {
            initialise_token(module, KeyUri(), label="many", so_pin=SO_PIN, pin=PIN).serial for _ in range(3)
        }
        assert len(serials) == 3
        assert token.generate("user:still-here") in token.keys()


def test_an_initialised_token_is_erased_only_with_its_serial(
    module: Path, softhsm_token: Made, opened: Open, given: Given
) -> None:
    softhsm_token.import_ed25519(bytes(32), label="user:kept", id=b"\x01")
    uri = KeyUri.parse(softhsm_token.uri)
    for typed in (None, "", "0000", softhsm_token.label):
        with pytest.raises(TokenError, match="would lose its keys") as refused:
            initialise_token(module, uri, label="again", so_pin=softhsm_token.so_pin, pin=PIN, erase=typed)
        assert refused.value.hint == "give its serial to erase it"
    with opened(softhsm_token) as token:
        assert [key.label for key in token.keys()] == ["user:kept"]
    info = initialise_token(
        module, uri, label="again", so_pin=softhsm_token.so_pin, pin=PIN, erase=softhsm_token.serial
    )
    with open_token(info.uri, given(PIN), module=module) as token:
        assert (token.keys(), token.info.label) == ([], "again")


def test_what_would_be_lost_is_listed_without_a_pin(module: Path, softhsm_token: Made) -> None:
    uri = KeyUri.parse(softhsm_token.uri)
    assert contents_of(module, uri) == []
    softhsm_token.import_ed25519(bytes(32), label="operator:o", id=b"\x01")
    assert contents_of(module, uri) == [PublicObject("public key", "operator:o", b"\x01")]


def test_a_wrong_so_pin_is_reported_and_not_sent_again(
    module: Path, softhsm_token: Made, opened: Open
) -> None:
    softhsm_token.import_ed25519(bytes(32), label="user:kept", id=b"\x01")
    uri = KeyUri.parse(softhsm_token.uri)
    for message in ("the SO PIN is wrong", "has refused this PIN already"):
        with pytest.raises(PinError, match=message):
            initialise_token(
                module, uri, label="x", so_pin="wrong-so-pin", pin=PIN, erase=softhsm_token.serial
            )
    with opened(softhsm_token) as token:
        assert [key.label for key in token.keys()] == ["user:kept"]


def test_an_open_session_on_the_token_stops_it(module: Path, softhsm_token: Made, opened: Open) -> None:
    uri = KeyUri.parse(softhsm_token.uri)
    with opened(softhsm_token), pytest.raises(TokenError, match="a session is open on the token"):
        initialise_token(
            module, uri, label="x", so_pin=softhsm_token.so_pin, pin=PIN, erase=softhsm_token.serial
        )


@pytest.mark.parametrize(
    ("label", "message"),
    [
        pytest.param("", "is printable", id="empty"),
        pytest.param("blank at end ", "without blanks", id="padded"),
        pytest.param("a\nb", "is printable", id="control"),
        pytest.param("ü" * 17, "has at most 32 bytes of UTF-8, this one has 34", id="long"),
    ],
)
def test_a_label_that_a_token_cannot_hold_is_refused(module: Path, label: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        initialise_token(module, KeyUri(), label=label, so_pin=SO_PIN, pin=PIN)


def test_a_label_of_32_bytes_fits(module: Path) -> None:
    assert initialise_token(module, KeyUri(), label="ü" * 16, so_pin=SO_PIN, pin=PIN).label == "ü" * 16


@pytest.mark.parametrize(
    ("so_pin", "pin"),
    [
        pytest.param("123", PIN, id="short-so-pin"),
        pytest.param(None, "123", id="short-pin"),
        pytest.param(None, "", id="empty-pin"),
        pytest.param(None, "x" * 300, id="long-pin"),
    ],
)
def test_a_pin_that_the_token_would_refuse_is_refused_before_anything_is_erased(
    module: Path, softhsm_token: Made, opened: Open, so_pin: str | None, pin: str
) -> None:
    uri, so = KeyUri.parse(softhsm_token.uri), so_pin or softhsm_token.so_pin
    with pytest.raises(PinError) as refused:
        initialise_token(module, uri, label="x", so_pin=so, pin=pin, erase=softhsm_token.serial)
    assert "123" not in refused.value.message.replace(softhsm_token.serial, "")
    with opened(softhsm_token) as token:
        assert token.info.label == softhsm_token.label


def test_an_empty_uri_means_the_blank_token_and_never_one_with_keys(
    module: Path, softhsm_token: Made
) -> None:
    assert blank_or_named(module, KeyUri()).initialised is False
    assert blank_or_named(module, KeyUri(serial=softhsm_token.serial)).label == softhsm_token.label
    with pytest.raises(NoToken, match="no token matches pkcs11:serial=00"):
        blank_or_named(module, KeyUri(serial="00"))


def test_a_token_without_a_serial_is_erased_by_its_label_and_never_by_nothing(
    misbehaving: Misbehaving,
) -> None:
    made = misbehaving.made
    misbehaving.wants("set no_serial")
    uri = KeyUri.parse(f"pkcs11:token={made.label}")
    for wrong in (None, "", made.serial):
        with pytest.raises(TokenError, match="is initialised, and would lose its keys"):
            initialise_token(made.module, uri, label="new", so_pin=made.so_pin, pin=PIN, erase=wrong)
    assert misbehaving.calls("C_InitToken") == 0
    info = initialise_token(made.module, uri, label="new", so_pin=made.so_pin, pin=PIN, erase=made.label)
    assert (info.label, info.serial) == ("new", "")
