from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_softhsm import SoftHSM, SoftHSMError, Token

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = """
    import ctypes
    import os
    import subprocess

    import pkcs11
    import pytest
    from pkcs11 import Attribute, ObjectClass
    from pytest_softhsm import SoftHSMError

    # RFC 8032, section 7.1, test 2
    SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    SIGNATURE = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )

    @pytest.fixture
    def lib(softhsm):
        return pkcs11.lib(str(softhsm.module))

    def private(session, label):
        return session.get_key(ObjectClass.PRIVATE_KEY, label=label)
"""


@pytest.fixture
def passes(run_pytest: Callable[..., pytest.RunResult]) -> Callable[..., None]:
    """Run tests, given as text, after HEAD; they all have to pass."""

    def run(tests: str, count: int = 1) -> None:
        run_pytest(HEAD + tests).assert_outcomes(passed=count)

    return run


def test_a_new_token_is_visible_at_once_and_open_sessions_survive_it(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm, lib):
        first = softhsm.create()
        lib.reinitialize()
        first.import_ed25519(SEED, label="key", id=b"1")
        with lib.get_token(token_label=first.label).open(user_pin=first.pin) as session:
            key = private(session, "key")
            for _ in range(20):
                token = softhsm.create()
                assert lib.get_token(token_label=token.label).serial.decode() == token.serial
                assert key.sign(bytes([0x72])).hex() == SIGNATURE
    """)


def test_a_token_made_before_the_module_is_loaded_leaves_it_unloaded_and_is_there_afterwards(
    passes: Callable[..., None],
) -> None:
    passes(
        """
    def test_it(softhsm, softhsm_token):
        softhsm_token.import_ed25519(SEED, label="key", id=b"1")
        with pytest.raises(OSError, match="."):
            ctypes.CDLL(str(softhsm.module), mode=os.RTLD_NOLOAD)
        token = pkcs11.lib(str(softhsm.module)).get_token(token_label=softhsm_token.label)
        with token.open(user_pin=softhsm_token.pin) as session:
            assert private(session, "key").sign(bytes([0x72])).hex() == SIGNATURE

    def test_a_finalised_module_stays_finalised(softhsm, lib):
        lib.finalize()
        token = softhsm.create()
        with pytest.raises(pkcs11.PKCS11Error):
            lib.get_slots()
        lib.initialize()
        assert lib.get_token(token_label=token.label)
    """,
        2,
    )


def test_both_pins_of_a_token_open_it(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm, lib):
        token = softhsm.create("two pins", pin="a user", so_pin="an officer")
        slot = lib.get_token(token_label="two pins")
        with slot.open(rw=True, so_pin="an officer"):
            pass
        with slot.open(rw=True, user_pin="a user"):
            pass
        with pytest.raises(pkcs11.PinIncorrect):
            slot.open(user_pin="another")
    """)


