from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from seedless.pkcs11.module import DriverLock


def test_threads_pass_side_by_side() -> None:
    lock, both = DriverLock("driver", one_at_a_time=False), threading.Barrier(2, timeout=10)

    def call() -> None:
        with lock:
            both.wait()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(call), threads.submit(call)]:
            done.result()


def test_a_driver_without_locking_gets_one_thread_at_a_time_which_may_enter_again() -> None:
    lock, inside, most = DriverLock("driver", one_at_a_time=True), [], []

    def call() -> None:
        for _ in range(50):
            with lock, lock:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(call) for _ in range(3)]:
            done.result()
    assert set(most) == {1}
    assert len(most) == 150


def test_whoever_is_alone_waits_for_those_inside_and_keeps_others_out() -> None:
    lock, entered, leave, seen = (
        DriverLock("driver", one_at_a_time=False),
        threading.Event(),
        threading.Event(),
        [],
    )

    def first() -> None:
        with lock:
            entered.set()
            leave.wait(10)
            with lock:  # deeper: it is inside already, and not kept out
                seen.append("first")

    def later() -> None:
        with lock:
            seen.append("later")

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(first)
        entered.wait(10)
        threading.Timer(0.05, leave.set).start()
        with lock.exclusive(10) as exclusive:
            other = threads.submit(later)
            assert (exclusive, seen) == (True, ["first"])
        one.result()
        other.result()
    assert seen == ["first", "later"]


def test_a_call_that_hangs_is_not_waited_for() -> None:
    lock, entered, leave = DriverLock("driver", one_at_a_time=False), threading.Event(), threading.Event()

    def hang() -> None:
        with lock:
            entered.set()
            leave.wait(10)

    with ThreadPoolExecutor(1) as threads:
        hung = threads.submit(hang)
        entered.wait(10)
        with lock.exclusive(0.01) as exclusive:
            assert exclusive is False
        leave.set()
        hung.result()
    with lock.exclusive(0.01) as exclusive:
        assert exclusive is True
