from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_softhsm import SoftHSM, _find

if TYPE_CHECKING:
    from collections.abc import Callable

ONE_TEST = "def test_it(softhsm_token): pass"


@pytest.fixture
def no_softhsm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFTHSM2_MODULE", raising=False)
    monkeypatch.setattr(_find, "_MODULES", ())


def test_without_softhsm_the_test_is_skipped_with_what_to_install(
    run_pytest: Callable[..., pytest.RunResult], no_softhsm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_find, "install_hint", lambda: "apk add softhsm")
    result = run_pytest(ONE_TEST, "-rs", inprocess=True)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["softhsm: SoftHSM is not installed: apk add softhsm", "SKIPPED*: apk add softhsm"]
    )


@pytest.mark.parametrize(
    ("arguments", "ini"),
    [(["--softhsm-required"], ""), ([], "softhsm_required = true")],
    ids=["by option", "by ini"],
)
def test_without_softhsm_the_test_fails_if_it_is_required(
    run_pytest: Callable[..., pytest.RunResult], no_softhsm: None, arguments: list[str], ini: str
) -> None:
    result = run_pytest(ONE_TEST, *arguments, ini=ini, inprocess=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["SoftHSM is not installed: *softhsm*"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("where", ["environment", "ini"])
def test_a_setting_that_names_no_file_fails_the_test(
    run_pytest: Callable[..., pytest.RunResult], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.delenv("SOFTHSM2_MODULE", raising=False)
    if where == "environment":
        monkeypatch.setenv("SOFTHSM2_MODULE", "/nowhere/libsofthsm2.so")
    ini = "softhsm_module = /nowhere/libsofthsm2.so" if where == "ini" else ""
    result = run_pytest(ONE_TEST, ini=ini, inprocess=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            (
                "there is no module at /nowhere/libsofthsm2.so; "
                "correct SOFTHSM2_MODULE or softhsm_module, or remove it to search"
            )
        ]
    )


def test_the_environment_goes_before_the_ini_file(
    run_pytest: Callable[..., pytest.RunResult], softhsm: SoftHSM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTHSM2_MODULE", str(softhsm.module))
    monkeypatch.setenv("SOFTHSM2_UTIL", "/nowhere/first")
    result = run_pytest(
        """
        import pytest
        from pytest_softhsm import SoftHSMError

        def test_it(softhsm):
            with pytest.raises(SoftHSMError, match="there is no softhsm2-util at /nowhere/first"):
                softhsm.util
        """,
        ini="softhsm_module = /nowhere/libsofthsm2.so\nsofthsm_util = /nowhere/second",
        inprocess=True,
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"softhsm: {softhsm.module}"])


def test_a_module_that_is_not_pkcs11_is_one_sentence(
    run_pytest: Callable[..., pytest.RunResult], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOFTHSM2_MODULE", raising=False)
    pytester.makefile(".so", broken="not a library")
    result = run_pytest(ONE_TEST, ini=f"softhsm_module = {pytester.path / 'broken.so'}", inprocess=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*SoftHSMError: SoftHSM failed in create: *broken.so: *"])


P11_KIT = next(Path("/usr/lib").glob("**/p11-kit-proxy.so"), None)


@pytest.mark.skipif(P11_KIT is None, reason="p11-kit is not installed")
def test_a_module_that_is_not_softhsm_is_named_by_its_maker(
    run_pytest: Callable[..., pytest.RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTHSM2_MODULE", str(P11_KIT))
    result = run_pytest(ONE_TEST, inprocess=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["E*SoftHSMError: SoftHSM failed in create: the module is not a SoftHSM, its maker is 'PKCS#11 Kit'"]
    )


def test_a_conftest_sees_the_private_configuration_while_it_is_imported(
    run_pytest: Callable[..., pytest.RunResult],
) -> None:
    conftest = """
        import os
        AT_IMPORT = os.environ["SOFTHSM2_CONF"]

        import pytest
        @pytest.fixture
        def at_import():
            return AT_IMPORT
    """
    test = "def test_it(softhsm, at_import): assert dict(softhsm.env) == {'SOFTHSM2_CONF': at_import}"
    run_pytest(test, conftest=conftest, inprocess=True).assert_outcomes(passed=1)


@pytest.mark.parametrize("before", ["/before/softhsm2.conf", None], ids=["set", "unset"])
def test_the_environment_is_put_back_and_nothing_is_left(
    run_pytest: Callable[..., pytest.RunResult],
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: str | None,
) -> None:
    monkeypatch.delenv("SOFTHSM2_CONF")
    if before:
        monkeypatch.setenv("SOFTHSM2_CONF", before)
    test = f"def test_it(softhsm): assert str(softhsm.token_dir).startswith({str(temporary)!r})"
    run_pytest(test, inprocess=True).assert_outcomes(passed=1)
    assert os.environ.get("SOFTHSM2_CONF") == before
    assert list(temporary.iterdir()) == []


def test_a_usage_error_leaves_nothing_either(
    run_pytest: Callable[..., pytest.RunResult], temporary: Path
) -> None:
    assert run_pytest(ONE_TEST, "--no-such-option", inprocess=True).ret == pytest.ExitCode.USAGE_ERROR
    assert list(temporary.iterdir()) == []


def test_the_folder_belongs_to_its_owner_alone(run_pytest: Callable[..., pytest.RunResult]) -> None:
    test = """
        def test_it(softhsm):
            assert softhsm.token_dir.parent.stat().st_mode & 0o777 == 0o700
    """
    run_pytest(test, inprocess=True).assert_outcomes(passed=1)


def test_each_xdist_worker_has_a_token_folder_of_its_own(
    run_pytest: Callable[..., pytest.RunResult], temporary: Path, pytester: pytest.Pytester
) -> None:
    test = """
        from pathlib import Path
        import pkcs11

        def test_it(softhsm, softhsm_token, worker_id):
            labels = [slot.get_token().label for slot in pkcs11.lib(str(softhsm.module)).get_slots()]
            assert labels == [softhsm_token.label, ""]
            Path(worker_id).write_text(str(softhsm.token_dir))
    """
    arguments = ["-p", "xdist.plugin", "--tx", "2*popen", "--dist", "each"]
    run_pytest(test, *arguments).assert_outcomes(passed=2)
    assert (pytester.path / "gw0").read_text() != (pytester.path / "gw1").read_text()
    assert list(temporary.iterdir()) == []


def test_a_crashed_worker_leaves_nothing(
    run_pytest: Callable[..., pytest.RunResult], temporary: Path
) -> None:
    test = """
        import os

        def test_it(softhsm_token):
            os._exit(1)
    """
    result = run_pytest(test, "-p", "xdist.plugin", "-n1", "--max-worker-restart=0")
    result.stdout.re_match_lines([re.escape("worker 'gw0' crashed while running 'test_it.py::test_it'")])
    assert list(temporary.iterdir()) == []


def test_the_first_test_of_the_readme_passes(run_pytest: Callable[..., pytest.RunResult]) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    first = readme.partition("```python\n")[2].partition("```")[0]
    run_pytest(first).assert_outcomes(passed=1)


def test_this_very_session_has_a_configuration_of_its_own(softhsm: SoftHSM) -> None:
    assert os.environ["SOFTHSM2_CONF"] == softhsm.env["SOFTHSM2_CONF"]
    assert Path(softhsm.env["SOFTHSM2_CONF"]).parent == softhsm.token_dir.parent