def test_an_imported_key_is_the_known_one_and_cannot_leave(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(lib, softhsm_token):
        softhsm_token.import_ed25519(SEED, label="key", id=bytes([0, 255]))
        with lib.get_token(token_label=softhsm_token.label).open(user_pin=softhsm_token.pin) as session:
            key = session.get_key(ObjectClass.PRIVATE_KEY, id=bytes([0, 255]))
            assert key.sign(bytes([0x72])).hex() == SIGNATURE
            assert key[Attribute.SENSITIVE] is True
            assert key[Attribute.EXTRACTABLE] is False
            public = session.get_key(ObjectClass.PUBLIC_KEY, id=bytes([0, 255]))
            assert public[Attribute.EC_POINT].hex() == "0420" + PUBLIC
            assert public.verify(bytes([0x72]), bytes.fromhex(SIGNATURE))
    """)


def test_an_import_leaves_the_login_as_it_was(passes: Callable[..., None]) -> None:
    passes(
        """
    def test_logged_in(lib, softhsm_token):
        softhsm_token.import_ed25519(SEED, label="one", id=b"1")
        with lib.get_token(token_label=softhsm_token.label).open(user_pin=softhsm_token.pin) as session:
            key = private(session, "one")
            softhsm_token.import_ed25519(bytes(32), label="two", id=b"2")
            assert key.sign(bytes([0x72])).hex() == SIGNATURE
            assert len(private(session, "two").sign(b"")) == 64

    def test_logged_out(lib, softhsm_token):
        token = lib.get_token(token_label=softhsm_token.label)
        with token.open() as session:
            softhsm_token.import_ed25519(SEED, label="one", id=b"1")
            with pytest.raises(pkcs11.NoSuchKey):
                private(session, "one")
            with token.open(user_pin=softhsm_token.pin) as user:
                assert private(user, "one")
    """,
        2,
    )


def test_a_child_process_uses_the_token_by_its_environment(passes: Callable[..., None]) -> None:
    passes(
        '''
    CHILD = """
    import sys, pkcs11
    module, label, pin = sys.argv[1:]
    with pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin) as session:
        session.generate_keypair(
            pkcs11.KeyType.EC_EDWARDS, store=True, label="by the child",
            public_template={pkcs11.Attribute.EC_PARAMS: bytes.fromhex("06032b6570")},
        )
    """

    def test_the_util(softhsm, softhsm_token):
        assert dict(softhsm_token.env) == {"SOFTHSM2_CONF": str(softhsm.token_dir.parent / "softhsm2.conf")}
        shown = subprocess.check_output([softhsm.util, "--show-slots"], text=True, env={**softhsm_token.env})
        assert softhsm_token.serial in shown and softhsm_token.label in shown

    def test_a_key_by_the_child_is_seen_by_an_open_session(lib, softhsm_token):
        import sys, textwrap
        token = softhsm_token
        with lib.get_token(token_label=token.label).open(user_pin=token.pin) as session:
            arguments = [sys.executable, "-c", textwrap.dedent(CHILD), token.module, token.label, token.pin]
            subprocess.run(arguments, env={**os.environ, **token.env}, check=True)
            assert len(private(session, "by the child").sign(b"message")) == 64
    ''',
        2,
    )


def test_a_removed_token_breaks_nothing_in_an_initialised_module(passes: Callable[..., None]) -> None:
    passes(
        """
    def test_deleted_at_once(softhsm):
        token = softhsm.create()
        softhsm.remove(token)
        assert list(softhsm.token_dir.iterdir()) == []

    def test_kept_and_deleted_later(softhsm, lib):
        lib.reinitialize()
        gone, stays = softhsm.create("gone"), softhsm.create("stays")
        with lib.get_token(token_label="stays").open(user_pin=stays.pin):
            softhsm.remove(gone)
            assert lib.get_token(token_label="stays").serial.decode() == stays.serial
            assert lib.get_token(token_label=softhsm.create("new").label)
        lib.finalize()
        softhsm.remove(stays)
        assert len(list(softhsm.token_dir.iterdir())) == 1
        lib.initialize()
        assert [slot.get_token().label for slot in lib.get_slots()] == ["new", ""]

    def test_purged_and_listed_no_more_after_a_restart(softhsm, lib):
        lib.reinitialize()
        softhsm.remove(softhsm.create("gone"))
        stays = softhsm.create("stays longer")
        softhsm.purge()
        lib.reinitialize()
        labels = [slot.get_token().label for slot in lib.get_slots()]
        assert "gone" not in labels and stays.label in labels
    """,
        3,
    )


def test_each_test_gets_a_token_of_its_own(passes: Callable[..., None]) -> None:
    passes(
        """
    SEEN = set()

    @pytest.mark.parametrize("turn", range(3))
    def test_it(softhsm_token, turn):
        SEEN.update([softhsm_token.label, softhsm_token.serial])
        assert len(SEEN) == 2 * (turn + 1)
    """,
        3,
    )


def test_the_token_of_a_test_is_gone_after_it(passes: Callable[..., None]) -> None:
    passes(
        """
    def test_first(softhsm, softhsm_token):
        assert len(list(softhsm.token_dir.iterdir())) == 1

    def test_second(softhsm):
        assert list(softhsm.token_dir.iterdir()) == []
    """,
        2,
    )


def test_no_session_is_left_open_so_the_token_can_be_initialised_again(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm, lib):
        from pytest_softhsm._cryptoki import instance_in_this_process

        token = softhsm.create()
        lib.reinitialize()
        token.import_ed25519(SEED, label="key", id=b"1")
        instance = instance_in_this_process(str(softhsm.module))
        slot = next(slot for slot, serial, _ in instance.tokens() if serial == token.serial)
        pin = token.so_pin.encode()
        instance.call("C_InitToken", slot, pin, len(pin), b"again".ljust(32))
        assert lib.get_token(token_label="again").serial.decode() == token.serial
    """)


