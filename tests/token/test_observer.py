from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.app.ceremony_keys import TokenKeys
from seedless.claims import Operator
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.pkcs11 import observer
from seedless.pkcs11.isolation.pool import open_pool
from seedless.pkcs11.isolation.supervised import SupervisedProcess
from seedless.pkcs11.uri import KeyUri
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import pytest_softhsm
    from seedless.nkey import PublicKey
    from seedless.pkcs11.token import Token
    from seedless.pkcs11.token_info import TokenInfo

    Open = Callable[..., AbstractContextManager[Token]]
    Misbehaving = Any

KEY = SoftwareKey(Role.USER, bytes(range(32))).public_key


class Written:
    """A watch that writes down what it hears, the same thing once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.drivers: set[str] = set()

    def entered(self, driver: str) -> None:
        self.drivers.add(driver)
        self.lines.append("in")

    def left(self) -> None:
        self.lines.append("out")

    def signing(self, info: TokenInfo) -> None:
        self.lines.append(f"signing by {info.label}")

    def numbered(self, number: int, count: int) -> None:
        self.lines.append(f"{number} of {count}")

    def waits(self, notice: str) -> None:
        self.lines.append(notice)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        self.lines.append("asking")
        yield
        self.lines.append("asked")


@pytest.fixture
def written() -> Iterator[Written]:
    watching = Written()
    observer.observe_drivers(watching)
    yield watching
    observer.observe_drivers(observer.NO_OBSERVER)


def test_a_signature_is_reported_before_it_begins_and_its_driver_is_left(
    softhsm_token: pytest_softhsm.Token, opened: Open, written: Written
) -> None:
    softhsm_token.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    with opened(softhsm_token) as token:
        signer = token.signer(KEY)
        written.lines.clear()
        signer.sign(b"x")
        assert written.lines == [f"signing by {softhsm_token.label}", "in", "out"]
    assert written.drivers == {str(softhsm_token.module.resolve())}


def test_a_person_is_asked_for_the_pin_outside_of_the_driver(
    softhsm_token: pytest_softhsm.Token, opened: Open, written: Written
) -> None:
    with opened(softhsm_token):
        place = written.lines.index("asking")
        assert written.lines[place - 1 : place + 3] == ["out", "asking", "asked", "in"]


@pytest.mark.parametrize("fault", ["C_Sign 1 DEVICE_REMOVED", "C_Sign 1 DEVICE_MEMORY"])
def test_who_enters_a_driver_leaves_it_whatever_happens(
    misbehaving: Misbehaving, opened: Open, written: Written, fault: str
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    with contextlib.suppress(Exception), opened(misbehaving.made) as token:
        signer = token.signer(KEY)
        misbehaving.wants(f"fault {fault}")
        signer.sign(b"x")
    passed = [line for line in written.lines if line in {"in", "out"}]
    assert passed == ["in", "out"] * (len(passed) // 2)
    assert len(passed) > 10


def test_a_slow_signature_of_a_worker_is_reported_once(
    misbehaving: Misbehaving, given: Callable[..., Any], written: Written
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="user:u", id=b"\x01")
    misbehaving.wants("set manufacturer Nobody knows", "fault C_Sign 2+ SLEEP 0.7")
    made, pins = misbehaving.made, given(misbehaving.made.pin)
    with open_pool(KeyUri(token=made.label), pins, module=made.module, workers=2) as pool:
        assert len(list(pool.sign_all((KEY, b"%d" % number) for number in range(4)))) == 4
    where = f'token "{made.label}" (serial {made.serial})'
    words = "takes its time: if it blinks or has a button, touch it (Ctrl-C ends the wait)"
    assert [line for line in written.lines if "touch" in line] == [f"{where} {words}"]


def test_the_signatures_of_a_ceremony_are_counted_although_they_come_one_at_a_time(written: Written) -> None:
    operator = SoftwareKey(Role.OPERATOR, bytes(range(32)))

    class Opened:
        def signer(self, _: PublicKey) -> SoftwareKey:
            return operator

    claims = Claims(sub=str(operator.public_key), name="ACME", body=Operator.new())
    keys = TokenKeys(Opened(), 3)  # type: ignore[arg-type]  # no token is opened
    for now in (1, 2):
        list(keys.sign([draft(claims, operator.public_key, now)]))
    assert written.lines == ["1 of 3", "2 of 3"]


def test_a_process_that_loaded_a_driver_beside_another_thread_forks_no_more_when_that_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As `prune` does: it logs in, which takes a thread, and signs afterwards."""
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))
    monkeypatch.setattr(os, "pipe", lambda: pytest.fail("about to fork"))
    process = SupervisedProcess(lambda _: 1, print)
    is_done = threading.Event()
    other = threading.Thread(target=is_done.wait)
    other.start()
    process.start(Path("driver.so"))
    is_done.set()
    other.join()
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    process.start(Path("driver.so"))
