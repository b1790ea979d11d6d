from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pkcs11.attributes import AttributeMapper
from pkcs11.constants import Attribute, MechanismFlag
from pkcs11.mechanisms import KeyType

from seedless.errors import NoKey, TokenError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11 import key_creation
from seedless.pkcs11.families import EC_PARAMS_NAME, EC_PARAMS_OID
from seedless.pkcs11.initialise import contents_of
from seedless.pkcs11.keys import KeyAttributes
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from subprocess import CompletedProcess

    from pkcs11.types import Object

    from pytest_softhsm import SoftHSM
    from pytest_softhsm import Token as Made
    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Child = Callable[..., CompletedProcess[str]]
    Misbehaving = Any

SEED = bytes(range(32))
PUBLIC = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")


def make(
    token: Token,
    label: str = "plain",
    *,
    key_id: bytes = b"\x01",
    params: bytes = EC_PARAMS_NAME,
    **private: bool,
) -> tuple[Object, Object]:
    """Make a pair in the token's own session, with attributes that seedless itself would not ask for."""
    with token._session.use("test") as raw:
        return raw.generate_keypair(
            KeyType.EC_EDWARDS,
            id=key_id,
            label=label,
            store=True,
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
            public_template={Attribute.EC_PARAMS: params},
            private_template={Attribute[name.upper()]: value for name, value in private.items()},
        )


def test_a_generated_key_stays_on_the_token_by_what_the_driver_reports(
    softhsm_token: Made, opened: Open
) -> None:
    with opened(softhsm_token, writable=True) as token:
        key = token.generate("operator:ops")
    assert key.attributes == KeyAttributes(
        sensitive=True,
        extractable=False,
        always_sensitive=True,
        never_extractable=True,
        local=True,
        modifiable=False,
        always_authenticate=False,
        sign=True,
    )
    assert (key.label, key.key_type, len(key.id), key.role) == ("operator:ops", "ed25519", 8, Role.OPERATOR)


