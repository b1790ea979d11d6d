"""Rows about a token before a ceremony: what is read, what is not reported, what a person answers."""

from __future__ import annotations

import pytest

from seedless.errors import UsageError
from seedless.pkcs11.token_info import TokenInfo
from seedless.readiness import (
    CheckStatus,
    Column,
    ReadinessRow,
    faults_of,
    parse_output,
    questions,
    require_used,
    token_rows,
)

YKMAN = """\
PIV version:              5.7.4
PIN tries remaining:      3/3
PUK tries remaining:      3/3
Management key algorithm: AES192
WARNING: Using default PIN!
WARNING: Using default Management key!
CHUID: No data available
CCC:   No data available
Slot 9C (SIGNATURE):
  Private key type: ED25519
"""
"""As `ykman piv info` of version 5 prints it, after `get_piv_info` in its source; from no device."""

YKMAN_4 = """\
PIV version: 5.2.7
PIN tries remaining: 3
Management key algorithm: TDES
CHUID:\tNo data available.
"""
"""The same of version 4, on a device without metadata."""

SHELL = """\
Version number:\t\t2.3.1
Serial number:\t\t7550054
Log used:\t\t13/62
Supported algorithms:\trsa-pkcs1-sha1, rsa-pkcs1-sha256, rsa-pkcs1-sha384,\x20
\t\t\ted25519,\x20
"""
"""As `yubihsm-shell -a get-device-info` prints it, by `yh_com_get_device_info` in its source (src/commands.c,
commit 0008847): tabs, and three algorithms on a line; from no device."""


def token(model: str, firmware: str, serial: str = "12345678", **more: bool) -> TokenInfo:
    return TokenInfo(
        label="ACME", manufacturer="Yubico (www.yubico.com)", model=model, serial=serial, slot_id=0,
        firmware_version=firmware, initialised=True, **more,
    )  # fmt: skip


YUBIKEY = token("YubiKey YK5", "5.7.4")
YUBIHSM = token("YubiHSM", "2.3.1", "07550054")


def of(rows: tuple[ReadinessRow, ...], what: str) -> ReadinessRow:
    (row,) = [row for row in rows if row.what == what]
    return row


def test_what_no_driver_reports_is_a_question_with_its_answer_s_place() -> None:
    rows = token_rows(YUBIKEY)
    columns = {row.what: row.column for row in rows}
    assert columns == {
        "device": Column.READ,
        "firmware": Column.READ,
        "known fault": Column.READ,
        "PIN": Column.READ,
        "PIN tries": Column.UNREPORTED,
        "PIN of the factory": Column.UNREPORTED,
        "PUK of the factory": Column.UNREPORTED,
        "Management key of the factory": Column.UNREPORTED,
        "reset": Column.PERSON,
        "serial on the device": Column.PERSON,
        "bag": Column.PERSON,
        "custody": Column.PERSON,
    }
    assert all(row.advice for row in rows if row.column is not Column.READ)


def test_the_output_of_ykman_answers_tries_and_secrets_of_the_factory() -> None:
    rows = token_rows(YUBIKEY, [parse_output(YKMAN, "piv.txt")])
    assert (of(rows, "PIN tries").column, of(rows, "PIN tries").found) == (
        Column.READ,
        "3/3, by ykman piv info",
    )
    assert of(rows, "slots in use").found == "9c, by ykman piv info"
    pin = of(rows, "PIN of the factory")
    assert (pin.found, pin.status) == ("still set, by ykman piv info", CheckStatus.PROBLEM)
    assert pin.advice == "ykman piv access change-pin"
    assert of(rows, "PUK of the factory").found == "replaced, by ykman piv info"
    assert of(rows, "Management key of the factory").status is CheckStatus.PROBLEM


def test_what_an_older_program_does_not_report_stays_a_question() -> None:
    rows = token_rows(token("YubiKey YK5", "5.2.7"), [parse_output(YKMAN_4, "piv.txt")])
    assert of(rows, "PIN tries").found == "3, by ykman piv info"
    for secret in ("PIN", "PUK", "Management key"):
        assert of(rows, f"{secret} of the factory").column is Column.UNREPORTED


def test_the_output_of_yubihsm_shell_answers_the_log() -> None:
    rows = token_rows(YUBIHSM, [parse_output(SHELL, "info.txt")])
    assert of(rows, "log entries").found == "13/62, by yubihsm-shell -a get-device-info"
    key = of(rows, "authentication key 1 of the factory")
    assert (key.column, key.advice) == (Column.PERSON, "deleted? it is not tried: a failed login is logged")


@pytest.mark.parametrize(
    ("info", "text", "found"),
    [
        pytest.param(
            token("YubiHSM", "2.3.1", "7550055"), SHELL,
            "yubihsm-shell -a get-device-info is of another device: serial 7550054, firmware 2.3.1",
            id="another-serial",
        ),
        pytest.param(
            token("YubiKey YK5", "5.7.1"), YKMAN,
            "ykman piv info is of another device: firmware 5.7.4",
            id="another-firmware",
        ),
    ],
)  # fmt: skip
def test_output_of_another_device_is_a_problem_and_answers_nothing(
    info: TokenInfo, text: str, found: str
) -> None:
    rows = token_rows(info, [parse_output(text, "info.txt")])
    row = of(rows, "output of a program")
    assert (row.found, row.status) == (found, CheckStatus.PROBLEM)
    assert not [row for row in rows if ", by " in row.found]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PIV version: none",
        "Version number:\t\t2.4.0\n",
        "{}\n",
        f"PIV version: 5.{'9' * 5000}\n",
        "PIV version: \N{ARABIC-INDIC DIGIT FIVE}.7\n",
    ],
)
def test_other_files_are_refused_with_what_would_be_read(text: str) -> None:
    with pytest.raises(UsageError, match=r"info\.txt is not the output of ykman piv info or of"):
        parse_output(text, "info.txt")


