from __future__ import annotations

import pytest

from seedless.errors import BadKey
from seedless.nkey import Role, pack
from seedless.seeds import SoftwareKey

SEED = "SUACAIJCEMSCKJRHFAUSUKZMFUXC6MBRGIZTINJWG44DSOR3HQ6T4PY7UE"
RAW = bytes(range(32, 64))


def test_a_seed_is_read_and_given_back() -> None:
    key = SoftwareKey.parse(SEED)
    assert key.public_key.role is Role.USER
    assert key.reveal() == SEED
    assert key.reveal_raw() == RAW


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
def test_the_seed_of_each_role_begins_with_S_and_its_letter(role: Role) -> None:  # noqa: N802 - the letter
    key = SoftwareKey(role, RAW)
    assert key.reveal()[:2] == f"S{role.value}"
    assert SoftwareKey.parse(key.reveal()).public_key == key.public_key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(SEED[:-1], "length", id="one character lost"),
        pytest.param(f"{SEED}\n", "length", id="a line break at the end"),
        pytest.param(SEED.lower(), "alphabet", id="lower case"),
        pytest.param(SEED[:-1] + "F", "alphabet", id="unused bits that are not zero"),
        pytest.param(SEED.encode(), "alphabet", id="bytes"),
        pytest.param(SEED[:9] + "A" + SEED[10:], "checksum", id="one character mistyped"),
        pytest.param(pack(bytes([0x70, 0x00]) + RAW), "prefix", id="an operator's prefix twice"),
        pytest.param(pack(bytes([0x90 | 25 >> 2, (25 & 3) << 6]) + RAW), "prefix", id="of an unknown role"),
        pytest.param(pack(bytes([0x95, 0x01]) + RAW), "prefix", id="low bits of the second byte set"),
    ],
)
def test_text_that_is_no_seed_is_reported_by_what_is_wrong_and_never_quoted(text: str, reason: str) -> None:
    with pytest.raises(BadKey) as caught:
        SoftwareKey.parse(text)
    assert caught.value.reason == reason
    told = caught.value.message + caught.value.hint
    assert not any(SEED[at : at + 4] in told for at in range(len(SEED) - 4))


def test_a_seed_has_32_bytes() -> None:
    with pytest.raises(BadKey, match="a seed has 32 bytes, not 31"):
        SoftwareKey(Role.USER, RAW[:-1])


def test_a_key_shows_its_public_half_only() -> None:
    key = SoftwareKey.parse(SEED)
    for shown in (repr(key), str(key), f"{key!a}"):
        assert shown == f"SoftwareKey({key.public_key})"


def test_generated_keys_differ_and_sign() -> None:
    first, second = SoftwareKey.generate(Role.USER), SoftwareKey.generate(Role.USER)
    assert first.public_key != second.public_key
    first.public_key.verify(first.sign(b"x"), b"x")


def test_signatures_are_those_of_rfc_8032() -> None:
    # Section 7.1, TEST 2.
    key = SoftwareKey(
        Role.USER, bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    )
    assert key.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
