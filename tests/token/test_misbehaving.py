from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from seedless.errors import NoKey, NotConnected, PinError, TokenError
from seedless.nkey import Role
from seedless.pkcs11.module import load
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from subprocess import CompletedProcess

    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Child = Callable[..., CompletedProcess[str]]
    Given = Callable[..., Any]
    Misbehaving = Any

SOFTWARE = SoftwareKey(Role.USER, bytes(range(32)))
KEY = SOFTWARE.public_key
OTHER = SoftwareKey(Role.USER, bytes(range(1, 33)))


@pytest.fixture
def crooked(misbehaving: Misbehaving) -> Misbehaving:
    """A misbehaving token with one known key."""
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    return misbehaving


def where(crooked: Misbehaving) -> str:
    return f'token "{crooked.made.label}" (serial {crooked.made.serial})'


def test_behaving_it_signs_as_softhsm_does_with_two_calls(crooked: Misbehaving, opened: Open) -> None:
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.forget()
        assert [signer.sign(b"%d" % n) for n in range(3)] == [SOFTWARE.sign(b"%d" % n) for n in range(3)]
        assert (crooked.calls("C_SignInit"), crooked.calls("C_Sign")) == (3, 3)
        assert crooked.calls("C_GetAttributeValue") == crooked.calls("C_FindObjectsInit") == 0


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("C_Sign 1 DEVICE_REMOVED", id="device-removed"),
        pytest.param("C_Sign 1 DEVICE_ERROR", id="device-error"),
        pytest.param("C_Sign 1 FUNCTION_FAILED", id="failed-once"),
        pytest.param("C_SignInit 1 SESSION_HANDLE_INVALID", id="session-handle"),
        pytest.param("C_SignInit 1 0xb0", id="session-closed"),
        pytest.param("C_SignInit 1 OBJECT_HANDLE_INVALID", id="object-handle"),
        pytest.param("C_SignInit 1 KEY_HANDLE_INVALID", id="key-handle"),
        pytest.param("C_SignInit 1 OPERATION_ACTIVE", id="wedged"),
        pytest.param("C_Sign 1 USER_NOT_LOGGED_IN", id="not-logged-in"),
        pytest.param("C_Sign 1 TOKEN_NOT_PRESENT", id="token-not-present"),
        pytest.param("C_SignInit 1 LOGOUT", id="logged-out-under-us"),
        pytest.param("C_SignInit 1 CLOSE", id="sessions-closed-under-us"),
        pytest.param("C_Sign 1 CLOSE", id="sessions-closed-mid-way"),
        pytest.param("C_Sign 1 FINALIZE", id="driver-shut-down-under-us"),
        pytest.param("C_SignInit 1 UNPLUG", id="everything-fails-until-started-anew"),
    ],
)
def test_a_lost_session_is_made_anew_and_the_same_bytes_are_signed(
    crooked: Misbehaving, opened: Open, given: Given, fault: str
) -> None:
    pins = given(crooked.made.pin)
    with opened(crooked.made, pins) as token:
        signer = token.signer(KEY)
        crooked.forget()
        crooked.wants(f"fault {fault}")
        assert signer.sign(b"claims") == SOFTWARE.sign(b"claims")
        assert signer.sign(b"more") == SOFTWARE.sign(b"more")
        assert len(token.keys()) == 1
        assert (crooked.calls("C_Login"), crooked.calls("C_Initialize"), len(pins.asked)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(
            "C_Sign 1+ DEVICE_REMOVED",
            "the device was removed (as before; the driver was restarted in between)",
            id="twice-the-same",
        ),
        pytest.param("C_Sign 1+ DEVICE_MEMORY", "the token is full", id="no-loss-is-not-tried-again"),
        pytest.param("C_Sign 1+ 0x80000123", "the driver answered 0x80000123", id="a-vendors-error"),
        pytest.param("C_Sign 1+ GENERAL_ERROR", "the driver reports a general error", id="general-error"),
    ],
)
def test_a_lasting_fault_is_one_sentence_about_what_the_driver_did(
    crooked: Misbehaving, opened: Open, fault: str, said: str
) -> None:
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.wants(f"fault {fault}")
        with pytest.raises(TokenError) as refused:
            signer.sign(b"claims")
    assert refused.value.message == f"cannot sign on {where(crooked)}: {said}"
    assert refused.value.exit_code == 4
    assert crooked.calls("C_Login") <= 2


def test_two_different_faults_are_both_reported(crooked: Misbehaving, opened: Open) -> None:
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.wants("fault C_Sign 1 DEVICE_REMOVED", "fault C_Sign 2 DEVICE_ERROR")
        with pytest.raises(TokenError) as refused:
            signer.sign(b"claims")
    assert refused.value.message == (
        f"cannot sign on {where(crooked)}: the device has a fault "
        "(before that, the device was removed; the driver was restarted in between)"
    )


