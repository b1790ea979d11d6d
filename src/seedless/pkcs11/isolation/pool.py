"""Signatures in bulk, by worker processes: a driver that crashes or hangs costs one worker and no result.

Each worker has its own library, session and login. Every signature is verified here, while the workers make
the next ones, and delivered once. A worker that crashes, ends, hangs past the deadline, breaks the protocol,
reports an error or makes a wrong signature is killed. The job that it was at goes to a fresh worker, once:
Ed25519 gives the same bytes. A job over which two workers are lost closes the pool; what was delivered is
kept. Refused are a second run before the first is over, and use after a fork. `worker_group.py` explains what
happens to the PIN.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from seedless.errors import BadSignature, TokenError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.isolation.frames import SIGNATURE, FrameKind, pack_job
from seedless.pkcs11.isolation.worker_group import (
    BROKE_PROTOCOL,
    OpenRequest,
    SigningJob,
    WorkerAnswer,
    WorkerGroup,
    WorkerProcess,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from seedless.challenges import ChallengeJournal
    from seedless.jwt import Draft, Jwt
    from seedless.pin import PinSource
    from seedless.pkcs11.uri import KeyUri
    from seedless.signer import Signer

_AHEAD = 0.1  # seconds of work that a worker has, so that it never waits, nor while a hundred are recorded
# At least some, for tokens that take a tenth of a second each; at most so many that few are lost with a
# worker.
_FEWEST, _MOST = 4, 160  # jobs that it has, slow or fast
_BATCH_SIZE = 16  # jobs of a batch: it begins with these while the others are drafted


class Pool:
    """Workers that hold one token open. Made by `open_pool`; for one thread at a time."""

    def __init__(self, group: WorkerGroup) -> None:
        """Take over a *group* that has opened the token."""
        self._group: Final = group
        self._again: Final[deque[SigningJob]] = deque()
        self._blamed: Final[list[SigningJob]] = []  # the last one lost comes last
        self._done: Final[deque[tuple[int, object]]] = deque()
        self._turn: Final = threading.Lock()
        self._pid: Final = os.getpid()
        self._number = 0
        self._is_closed = False

    def signer(self, public_key: PublicKey) -> Signer:
        """Return a signer for the key of *public_key*; that the token has it shows at the first signature."""
        return _PoolSigner(self, public_key)

    def sign_all(self, jobs: Iterable[tuple[PublicKey, bytes]]) -> Iterator[tuple[int, bytes]]:
        """Sign messages with their keys; return the place of each in *jobs* and its 64 bytes, as made.

        Each place comes once, the signature verified, in no promised order. *jobs* is read only as far as
        the workers have room, a few dozen ahead. Raise `TokenError` when two workers were lost over one job
        or the token cannot be opened again, `NoKey`, `PinError`: behind all results that there are, and with
        the pool closed.
        """
        return self._all((key, message, _verifying(key, message)) for key, message in jobs)

    def complete_all(self, drafts: Iterable[Draft[Any]]) -> Iterator[tuple[int, Jwt[Any]]]:
        """Return the place of each of *drafts* and its jwt, as made; else as `sign_all`.

        Completing a draft is what verifies its signature, once.
        """
        return self._all((draft.issuer, draft.signing_input, draft.complete) for draft in drafts)

    def _all(
        self, jobs: Iterable[tuple[PublicKey, bytes, Callable[[bytes], Any]]]
    ) -> Iterator[tuple[int, Any]]:
        if not self._turn.acquire(blocking=False):
            raise UsageError("the pool is at another run", "end that one first, or open another pool")
        try:
            self._check()
            yield from self._run(jobs)
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the workers; a second time does nothing."""
        if not self._is_closed and os.getpid() == self._pid:
            self._is_closed = True
            self._group.dismiss()

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise TokenError("the pool was opened before this process was forked", "open another one here")
        if self._is_closed:
            raise TokenError("the pool is closed", "open another one")

    def _run(
        self, jobs: Iterable[tuple[PublicKey, bytes, Callable[[bytes], object]]]
    ) -> Iterator[tuple[int, object]]:
        first = self._number
        waiting = map(self._job, jobs)
        # Without waiting: it only looks whether a worker has ended meanwhile.
        self._step(0.0)  # a worker may have been lost since the last run
        try:
            while self._fill(waiting):
                try:
                    self._step()
                except TokenError:
                    yield from self._delivered(first)
                    self.close()
                    raise
                yield from self._delivered(first)
        finally:
            self._abandon()

    def _job(self, job: tuple[PublicKey, bytes, Callable[[bytes], object]]) -> SigningJob:
        key, message, complete = job
        if not isinstance(message, bytes):
            raise UsageError(f"a message is bytes, not {type(message).__name__}")
        if key.role is Role.CURVE:
            raise UsageError(f"{key} is a curve key: it encrypts and cannot sign")
        self._number += 1
        return SigningJob(self._number - 1, key, message, complete)

    def _delivered(self, first: int) -> Iterator[tuple[int, object]]:
        while self._done:
            number, result = self._done.popleft()
            yield number - first, result

    def _fill(self, waiting: Iterator[SigningJob]) -> bool:
        """Give jobs to the workers that have few; return whether any is unfinished."""
        workers = [worker for worker in self._group.ready if len(worker.jobs) <= _window(worker) // 2]
        batches: dict[WorkerProcess, list[SigningJob]] = {}
        while workers:
            worker = min(workers, key=lambda worker: len(worker.jobs))
            if len(worker.jobs) >= _window(worker) or (job := self._next(worker, waiting)) is None:
                workers.remove(worker)  # there may be a job for another, which is fresh
                continue
            if not worker.jobs:
                worker.since = time.monotonic()
            worker.jobs.append(job)
            worker.is_fresh = False
            batches.setdefault(worker, []).append(job)
            if len(batches[worker]) == _BATCH_SIZE:
                _send(worker, batches.pop(worker))
        for worker, batch in batches.items():
            _send(worker, batch)
        is_unfinished = bool(self._again or self._blamed or any(item.jobs for item in self._group.ready))
        return is_unfinished or self._peek(waiting)

    def _peek(self, waiting: Iterator[SigningJob]) -> bool:
        # It is not the end of all jobs if just now no worker is ready for one.
        self._again.extend(itertools.islice(waiting, 1))
        return bool(self._again)

    def _next(self, worker: WorkerProcess, waiting: Iterator[SigningJob]) -> SigningJob | None:
        for place, job in reversed(list(enumerate(self._blamed)) if worker.is_fresh else []):
            # A job that has cost a worker goes to one that was started afterwards: in the same process it
            # could be the driver's state that is wrong, and not the job.
            if job.lost_at <= worker.started:
                return self._blamed.pop(place)
        return self._again.popleft() if self._again else next(waiting, None)

    def _step(self, longest: float | None = None) -> None:
        """Take all answers that there are, then raise if one of them is the end."""
        ends = [end for answer in self._group.wait(longest) if (end := self._take(answer)) is not None]
        if ends:
            raise ends[0]

    def _take(self, answer: WorkerAnswer) -> TokenError | None:
        worker = answer.worker
        error = answer.lost or self._refusal(worker, answer.signed)
        if error is None:
            return None
        self._group.discard(worker)
        return self._lose(worker, error, answer.patience)

    def _refusal(self, worker: WorkerProcess, signed: bytes) -> TokenError | None:
        """Put the signatures among the results, or return what is wrong with the first bad one."""
        if not worker.jobs:  # it was lost over an answer before this one, or makes what is no longer needed
            return None
        if not signed or len(signed) % SIGNATURE.size or len(signed) > SIGNATURE.size * len(worker.jobs):
            return self._group.blame(worker, BROKE_PROTOCOL)
        for number, signature in SIGNATURE.iter_unpack(signed):
            job = worker.jobs[0]
            if number != job.number:
                return self._group.blame(worker, BROKE_PROTOCOL)
            try:
                result = job.complete(signature)
            # The worker is ended and not asked again: a driver that made one wrong signature, by a race
            # or a flipped bit, cannot be trusted with the next.
            except BadSignature:
                return self._group.blame(worker, "made a wrong signature")
            worker.jobs.popleft()
            self._done.append((number, result))
        now = time.monotonic()
        # Half of what was measured now: a token that another program uses as well gets slower and faster
        # again.
        worker.pace = (worker.pace + (now - worker.since) * SIGNATURE.size / len(signed)) / 2
        worker.since = now
        return None

    def _lose(self, worker: WorkerProcess, error: TokenError, patience: int) -> TokenError | None:
        """Keep the jobs of a lost *worker*; return *error* if the first of them has lost too many."""
        if not worker.jobs:
            return None
        for job in worker.jobs:
            job.is_suspect = True
        job = worker.jobs.popleft()
        # In front and in their order: the oldest have waited longest, and who reads the results keeps
        # what is out of order in memory.
        self._again.extendleft(reversed(worker.jobs))
        worker.jobs.clear()
        job.losses += 1
        job.lost_at = time.monotonic()
        if job.losses >= patience:
            return error
        self._blamed.append(job)
        return None

    def _abandon(self) -> None:
        """Forget what is unfinished: workers that are at it are ended, and fresh ones start when wanted."""
        self._again.clear()
        self._blamed.clear()
        self._done.clear()
        if not self._is_closed:
            for worker in self._group.ready:
                if worker.jobs:
                    self._group.discard(worker)


def _verifying(key: PublicKey, message: bytes) -> Callable[[bytes], bytes]:
    def complete(signature: bytes) -> bytes:
        key.verify(signature, message)
        return signature

    return complete


def _window(worker: WorkerProcess) -> int:
    return max(_FEWEST, min(_MOST, int(_AHEAD / worker.pace))) if worker.pace else _FEWEST


def _send(worker: WorkerProcess, batch: list[SigningJob]) -> None:
    """Send jobs as one batch, but suspects one by one: a worker reports all of a batch before the next."""
    # A batch is answered as a whole, so of a batch that kills its worker it would not be known which job it
    # was.
    for _, group in itertools.groupby(batch, lambda job: job.number if job.is_suspect else -1):
        body = b"".join(pack_job(job.number, job.key, job.message) for job in group)
        worker.send(FrameKind.JOBS, body)


@dataclass(frozen=True, slots=True)
class _PoolSigner:
    _pool: Pool
    public_key: PublicKey

    def sign(self, message: bytes, /) -> bytes:
        [(_, signature)] = self._pool.sign_all([(self.public_key, message)])
        return signature


@contextmanager
def open_pool(  # noqa: PLR0913 - what a worker is opened with
    uri: KeyUri,
    pins: PinSource,
    *,
    module: Path,
    workers: int = 1,
    deadline: float = 30.0,
    opening: float = 60.0,
    last_try: bool = False,
    allow_extractable: Collection[PublicKey] = (),
    challenges: ChallengeJournal | None = None,
) -> Iterator[Pool]:
    """Open the one token that *uri* means in *workers* processes; close them at the end.

    A signature may take *deadline* seconds, a touch included, and opening the token *opening* seconds, typing
    on a PIN pad included. The PIN is asked for once, when the first worker knows that the token signs with
    Ed25519. Keys that can leave the token sign only if *allow_extractable* names them. Challenges,
    which find a key that shows no public half, are written to *challenges*. Raise as `open_token`.
    """
    if workers < 1 or deadline <= 0 or opening <= 0:
        raise UsageError("a pool has at least one worker, and some time for each signature")
    request = OpenRequest(
        uri=uri,
        module=module,
        last_try=last_try,
        allow_extractable=frozenset(map(str, allow_extractable)),
        challenges=challenges,
        opening=opening,
        deadline=deadline,
    )
    group = WorkerGroup(request, pins, workers)
    pool = Pool(group)
    try:
        while not group.is_full:
            group.wait()
        yield pool
    finally:
        pool.close()
