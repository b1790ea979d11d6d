"""`seedless key attest`, and signing under a policy that requires it: SoftHSM holds the certificate objects.

The certificates are made by the tests: SoftHSM attests nothing, and no hardware was used.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11.constants import Attribute, CertificateType, ObjectClass

sys.path.insert(0, str(Path(__file__).parents[1]))

import certificates as made

from seedless.nkey import PublicKey
from seedless.pin import parse_pin_source
from seedless.pkcs11.token import open_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

YUBIKEY = made.yubikey()


def put_on_token(cli: Cli, *values: bytes) -> None:
    """Put certificate objects on the token, public ones, as ykcs11 shows them."""
    pins = parse_pin_source(f"file:{cli.home / 'pin'}")
    (cli.home / "pin").write_text(cli.token.pin)
    (cli.home / "pin").chmod(0o600)
    with (
        open_token(KeyUri.parse(cli.token.uri), pins, module=cli.token.module, writable=True) as token,
        token.session.use("put a certificate there") as raw,
    ):
        for number, value in enumerate(values):
            raw.create_object(
                {
                    Attribute.CLASS: ObjectClass.CERTIFICATE,
                    Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: False,
                    Attribute.LABEL: f"X.509 Certificate for PIV Attestation {number}",
                    Attribute.SUBJECT: b"\x30\x00",
                    Attribute.VALUE: value,
                }
            )


def written(cli: Cli, name: str, data: bytes) -> str:
    path: Path = cli.home / name
    path.write_bytes(data)
    return str(path)


def policy(cli: Cli, operator: str, required: str = "", more: str = "") -> str:
    text = f'operator = "{operator}"\n{more}[attestation]\nroots = ["{YUBIKEY.root.digest}"]\n{required}'
    return written(cli, "policy.toml", text.encode())


@pytest.fixture
def operator(cli: Cli) -> str:
    """An operator's key on the token, in the inventory."""
    found: str = cli.ok("key", "new", "--role", "operator", "-n", "ACME", "--json").data["public_key"]
    return found


def test_certificates_on_the_token_are_read_without_a_pin_and_verified(cli: Cli, operator: str) -> None:
    raw = PublicKey.parse(operator).raw
    leaf = YUBIKEY.piv(raw)
    put_on_token(cli, b"no certificate", leaf.der, YUBIKEY.own.der, YUBIKEY.piv(bytes(31) + b"\x01").der)
    words = ("key", "attest", operator, "-c", written(cli, "roots.pem", YUBIKEY.root.pem))
    done = cli.ok(*words, "--policy", policy(cli, operator), SEEDLESS_PIN_SOURCE=None, TOKEN_PIN=None)
    assert done.out == (
        f"operator ACME {operator}\n"
        "  created on a YubiKey, serial 12345678, firmware 5.7.4 (USB-C), slot 9c\n"
        "  PIN always, touch always\n"
        f"  chain: Yubico PIV Root CA Serial 263751 ({YUBIKEY.root.digest}), pinned by the policy\n"
        "this proves where the key was created; not who holds the device, nor when it was created\n"
    )
    kept = cli.store / "attestations" / f"{operator}.pem"
    assert kept.read_bytes() == leaf.pem + YUBIKEY.own.pem + YUBIKEY.root.pem
    (entry,) = cli.ok("key", "list", "--json").data["keys"]
    assert entry["public_key"] == operator
    assert entry["attested"]["sha256"] == leaf.digest


def test_an_attestation_of_a_yubihsm_comes_from_files(cli: Cli, operator: str) -> None:
    device = made.yubihsm()
    files = [
        word
        for number, one in enumerate(
            (device.hsm(PublicKey.parse(operator).raw).der, device.own.der, device.root.pem)
        )
        for word in ("-c", written(cli, f"{number}.crt", one))
    ]
    pinned = f'operator = "{operator}"\n[attestation]\nroots = ["{device.root.digest}"]\n'
    found = cli.ok(
        "key", "attest", operator, *files, "--no-token", "--json", "--dry-run",
        "--policy", written(cli, "hsm.toml", pinned.encode()),
    ).data  # fmt: skip
    assert (found["device"], found["serial"], found["firmware"], found["kept"]) == (
        "YubiHSM 2",
        34331133,
        "2.4.1",
        False,
    )
    assert found["key"] == {
        "object_id": 3,
        "label": "operator:ACME",
        "domains": [1, 3],
        "capabilities": ["sign-eddsa"],
    }
    assert not (cli.store / "attestations").exists()