def test_a_device_that_stays_away_is_reported_as_gone(crooked: Misbehaving, opened: Open) -> None:
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.wants("fault C_SignInit 1 UNPLUG", "set gone")
        with pytest.raises(TokenError, match="the device was removed") as refused:
            signer.sign(b"claims")
        assert refused.value.hint
    crooked.wants()
    with opened(crooked.made) as token:  # plugged in again, the same program goes on
        assert load(crooked.made.module).generation
        assert token.signer(KEY).sign(b"claims") == SOFTWARE.sign(b"claims")


def test_a_driver_that_does_not_start_again_is_reported(crooked: Misbehaving, opened: Open) -> None:
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.wants("fault C_Sign 1 DEVICE_REMOVED", "fault C_Initialize 1 FUNCTION_FAILED")
        with pytest.raises(TokenError, match=r"cannot initialise the module on .* the operation failed"):
            signer.sign(b"claims")
    crooked.wants()
    with opened(crooked.made) as token:
        assert len(token.keys()) == 1


def test_what_is_listed_survives_a_lost_session_too(crooked: Misbehaving, opened: Open) -> None:
    with opened(crooked.made) as token:
        crooked.wants("fault C_FindObjects 1 SESSION_HANDLE_INVALID")
        assert [key.label for key in token.keys()] == ["user:u"]
        crooked.wants("fault C_GetAttributeValue 1 DEVICE_REMOVED")
        assert [key.label for key in token.keys()] == ["user:u"]
        crooked.wants("fault C_FindObjectsInit 2 CLOSE")
        assert token.signer(KEY).sign(b"x") == SOFTWARE.sign(b"x")


def test_a_key_that_is_gone_after_a_loss_is_not_found(crooked: Misbehaving, opened: Open) -> None:
    with opened(crooked.made, writable=True) as token:
        signer = token.signer(KEY)
        with opened(crooked.made, writable=True) as other:
            other.destroy(other.keys()[0])
        with pytest.raises(NoKey, match=f"has the public key {KEY}$"):
            signer.sign(b"claims")


def test_a_changed_pin_is_sent_once_and_reported(crooked: Misbehaving, opened: Open, given: Given) -> None:
    pins = given(crooked.made.pin)
    with opened(crooked.made, pins) as token:
        signer = token.signer(KEY)
        crooked.forget()
        crooked.wants("fault C_Sign 1 DEVICE_REMOVED", "fault C_Login 1 0xa0")
        with pytest.raises(PinError, match="the PIN is wrong") as refused:
            signer.sign(b"claims")
        with pytest.raises(TokenError, match="nobody could be logged in again"):
            signer.sign(b"claims")
    assert (crooked.calls("C_Login"), refused.value.exit_code, len(pins.asked)) == (1, 4, 1)
    with pytest.raises(PinError, match="refused this PIN already"):
        opened(crooked.made, pins).__enter__()
    assert crooked.calls("C_Login") == 1


def test_the_recovery_of_one_session_leaves_another_usable_and_its_close_harmless(
    crooked: Misbehaving, opened: Open
) -> None:
    with opened(crooked.made) as first, opened(crooked.made) as second:
        signers = [first.signer(KEY), second.signer(KEY)]
        crooked.wants("fault C_Sign 1 DEVICE_REMOVED")
        assert signers[0].sign(b"one") == SOFTWARE.sign(b"one")
        closed = crooked.calls("C_CloseSession")
        second._session.close()
        assert crooked.calls("C_CloseSession") == closed
        assert signers[0].sign(b"two") == SOFTWARE.sign(b"two")
    with opened(crooked.made) as first, opened(crooked.made) as second:
        signers = [first.signer(KEY), second.signer(KEY)]
        crooked.wants("fault C_Sign 1 DEVICE_REMOVED")
        assert [signer.sign(b"x") for signer in signers] == [SOFTWARE.sign(b"x")] * 2


def test_threads_recover_side_by_side_and_all_bytes_are_right(crooked: Misbehaving, in_child: Child) -> None:
    crooked.wants(*(f"fault C_Sign {n} DEVICE_REMOVED" for n in (20, 150, 280)))
    done = in_child(
        crooked.made,
        "import threading\n"
        "from seedless.seeds import SoftwareKey\n"
        "software = SoftwareKey(Role.USER, bytes(range(32)))\n"
        "good = []\n"
        "def work(name):\n"
        "    with open_token(URI, Given(), module=MODULE) as token:\n"
        "        signer = token.signer(software.public_key)\n"
        "        for n in range(100):\n"
        "            message = b'%d %d' % (name, n)\n"
        "            good.append(signer.sign(message) == software.sign(message))\n"
        "threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "from seedless.pkcs11.module import load\n"
        "print(len(good), all(good), load(MODULE).generation >= 3)\n",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "300 True True\n", "")


