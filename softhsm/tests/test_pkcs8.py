"""Keys from PKCS#8 files: what comes out is what `cryptography` computes with the same key."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from pytest_softhsm import SoftHSM, SoftHSMError
from pytest_softhsm._keys import PRIVATE, PUBLIC
from pytest_softhsm._pkcs8 import templates

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

HEAD = """
    import hashlib

    import pkcs11
    import pytest
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
    from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

    DIGEST = hashlib.sha256(b"message").digest()

    def opened(token):
        lib = pkcs11.lib(str(token.module))
        return lib.get_token(token_serial=token.serial.encode()).open(rw=True, user_pin=token.pin)

    def public_of(pair):
        return serialization.load_pem_public_key(pair.public_pem.encode())
"""


@pytest.fixture
def passes(run_pytest: Callable[..., pytest.RunResult]) -> Callable[..., None]:
    def run(tests: str, count: int = 1) -> None:
        run_pytest(HEAD + tests, "--strict-markers").assert_outcomes(passed=count)

    return run


def test_a_ready_rsa_pair_signs_what_its_public_half_verifies_elsewhere(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm_rsa_key):
        pair = softhsm_rsa_key
        with opened(pair.token) as session:
            key = session.get_key(ObjectClass.PRIVATE_KEY, label=pair.label, id=pair.id)
            assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
            signature = key.sign(b"message", mechanism=Mechanism.SHA256_RSA_PKCS)
            public = public_of(pair)
            public.verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())
            with pytest.raises(InvalidSignature):
                public.verify(signature, b"another", padding.PKCS1v15(), hashes.SHA256())
            hidden = public.encrypt(b"secret", padding.PKCS1v15())
            assert key.decrypt(hidden, mechanism=Mechanism.RSA_PKCS) == b"secret"
            there = session.get_key(ObjectClass.PUBLIC_KEY, id=pair.id)
            assert there.verify(b"message", signature, mechanism=Mechanism.SHA256_RSA_PKCS)
    """)


def test_a_ready_ec_pair_signs_what_its_public_half_verifies_elsewhere(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm_ec_key):
        pair = softhsm_ec_key
        with opened(pair.token) as session:
            raw = session.get_key(ObjectClass.PRIVATE_KEY, id=pair.id).sign(DIGEST, mechanism=Mechanism.ECDSA)
            r, s = (int.from_bytes(raw[at : at + 32], "big") for at in (0, 32))
            signature = utils.encode_dss_signature(r, s)
            public_of(pair).verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
            there = session.get_key(ObjectClass.PUBLIC_KEY, id=pair.id)
            assert there.verify(DIGEST, raw, mechanism=Mechanism.ECDSA)
    """)


def test_a_ready_ed25519_pair_signs_as_its_private_half_does_elsewhere(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm_ed25519_key):
        pair = softhsm_ed25519_key
        private = serialization.load_pem_private_key(pair.private_pem.encode(), None)
        with opened(pair.token) as session:
            key = session.get_key(ObjectClass.PRIVATE_KEY, id=pair.id)
            assert key.sign(b"message") == private.sign(b"message")
        assert pair.uri == f"{pair.token.uri};object=ed25519;id=ed25519;type=private"
    """)


def test_the_pairs_share_the_token_of_the_test(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm_rsa_key, softhsm_ec_key, softhsm_token):
        assert softhsm_rsa_key.token == softhsm_ec_key.token == softhsm_token
        with opened(softhsm_token) as session:
            kinds = {key.key_type for key in session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})}
        assert kinds == {KeyType.RSA, KeyType.EC}
    """)


def test_the_text_of_a_ready_pair_goes_on_another_token_too(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm_ec_key, softhsm_tokens):
        for token in softhsm_tokens:
            token.import_pkcs8(softhsm_ec_key.private_pem, label="spare", id=b"s")
            with opened(token) as session:
                key = session.get_key(ObjectClass.PRIVATE_KEY, label="spare")
                raw = key.sign(DIGEST, mechanism=Mechanism.ECDSA)
                r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
                signature = utils.encode_dss_signature(r, s)
                public_of(softhsm_ec_key).verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
    """)


def test_a_marker_gives_as_many_tokens_as_it_reports_or_one_for_each_label(
    passes: Callable[..., None],
) -> None:
    passes(
        """
    def test_two_without_a_marker(softhsm_tokens):
        assert len({token.serial for token in softhsm_tokens}) == 2

    @pytest.mark.softhsm_tokens(3)
    def test_three(softhsm_tokens):
        assert len({token.label for token in softhsm_tokens}) == 3
        for token in softhsm_tokens:
            opened(token).close()

    @pytest.mark.softhsm_tokens("backup", "backup", "other")
    def test_labels(softhsm_tokens):
        assert [token.label for token in softhsm_tokens] == ["backup", "backup", "other"]
        assert len({token.serial for token in softhsm_tokens}) == 3
    """,
        3,
    )


