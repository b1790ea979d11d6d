"""Where stores are: below a root folder, one for each operator.

A root may be the data folder of nsc (`~/.local/share/nats/nsc`); its stores are then used by both.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.errors import UsageError
from seedless.store import atomic
from seedless.store.files import MARK_NAME, NscStore, existing_file, read_mark, stores_of
from seedless.store.lock import FolderLock
from seedless.store.names import check_name, file_name, name_of, require_storable
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping


def default_root(environment: Mapping[str, str]) -> Path:
    """Return `$XDG_DATA_HOME/seedless`, by default `~/.local/share/seedless` (XDG Base Directory 0.8)."""
    data = Path(environment.get("XDG_DATA_HOME", ""))
    return (data if data.is_absolute() else home(environment) / ".local" / "share") / "seedless"


def home(environment: Mapping[str, str]) -> Path:
    """Return `$HOME`, else the folder that the system has for this user; raise `UsageError` without one."""
    try:
        return Path(environment["HOME"]) if environment.get("HOME") else Path.home()
    except RuntimeError as error:
        raise UsageError(_NO_HOME, "set HOME, or SEEDLESS_STORE and SEEDLESS_CONFIG") from error


def expanded(path: str | Path) -> Path:
    """Return *path*, its ~ or ~USER replaced by the home folder; raise `UsageError` without one."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{shown(path)}: {_NO_HOME}", "set HOME, or write the whole path") from error


_NO_HOME = "the home folder of this user is not known"


def root_lock(root: Path) -> FolderLock:
    """Return the lock of *root*, for who writes there before there is a store (a key in the inventory)."""
    return FolderLock(root)


def operators(root: Path) -> list[str]:
    """Return the names of the operators that have a store below *root*, sorted."""
    stores = stores_of(root)
    return sorted(name_of(file) for file in atomic.names(stores) if (stores / file / MARK_NAME).exists())


def open_store(root: Path, operator: str | None = None) -> NscStore:
    """Open the store of *operator*, or the only one; raise `UsageError` if there is none."""
    name = _only(root) if operator is None else operator
    if not name:
        check_name(name)
    mark = read_mark(stores_of(root) / existing_file(os.fspath(stores_of(root)), name))
    if mark is None:
        known = ", ".join(map(quoted, operators(root)))
        raise UsageError(
            f"there is no operator {quoted(name)} in {shown(root)}",
            f"there is {known}" if known else _NAME_IT,
        )
    return NscStore(root, name, managed=mark.managed)


def create_store(root: Path, operator: str, *, managed: bool = False) -> NscStore:
    """Return a new store for *operator*; it appears whole with its first `put`, the operator jwt among it.

    A *managed* store is one whose operator key is somebody else's. Raise `UsageError` for a name that cannot
    be one of a folder, and when there is such a store.
    """
    require_storable(operator)
    if read_mark(stores_of(root) / file_name(operator)) is not None:
        raise UsageError(
            f"there is already an operator {quoted(operator)} in {shown(root)}",
            "seedless operator edit changes it; for another one choose another name, or another --store",
        )
    return NscStore(root, operator, managed=managed, new=True)


# Not how to create one: who forgot to name the store would create a second operator beside it.
_NAME_IT = "where is it? --store DIR or SEEDLESS_STORE names its folder; is that mounted?"


def _only(root: Path) -> str:
    match operators(root):
        case []:
            raise UsageError(f"there is no store in {shown(root)}", _NAME_IT)
        case [name]:
            return name
        case names:
            raise UsageError(
                f"{shown(root)} holds {len(names)} operators: {', '.join(map(quoted, names))}",
                "name it: --operator NAME",
            )
