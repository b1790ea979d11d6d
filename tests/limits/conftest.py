"""Work that grows with what is given, and not with its square: measured at two sizes, in one run."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
SMALL, LARGE = 250, 2500
MOST = 3.5
"""Times as long for one item of the large input as for one of the small; what is quadratic comes to 10."""
_PATIENCE = 4
"""Times the rounds that a busy machine is given."""


def per_item(
    make: Callable[[int], T],
    run: Callable[[T], object],
    *,
    rounds: int = 3,
    sizes: tuple[int, int] = (SMALL, LARGE),
) -> float:
    """Return how many times as long *run* takes for an item of the large input as for one of the small.

    The time is that of the processor, the best of some rounds: other processes on the machine only add
    to it, by the cache they share. So a ratio over the bar is measured again: what is quadratic stays at 10.
    """
    small, large = map(make, sizes)
    few, many = [], []
    for attempt in range(_PATIENCE * rounds):
        few += [_seconds(run, small), _seconds(run, small)]
        many += [_seconds(run, large)]
        ratio = min(many) / (min(few) * sizes[1] / sizes[0])
        if attempt + 1 >= rounds and ratio < MOST:
            break
    return ratio


def _seconds(run: Callable[[T], object], given: T) -> float:
    begin = time.process_time()
    run(given)
    return max(time.process_time() - begin, 1e-6)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Keep the garbage collector out: it looks at all objects the more often the more there are."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="session")
def growth() -> Callable[..., float]:
    """The ratio `per_item`."""
    return per_item


@pytest.fixture(scope="session")
def most() -> float:
    """The bar for it."""
    return MOST