@pytest.mark.parametrize("what", ["0", "", "True", '"a", 2', "1.5", "count=3"])
def test_a_marker_that_asks_for_something_else_fails_its_test_in_a_sentence(
    run_pytest: Callable[..., pytest.RunResult], what: str
) -> None:
    result = run_pytest(
        f"import pytest\n@pytest.mark.softhsm_tokens({what})\ndef test_it(softhsm_tokens): pass"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the marker softhsm_tokens takes a number or labels, not (*"])


def test_the_fixed_halves_belong_together() -> None:
    for kind, pem in PRIVATE.items():
        key = serialization.load_pem_private_key(pem.encode(), None)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert public.decode() == PUBLIC[kind]


def pkcs8(key: PrivateKeyTypes, encoding: serialization.Encoding = serialization.Encoding.DER) -> bytes:
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


CURVES = {"P-384": ec.SECP384R1(), "P-521": ec.SECP521R1(), "secp256k1": ec.SECP256K1()}


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_keys_of_other_curves_are_stored_too(softhsm: SoftHSM, curve: ec.EllipticCurve) -> None:
    token = softhsm.create()
    for number, encoding in enumerate((serialization.Encoding.DER, serialization.Encoding.PEM)):
        key = ec.generate_private_key(curve)
        token.import_pkcs8(pkcs8(key, encoding), label="key", id=bytes([number]))
    softhsm.remove(token)


def test_the_numbers_of_an_rsa_key_are_those_that_cryptography_reads() -> None:
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    private, public = templates(pkcs8(key), label="key", id=b"1")
    found = [int(private[kind], 16) for kind in ("120", "122", "123", "124", "125", "126", "127", "128")]
    assert found == [
        numbers.public_numbers.n, numbers.public_numbers.e, numbers.d, numbers.p, numbers.q,
        numbers.dmp1, numbers.dmq1, numbers.iqmp,
    ]  # fmt: skip
    assert (int(public["120"], 16), int(public["122"], 16)) == (found[0], found[1])
    assert public.keys() & {"123", "124", "125", "126", "127", "128"} == set()


EC_KEY = ec.derive_private_key(7, ec.SECP256R1())
DER = pkcs8(EC_KEY)
OPENSSL = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
ENCRYPTED = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
WRONG = {
    "nothing": (b"", "the file is not a PKCS#8 private key"),
    "text": (b"a key", "the file is not a PKCS#8 private key"),
    "cut off": (DER[:-1], "the file is not a PKCS#8 private key"),
    "one byte": (b"0", "the file is not a PKCS#8 private key"),
    "a length without end": (b"\x30\x80\x00", "the file is not a PKCS#8 private key"),
    "a public key": (PUBLIC["ec"].encode(), "the file holds 'PUBLIC KEY'"),
    "no PKCS#8": (
        EC_KEY.private_bytes(*OPENSSL, serialization.NoEncryption()), "the file holds 'EC PRIVATE KEY'",
    ),
    "encrypted": (
        EC_KEY.private_bytes(*ENCRYPTED, serialization.BestAvailableEncryption(b"secret")),
        "the file holds 'ENCRYPTED PRIVATE KEY'",
    ),
    "DSA": (pkcs8(dsa.generate_private_key(2048)), "the key has the algorithm 2a8648ce380401"),
    "no base64": (
        b"-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----", "the file is not a PKCS#8 private key",
    ),
    "an EC key without its public key": (
        bytes.fromhex(
            "3041020100301306072a8648ce3d020106082a8648ce3d03010704273025020101042000000000000000000000000000000000"
            "00000000000000000000000000000007"
        ),
        "the EC key has no public key in it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "sentence"), WRONG.values(), ids=WRONG)
def test_a_file_that_is_no_such_key_is_refused_in_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(SoftHSMError) as caught:
        templates(data, label="key", id=b"1")
    assert str(caught.value).startswith(sentence)
    assert caught.value.hint


@pytest.mark.parametrize("at", range(len(DER)))
def test_a_file_that_is_cut_off_anywhere_is_refused(at: int) -> None:
    with pytest.raises(SoftHSMError):
        templates(DER[:at], label="key", id=b"1")


@pytest.mark.parametrize("der", [DER, pkcs8(rsa.generate_private_key(65537, 1024))], ids=["EC", "RSA"])  # noqa: S505
def test_a_file_with_a_changed_byte_is_read_or_refused(der: bytes) -> None:
    for at in range(len(der)):
        for bits in (0x01, 0x20, 0x80, 0xFF):
            changed = der[:at] + bytes([der[at] ^ bits]) + der[at + 1 :]
            with contextlib.suppress(SoftHSMError):
                assert len(templates(changed, label="key", id=b"1")) == 2
