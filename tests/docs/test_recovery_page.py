"""docs/reference/recovery.md: the program that restores without this project, and its tables."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedless.nkey import Role
from seedless.recovery import slip39
from seedless.recovery.paths import key_of, path_of
from seedless.recovery.record import KeyName, KeyRecord, RecoveryRecord, ShareRecord, share_digest

if TYPE_CHECKING:
    from pathlib import Path

SECRET = bytes(range(32))
KEYS = (
    KeyName(role=Role.OPERATOR, name="ACME"),
    KeyName(role=Role.OPERATOR, name="ACME signing"),
    KeyName(role=Role.ACCOUNT, name="Bücher", index=3),
    KeyName(role=Role.USER, name="app"),
)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs/reference/recovery.md").read_text(encoding="utf-8")


def test_the_program_on_the_page_restores_the_keys_without_this_project(page: str, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert "seedless" not in program
    assert len([line for line in program.splitlines() if line]) <= 34
    shares = slip39.split(SECRET, 2, 3, identifier=99)
    record = RecoveryRecord(
        at=1, identifier=99, threshold=2, words=33,
        shares=tuple(
            ShareRecord(number=share.number + 1, holder="Ada", sha256=share_digest(share)) for share in shares
        ),
        keys=tuple(KeyRecord(key=key, public_key=key.derive(SECRET).public_key) for key in KEYS),
    )  # fmt: skip
    (tmp_path / "restore.py").write_text(program)
    (tmp_path / "record.json").write_bytes(record.to_bytes())
    typed = "".join(f"{' '.join(slip39.encode(share))}\n" for share in (shares[2], shares[0]))
    done = subprocess.run(
        [sys.executable, "restore.py", "record.json"],
        input=typed, capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    lines = [line.rpartition("share 2: ")[2] for line in done.stdout.splitlines()]
    assert lines == [f"{entry.public_key} {entry.key.derive(SECRET).reveal()}" for entry in record.keys]


def test_the_table_of_paths_is_what_the_code_derives(page: str) -> None:
    rows = re.findall(r"^\| `(\w+):([^`]+)` \| (\d) \| ([\d, ]*) \| (\w{56}) \|$", page, re.MULTILINE)
    assert len(rows) >= 3
    for role, name, index, numbers, public_key in rows:
        assert str(key_of(SECRET, Role[role.upper()], name, int(index)).public_key) == public_key
        if numbers.strip():
            assert numbers == ", ".join(map(str, path_of(Role[role.upper()], name, int(index))[1:]))


def test_the_page_names_every_member_of_a_record(page: str) -> None:
    table = page[page.index("| member | contains |") :]
    for name in ("format", "at", "identifier", "threshold", "words", "shares", "number", "holder", "sha256",
                 "keys", "role", "name", "index", "path", "public_key"):  # fmt: skip
        assert f"`{name}`" in table, name
