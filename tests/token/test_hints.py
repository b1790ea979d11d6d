"""What a person reads of devices: an answer by its code and its family, and hints that destroy nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11.constants import Attribute

from seedless.errors import ModuleError, TokenError
from seedless.nkey import Role
from seedless.pkcs11 import signing
from seedless.pkcs11.initialise import blank_or_named, initialise_token
from seedless.pkcs11.module import load
from seedless.pkcs11.uri import KeyUri
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Given = Callable[..., Any]
    Misbehaving = Any
    Cli = Any

SOFTWARE = SoftwareKey(Role.USER, bytes(range(32)))
KEY = SOFTWARE.public_key
YUBIKEY = ("set manufacturer Yubico (www.yubico.com)", "set model YubiKey YK5", "set firmware 5 74")
YUBIHSM = ("set manufacturer Yubico (www.yubico.com)", "set model YubiHSM")
UNKNOWN = ("set manufacturer Nobody knows", "set model K7")
AGAIN = "run the command again; if it stays, unplug the token and plug it in"


@pytest.fixture
def crooked(misbehaving: Misbehaving) -> Misbehaving:
    """A misbehaving token with one known key."""
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x02")
    return misbehaving


def where(crooked: Misbehaving) -> str:
    return f'token "{crooked.made.label}" (serial {crooked.made.serial})'


@pytest.mark.parametrize(
    ("device", "fault", "said", "hint"),
    [
        pytest.param(
            YUBIHSM,
            "DEVICE_MEMORY",
            "its audit log is full, or its storage",
            "yubihsm-shell -a get-logs shows the log, -a set-log-index frees it",
            id="yubihsm-audit-log-full",
        ),
        pytest.param(
            YUBIHSM,
            "0x200",
            "the authentication key, or the key, lacks a capability for this",
            "signing needs sign-eddsa in both, and creating generate-asymmetric-key",
            id="yubihsm-capability",
        ),
        pytest.param(
            YUBIHSM,
            "DEVICE_REMOVED",
            "its connector does not answer (as before; the driver was restarted in between)",
            "see that yubihsm-connector runs and reaches the device, then run the command again",
            id="yubihsm-connector",
        ),
        pytest.param(
            UNKNOWN,
            "DEVICE_MEMORY",
            "the token is full",
            "delete keys that are not wanted any more",
            id="full",
        ),
        pytest.param(
            UNKNOWN,
            "0x200",
            "it was refused on the token",
            "if it blinks or has a button, touch it in time; it may also lack a permission for this",
            id="rejected",
        ),
        pytest.param(UNKNOWN, "GENERAL_ERROR", "the driver reports a general error", AGAIN, id="no-softhsm"),
        pytest.param(
            (),
            "GENERAL_ERROR",
            "the driver reports a general error",
            "its configuration (SOFTHSM2_CONF) or the files of the token may be damaged",
            id="softhsm",
        ),
    ],
)
def test_the_sentence_follows_from_the_code_and_the_family(
    crooked: Misbehaving, opened: Open, device: tuple[str, ...], fault: str, said: str, hint: str
) -> None:
    crooked.wants(*device, f"set pad {crooked.made.pin}")
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.wants(*device, f"set pad {crooked.made.pin}", f"fault C_Sign 1+ {fault}")
        with pytest.raises(TokenError) as refused:
            signer.sign(b"claims")
    assert (refused.value.message, refused.value.hint) == (
        f"cannot sign on {where(crooked)}: {said}",
        hint,
    )


def test_a_signature_that_nobody_touched_is_one_wait_and_a_sentence(
    crooked: Misbehaving, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "UNTOUCHED_AFTER", 0.5)
    crooked.wants(*YUBIKEY, f"set pad {crooked.made.pin}")
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.forget()
        crooked.wants(*YUBIKEY, f"set pad {crooked.made.pin}", "fault C_Sign 1+ LATE 0x101")
        with pytest.raises(TokenError) as refused:
            signer.sign(b"claims")
    assert refused.value.message == (
        f"cannot sign on {where(crooked)}: it failed after 1 seconds, as if nobody touched it"
    )
    assert refused.value.hint == "run the command again, and touch the device whenever it blinks"
    assert (crooked.calls("C_Sign"), crooked.calls("C_Initialize")) == (1, 0)


def test_a_login_that_was_lost_on_a_yubikey_is_no_missing_touch(crooked: Misbehaving, opened: Open) -> None:
    crooked.wants(*YUBIKEY, f"set pad {crooked.made.pin}")
    with opened(crooked.made) as token:
        signer = token.signer(KEY)
        crooked.wants(*YUBIKEY, f"set pad {crooked.made.pin}", "fault C_Sign 1 LATE 0x101")
        assert signer.sign(b"claims") == SOFTWARE.sign(b"claims")


def _fill(crooked: Misbehaving, opened: Open, ids: range) -> None:
    with opened(crooked.made, writable=True) as token, token.session.use("test") as raw:
        for number in ids:
            raw.create_object(
                {
                    Attribute.CLASS: 2,
                    Attribute.KEY_TYPE: 0x40,
                    Attribute.EC_PARAMS: bytes.fromhex("06032b6570"),
                    Attribute.EC_POINT: b"\x04\x20" + bytes([number]) * 32,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: False,
                    Attribute.ID: bytes([number]),
                }
            )


def test_a_hint_names_a_slot_that_shows_no_key_and_goes_on_to_its_registration(
    crooked: Misbehaving, opened: Open
) -> None:
    crooked.wants(*YUBIKEY, f"set pad {crooked.made.pin}")
    with opened(crooked.made, writable=True) as token, pytest.raises(TokenError) as refused:
        token.generate("user:made")
    assert refused.value.hint == (
        "slot 9a shows no key, and ykman piv info confirms it: "
        "create a key with ykman piv keys generate -a ED25519 9a public.pem, "
        "or yubico-piv-tool -a generate -A ED25519 -s 9a --pin-policy=always -o public.pem; "
        "then seedless key register --role ROLE --name NAME --id 01, and give its public key by --public-key"
    )


def test_a_device_without_a_free_slot_is_reported_as_full(crooked: Misbehaving, opened: Open) -> None:
    _fill(crooked, opened, range(1, 25))
    crooked.wants(*YUBIKEY, f"set pad {crooked.made.pin}")
    with opened(crooked.made, writable=True) as token:
        with pytest.raises(TokenError) as refused:
            token.generate("user:made")
        with pytest.raises(TokenError) as not_imported:
            token.import_key(SoftwareKey(Role.USER, bytes(32)), "user:other")
    assert refused.value.hint.startswith("no slot for signatures is free (9c, 9a, 82, 83, 84")
    assert "ykman" not in refused.value.hint + not_imported.value.hint


def test_a_device_that_keeps_its_label_is_not_erased(crooked: Misbehaving) -> None:
    crooked.wants(*YUBIKEY)
    uri = KeyUri.parse(crooked.made.uri)
    with pytest.raises(TokenError) as refused:
        blank_or_named(crooked.made.module, uri)
    with pytest.raises(TokenError, match="was left as it is"):
        initialise_token(
            crooked.made.module, uri, label="x", so_pin="1" * 8, pin="1" * 8, erase=crooked.made.serial
        )
    assert refused.value.message == (
        f"{where(crooked)} was left as it is: it keeps its label (YubiKey PIV), "
        "and another program sets its PINs"
    )
    assert refused.value.hint.startswith(
        "ykman piv reset deletes all its keys; then ykman piv access change-pin"
    )
    assert crooked.calls("C_InitToken") == 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("libsofthsm2.so", "look at SOFTHSM2_CONF, and the folder of tokens that it names"),
        (
            "yubihsm_pkcs11.so",
            "look at the configuration that YUBIHSM_PKCS11_CONF names, and the connector in it",
        ),
        ("other.so", "look at the driver's configuration"),
    ],
)
def test_a_module_that_does_not_initialise_is_explained_by_its_own_configuration(
    misbehaving: Misbehaving, in_child: Callable[..., Any], tmp_path: Path, name: str, hint: str
) -> None:
    copy = tmp_path / name
    shutil.copy(misbehaving.made.module, copy)
    misbehaving.wants("fault C_Initialize 1+ GENERAL_ERROR")
    done = in_child(
        misbehaving.made,
        "try:\n    load(Path(os.environ['COPY']))\n"
        "except SeedlessError as error:\n    print(error.message + '|' + error.hint)\n",
        COPY=str(copy),
    )
    said = f"cannot initialise the module on {copy}: the driver reports a general error|{hint}\n"
    assert (done.stdout, done.stderr) == (said, "")


def test_the_missing_libraries_of_a_module_are_named(tmp_path: Path) -> None:
    for name, needs in (("libfirst.so", ()), ("libsecond.so", ()), ("module.so", ("-lfirst", "-lsecond"))):
        options = ["-shared", "-o", str(tmp_path / name), f"-L{tmp_path}", "-Wl,--no-as-needed", *needs]
        subprocess.run(["cc", "-x", "c", "/dev/null", *options], check=True)
    for name in ("libfirst.so", "libsecond.so"):
        (tmp_path / name).unlink()
    with pytest.raises(ModuleError) as refused:
        load(tmp_path / "module.so")
    assert refused.value.message == (
        f"cannot load {tmp_path}/module.so: shared libraries that it requires are missing: "
        "libfirst.so, libsecond.so"
    )
    assert refused.value.hint.startswith("install the packages that contain them")


def test_no_pin_in_the_environment_is_given_to_what_names_the_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "module.so"
    for name, needs in (("libgone.so", ()), ("module.so", ("-lgone",))):
        options = ["-shared", "-o", str(tmp_path / name), f"-L{tmp_path}", "-Wl,--no-as-needed", *needs]
        subprocess.run(["cc", "-x", "c", "/dev/null", *options], check=True)
    (tmp_path / "libgone.so").unlink()
    (tmp_path / "ldd").write_text(f"#!/bin/sh\nenv > {tmp_path}/env\n", encoding="ascii")
    (tmp_path / "ldd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SEEDLESS_TEST_PIN", "pin-0815")
    with pytest.raises(ModuleError, match=r"are missing: libgone\.so$"):
        load(module)
    assert "pin-0815" not in (tmp_path / "env").read_text(encoding="utf-8")


@pytest.mark.parametrize("erase", ["--erase", "--dry-run"])
def test_token_init_asks_for_no_pin_of_a_device_that_keeps_its_label(
    crooked: Misbehaving, cli: Cli, erase: str
) -> None:
    crooked.wants(*YUBIKEY)
    made = crooked.made
    words = ("token", "init", "--label", "NEW", erase, *([made.serial] if erase == "--erase" else []))
    env = {name: os.environ[name] for name in ("MISBEHAVE", "MISBEHAVE_MODULE")}
    named = {"SEEDLESS_MODULE": str(made.module), "SEEDLESS_TOKEN": f"pkcs11:token={made.label}"}
    done = cli.child(*words, **env, **named)
    assert (done.code, done.out) == (4, "")
    assert "was left as it is: it keeps its label (YubiKey PIV)" in done.err
    assert "hint: ykman piv reset deletes all its keys" in done.err
    assert (crooked.calls("C_InitToken"), crooked.calls("C_Login")) == (0, 0)
