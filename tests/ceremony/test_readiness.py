"""What was known of token and machine before a ceremony: in the transcript, the report and the checklist."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony import transcript
from seedless.ceremony.report import checklist, report
from seedless.errors import SeedlessError
from seedless.program import program_digest
from seedless.readiness import CheckStatus, Column, ReadinessRow, questions

if TYPE_CHECKING:
    Hall = Any  # the fixture in conftest.py
    Cli = Any  # the fixture in tests/conftest.py

ROWS = (
    ReadinessRow(
        about='token "ACME"', what="firmware", column=Column.READ, found="5.7.4", status=CheckStatus.OK
    ),
    *questions("YubiKey PIV", 'token "ACME"'),
    ReadinessRow(
        about="this machine", what="swap", column=Column.READ, found="on: /dev/sda2",
        status=CheckStatus.PROBLEM, advice="swapoff -a",
    ),
)  # fmt: skip


def held(hall: Hall) -> tuple[bytes, bytes]:
    context = hall.review_context(hall.request())
    run = dataclasses.replace(hall.run(context), readiness=lambda: ROWS)
    return context.request.data, hall.sit_at(run)


def test_the_rows_are_in_the_transcript_before_any_key_and_are_covered_by_its_digest(hall: Hall) -> None:
    request, result = held(hall)
    entries = transcript.parse(result).entries
    assert [entry["kind"] for entry in entries][:4] == ["opened", "reviewed", "readiness", "key"]
    checked = hall.check(request, result)
    assert (str(checked.verdict), checked.progress.readiness) == ("complete", ROWS)
    assert hall.recomputed(request, result)


def test_a_row_that_was_changed_afterwards_is_found(hall: Hall) -> None:
    request, result = held(hall)
    forged = result.replace(b"on: /dev/sda2", b"off")
    assert forged != result
    assert str(hall.check(request, forged).verdict) == "false"


@pytest.mark.parametrize(
    "rows", [[], ["x"], [{"about": "x"}], [{"about": "x", "what": "y", "column": "guessed"}]]
)
def test_rows_that_are_none_are_refused_with_their_place(hall: Hall, rows: list[Any]) -> None:
    request, result = held(hall)
    members = json.loads(result)
    members["transcript"][2]["rows"] = rows
    changed = transcript.to_bytes(members["transcript"], members["receipts"])
    checked = hall.check(request, changed)
    assert (str(checked.verdict), "transcript[2].rows" in checked.text) == ("false", True)


def test_the_report_has_a_column_for_who_knows_each_fact(hall: Hall) -> None:
    page = report(hall.check(*held(hall)))
    head = "<th></th><th>read</th><th>not reported by this driver</th><th>ask a person</th>"
    assert page.count(f"<thead><tr>{head}</tr></thead>") == 1  # a head is printed again on the next page
    assert page.count("<thead><tr><th></th><th>read</th></tr></thead>") == 1  # no column is empty
    read, driver, person = (f'<td data-column="{column}">' for column in Column)
    assert f"<tr><th>firmware</th>{read}ok: 5.7.4</td><td></td><td></td></tr>" in page
    assert f"<tr><th>swap</th>{read}problem: on: /dev/sda2<br>swapoff -a</td></tr>" in page
    assert f"<tr><th>PIN tries</th><td></td>{driver}ykman piv info shows it;" in page
    assert f"<tr><th>bag</th><td></td><td></td>{person}number of the bag" in page


def test_on_a_narrow_screen_the_columns_are_below_each_other_with_their_names(hall: Hall) -> None:
    page = report(hall.check(*held(hall)))
    (narrow,) = re.findall(r"@media \(max-width: 44rem\) (.*?)@media print", page, re.DOTALL)
    assert ".known thead, .known td:empty { display: none; }" in narrow
    assert ".known td::before { content: attr(data-column)" in narrow


def test_the_checklist_has_room_for_each_answer(hall: Hall) -> None:
    lines = checklist(hall.review_context(hall.request()), readiness=ROWS).splitlines()
    for heading in ("read", "not reported by this driver", "ask a person"):
        assert heading in lines
    bag = next(number for number, line in enumerate(lines) if "bag: " in line or "bag (" in line)
    assert any(line.strip() == "_" * 32 for line in lines[bag : bag + 4])
    assert max(map(len, lines)) <= 80


def test_an_interrupted_ceremony_goes_on_with_the_rows_of_its_first_day(hall: Hall) -> None:
    context = hall.review_context(hall.request())
    run = dataclasses.replace(hall.run(context), readiness=lambda: ROWS)
    calls = []

    def power_cut() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise SeedlessError("the power was cut")

    with pytest.raises(SeedlessError, match="the power was cut"):
        hall.sit_at(run, keys=dataclasses.replace(hall.keys, on_sign=power_cut))
    other = dataclasses.replace(run, readiness=lambda: ROWS[:1])
    checked = hall.check(context.request.data, hall.sit_at(other))
    assert (str(checked.verdict), checked.progress.readiness) == ("complete", ROWS)


def test_the_doctor_reports_three_columns_without_a_pin(cli: Cli) -> None:
    done = cli.run("token", "doctor", "--ceremony", "--json", "--pin-source", "env:NOBODY")
    rows = done.data["rows"]
    assert done.code == (0 if done.data["ok"] else 3)
    assert {row["column"] for row in rows} == {"read", "ask a person"}
    where, *others = dict.fromkeys(row["about"] for row in rows)
    assert where.startswith(f'token "{cli.token.label}" (serial ')
    assert others == ["this program", "this machine"]
    text = cli.run("token", "doctor", "--ceremony").out
    assert f"{where}: ask a person" in text
    assert "this machine: read" in text


def test_output_of_another_device_or_of_nothing_is_refused(cli: Cli) -> None:
    for name, text, why in (
        (
            "piv.txt",
            "PIV version: 5.7.4\nPIN tries remaining: 3/3\nManagement key algorithm: AES192\nCHUID: none\n",
            "and no token here is a YubiKey PIV",
        ),
        ("cut.txt", "PIV version: 5.7.4\n", 'has no "PIN tries remaining": it was cut off'),
        ("else.txt", "hello\n", "is not the output of ykman piv info or of"),
        ("none.txt", "", "there is no file"),
    ):
        if text:
            (cli.home / name).write_text(text)
        done = cli.run("token", "doctor", "--ceremony", "--from", str(cli.home / name))
        assert (done.code, why in done.err) == (2, True)
    done = cli.run("token", "doctor", "--from", str(cli.home / "piv.txt"))
    assert (done.code, "add --ceremony" in done.err) == (2, True)


def test_on_a_terminal_of_80_columns_every_line_of_the_doctor_fits_and_a_digest_stays_whole(cli: Cli) -> None:
    terminal = cli.terminal_for("token", "doctor", "--ceremony")
    terminal.end()
    lines = terminal.said.replace("\r", "").split("\n")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    too_long = [line for line in plain if len(line) > 80 and "/" not in line]
    assert too_long == []
    assert any(line.strip() == program_digest() for line in plain), plain
