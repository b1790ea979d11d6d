from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from seedless.pkcs11.module import Gate


def test_threads_pass_side_by_side() -> None:
    gate, both = Gate("driver", one_at_a_time=False), threading.Barrier(2, timeout=10)

    def call() -> None:
        with gate:
            both.wait()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(call), threads.submit(call)]:
            done.result()


def test_a_driver_without_locking_gets_one_thread_at_a_time_which_may_enter_again() -> None:
    gate, inside, most = Gate("driver", one_at_a_time=True), [], []

    def call() -> None:
        for _ in range(50):
            with gate, gate:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(call) for _ in range(3)]:
            done.result()
    assert set(most) == {1}
    assert len(most) == 150


def test_whoever_is_alone_waits_for_those_inside_and_keeps_others_out() -> None:
    gate, entered, leave, seen = Gate("driver", one_at_a_time=False), threading.Event(), threading.Event(), []

    def first() -> None:
        with gate:
            entered.set()
            leave.wait(10)
            with gate:  # deeper: it is inside already, and not kept out
                seen.append("first")

    def later() -> None:
        with gate:
            seen.append("later")

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(first)
        entered.wait(10)
        threading.Timer(0.05, leave.set).start()
        with gate.alone(10) as alone:
            other = threads.submit(later)
            assert (alone, seen) == (True, ["first"])
        one.result()
        other.result()
    assert seen == ["first", "later"]


def test_a_call_that_hangs_is_not_waited_for() -> None:
    gate, entered, leave = Gate("driver", one_at_a_time=False), threading.Event(), threading.Event()

    def hang() -> None:
        with gate:
            entered.set()
            leave.wait(10)

    with ThreadPoolExecutor(1) as threads:
        hung = threads.submit(hang)
        entered.wait(10)
        with gate.alone(0.01) as alone:
            assert alone is False
        leave.set()
        hung.result()
    with gate.alone(0.01) as alone:
        assert alone is True
