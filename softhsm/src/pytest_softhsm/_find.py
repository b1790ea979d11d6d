"""Find SoftHSM where the systems' packages put it; what a person names counts more, and must exist."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_softhsm._errors import SoftHSMError

if TYPE_CHECKING:
    from collections.abc import Callable

# In this order: the machine's own architecture before whatever else a multiarch system has.
_MODULES = (
    f"usr/lib/{sysconfig.get_config_var('MULTIARCH') or 'x86_64-linux-gnu'}/softhsm/libsofthsm2.so",  # Debian
    "usr/lib64/pkcs11/libsofthsm2.so",  # Fedora, RHEL
    "usr/lib64/softhsm/libsofthsm2.so",  # Fedora, openSUSE
    "usr/lib/softhsm/libsofthsm2.so",  # Alpine, Arch, Debian's link
    "usr/lib/pkcs11/libsofthsm2.so",  # Arch, 32-bit Fedora
    "opt/homebrew/lib/softhsm/libsofthsm2.so",  # Homebrew on ARM
    "opt/homebrew/opt/softhsm/lib/softhsm/libsofthsm2.so",  # the same, not linked
    "usr/local/lib/softhsm/libsofthsm2.so",  # Homebrew on Intel, FreeBSD, built from source
    "usr/local/opt/softhsm/lib/softhsm/libsofthsm2.so",  # Homebrew on Intel, not linked
    "usr/local/lib64/softhsm/libsofthsm2.so",  # built from source
    "opt/local/lib/softhsm/libsofthsm2.so",  # MacPorts
    "usr/lib/*/softhsm/libsofthsm2.so",  # Debian, another architecture
)
_UTIL_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/local/bin")

_PACKAGES = (
    ("apt-get", "apt install softhsm2"),
    ("dnf", "dnf install softhsm"),
    ("apk", "apk add softhsm"),
    ("pacman", "pacman -S softhsm"),
    ("brew", "brew install softhsm"),
)


def find_module(named: str | None, root: Path = Path("/")) -> Path | None:
    """Return the PKCS#11 library: the *named* file, or the first that a package has put under *root*.

    None if there is none. SoftHSMError if *named* is not there: a wrong setting is not a missing package.
    """
    if named:
        return _existing(named, "module", "SOFTHSM2_MODULE or softhsm_module")
    return next((path for pattern in _MODULES for path in sorted(root.glob(pattern))), None)


def find_util(named: str | None) -> Path:
    """Return `softhsm2-util`: the *named* file, or the one on PATH; SoftHSMError if there is none."""
    if named:
        return _existing(named, "softhsm2-util", "SOFTHSM2_UTIL or softhsm_util")
    found = shutil.which("softhsm2-util") or shutil.which("softhsm2-util", path=":".join(_UTIL_FOLDERS))
    if found is None:
        raise SoftHSMError("softhsm2-util is not installed", install_hint())
    return Path(found)


def install_hint(platform: str = sys.platform, which: Callable[[str], object] = shutil.which) -> str:
    """Name the command that installs SoftHSM here, or all of them where no package manager is known."""
    if platform == "darwin":
        return "brew install softhsm"
    present = next((command for manager, command in _PACKAGES if which(manager)), None)
    return present or ", ".join(command for _, command in _PACKAGES)


def _existing(named: str, what: str, setting: str) -> Path:
    path = Path(named).expanduser()
    if not path.is_file():
        raise SoftHSMError(f"there is no {what} at {path}", f"correct {setting}, or remove it to search")
    return path.absolute()
