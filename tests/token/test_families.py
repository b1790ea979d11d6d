from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pkcs11.constants import Attribute

from seedless.errors import TokenError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.initialise import contents_of
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Given = Callable[..., Any]
    Misbehaving = Any

SOFTWARE = SoftwareKey(Role.USER, bytes(range(32)))
LUNA = ("set manufacturer SafeNet", "set model Luna K7", "set vendor")
YUBIKEY = ("set manufacturer Yubico (www.yubico.com)", "set model YubiKey YK5", "set firmware 5 74")
YUBIHSM = ("set manufacturer Yubico (www.yubico.com)", "set model YubiHSM")


@pytest.mark.parametrize(
    "wants",
    [
        pytest.param(("set params oid",), id="oid-only"),
        pytest.param(("set params name",), id="name-only"),
        pytest.param(("set params oid", "set point raw", "set manufacturer IBM"), id="as-opencryptoki"),
        pytest.param(("set extractable default",), id="extractable-unless-told"),
        pytest.param(("set point bits",), id="bit-string-point"),
        pytest.param(("set exact_buffer", "set params oid", "set manufacturer Mozilla"), id="as-nss"),
        pytest.param(LUNA, id="vendor-numbers"),
        pytest.param(("set manufacturer IBM", "set vendor ibm", "set params oid"), id="ibm-numbers"),
    ],
)
def test_a_key_is_made_read_back_and_signs_whatever_the_token_is_like(
    misbehaving: Misbehaving, opened: Open, wants: tuple[str, ...]
) -> None:
    misbehaving.wants(*wants)
    with opened(misbehaving.made, writable=True) as token:
        key = token.generate("user:made", id=b"\x07")
        assert (key.label, key.key_type, key.attributes.can_leave) == ("user:made", "ed25519", False)
        assert token.keys() == [key]
        public_key = PublicKey(Role.USER, key.raw)
        public_key.verify(token.signer(public_key).sign(b"message"), b"message")


def test_a_token_that_takes_no_label_makes_a_key_without_one(misbehaving: Misbehaving, opened: Open) -> None:
    misbehaving.wants("set no_labels")
    with opened(misbehaving.made, writable=True) as token:
        key = token.generate("user:made")
        assert (key.label, key.role, len(key.id)) == ("", None, 8)
        assert len(token.signer(PublicKey(Role.USER, key.raw)).sign(b"x")) == 64


def test_a_token_that_makes_extractable_keys_all_the_same_is_refused_and_left_empty(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.wants("set extractable always")
    with opened(misbehaving.made, writable=True) as token, pytest.raises(TokenError) as refused:
        token.generate("operator:ops")
    assert "its seed can leave, against what was asked" in refused.value.message
    with opened(misbehaving.made) as token:
        assert (token.keys(), contents_of(misbehaving.made.module, token.info.uri)) == ([], [])


def test_a_vendors_numbers_are_not_used_on_a_device_that_nobody_knows(
    misbehaving: Misbehaving, opened: Open, given: Given
) -> None:
    misbehaving.wants("set vendor")
    pins = given("never asked for")
    with pytest.raises(TokenError, match="it does not list CKM_EDDSA"), opened(misbehaving.made, pins):
        pass
    assert pins.asked == []


def test_a_yubikey_names_the_programs_that_make_its_keys(misbehaving: Misbehaving, opened: Open) -> None:
    misbehaving.wants(*YUBIKEY, "set pad " + misbehaving.made.pin)  # its PIN has 6 to 8 characters
    with opened(misbehaving.made, writable=True) as token, pytest.raises(TokenError) as refused:
        token.generate("user:made")
    assert refused.value.message.endswith("creates no keys for its user through PKCS#11: it is a YubiKey PIV")
    assert refused.value.hint.startswith("slot 9c shows no key, and ykman piv info confirms it: ")
    assert "ykman piv keys generate -a ED25519 9c public.pem" in refused.value.hint
    assert misbehaving.calls("C_GenerateKeyPair") == 0


def test_the_ids_of_new_keys_on_a_yubihsm_have_two_bytes_and_are_not_taken(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.wants(*YUBIHSM, "set pad " + misbehaving.made.pin)
    drawn = iter([b"\x01\x02", b"c" * 32, b"\x01\x02", b"\x03\x04", b"c" * 32])
    with opened(misbehaving.made, writable=True) as token:
        ids = [token.generate(f"user:{n}", random=lambda _: next(drawn)).id for n in range(2)]
    assert ids == [b"\x01\x02", b"\x03\x04"]


def test_a_message_over_the_ceiling_of_a_known_device_never_reaches_it(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    misbehaving.wants(*YUBIKEY, "set pad " + misbehaving.made.pin, "set largest 3062")
    with opened(misbehaving.made) as token:
        signer = token.signer(SOFTWARE.public_key)
        assert signer.sign(b"x" * 3062) == SOFTWARE.sign(b"x" * 3062)
        misbehaving.forget()
        with pytest.raises(TokenError, match=r"the message has 3063 bytes, and .* signs at most 3062"):
            signer.sign(b"x" * 3063)
        assert misbehaving.calls("C_SignInit") == 0
        assert signer.sign(b"x") == SOFTWARE.sign(b"x")  # the session lives
        assert token.quirks.largest_message == 3062


def test_an_unknown_ceiling_is_reported_by_the_device_and_not_tried_again(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    misbehaving.wants("set largest 3062")
    with opened(misbehaving.made) as token:
        signer = token.signer(SOFTWARE.public_key)
        misbehaving.forget()
        with pytest.raises(TokenError, match="the message is too long for the token") as refused:
            signer.sign(b"x" * 3063)
        assert (refused.value.exit_code, misbehaving.calls("C_Sign")) == (4, 1)


def test_a_key_without_a_readable_curve_or_type_does_not_hide_the_others(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    misbehaving.wants(*LUNA)
    with opened(misbehaving.made, writable=True) as token:
        with token._session.use("test") as raw:
            raw.create_object(
                {
                    Attribute.CLASS: 3,
                    Attribute.KEY_TYPE: 0x40,
                    Attribute.EC_PARAMS: bytes.fromhex("06032b6571"),  # Ed448
                    Attribute.VALUE: bytes(57),
                    Attribute.TOKEN: True,
                    Attribute.LABEL: "other",
                }
            )
        assert sorted((key.label, key.key_type) for key in token.keys()) == [
            ("other", "0x80000012"),
            ("user:u", "ed25519"),
        ]
