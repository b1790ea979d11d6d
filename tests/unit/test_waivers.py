"""Comments in a configuration that waive a finding: where they count, what they say, what they cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seedless.nats_config.lint import judge_configuration
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000
ASKED = "authorization { users: [ { user: a, password: b } ] }"
SEED = SoftwareKey(Role.USER, bytes(32)).reveal()

CASES = {
    "behind the line": (f"{ASKED}\nno_auth_user: a # seedless: allow S008", [], ["S008 2"]),
    "with slashes": (f"{ASKED}\nno_auth_user: a // seedless: allow S008", [], ["S008 2"]),
    "with a word that is no reason": (
        f"{ASKED}\n# seedless: allow S008 as guests\nno_auth_user: a",
        ["S008 3"],
        [],
    ),
    "on the line before": (f"{ASKED}\n# seedless: allow S008\nno_auth_user: a", [], ["S008 3"]),
    "with blank lines and comments between": (
        f"{ASKED}\n# seedless: allow S008\n\n# guests\nno_auth_user: a",
        [],
        ["S008 5"],
    ),
    "two lines before": (f"# seedless: allow S008\n{ASKED}\nno_auth_user: a", ["S008 3"], []),
    "behind another line": (f"{ASKED} # seedless: allow S008\nno_auth_user: a", ["S008 2"], []),
    "behind the line after": (f"{ASKED}\nno_auth_user: a\n# seedless: allow S008", ["S008 2"], []),
    "of another code": (f"{ASKED}\nno_auth_user: a # seedless: allow S007", ["S008 2"], []),
    "of several codes": (
        f"{ASKED}\n# seedless: allow S026, S008 because it is a demo\nno_auth_user: a",
        [],
        ["S008 3"],
    ),
    "for the whole file": (f"{ASKED}\nno_auth_user: a\n\n# seedless: allow-file S008", [], ["S008 2"]),
    "for the whole file, of another code": (
        f"# seedless: allow-file S008\n{ASKED}\nno_auth_user: a\nhttp_port: 8222",
        ["S026 4"],
        ["S008 3"],
    ),
    "at the beginning of a file": ("# seedless: allow S007\nport: 4222", [], ["S007 1"]),
    "with line ends of Windows": (f"{ASKED}\r\nno_auth_user: a # seedless: allow S008\r\n", [], ["S008 2"]),
    "without a code": (f"{ASKED}\nno_auth_user: a # seedless: allow", ["S008 2"], []),
    "of a code that no rule has": (f"{ASKED} # seedless: allow S999", ["S030 1"], []),
    "of a rule for claims": (f"{ASKED} # seedless: allow C001", ["S030 1"], []),
    "of a seed": (f"{ASKED}\n# {SEED} seedless: allow S006", ["S006 2"], []),
    "of a seed, in form": (
        f"{ASKED}\nmax_payload: 1k # seedless: allow S006 because {SEED}",
        ["S006 2", "S030 2"],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "kept", "waived"), CASES.values(), ids=CASES)
def test_a_comment_waives_a_finding(tmp_path: Path, text: str, kept: list[str], waived: list[str]) -> None:
    path = tmp_path / "s.conf"
    path.write_bytes(text.encode())
    report = judge_configuration(path, {}, NOW)
    kept_here, waived_here = (
        [f"{found.code} {found.where.partition('s.conf:')[2].partition(':')[0]}" for found in findings]
        for findings in (report.findings, report.waived)
    )
    assert sorted(kept_here) == kept
    assert waived_here == waived


def test_a_waived_finding_names_the_comment_and_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "s.conf"
    path.write_text(f"{ASKED}\nno_auth_user: a # seedless: allow S008 because guests may read\n")
    (found,) = judge_configuration(path, {}, NOW).waived
    assert found.hint == f"waived at {path}:2:17: guests may read"


def test_a_comment_counts_in_its_own_file_alone(tmp_path: Path) -> None:
    (tmp_path / "inner.conf").write_text("no_auth_user: a")
    path = tmp_path / "s.conf"
    path.write_text(f"# seedless: allow-file S008\n{ASKED}\ninclude inner.conf\n")
    assert [found.code for found in judge_configuration(path, {}, NOW).findings] == ["S008"]
    (tmp_path / "inner.conf").write_text("# seedless: allow-file S008\nno_auth_user: a")
    report = judge_configuration(path, {}, NOW)
    assert report.findings == ()
    assert [found.code for found in report.waived] == ["S008"]
