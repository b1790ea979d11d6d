"""How files are made to last: few of them one by one, many by one flush of their file system.

A flush of each of a thousand files and folders takes a thousand turns of the disk; `syncfs` (Linux) takes one
for all, and reports errors since 5.8. What lies on another file system, or where there is no `syncfs`, is
flushed by itself.

Files that appear whole or not at all, several of them together; errors as one sentence with the path.

All new texts are first written beside their targets and synced (a full disk or a read-only one is found
here), then renamed, then the folders are synced. What fails on the way is undone: temporary files and new
folders go, files already replaced come back. Only a crash between two renames leaves some new and some old,
each of them whole. Refused: targets that are no regular files, such as `/dev/null`, and what is larger than
`units.LARGEST_FILE`: nothing is written that could not be read again.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from seedless import units
from seedless.errors import StoreError, UsageError
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from pathlib import Path


# syncfs waits for everything on the file system, also for what other programs have written: for few files
# one fsync each is sooner done.
MANY = 64
"""Files from which on their file system is flushed as a whole: it may hold much that others wrote."""


class Flush:
    """Makes the files of one batch last; made by `flushing`."""

    def __init__(self, descriptor: int | None) -> None:
        """Take an open folder of the file system that is flushed as a whole, None for none."""
        self._whole = descriptor
        self._device = None if descriptor is None else os.fstat(descriptor).st_dev
        self._covered: dict[str, bool] = {}

    def covers(self, folder: Path | str) -> bool:
        """Report whether what is in *folder*, and its names, are left to `finish`: not on another device."""
        if self._device is None:
            return False
        place = os.fspath(folder)
        if place not in self._covered:
            self._covered[place] = os.stat(place).st_dev == self._device
        return self._covered[place]

    def finish(self) -> None:
        """Flush all that was left to it; raise `OSError`."""
        if self._whole is not None and _syncfs()(self._whole) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


@contextmanager
def flushing(count: int, folder: str) -> Iterator[Flush]:
    """Give what makes *count* files last that are about to be written below *folder*, there or not."""
    if count < MANY or _syncfs() is None:
        yield Flush(None)
        return
    while not os.path.exists(folder):
        folder = os.path.dirname(folder) or "."
    # Before anything is written: an error of the disk is reported to those who had the file system open.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Flush(descriptor)
    finally:
        os.close(descriptor)


@functools.cache
def _syncfs() -> Any:  # noqa: ANN401 - a function of the C library, or None
    try:
        # Python has no os.syncfs; glibc and musl have the function.
        return ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None


_PREFIX, _SUFFIX = ".seedless-", ".tmp"
# O_EXCL and O_NOFOLLOW: in a folder that others may write, somebody could put a link under a guessed
# name, and the text would go where it leads.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run it again; nothing was changed"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run it again; nothing was changed"),
    errno.EROFS: ("the file system is read-only", "mount it for writing, or choose another place"),
    errno.EACCES: ("permission denied", "it must belong to the user who runs this"),
    errno.EEXIST: ("something else is in the place of its folder", "move that away"),
    errno.ENXIO: ("it is not a regular file", "name a file, or a new one"),
    errno.EPERM: ("operation not permitted", "it must belong to the user who runs this"),
}


def write(files: Mapping[Path, str | None] | Mapping[str, str | None]) -> None:
    """Write each text to its path, with mode 0600, missing folders with 0700: all of them or none.

    Existing files are replaced in one step each, in the order given; None removes one, and the folders that
    are empty then. Raise `StoreError`.
    """
    if not files:
        return
    # As text: a thousand objects of pathlib take as long as the disk.
    texts = {os.fspath(path): text for path, text in files.items()}
    first = next(iter(texts))
    # Whole file systems are flushed twice, after the texts and after the renames: a rename that lasts
    # while its text does not would leave an empty file after a crash.
    with store_errors("written", first), flushing(len(texts), _folder(first)) as flush:
        batch = _Batch(flush)
        try:
            batch.stage(texts)
            batch.place(texts)
            batch.sync()
        except BaseException:
            batch.undo()
            raise
    for path in (path for path, text in texts.items() if text is None):
        prune(_folder(path))


def write_new(files: Mapping[Path, str], others: Mapping[Path, str | None] | None = None) -> None:
    """Write each text of *files* to a path where nothing is, together with *others*, as `write` does.

    For files that a person names and nobody asked to replace. Raise `UsageError` as `require_new` does.
    """
    for path, text in files.items():
        require_new(path, text)
    write({**files, **(others or {})})


def require_new(path: Path, text: str | None = None) -> None:
    """Raise `UsageError` where something is at *path* already, unless it is a file that holds just *text*.

    A command calls it at its beginning too, so that nobody types words or a PIN for what cannot be written:
    raise `StoreError` for a folder that cannot be written.
    """
    if not os.path.lexists(path):
        _require_writable(path)
        return
    if text is not None and os.path.isfile(path) and read(path) == text.encode("utf-8"):
        return
    raise UsageError(f"{shown(path)} exists, and is not replaced", "name another file, or remove that one")


def _require_writable(path: Path) -> None:
    folder = os.path.dirname(path) or "."
    while not os.path.exists(folder):  # it is made later
        folder = os.path.dirname(folder) or "."
    if not os.access(folder, os.W_OK):
        is_read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        with store_errors("written", path):
            raise OSError(errno.EROFS if is_read_only else errno.EACCES, "")


class _Batch:
    """Files that are written together: what was done so far, and how to undo that."""

    __slots__ = ("_before", "_changed", "_flush", "_made", "_name", "_staged")

    def __init__(self, flush: Flush) -> None:
        self._flush = flush
        self._name = f"{_PREFIX}{os.urandom(8).hex()}"
        self._made: dict[str, None] = {}  # folders, in the order in which they were made
        self._changed: dict[str, None] = {}  # folders in which names come or go, in the order met
        self._staged: dict[str, str] = {}  # path → temporary file, which may be in its place by now
        self._before: dict[str, bytes | None] = {}  # path → what was in its place

    def stage(self, texts: Mapping[str, str | None]) -> None:
        """Write each text beside its path, in missing folders too, and make all that last."""
        for path, text in texts.items():
            if text is not None:
                try:
                    data = text.encode("utf-8")
                    require_size(path, len(data), "would be")
                    self._stage(path, data)
                except (OSError, ValueError) as error:
                    raise _problem("written", path, error) from error
        self._flush.finish()

    def place(self, texts: Mapping[str, str | None]) -> None:
        """Put what was staged in its place, and remove what has no text."""
        for path, text in texts.items():
            try:
                if text is not None:
                    self._replace(path)
                else:
                    self._remove(path)
            except (OSError, ValueError) as error:
                raise _problem("removed" if text is None else "written", path, error) from error

    def sync(self) -> None:
        """Make the names last."""
        for folder in self._changed:
            if not self._flush.covers(folder):
                sync_folder(folder)
        self._flush.finish()

    def undo(self) -> None:
        """Take all back that can be: files, temporary ones, and folders."""
        for path, before in reversed(self._before.items()):
            with suppress(OSError):
                _restore(path, before, f"{_folder(path)}/{self._name}{_SUFFIX}")
        for temporary in self._staged.values():
            with suppress(OSError):
                os.unlink(temporary)
        _unmake_folders(self._made)

    def _stage(self, path: str, data: bytes) -> None:
        folder = _folder(path)
        if folder not in self._changed:
            self._changed |= _make_folders(folder, self._made, self._changed)
        temporary = f"{folder}/{self._name}-{len(self._staged)}{_SUFFIX}"
        # Beside the target, since a rename is one step only within a file system.
        self._staged[path] = temporary  # before it is there, as all notes are: a signal may come in between
        _write_new(temporary, data, sync=not self._flush.covers(folder))

    def _replace(self, path: str) -> None:
        """Put the temporary file in the place of *path*, where in a new folder nothing can be."""
        self._before[path] = None if _folder(path) in self._made else read(path)
        # The mode is that of the new file, 0600: a file that was opened to others on purpose has to be
        # opened again, and a seed is never readable by accident.
        os.replace(self._staged[path], path)

    def _remove(self, path: str) -> None:
        """Remove *path*, which may be gone already."""
        before = read(path)
        if before is not None:
            self._before[path] = before
            os.unlink(path)
            self._changed[_folder(path)] = None


def require_size(path: Path | str, count: int, verb: str = "is") -> None:
    """Raise `StoreError` for a file at *path* of *count* bytes that no reader takes; *verb*: is, would be."""
    if count > units.LARGEST_FILE:
        most = units.size(units.LARGEST_FILE)
        raise StoreError(f"{shown(path)} {verb} larger than {most}, which is the most that is read", _DIVIDE)


_DIVIDE = "divide it: fewer accounts and users in one file"


def read(path: Path | str) -> bytes | None:
    """Return what the file at *path* holds, or None if there is none; raise `StoreError`.

    A file of more than `units.LARGEST_FILE` bytes is refused.
    """
    with store_errors("read", path):
        try:
            # A pipe without a writer would block the opening.
            # Opened first and looked at afterwards, by its descriptor: between a look at the name and the
            # opening it could become another file.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise StoreError(f"{shown(path)} is not a regular file", "name a file, or a new one")
            require_size(path, status.st_size)
            data = _read_all(descriptor, status.st_size)
        finally:
            os.close(descriptor)
    require_size(path, len(data))
    return data


def read_secret(path: Path) -> str | None:
    """Return the text of the file *path*, which contains a secret, or None if there is none.

    Raise `StoreError`, also for a file that others than its owner can read or write.
    """
    data = read(path)
    if data is None:
        return None
    with store_errors("read", path):
        mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreError(f"{shown(path)} contains a secret and is open to others", f"chmod 600 {shown(path)}")
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise StoreError(f"{shown(path)} is not text") from error


def _read_all(descriptor: int, size: int) -> bytes:
    """Return what is left to read, and no more than one byte beyond the largest file.

    *size* is what there was a moment ago: room is made for that, and for one byte to see the end.
    """
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    with open(descriptor, "rb", closefd=False) as file:  # it has grown or shrunk, or gives less at once
        return data + file.read(units.LARGEST_FILE + 1 - len(data))


def names(folder: Path | str) -> list[str]:
    """Return the names in *folder* but for those with a leading dot; raise `StoreError`.

    A missing folder has none.
    """
    with store_errors("read", folder):
        try:
            return [name for name in os.listdir(folder) if not name.startswith(".")]
        except FileNotFoundError:
            return []


def sweep(folder: Path | str) -> None:
    """Remove temporary files that a killed run left in *folder*; only while nobody else writes there."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                with suppress(FileNotFoundError):
                    os.unlink(f"{os.fspath(folder)}/{name}")


