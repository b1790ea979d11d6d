from __future__ import annotations

import base64

import nkeys
import pytest

from seedless.errors import BadKey, BadSignature
from seedless.nkey import PublicKey, Role, pack, unpack
from seedless.seeds import SoftwareKey

RAW = bytes(range(32))
TEXTS = {
    Role.OPERATOR: "OAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB7JSU",
    Role.ACCOUNT: "AAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB776S",
    Role.USER: "UAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB63NN",
    Role.SERVER: "NAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB6CRG",
    Role.CLUSTER: "CAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB6N4O",
    Role.CURVE: "XAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB7QO7",
}
USER = TEXTS[Role.USER]
# The order of the group: adding it to the second half of a signature gives another that some accept.
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
]


def spelled(*parts: bytes) -> str:
    """Return the text of a key with the checksum that nats-io would give it."""
    return pack(b"".join(parts))


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
def test_each_role_has_its_letter_and_reads_back(role: Role) -> None:
    assert str(PublicKey(role, RAW)) == TEXTS[role]
    assert PublicKey.parse(TEXTS[role]) == PublicKey(role, RAW)


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.CURVE], ids=lambda role: role.name)
def test_the_nkeys_package_takes_our_keys_and_our_signatures(role: Role) -> None:
    ours = SoftwareKey(role, RAW)

    theirs = nkeys.from_seed(bytearray(ours.reveal().encode()))

    assert theirs.public_key.decode() == str(ours.public_key)
    assert theirs.sign(b"a message") == ours.sign(b"a message")
    ours.public_key.verify(theirs.sign(b"a message"), b"a message")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "length", id="empty"),
        pytest.param(USER[:-1], "length", id="one character lost"),
        pytest.param(USER + "A", "length", id="one character too many"),
        pytest.param(f"{USER[:20]}\n{USER[20:]}", "length", id="a line break inside"),
        pytest.param(f" {USER}", "length", id="a blank in front"),
        pytest.param(f"{USER}\n", "length", id="a line break at the end"),
        pytest.param(USER.lower(), "alphabet", id="lower case"),
        pytest.param(USER.replace("2", "8").replace("Q", "1"), "alphabet", id="1 and 8"),
        pytest.param(USER[:-1] + "=", "alphabet", id="padding"),
        pytest.param(USER[:-1] + "\uff21", "alphabet", id="a wide letter"),
        pytest.param(USER[:-1] + "\ud800", "alphabet", id="half of a surrogate pair"),
        pytest.param(USER[:10] + "B" + USER[11:], "checksum", id="one character mistyped"),
        pytest.param(USER[:10] + USER[11] + USER[10] + USER[12:], "checksum", id="two characters swapped"),
        pytest.param(spelled(bytes([18 << 3]), RAW), "prefix", id="a seed's prefix"),
        pytest.param(spelled(bytes([15 << 3]), RAW), "prefix", id="a private key's prefix"),
        pytest.param(spelled(bytes([25 << 3]), RAW), "prefix", id="an unknown prefix"),
        pytest.param(spelled(b"\x01", RAW), "prefix", id="low bits of the prefix set"),
        pytest.param(spelled(b"\x00", RAW[:-1]), "length", id="31 bytes"),
        pytest.param(spelled(b"\x00", RAW, b"!"), "length", id="33 bytes"),
        pytest.param(USER.encode(), "alphabet", id="bytes"),
        pytest.param("\0" * 56, "alphabet", id="zeros"),
        pytest.param("B" * 56, "checksum", id="only B"),
    ],
)
def test_text_that_is_no_public_key_is_reported_by_what_is_wrong_with_it(text: str, reason: str) -> None:
    with pytest.raises(BadKey) as caught:
        PublicKey.parse(text)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("SUACAIJCEMSCKJRHFAUSUKZMFUXC6MBRGIZTINJWG44DSOR3HQ6T4PY7UE", id="a seed"),
        pytest.param("  SUACAIJCEMSCKJRHFAUSUKZMFUXC6MBRGIZTINJWG44DSOR3HQ6T4PY7UE", id="after blanks"),
        pytest.param("SUACAIJCEMSCKJRHFAUSUKZMFUXC6MBRGIZTINJWG44DSOR3HQ6T4PY7", id="cut to a key's length"),
        pytest.param("SUACAIJCEMSCKJRHFAUSUKZMFUXC6MBRGIZTINJWG44DSOR3", id="cut short"),
        pytest.param("P" + "A" * 107, id="a private key"),
    ],
)
def test_a_secret_pasted_for_a_public_key_is_not_repeated(text: str) -> None:
    with pytest.raises(BadKey) as caught:
        PublicKey.parse(text)
    told = caught.value.message + caught.value.hint
    assert not any(text.strip()[at : at + 4] in told for at in range(len(text.strip()) - 4))


