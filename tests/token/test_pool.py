from __future__ import annotations

import itertools
import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nacl.signing
import pytest

from seedless.errors import ModuleError, NoKey, NoToken, PinError, TokenError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.pin import environment_pin
from seedless.pkcs11.isolation.pool import Pool, open_pool
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from subprocess import CompletedProcess

    from pytest_softhsm import Token as Made
    from seedless.pin import PinSource

    Child = Callable[..., CompletedProcess[str]]

SOFTWARE = nacl.signing.SigningKey(bytes(range(32)))
KEY = PublicKey(Role.ACCOUNT, bytes(SOFTWARE.verify_key))
OTHER = nacl.signing.SigningKey(bytes(range(1, 33)))
OTHER_KEY = PublicKey(Role.USER, bytes(OTHER.verify_key))


def signature(message: bytes, key: nacl.signing.SigningKey = SOFTWARE) -> bytes:
    return key.sign(message).signature


@dataclass
class Pin:
    """A PinSource that counts how often it was asked."""

    answer: str
    asked: list[tuple[str, str]] = field(default_factory=list)

    def pin(self, token: str, tries: str) -> str:
        self.asked.append((token, tries))
        return self.answer


@pytest.fixture
def made(softhsm_token: Made) -> Made:
    softhsm_token.import_ed25519(bytes(range(32)), label="account:orders", id=b"\x01")
    softhsm_token.import_ed25519(bytes(range(1, 33)), label="user:ci", id=b"\x02")
    return softhsm_token


def pool_of(
    made: Made,
    pins: PinSource | None = None,
    *,
    workers: int = 1,
    deadline: float = 30.0,
    opening: float = 60.0,
) -> AbstractContextManager[Pool]:
    source = pins or Pin(made.pin)
    return open_pool(
        KeyUri.parse(made.uri),
        source,
        module=made.module,
        workers=workers,
        deadline=deadline,
        opening=opening,
    )


def processes(pool: Pool) -> list[int]:
    return [worker.pid for worker in pool._group._workers]


def messages(count: int) -> list[bytes]:
    return [b"message %d " % number * 50 for number in range(count)]


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):  # it ended before, or while it was read
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_each_message_is_signed_once_by_its_key(made: Made, workers: int) -> None:
    jobs = [(KEY, text) if place % 3 else (OTHER_KEY, text) for place, text in enumerate(messages(100))]
    with pool_of(made, workers=workers) as pool:
        results = list(pool.sign_all(jobs))
    assert sorted(place for place, _ in results) == list(range(100))
    for place, made_signature in results:
        assert made_signature == signature(messages(100)[place], SOFTWARE if place % 3 else OTHER)


def test_a_killed_worker_every_hundred_signatures_changes_nothing(made: Made) -> None:
    texts = messages(2000)
    with pool_of(made, workers=2) as pool:
        undisturbed = dict(pool.sign_all((KEY, text) for text in texts))
        before = set(processes(pool))
        disturbed: list[tuple[int, bytes]] = []
        killed: list[int] = []
        due = 0
        for result in pool.sign_all((KEY, text) for text in texts):
            disturbed.append(result)
            due += len(disturbed) % 100 == 0 and len(disturbed) < 2000
            # The pool may not know yet that one is dead, on a busy machine: the next is one that lives.
            alive = [worker for worker in pool._group.ready if worker.pid not in killed] if due else []
            if alive:
                busy = max(alive, key=lambda worker: len(worker.jobs))
                os.kill(busy.pid, signal.SIGKILL)
                killed.append(busy.pid)
                due -= 1
        assert len(set(killed)) == len(killed) == 19
        assert not before & set(processes(pool))
    assert [place for place, _ in sorted(disturbed)] == list(range(2000))
    assert dict(disturbed) == undisturbed
    for place, text in enumerate(texts):
        KEY.verify(undisturbed[place], text)


