"""Files that appear whole or not at all, several of them together; errors as one sentence with the path.

All new texts are first written beside their targets and synced (a full disk or a read-only one is found
here), then renamed, then the folders are synced. What fails on the way is undone: temporary files and new
folders go, files already replaced come back. Only a crash between two renames leaves some new and some old,
each of them whole. Refused: targets that are no regular files, such as `/dev/null`.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from seedless.errors import StoreError
from seedless.store.flush import Flush, flushing
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

LONGEST = 4 * 1024 * 1024
"""Bytes of the longest file that is read."""

_PREFIX, _SUFFIX = ".seedless-", ".tmp"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run it again; nothing was changed"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run it again; nothing was changed"),
    errno.EROFS: ("the file system is read-only", "mount it for writing, or choose another place"),
    errno.EACCES: ("permission denied", "it must belong to the user who runs this"),
    errno.EEXIST: ("something else is in the place of its folder", "move that away"),
    errno.EPERM: ("operation not permitted", "it must belong to the user who runs this"),
}


def write(files: Mapping[Path, str | None]) -> None:
    """Write each text to its path, with mode 0600, missing folders with 0700: all of them or none.

    Existing files are replaced in one step each, in the order given; None removes one, and the folders that
    are empty then. Raise `StoreError`.
    """
    if not files:
        return
    first = next(iter(files))
    with told("written", first), flushing(len(files), first.parent) as flush, ExitStack() as undo:
        folders: set[Path] = set()
        staged = [(_staged(path, text, flush, folders, undo), path) for path, text in files.items()]
        flush.finish()
        for temporary, path in staged:
            with told("written" if temporary else "removed", path):
                folders |= _remove(path, undo) if temporary is None else _replace(temporary, path, undo)
        for folder in folders:
            with told("written", folder):
                sync_folder(folder, flush)
        flush.finish()
        undo.pop_all()
    for path in (path for path, text in files.items() if text is None):
        prune(path.parent)


def read(path: Path, longest: int = LONGEST) -> bytes | None:
    """Return what the file at *path* holds, or None if there is none; raise `StoreError`.

    A file of more than *longest* bytes is refused.
    """
    with told("read", path):
        try:
            # A pipe without a writer would block the opening.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise StoreError(f"{shown(path)} is not a regular file")
            data = _read_all(descriptor, status.st_size, longest)
        finally:
            os.close(descriptor)
    if len(data) > longest:
        raise StoreError(f"{shown(path)} is longer than {longest} bytes")
    return data


def _read_all(descriptor: int, size: int, longest: int) -> bytes:
    """Return what is left to read, and no more than one byte beyond *longest*.

    *size* is what there was a moment ago: room is made for that, and for one byte to see the end.
    """
    data = os.read(descriptor, min(size, longest) + 1)
    if len(data) == size:
        return data
    with open(descriptor, "rb", closefd=False) as file:  # it has grown or shrunk, or gives less at once
        return data + file.read(longest + 1 - len(data))


def names(folder: Path) -> list[str]:
    """Return the names in *folder* but for those with a leading dot; raise `StoreError`.

    A missing folder has none.
    """
    with told("read", folder):
        try:
            return [path.name for path in folder.iterdir() if not path.name.startswith(".")]
        except FileNotFoundError:
            return []


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed run left in *folder*; only while nobody else writes there."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith(_PREFIX) and path.name.endswith(_SUFFIX):
                path.unlink(missing_ok=True)


@contextmanager
def told(done: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `StoreError`: *path* cannot be *done* (read, written), and why."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, ((error.strerror or str(error)).lower(), ""))
        raise StoreError(f"{shown(path)} cannot be {done}: {reason}", hint) from error
    except ValueError as error:  # a NUL, or a character that the file system cannot name
        raise StoreError(f"{shown(path)} cannot be {done}: it is no name of a file") from error


def make_folder(folder: Path) -> None:
    """Make *folder* and its missing parents, with mode 0700; raise `StoreError`."""
    with told("made", folder), ExitStack() as undo:
        _make_folders(folder, undo)
        undo.pop_all()


def _make_folders(folder: Path, undo: ExitStack) -> set[Path]:
    """Make what is missing of *folder*; return the folders that need syncing."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(mode=0o700, exist_ok=True)
        undo.callback(_quietly, new.rmdir)
    return {folder, *missing}


def _staged(path: Path, text: str | None, flush: Flush, folders: set[Path], undo: ExitStack) -> Path | None:
    """Write *text* beside *path*; return where it is, None without a text. Add to *folders* what is new."""
    if text is None:
        return None
    with told("written", path):
        folders |= _make_folders(path.parent, undo)
        return _stage(path, text.encode("utf-8"), flush, undo)


def _stage(path: Path, data: bytes, flush: Flush, undo: ExitStack) -> Path:
    """Write *data* to a new file beside *path*, which *flush* makes last; return where it is."""
    temporary = path.with_name(f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    undo.callback(_quietly, temporary.unlink)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
        file.write(data)
        file.flush()
        flush.add(descriptor)
    return temporary


def _replace(temporary: Path, path: Path, undo: ExitStack) -> set[Path]:
    """Put *temporary* in the place of *path*; return the folders that need syncing."""
    if path.exists() and not path.is_file():
        raise StoreError(f"{shown(path)} is not a regular file", "name a file, or a new one")
    before = read(path)
    temporary.replace(path)
    undo.callback(_restore, path, before)
    return {path.parent}


def _remove(path: Path, undo: ExitStack) -> set[Path]:
    """Remove *path*, which may be gone already; return the folders that need syncing."""
    before = read(path)
    if before is None:
        return set()
    path.unlink()
    undo.callback(_restore, path, before)
    return {path.parent}


def prune(folder: Path) -> None:
    """Remove *folder* and the folders above it as long as they are empty."""
    with suppress(OSError):
        while True:
            folder.rmdir()
            folder = folder.parent


def _restore(path: Path, before: bytes | None) -> None:
    with suppress(OSError), ExitStack() as undo:
        if before is None:
            path.unlink()
        else:
            _stage(path, before, Flush(None), undo).replace(path)


def _quietly(remove: Callable[[], None]) -> None:
    with suppress(OSError):
        remove()


def sync_folder(folder: Path, flush: Flush | None = None) -> None:
    """Make what was renamed or removed in *folder* last, by *flush* where there is one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        (flush or Flush(None)).add(descriptor)
    finally:
        os.close(descriptor)
