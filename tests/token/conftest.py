from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from seedless.pkcs11.token import Token, open_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest_softhsm


@dataclass
class GivenPin:
    """A PinSource that gives one PIN and writes down what it was asked."""

    answer: str | None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def pin(self, token: str, tries: str) -> str | None:
        self.asked.append((token, tries))
        return self.answer


class Opener(Protocol):
    def __call__(
        self, made: pytest_softhsm.Token, pins: GivenPin | None = None, *, writable: bool = False
    ) -> AbstractContextManager[Token]: ...


@pytest.fixture
def given() -> type[GivenPin]:
    return GivenPin


@pytest.fixture
def opened() -> Opener:
    """Open a token that the plugin made, with its own PIN unless another source is given."""

    def open_made(
        made: pytest_softhsm.Token, pins: GivenPin | None = None, *, writable: bool = False
    ) -> AbstractContextManager[Token]:
        source = pins or GivenPin(made.pin)
        return open_token(KeyUri.parse(made.uri), source, module=made.module, writable=writable)

    return open_made


_PREAMBLE = """
import os, sys
from pathlib import Path
from seedless.errors import SeedlessError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.module import load
from seedless.pkcs11.token import open_token
from seedless.pkcs11.uri import KeyUri

class Given:
    def pin(self, token, tries):
        return os.environ["TEST_PIN"]

MODULE = Path(os.environ["TEST_MODULE"])
URI = KeyUri.parse(os.environ["TEST_URI"])
"""


@pytest.fixture
def in_child() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run code in a process of its own, where a crash of the driver does not end the tests.

    The code finds MODULE, URI and Given() for the token.
    """

    def run(made: pytest_softhsm.Token, code: str, **env: str) -> subprocess.CompletedProcess[str]:
        given = {"TEST_PIN": made.pin, "TEST_MODULE": str(made.module), "TEST_URI": made.uri}
        return subprocess.run(
            [sys.executable, "-c", _PREAMBLE + code],
            env={**os.environ, **made.env, **given, **env},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run