def test_a_pool_gives_signers_for_code_that_signs_one_thing(made: Made) -> None:
    with pool_of(made) as pool:
        signers = [pool.signer(KEY), pool.signer(OTHER_KEY)]
        assert [one.public_key for one in signers] == [KEY, OTHER_KEY]
        assert [one.sign(b"x") for one in signers] == [signature(b"x"), signature(b"x", OTHER)]


def test_jobs_are_read_only_as_far_as_the_workers_have_room(made: Made) -> None:
    read = itertools.count()
    endless = ((KEY, b"message %d" % number) for number in read)
    with pool_of(made, workers=2) as pool:
        results = pool.sign_all(endless)
        for _ in range(300):
            next(results)
        assert next(read) <= 301 + 2 * 160 + 160  # delivered, with the workers, told and not yet delivered
        results.close()


def test_messages_larger_than_a_pipe_come_through(made: Made) -> None:
    texts = [bytes([number]) * 300_000 for number in range(6)]
    with pool_of(made) as pool:
        results = dict(pool.sign_all((KEY, text) for text in texts))
    assert [results[place] for place in range(6)] == [signature(text) for text in texts]


def test_no_jobs_are_no_work(made: Made) -> None:
    with pool_of(made) as pool:
        assert list(pool.sign_all([])) == []


def test_the_pin_is_asked_for_once_whatever_happens_to_workers(made: Made) -> None:
    pins = Pin(made.pin)
    with pool_of(made, pins, workers=2) as pool:
        for _ in range(3):
            for pid in processes(pool):
                os.kill(pid, signal.SIGKILL)
            assert pool.signer(KEY).sign(b"x") == signature(b"x")
    assert pins.asked == [(f'token "{made.label}" (serial {made.serial})', "")]


def test_a_run_that_is_given_up_leaves_the_pool_usable(made: Made) -> None:
    with pool_of(made) as pool:
        run = pool.sign_all((KEY, text) for text in messages(200))
        next(run)
        run.close()
        assert list(pool.sign_all([(KEY, b"after")])) == [(0, signature(b"after"))]


def test_an_error_of_the_one_who_gives_the_jobs_comes_out_and_the_pool_is_usable(made: Made) -> None:
    def jobs() -> Iterator[tuple[PublicKey, bytes]]:
        yield KEY, b"one"
        raise RuntimeError("no more")

    with pool_of(made) as pool:
        with pytest.raises(RuntimeError, match="no more"):
            list(pool.sign_all(jobs()))
        assert pool.signer(KEY).sign(b"x") == signature(b"x")


def test_a_second_run_before_the_first_is_over_is_refused(made: Made) -> None:
    with pool_of(made) as pool:
        run = pool.sign_all((KEY, text) for text in messages(50))
        next(run)
        with pytest.raises(UsageError, match="the pool is at another run"):
            pool.signer(KEY).sign(b"x")
        assert len(list(run)) == 49


@pytest.mark.parametrize(
    ("job", "said"),
    [
        pytest.param((KEY, bytearray(b"x")), "a message is bytes, not bytearray", id="bytearray"),
        pytest.param((KEY, "x"), "a message is bytes, not str", id="text"),
        pytest.param((PublicKey(Role.CURVE, KEY.raw), b"x"), "is a curve key", id="curve-key"),
    ],
)
def test_what_cannot_be_signed_is_refused_before_a_worker_sees_it(
    made: Made, job: tuple[PublicKey, bytes], said: str
) -> None:
    with pool_of(made) as pool:
        with pytest.raises(UsageError, match=said):
            list(pool.sign_all([job]))
        assert pool.signer(KEY).sign(b"x") == signature(b"x")


def test_a_key_that_the_token_has_not_ends_the_run_behind_the_results_there_are(made: Made) -> None:
    unknown = PublicKey(Role.ACCOUNT, bytes(32))
    with pool_of(made) as pool:
        run = pool.sign_all([(KEY, b"a"), (KEY, b"b"), (unknown, b"c"), (KEY, b"d")])
        assert sorted([next(run), next(run)]) == [(0, signature(b"a")), (1, signature(b"b"))]
        with pytest.raises(NoKey, match=f"has the public key {unknown}"):
            list(run)
        with pytest.raises(TokenError, match="the pool is closed"):
            pool.signer(KEY).sign(b"x")


