"""SLIP-0010 for Ed25519, held against its rows (satoshilabs/slips, slip-0010.md, commit 73c23ac)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.nkey import Role
from seedless.recovery import journeys, slip10
from seedless.recovery.paths import key_of, path_of
from seedless.seeds import SoftwareKey

S1 = "000102030405060708090a0b0c0d0e0f"
S2 = (
    "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a2"
    "9f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542"
)
LAST = 2147483647
PUBLISHED = [  # the public keys without the leading 00 of the page
    (S1, (), "2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7",
     "a4b2856bfec510abab89753fac1ac0e1112364e7d250545963f135f2a33188ed"),
    (S1, (0,), "68e0fe46dfb67e368c75379acec591dad19df3cde26e63b93a8e704f1dade7a3",
     "8c8a13df77a28f3445213a0f432fde644acaa215fc72dcdf300d5efaa85d350c"),
    (S1, (0, 1), "b1d0bad404bf35da785a64ca1ac54b2617211d2777696fbffaf208f746ae84f2",
     "1932a5270f335bed617d5b935c80aedb1a35bd9fc1e31acafd5372c30f5c1187"),
    (S1, (0, 1, 2), "92a5b23c0b8a99e37d07df3fb9966917f5d06e02ddbd909c7e184371463e9fc9",
     "ae98736566d30ed0e9d2f4486a64bc95740d89c7db33f52121f8ea8f76ff0fc1"),
    (S1, (0, 1, 2, 2), "30d1dc7e5fc04c31219ab25a27ae00b50f6fd66622f6e9c913253d6511d1e662",
     "8abae2d66361c879b900d204ad2cc4984fa2aa344dd7ddc46007329ac76c429c"),
    (S1, (0, 1, 2, 2, 1000000000), "8f94d394a8e8fd6b1bc2f3f49f5c47e385281d5c17e65324b0f62483e37e8793",
     "3c24da049451555d51a7014a37337aa4e12d41e485abccfa46b47dfb2af54b7a"),
    (S2, (), "171cb88b1b3c1db25add599712e36245d75bc65a1a5c9e18d76f9f2b1eab4012",
     "8fe9693f8fa62a4305a140b9764c5ee01e455963744fe18204b4fb948249308a"),
    (S2, (0,), "1559eb2bbec5790b0c65d8693e4d0875b1747f4970ae8b650486ed7470845635",
     "86fab68dcb57aa196c77c5f264f215a112c22a912c10d123b0d03c3c28ef1037"),
    (S2, (0, LAST), "ea4f5bfe8694d8bb74b7b59404632fd5968b774ed545e810de9c32a4fb4192f4",
     "5ba3b9ac6e90e83effcd25ac4e58a1365a9e35a3d3ae5eb07b9e4d90bcf7506d"),
    (S2, (0, LAST, 1), "3757c7577170179c7868353ada796c839135b3d30554bbb74a4b1e4a5a58505c",
     "2e66aa57069c86cc18249aecf5cb5a9cebbfd6fadeab056254763874a9352b45"),
    (S2, (0, LAST, 1, LAST - 1), "5837736c89570de861ebc173b1086da4f505d4adb387c6a1b1342d5e4ac9ec72",
     "e33c0f7d81d843c572275f287498e8d408654fdf0d1e065b84e2e6f157aab09b"),
    (S2, (0, LAST, 1, LAST - 1, 2), "551d333177df541ad876a60ea71f00447931c0a9da16f227c11ea080d7391b8d",
     "47150c75db263559a70d5778bf36abbab30fb061ad69f69ece61a72b0cfa4fc0"),
]  # fmt: skip


def test_there_are_12_published_rows() -> None:
    assert len({(secret, path) for secret, path, _, _ in PUBLISHED}) == 12


@pytest.mark.parametrize(("secret", "path", "private", "public"), PUBLISHED)
def test_a_published_row_is_derived(secret: str, path: tuple[int, ...], private: str, public: str) -> None:
    derived = slip10.derive(bytes.fromhex(secret), path)
    assert derived.hex() == private
    assert SoftwareKey(Role.OPERATOR, derived).public_key.raw.hex() == public


# Computed once with another implementation (hmac and PyNaCl), for the secret 00 01 … 1f.
OF_NAMES = [
    (Role.OPERATOR, "ACME", 0, (911147278, 965977840, 1667687544, 1359041714),
     "ODVXU6J6PXFK3RYFBH4K2K57ZYK5ZB5YEZORSS7M7ZVKBBHYUREGWIL5"),
    (Role.OPERATOR, "ACME signing", 0, (331801601, 980559899, 810193053, 146828493),
     "OAFOGMYIHQZPBF3BQE63TNNEDODL7XCBLFAVCNELG4ONKTLT7F5YPOO6"),
    (Role.ACCOUNT, "ORDERS", 0, (1621226572, 1796530714, 300021018, 1736272810),
     "AB5XRRYEBQ5EAC6NIZVNXCCEZPJI2UAQLCPD63OXGHOQ355GKQBP4TIH"),
]  # fmt: skip


@pytest.mark.parametrize(("role", "name", "index", "numbers", "public_key"), OF_NAMES)
def test_a_name_has_its_path_and_its_key(
    role: Role, name: str, index: int, numbers: tuple[int, ...], public_key: str
) -> None:
    assert path_of(role, name, index) == (1794018638, *numbers)
    assert str(key_of(bytes(range(32)), role, name, index).public_key) == public_key


def test_another_index_is_another_key_of_the_same_name() -> None:
    key = key_of(bytes(range(32)), Role.ACCOUNT, "ORDERS", 1).public_key
    assert str(key) == "ACGQQGWSM3IHZTAQCJRSQD236XCD5NTYZP7QCVKZHWLA54UIPGCCCRY4"


def test_a_path_is_written_with_its_marks() -> None:
    assert slip10.path_text((1, 2)) == "m/1'/2'"


@pytest.mark.parametrize("number", [-1, 2**31])
def test_a_number_that_no_path_has_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="below 2\\*\\*31"):
        slip10.derive(bytes(16), [number])


@pytest.mark.parametrize("size", [0, 15, 65])
def test_a_secret_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        slip10.derive(bytes(size), [])


@given(
    st.sampled_from([Role.OPERATOR, Role.ACCOUNT, Role.USER]), st.text(max_size=20), st.integers(0, 2**32 - 1)
)
def test_every_name_has_a_path_of_numbers_that_a_path_can_have(role: Role, name: str, index: int) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    assert all(0 <= number < 2**31 for number in path_of(role, name, index))


@pytest.mark.parametrize("size", [16, 32])
def test_dice_are_mixed_into_the_randomness_of_the_system(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    # printf 123456… (100 digits) | openssl dgst -sha512 -mac HMAC -macopt hexkey:000102…3f
    expected = "1e7bf9055b6fbf381175c89ca18465a0769b20fd039b5b322e166f1e3a3763da"
    monkeypatch.setattr("os.urandom", lambda count: bytes(range(count)))
    dice = (b"123456" * 17)[:100]
    assert journeys._new_secret(size, dice).hex() == expected[: 2 * size]
    assert journeys._new_secret(size, b"") == bytes(range(size))
