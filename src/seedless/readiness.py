"""What is known of a token before a ceremony, as rows: read, not reported by its driver, or for a person.

A row that nobody can read is not left out: it is a question for a person, with the command or the look that
answers it. `ykman piv info` and `yubihsm-shell -a get-device-info` answer some; their output is read as text.
Known faults are a table with source and date. The table has a date, since no list is complete.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from seedless.errors import UsageError
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seedless.pkcs11.token_info import TokenInfo

__all__ = [
    "FAULTS",
    "CheckStatus",
    "Column",
    "DeviceOutput",
    "KnownFault",
    "ReadinessRow",
    "faults_of",
    "parse_output",
    "questions",
    "token_rows",
]

YUBIKEY: Final = "YubiKey PIV"
YUBIHSM: Final = "YubiHSM 2"


class CheckStatus(StrEnum):
    """How a thing is: as it should be, worth knowing, or in the way."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


class Column(StrEnum):
    """Who knows a fact: the program has read it, the driver does not report it, or only a person sees it."""

    READ = "read"
    UNREPORTED = "not reported by this driver"
    PERSON = "ask a person"


class ReadinessRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact before a ceremony: `about` a token or the machine, what it is, who knows it, what was found.

    `advice` is what to do, or how a person finds it out.
    """

    about: str
    what: str
    column: Column
    found: str = ""
    status: CheckStatus = CheckStatus.NOTE
    advice: str = ""


class KnownFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of a family of devices with firmware before `fixed`, or with one of `versions` alone."""

    family: str
    name: str
    found: str
    source: str
    date: str
    fixed: tuple[int, ...] = ()
    versions: tuple[tuple[int, ...], ...] = ()

    def concerns(self, family: str, firmware: tuple[int, ...]) -> bool:
        """Report whether a device of *family* with *firmware* has it."""
        return family == self.family and (firmware in self.versions or firmware < self.fixed)


FAULTS_KNOWN_ON: Final = "2026-11-29"
# Firmware and dates as others quote the advisories, whose own pages were not at hand. YSA-2024-03: its head
# (mastodawn.com/post/113088013607364252), and Yubico's resources for customers (support.yubico.com, article
# 15705749884444). YSA-2019-02: ZDNet of 13 June 2019, on the day, and SecurityWeek.
_EUCLEAK = "side channel of ECDSA by inversion (CVE-2024-45678); Ed25519 has no such inversion"
_YSA_2024_03 = "yubico.com/support/security-advisories/ysa-2024-03"
FAULTS: Final[tuple[KnownFault, ...]] = (
    KnownFault(
        family=YUBIKEY,
        name="YSA-2024-03",
        found=_EUCLEAK,
        source=_YSA_2024_03,
        date="2024-09-03",
        fixed=(5, 7, 0),
    ),
    KnownFault(
        family=YUBIHSM,
        name="YSA-2024-03",
        found=_EUCLEAK,
        source=_YSA_2024_03,
        date="2024-09-03",
        fixed=(2, 4, 0),
    ),
    KnownFault(
        family=YUBIKEY,
        name="YSA-2019-02",
        found="reduced randomness of the first values after power-up (FIPS series)",
        source="yubico.com/support/security-advisories/ysa-2019-02",
        date="2019-06-13",
        versions=((4, 4, 2), (4, 4, 4)),
    ),
)
"""Known faults, each with its source and the date of that: not a complete list."""


def faults_of(family: str, firmware: str) -> tuple[KnownFault, ...]:
    """Return the known faults of a device of *family* with *firmware* (as in `5.7.4`)."""
    version = _version(firmware)
    return tuple(fault for fault in FAULTS if version and fault.concerns(family, version))


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("."))) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}", text) else ()


class DeviceOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What the program of a device's maker has printed of it: `facts` are a name and a text each.

    `defaults` has, by the name of a secret, whether it is still that of the factory; those of which the
    program reports nothing are left out. A serial is empty where none is printed.
    """

    program: str
    family: str
    firmware: str
    serial: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    defaults: tuple[tuple[str, bool], ...] = ()


_PIV_NAMES = {
    "PIN tries remaining": "PIN tries",
    "PUK tries remaining": "PUK tries",
    "Management key algorithm": "management key",
}
_PIV_DEFAULT = re.compile(r"WARNING: Using default (PIN|PUK|Management key)!", re.IGNORECASE)
_SINCE_METADATA = (5, 3)  # of a YubiKey: from then on it reports whether a secret is that of the factory


def parse_output(text: str, name: str) -> DeviceOutput:
    """Read the output of `ykman piv info` or `yubihsm-shell -a get-device-info`, of the file *name*.

    Raise `UsageError` for anything else, for the beginning of such a file, and for two of them in one.
    """
    lines = [line.strip() for line in text.splitlines()]
    pairs = [
        (key.strip(), value.strip()) for key, colon, value in (line.partition(":") for line in lines) if colon
    ]
    fields = dict(pairs)
    if _version(fields.get("PIV version", "")):
        _require_whole(text, pairs, _PIV_FIELDS, f"{name}, which {_YKMAN_MAKES},")
        return _of_ykman(lines, fields)
    # As `yh_com_get_device_info` of yubihsm-shell prints it (src/commands.c, commit 0008847): a name, a
    # colon, tabs, the value. That needs no session, and so no login.
    if "Serial number" in fields and _version(fields.get("Version number", "")):
        _require_whole(text, pairs, _SHELL_FIELDS, f"{name}, which {_SHELL_MAKES},")
        return DeviceOutput(
            program="yubihsm-shell -a get-device-info",
            family=YUBIHSM,
            firmware=fields["Version number"],
            serial=fields["Serial number"],
            facts=(("log entries", fields["Log used"]),),
        )
    raise UsageError(
        f"{name} is not the output of ykman piv info or of yubihsm-shell -a get-device-info",
        "ykman piv info > FILE, or yubihsm-shell -a get-device-info > FILE",
    )


_YKMAN_MAKES, _SHELL_MAKES = "ykman piv info writes", "yubihsm-shell -a get-device-info writes"
# `ykman` prints its warnings before CHUID and CCC (`get_piv_info`): without these, no warning is no news.
_PIV_FIELDS = ("PIV version", "PIN tries remaining", "Management key algorithm", "CHUID")
_SHELL_FIELDS = ("Version number", "Serial number", "Log used")
_LONGEST = 200  # characters of a value; it goes into transcripts


def _require_whole(text: str, pairs: list[tuple[str, str]], required: Iterable[str], name: str) -> None:
    """Raise `UsageError` unless the output *name* has each of the *required* fields, once and to its end."""
    names = [key for key, _ in pairs]
    missing = [key for key in required if key not in names]
    if missing or not text.endswith("\n"):
        what = f"has no {quoted(missing[0])}" if missing else "does not end with the end of a line"
        raise UsageError(f"{name} {what}: it was cut off", "write it again")
    twice = [key for key in required if names.count(key) > 1]
    if twice:
        raise UsageError(
            f"{name} has {quoted(twice[0])} twice: it is of two devices", "a file for each device"
        )
    if any(key in required and not 0 < len(value) <= _LONGEST for key, value in pairs):
        raise UsageError(
            f"{name} has a value that is empty, or longer than {_LONGEST} characters", "write it again"
        )


def _of_ykman(lines: list[str], fields: dict[str, str]) -> DeviceOutput:
    facts = [(ours, fields[theirs]) for theirs, ours in _PIV_NAMES.items() if theirs in fields]
    warned = {match[1].lower() for line in lines if (match := _PIV_DEFAULT.search(line))}
    # Older programs, and older devices, report less: no warning about a secret is no news about it then.
    reported = {
        "PIN": "/" in fields.get("PIN tries remaining", ""),
        "PUK": "PUK tries remaining" in fields,
        "Management key": _version(fields["PIV version"]) >= _SINCE_METADATA,
    }
    slots = [match[1].lower() for line in lines if (match := re.match(r"Slot ([0-9A-Fa-f]{2})\b", line))]
    return DeviceOutput(
        program="ykman piv info",
        family=YUBIKEY,
        firmware=fields["PIV version"],
        facts=(*facts, ("slots in use", ", ".join(slots) or "none")),
        defaults=tuple(
            (name, name.lower() in warned)
            for name, is_known in reported.items()
            if is_known or name.lower() in warned
        ),
    )


_CHANGE = {
    "PIN": "ykman piv access change-pin",
    "PUK": "ykman piv access change-puk",
    "Management key": "ykman piv access change-management-key --generate --protect",
}


def token_rows(
    info: TokenInfo, outputs: Iterable[DeviceOutput] = (), slots: str = ""
) -> tuple[ReadinessRow, ...]:
    """Return the rows of the token *info*: what it reports, then what *outputs* add, then the questions.

    *slots* describes its slots, where somebody has looked. No PIN is needed for any of it.
    """
    about, family = info.where, info.quirks.family
    own = [output for output in outputs if output.family == family]
    rows = [*_reported(info, slots)]
    for output in own:
        rows += _of_output(info, output)
    answered = {row.what for row in rows}
    rows += [row for row in questions(family, about) if row.what not in answered]
    return tuple(rows)


def _reported(info: TokenInfo, slots: str) -> Iterator[ReadinessRow]:
    about, family = info.where, info.quirks.family
    yield _read(about, "device", f"{info.manufacturer} {info.model}, serial {info.serial or 'not reported'}")
    yield _read(about, "firmware", info.firmware_version or "not reported")
    yield from _fault_rows(about, family, info.firmware_version)
    yield _tries(info)
    if slots:
        yield _read(about, "slots for signatures", slots)


def _fault_rows(about: str, family: str, firmware: str) -> Iterator[ReadinessRow]:
    faults = faults_of(family, firmware)
    for fault in faults:
        found = f"{fault.name} ({fault.date}): {fault.found}; {fault.source}"
        yield _read(about, "known fault", found, CheckStatus.NOTE)
    if not faults:
        yield _read(about, "known fault", f"none in the table of {FAULTS_KNOWN_ON}, which is not complete")


def _tries(info: TokenInfo) -> ReadinessRow:
    if info.user_pin_locked:
        return _read(info.where, "PIN", "locked", CheckStatus.PROBLEM, "unlock it, or reset the device")
    if info.user_pin_final_try or info.user_pin_count_low:
        found = "one try is left" if info.user_pin_final_try else "few tries are left"
        return _read(info.where, "PIN", found, CheckStatus.NOTE, "a right PIN sets the counter back")
    return _read(
        info.where, "PIN", "set, no wrong tries reported" if info.user_pin_initialised else "none is set"
    )


def _of_output(info: TokenInfo, output: DeviceOutput) -> Iterator[ReadinessRow]:
    """Yield what *output* adds; first whether it is of the same device, as far as that can be compared."""
    about, by = info.where, f", by {output.program}"
    is_other_serial = bool(output.serial) and output.serial.lstrip("0") != info.serial.lstrip("0")
    if is_other_serial or output.firmware != info.firmware_version:
        serial = f"serial {output.serial}, " if output.serial else ""
        found = f"{output.program} is of another device: {serial}firmware {output.firmware}"
        yield _read(about, "output of a program", found, CheckStatus.PROBLEM, "write it again for this token")
        return
    for what, found in output.facts:
        is_locked = what.endswith("tries") and re.match("0(/|$)", found) is not None
        status = CheckStatus.PROBLEM if is_locked else CheckStatus.OK
        yield _read(
            about, what, found + by, status, "locked: unlock it, or reset the device" if is_locked else ""
        )
    if not output.serial:
        yield ReadinessRow(
            about=about, what=f"device of {output.program}", column=Column.PERSON,
            advice="it prints no serial: was this device alone plugged in when it ran?",
        )  # fmt: skip
    for secret, is_default in output.defaults:
        what = f"{secret} of the factory"
        if is_default:
            yield _read(about, what, f"still set{by}", CheckStatus.PROBLEM, _CHANGE[secret])
        else:
            yield _read(about, what, f"replaced{by}")


_YKMAN = "ykman piv info shows it; token doctor --ceremony --from FILE reads its output"
_SHELL = "yubihsm-shell -a get-device-info shows it; token doctor --ceremony --from FILE reads its output"
_AUDITOR = "an auditor reads it with a login of their own: yubihsm-shell"
_QUESTIONS: Final[dict[str, tuple[tuple[str, Column, str], ...]]] = {
    YUBIKEY: (
        ("PIN tries", Column.UNREPORTED, _YKMAN),
        ("PIN of the factory", Column.UNREPORTED, _YKMAN),
        ("PUK of the factory", Column.UNREPORTED, _YKMAN),
        ("Management key of the factory", Column.UNREPORTED, _YKMAN),
        ("reset", Column.PERSON, "was it reset in view of all, by ykman piv reset, in this ceremony?"),
    ),
    YUBIHSM: (
        ("log entries", Column.UNREPORTED, _SHELL),
        ("commands under forced audit", Column.UNREPORTED, f"{_AUDITOR} get option"),
        (
            "other authentication keys",
            Column.UNREPORTED,
            f"{_AUDITOR} list objects; it sees its domains alone",
        ),
        ("capabilities and domains of the login", Column.UNREPORTED, f"{_AUDITOR} get objectinfo"),
        (
            "authentication key 1 of the factory",
            Column.PERSON,
            "deleted? it is not tried: a failed login is logged",
        ),
        ("reset", Column.PERSON, "was it reset in view of all, by touch, then again after login?"),
        ("log from its first entry", Column.PERSON, "does it show one boot and sequence number 0 of key 1?"),
    ),
}
_FOR_ALL: Final = (
    ("serial on the device", Column.PERSON, "is the serial that is printed on it the one above?"),
    ("bag", Column.PERSON, "number of the bag that it came in, and whether the seal was whole"),
    ("custody", Column.PERSON, "who held it since it was bought, or since the last ceremony?"),
)


def questions(family: str, about: str) -> tuple[ReadinessRow, ...]:
    """Return what no driver reports of a token of *family*: a row for each, to be answered by a person."""
    rows = (*_QUESTIONS.get(family, ()), *_FOR_ALL)
    return tuple(
        ReadinessRow(about=about, what=what, column=column, advice=advice) for what, column, advice in rows
    )


def require_used(outputs: Iterable[tuple[str, DeviceOutput]], families: Iterable[str]) -> None:
    """Raise `UsageError` for an output (with the name of its file) that is of no token here."""
    known = set(families)
    for name, output in outputs:
        if output.family not in known:
            raise UsageError(
                f"{name} is the output of {output.program}, and no token here is a {output.family}",
                f"name the token with --token, or leave out --from {quoted(name)}",
            )


def _read(
    about: str, what: str, found: str, status: CheckStatus = CheckStatus.OK, advice: str = ""
) -> ReadinessRow:
    return ReadinessRow(about=about, what=what, column=Column.READ, found=found, status=status, advice=advice)
