from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11.constants import Attribute
from pkcs11.mechanisms import KeyType

from seedless.errors import PinError, TokenError
from seedless.nkey import PublicKey, Role
from seedless.pin import PromptPin
from seedless.pkcs11.families import EC_PARAMS_NAME
from seedless.pkcs11.isolation.frames import unpack_jobs
from seedless.pkcs11.isolation.pool import Pool, _send, open_pool
from seedless.pkcs11.isolation.worker_group import SigningJob
from seedless.pkcs11.uri import KeyUri
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from subprocess import CompletedProcess

    from seedless.pin import PinSource
    from seedless.pkcs11.isolation.frames import FrameKind
    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Child = Callable[..., CompletedProcess[str]]
    Misbehaving = Any

SOFTWARE = SoftwareKey(Role.ACCOUNT, bytes(range(32)))
KEY = SOFTWARE.public_key


@dataclass
class Pin:
    answer: str
    asked: list[str] = field(default_factory=list)

    def pin(self, _token: str, tries: str) -> str:
        self.asked.append(tries)
        return self.answer


@pytest.fixture
def crooked(misbehaving: Misbehaving) -> Misbehaving:
    """A misbehaving token with one known key."""
    misbehaving.straight.import_ed25519(bytes(range(32)), label="account:orders", id=b"\x01")
    return misbehaving


def pool_of(
    crooked: Misbehaving,
    pins: PinSource | None = None,
    *,
    workers: int = 1,
    deadline: float = 30.0,
    opening: float = 60.0,
    last_try: bool = False,
) -> AbstractContextManager[Pool]:
    return open_pool(
        KeyUri.parse(crooked.made.uri),
        pins or Pin(crooked.made.pin),
        module=crooked.made.module,
        workers=workers,
        deadline=deadline,
        opening=opening,
        last_try=last_try,
    )


def texts(count: int) -> list[bytes]:
    return [b"message %d" % number for number in range(count)]


def signed(count: int) -> dict[int, bytes]:
    return {place: SOFTWARE.sign(text) for place, text in enumerate(texts(count))}


def blamed(crooked: Misbehaving, did: str) -> str:
    where = f'token "{crooked.made.label}" (serial {crooked.made.serial})'
    return f"cannot sign on {where}: its driver {crooked.made.module} {did}"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("C_Sign 5 SEGV", id="crash"),
        pytest.param("C_Sign 5 ABORT", id="abort"),
        pytest.param("C_Sign 5 EXIT 5", id="exit-as-softhsm-does"),
        pytest.param("C_Sign 5 EXIT 0", id="exit-as-if-all-were-well"),
        pytest.param("C_Sign 5 SLEEP 60", id="hang"),
        pytest.param("C_Sign 5 WRONG", id="wrong-signature"),
        pytest.param("C_Sign 5 TRUNCATED", id="short-signature"),
        pytest.param("C_SignInit 5 GENERAL_ERROR", id="general-error"),
        pytest.param("C_Sign 5 DEVICE_REMOVED", id="session-lost"),
    ],
)
def test_every_fifth_signature_of_a_worker_fails_and_all_are_made(crooked: Misbehaving, fault: str) -> None:
    with pool_of(crooked, deadline=1.0 if "SLEEP" in fault else 30.0) as pool:
        crooked.wants(f"fault {fault}")
        results = list(pool.sign_all((KEY, text) for text in texts(14)))
    assert len(results) == 14
    assert dict(results) == signed(14)


