"""Run pytest in a child process: a module that is initialised here would be shared with every other test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Run one test file (and a conftest) with this plugin only, warnings as errors."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(
        test: str, *arguments: str, conftest: str = "", ini: str = "", inprocess: bool = False
    ) -> pytest.RunResult:
        pytester.makepyfile(test_it=test)
        if conftest:
            pytester.makeconftest(conftest)
        if ini:
            pytester.makeini(f"[pytest]\n{ini}\n")
        start = pytester.runpytest_inprocess if inprocess else pytester.runpytest_subprocess
        return start("-p", "pytest_softhsm.plugin", "-W", "error", *arguments)

    return run


@pytest.fixture
def temporary(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that takes the place of /tmp, to see what is left in it."""
    folder = pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("PYTEST_SOFTHSM_FOLDER", raising=False)
    return folder
