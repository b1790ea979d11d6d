"""Compare what a release is called in the places that name it: `python release/version.py v0.1.0`.

It needs nothing but Python, so that it can run before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def problems(root: Path, tag: str | None) -> list[str]:
    """Return what keeps the project in *root* from a release as *tag*; without a tag, what is wrong now."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    headings = re.findall(
        r"^## (\S+?)(, .*)?$", (root / "docs/changelog.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    if not headings or headings[0][0] != version:
        newest = headings[0][0] if headings else "nothing"
        return [f"pyproject.toml has version {version}, the newest heading of docs/changelog.md is {newest}"]
    if tag is None:
        return []
    found = [] if tag == f"v{version}" else [f"the tag is {tag}, pyproject.toml has version {version}"]
    if "not yet released" in headings[0][1]:
        found.append(f"docs/changelog.md calls {version} not yet released: write the date there")
    return found


if __name__ == "__main__":
    found = problems(Path(__file__).resolve().parents[1], sys.argv[1] if len(sys.argv) > 1 else None)
    sys.exit("\n".join(f"error: {problem}" for problem in found) or 0)
