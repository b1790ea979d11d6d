"""What a terminal of few columns shows: every word, in its order, and whole what is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.terminal import columns, fitted, wrapped

if TYPE_CHECKING:
    from pathlib import Path

KEY = "OD35Z7LE3XMWRNHNHGIJYIE65BQPNPONJ4AFZYFG3B2BJQ5GSQJ5ZWI3"
DIGEST = "7d6ea74188619eb953dc92f45d9517fdb88e7db2295e7be225be4c7da36d184a"
CASES = {
    "a line that fits": ("error: not confirmed", 20, ["error: not confirmed"]),
    "the word before a sentence": (
        "error: there is no account ORDERS in this store",
        30,
        ["error: there is no account", "       ORDERS in this store"],
    ),
    "a hint below a finding": (
        "  hint: name another one, or leave it out",
        28,
        ["  hint: name another one, or", "        leave it out"],
    ),
    "a member": (
        "  description: all that the shops order, by day",
        32,
        ["  description: all that the", "               shops order, by", "               day"],
    ),
    "a member whose label is not a word": (
        "  limits.conn: 100, of all that there are",
        30,
        ["  limits.conn: 100, of all", "    that there are"],
    ),
    "a row of labels": (
        "witnesses  2 of 3, and each of them is here",
        30,
        ["witnesses  2 of 3, and each of", "           them is here"],
    ),
    "a row with a mark and a label": (
        "ok       swap  there is none, as it should be",
        36,
        ["ok       swap  there is none, as it", "               should be"],
    ),
    "a step": (
        "  1. account ORDERS is signed again by its owner",
        30,
        ["  1. account ORDERS is signed", "     again by its owner"],
    ),
    "colours have no width": (
        "\x1b[31merror:\x1b[0m there is no account ORDERS in this store",
        30,
        ["\x1b[31merror:\x1b[0m there is no account", "       ORDERS in this store"],
    ),
    "a padded word in colour": (
        "\x1b[31mwidens  \x1b[0m connections: 100 -> 200",
        30,
        ["\x1b[31mwidens  \x1b[0m connections: 100 ->", "         200"],
    ),
    "letters of two columns": (
        "account 試験試験 (new: 試験の説明)",
        20,
        ["account 試験試験", "  (new: 試験の説明)"],
    ),
    "accents have no width": (
        "account Ti\u1ebf\u0301ng Vi\u1ec7t here",
        19,
        ["account Ti\u1ebf\u0301ng Vi\u1ec7t", "  here"],
    ),
    "a key stays whole, and takes the place that it needs": (
        f"  issuer: operator ACME ({KEY})",
        60,
        ["  issuer: operator ACME", f"  ({KEY})"],
    ),
    "a digest": (
        f"request    sha256 {DIGEST}",
        80,
        ["request    sha256", f"           {DIGEST}"],
    ),
    "a key that has its place at the edge alone": (
        f"  account ORDERS ({KEY}): none",
        60,
        ["  account ORDERS", f" ({KEY}):", " none"],
    ),
    "what is wider than the terminal, behind its label": (f"KEY   {KEY}", 40, [f"KEY   {KEY}"]),
    "what is wider than the terminal": (f"key {KEY} is lost", 40, ["key", f"  {KEY}", "  is lost"]),
    "a branch of the tree": (
        "│   ├── user app (UABC…)  on a token, no spare",
        30,
        ["│   ├── user app (UABC…)  on a", "│   │     token, no spare"],
    ),
    "the last branch": (
        "└── account ORDERS (AABC…)  on a token",
        30,
        ["└── account ORDERS (AABC…)  on", "      a token"],
    ),
    "several lines": ("one two\nthree four five", 11, ["one two", "three four", "  five"]),
    "a question keeps the blank before its answer": (
        "Sign these 2 jwts? [y/N]: ",
        20,
        ["Sign these 2 jwts?", "  [y/N]: "],
    ),
    "a command has a line of its own": (
        "hint: create one: seedless account signing-key add -a ORDERS --role NAME",
        61,
        ["hint: create one:", "      seedless account signing-key add -a ORDERS --role NAME"],
    ),
    "a command before more": (
        "hint: seedless push ORDERS; with a memory resolver, a login loads it",
        50,
        ["hint: seedless push ORDERS;", "      with a memory resolver, a login loads it"],
    ),
    "a command and what it does": (
        "hint: name the key: seedless key list shows them",
        40,
        ["hint: name the key:", "      seedless key list shows them"],
    ),
    "two commands": (
        "hint: apt install softhsm2, or dnf install softhsm",
        40,
        ["hint: apt install softhsm2,", "      or", "      dnf install softhsm"],
    ),
    "a command with a quoted argument": (
        "hint: register it: seedless key register --name 'ACME ops' --token 'pkcs11:token=A B'",
        70,
        ["hint: register it:", "    seedless key register --name 'ACME ops' --token 'pkcs11:token=A B'"],
    ),
    "a command of a step": (
        "       seedless key register --all --token 'pkcs11:token=ACME'",
        40,
        ["       seedless key register --all --token 'pkcs11:token=ACME'"],
    ),
    "the program, which is not a command": (
        "written by a newer seedless 0.2.0 on this machine",
        41,
        ["written by a newer seedless 0.2.0 on this", "  machine"],
    ),
    "a path with blanks": (
        "policy: sha256 ab (/home/ada/my store/policy.toml)",
        40,
        ["policy: sha256 ab", "        (/home/ada/my store/policy.toml)"],
    ),
    "a name with blanks": (
        'PIN for token "ACME signing keys" (serial 5e35)',
        32,
        ["PIN for token", '  "ACME signing keys" (serial', "  5e35)"],
    ),
    "a name that has no place": (
        'account "試験の注文を受ける部門 and 商店"',
        25,
        ["account", '  "試験の注文を受ける部門', '  and 商店"'],
    ),
    "a command of another program, and one of a shell in it": (
        "start Python anew: python -I -S, with PYTHONPYCACHEPREFIX=$(mktemp -d)",
        40,
        ["start Python anew:", "  python -I -S,", "  with PYTHONPYCACHEPREFIX=$(mktemp -d)"],
    ),
    "JSON": (
        'hint: write this into a file: {"at": 1, "name": "ACME"}',
        40,
        ["hint: write this into a file:", '      {"at": 1, "name": "ACME"}'],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_line_is_wrapped_between_words_and_keeps_its_structure(case: str) -> None:
    text, width, expected = CASES[case]
    assert wrapped(text, width).split("\n") == expected


@given(st.lists(st.text("aZ試-\"'(/:; ", max_size=12), max_size=20).map(" ".join), st.integers(1, 90))
def test_every_word_of_a_text_is_there_in_its_order_whatever_the_width(text: str, width: int) -> None:
    assert wrapped(text, width).split() == text.split()


@given(st.lists(st.text("abc試", min_size=1, max_size=9), min_size=1).map(" ".join), st.integers(21, 90))
def test_no_line_of_words_that_fit_is_too_wide(text: str, width: int) -> None:
    lines = wrapped(text, width).split("\n")
    assert [line for line in lines if len(line) + line.count("試") > width] == []


@given(st.lists(st.text("ab:-", min_size=1, max_size=80), min_size=1).map(" ".join))
def test_on_80_columns_nothing_that_belongs_to_a_line_begins_where_a_line_does(text: str) -> None:
    for lead in ("", "  "):
        _, *below = wrapped(f"{lead}{text}", 80).split("\n")
        assert [line for line in below if not line.startswith(f"{lead} ")] == []


def test_a_text_without_an_end_takes_no_time_without_an_end() -> None:
    for text in (
        " " * 500,
        "a " * 20_000,
        "/a" * 20_000,
        "'" * 20_000,
        "seedless a" * 5_000,
        "seedless " + "''" * 9_000 + '; "',
        "a  " * 10_000,
    ):
        assert wrapped(text, 80).split() == text.split()


def test_a_file_gets_the_text_as_it_is(tmp_path: Path) -> None:
    text = "word " * 40
    with (tmp_path / "file").open("w", encoding="utf-8") as file:
        assert fitted(text, file) == text


def test_columns_is_obeyed_and_a_stream_that_is_no_terminal_has_80(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "file").open("w", encoding="utf-8") as file:
        for given_, width in (("", 80), ("132", 132), ("0", 80), ("many", 80)):
            monkeypatch.setenv("COLUMNS", given_)
            assert columns(file) == width
