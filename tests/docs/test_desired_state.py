"""The files on the page about desired states can be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seedless.desired.read import read

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_files_on_the_page_can_be_read(root: Path) -> None:
    page = (root / "docs/howto/desired-state.md").read_text(encoding="utf-8")
    accounts = [list(read(block.encode(), "page").accounts) for block in _BLOCK.findall(page)]
    assert accounts == [["SYS", "ORDERS", "AUDIT"], ["t0001", "t0002", "t0003", "big"]]