def test_the_beginning_of_a_file_is_refused_wherever_it_was_cut_off() -> None:
    """Without its warnings, the secrets of the factory would be reported as replaced."""
    whole = {
        YKMAN: len(YKMAN) - len(YKMAN.partition("CCC:")[2]) - len("CCC:"),
        SHELL: SHELL.index("Supported"),
    }
    for text, enough in whole.items():
        for length in range(enough):
            with pytest.raises(UsageError):
                parse_output(text[:length], "info.txt")
        parse_output(text[:enough], "info.txt")
        with pytest.raises(UsageError, match="does not end with the end of a line: it was cut off"):
            parse_output(text[: enough + 3], "info.txt")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (YKMAN + YKMAN, 'has "PIV version" twice: it is of two devices'),
        (SHELL + SHELL.replace("7550054", "7550055"), 'has "Version number" twice'),
        (SHELL.replace("13/62", "1" * 201), "longer than 200 characters"),
        (YKMAN.replace("3/3", "", 1), "has a value that is empty"),
    ],
)
def test_output_of_two_devices_and_values_that_are_none_are_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_output(text, "info.txt")
    assert why in caught.value.message


def test_a_counter_that_is_at_its_end_is_a_problem_and_a_device_without_a_serial_a_question() -> None:
    rows = token_rows(YUBIKEY, [parse_output(YKMAN.replace("3/3", "0/3"), "piv.txt")])
    for what in ("PIN tries", "PUK tries"):
        assert (of(rows, what).found, of(rows, what).status) == (
            "0/3, by ykman piv info",
            CheckStatus.PROBLEM,
        )
    assert of(rows, "device of ykman piv info").column is Column.PERSON
    assert of(token_rows(YUBIHSM, [parse_output(SHELL, "info.txt")]), "log entries").status is CheckStatus.OK


def test_output_for_no_token_here_is_refused() -> None:
    output = ("info.txt", parse_output(SHELL, "info.txt"))
    require_used([output], ["YubiHSM 2"])
    with pytest.raises(UsageError, match="and no token here is a YubiHSM 2"):
        require_used([output], ["YubiKey PIV"])


@pytest.mark.parametrize(
    ("family", "firmware", "names"),
    [
        ("YubiKey PIV", "5.6.9", ["YSA-2024-03"]),
        ("YubiKey PIV", "5.7.0", []),
        ("YubiKey PIV", "5.7.4", []),
        ("YubiKey PIV", "4.4.2", ["YSA-2024-03", "YSA-2019-02"]),
        ("YubiKey PIV", "4.4.5", ["YSA-2024-03"]),
        ("YubiHSM 2", "2.3.2", ["YSA-2024-03"]),
        ("YubiHSM 2", "2.4.0", []),
        ("SoftHSM", "2.6", []),
        ("YubiKey PIV", "not a version", []),
    ],
)
def test_known_faults_follow_family_and_firmware(family: str, firmware: str, names: list[str]) -> None:
    assert [fault.name for fault in faults_of(family, firmware)] == names


def test_a_known_fault_is_shown_with_source_and_date() -> None:
    row = of(token_rows(YUBIHSM), "known fault")
    assert row.found == (
        "YSA-2024-03 (2024-09-03): side channel of ECDSA by inversion (CVE-2024-45678); Ed25519 has no such "
        "inversion; yubico.com/support/security-advisories/ysa-2024-03"
    )
    none = of(token_rows(YUBIKEY), "known fault")
    assert none.found == "none in the table of 2026-11-29, which is not complete"


def test_few_tries_are_noted_and_a_locked_pin_is_a_problem() -> None:
    low = of(token_rows(token("YubiKey YK5", "5.7.4", user_pin_count_low=True)), "PIN")
    assert (low.found, low.status) == ("few tries are left", CheckStatus.NOTE)
    locked = of(token_rows(token("YubiKey YK5", "5.7.4", user_pin_locked=True)), "PIN")
    assert (locked.found, locked.status) == ("locked", CheckStatus.PROBLEM)


def test_a_token_of_any_family_has_the_questions_that_all_have() -> None:
    assert [row.what for row in questions("unknown", "token X")] == ["serial on the device", "bag", "custody"]


def test_the_questions_of_a_yubihsm_are_those_that_its_driver_does_not_answer() -> None:
    rows = {row.what: row for row in questions("YubiHSM 2", "token X")}
    assert {what for what, row in rows.items() if row.column is Column.UNREPORTED} == {
        "log entries",
        "commands under forced audit",
        "other authentication keys",
        "capabilities and domains of the login",
    }
    assert rows["log from its first entry"].advice == "does it show one boot and sequence number 0 of key 1?"
    assert rows["reset"].advice == "was it reset in view of all, by touch, then again after login?"
    assert "it sees its domains alone" in rows["other authentication keys"].advice