def test_an_error_shows_control_characters_as_escapes_and_only_the_beginning() -> None:
    with pytest.raises(BadKey) as caught:
        PublicKey.parse("\x1b[31mU\u202eABCDEFGH")
    assert caught.value.message == "'\\x1b[31mU\\u202eA…' has 15 characters, a public key has 56"


def test_a_public_key_of_another_length_cannot_be_made() -> None:
    with pytest.raises(BadKey, match="a public key has 32 bytes, not 31"):
        PublicKey(Role.USER, RAW[:-1])


@pytest.mark.parametrize("text", ["", "A", "AA", "AAA", "AAAAAA"], ids=len)
def test_unpacking_a_text_too_short_for_a_checksum_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        unpack(text)


@pytest.fixture
def key() -> SoftwareKey:
    return SoftwareKey(Role.USER, RAW)


def test_a_signature_verifies_over_its_message_and_no_other(key: SoftwareKey) -> None:
    signature = key.sign(b"abc")
    key.public_key.verify(signature, b"abc")
    for wrong in (b"abd", b"", b"abc\0"):
        with pytest.raises(BadSignature, match="the signature is not by UA"):
            key.public_key.verify(signature, wrong)


def test_each_flipped_bit_of_a_signature_is_found(key: SoftwareKey) -> None:
    signature = key.sign(b"abc")
    for bit in range(0, 512, 7):
        flipped = int.from_bytes(signature, "little") ^ 1 << bit
        with pytest.raises(BadSignature):
            key.public_key.verify(flipped.to_bytes(64, "little"), b"abc")


def test_a_signature_that_was_made_another_one_without_the_key_is_refused(key: SoftwareKey) -> None:
    signature = key.sign(b"abc")
    moved = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    with pytest.raises(BadSignature):
        key.public_key.verify(signature[:32] + moved.to_bytes(32, "little"), b"abc")


@pytest.mark.parametrize("size", [0, 32, 63, 65, 128])
def test_a_signature_of_another_length_is_refused_with_its_length(key: SoftwareKey, size: int) -> None:
    with pytest.raises(BadSignature, match=f"a signature has 64 bytes, this one has {size}"):
        key.public_key.verify(bytes(size), b"abc")


@pytest.mark.parametrize("sign_bit", [0, 0x80], ids=["positive", "negative"])
@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_key_of_small_order_is_named_as_such(point: str, sign_bit: int) -> None:
    raw = bytes.fromhex(point)
    key = PublicKey(Role.ACCOUNT, raw[:-1] + bytes([raw[-1] | sign_bit]))
    with pytest.raises(BadSignature, match="is a key of small order") as caught:
        key.verify(bytes(64), b"anything")
    assert caught.value.rule == "small-order-key"


def test_an_ordinary_wrong_signature_names_no_rule(key: SoftwareKey) -> None:
    with pytest.raises(BadSignature) as caught:
        key.public_key.verify(key.sign(b"abc"), b"xyz")
    assert caught.value.rule == ""


def test_a_signature_that_begins_with_a_point_of_small_order_names_the_rule(key: SoftwareKey) -> None:
    with pytest.raises(BadSignature) as caught:
        key.public_key.verify(b"\x01" + bytes(31) + key.sign(b"abc")[32:], b"abc")
    assert caught.value.rule == "small-order-key"


def test_a_curve_key_neither_signs_nor_verifies() -> None:
    curve = SoftwareKey(Role.CURVE, RAW)
    with pytest.raises(BadKey, match="is a curve key: it encrypts and cannot sign") as caught:
        curve.sign(b"abc")
    assert caught.value.reason == "role"
    with pytest.raises(BadSignature, match="is a curve key"):
        curve.public_key.verify(bytes(64), b"abc")


def test_keys_have_an_order_and_can_be_members_of_sets() -> None:
    first, second = PublicKey(Role.USER, bytes(32)), PublicKey(Role.USER, RAW)
    assert sorted([second, first], key=str) == [first, second]
    assert len({first, second, PublicKey.parse(str(first))}) == 2


def test_the_checksum_is_crc16_xmodem_little_endian() -> None:
    body = b"123456789"
    assert base64.b32decode(pack(body) + "=" * (-len(pack(body)) % 8)) == body + b"\xc3\x31"
