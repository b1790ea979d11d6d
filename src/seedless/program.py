"""The digest of the installed program: which files make the keys and the signatures of a ceremony.

It is what coreutils compute in the folder of the package, so that nobody has to ask the program for it:

    find . -name '*.py' | LC_ALL=C sort | xargs sha256sum | sha256sum
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

__all__ = ["program_digest", "tool"]


def program_digest(folder: Path = Path(__file__).parent) -> str:
    """Return the SHA-256, in hex, of the names and contents of all modules in *folder*."""
    names = sorted(f"./{path.relative_to(folder).as_posix()}" for path in folder.rglob("*.py"))
    lines = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def tool() -> str:
    """Return this program, its version and its digest, as requests and transcripts name it."""
    return f"seedless {version('seedless')}, program sha256 {program_digest()}"
