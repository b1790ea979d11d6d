from __future__ import annotations

import pytest

from seedless.errors import UsageError
from seedless.nkey import Role
from seedless.pkcs11.keys import KeyAttributes, ec_point, label_for, role_of, type_name
from seedless.pkcs11.signing import challenge
from seedless.pkcs11.token_info import TokenInfo

RAW = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
_EDWARDS, _MONTGOMERY, _RSA = 0x40, 0x41, 0x00


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        pytest.param(RAW.hex(), RAW, id="raw"),
        pytest.param("0420" + RAW.hex(), RAW, id="octet-string"),
        pytest.param("032100" + RAW.hex(), RAW, id="bit-string"),
        pytest.param("0420" + "04" * 32, b"\x04" * 32, id="octet-string-of-fours"),
        pytest.param("", None, id="empty"),
        pytest.param(RAW.hex()[:-2], None, id="short"),
        pytest.param("0421" + RAW.hex(), None, id="wrong-length-byte"),
        pytest.param("032101" + RAW.hex(), None, id="unused-bits"),
        pytest.param("0420" + RAW.hex() + "00", None, id="trailing-byte"),
        pytest.param("0439" + "11" * 57, None, id="ed448"),
    ],
)
def test_a_point_is_read_in_three_shapes(value: str, raw: bytes | None) -> None:
    assert ec_point(bytes.fromhex(value)) == raw


def test_no_point_is_none() -> None:
    assert ec_point(None) is None


@pytest.mark.parametrize(
    ("key_type", "params", "name"),
    [
        pytest.param(_EDWARDS, "130c656477617264733235353139", "ed25519", id="printable-string"),
        pytest.param(_EDWARDS, "06032b6570", "ed25519", id="oid"),
        pytest.param(_EDWARDS, "06092b06010401da470f01", "ed25519", id="gnupg-oid"),
        pytest.param(_EDWARDS, "06032b6571", "ec_edwards", id="ed448"),
        pytest.param(_EDWARDS, "130a65647761726473343438", "ec_edwards", id="ed448-name"),
        pytest.param(_MONTGOMERY, "06032b656e", "0x41", id="x25519"),
        pytest.param(_RSA, "", "rsa", id="rsa"),
        pytest.param(0x80000012, "", "0x80000012", id="vendor"),
        pytest.param(None, "", "unknown", id="not-told"),
    ],
)
def test_a_type_has_a_name(key_type: int | None, params: str, name: str) -> None:
    assert type_name(key_type, bytes.fromhex(params)) == name


@pytest.mark.parametrize(
    ("role", "name", "label"),
    [
        pytest.param(Role.OPERATOR, "ops", "operator:ops", id="operator"),
        pytest.param(Role.ACCOUNT, "A:b c", "account:A:b c", id="colon-and-blank"),
        pytest.param(Role.USER, "ü", "user:ü", id="umlaut"),
    ],
)
def test_the_role_is_in_the_label(role: Role, name: str, label: str) -> None:
    assert label_for(role, name) == label
    assert role_of(label) is role


@pytest.mark.parametrize("label", ["", "operator", "operator:", ":ops", "Operator:ops", "server:x", "ops"])
def test_a_label_without_a_role_has_no_role(label: str) -> None:
    assert role_of(label) is None


@pytest.mark.parametrize(
    ("role", "name"),
    [
        pytest.param(Role.SERVER, "x", id="server"),
        pytest.param(Role.CURVE, "x", id="curve"),
        pytest.param(Role.USER, "", id="empty"),
        pytest.param(Role.USER, "a\nb", id="line-end"),
        pytest.param(Role.USER, "a\u202eb", id="bidirectional"),
        pytest.param(Role.USER, "x" * 201, id="long"),
    ],
)
def test_a_label_is_not_made_of_what_it_cannot_hold(role: Role, name: str) -> None:
    with pytest.raises(UsageError):
        label_for(role, name)


@pytest.mark.parametrize(
    ("attributes", "can_leave"),
    [
        pytest.param(KeyAttributes(sensitive=True, extractable=False), False, id="stays"),
        pytest.param(KeyAttributes(), False, id="driver-says-nothing"),
        pytest.param(KeyAttributes(sensitive=True, extractable=True), True, id="wrapped-out"),
        pytest.param(KeyAttributes(sensitive=False, extractable=False), True, id="readable"),
    ],
)
def test_a_key_is_extractable_if_the_driver_reports_it(attributes: KeyAttributes, can_leave: bool) -> None:  # noqa: FBT001 - a table
    assert attributes.can_leave is can_leave


def test_a_challenge_is_marked_and_can_never_be_the_head_of_a_jwt() -> None:
    message = challenge("new key", b"\x01\x02")
    assert message == b"seedless challenge v1 new key\n0102\n\0"
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    assert any(byte not in alphabet for byte in message[:20])
    with pytest.raises(UsageError):
        challenge("two\nlines", b"")
    with pytest.raises(UsageError):
        challenge("ümlaut", b"")


def test_a_token_is_reported_with_escapes_for_what_could_move_the_cursor() -> None:
    info = TokenInfo(
        label='a\x1b[2J"\u202eb', manufacturer="m", model="", serial="", slot_id=1, initialised=True
    )
    assert info.where == r'token "a\x1b[2J\"\u202eb" (serial none)'
