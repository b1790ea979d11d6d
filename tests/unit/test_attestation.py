"""Attestation: a chain that holds is read; every forgery that comes to mind is refused with its reason."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import certificates as made
from certificates import HSM, PIV, Shape

from seedless.attestation import Attestation, HsmKey, PivKey, parse, verify
from seedless.errors import Refused
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

NOW = 1_790_000_000
KEY = SoftwareKey(Role.OPERATOR, bytes(range(32))).public_key
OTHER = SoftwareKey(Role.OPERATOR, bytes(range(1, 33))).public_key
YUBIKEY = made.yubikey()
YUBIHSM = made.yubihsm()


def attested(
    *given: made.Made, roots: tuple[str, ...] = (YUBIKEY.root.digest,), now: int = NOW
) -> Attestation:
    return verify([one for file in given for one in parse(file.pem)], KEY, roots, now)


def refusal(*given: made.Made, roots: tuple[str, ...] = (YUBIKEY.root.digest,), now: int = NOW) -> str:
    with pytest.raises(Refused) as caught:
        attested(*given, roots=roots, now=now)
    return caught.value.message


def test_a_yubikey_reports_firmware_serial_slot_and_policies() -> None:
    found = attested(YUBIKEY.root, YUBIKEY.piv(KEY.raw), YUBIKEY.own)
    assert (found.public_key, found.serial, found.firmware) == (KEY, 12345678, "5.7.4")
    assert found.key == PivKey(slot="9c", pin="always", touch="always", form_factor="USB-C")
    assert found.root == YUBIKEY.root.digest
    assert found.lines == (
        "created on a YubiKey, serial 12345678, firmware 5.7.4 (USB-C), slot 9c",
        "PIN always, touch always",
        f"chain: Yubico PIV Root CA Serial 263751 ({YUBIKEY.root.digest}), pinned by the policy",
    )


def test_the_chain_of_an_attestation_verifies_again() -> None:
    leaf = YUBIKEY.piv(KEY.raw)
    found = attested(YUBIKEY.root, YUBIKEY.own, made.yubikey(4).own, leaf)
    assert [one.der for one in parse(found.chain.encode())] == [leaf.der, YUBIKEY.own.der, YUBIKEY.root.der]
    assert verify(parse(found.chain.encode()), KEY, {YUBIKEY.root.digest}, NOW) == found


def test_a_yubihsm_reports_object_domains_and_capabilities() -> None:
    found = attested(YUBIHSM.hsm(KEY.raw), YUBIHSM.own, YUBIHSM.root, roots=(YUBIHSM.root.digest,))
    assert (found.serial, found.firmware) == (34331133, "2.4.1")
    assert found.key == HsmKey(
        object_id=3, label="operator:ACME", domains=(1, 3), capabilities=("sign-eddsa",)
    )
    assert found.lines[:2] == (
        "created on a YubiHSM 2, serial 34331133, firmware 2.4.1, object 0x0003",
        "domains 1, 3, capabilities sign-eddsa",
    )


def test_a_file_may_be_der() -> None:
    (one,) = parse(YUBIKEY.root.der)
    assert one.digest == YUBIKEY.root.digest


def test_the_own_certificate_of_the_slot_is_passed_over() -> None:
    shape = Shape(name="ACME operator", is_authority=False)
    found = attested(YUBIKEY.attest(KEY.raw, shape), YUBIKEY.piv(KEY.raw), YUBIKEY.own, YUBIKEY.root)
    assert isinstance(found.key, PivKey)


def test_the_key_of_another_is_refused() -> None:
    given = YUBIKEY.piv(OTHER.raw), YUBIKEY.own, YUBIKEY.root
    assert refusal(*given) == f"no certificate that was given is of the key {KEY}"


def test_another_root_of_the_same_name_is_refused() -> None:
    twin = made.yubikey(2)
    assert "root that the policy pins" in refusal(twin.piv(KEY.raw), twin.own, twin.root)
    given = twin.piv(KEY.raw), twin.own, twin.root, YUBIKEY.root
    assert f"it ends at CN=Yubico PIV Root CA Serial 263751 with the SHA-256 {twin.root.digest}" in refusal(
        *given
    )


def test_a_leaf_of_another_device_is_refused() -> None:
    other = made.Device(YUBIKEY.root, made.authority(Shape(name="Yubico PIV Attestation"), 6, YUBIKEY.root))
    text = refusal(other.piv(KEY.raw), YUBIKEY.own, YUBIKEY.root)
    assert text.endswith(
        "CN=YubiKey PIV Attestation 9c is not signed by the key of CN=Yubico PIV Attestation"
    )


def test_a_missing_certificate_of_the_device_is_named() -> None:
    assert "the certificate of CN=Yubico PIV Attestation, which issued" in refusal(
        YUBIKEY.piv(KEY.raw), YUBIKEY.root
    )


def test_one_changed_byte_breaks_the_signature() -> None:
    der = YUBIKEY.piv(KEY.raw, x8=b"\x02\x01").der
    policies = bytes.fromhex("0302")
    at = der.index(bytes.fromhex("0201"), der.index(bytes.fromhex("82c40a0308")))
    forged = der[:at] + policies + der[at + 2 :]
    with pytest.raises(Refused, match="is not signed by the key of"):
        verify([*parse(forged), *parse(YUBIKEY.own.pem + YUBIKEY.root.pem)], KEY, {YUBIKEY.root.digest}, NOW)


def test_a_key_in_a_slot_issues_nothing() -> None:
    slot = Shape(name="YubiKey PIV Attestation 9d", is_authority=False, extensions=made.PIV_EXTENSIONS)
    rsa = made.rsa_key(8)
    below = made.Made(made.certify(slot, rsa.public_key(), YUBIKEY.own, YUBIKEY.own.key), rsa)
    forged = made.Device(YUBIKEY.root, below).piv(KEY.raw)
    text = refusal(forged, below, YUBIKEY.own, YUBIKEY.root)
    assert text.endswith("Attestation 9d is not a certificate authority, and issued a certificate")


def test_a_path_longer_than_the_device_may_issue_is_refused() -> None:
    below = made.authority(Shape(name="Yubico PIV Attestation Z"), 8, YUBIKEY.own)
    forged = made.Device(YUBIKEY.root, below).piv(KEY.raw)
    assert "does not hold" in refusal(forged, below, YUBIKEY.own, YUBIKEY.root)


def test_a_pinned_certificate_of_the_key_itself_proves_nothing() -> None:
    leaf = YUBIKEY.piv(KEY.raw)
    assert refusal(leaf, roots=(leaf.digest,))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"x8": None}, "is not an attestation"),
        ({"x3": None}, f"does not have the firmware ({PIV}.3)"),
        ({"x7": None}, f"does not have the serial number ({PIV}.7)"),
        ({"x8": b"\x03"}, "has 1 bytes instead of 2"),
        ({"x8": b"\x09\x01"}, "policies for PIN and touch that are not known: 9, 1"),
        ({"x7": b"\x02\x04\x00"}, "is not what a device writes there"),
        ({"x7": b"\x02\x01\xff"}, "is not a number from 0 on"),
        ({"slot": "9c\n"}, "is not named as a YubiKey names an attestation"),
    ],
)
def test_an_attestation_of_a_yubikey_that_is_not_whole_is_refused(given: dict[str, bytes], text: str) -> None:
    assert text in refusal(YUBIKEY.piv(KEY.raw, **given), YUBIKEY.own, YUBIKEY.root)  # type: ignore[arg-type]  # a slot is text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"x3": b"\x03\x02\x00\x02"}, "not created on the device: its origin is 0x02"),
        ({"x3": b"\x03\x02\x00\x11"}, "not created on the device: its origin is 0x11"),
        ({"x3": b"\x03\x02\x04\x10"}, "is not 8 bits"),
        ({"x5": bytes.fromhex("0309000000000000010100")}, "it has exportable-under-wrap"),
        ({"x5": None}, f"does not have the capabilities ({HSM}.5)"),
        ({"x6": None}, f"does not have the object id ({HSM}.6)"),
        ({"x1": b"\x04\x02\x02\x04"}, "firmware that is not three bytes"),
        ({"x3": None}, "is not an attestation"),
    ],
)
def test_an_attestation_of_a_yubihsm_for_a_key_that_can_be_elsewhere_is_refused(
    given: dict[str, bytes], text: str
) -> None:
    found = YUBIHSM.hsm(KEY.raw, **given), YUBIHSM.own, YUBIHSM.root
    assert text in refusal(*found, roots=(YUBIHSM.root.digest,))


def test_every_certificate_has_to_be_valid_at_the_time_that_is_given() -> None:
    given = YUBIKEY.piv(KEY.raw), YUBIKEY.own, YUBIKEY.root
    at = int(made.LAST.replace(tzinfo=dt.UTC).timestamp())
    assert attested(*given, now=at).serial == 12345678
    assert "is valid from 2017-01-01 00:00:00 UTC to 2071-10-05 00:00:00 UTC, and it is" in refusal(
        *given, now=at + 1
    )
    assert "is valid from 2017" in refusal(*given, now=1_400_000_000)


@pytest.mark.parametrize("now", [10**13, -(10**13), 2**63, -(2**70)])
def test_a_time_that_no_calendar_has_is_refused(now: int) -> None:
    text = refusal(YUBIKEY.piv(KEY.raw), YUBIKEY.own, YUBIKEY.root, now=now)
    assert text == f"no certificate is valid at {now} seconds since 1970"


def test_a_root_that_has_expired_is_refused() -> None:
    dates = made.FIRST, dt.datetime(2020, 1, 1)  # noqa: DTZ001 - UTC
    root = made.authority(Shape(name="Yubico PIV Root", dates=dates), 0)
    own = made.authority(Shape(name="Yubico PIV Attestation", path_length=0), 1, root)
    leaf = made.Device(root, own).piv(KEY.raw)
    assert "CN=Yubico PIV Root is valid from" in refusal(leaf, own, root, roots=(root.digest,))


def test_an_expired_issuer_is_named() -> None:
    dates = made.FIRST, dt.datetime(2020, 1, 1)  # noqa: DTZ001 - UTC
    own = made.authority(Shape(name="Yubico PIV Attestation", dates=dates), 1, YUBIKEY.root)
    text = refusal(made.Device(YUBIKEY.root, own).piv(KEY.raw), own, YUBIKEY.root)
    assert "CN=Yubico PIV Attestation is valid from" in text


@pytest.mark.parametrize("data", [b"", b"\x30\x80", b"-----BEGIN CERTIFICATE-----\nAAAA\n", bytes(1_100_000)])
def test_what_is_no_certificate_is_refused_with_its_file(data: bytes) -> None:
    with pytest.raises(Refused, match=r"^slot\.pem "):
        parse(data, "slot.pem")


def test_more_certificates_than_a_chain_has_are_refused() -> None:
    with pytest.raises(Refused, match="201 certificates"):
        parse(YUBIKEY.root.pem * 201)
    with pytest.raises(Refused, match="201 certificates were given"):
        verify(parse(YUBIKEY.root.pem) * 201, KEY, (), NOW)
    twins = [made.authority(Shape(name="Yubico PIV Attestation"), 6, YUBIKEY.root) for _ in range(16)]
    text = refusal(YUBIKEY.piv(KEY.raw), YUBIKEY.own, YUBIKEY.root, *twins)
    assert text.startswith("18 certificates have the names of issuers of CN=YubiKey PIV Attestation 9c")


def test_the_intermediates_of_all_products_of_a_maker_may_be_in_the_file() -> None:
    others = [made.authority(Shape(name=f"Product {number}"), 6, YUBIKEY.root) for number in range(40)]
    given = [*others, YUBIKEY.piv(KEY.raw), YUBIKEY.own, YUBIKEY.root, YUBIKEY.own, YUBIKEY.root]
    assert attested(*given).serial == 12345678


@pytest.mark.parametrize("missing", ["cryptography", "cryptography.x509.verification"])
def test_without_cryptography_a_sentence_names_what_to_install(missing: str) -> None:
    code = (
        f"import sys\nsys.modules['{missing}'] = None\nfrom seedless.attestation import parse, verify\n"
        "from seedless.errors import MissingPackage\n"
        "for read in (lambda: parse(b''), lambda: verify([], None, (), 0)):\n"
        "    try: read()\n"
        "    except MissingPackage as error: print(error.message, '|', error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 2 * (
        "certificates cannot be read without the Python package cryptography, 45.0 or newer"
        " | pip install 'seedless[attest]'\n"
    )