def test_threads_may_share_a_token_and_take_turns(crooked: Misbehaving, opened: Open) -> None:
    messages = [b"%d" % n for n in range(60)]
    with opened(crooked.made) as token, ThreadPoolExecutor(4) as threads:
        signer = token.signer(KEY)
        crooked.wants("fault C_Sign 20 DEVICE_REMOVED")
        assert list(threads.map(signer.sign, messages)) == [SOFTWARE.sign(message) for message in messages]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("C_Sign 1 WRONG", "a wrong signature: it does not verify under U", id="flipped-bit"),
        pytest.param("C_SignInit 1 OTHER_KEY", "gave a wrong signature: it does not verify", id="other-key"),
        pytest.param("C_Sign 1 TRUNCATED", "returned 63 bytes for a signature of 64", id="truncated"),
    ],
)
def test_a_wrong_signature_reaches_nobody_and_is_not_tried_again(
    crooked: Misbehaving, opened: Open, fault: str, said: str
) -> None:
    crooked.straight.import_ed25519(bytes(range(1, 33)), label="user:other", id=b"\x02")
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.forget()
        crooked.wants(f"fault {fault}")
        with pytest.raises(TokenError, match=said) as refused:
            signer.sign(b"claims")
        assert (refused.value.exit_code, crooked.calls("C_Sign")) == (4, 1)
        with pytest.raises(TokenError, match="thrown away"):
            signer.sign(b"claims")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param("C_Sign 1 ABORT", -6, id="abort"),
        pytest.param("C_Sign 1 SEGV", -11, id="segmentation-fault"),
        pytest.param("C_Sign 1 EXIT 5", 5, id="exit-as-softhsm-on-damaged-objects"),
    ],
)
def test_a_driver_that_ends_the_process_gives_no_signature(
    crooked: Misbehaving, in_child: Child, fault: str, code: int
) -> None:
    # Nothing can be said from inside such a process; the pool tells it from outside.
    crooked.wants(f"fault {fault}")
    done = in_child(
        crooked.made,
        f"key = PublicKey.parse({str(KEY)!r})\n"
        "with open_token(URI, Given(), module=MODULE) as token:\n"
        "    print(token.signer(key).sign(b'claims'))\n",
    )
    assert (done.returncode, done.stdout) == (code, "")


def test_a_slow_signature_is_waited_for(crooked: Misbehaving, opened: Open) -> None:
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.wants("fault C_Sign 1 SLEEP 0.7")
        assert signer.sign(b"claims") == SOFTWARE.sign(b"claims")


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param("set point raw", id="raw-ec-point"),
        pytest.param("set point bits", id="bit-string-ec-point"),
        pytest.param("set no_public", id="no-public-object"),
        pytest.param("set single_attributes", id="one-attribute-at-a-time"),
        pytest.param("set exact_buffer", id="a-buffer-of-64-and-no-other"),
    ],
)
def test_a_key_is_found_and_signs_whatever_the_token_shows_of_it(
    crooked: Misbehaving, opened: Open, shape: str
) -> None:
    crooked.straight.import_ed25519(bytes(range(1, 33)), label="user:other", id=b"\x02")
    crooked.wants(shape)
    with opened(crooked.made) as token:
        assert sorted(key.label for key in token.keys()) == ["user:other", "user:u"]
        assert token.find(KEY.raw).raw == KEY.raw
        assert token.signer(KEY).sign(b"claims") == SOFTWARE.sign(b"claims")
        assert token.signer(OTHER.public_key).sign(b"claims") == OTHER.sign(b"claims")


def test_without_public_objects_a_key_that_is_not_there_is_not_found(
    crooked: Misbehaving, opened: Open
) -> None:
    crooked.wants("set no_public")
    with opened(crooked.made) as token, pytest.raises(NoKey, match="has the public key"):
        token.signer(OTHER.public_key)


def test_no_session_left_is_reported(crooked: Misbehaving, opened: Open) -> None:
    crooked.wants("set sessions 1")
    with (
        opened(crooked.made),
        pytest.raises(TokenError, match="the token has no session left") as refused,
        opened(crooked.made),
    ):
        pass
    assert refused.value.hint.startswith("close the other program")
    with opened(crooked.made) as token:
        assert len(token.keys()) == 1


def test_a_token_without_eddsa_is_refused_before_the_pin(
    crooked: Misbehaving, opened: Open, given: Given
) -> None:
    crooked.wants("set no_eddsa", "set manufacturer www.CardContact.de")
    pins = given(crooked.made.pin)
    with pytest.raises(TokenError, match="it does not list CKM_EDDSA") as refused, opened(crooked.made, pins):
        pass
    assert (refused.value.hint.startswith("its chip does not support Ed25519; "), pins.asked) == (True, [])


def test_a_token_that_vanished_is_not_found(crooked: Misbehaving, opened: Open) -> None:
    crooked.wants("fault C_GetTokenInfo 1+ TOKEN_NOT_PRESENT")
    with pytest.raises(NotConnected, match="the module shows no token"), opened(crooked.made):
        pass
