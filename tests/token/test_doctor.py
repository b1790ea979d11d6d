from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.doctor import CheckResult, ExaminedToken, account_size, examine
from seedless.pkcs11.audit import largest_message, padded_challenge
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest_softhsm
    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Given = Callable[..., Any]
    Misbehaving = Any


def patient(made: pytest_softhsm.Token, pins: Any, **changes: Any) -> ExaminedToken:  # noqa: ANN401 - fixtures
    ticks = itertools.count()
    counted = itertools.count(1)
    values = {
        "module": Path(made.module),
        "uri": KeyUri.parse(made.uri),
        "pins": pins,
        "last_try": False,
        "makes_key": True,
        "random": lambda size: next(counted).to_bytes(size, "big"),
        "clock": lambda: next(ticks) * 0.002,
    }
    return ExaminedToken(**(values | changes))


def labels(opened: Open, made: pytest_softhsm.Token) -> list[str]:
    with opened(made) as token:
        return [key.label for key in token.keys()]


def of(lines: list[CheckResult], what: str) -> list[tuple[str, str]]:
    return [(str(line.verdict), line.found) for line in lines if line.what == what]


def test_a_sound_token_is_tried_with_a_key_that_is_gone_afterwards(
    softhsm_token: pytest_softhsm.Token, opened: Open, given: Given
) -> None:
    pins = given(softhsm_token.pin)
    lines = list(examine(patient(softhsm_token, pins)))
    assert [line.what for line in lines if line.verdict == "problem"] == []
    assert of(lines, "family")[0][1] == "SoftHSM (measured with 2.6.1 and 2.7)"
    assert of(lines, "mechanisms") == [("ok", "Ed25519 by 0x1057, and it makes pairs")]
    assert of(lines, "encodings") == [
        ("ok", "EC_PARAMS 130c656477617264733235353139, EC_POINT 0420 and the key")
    ]
    assert of(lines, "signature") == [("ok", "2.0 ms for 600 bytes, 500 a second")]
    assert of(lines, "largest message") == [("ok", "32768 bytes or more (found by trying)")]
    assert ("note", "a program, no device") in of(lines, "provenance")
    assert (
        "ok",
        "the driver reports: made on this token, not extractable; software: the files can be copied",
    ) in of(lines, "provenance")
    made, deleted = of(lines, "throw-away key")
    assert made[1].startswith('made: "user:seedless-doctor-00000001" (id ')
    assert deleted == ("ok", "deleted")
    assert len(pins.asked) == 1
    assert labels(opened, softhsm_token) == []


def test_a_ceiling_is_found_to_the_byte_and_reported_beside_a_typical_account(
    misbehaving: Misbehaving, given: Given
) -> None:
    misbehaving.wants("set largest 3062")
    lines = list(examine(patient(misbehaving.made, given(misbehaving.made.pin))))
    assert of(lines, "largest message") == [("note", "3062 bytes (found by trying)")]
    sizes = "723 with 0 exports and 0 imports, 2149 with 5 exports and 5 imports"
    more = "3542 with 10 exports and 10 imports"
    assert of(lines, "typical account") == [("ok", f"bytes to sign: {sizes}, {more}")]
    assert account_size(10) == 3542


def test_without_a_key_nothing_is_made(misbehaving: Misbehaving, given: Given) -> None:
    misbehaving.forget()
    lines = list(examine(patient(misbehaving.made, given(misbehaving.made.pin), makes_key=False)))
    assert of(lines, "throw-away key") == [("note", "not made")]
    assert of(lines, "largest message") == [("note", "no limit is known (not tried)")]
    assert misbehaving.calls("C_GenerateKeyPair") == misbehaving.calls("C_Sign") == 0
    assert misbehaving.calls("C_Login") == 1


@pytest.mark.parametrize(
    ("wants", "found"),
    [
        pytest.param("fault C_Sign 2 WRONG", "none came for 600 bytes, but a wrong one", id="wrong-at-once"),
        pytest.param("fault C_Sign 11 WRONG", "wrong for messages of 32768 bytes", id="wrong-when-long"),
        pytest.param(
            "fault C_Sign 2 GENERAL_ERROR",
            "none came for 600 bytes: the driver reports a general error",
            id="refused",
        ),
    ],
)
def test_a_wrong_signature_is_a_problem_and_the_key_is_deleted(
    misbehaving: Misbehaving, opened: Open, given: Given, wants: str, found: str
) -> None:
    misbehaving.wants(wants)
    lines = list(examine(patient(misbehaving.made, given(misbehaving.made.pin))))
    assert ("problem", found) in of(lines, "signature")
    assert of(lines, "throw-away key")[-1] == ("ok", "deleted")
    misbehaving.wants()
    assert labels(opened, misbehaving.made) == []


