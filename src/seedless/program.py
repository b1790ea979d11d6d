"""The digest of the installed program, and what else Python runs beside it.

The digest is what findutils and coreutils compute in the folder of the package, so that nobody has to ask the
program for it: a program that was changed prints whatever it likes. It covers every file that Python could
load from there, links followed, but for bytecode in `__pycache__`:

    find -L . -name __pycache__ -prune -o -type f -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

The same command in the folder of the other packages gives theirs. What neither covers is in rows of its own:
bytecode, code that Python runs when it starts, and other places of modules. They find a machine that is not
as it was meant; whoever controls it can falsify them as well.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import sysconfig
from importlib.metadata import distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seedless.readiness import CheckStatus, Column, ReadinessRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["examine_program", "program_digest", "tool"]

ABOUT: Final = "this program"
_PACKAGE: Final = Path(__file__).parent
_CACHE: Final = "__pycache__"
_REDIRECTING: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONUSERBASE")
_IMPORTABLE: Final = (".py", ".pyc", ".so", ".zip")


@functools.cache
def program_digest(folder: Path = _PACKAGE) -> str:
    """Return the SHA-256, in hex, of the names and contents of all files in *folder*, without bytecode."""
    names = sorted(os.fsencode(f"./{path.relative_to(folder).as_posix()}") for path in _files(folder))
    whole = hashlib.sha256()
    for name in names:
        digest = hashlib.sha256((folder / os.fsdecode(name)).read_bytes()).hexdigest()
        whole.update(_line(digest, name))
    return whole.hexdigest()


def _line(digest: str, name: bytes) -> bytes:
    """Return the line that `sha256sum` prints, in which a name cannot pass for a second line."""
    escaped = name
    for plain, written in ((b"\\", rb"\\"), (b"\n", rb"\n"), (b"\r", rb"\r")):
        escaped = escaped.replace(plain, written)
    return (b"" if escaped == name else b"\\") + digest.encode() + b"  " + escaped + b"\n"


def _files(folder: Path) -> Iterator[Path]:
    # Links are followed, as Python follows them: a module may be a link to anywhere.
    for where, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != _CACHE and not _leads_back(Path(where, name))]
        yield from (path for name in files if (path := Path(where, name)).is_file() and name != _CACHE)


def _leads_back(folder: Path) -> bool:
    """Report whether *folder* is a link to a folder above it, which `find -L` does not follow either."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def tool() -> str:
    """Return this program, its version and its digest, as requests and transcripts name it."""
    return f"seedless {version('seedless')}, program sha256 {program_digest()}"


def examine_program(
    *,
    environment: Mapping[str, str] | None = None,
    packages: Path | None = None,
    places: Iterable[str] | None = None,
) -> tuple[ReadinessRow, ...]:
    """Return the rows of this program: digests, and what of the code that Python runs they do not cover.

    *environment*, the folder of the *packages* and the *places* of modules are those of this process.
    """
    known = os.environ if environment is None else environment
    folder = Path(sysconfig.get_path("purelib")) if packages is None else packages
    count = len(list(distributions(path=[str(folder)])))
    known_places = tuple(sys.path if places is None else places)
    return (
        _row("digest", tool()),
        _row("other packages", f"{count} in {folder}, sha256 {program_digest(folder)}"),
        _redirected(known),
        _started((folder, *map(Path, known_places))),
        _elsewhere(known_places, folder),
        _bytecode(),
    )


def _redirected(environment: Mapping[str, str]) -> ReadinessRow:
    names = [] if sys.flags.ignore_environment else [name for name in _REDIRECTING if environment.get(name)]
    if not names:
        return _row("variables of Python", "none that names other modules")
    found = ", ".join(f"{name}={environment[name]}" for name in names)
    advice = f"unset {' '.join(names)}: modules from there come before those that were verified"
    return _row("variables of Python", found, CheckStatus.PROBLEM, advice)


def _started(folders: Iterable[Path]) -> ReadinessRow:
    """Return the row about code that Python runs before this program: customizations, and `.pth` files."""
    modules = [sys.modules.get(name) for name in ("sitecustomize", "usercustomize")]
    found = [str(getattr(module, "__file__", module)) for module in modules if module is not None]
    # The folder of a user's packages is a place of modules too, and may have nothing but such a file.
    for path in sorted({path for folder in folders for path in folder.glob("*.pth")}):
        # Python ignores a byte order mark, since 3.13 (site.py reads utf-8-sig).
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        # The rule of `site`: such a line is run, and every other one is a place of modules.
        if any(line.startswith(("import ", "import\t")) for line in lines):
            found.append(str(path))
    if not found:
        return _row("code at the start", "none")
    advice = "read these files, or start Python without them: python -I -S"
    return _row("code at the start", ", ".join(found), CheckStatus.NOTE, advice)


def _elsewhere(places: Iterable[str], folder: Path) -> ReadinessRow:
    """Return the row about places of modules that are neither Python's nor covered by the digests."""
    own = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "platlib")}
    own |= {folder, *(path / "lib-dynload" for path in own)}
    others = [place for place in dict.fromkeys(places) if Path(place) not in own]
    found = [place or "." for place in others if _has_modules(Path(place))]
    if not found:
        return _row("other places of modules", "none")
    advice = "a module there replaces one of the same name further on; the digests do not cover it"
    return _row("other places of modules", ", ".join(found), CheckStatus.NOTE, advice)


def _has_modules(place: Path) -> bool:
    if place.is_file():
        return True
    try:
        paths = [path for path in place.iterdir() if path != _PACKAGE]
        return any(path.suffix in _IMPORTABLE or any(path.glob("__init__.*")) for path in paths)
    except OSError:
        return False


def _bytecode() -> ReadinessRow:
    if sys.pycache_prefix is not None:
        return _row("bytecode", f"compiled from the sources into {sys.pycache_prefix}")
    # Python believes the date and size that a cached file has of its source, and whoever can write the file
    # can copy both.
    advice = "start with PYTHONPYCACHEPREFIX=$(mktemp -d): everything is compiled from what was verified"
    return _row("bytecode", f"from {_CACHE}, which no digest covers", CheckStatus.NOTE, advice)


def _row(what: str, found: str, status: CheckStatus = CheckStatus.OK, advice: str = "") -> ReadinessRow:
    return ReadinessRow(about=ABOUT, what=what, column=Column.READ, found=found, status=status, advice=advice)