def test_what_is_forged_is_refused_and_nothing_is_kept(cli: Cli, operator: str) -> None:
    twin = made.yubikey(2)
    forged = twin.piv(PublicKey.parse(operator).raw).pem + twin.own.pem + twin.root.pem
    before = cli.files()
    done = cli.run(
        "key", "attest", operator, "-c", written(cli, "forged.pem", forged), "--no-token",
        "--policy", policy(cli, operator),
    )  # fmt: skip
    assert (done.code, done.out) == (3, "")
    assert "no certificate that was given is a root that the policy pins" in done.err
    assert cli.files() == before


def test_without_roots_an_inventory_entry_or_a_file_a_sentence_reports_what_to_do(
    cli: Cli, operator: str
) -> None:
    done = cli.run("key", "attest", operator, "--no-token")
    assert (done.code, "no policy that pins the roots of attestations is named" in done.err) == (2, True)
    other = str(PublicKey(PublicKey.parse(operator).role, bytes(32)))
    done = cli.run("key", "attest", other, "--policy", policy(cli, operator))
    assert (done.code, "the inventory does not have " in done.err) == (4, True)
    done = cli.run("key", "attest", operator, "-c", "missing.pem", "--policy", policy(cli, operator))
    assert (done.code, "there is no file missing.pem" in done.err) == (2, True)


def test_a_policy_that_requires_it_lets_only_an_attested_key_sign(cli: Cli, operator: str) -> None:
    pinned = policy(cli, operator, 'required = ["operator"]\n')
    words = ("operator", "add", "ACME", "--public-key", operator, "--policy", pinned)
    done = cli.run(*words)
    assert (done.code, done.out) == (3, "")
    assert (
        f"P014 the policy requires an attestation of operator ACME ({operator}), and there is none"
        in done.err
    )
    chain = YUBIKEY.piv(PublicKey.parse(operator).raw).pem + YUBIKEY.own.pem + YUBIKEY.root.pem
    file = written(cli, "chain.pem", chain)
    cli.ok("key", "attest", operator, "-c", file, "--no-token", "--policy", pinned)
    cli.ok(*words)


def test_who_writes_into_the_inventory_and_its_folder_attests_nothing(cli: Cli, operator: str) -> None:
    twin = made.yubikey(2)
    own = written(
        cli, "own.toml", f'operator = "{operator}"\n[attestation]\nroots = ["{twin.root.digest}"]\n'.encode()
    )
    chain = twin.piv(PublicKey.parse(operator).raw).pem + twin.own.pem + twin.root.pem
    cli.ok("key", "attest", operator, "-c", written(cli, "c.pem", chain), "--no-token", "--policy", own)
    pinned = policy(cli, operator, 'required = ["operator"]\n')
    done = cli.run("operator", "add", "ACME", "--public-key", operator, "--policy", pinned)
    assert (done.code, done.out) == (3, "")
    assert "P014 no certificate that was given is a root that the policy pins" in done.err


def test_a_device_that_the_policy_does_not_list_is_refused(cli: Cli, operator: str) -> None:
    chain = YUBIKEY.piv(PublicKey.parse(operator).raw).pem + YUBIKEY.own.pem + YUBIKEY.root.pem
    file = written(cli, "chain.pem", chain)
    cli.ok("key", "attest", operator, "-c", file, "--no-token", "--policy", policy(cli, operator))
    pinned = policy(
        cli, operator, 'required = ["operator"]\n', more=f'tokens = ["{cli.token.serial}", "87654321"]\n'
    )
    done = cli.run("operator", "add", "ACME", "--public-key", operator, "--policy", pinned)
    assert (done.code, done.out) == (3, "")
    assert "is attested by the YubiKey with the serial 12345678, which is not one that the policy" in done.err


def test_a_key_that_the_inventory_does_not_have_signs_no_more_than_others(cli: Cli, operator: str) -> None:
    (cli.store / "keyring.json").unlink()
    pinned = policy(cli, operator, 'required = ["operator"]\n')
    done = cli.run("operator", "add", "ACME", "--public-key", operator, "--policy", pinned)
    assert (done.code, done.out) == (3, "")
    assert f"P014 the policy requires an attestation of {operator}, and there is none" in done.err
