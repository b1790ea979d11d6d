"""Reports of what happens while an operation runs: to nobody, unless a front end asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

__all__ = ["SILENT", "Observer"]

T = TypeVar("T")


class Observer(Protocol):
    """What a front end does between the steps of an operation."""

    def before_driver(self, module: Path, /) -> None:
        """Do what has to be done before the PKCS#11 *module* is loaded into this process.

        The command forks here, since a driver can crash or hang. A library never does: whoever needs that
        isolation lets a process of their own sign (`jobs=1`).
        """

    def progress(self, items: Iterable[T], total: int, label: str, /) -> Iterator[T]:
        """Yield *items*, of which there are *total*, and report how many are done."""

    def waits(self, notice: str, /) -> None:
        """Receive why an operation waits for more than a second, in a line."""


class _Silent:
    def before_driver(self, module: Path, /) -> None:
        pass

    def progress(self, items: Iterable[T], total: int, label: str, /) -> Iterator[T]:  # noqa: ARG002 - nobody looks
        return iter(items)

    def waits(self, notice: str, /) -> None:
        pass

    def __repr__(self) -> str:
        return "SILENT"


SILENT: Observer = _Silent()
"""The observer of a program that does not look."""
