"""Families of devices: what each does differently, as a table, and how it is recognised.

A row decides which encodings and mechanism numbers are tried, what is refused before a PIN is asked (a
message over the ceiling, a key that the driver cannot create), and the words of hints. A device without a row
gets the careful general path: everything is tried, nothing is believed until it was read back. A row never
makes anything be believed, so a device that lies about its name gains nothing.

"measured" is with the vendor's own library on a simulated device, or with the software token itself; nothing
here was tried on hardware. Numbers and limits of the others are from documents or source code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from seedless.errors import TokenError

if TYPE_CHECKING:
    from seedless.pkcs11.token_info import TokenInfo
    from seedless.pkcs11.uri import KeyUri


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
# Vendors had Ed25519 before the standard had numbers for it. openCryptoki lists CKM_EDDSA since 3.27,
# before that the one of IBM.
IBM: Final = Numbers(0x8001001C, 0x1040, 0x03)  # CKM_IBM_ED25519_SHA512, CKM_EC_KEY_PAIR_GEN, CKK_EC
LUNA: Final = Numbers(0x80000C03, 0x80000C01, 0x80000012)


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a family of devices. The defaults are those of an unknown device.

    `largest_message` is in bytes, None where no ceiling is known. `points` are the shapes in which
    CKA_EC_POINT was seen; all three are read from every device. `id_size` is the length of the CKA_ID of a
    new key. `searches_points` is whether a search by CKA_EC_POINT finds what has it, and no more.
    `reports_origin` is whether CKA_LOCAL distinguishes a key that was created on the token from an imported
    one. `make` is empty where C_GenerateKeyPair serves, else the command that creates a key, in the `{slot}`
    that is one of `slots` (each with its CKA_ID), which `make_lists` lists. `reset` is how a device whose
    label is fixed is initialised. `causes` are names of CKR values that mean something else here: what, and
    what to do. `configuration` is what to look at where C_Initialize fails. `pin_form` is a pattern that a
    PIN must match before it is sent. `lacks_ed25519` reports why the family cannot sign, where that is known.
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

    def accepts_pin(self, pin: bytes) -> bool:
        """Report whether *pin* has the form that the family requires, as far as one is known."""
        return not self.pin_form or re.fullmatch(self.pin_form.encode(), pin, re.DOTALL) is not None


GENERAL: Final = Quirks()


# A row and not a class: a device is added by writing down what is known of it, with its source, and
# nothing else in the package asks for names of vendors.
class Family(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table: patterns for what the token and its library report, all of which must be found.

    `file` is a pattern for the name of the module, for what happens before it reports anything.
    """

    quirks: Quirks
    manufacturer: str = ""
    model: str = ""
    library: str = ""
    file: str = ""

    def means(self, manufacturer: str, model: str, library: str) -> bool:
        """Report whether a token that reports this of itself is of this family."""
        patterns = ((self.manufacturer, manufacturer), (self.model, model), (self.library, library))
        return all(re.search(pattern, text, re.IGNORECASE) for pattern, text in patterns)


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


_YUBICO = r"^Yubico"

# ykcs11 creates keys for the security officer alone, whose PIN is the management key; to a user it answers
# `User type invalid`.
_PIV_KEY = (
    "create a key with ykman piv keys generate -a ED25519 {slot} public.pem, "
    "or yubico-piv-tool -a generate -A ED25519 -s {slot} --pin-policy=always -o public.pem"
)
# 9d is for key agreement, and 9e asks for no PIN. The ids are those of ykcs11.
_PIV_SLOTS = (
    ("9c", b"\2"),
    ("9a", b"\1"),
    *((f"{0x82 + number:x}", bytes([5 + number])) for number in range(20)),
)

