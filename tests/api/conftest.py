from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from office import Office, open_office

if TYPE_CHECKING:
    import pytest_softhsm


@pytest.fixture
def office(
    few_tokens: None, softhsm_token: pytest_softhsm.Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Office:
    """A fresh token whose PIN is in a file, nothing created yet, and no configuration of the owner."""
    return open_office(softhsm_token, tmp_path, monkeypatch)
