"""The page of the device families, from the table in `seedless.pkcs11.families`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.pkcs11.families import EC_PARAMS_NAME, FAMILIES, GENERAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.pkcs11.families import Quirks

_HEAD = """\
# Tokens

<!-- written by docs/reference/generate.py: make docs -->

The families of devices that seedless recognises, by the manufacturer and the model that a device
reports and by the name of its driver. A device that is not here gets the settings of the last
entry: every encoding is tried, and each attribute is read back. *Measured* is with the
manufacturer's own library on a simulated device, or with the software token itself; nothing was
tried on hardware.

The largest message matters because Ed25519 signs the whole message: a jwt over the limit is
refused before the PIN is asked.

| family | signs | largest message | creates keys | PIN |
|---|---|---|---|---|
"""

_TRIED_HEAD = """
## Which implementations were tried

`make test-tokens` runs on what the distribution has, here Debian 12. *By hand* was earlier, with the versions
that are named, and no test repeats it. Devices were simulated, under the genuine host libraries of their
makers; **no hardware was used**.

| implementation | version | how | with Ed25519 |
|---|---|---|---|
"""
_TOKENS, _BY_HAND, _ALL = "`make test-tokens`", "by hand", "creates, imports, signs"
_TRIED = (
    ("SoftHSM 2", "2.6.1", f"all tests, {_TOKENS}", _ALL),
    (
        "SoftHSM 2 with OpenSSL, and with Botan",
        "2.7",
        f"{_BY_HAND}; `make test MODULE=…` takes any build",
        _ALL,
    ),
    ("p11-kit-proxy before SoftHSM 2.6.1", "0.24.1", _TOKENS, "creates, signs"),
    (
        "p11-kit-client, p11-kit server before SoftHSM 2.6.1",
        "0.24.1",
        _TOKENS,
        "lists the token; p11-kit does not pass CKM_EDDSA on ([remoting](../howto/p11-kit.md))",
    ),
    ("openCryptoki, soft token", "3.8.1", _TOKENS, "lists the token; this version has no Ed25519"),
    ("openCryptoki, soft token", "3.27", _BY_HAND, _ALL),
    ("NSS softoken", "3.87.1", _TOKENS, "not initialised: this version does not read NSS_LIB_PARAMS"),
    ("NSS softoken", "3.124", _BY_HAND, "creates, signs"),
    ("ykcs11, a simulated YubiKey 5.7", "2.7.2", _BY_HAND, "signs; keys are created by ykman"),
    ("yubihsm_pkcs11, a simulated YubiHSM 2", "2.8.0", _BY_HAND, _ALL),
    ("OpenSC, simulated cards", "0.23, 0.27", _BY_HAND, "OpenPGP signs with both, PIV with 0.27"),
)
_MISBEHAVING = """
A module that misbehaves on purpose, `tests/token/misbehaving.c`, plays the faults, and for the names and
shapes of all families.
"""


def tokens_page() -> str:
    """Return the page `tokens.md`."""
    rows = [family.quirks for family in FAMILIES]
    table = "".join(_row(quirks) for quirks in (*rows, GENERAL))
    tried = _TRIED_HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in _TRIED) + _MISBEHAVING
    return _HEAD + table + tried + "".join(_section(quirks) for quirks in (*rows, GENERAL))


def _row(quirks: Quirks) -> str:
    cells = (
        quirks.family,
        _signs(quirks),
        _ceiling(quirks),
        "-" if quirks.lacks_ed25519 else "by its own program" if quirks.make else "seedless key new",
        _pin(quirks),
    )
    return f"| {' | '.join(cells)} |\n"


def _signs(quirks: Quirks) -> str:
    if quirks.lacks_ed25519:
        return "no"
    if quirks is GENERAL:
        return "if it lists CKM_EDDSA"
    return "yes" if quirks.source.startswith("measured") else "by its documents"


def _ceiling(quirks: Quirks) -> str:
    return "none known" if quirks.largest_message is None else f"{quirks.largest_message:,} bytes"


def _pin(quirks: Quirks) -> str:
    return quirks.pin_hint or "any"


def _section(quirks: Quirks) -> str:
    lines = "".join(f"- {line}\n" for line in _facts(quirks))
    return f"\n## {quirks.family.capitalize() if quirks is GENERAL else quirks.family}\n\n{lines}"


def _facts(quirks: Quirks) -> Iterator[str]:
    if quirks.lacks_ed25519:
        yield f"no Ed25519: {quirks.lacks_ed25519}"
    else:
        names = ("the name" if params == EC_PARAMS_NAME else "the OID" for params in quirks.ec_params)
        yield f"CKA_EC_PARAMS that are tried: {', then '.join(names)}"
        yield f"CKA_EC_POINT: {', '.join(quirks.points)}"
        numbers = (f"0x{one.sign:X} to sign, 0x{one.generate:X} to make a pair" for one in quirks.numbers)
        yield f"mechanisms: {'; or '.join(numbers)}"
        if not (quirks.sets_labels and quirks.sets_ids):
            yield "labels and ids are given by the device"
        if quirks.make:
            yield quirks.make.replace("{slot}", "SLOT")
        if quirks.slots:
            names = ", ".join(name for name, _ in quirks.slots)
            yield f"slots, in the order in which a hint names one that shows no key: {names}"
        if not quirks.sets_labels:
            yield f"seedless token init refuses it: {quirks.reset}"
        if quirks.touch:
            yield "a signature may require a touch"
        if quirks.sessions is not None:
            yield f"sessions: {quirks.sessions}"
    yield from (f"{name}: {text}; {hint}" for name, (text, hint) in quirks.causes.items())
    yield from quirks.notes
    yield f"source: {quirks.source}" if quirks.source else "source: the standard, and caution"
