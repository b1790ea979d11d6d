"""The rows of the table of device families, in the order in which they are tried.

"measured" is with the vendor's own library on a simulated device, or with the software token itself; nothing
here was tried on hardware. Numbers and limits of the others are from documents or source code.
"""

from __future__ import annotations

from typing import Final

from seedless.pkcs11.quirks import EC_PARAMS_NAME, EC_PARAMS_OID, IBM, LUNA, STANDARD, Family, Quirks

_YUBICO = r"^Yubico"

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
            pin_hint="a YubiHSM wants the id of its authentication key, 4 hex digits, and then the password, "
            "8 to 64 characters, as in 0001password",
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
                "Ed25519 needs firmware 5.7 and a ykcs11 that knows it",
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
            lacks_ed25519="its chip knows no Ed25519",
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
                "keys are extractable unless told otherwise, which seedless does and reads back",
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
            pin_hint="CloudHSM wants the name of the crypto user and the password, as in user:password",
            lacks_ed25519="its PKCS#11 library does not list CKM_EDDSA (its own command line signs)",
            source="docs.aws.amazon.com, pkcs11-mechanisms and pkcs11-pin; not tried",
        ),
    ),
    Family(
        library=r"Cloud KMS|kmsp11",
        quirks=Quirks(
            family="Google Cloud KMS",
            lacks_ed25519="libkmsp11 knows no Ed25519, although the service does",
            source="source code of libkmsp11, May 2026; not tried",
        ),
    ),
    Family(
        manufacturer=r"nCipher|Entrust",
        quirks=Quirks(
            family="Entrust nShield",
            notes=("Ed25519 is said to be there from 12.80 on; the administrator may refuse templates",),
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
