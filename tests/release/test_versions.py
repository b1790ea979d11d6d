from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from version import problems

if TYPE_CHECKING:
    from pathlib import Path


def test_the_version_is_the_newest_heading_of_the_changelog(root: Path) -> None:
    assert problems(root, None) == []


@pytest.mark.parametrize(
    ("tag", "heading", "expected"),
    [
        pytest.param("v1.2.0", "1.2.0, 3 December 2026", [], id="as it should be"),
        pytest.param("v1.2.0", "1.2.0", [], id="without a date"),
        pytest.param(
            "v1.3.0", "1.2.0", ["the tag is v1.3.0, pyproject.toml has version 1.2.0"], id="another tag"
        ),
        pytest.param(
            "v1.2.0",
            "1.2.0, not yet released",
            ["docs/changelog.md calls 1.2.0 not yet released: write the date there"],
            id="a heading that was not changed",
        ),
        pytest.param(
            None,
            "1.1.0",
            ["pyproject.toml has version 1.2.0, the newest heading of docs/changelog.md is 1.1.0"],
            id="no heading for the version",
        ),
    ],
)
def test_a_release_has_one_name(tmp_path: Path, tag: str | None, heading: str, expected: list[str]) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n', encoding="utf-8")
    (tmp_path / "docs").mkdir()
    changes = f"# Changes\n\n## {heading}\n\n- One.\n\n## 1.0.0\n"
    (tmp_path / "docs/changelog.md").write_text(changes, encoding="utf-8")
    assert problems(tmp_path, tag) == expected