@pytest.mark.parametrize(
    ("fault", "did"),
    [
        pytest.param("SEGV", "crashed with signal 11 (SIGSEGV)", id="crash"),
        pytest.param("ABORT", "crashed with signal 6 (SIGABRT)", id="abort"),
        pytest.param("EXIT 5", "ended its process with exit code 5", id="exit"),
        pytest.param("SLEEP 60", "did not answer within 0.7 seconds", id="hang"),
        pytest.param("WRONG", "made a wrong signature", id="wrong-signature"),
    ],
)
def test_a_job_over_which_two_workers_are_lost_ends_in_a_sentence(
    crooked: Misbehaving, fault: str, did: str
) -> None:
    with pool_of(crooked, workers=2, deadline=0.7) as pool:
        assert dict(pool.sign_all((KEY, text) for text in texts(10))) == signed(10)
        found = [worker.pid for worker in pool._group._workers]
        crooked.wants(f"fault C_Sign 1+ {fault}")
        with pytest.raises(TokenError) as refused:
            pool.signer(KEY).sign(b"x")
        assert refused.value.message == blamed(crooked, did)
        assert "so did a fresh process" in refused.value.hint
        with pytest.raises(TokenError, match="the pool is closed"):
            pool.signer(KEY).sign(b"x")
        assert not any(Path(f"/proc/{pid}").exists() for pid in found)


def test_the_token_is_asked_for_each_failing_job_in_two_processes_and_no_more(crooked: Misbehaving) -> None:
    with pool_of(crooked) as pool:
        crooked.forget()
        crooked.wants("fault C_Sign 1+ SEGV")
        with pytest.raises(TokenError, match="crashed"):
            list(pool.sign_all((KEY, text) for text in texts(20)))
    assert (crooked.calls("C_Sign"), crooked.calls("C_Login")) == (2, 1)


def test_an_error_that_stays_is_reported_as_without_a_pool(crooked: Misbehaving) -> None:
    with pool_of(crooked) as pool:
        crooked.wants("fault C_Sign 1+ GENERAL_ERROR")
        with pytest.raises(TokenError, match=r"cannot sign on token .* reports a general error"):
            pool.signer(KEY).sign(b"x")


def test_a_hang_costs_the_deadline_and_the_others_go_on_meanwhile(crooked: Misbehaving) -> None:
    with pool_of(crooked, workers=2, deadline=1.0) as pool:
        stopped = pool._group.ready[0]
        os.kill(stopped.pid, signal.SIGSTOP)
        begin = time.monotonic()
        results = list(pool.sign_all((KEY, text) for text in texts(200)))
        took = time.monotonic() - begin
        assert stopped.pid not in [worker.pid for worker in pool._group._workers]
    assert (len(results), dict(results)) == (200, signed(200))
    assert 1.0 <= took < 10.0


def test_a_hang_does_not_delay_the_end_of_a_pool(crooked: Misbehaving) -> None:
    begin = time.monotonic()
    with pool_of(crooked, deadline=60.0) as pool:
        crooked.wants("fault C_CloseSession 1+ SLEEP 60")
        [pid] = [worker.pid for worker in pool._group._workers]
    assert not Path(f"/proc/{pid}").exists()
    assert time.monotonic() - begin < 20.0


def test_a_worker_that_hangs_does_not_outlive_its_parent(crooked: Misbehaving, in_child: Child) -> None:
    crooked.wants("fault C_Sign 1+ SLEEP 60")
    done = in_child(
        crooked.made,
        """
import signal
from seedless.pkcs11.isolation.pool import open_pool
with open_pool(URI, Given(), module=MODULE, deadline=2.5) as pool:
    print(pool._group.ready[0].pid, flush=True)
    signal.setitimer(signal.ITIMER_REAL, 1)  # whose signal nobody handles
    pool.signer(PublicKey.parse(os.environ["TEST_KEY"])).sign(b"x")
""",
        TEST_KEY=str(KEY),
    )
    assert done.returncode == -signal.SIGALRM
    path = Path(f"/proc/{int(done.stdout)}/status")
    until = time.monotonic() + 10
    while is_alive(path) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(path)


def is_alive(status: Path) -> bool:
    try:
        return "State:\tZ" not in status.read_text(encoding="ascii")
    except FileNotFoundError:
        return False


