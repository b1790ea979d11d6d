from __future__ import annotations

import pytest

from seedless.errors import TokenError
from seedless.pkcs11.families import (
    EC_PARAMS_NAME,
    EC_PARAMS_OID,
    FAMILIES,
    GENERAL,
    LUNA,
    STANDARD,
    firmware_of,
    require_fits,
)
from seedless.pkcs11.token_info import TokenInfo

YUBICO = "Yubico (www.yubico.com)"


def info(manufacturer: str = "", model: str = "", library: str = "", firmware: str = "1.0") -> TokenInfo:
    return TokenInfo(
        label="ops",
        manufacturer=manufacturer,
        model=model,
        serial="1234",
        slot_id=0,
        firmware_version=firmware,
        initialised=True,
        library=library,
    )


@pytest.mark.parametrize(
    ("token", "family"),
    [
        pytest.param(info("SoftHSM project", "SoftHSM v2"), "SoftHSM", id="softhsm"),
        pytest.param(
            info(YUBICO, "YubiHSM", f"{YUBICO} YubiHSM PKCS#11 Library 2.80"), "YubiHSM 2", id="hsm2"
        ),
        pytest.param(
            info(YUBICO, "YubiKey YK5", f"{YUBICO} PKCS#11 PIV Library (SP-800-73) 2.72"),
            "YubiKey PIV",
            id="ykcs11",
        ),
        pytest.param(
            info("piv_II", "PKCS#15 emulated", "OpenSC Project OpenSC smartcard framework 0.27"),
            "OpenSC",
            id="yubikey-by-opensc",
        ),
        pytest.param(
            info("www.CardContact.de", "PKCS#15 emulated", "OpenSC Project OpenSC smartcard framework 0.27"),
            "SmartCard-HSM, Nitrokey HSM 2",
            id="nitrokey-hsm",
        ),
        pytest.param(info("IBM", "Soft", "IBM openCryptoki 3.27"), "openCryptoki", id="opencryptoki"),
        pytest.param(info("SafeNet", "Luna K7", "SafeNet Chrystoki 10.5"), "Thales Luna 7", id="luna"),
        pytest.param(info("nCipher Corp. Ltd", "", "nCipher Corp. Ltd"), "Entrust nShield", id="nshield"),
        pytest.param(info("Acme", "HSM 9000", "Acme PKCS#11 1.0"), "unknown", id="unknown"),
        pytest.param(info(), "unknown", id="a-token-that-says-nothing"),
    ],
)
def test_a_device_is_recognised_by_what_it_reports(token: TokenInfo, family: str) -> None:
    assert token.quirks.family == family


def test_an_unknown_device_gets_everything_tried_and_nothing_assumed() -> None:
    quirks = info("Acme").quirks
    assert quirks is GENERAL
    assert (quirks.ec_params, quirks.numbers) == ((EC_PARAMS_NAME, EC_PARAMS_OID), (STANDARD,))
    assert (quirks.largest_message, quirks.make, quirks.accepts_pin(b"1")) == (None, "", True)


@pytest.mark.parametrize(
    ("packed", "firmware", "ceiling"),
    [
        pytest.param((2, 0), "2.0.0", 2026, id="2.0.0"),
        pytest.param((2, 20), "2.2.0", 2026, id="2.2.0-of-an-old-driver"),
        pytest.param((2, 31), "2.3.1", 2026, id="2.3.1-of-an-old-driver"),
        pytest.param((2, 45), "2.3.1", 2026, id="2.3.1"),
        pytest.param((2, 101), "2.1.1", 2026, id="2.1.1"),
        pytest.param((2, 200), "2.2.0", 2026, id="2.2.0"),
        pytest.param((2, 40), "2.4.0", 3114, id="2.4.0-of-an-old-driver"),
        pytest.param((2, 144), "2.4.0", 3114, id="2.4.0"),
        pytest.param((2, 145), "2.4.1", 3114, id="2.4.1"),
        pytest.param((2, 99), "2.99", 3114, id="a-byte-that-no-version-gives"),
        pytest.param((3, 0), "3.0", 3114, id="3.0.0"),
    ],
)
def test_firmware_and_ceiling_of_a_yubihsm_follow_the_packed_version(
    packed: tuple[int, int], firmware: str, ceiling: int
) -> None:
    assert firmware_of(YUBICO, "YubiHSM", packed) == firmware
    assert info(YUBICO, "YubiHSM", firmware=firmware).quirks.largest_message == ceiling


@pytest.mark.parametrize(
    ("pin", "taken"),
    [
        pytest.param(b"0001password", True, id="as-documented"),
        pytest.param(b"00aFpassword", True, id="hex"),
        pytest.param(b"@0001password", True, id="asymmetric"),
        pytest.param(b"0001passwor", False, id="password-of-7"),
        pytest.param(b"000gpassword", False, id="not-hex"),
        pytest.param(b"password", False, id="no-id"),
    ],
)
def test_the_form_of_a_yubihsm_pin(pin: bytes, taken: bool) -> None:  # noqa: FBT001 - a table
    assert info(YUBICO, "YubiHSM").quirks.accepts_pin(pin) is taken


def test_vendor_numbers_are_used_where_the_token_lists_them() -> None:
    quirks = info("SafeNet", "Luna K7").quirks
    assert quirks.numbers_in(frozenset({0x1057, 0x80000C03})) is LUNA
    assert quirks.numbers_in(frozenset({0x1057})) is STANDARD
    assert quirks.numbers_in(frozenset({0x1041})) is None
    assert GENERAL.numbers_in(frozenset({0x80000C03})) is None


def test_a_message_over_the_ceiling_is_refused_with_both_sizes_and_what_to_do() -> None:
    token = info(YUBICO, "YubiKey YK5")
    require_fits(3062, token)
    with pytest.raises(TokenError) as refused:
        require_fits(3063, token, "the jwt of the account ORDERS")
    assert refused.value.message == (
        'the jwt of the account ORDERS has 3063 bytes, and token "ops" (serial 1234) signs at most 3062'
    )
    assert "fewer exports, imports" in refused.value.hint
    assert "signing key with a scope" in refused.value.hint
    require_fits(1 << 20, info("Acme"))


def test_every_row_has_a_name_of_its_own_and_a_source() -> None:
    names = [family.quirks.family for family in FAMILIES]
    assert len(set(names)) == len(names) == 12
    assert all(family.quirks.source for family in FAMILIES)
    assert all(family.manufacturer or family.library for family in FAMILIES)