def test_a_token_that_goes_away_is_reported_to_still_hold_the_key(
    misbehaving: Misbehaving, given: Given
) -> None:
    misbehaving.wants("fault C_SignInit 2 UNPLUG")
    lines = list(examine(patient(misbehaving.made, given(misbehaving.made.pin))))
    assert of(lines, "signature") == [("problem", "none came for 600 bytes: the device was removed")]
    line = lines[-1]
    assert (line.what, line.verdict) == ("throw-away key", "problem")
    assert line.found.endswith("the device was removed")
    assert line.advice.startswith('delete "user:seedless-doctor-')


def test_an_interruption_deletes_the_throw_away_key(
    softhsm_token: pytest_softhsm.Token, opened: Open, given: Given
) -> None:
    def clock() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(examine(patient(softhsm_token, given(softhsm_token.pin), clock=clock)))
    assert labels(opened, softhsm_token) == []


def test_a_caller_that_stops_early_leaves_no_key(
    softhsm_token: pytest_softhsm.Token, opened: Open, given: Given
) -> None:
    lines = examine(patient(softhsm_token, given(softhsm_token.pin)))
    assert any(line.what == "encodings" for line in lines)
    lines.close()
    assert labels(opened, softhsm_token) == []


def test_a_key_that_cannot_be_deleted_is_reported_and_found_by_the_next_doctor(
    misbehaving: Misbehaving, given: Given
) -> None:
    misbehaving.wants("fault C_DestroyObject 1 DEVICE_ERROR")
    lines = list(examine(patient(misbehaving.made, given(misbehaving.made.pin))))
    verdict, found = of(lines, "throw-away key")[-1]
    assert (verdict, found.startswith("it is still there: cannot delete a key on token")) == ("problem", True)
    misbehaving.wants()
    lines = list(examine(patient(misbehaving.made, given(misbehaving.made.pin), makes_key=False)))
    assert [line.advice for line in lines if line.found.startswith('a throw-away key, "user:seedless')] == [
        "left by a doctor that was killed: seedless key list, then seedless key delete"
    ]


@pytest.mark.parametrize(
    ("failed", "found"),
    [
        pytest.param(1, "few tries are left, so it was not asked for", id="few"),
        pytest.param(2, "one try is left, so it was not asked for", id="one"),
        pytest.param(3, "locked", id="none"),
    ],
)
def test_no_try_of_the_pin_is_risked(misbehaving: Misbehaving, given: Given, failed: int, found: str) -> None:
    misbehaving.wants("set tries 3")
    misbehaving.wrong_pins(failed)
    pins = given("wrong")
    lines = list(examine(patient(misbehaving.made, pins)))
    assert (of(lines, "PIN"), lines[-1].what) == ([("problem", found)], "PIN")
    assert (misbehaving.calls("C_Login"), pins.asked) == (0, [])


def test_the_last_try_is_used_when_that_was_asked_for(misbehaving: Misbehaving, given: Given) -> None:
    misbehaving.wants("set tries 3")
    misbehaving.wrong_pins(2)
    lines = list(examine(patient(misbehaving.made, given(misbehaving.made.pin), last_try=True)))
    assert of(lines, "PIN") == [("note", "one try is left")]
    assert misbehaving.calls("C_Login") == 1


def test_a_wrong_pin_is_sent_once_and_reported(softhsm_token: pytest_softhsm.Token, given: Given) -> None:
    pins = given("wrong-pin-0815")
    lines = list(examine(patient(softhsm_token, pins)))
    assert (lines[-1].verdict, "the PIN is wrong" in lines[-1].found) == ("problem", True)
    assert "wrong-pin-0815" not in repr(lines)
    assert len(pins.asked) == 1


def test_a_token_without_ed25519_is_reported_before_the_pin(misbehaving: Misbehaving, given: Given) -> None:
    misbehaving.wants("set no_eddsa")
    pins = given(misbehaving.made.pin)
    lines = list(examine(patient(misbehaving.made, pins)))
    ((verdict, found),) = of(lines, "mechanisms")
    assert (verdict, found.endswith("signs with Ed25519")) == ("problem", True)
    assert pins.asked == []


def test_the_command_is_named_for_a_family_whose_keys_are_made_elsewhere(
    misbehaving: Misbehaving, given: Given
) -> None:
    pin = misbehaving.made.pin
    misbehaving.wants(
        "set manufacturer Yubico", "set model YubiKey YK5", "set firmware 5 74", f"set pad {pin}"
    )
    lines = list(examine(patient(misbehaving.made, given(None))))
    (line,) = [line for line in lines if line.what == "throw-away key"]
    assert (line.verdict, line.found) == ("note", "not made")
    assert "ykman piv keys generate -a ED25519 9c" in line.advice
    assert of(lines, "largest message") == [("note", "3062 bytes (not tried)")]
    assert of(lines, "PIN") == [("ok", "typed on the device itself")]


