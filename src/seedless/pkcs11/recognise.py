"""Recognise the family of a token by what it says of itself, or by what its URI says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from seedless.pkcs11.families import FAMILIES
from seedless.pkcs11.quirks import GENERAL

if TYPE_CHECKING:
    from seedless.pkcs11.quirks import Quirks
    from seedless.pkcs11.uri import KeyUri

_YUBIKEY = next(family for family in FAMILIES if family.quirks.family == "YubiKey PIV")
_YUBIHSM_OLD = (range(40), range(44, 50), range(100, 110), range(200, 210))


def quirks_of(manufacturer: str, model: str, firmware: str, library: str) -> Quirks:
    """Return what is known of the family of a token; *library* is what its driver calls itself."""
    for family in FAMILIES:
        if family.means(manufacturer, model, library):
            return _aged(family.quirks, firmware)
    return GENERAL


def why_no_ed25519(quirks: Quirks, library: str) -> str:
    """Return why a token of a family, by a driver that calls itself *library*, lists no Ed25519, if known."""
    if "PKCS#11 Kit" in library and not quirks.lacks_ed25519:
        # github.com/p11-glue/p11-kit/issues/776: a list of mechanisms that are passed on, without CKM_EDDSA.
        return (
            "p11-kit passes on to its clients what it knows, and before September 2026 not Ed25519: "
            "load the module of the token itself, or install a newer p11-kit at both ends"
        )
    return quirks.lacks_ed25519


def quirks_of_uri(uri: KeyUri) -> Quirks:
    """Return what is known of the family of a token of which only the URI is at hand, no firmware version."""
    return quirks_of(uri.manufacturer or "", uri.model or "", "", "")


def configuration_of(file: str) -> str:
    """Return what to look at where the module in *file* fails to initialise; empty if that is not known."""
    if "p11-kit" in file:
        return "P11_KIT_SERVER_ADDRESS for p11-kit-client, and p11-kit list-modules for p11-kit-proxy"
    return next(
        (
            family.quirks.configuration
            for family in FAMILIES
            if family.file and re.search(family.file, file, re.IGNORECASE)
        ),
        "",
    )


def firmware_of(manufacturer: str, model: str, version: tuple[int, int]) -> str:
    """Return the firmware of a device whose driver puts *version* into CK_TOKEN_INFO.

    ykcs11 packs minor * 10 + patch into one byte: 5.7.4 as 5 and 74 (its token.c).
    """
    major, minor = version
    if _YUBIKEY.means(manufacturer, model, ""):
        return f"{major}.{minor // 10}.{minor % 10}"
    return f"{major}.{minor}"


def _aged(quirks: Quirks, firmware: str) -> Quirks:
    """Return *quirks* as they are with an old *firmware*: a device is judged, and not the list of its driver.

    ykcs11 lists CKM_EDDSA for every YubiKey.
    """
    if quirks.family == "YubiKey PIV":
        numbers = firmware.split(".")
        if not all(number.isdecimal() for number in numbers) or [int(number) for number in numbers] >= [5, 7]:
            return quirks
        why = f"its firmware {firmware} knows no Ed25519, which came with 5.7, and cannot be updated"
        return msgspec.structs.replace(quirks, numbers=(), lacks_ed25519=why)
    return _aged_yubihsm(quirks, firmware)


def _aged_yubihsm(quirks: Quirks, firmware: str) -> Quirks:
    """Lower the ceiling of a YubiHSM 2 with firmware before 2.4.

    Its driver puts minor * 100 + patch, before it minor * 10 + patch, into the one byte of CK_VERSION, so
    that 2.3.1 reads as 2.31 or 2.45, and 2.4.0 as 2.40 or 2.144.
    """
    if quirks.family != "YubiHSM 2":
        return quirks
    major, _, minor = firmware.partition(".")
    is_old = major == "2" and minor.isdecimal() and any(int(minor) in old for old in _YUBIHSM_OLD)
    return msgspec.structs.replace(quirks, largest_message=2026) if is_old else quirks