def test_a_generated_key_is_there_for_the_next_session_and_signs(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        made = token.generate("account:A", id=b"\x42")
    with opened(softhsm_token) as token:
        assert token.keys() == [made]
        public_key = PublicKey(Role.ACCOUNT, made.raw)
        public_key.verify(token.signer(public_key).sign(b"message"), b"message")


def test_the_signature_of_an_imported_seed_is_that_of_pynacl(softhsm_token: Made, opened: Open) -> None:
    software = SoftwareKey(Role.USER, SEED)
    softhsm_token.import_ed25519(SEED, label="user:u", id=b"\x01")
    with opened(softhsm_token) as token:
        signer = token.signer(software.public_key)
        assert signer.sign(b"claims") == software.sign(b"claims")
        assert signer.sign(b"") == software.sign(b"")
        assert token.find(PUBLIC).label == "user:u"


def test_a_key_that_came_out_readable_is_destroyed(
    softhsm_token: Made, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_creation, "STAYS", {**key_creation.STAYS, Attribute.EXTRACTABLE: True})
    with opened(softhsm_token, writable=True) as token, pytest.raises(TokenError, match="its seed can leave"):
        token.generate("operator:ops")
    with opened(softhsm_token) as token:
        assert (token.keys(), contents_of(softhsm_token.module, token.info.uri)) == ([], [])


def test_a_key_whose_test_signature_is_wrong_is_destroyed(misbehaving: Misbehaving, opened: Open) -> None:
    misbehaving.wants("fault C_Sign 1 WRONG")
    with (
        opened(misbehaving.made, writable=True) as token,
        pytest.raises(TokenError, match=r'the new key "operator:ops" .* gave a wrong signature'),
    ):
        token.generate("operator:ops")
    with opened(misbehaving.made) as token:
        assert (token.keys(), contents_of(misbehaving.made.module, token.info.uri)) == ([], [])


def test_a_message_that_is_not_bytes_is_refused_and_the_session_lives(
    softhsm_token: Made, opened: Open
) -> None:
    softhsm_token.import_ed25519(SEED, label="user:u", id=b"\x01")
    with opened(softhsm_token) as token:
        signer = token.signer(PublicKey(Role.USER, PUBLIC))
        for message in (bytearray(b"x"), memoryview(b"x"), "x"):
            with pytest.raises(UsageError, match="a message is bytes, not"):
                signer.sign(message)
        assert len(signer.sign(b"x")) == 64


def test_an_id_that_is_taken_is_refused(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        token.generate("operator:a", id=b"\x01")
        with pytest.raises(TokenError, match="has a key with the id 01 already"):
            token.generate("operator:b", id=b"\x01")
        assert [key.label for key in token.keys()] == ["operator:a"]


def test_a_key_cannot_be_made_in_a_session_for_reading(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token) as token, pytest.raises(TokenError, match="opened for reading only"):
        token.generate("operator:a")


def test_two_keys_with_one_public_key_are_refused_and_named(softhsm_token: Made, opened: Open) -> None:
    softhsm_token.import_ed25519(SEED, label="user:first", id=b"\x01")
    softhsm_token.import_ed25519(SEED, label="user:second", id=b"\x02")
    with opened(softhsm_token) as token, pytest.raises(NoKey) as refused:
        token.find(PUBLIC)
    assert "2 keys on" in refused.value.message
    assert '"user:first" (id 01)' in refused.value.message
    assert '"user:second" (id 02)' in refused.value.message


def test_a_key_that_is_not_found_is_not_reported_as_absent(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token) as token, pytest.raises(NoKey) as refused:
        token.find(PUBLIC)
    assert PUBLIC.hex() in refused.value.message
    assert "does not prove that it is absent" in refused.value.hint


def test_two_keys_with_one_label_and_one_id_are_distinguished_by_their_public_key(
    softhsm_token: Made, opened: Open
) -> None:
    for number in (1, 2):
        softhsm_token.import_ed25519(bytes([number]) * 32, label=f"user:{number}", id=b"\x01")
    second = SoftwareKey(Role.USER, b"\x02" * 32)
    with opened(softhsm_token) as token:
        assert token.find(second.public_key.raw).label == "user:2"
        assert token.signer(second.public_key).sign(b"x") == second.sign(b"x")


def test_halves_with_the_same_id_and_the_same_label_are_not_paired_by_guessing(
    softhsm_token: Made, opened: Open
) -> None:
    for number in (1, 2):
        softhsm_token.import_ed25519(bytes([number]) * 32, label="user:u", id=b"\x01")
    with opened(softhsm_token) as token:
        assert [key.raw for key in token.keys()] == [None, None]


def test_a_key_is_refused_in_another_role_than_that_of_its_label(softhsm_token: Made, opened: Open) -> None:
    softhsm_token.import_ed25519(SEED, label="user:u", id=b"\x01")
    with opened(softhsm_token) as token, pytest.raises(NoKey, match="its label has another role"):
        token.signer(PublicKey(Role.OPERATOR, PUBLIC))


def test_a_key_that_can_leave_signs_only_when_allowed(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        make(token, extractable=True)
        [key] = token.keys()
        public_key = PublicKey(Role.USER, key.raw)
        with pytest.raises(TokenError, match="can leave") as refused:
            token.signer(public_key)
        assert f"--allow-extractable {public_key}" in refused.value.hint
        assert len(token.signer(public_key, allow_extractable=True).sign(b"x")) == 64


def test_a_key_with_either_encoding_of_the_curve_is_an_ed25519_key(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        make(token, key_id=b"\x01", params=EC_PARAMS_NAME)
        make(token, key_id=b"\x02", params=EC_PARAMS_OID)
        assert [key.key_type for key in token.keys()] == ["ed25519", "ed25519"]
        for key in token.keys():
            public_key = PublicKey(Role.USER, key.raw)
            assert len(token.signer(public_key).sign(b"x")) == 64


def test_a_key_without_its_public_half_is_listed_and_can_be_deleted(
    softhsm_token: Made, opened: Open
) -> None:
    with opened(softhsm_token, writable=True) as token:
        public, _ = make(token, "user:half")
        public.destroy()
        [key] = token.keys()
        assert (key.label, key.raw, key.key_type) == ("user:half", None, "ed25519")
        token.destroy(key)
        assert token.keys() == []


def test_keys_of_other_types_are_listed_with_their_type(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        with token._session.use("test") as raw:
            raw.generate_keypair(KeyType.RSA, 1024, id=b"\x07", label="old", store=True)
        assert [(key.label, key.key_type, key.raw) for key in token.keys()] == [("old", "rsa", None)]


def test_a_label_that_is_not_utf_8_does_not_hide_the_keys(softhsm_token: Made, opened: Open) -> None:
    mapper = AttributeMapper()
    mapper.register_handler(Attribute.LABEL, bytes, bytes)
    with opened(softhsm_token, writable=True) as token:
        token.generate("user:good")
        with token._session.use("test") as raw, raw.token.open(rw=True, attribute_mapper=mapper) as other:
            other.generate_keypair(
                KeyType.EC_EDWARDS,
                label=b"user:M\xfcller",
                store=True,
                public_template={Attribute.EC_PARAMS: EC_PARAMS_NAME},
            )
        assert sorted(key.label for key in token.keys()) == ["user:M\ufffdller", "user:good"]


def test_a_key_without_permission_to_sign_is_reported(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        make(token, sign=False)
        [key] = token.keys()
        signer = token.signer(PublicKey(Role.USER, key.raw))
        with pytest.raises(TokenError, match="not allowed to sign"):
            signer.sign(b"x")


def test_a_deleted_key_is_gone_with_both_halves(softhsm_token: Made, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        kept, gone = token.generate("user:kept"), token.generate("user:gone")
        token.destroy(gone)
        assert token.keys() == [kept]
        with token._session.use("test") as raw:
            assert len(list(raw.get_objects())) == 2
        with pytest.raises(NoKey, match=r'no key on .* is "user:gone"'):
            token.destroy(gone)


def test_half_written_object_files_hide_no_other_key(
    softhsm: SoftHSM, softhsm_token: Made, opened: Open, in_child: Child
) -> None:
    with opened(softhsm_token, writable=True) as token:
        token.generate("user:good")
    folder = next(
        p for p in softhsm.token_dir.iterdir() if p.name.replace("-", "").endswith(softhsm_token.serial)
    )
    good = {path.name for path in folder.glob("*.object")}
    with opened(softhsm_token, writable=True) as token:
        token.generate("user:damaged")
    damaged = [path for path in folder.glob("*.object") if path.name not in good]
    assert len(damaged) == 2
    for size in (300, 100, 0):
        for path in damaged:
            path.write_bytes(path.read_bytes()[:size])
        result = in_child(
            softhsm_token,
            "with open_token(URI, Given(), module=MODULE) as token:\n"
            "    print(*(key.label for key in token.keys() if key.raw))",
        )
        assert (result.stdout.split(), result.stderr) == (["user:good"], "")