def test_less_than_is_known_of_the_family_is_a_problem(misbehaving: Misbehaving, given: Given) -> None:
    pin = misbehaving.made.pin
    misbehaving.wants(
        "set manufacturer Yubico",
        "set model YubiHSM",
        "set firmware 2 40",
        f"set pad {pin}",
        "set largest 2026",
    )
    lines = list(examine(patient(misbehaving.made, given(None))))
    assert of(lines, "largest message") == [
        ("note", "2026 bytes (found by trying)"),
        ("problem", "less than the 3114 bytes known of it"),
    ]


def test_a_module_that_is_none_is_one_line(tmp_path: Path, given: Given) -> None:
    uri = KeyUri.parse("pkcs11:token=ACME")
    asked = ExaminedToken(
        module=tmp_path / "none.so", uri=uri, pins=given("1234"), last_try=False, makes_key=True,
        random=bytes, clock=lambda: 0.0,
    )  # fmt: skip
    (line,) = examine(asked)
    assert (line.what, line.verdict) == ("token", "problem")
    assert line.found.startswith("cannot load the PKCS#11 module ")


@pytest.mark.parametrize("ceiling", [0, 1, 2026, 3062, 3114, 16_000, 32_767, 32_768, 50_000])
def test_a_ceiling_is_found_by_few_attempts(ceiling: int) -> None:
    tried: list[int] = []
    assert largest_message(lambda size: not tried.append(size) and size <= ceiling) == min(ceiling, 32_768)
    assert len(tried) <= 16


def test_a_challenge_has_the_size_that_is_tried() -> None:
    message = padded_challenge("doctor", bytes(32), 600)
    assert (len(message), message[:29]) == (600, b"seedless challenge v1 doctor\n")


def test_a_yubikey_signs_with_a_key_that_is_there_and_its_free_slots_are_counted(
    misbehaving: Misbehaving, given: Given
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="SIGN key", id=b"\x02")
    pin = misbehaving.made.pin
    misbehaving.wants(
        "set manufacturer Yubico", "set model YubiKey YK5", "set firmware 5 74", f"set pad {pin}"
    )
    lines = list(examine(patient(misbehaving.made, given(None))))
    assert of(lines, "token")[0][1].endswith("Yubico YubiKey YK5, firmware 5.7.4")
    assert of(lines, "signature") == [
        ("ok", 'by "SIGN key" (id 02), verified: 2.0 ms, a touch included'),
    ]
    [(verdict, found)] = of(lines, "room")
    assert (verdict, found.startswith("21 of 22 slots for signatures show no key: 9a, 82, 83")) == (
        "ok",
        True,
    )


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        pytest.param("C_Sign 1 WRONG", 'a wrong one by "SIGN key" (id 02)', id="wrong"),
        pytest.param("C_Sign 1+ 0x70", "it does not know this mechanism", id="refused"),
    ],
)
def test_a_key_that_is_there_and_signs_wrongly_or_not_at_all_is_a_problem(
    misbehaving: Misbehaving, given: Given, fault: str, found: str
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="SIGN key", id=b"\x02")
    device = ("set manufacturer Yubico", "set model YubiKey YK5", "set firmware 5 74")
    misbehaving.wants(*device, f"set pad {misbehaving.made.pin}", f"fault {fault}")
    lines = list(examine(patient(misbehaving.made, given(None))))
    [(verdict, said)] = of(lines, "signature")
    assert (verdict, said.endswith(found)) == ("problem", True)


def test_an_old_firmware_is_judged_although_the_driver_lists_ed25519(
    misbehaving: Misbehaving, given: Given
) -> None:
    misbehaving.wants("set manufacturer Yubico", "set model YubiKey YK5", "set firmware 5 43")
    pins = given(misbehaving.made.pin)
    lines = list(examine(patient(misbehaving.made, pins)))
    [(verdict, found)] = of(lines, "mechanisms")
    assert found == "whatever the driver lists, this device has no Ed25519"
    why = "its firmware 5.4.3 does not support Ed25519, which came with 5.7, and cannot be updated"
    assert (verdict, lines[-1].found.endswith(f"cannot sign with Ed25519: {why}"), pins.asked) == (
        "problem",
        True,
        [],
    )


@pytest.mark.parametrize(
    ("memory", "found"),
    [
        ("", "not reported by this driver"),
        ("4096 128", "free are 4096 bytes for public objects, 128 bytes for private objects"),
    ],
)
def test_the_room_that_a_token_reports_is_shown(
    misbehaving: Misbehaving, given: Given, memory: str, found: str
) -> None:
    misbehaving.wants(*([f"set free {memory}"] if memory else []))
    lines = list(examine(patient(misbehaving.made, given(misbehaving.made.pin), makes_key=False)))
    assert of(lines, "room") == [("ok", found)]
