from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_softhsm import SoftHSMError, _find

if TYPE_CHECKING:
    from pathlib import Path

PLACES = {
    "Debian link": "usr/lib/softhsm/libsofthsm2.so",
    "Debian multiarch": "usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "Debian on ARM": "usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "Fedora": "usr/lib64/pkcs11/libsofthsm2.so",
    "RHEL": "usr/lib64/softhsm/libsofthsm2.so",
    "Alpine": "usr/lib/softhsm/libsofthsm2.so",
    "Arch": "usr/lib/pkcs11/libsofthsm2.so",
    "Homebrew on Intel": "usr/local/lib/softhsm/libsofthsm2.so",
    "Homebrew on ARM": "opt/homebrew/lib/softhsm/libsofthsm2.so",
    "Homebrew, not linked": "opt/homebrew/opt/softhsm/lib/softhsm/libsofthsm2.so",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_the_module_is_found_where_the_package_puts_it(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert _find.find_module(None, tmp_path) == tmp_path / place


def test_a_named_module_goes_before_those_of_packages(tmp_path: Path) -> None:
    (tmp_path / "mine.so").touch()
    assert _find.find_module(str(tmp_path / "mine.so")) == tmp_path / "mine.so"


def test_no_module_is_none(tmp_path: Path) -> None:
    assert _find.find_module(None, tmp_path) is None


def test_a_named_util_that_is_missing_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(SoftHSMError) as caught:
        _find.find_util(str(tmp_path / "x"))
    assert caught.value.hint == "correct SOFTHSM2_UTIL or softhsm_util, or remove it to search"


HINTS = {
    "Debian": ("linux", {"apt-get"}, "apt install softhsm2"),
    "Fedora": ("linux", {"dnf"}, "dnf install softhsm"),
    "Alpine": ("linux", {"apk"}, "apk add softhsm"),
    "Arch": ("linux", {"pacman"}, "pacman -S softhsm"),
    "Linuxbrew": ("linux", {"brew"}, "brew install softhsm"),
    "macOS": ("darwin", set(), "brew install softhsm"),
    "unknown": (
        "linux",
        set(),
        "apt install softhsm2, dnf install softhsm, apk add softhsm, pacman -S softhsm, brew install softhsm",
    ),
}


@pytest.mark.parametrize(("platform", "managers", "command"), HINTS.values(), ids=HINTS)
def test_the_hint_is_the_command_of_the_system(platform: str, managers: set[str], command: str) -> None:
    assert _find.install_hint(platform, lambda name: name if name in managers else None) == command
