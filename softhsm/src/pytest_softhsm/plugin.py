"""Give each pytest process a private SoftHSM, before any binding can load the module.

It decides when the environment is set (before the first conftest is imported, in each xdist worker for
itself) and when it is put back. A machine without SoftHSM skips the tests that want one, or fails them if it
is required; a setting that names a missing file always fails them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_softhsm import _find, _keys, _tokens
from pytest_softhsm._errors import SoftHSMError
from pytest_softhsm._tokens import SoftHSM, Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_softhsm._keys import KeyPair

_FOLDER = "PYTEST_SOFTHSM_FOLDER"
_MARKER = "softhsm_tokens(*what): a number of tokens, or a label for each, for the fixture softhsm_tokens"


@dataclass(frozen=True, slots=True)
class _Missing:
    """Say why there is no SoftHSM, and whether a test may be skipped for that."""

    reason: str
    wrong_setting: bool


_FOUND = pytest.StashKey[SoftHSM | _Missing]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option and the three settings."""
    parser.getgroup("softhsm").addoption(
        "--softhsm-required",
        action="store_true",
        help="fail the tests that want SoftHSM if it is not installed, instead of skipping them",
    )
    parser.addini("softhsm_required", "the same as --softhsm-required", type="bool", default=False)
    parser.addini("softhsm_module", "path of libsofthsm2.so (SOFTHSM2_MODULE goes before it)")
    parser.addini("softhsm_util", "path of softhsm2-util (SOFTHSM2_UTIL goes before it)")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set SOFTHSM2_CONF before a conftest can load a module."""
    _set_up(early_config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set SOFTHSM2_CONF now, if the plugin was loaded too late for the hook above; register the marker."""
    config.addinivalue_line("markers", _MARKER)
    _set_up(config)


def pytest_report_header(config: pytest.Config) -> str:
    """Name the module, or how to get one."""
    found = config.stash[_FOUND]
    return f"softhsm: {found.module if isinstance(found, SoftHSM) else found.reason}"


@pytest.fixture(scope="session")
def softhsm(request: pytest.FixtureRequest) -> SoftHSM:
    """Make SoftHSM tokens: `create(label)` gives a `Token`, `remove(token)` takes it away."""
    config = request.config
    found = config.stash[_FOUND]
    if isinstance(found, SoftHSM):
        return found
    if found.wrong_setting or config.getoption("softhsm_required") or config.getini("softhsm_required"):
        pytest.fail(found.reason, pytrace=False)
    pytest.skip(found.reason)


@pytest.fixture
def softhsm_token(softhsm: SoftHSM) -> Iterator[Token]:
    """Give one fresh token with its own label, serial, PIN and SO PIN."""
    token = softhsm.create()
    yield token
    softhsm.remove(token)


@pytest.fixture
def softhsm_tokens(request: pytest.FixtureRequest, softhsm: SoftHSM) -> Iterator[tuple[Token, ...]]:
    """Give as many fresh tokens as the marker `softhsm_tokens` asks for; two without it."""
    marker = request.node.get_closest_marker("softhsm_tokens")
    tokens: list[Token] = []
    try:
        tokens.extend(softhsm.create(label) for label in _labels(marker))
        yield tuple(tokens)
    finally:  # also those that were created before one failed
        for token in tokens:
            softhsm.remove(token)


def _labels(marker: pytest.Mark | None) -> list[str | None]:
    """Return a label for each token that *marker* asks for, None for one that names itself."""
    what = (*marker.args, *marker.kwargs.items()) if marker else (2,)
    match what:
        case (int() as count,) if count > 0 and count is not True:
            return [None] * count
        case [str(), *_] if all(isinstance(one, str) for one in what):
            return [str(one) for one in what]
        case _:
            pytest.fail(f"the marker softhsm_tokens takes a number or labels, not {what!r}", pytrace=False)


@pytest.fixture
def softhsm_rsa_key(softhsm_token: Token) -> KeyPair:
    """Put a known RSA key pair (2048 bits) on `softhsm_token`."""
    return _keys.put(softhsm_token, "rsa")


@pytest.fixture
def softhsm_ec_key(softhsm_token: Token) -> KeyPair:
    """Put a known EC key pair (P-256) on `softhsm_token`."""
    return _keys.put(softhsm_token, "ec")


@pytest.fixture
def softhsm_ed25519_key(softhsm_token: Token) -> KeyPair:
    """Put a known Ed25519 key pair on `softhsm_token`."""
    return _keys.put(softhsm_token, "ed25519")


def _set_up(config: pytest.Config) -> None:
    if _FOUND in config.stash:
        return
    try:
        module = _find.find_module(os.environ.get("SOFTHSM2_MODULE") or config.getini("softhsm_module"))
    except SoftHSMError as error:
        config.stash[_FOUND] = _Missing(str(error), wrong_setting=True)
        return
    if module is None:
        reason = f"SoftHSM is not installed: {_find.install_hint()}"
        config.stash[_FOUND] = _Missing(reason, wrong_setting=False)
        return
    # Inside the folder of the process that started this one (the xdist controller), which then cleans up
    # even after a worker that has crashed.
    parent = os.environ.get(_FOLDER)
    inside = parent if parent and Path(parent).is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="pytest-softhsm-", dir=inside))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    named_util = os.environ.get("SOFTHSM2_UTIL") or config.getini("softhsm_util")
    found = _tokens.install(module, folder, named_util)
    _set_environment(config, {**found.env, _FOLDER: str(folder)})
    config.stash[_FOUND] = found


def _set_environment(config: pytest.Config, values: dict[str, str]) -> None:
    before = {name: os.environ.get(name) for name in values}

    def restore() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    os.environ.update(values)
    config.add_cleanup(restore)