@contextmanager
def store_errors(done: str, path: Path | str) -> Iterator[None]:
    """Turn an `OSError` into a `StoreError`: *path* cannot be *done* (read, written), and why."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise _problem(done, path, error) from error


def _problem(done: str, path: Path | str, error: OSError | ValueError) -> StoreError:
    if isinstance(error, OSError):
        reason, hint = _REASONS.get(error.errno or 0, ((error.strerror or str(error)).lower(), ""))
    else:  # a NUL, or a character that the file system cannot name
        reason, hint = "it is not a name of a file", ""
    return StoreError(f"{shown(path)} cannot be {done}: {reason}", hint)


def make_folder(folder: Path) -> None:
    """Make *folder* and its missing parents, with mode 0700; raise `StoreError`."""
    made: dict[str, None] = {}
    with store_errors("made", folder):
        try:
            _make_folders(os.fspath(folder), made, ())
        except BaseException:
            _unmake_folders(made)
            raise


def _make_folders(folder: str, made: dict[str, None], existing: Container[str]) -> dict[str, None]:
    """Make what is missing of *folder*, and add it to *made*; return the folders that need syncing.

    Those of *existing* are known not to be missing.
    """
    missing = []
    while folder not in existing and not os.path.exists(folder):
        missing.append(folder)
        folder = _folder(folder)
    for new in reversed(missing):
        try:
            os.mkdir(new, 0o700)
        except FileExistsError:
            if not os.path.isdir(new):  # or another run was faster
                raise
        else:
            made[new] = None
    return dict.fromkeys([folder, *missing])


def _unmake_folders(made: dict[str, None]) -> None:
    for folder in reversed(made):
        with suppress(OSError):
            os.rmdir(folder)


def prune(folder: Path | str) -> None:
    """Remove *folder* and the folders above it as long as they are empty."""
    place = os.fspath(folder)
    with suppress(OSError):
        while True:
            os.rmdir(place)
            place = _folder(place)


def _restore(path: str, before: bytes | None, temporary: str) -> None:
    if before is None:
        os.unlink(path)
        return
    _write_new(temporary, before, sync=True)
    os.replace(temporary, path)


def _write_new(path: str, data: bytes, *, sync: bool) -> None:
    descriptor = os.open(path, _NEW, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        if sync:
            _sync(descriptor)
    finally:
        os.close(descriptor)


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")


def sync_folder(folder: Path | str) -> None:
    """Make what was renamed or removed in *folder* last; raise `StoreError`."""
    with store_errors("written", folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync this
            raise