def test_what_a_lost_worker_had_is_given_out_one_by_one() -> None:
    class Worker:
        def __init__(self) -> None:
            self.batches: list[list[int]] = []

        def send(self, _kind: FrameKind, body: bytes) -> None:
            self.batches.append([number for number, _, _ in unpack_jobs(body)])

    worker, batch = Worker(), [SigningJob(number, KEY, b"x", bytes) for number in range(5)]
    batch[0].is_suspect = batch[1].is_suspect = True
    _send(worker, batch)  # type: ignore[arg-type]  # all that it wants of a worker
    assert worker.batches == [[0], [1], [2, 3, 4]]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_wrong_pin_is_sent_once_in_all(crooked: Misbehaving, workers: int) -> None:
    pins = Pin("wrong-pin-1")
    crooked.wants("set tries 3")
    for _ in range(2):
        with pytest.raises(PinError), pool_of(crooked, pins, workers=workers):
            pass
    assert crooked.calls("C_Login") == 1


@pytest.mark.parametrize("order", ["token-then-pool", "pool-then-token"])
def test_what_refused_a_pin_once_is_remembered_by_tokens_and_pools_together(
    crooked: Misbehaving, opened: Callable[..., Any], order: str
) -> None:
    pins = Pin("wrong-pin-of-both")
    ways = ["token", "pool", "token"] if order == "token-then-pool" else ["pool", "token", "pool"]
    said = []
    for way in ways:
        with pytest.raises(PinError) as refused:
            (opened(crooked.made, pins) if way == "token" else pool_of(crooked, pins)).__enter__()
        said.append(refused.value.message.rpartition(")")[2])
    again = " has refused this PIN already, and it was not sent again"
    assert said == [": the PIN is wrong, and few tries are left", again, again]
    assert crooked.calls("C_Login") == 1


@pytest.mark.parametrize("pad", [False, True], ids=["given", "typed-on-the-pad"])
def test_a_pin_that_was_changed_meanwhile_is_sent_once_more_and_never_again(
    crooked: Misbehaving, *, pad: bool
) -> None:
    setting = [f"set pad {crooked.made.pin}"] if pad else []
    crooked.wants(*setting)
    with pool_of(crooked, workers=3) as pool:
        crooked.forget()
        crooked.wants("fault C_Login 1+ 0xa0", *setting)  # CKR_PIN_INCORRECT
        for worker in pool._group.ready:
            os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(PinError, match="the PIN is wrong"):
            list(pool.sign_all((KEY, text) for text in texts(20)))
    assert crooked.calls("C_Login") == 1


@pytest.mark.parametrize("fault", ["SEGV", "SLEEP 60"], ids=["crash", "hang"])
def test_a_worker_lost_in_the_first_login_is_not_replaced(crooked: Misbehaving, fault: str) -> None:
    crooked.wants(f"fault C_Login 1+ {fault}")
    with (
        pytest.raises(TokenError, match=r"cannot open the token .*: its driver .* (crashed|did not answer)"),
        pool_of(crooked, workers=2, opening=3.0),
    ):
        pass
    assert crooked.calls("C_Login") == 1


def test_the_last_try_is_refused_unless_it_was_asked_for(crooked: Misbehaving) -> None:
    crooked.wants("set tries 3")
    crooked.forget()
    crooked.wrong_pins(2)
    pins = Pin(crooked.made.pin)
    with pytest.raises(PinError, match="the PIN was not tried, and one try is left"), pool_of(crooked, pins):
        pass
    assert (crooked.calls("C_Login"), pins.asked) == (0, [])
    with pool_of(crooked, pins, last_try=True, workers=2) as pool:
        assert pool.signer(KEY).sign(b"x") == SOFTWARE.sign(b"x")
    assert pins.asked == ["last"]