REFUSED = {
    "a long label": (
        {"label": "x" * 33},
        "the token label 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' is longer than 32 bytes of UTF-8",
    ),
    "a long label of two-byte letters": (
        {"label": "ü" * 17},
        "the token label 'üüüüüüüüüüüüüüüüü' is longer than 32 bytes of UTF-8",
    ),
    "a label that ends with a space": (
        {"label": "x "},
        "the token label 'x ' ends with a space, which PKCS#11 takes for padding",
    ),
    "a short PIN": ({"pin": "123"}, "the PIN has 3 bytes; SoftHSM takes 4 to 255"),
    "a long SO PIN": ({"so_pin": "1" * 256}, "the SO PIN has 256 bytes; SoftHSM takes 4 to 255"),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_token_that_cannot_be_is_refused_and_not_half_made(
    softhsm: SoftHSM, arguments: dict[str, Any], sentence: str
) -> None:
    before = list(softhsm.token_dir.iterdir())
    with pytest.raises(SoftHSMError) as caught:
        softhsm.create(**arguments)
    assert str(caught.value) == sentence
    assert list(softhsm.token_dir.iterdir()) == before


def test_an_import_that_cannot_be_is_one_sentence(passes: Callable[..., None]) -> None:
    passes(
        """
    def test_a_seed_of_another_length(softhsm_token):
        with pytest.raises(SoftHSMError, match="an Ed25519 seed has 32 bytes, not 31"):
            softhsm_token.import_ed25519(bytes(31), label="", id=b"")

    def test_the_officer_is_logged_in(lib, softhsm_token):
        with lib.get_token(token_label=softhsm_token.label).open(rw=True, so_pin=softhsm_token.so_pin):
            with pytest.raises(SoftHSMError) as caught:
                softhsm_token.import_ed25519(SEED, label="", id=b"")
        assert str(caught.value) == (
            "SoftHSM failed in create_objects: C_Login gave CKR_USER_ANOTHER_ALREADY_LOGGED_IN (0x104)"
        )
    """,
        2,
    )


def test_a_module_under_another_configuration_is_named_as_the_cause(passes: Callable[..., None]) -> None:
    passes("""
    def test_it(softhsm, softhsm_token, tmp_path, monkeypatch):
        (tmp_path / "tokens").mkdir()
        (tmp_path / "conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}")
        monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "conf"))
        pkcs11.lib(str(softhsm.module)).reinitialize()
        with pytest.raises(SoftHSMError, match="was initialised with another SOFTHSM2_CONF"):
            softhsm.create()
        with pytest.raises(SoftHSMError, match="the module in use shows no token with the serial"):
            softhsm_token.import_ed25519(SEED, label="", id=b"")
    """)


def test_the_uri_of_a_token_is_percent_encoded() -> None:
    token = Token(Path("m.so"), "a b/é;c", "00ff", "pin", "so", {})
    assert token.uri == "pkcs11:token=a%20b%2F%C3%A9%3Bc;serial=00ff"
