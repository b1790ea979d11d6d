"""What a pool and its workers report to one another: frames over two pipes.

A frame is the length of its body (4 bytes, big-endian), its kind (1 byte) and the body. A body is JSON, the
bytes of a PIN, or numbers and bytes packed as in `pack_job` and `SIGNATURE`. Refused is a frame that is
longer than its reader takes or of no kind that there is: the stream is broken then, and so is the worker.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING

from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = struct.Struct(">IB")
_JOB = struct.Struct(">QI33s")
_ROLES = {role.prefix: role for role in Role}
SIGNATURE = struct.Struct(">Q64s")  # the number of the job, and what it came to; SIGNED holds one or more
# A driver that overwrites memory may write anything into the pipe; a length of four gigabytes must not
# make the pool wait for as many bytes.
LONGEST_ANSWER = 1 << 16  # of a worker; what goes to one is ours, and as long as the messages are


class FrameKind(enum.IntEnum):
    """What a frame is: the first three go to a worker, the others come from one."""

    OPEN = 1
    PIN = 2
    JOBS = 3
    ASK = 4
    READY = 5
    SIGNED = 6
    FAILED = 7
    HERE = 8


_FRAME_KINDS = {int(kind): kind for kind in FrameKind}


class BrokenFrame(Exception):
    """Bytes are no frame."""


def pack_frame(kind: FrameKind, body: bytes) -> bytes:
    """Return one frame."""
    return _HEADER.pack(len(body), kind) + body


def take_frames(buffer: bytearray, longest: int) -> Iterator[tuple[FrameKind, bytes]]:
    """Take the whole frames off the front of *buffer*; raise `BrokenFrame`."""
    at = 0
    try:
        while len(buffer) - at >= _HEADER.size:
            length, number = _HEADER.unpack_from(buffer, at)
            # Checked before the body has come, for the same reason.
            if length > longest or number not in _FRAME_KINDS:
                raise BrokenFrame
            begin = at + _HEADER.size
            if len(buffer) - begin < length:
                return
            at = begin + length
            yield _FRAME_KINDS[number], bytes(buffer[begin:at])
    finally:
        del buffer[:at]


def pack_job(number: int, key: PublicKey, message: bytes) -> bytes:
    """Return a job for a body of JOBS, which is any number of them one behind the other."""
    return _JOB.pack(number, len(message), bytes([key.role.prefix]) + key.raw) + message


def unpack_jobs(body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Return the number, the key for `read_key`, and the message of each job in a body of JOBS."""
    at = 0
    while at < len(body):
        number, length, key = _JOB.unpack_from(body, at)
        at += _JOB.size
        yield number, key, body[at : at + length]
        at += length


def read_key(packed: bytes) -> PublicKey:
    """Return the key of a job."""
    return PublicKey(_ROLES[packed[0]], packed[1:])