def test_one_key_in_another_role_is_refused(made: Made) -> None:
    with pool_of(made) as pool, pytest.raises(NoKey, match="its label has another role"):
        pool.signer(PublicKey(Role.OPERATOR, KEY.raw)).sign(b"x")


def test_a_token_that_is_not_there_is_reported_as_without_a_pool(made: Made) -> None:
    with (
        pytest.raises(NoToken, match=r"no token matches pkcs11:token=nowhere: the module shows "),
        open_pool(KeyUri(token="nowhere"), Pin(made.pin), module=made.module),
    ):
        pass


@pytest.mark.parametrize("workers", [1, 2])
def test_a_wrong_pin_is_reported_and_never_sent_again(made: Made, workers: int) -> None:
    pins = Pin("wrong-pin-1")
    with (
        pytest.raises(PinError, match="the PIN is wrong, and few tries are left"),
        pool_of(made, pins, workers=workers),
    ):
        pass
    with pytest.raises(PinError, match="has refused this PIN already, and it was not sent again"):
        pool_of(made, pins, workers=workers).__enter__()
    with pool_of(made) as pool:
        assert pool.signer(KEY).sign(b"x") == signature(b"x")


@pytest.mark.parametrize("answer", [None, "", "\udc80"], ids=["none", "empty", "not-utf-8"])
def test_a_source_without_a_usable_pin_is_refused(made: Made, answer: str) -> None:
    with pytest.raises(PinError), pool_of(made, Pin(answer)):
        pass


def test_an_error_of_the_pin_source_comes_out_and_leaves_no_process(made: Made) -> None:
    class Broken:
        def pin(self, *_: str) -> str:
            raise PinError("there is no terminal to ask for the PIN")

    before = children()
    with pytest.raises(PinError, match="no terminal"), pool_of(made, Broken(), workers=2):
        pass
    assert children() == before


def children() -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == os.getpid():
            found.add(int(stat.parent.name))
    return found


def test_a_planted_pin_is_in_no_argument_and_no_environment_of_a_worker(
    made: Made, monkeypatch: pytest.MonkeyPatch, protected_environ: Callable[[int], bytes | None]
) -> None:
    monkeypatch.setenv("PLANTED", made.pin)
    monkeypatch.setenv("OTHER_PIN", "called like one")
    monkeypatch.setenv("INNOCENT", "kept")
    with pool_of(made, environment_pin("PLANTED"), workers=2) as pool:
        monkeypatch.setenv("LATER", made.pin)
        first, second = processes(pool)
        os.kill(first, signal.SIGKILL)
        assert pool.signer(KEY).sign(b"x") == signature(b"x")
        while len(pool._group.ready) < 2:
            pool._group.wait()
        found = processes(pool)
        assert len({first, second, *found}) == 3
        for pid in found:
            assert made.pin.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
            environ = protected_environ(pid)
            if environ is not None:
                assert b"INNOCENT=kept" in environ
                assert made.pin.encode() not in environ
                assert b"called like one" not in environ
        assert made.pin not in repr((pool, pool._group, pool.signer(KEY)))


def test_closing_leaves_no_process_and_no_zombie(made: Made) -> None:
    with pool_of(made, workers=2) as pool:
        found = processes(pool)
        assert all(map(is_alive, found))
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)
    pool.close()
    with pytest.raises(TokenError, match="the pool is closed"):
        pool.signer(KEY).sign(b"x")


def test_no_thread_outlives_and_none_is_needed(made: Made) -> None:
    before = threading.enumerate()
    with pool_of(made) as pool:
        pool.signer(KEY).sign(b"x")
        assert threading.enumerate() == before


def test_a_pool_works_in_a_thread_that_did_not_open_it(made: Made) -> None:
    results = []
    with pool_of(made) as pool:
        thread = threading.Thread(target=lambda: results.extend(pool.sign_all([(KEY, b"x")])))
        thread.start()
        thread.join()
    assert results == [(0, signature(b"x"))]


