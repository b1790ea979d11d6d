"""The pages, and the program that writes some of them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return _ROOT


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    """docs/reference/generate.py, as a module."""
    spec = importlib.util.spec_from_file_location("generate", _ROOT / "docs" / "reference" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(_ROOT / "docs" / "reference"))  # as a script, it imports what is beside it
    spec.loader.exec_module(module)
    return module
