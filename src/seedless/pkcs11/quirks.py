"""What families of devices do differently, as data: one row each, recognised by what a token says of itself.

It decides which encodings and mechanism numbers are tried, what is refused before a PIN is asked (a message
over the ceiling, a key that the driver cannot make), and which words a hint has. A device that no row knows
gets the careful general path: everything is tried, nothing is believed until read back. A row never makes
anything be believed, so a device that lies about its name gains nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from seedless.errors import TokenError

if TYPE_CHECKING:
    from seedless.pkcs11.info import TokenInfo

EC_PARAMS_NAME: Final = bytes.fromhex(
    "130c656477617264733235353139"
)  # PrintableString "edwards25519" (PKCS#11 3.0 §2.3.5)
EC_PARAMS_OID: Final = bytes.fromhex("06032b6570")  # 1.3.101.112 (RFC 8410)


class Numbers(msgspec.Struct, frozen=True):
    """The numbers under which a driver knows Ed25519: CKM to sign, CKM to make a pair, CKK."""

    sign: int
    generate: int
    key_type: int


STANDARD: Final = Numbers(0x1057, 0x1055, 0x40)  # CKM_EDDSA and so on (PKCS#11 3.0 §2.3)
IBM: Final = Numbers(0x8001001C, 0x1040, 0x03)  # CKM_IBM_ED25519_SHA512, CKM_EC_KEY_PAIR_GEN, CKK_EC
LUNA: Final = Numbers(0x80000C03, 0x80000C01, 0x80000012)


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a family of devices. The defaults are those of a device that nobody knows.

    `largest_message` is in bytes, None where no ceiling is known. `points` are the shapes in which
    CKA_EC_POINT was seen; all three are read from every device. `id_size` is the length of the CKA_ID of a
    new key. `searches_points` is whether a search by CKA_EC_POINT finds what has it, and no more.
    `reports_origin` is whether CKA_LOCAL distinguishes a key that was created on the token from an imported
    one. `make` is empty where C_GenerateKeyPair serves, else the command that creates a key, in the `{slot}`
    that is one of `slots` (each with its CKA_ID), which `make_lists` lists. `reset` is how a device whose
    label is fixed is initialised. `causes` are names of CKR values that mean something else here: what, and
    what to do. `configuration` is what to look at where C_Initialize fails. `pin_form` is a pattern that a
    PIN must match before it is sent. `lacks_ed25519` says why the family cannot sign, where that is known.
    """

    family: str = "unknown"
    ec_params: tuple[bytes, ...] = (EC_PARAMS_NAME, EC_PARAMS_OID)
    points: tuple[str, ...] = ("0420", "raw", "032100")
    numbers: tuple[Numbers, ...] = (STANDARD,)
    largest_message: int | None = None
    sets_labels: bool = True
    sets_ids: bool = True
    id_size: int = 8
    searches_points: bool = True
    reports_origin: bool = True
    make: str = ""
    make_lists: str = ""
    slots: tuple[tuple[str, bytes], ...] = ()
    reset: str = ""
    causes: dict[str, tuple[str, str]] = {}
    configuration: str = ""
    public_may_be_missing: bool = True
    asks_for_each: bool = True
    touch: bool = False
    pin_form: str = ""
    pin_hint: str = ""
    sessions: int | None = None
    lacks_ed25519: str = ""
    notes: tuple[str, ...] = ()
    source: str = ""

    def numbers_in(self, mechanisms: frozenset[int]) -> Numbers | None:
        """Return the first numbers of this family that are among the *mechanisms* of a token."""
        return next((numbers for numbers in self.numbers if numbers.sign in mechanisms), None)

    def takes_pin(self, pin: bytes) -> bool:
        """Say whether *pin* has the form that the family wants, as far as one is known."""
        return not self.pin_form or re.fullmatch(self.pin_form.encode(), pin, re.DOTALL) is not None


GENERAL: Final = Quirks()


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table: patterns for what the token and its library say, all of which must be found.

    `file` is a pattern for the name of the module, for what happens before it tells anything.
    """

    quirks: Quirks
    manufacturer: str = ""
    model: str = ""
    library: str = ""
    file: str = ""

    def means(self, manufacturer: str, model: str, library: str) -> bool:
        """Say whether a token that says this of itself is of this family."""
        told = ((self.manufacturer, manufacturer), (self.model, model), (self.library, library))
        return all(re.search(pattern, text, re.IGNORECASE) for pattern, text in told)


def require_fits(size: int, info: TokenInfo, what: str = "the message") -> None:
    """Raise `TokenError` if *what*, with *size* bytes, is longer than the token can sign.

    Ed25519 hands the whole message to the device. To be called before a PIN is asked.
    """
    ceiling = info.quirks.largest_message
    if ceiling is not None and size > ceiling:
        raise TokenError(
            f"{what} has {size} bytes, and {info.where} signs at most {ceiling}",
            "fewer exports, imports, mappings or revocations make it smaller, as do shorter descriptions; "
            "user jwts become smaller by a signing key with a scope",
        )