FAMILIES: Final[tuple[Family, ...]] = (
    Family(
        manufacturer=r"^SoftHSM",
        model=r"^SoftHSM",
        file=r"softhsm",
        quirks=Quirks(
            family="SoftHSM",
            points=("0420",),
            public_may_be_missing=False,
            configuration="SOFTHSM2_CONF, and the folder of tokens that it names",
            causes={
                "FunctionFailed": ("the operation failed", "its disk may be full; nothing was created"),
                "GeneralError": (
                    "the driver reports a general error",
                    "its configuration (SOFTHSM2_CONF) or the files of the token may be damaged",
                ),
            },
            notes=(
                "software: whoever can read its files can copy the keys",
                "a signature takes 0.2 ms; each search for a key grows with their number",
                "a key file with a flipped bit can give wrong signatures or end the process",
            ),
            source="measured with 2.6.1 and 2.7",
        ),
    ),
    Family(
        manufacturer=_YUBICO,
        model=r"^YubiHSM",
        file=r"yubihsm",
        quirks=Quirks(
            family="YubiHSM 2",
            ec_params=(EC_PARAMS_NAME,),
            points=("0420",),
            largest_message=3114,
            public_may_be_missing=False,
            asks_for_each=False,
            pin_form=r"@?[0-9A-Fa-f]{4}.{8,64}",
            pin_hint="a YubiHSM requires the id of its authentication key, 4 hex digits, and then the "
            "password, 8 to 64 characters, as in 0001password",
            sessions=16,
            id_size=2,
            causes={
                "DeviceMemory": (
                    "its audit log is full, or its storage",
                    "yubihsm-shell -a get-logs shows the log, -a set-log-index frees it",
                ),
                "FunctionRejected": (
                    "the authentication key, or the key, lacks a capability for this",
                    "signing needs sign-eddsa in both, and creating generate-asymmetric-key",
                ),
                "DeviceRemoved": (
                    "its connector does not answer",
                    "see that yubihsm-connector runs and reaches the device, then run the command again",
                ),
            },
            configuration="the configuration that YUBIHSM_PKCS11_CONF names, and the connector in it",
            searches_points=False,  # not tried, and each object that such a search gave would be a round trip
            notes=(
                "firmware before 2.4 signs at most 2026 bytes",
                "CKA_ID is the object id of 2 bytes; other ids and labels over 40 bytes cost round trips",
                "an authentication key that does not exist is answered like a lost object",
                "when the connector was away, the driver has to be initialised again",
                "the driver needs its configuration: YUBIHSM_PKCS11_CONF names it",
            ),
            source="measured with yubihsm_pkcs11 2.8.0 on a simulated device; its source code",
        ),
    ),
    Family(
        manufacturer=_YUBICO,
        model=r"^YubiKey",
        quirks=Quirks(
            family="YubiKey PIV",
            ec_params=(EC_PARAMS_NAME,),
            points=("0420",),
            largest_message=3062,
            sets_labels=False,
            sets_ids=False,
            make=_PIV_KEY,
            make_lists="ykman piv info",
            slots=_PIV_SLOTS,
            reset="ykman piv reset deletes all its keys; then ykman piv access change-pin, change-puk and "
            "change-management-key replace the PINs of the factory",
            touch=True,
            pin_form=r".{6,8}",
            pin_hint="the PIN of a YubiKey has 6 to 8 characters",
            sessions=16,
            notes=(
                "Ed25519 needs firmware 5.7 and a ykcs11 that supports it",
                "slots 9a, 9c, 9d, 9e are the ids 1 to 4; 82 to 95 are 5 to 24",
                "the policies for PIN and touch are fixed when the key is made",
                "wrong PINs lock it: 3 tries unless changed",
                "an empty message is refused as if nobody were logged in",
            ),
            source="measured with ykcs11 2.7.2 on a simulated YubiKey 5.7; its source code",
        ),
    ),
    Family(
        manufacturer=r"^www\.CardContact\.de",
        quirks=Quirks(
            family="SmartCard-HSM, Nitrokey HSM 2",
            lacks_ed25519="its chip does not support Ed25519",
            source="support.nitrokey.com/t/2484",
        ),
    ),
    Family(
        library=r"OpenSC",
        quirks=Quirks(
            family="OpenSC",
            ec_params=(EC_PARAMS_OID,),
            points=("0420", "raw"),
            sets_labels=False,
            sets_ids=False,
            make="create the key with gpg --card-edit (OpenPGP) or the program of the card's maker",
            reset="gpg --card-edit, admin, factory-reset deletes the keys of an OpenPGP card; other "
            "cards have programs of their makers",
            touch=True,
            notes=(
                "OpenPGP cards sign with 0.23 and 0.27, PIV cards with 0.27 only",
                "only keys that have a certificate are listed on PIV cards",
                "a wrong PIN for one signature logs the user out",
            ),
            source="measured with 0.23 and 0.27 on simulated cards",
        ),
    ),
    Family(
        manufacturer=r"^IBM",
        file=r"opencryptoki|PKCS11_API",
        quirks=Quirks(
            family="openCryptoki",
            ec_params=(EC_PARAMS_OID,),
            numbers=(STANDARD, IBM),
            points=("raw",),
            public_may_be_missing=False,
            configuration="its daemon pkcsslotd, which has to run, and the group pkcs11, which may use it",
            notes=(
                "keys are extractable unless requested otherwise, which seedless does and reads back",
                "Ed25519 needs 3.27 or newer; the PIN locks after 3 wrong ones",
                "EP11 and CCA tokens had Ed25519 under a number of IBM's before 3.27; that was not tried",
                "the serial may be empty: token init --erase then takes the label, and no policy can name it",
            ),
            source="measured with 3.27, the soft token",
        ),
    ),
    Family(
        manufacturer=r"^Mozilla",
        file=r"softokn",
        quirks=Quirks(
            family="NSS softoken",
            ec_params=(EC_PARAMS_OID,),
            points=("raw",),
            public_may_be_missing=False,
            configuration="NSS_LIB_PARAMS, which names its database",
            reports_origin=False,
            notes=(
                "it asks for a longer buffer than it accepts, exactly 64 bytes; seedless gives that",
                "NSS_LIB_PARAMS names its database, as in configDir='sql:/path/of/the/database'",
                "it reports CKA_LOCAL false for keys that it created, so their origin is not known",
            ),
            source="measured with 3.124",
        ),
    ),
    Family(
        manufacturer=r"SafeNet|Thales",
        quirks=Quirks(
            family="Thales Luna 7",
            numbers=(LUNA, STANDARD),
            points=("0420", "raw", "032100"),
            notes=(
                "vendor numbers: 0x80000C03 signs, 0x80000C01 makes a pair, the key type is 0x80000012",
                "Ed25519 is not available in FIPS mode",
            ),
            source="documents of the vendor and its public headers; not tried",
        ),
    ),
    Family(
        manufacturer=r"Marvell|Cavium|Amazon|CloudHSM",
        quirks=Quirks(
            family="AWS CloudHSM",
            largest_message=16_000,
            pin_form=r"[^:]+:.+",
            pin_hint="CloudHSM requires the name of the crypto user and the password, as in user:password",
            lacks_ed25519="its PKCS#11 library does not list CKM_EDDSA (its own command line signs)",
            source="docs.aws.amazon.com, pkcs11-mechanisms and pkcs11-pin; not tried",
        ),
    ),
    Family(
        library=r"Cloud KMS|kmsp11",
        quirks=Quirks(
            family="Google Cloud KMS",
            lacks_ed25519="libkmsp11 does not support Ed25519, although the service does",
            source="source code of libkmsp11, May 2026; not tried",
        ),
    ),
    Family(
        manufacturer=r"nCipher|Entrust",
        quirks=Quirks(
            family="Entrust nShield",
            notes=("Ed25519 is documented from 12.80 on; the administrator may refuse templates",),
            source="documents of the vendor; not tried",
        ),
    ),
    Family(
        manufacturer=r"Linaro|OP-TEE",
        quirks=Quirks(
            family="OP-TEE", points=("raw",), source="optee_os issue 6239 and source code; not tried"
        ),
    ),
)