def test_who_mistypes_a_pin_for_many_signatures_is_asked_again(crooked: Misbehaving) -> None:
    crooked.wants("set tries 9")
    crooked.forget()
    questions: list[str] = []
    answers = iter(["wrong-1", "wrong-1", crooked.made.pin])

    def answer(question: str) -> str:
        questions.append(question.partition("\n")[0])
        return next(answers)

    with pool_of(crooked, PromptPin(answer), workers=2) as pool:
        assert dict(pool.sign_all((KEY, text) for text in texts(9))) == signed(9)
    where = f'token "{crooked.made.label}" (serial {crooked.made.serial})'
    assert [question.replace(where, "T") for question in questions] == [
        "PIN for T: ",
        "cannot log in on T: the PIN is wrong, and few tries are left",
        "T has refused this PIN already, and it was not sent again",
    ]
    assert crooked.calls("C_Login") == 3  # the wrong one once, and the right one for each worker


def test_who_mistypes_down_to_the_last_try_is_not_asked_for_it(crooked: Misbehaving) -> None:
    crooked.wants("set tries 2")
    crooked.forget()
    questions: list[str] = []
    pins = PromptPin(lambda question: questions.append(question) or "wrong-1")
    with pytest.raises(PinError, match="the PIN was not tried, and one try is left"), pool_of(crooked, pins):
        pass
    assert (len(questions), crooked.calls("C_Login")) == (1, 1)


def test_a_pin_pad_is_typed_on_by_one_worker_after_the_other(crooked: Misbehaving) -> None:
    crooked.wants(f"set pad {crooked.made.pin}")
    pins = Pin("never asked for")
    with pool_of(crooked, pins, workers=2) as pool:
        assert dict(pool.sign_all((KEY, text) for text in texts(9))) == signed(9)
    assert (pins.asked, crooked.calls("C_Login")) == ([], 2)


def test_a_driver_that_prints_and_reads_does_not_disturb_the_pool(
    crooked: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    crooked.wants("fault C_Login 1+ PRINT login", "fault C_Sign 1+ PRINT signed")
    crooked.forget()
    with pool_of(crooked, deadline=5.0) as pool:
        assert dict(pool.sign_all((KEY, text) for text in texts(9))) == signed(9)
    assert (crooked.calls("C_Sign"), capfd.readouterr()) == (9, ("", ""))


@pytest.fixture
def each_time(crooked: Misbehaving, opened: Open) -> PublicKey:
    """A key that wants the PIN for each signature."""
    with opened(crooked.straight, writable=True) as token, token._session.use("test") as raw:
        public, _ = raw.generate_keypair(
            KeyType.EC_EDWARDS,
            id=b"\x07",
            label="user:each",
            store=True,
            public_template={Attribute.EC_PARAMS: EC_PARAMS_NAME},
            private_template={Attribute.ALWAYS_AUTHENTICATE: True},
        )
        return PublicKey(Role.USER, public[Attribute.EC_POINT][2:])


def test_a_key_that_requires_the_pin_for_each_signature_gets_it_without_a_question(
    crooked: Misbehaving, each_time: PublicKey
) -> None:
    pins = Pin(crooked.made.pin)
    with pool_of(crooked, pins) as pool:
        results = dict(pool.sign_all((each_time, text) for text in texts(20)))
    for place, text in enumerate(texts(20)):
        each_time.verify(results[place], text)
    assert len(pins.asked) == 1
    assert crooked.calls("C_Login") == 21


def test_workers_that_log_in_for_each_signature_take_turns_and_none_is_lost(
    crooked: Misbehaving, each_time: PublicKey
) -> None:
    with pool_of(crooked, workers=3) as pool:
        before = [worker.pid for worker in pool._group._workers]
        results = dict(pool.sign_all((each_time, text) for text in texts(300)))
        assert [worker.pid for worker in pool._group._workers] == before
    assert (len(results), crooked.calls("C_Login"), crooked.calls("C_Sign")) == (300, 303, 300)