def test_the_driver_is_not_loaded_here(made: Made, in_child: Child) -> None:
    done = in_child(
        made,
        """
from seedless.pkcs11.isolation.pool import open_pool
with open_pool(URI, Given(), module=MODULE) as pool:
    print("softhsm" in open("/proc/self/maps").read())
""",
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


_WATCHED = """
import signal
from seedless.pkcs11.isolation.pool import open_pool
KEY = PublicKey.parse(os.environ["TEST_KEY"])
with open_pool(URI, Given(), module=MODULE, workers=2) as pool:
    print(*(worker.pid for worker in pool._group._workers), flush=True)
    def jobs():
        for number in range(100_000):
            if number == 300:
                print("at work", flush=True)
                ACT
            yield KEY, b"message"
    try:
        for _ in pool.sign_all(jobs()):
            pass
    except KeyboardInterrupt:
        print("stopped")
"""


def wait_for_the_end(*pids: int) -> bool:
    clock = threading.Event()
    return any(not any(map(is_alive, pids)) or clock.wait(0.05) for _ in range(60)) and not any(
        map(is_alive, pids)
    )


def test_workers_do_not_outlive_a_killed_parent(made: Made, in_child: Child) -> None:
    code = _WATCHED.replace("ACT", "os.kill(os.getpid(), signal.SIGKILL)")
    done = in_child(made, code, TEST_KEY=str(KEY))
    pids = [int(word) for word in done.stdout.splitlines()[0].split()]
    assert (done.returncode, len(pids)) == (-9, 2)
    assert wait_for_the_end(*pids)


def test_ctrl_c_reaches_the_workers_and_only_the_parent_acts_on_it(made: Made, in_child: Child) -> None:
    act = "[os.kill(worker.pid, signal.SIGINT) for worker in pool._group._workers]; signal.raise_signal(2)"
    done = in_child(made, _WATCHED.replace("ACT", act), TEST_KEY=str(KEY))
    pids = [int(word) for word in done.stdout.splitlines()[0].split()]
    assert done.stdout.splitlines()[1:] == ["at work", "stopped"]
    assert (done.returncode, done.stderr) == (0, "")
    assert not any(map(is_alive, pids))


def test_a_forked_process_cannot_use_the_pool_of_its_parent(made: Made, in_child: Child) -> None:
    done = in_child(
        made,
        """
from seedless.pkcs11.isolation.pool import open_pool
KEY = PublicKey.parse(os.environ["TEST_KEY"])
with open_pool(URI, Given(), module=MODULE) as pool:
    if os.fork() == 0:
        try:
            pool.signer(KEY).sign(b"x")
        except SeedlessError as error:
            print(error, flush=True)
        pool.close()
        os._exit(0)
    os.wait()
    print(len(pool.signer(KEY).sign(b"x")))
""",
        TEST_KEY=str(KEY),
    )
    assert done.stdout == "the pool was opened before this process was forked\n64\n"


def test_a_folder_with_modules_of_any_name_is_not_imported_from(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "struct.py", "seedless.py", "pkcs11.py"):
        (tmp_path / name).write_text("raise SystemExit(77)\n", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    with pool_of(made) as pool:
        assert pool.signer(KEY).sign(b"x") == signature(b"x")


def test_a_crash_of_a_worker_leaves_no_core_with_the_pin(made: Made) -> None:
    with pool_of(made) as pool:
        [pid] = processes(pool)
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    [core] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"deadline": 0.0}, {"opening": -1.0}], ids=["workers", "deadline", "opening"]
)
def test_a_pool_of_nothing_or_without_patience_is_refused(made: Made, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="at least one worker, and some time"), pool_of(made, **wrong):
        pass


def test_a_module_that_cannot_be_loaded_is_named(made: Made) -> None:
    with (
        pytest.raises(ModuleError, match=r"cannot load the PKCS#11 module /no/such/module\.so: No such file"),
        open_pool(KeyUri.parse(made.uri), Pin(made.pin), module=Path("/no/such/module.so")),
    ):
        pass
