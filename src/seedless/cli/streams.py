"""The three streams of the program, when they are closed, broken or full, and whether they take colours."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TextIO

import click

from seedless.terminal import fitted

_OF_WRITING = frozenset({errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF})


def open_closed_streams() -> bool:
    """Put /dev/null where stdin, stdout or stderr is closed; return whether stdout was there.

    Else the next file that is opened, one of the store, would get the number of the stream, and what a driver
    prints would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Python opens files so that a child process does not inherit them (PEP 446): in a program that
            # is started from here the stream would be closed again.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - takes the lowest number
    had_stdout = sys.stdout is not None
    sys.stdin = sys.stdin or _on(0, "r")
    sys.stdout = sys.stdout or _on(1, "w")
    sys.stderr = sys.stderr or _on(2, "w")
    return had_stdout


def _on(number: int, mode: str) -> TextIO:
    # An object that closed its descriptor when it is collected would free the number for the next file.
    return io.TextIOWrapper(io.FileIO(number, mode, closefd=False), encoding="utf-8", write_through=True)


def escape_what_cannot_be_written() -> None:
    """Let a stream that cannot write a character, as in an ASCII locale, write its escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def colour() -> bool | None:
    """Return whether to print colours; None where it depends on the stream, which may be a terminal.

    NO_COLOR (no-color.org) wins over CLICOLOR_FORCE (bixense.com/clicolors), which wins over TERM.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return False if os.environ.get("TERM") == "dumb" else None


def write_to_stderr(text: str) -> None:
    """Write a line to stderr, where that can be: what is done does not depend on whether it is read."""
    try:
        click.echo(fitted(text, sys.stderr), err=True, color=colour())
    except OSError:
        give_up(sys.stderr)


def flush_stderr() -> None:
    """Write what stderr still has, such as lines of a log, where that can be."""
    try:
        sys.stderr.flush()
    except OSError:
        give_up(sys.stderr)


def lost_output(error: OSError) -> str:
    """Return the sentence about a stdout that cannot be written; empty where *error* is about a file."""
    if error.filename is not None or error.errno not in _OF_WRITING:  # whatever else writes names the file
        return ""
    return f"stdout cannot be written: {os.strerror(error.errno).lower()}"


def give_up(stream: TextIO) -> None:
    """Discard the buffer of *stream*, or Python prints an error for it when it exits."""
    # The descriptor is replaced, not the object: at its end Python flushes sys.stdout, and exits with 120
    # when that fails, whatever the exit status of the command was.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
