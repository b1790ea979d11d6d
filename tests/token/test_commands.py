"""What a person sees of a token that misbehaves: whole commands, as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless import jwt
from seedless.nkey import Role
from seedless.pkcs11.observer import touch_notice
from seedless.pkcs11.token_info import TokenInfo
from seedless.seeds import SoftwareKey

sys.path.insert(0, str(Path(__file__).parents[1]))

from share_holders import Holders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Misbehaving = Any

SAID = (
    "error: cannot go on: the driver {module} {did}\nhint: what was recorded is kept; run the command again"
)


@dataclass(frozen=True)
class Bench:
    """A home with an operator and an account, and a driver before its token that misbehaves when told to."""

    cli: Any
    crooked: Misbehaving
    env: dict[str, str]

    @property
    def jwt(self) -> Path:
        found: Path = self.cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
        return found

    @property
    def command(self) -> tuple[str, ...]:
        return ("sign", str(self.jwt), "--record", "--yes")

    def run(self, *faults: str, words: tuple[str, ...] = (), **env: str | None) -> Any:  # noqa: ANN401 - conftest's
        self.crooked.forget()
        self.crooked.wants(*faults)
        return self.cli.child(*(words or self.command), **(self.env | env))

    def start(self, *faults: str, **env: str) -> subprocess.Popen[str]:
        """Start the command and wait until its driver has been asked for a signature."""
        self.crooked.forget()
        self.crooked.wants(*faults)
        process = subprocess.Popen(
            [sys.executable, "-m", "seedless", *self.cli.agreed(*self.command)],
            env=self.cli.env_with(**self.env, **env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        until = time.monotonic() + 20
        while not self.crooked.calls("C_Sign") and time.monotonic() < until:
            time.sleep(0.02)
        return process


@pytest.fixture
def bench(cli: Any, misbehaving: Misbehaving) -> Bench:  # noqa: ANN401 - conftest's
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    env = {name: os.environ[name] for name in ("MISBEHAVE", "MISBEHAVE_MODULE")}
    return Bench(cli, misbehaving, env | {"SEEDLESS_MODULE": str(misbehaving.made.module)})


def last(bench: Bench, did: str) -> str:
    return SAID.format(module=bench.crooked.made.module, did=did)


@pytest.mark.parametrize(
    ("fault", "did"),
    [
        pytest.param("C_Sign 1+ SEGV", "crashed with signal 11 (SIGSEGV)", id="crash"),
        pytest.param("C_Sign 1+ ABORT", "crashed with signal 6 (SIGABRT)", id="abort"),
        pytest.param("C_Sign 1+ EXIT 5", "ended its process with exit code 5", id="exit-as-softhsm-does"),
        pytest.param("C_Sign 1+ EXIT 0", "ended its process with exit code 0", id="exit-as-if-all-were-well"),
        pytest.param("C_Sign 1+ SLEEP 60", "did not answer within 1.5 seconds", id="hang"),
        pytest.param("C_SignInit 1+ SLEEP 60", "did not answer within 1.5 seconds", id="hang-before-it"),
        pytest.param("C_Initialize 1+ SEGV", "crashed with signal 11 (SIGSEGV)", id="crash-when-loaded"),
        pytest.param("C_Initialize 1+ SLEEP 60", "did not answer within 1.5 seconds", id="hang-when-loaded"),
        pytest.param("C_GetSlotList 1+ SLEEP 60", "did not answer within 1.5 seconds", id="hang-of-slots"),
        pytest.param("C_Login 1+ SEGV", "crashed with signal 11 (SIGSEGV)", id="crash-in-the-login"),
        pytest.param("C_Login 1+ SLEEP 60", "did not answer within 1.5 seconds", id="hang-in-the-login"),
    ],
)
def test_a_driver_that_ends_or_hangs_ends_the_command_with_a_sentence_and_exit_code_4(
    bench: Bench, fault: str, did: str
) -> None:
    before = bench.cli.files()
    done = bench.run(f"fault {fault}", SEEDLESS_DEADLINE="1.5")
    assert (done.code, done.out) == (4, "")
    assert last(bench, did) in done.err
    assert done.err.count("error:") == 1
    assert "Traceback" not in done.err
    assert bench.cli.files() == before
    assert bench.crooked.calls("C_Login") <= 1
    assert bench.crooked.calls("C_Sign") <= 1


def test_a_driver_that_crashes_when_all_is_done_is_reported_and_what_was_recorded_is_whole(
    bench: Bench,
) -> None:
    done = bench.run("fault C_CloseSession 1+ SEGV")
    assert (done.code, last(bench, "crashed with signal 11 (SIGSEGV)") in done.err) == (4, True)
    jwt.read(bench.jwt.read_text(encoding="ascii"))
    assert bench.run().code == 0


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        pytest.param(["fault C_Sign 1 WRONG"], "gave a wrong signature: it does not verify", id="wrong"),
        pytest.param(["fault C_Sign 1 TRUNCATED"], "returned 63 bytes for a signature of 64", id="truncated"),
        pytest.param(["fault C_SignInit 1 OTHER_KEY"], "gave a wrong signature", id="another-keys"),
        pytest.param(["fault C_Sign 1+ DEVICE_REMOVED"], "the device was removed", id="device-stays-away"),
        pytest.param(["fault C_Sign 1+ GENERAL_ERROR"], "reports a general error", id="general-error"),
        pytest.param(["fault C_Login 1+ 0xa4"], "the PIN was wrong and is now locked", id="pin-locked"),
        pytest.param(["set tries 3", "fault C_Login 1+ 0xa0"], "the PIN is wrong", id="pin-wrong"),
        pytest.param(["set no_eddsa"], "it does not list CKM_EDDSA", id="no-ed25519"),
    ],
)
def test_what_a_driver_does_wrong_is_reported_and_nothing_is_written(
    bench: Bench, faults: list[str], said: str
) -> None:
    before = bench.cli.files()
    done = bench.run(*faults)
    assert (done.code, done.out) == (4, "")
    [line] = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert said in line
    assert bench.cli.files() == before
    assert bench.crooked.calls("C_Login") <= 2
    assert len([name for name in ("0xa0", "0xa4") if name in str(faults)]) <= bench.crooked.calls("C_Login")


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(["fault C_Sign 1 DEVICE_REMOVED"], id="device-removed-once"),
        pytest.param(["fault C_Sign 1 FUNCTION_FAILED"], id="failed-once"),
        pytest.param(["fault C_SignInit 1 SESSION_HANDLE_INVALID"], id="session-lost"),
        pytest.param(["fault C_Sign 1 USER_NOT_LOGGED_IN"], id="logged-out-midway"),
        pytest.param(["fault C_SignInit 1 UNPLUG"], id="unplugged-and-back"),
        pytest.param(["set point raw"], id="raw-ec-point"),
        pytest.param(["set no_public"], id="no-public-object"),
        pytest.param(["set vendor"], id="a-vendors-numbers"),
        pytest.param(["set exact_buffer"], id="a-buffer-of-64"),
        pytest.param(["fault C_Sign 1 SLEEP 0.7"], id="slow-once"),
    ],
)
def test_what_can_be_got_over_ends_with_the_jwt_and_no_word_of_it(bench: Bench, faults: list[str]) -> None:
    if faults == ["set vendor"]:
        faults = ["set vendor", "set manufacturer Thales"]
        bench.cli.store.joinpath("keyring.json").unlink()  # where the token has its true maker
    label = bench.crooked.made.label
    done = bench.run(*faults, SEEDLESS_TOKEN=f"pkcs11:token={label}")
    assert (done.code, "error:" in done.err) == (0, False)
    made = jwt.read(bench.jwt.read_text(encoding="ascii"))
    assert made.text == done.out.strip()


def test_a_jwt_over_the_ceiling_is_refused_before_the_pin_with_what_makes_it_smaller(bench: Bench) -> None:
    claims = json.loads(bench.cli.ok("show", str(bench.jwt), "--json").out)["claims"]
    big = bench.cli.home / "big.json"
    claims["nats"]["description"] = "x" * 3000
    big.write_text(json.dumps(claims), encoding="ascii")
    made = bench.crooked.made
    device = (
        "set manufacturer Yubico (www.yubico.com)",
        "set model YubiKey YK5",
        "set firmware 5 74",
        "set largest 3062",
    )
    bench.cli.store.joinpath("keyring.json").unlink()
    operator = str(jwt.read(bench.jwt.read_text(encoding="ascii")).issuer)
    words = ("sign", str(big), "--issuer", operator, "--yes", "--json")
    done = bench.run(*device, words=words, SEEDLESS_TOKEN=f"pkcs11:token={made.label}", TOKEN_PIN=None)
    told = done.data["error"]
    assert (done.code, told["exit_code"], bench.crooked.calls("C_Login")) == (4, 4, 0)
    assert f'bytes, and token "{made.label}" (serial {made.serial}) signs at most 3062' in told["message"]
    assert "fewer exports, imports, mappings or revocations make it smaller" in told["hint"]


def test_a_crash_is_reported_as_json_too(bench: Bench) -> None:
    done = bench.run("fault C_Sign 1+ SEGV", words=(*bench.command, "--json"))
    assert done.code == 4
    assert done.data["error"]["exit_code"] == 4
    assert done.data["error"]["message"].endswith("crashed with signal 11 (SIGSEGV)")


@pytest.mark.parametrize("to", ["the-terminal", "the-command-alone"])
def test_ctrl_c_ends_the_wait_for_a_signature_at_once_and_nothing_is_written(bench: Bench, to: str) -> None:
    before = bench.cli.files()
    process = bench.start("fault C_Sign 1+ SLEEP 60")
    begin = time.monotonic()
    if to == "the-terminal":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("\ninterrupted: nothing more was done\n")
    assert ("Traceback" in err, "error:" in err) == (False, False)
    assert time.monotonic() - begin < 5
    assert bench.cli.files() == before
    assert not members(process.pid)


def test_ctrl_c_is_waited_for_by_a_driver_that_comes_back(bench: Bench) -> None:
    before = bench.cli.files()
    process = bench.start("fault C_Sign 1+ SLEEP 0.15")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.endswith("\ninterrupted: nothing more was done\n")) == (130, True)
    assert bench.crooked.calls("C_CloseSession") >= 1
    assert bench.cli.files() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda one: one.name)
def test_a_command_that_is_ended_from_outside_leaves_no_process(bench: Bench, number: signal.Signals) -> None:
    process = bench.start("fault C_Sign 1+ SLEEP 60")
    assert len(members(process.pid)) == 2
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == -number
    until = time.monotonic() + 10
    while members(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not members(process.pid)


def members(session: int) -> list[int]:
    """Return the processes of a session that are alive."""
    return list(_members(session))


def _members(session: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, *numbers = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(numbers[2]) == session and state != "Z":
            yield int(stat.parent.name)


@pytest.mark.parametrize(
    ("device", "said"),
    [
        pytest.param(
            ("set manufacturer OpenSC Project", "set library OpenSC smartcard framework"),
            "waits: touch it if it blinks (Ctrl-C ends the wait)",
            id="may-want-one",
        ),
        pytest.param(
            ("set manufacturer Nobody knows",),
            "takes its time: if it blinks or has a button, touch it (Ctrl-C ends the wait)",
            id="unknown",
        ),
        pytest.param((), "", id="softhsm-has-no-button"),
    ],
)
def test_a_touch_is_spoken_of_once_when_a_signature_takes_more_than_half_a_second(
    bench: Bench, device: tuple[str, ...], said: str
) -> None:
    made = bench.crooked.made
    bench.cli.store.joinpath("keyring.json").unlink()
    done = bench.run("fault C_Sign 1+ SLEEP 1.2", *device, SEEDLESS_TOKEN=f"pkcs11:token={made.label}")
    assert done.code == 0
    line = f'token "{made.label}" (serial {made.serial}) {said}\n'
    assert done.err.count(line) == (1 if said else 0)
    assert done.err.count("touch") == (1 if said else 0)


def test_a_touch_is_not_spoken_of_when_it_comes_soon(bench: Bench) -> None:
    bench.cli.store.joinpath("keyring.json").unlink()
    faults = ("fault C_Sign 1+ SLEEP 0.1", "set manufacturer Nobody knows")
    done = bench.run(*faults, SEEDLESS_TOKEN=f"pkcs11:token={bench.crooked.made.label}")
    assert (done.code, "touch" in done.err) == (0, False)


def test_the_wait_for_a_yubikey_is_reported_in_the_words_of_a_yubikey() -> None:
    token = TokenInfo(
        label="YubiKey PIV #1",
        manufacturer="Yubico (www.yubico.com)",
        model="YubiKey YK5",
        serial="1",
        slot_id=0,
        initialised=True,
    )
    assert touch_notice(token) == (
        'token "YubiKey PIV #1" (serial 1) waits: touch it if it blinks (Ctrl-C ends the wait)'
    )


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_deadline_that_is_none_is_refused_before_the_driver_is_loaded(bench: Bench, text: str) -> None:
    done = bench.run(SEEDLESS_DEADLINE=text)
    assert (done.code, done.out, bench.crooked.calls("C_Initialize")) == (2, "", 0)
    assert "error: SEEDLESS_DEADLINE is not a number of seconds\n" in done.err


def test_a_person_may_take_longer_for_the_pin_than_a_driver_may(
    bench: Bench, tmp_path: Path, make_script: Callable[[str], Path]
) -> None:
    slow = make_script(f"sleep 2; echo {bench.crooked.made.pin}")
    done = bench.run(SEEDLESS_PIN_SOURCE=f"cmd:{slow}", SEEDLESS_DEADLINE="1")
    assert done.code == 0


@pytest.fixture
def make_script(tmp_path: Path) -> Callable[[str], Path]:
    def make(text: str) -> Path:
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        path.chmod(0o700)
        return path

    return make


def test_an_operator_and_its_system_account_have_keys_that_exist_and_touches_are_counted(
    bench: Bench,
) -> None:
    keys = [
        SoftwareKey(role, bytes([number] * 32)) for role, number in ((Role.OPERATOR, 5), (Role.ACCOUNT, 6))
    ]
    for number in (1, 2):
        bench.crooked.straight.import_ed25519(bytes([number + 4] * 32), label="", id=bytes([number]))
    operator, system = (str(key.public_key) for key in keys)
    made = bench.crooked.made
    yubikey = (
        "set manufacturer Yubico (www.yubico.com)",
        "set model YubiKey YK5",
        "set firmware 5 74",
        f"set pad {made.pin}",
    )
    words = ("operator", "add", "OTHER", "-k", operator, "--sys-public-key", system, "--yes", "--json")
    token = f"pkcs11:token={made.label}"
    done = bench.run(*yubikey, "fault C_Sign 1+ SLEEP 0.8", words=words, SEEDLESS_TOKEN=token)
    assert (done.code, json.loads(done.out)["system_account"]) == (0, system)
    where = f'token "{made.label}" (serial {made.serial})'
    announced = f"3 signatures are needed, and {where} may require a touch for each"
    touches = [
        f"touch {number} of 3: {where} waits: touch it if it blinks (Ctrl-C ends the wait)"
        for number in (1, 2, 3)
    ]
    assert [line for line in done.err.splitlines() if "touch" in line] == [announced, *touches]


def test_a_key_for_the_system_account_is_one_of_an_account(bench: Bench) -> None:
    operator = str(SoftwareKey(Role.OPERATOR, bytes([5] * 32)).public_key)
    done = bench.run(words=("operator", "add", "OTHER", "--sys-public-key", operator, "--yes"))
    assert (done.code, "is not the key of an account" in done.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("account", "add", "NEW", "--yes"), id="account-add"),
        pytest.param(("key", "new", "--role", "account", "--name", "NEW", "--yes"), id="key-new"),
    ],
)
def test_a_command_that_needs_a_key_of_a_yubikey_names_a_free_slot_and_asks_for_no_pin(
    bench: Bench, words: tuple[str, ...]
) -> None:
    made = bench.crooked.made
    bench.crooked.straight.import_ed25519(bytes([5] * 32), label="SIGN key", id=b"\x02")
    bench.cli.store.joinpath("keyring.json").unlink()
    yubikey = ("set manufacturer Yubico (www.yubico.com)", "set model YubiKey YK5", "set firmware 5 74")
    done = bench.run(*yubikey, words=words, SEEDLESS_TOKEN=f"pkcs11:token={made.label}")
    assert (done.code, "-a ED25519 9c" in done.err) == (4, False)
    assert "hint: slot 9a shows no key, and ykman piv info confirms it: create a key with" in done.err
    assert bench.crooked.calls("C_Login") == 0


def test_shares_for_a_yubikey_are_refused_before_a_word_is_shown_with_the_way_on(bench: Bench) -> None:
    made = bench.crooked.made
    device = ("set manufacturer Yubico", "set model YubiKey YK5", "set firmware 5 74", f"set pad {made.pin}")
    bench.crooked.wants(*device)
    bench.cli.env.update(bench.env, SEEDLESS_TOKEN=f"pkcs11:token={made.label}")
    record = bench.cli.home / "record.json"
    words = ("recovery", "create", "OTHER", "--threshold", "2", "--shares", "3", "--allow-swap", "--yes")
    terminal = bench.cli.terminal_for(*words, "--allow-core-pipe", "-o", str(record))
    assert terminal.end() == 4, terminal.said
    said = " ".join(terminal.said.split())
    assert "takes no keys from its user through PKCS#11: keys that are restored cannot be put there" in said
    assert "restore on a token that takes keys, such as a YubiHSM 2 (--token)" in said
    assert "Press Enter to show the words" not in said
    assert not record.exists()
    assert bench.crooked.calls("C_CreateObject") == 0


def test_an_interruption_while_keys_are_imported_lets_the_import_end_and_keeps_record_and_keys(
    bench: Bench,
) -> None:
    bench.crooked.wants("fault C_CreateObject 1+ SLEEP 0.5")
    bench.cli.env.update(bench.env, SEEDLESS_TOKEN=f"pkcs11:token={bench.crooked.made.label}")
    record = bench.cli.home / "record.json"
    words = ("recovery", "create", "OTHER", "--threshold", "2", "--shares", "2", "--key", "operator:OTHER")
    more = ("--bits", "128", "--allow-swap", "--allow-core-pipe", "--yes", "-o", str(record))
    people = Holders(bench.cli.terminal_for(*words, *more))
    people.write_down_all(2)
    bench.crooked.forget()
    people.read_back_all()
    until = time.monotonic() + 20
    while not bench.crooked.calls("C_CreateObject") and time.monotonic() < until:
        time.sleep(0.02)
    assert (bench.crooked.calls("C_CreateObject") > 0, people.terminal.process.poll()) == (True, None)
    people.terminal.process.send_signal(signal.SIGINT)
    code = people.terminal.end()
    bench.crooked.wants()
    listed = bench.cli.ok("key", "list", "--token", bench.cli.token.uri, "--json").data["keys"]
    names = [row["name"] for row in listed]
    assert (code, record.exists(), "OTHER" in names) == (0, True, True), people.terminal.said