_YUBIKEY = next(family for family in FAMILIES if family.quirks.family == "YubiKey PIV")
_YUBIHSM = next(family for family in FAMILIES if family.quirks.family == "YubiHSM 2")
_YUBIHSM_MAJOR = 2


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

    ykcs11 packs minor * 10 + patch into one byte: 5.7.4 as 5 and 74 (its token.c). yubihsm_pkcs11 packs
    minor * 100 + patch, and keeps the lower byte; before it was minor * 10 + patch. 2.3.1 is 2 and 45, or 31.
    """
    major, minor = version
    if _YUBIKEY.means(manufacturer, model, ""):
        return f"{major}.{minor // 10}.{minor % 10}"
    if major == _YUBIHSM_MAJOR and _YUBIHSM.means(manufacturer, model, ""):
        return f"{major}.{_yubihsm_minor(minor)}"
    return f"{major}.{minor}"


def _yubihsm_minor(packed: int) -> str:
    """Return minor and patch of a YubiHSM 2 out of the byte that its driver reports; the byte, if unclear."""
    for minor in range(1, 6):
        patch = packed - minor * 100 % 256
        if 0 <= patch < 10:  # noqa: PLR2004 - a digit
            # 44 to 49 were 2.4.4 to 2.4.9 by an old driver, versions that do not exist.
            return f"{minor}.{patch}"
    return f"{packed // 10}.{packed % 10}" if packed < 44 else f"{packed}"  # noqa: PLR2004 - see above


def _aged(quirks: Quirks, firmware: str) -> Quirks:
    """Return *quirks* as they are with an old *firmware*: a device is judged, and not the list of its driver.

    ykcs11 lists CKM_EDDSA for every YubiKey.
    """
    if quirks.family == "YubiKey PIV":
        numbers = firmware.split(".")
        if not all(number.isdecimal() for number in numbers) or [int(number) for number in numbers] >= [5, 7]:
            return quirks
        why = f"its firmware {firmware} does not support Ed25519, which came with 5.7, and cannot be updated"
        return msgspec.structs.replace(quirks, numbers=(), lacks_ed25519=why)
    return _aged_yubihsm(quirks, firmware)


def _aged_yubihsm(quirks: Quirks, firmware: str) -> Quirks:
    """Lower the ceiling of a YubiHSM 2 with firmware before 2.4."""
    if quirks.family != "YubiHSM 2":
        return quirks
    numbers = firmware.split(".")
    is_old = all(number.isdecimal() for number in numbers) and [*map(int, numbers)] < [2, 4]
    return msgspec.structs.replace(quirks, largest_message=2026) if is_old else quirks
