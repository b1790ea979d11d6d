"""PINs: where they come from, which of them a token has rejected, and what others can read.

A PIN is never an argument, never shown, never left for a child to inherit. A source is asked when a token is
about to be opened and not before; the process that asks writes no core file from then on. Refused are a file
that others can read, an empty PIN, and more than one line. Every source but the prompt reads once and
remembers, because a descriptor can be read only once; what it remembers is in no repr. A command that prints
a PIN runs without a shell and without the variables that hold PINs. A source that a URI names counts only if
the person gave that URI: whoever writes a file that we read must not choose what we run.

A wrong PIN is never sent twice, whoever tries: the memory of rejected PINs is one for all who open tokens in
this process and in its workers. No PIN is stored in it, only a digest under a key of this process. The
binding is not imported here: a pool has no driver in its own process.

Linux shows in `/proc/PID/environ`, and macOS in `ps -E`, the memory where a program found its environment
when it started; taking a variable out of `os.environ` leaves it there. So it is overwritten. Core files and
debuggers are kept away for good: a process that has held a PIN may still have it in memory that was freed.
"""

from __future__ import annotations

import enum
import functools
import os
import re
import shlex
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import msgspec

from seedless.errors import PinError, UsageError
from seedless.terminal import columns_where_asked, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
    from typing import Self

__all__ = [
    "OnePin", "PinSource", "PromptPin", "RejectedPin", "Tries", "asks_again", "chosen_pin", "command_pin",
    "descriptor_pin", "environment_pin", "file_pin", "forbid_dumps", "overwrite_variables",
    "parse_pin_source", "uri_pin_source", "without_pins",
]  # fmt: skip


_PR_SET_DUMPABLE = 4
# Of proc_pid_stat(5), where they have the numbers 50 and 51, behind pid and comm.
_ENV_START, _ENV_END = 47, 48


def forbid_dumps() -> None:
    """Write no core file of this process from now on, and let only root read its memory.

    It holds for the children of a fork, and not for programs that are started. On Linux the files of the
    process in /proc belong to root then, so a debugger and `py-spy` need root as well.
    """
    import resource  # only where there is a PIN

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A core that goes to a program (core_pattern with |) ignores the limit, and heeds this.
        with suppress(OSError, AttributeError):
            _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def overwrite_variables(names: Iterable[str]) -> None:
    """Overwrite the values of the environment variables *names* with zeros, where the process was given them.

    `os.environ` is left as it is.
    """
    import ctypes  # only where there is a PIN; a driver requires it in any case

    block = list(_block())
    getenv = _libc().getenv
    getenv.restype = ctypes.c_void_p
    for name in map(os.fsencode, names):
        # Where it is now: Python and others may have put it elsewhere since.
        if address := getenv(name):
            ctypes.memset(address, 0, len(ctypes.string_at(address)))
        for start, entry in block:
            if entry.startswith(name + b"="):
                ctypes.memset(start + len(name) + 1, 0, len(entry) - len(name) - 1)


def _block() -> Iterator[tuple[int, bytes]]:
    """Yield the entries with which this process was started, NAME=VALUE, and their addresses."""
    if sys.platform != "linux":
        return
    import ctypes

    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        at, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    except (OSError, ValueError, IndexError):
        return
    for entry in ctypes.string_at(at, end - at).split(b"\0") if at else ():
        yield at, entry
        at += len(entry) + 1


def _libc() -> Any:  # noqa: ANN401 - ctypes has no types for it
    import ctypes

    return ctypes.CDLL(None)


# PKCS#11 has no bar; SoftHSM takes 255 bytes, CloudHSM a user and a password.
_LONGEST = 1024
_MOST_AGAIN = 9  # questions in a row; a function that answers always the same ends, too
_OTHER_SOURCES = "give it by env:NAME, file:PATH, fd:N or cmd:PROGRAM"
_FORMS = "it is prompt, env:NAME, file:PATH, fd:N or cmd:PROGRAM; a PIN itself is never an argument"
# As text, which `re` compiles when a program is started.
# Whoever has a PIN in a variable has often two: one that this program was given, and the one that
# another tool reads.
_LIKE_A_PIN = r"(?ai)(?:^|_)(?:SO_?|USER_?)?PIN(?:_?CODE)?\d*$"
_named: set[str] = set()  # variables that some source names as holding a PIN
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DESCRIPTOR = re.compile(r"\d{1,5}", re.ASCII)
_LONGEST_COMMAND = 4096  # characters: shlex takes the square of their number


class Tries(enum.StrEnum):
    """How many tries the token reports are left; PKCS#11 reports no number, only these."""

    ENOUGH = ""
    LOW = "low"
    LAST = "last"


class PinSource(Protocol):
    """Give the PIN of a token."""

    def pin(self, token: str, tries: str) -> str | None:
        """Return the PIN of *token* (label and serial, safe to print), None for one typed on its own pad.

        *tries* is one of `Tries`. Raise `PinError` when there is no PIN to give.
        """


class PromptPin:
    """Ask on the terminal, without echo; refuses where there is none.

    Who mistypes is asked again (`asks_again`), for the command has often asked for much else before the PIN.
    An empty line gives up.
    """

    __slots__ = ("_again", "_ask", "_asks_on_terminal", "_kind", "_what", "_why")

    def __init__(
        self, ask: Callable[[str], str] | None = None, *, what: str = "PIN", kind: str = "PIN"
    ) -> None:
        """Take another way to *ask* than the terminal: a function from the question to the answer.

        *what* is asked for, as in `New SO PIN`; *kind* is what errors call it, where it is another secret.
        """
        self._ask: Final = ask or functools.partial(_ask_on_terminal, kind=kind)
        self._asks_on_terminal: Final = ask is None
        self._what: Final = what
        self._kind: Final = kind
        self._again = 0
        self._why = ""

    def pin(self, token: str, tries: str) -> str:
        """Ask, and report in the question why again, and when tries are running out."""
        warning = {Tries.LOW: " (few tries left)", Tries.LAST: " (LAST try before it locks)"}.get(
            Tries(tries), ""
        )
        why, self._why = self._why, ""
        self._again = self._again if why else 0
        question = f"{self._what} for {token}{warning}: "
        if why:
            question = f"{why}\n{question}"
        forbid_dumps()
        typed = self._ask(question)
        if not typed:
            raise self._nothing_typed(token, is_rejected=bool(why))
        return _accepted(typed, f"the {self._kind} that was typed")

    def _nothing_typed(self, token: str, *, is_rejected: bool) -> PinError:
        # Whoever gives up after a wrong PIN asks first whether that has cost one more of the tries. A new PIN
        # that is chosen has none.
        is_sent = is_rejected and self._what == "PIN"
        tries = ": nothing was sent, and as many tries are left as before" if is_sent else ""
        return PinError(
            f"no {self._kind} was typed for {token}{tries}",
            f"run the command again and type the {self._kind}, or {_OTHER_SOURCES}",
        )

    def check(self) -> None:
        """Raise `PinError` where nobody can be asked; asks nothing."""
        if self._asks_on_terminal:
            _require_terminal(self._kind)

    def again(self, why: str) -> bool:
        """Take *why* the last PIN was not accepted; report whether the next question is worth asking."""
        self._again += 1
        self._why = why
        return self._again <= _MOST_AGAIN

    def __repr__(self) -> str:
        return "PromptPin()"


def asks_again(source: PinSource, why: str) -> bool:
    """Report whether *source* may give another PIN after one that was rejected, and show the person *why*.

    Only who asks a person has a method `again`: a file or a variable would give the same PIN again.
    """
    again = getattr(source, "again", None)
    return again is not None and bool(again(why))


def require_source(source: PinSource) -> None:
    """Raise `PinError` where *source* has no PIN to give, as far as is known without reading it."""
    check = getattr(source, "check", None)
    if check is not None:
        check()


class OnePin:
    """One PIN for whatever token, read at the first use."""

    __slots__ = ("_name", "_pin", "_read", "_require", "_what")

    def __init__(
        self,
        name: str,
        read: Callable[[], str],
        what: str = "PIN",
        *,
        require: Callable[[], object] = lambda: None,
    ) -> None:
        """Take it from *read*, which *name* describes; *require* raises `PinError` for nothing to read."""
        self._name: Final = name
        self._require: Final = require
        self._what: Final = what
        self._read: Final = read
        self._pin: str | None = None

    def pin(self, token: str, tries: str) -> str:  # noqa: ARG002 - the same PIN whatever the token
        """Return the PIN; the first call reads it."""
        if self._pin is None:
            forbid_dumps()
            self._pin = _accepted(self._read(), f"the {self._what} from {self._name}")
        return self._pin

    def check(self) -> None:
        """Raise `PinError` where there is nothing to read; reads nothing."""
        if self._pin is None:
            self._require()

    def __repr__(self) -> str:
        return f"PinSource({self._name})"


def environment_pin(
    name: str, environ: MutableMapping[str, str] | None = None, *, what: str = "PIN"
) -> PinSource:
    """Return the source `env:NAME`; *what* it holds, in messages, where that is another secret.

    Reading takes the variable out of *environ*, so that no child inherits it, and out of what the system
    shows of this process.
    """
    # Read at the first use and not when the option is parsed: a command that needs no PIN leaves the
    # variable where it is.
    variables = os.environ if environ is None else environ
    _named.add(name)

    def require() -> None:
        if not variables.get(name):  # a pipeline gives an empty variable for a secret that it does not have
            state = "empty" if name in variables else "not set"
            raise PinError(f"the environment variable {name} is {state}", f"put the {what} into it")

    def read() -> str:
        if variables is os.environ:
            overwrite_variables([name])
        require()
        return variables.pop(name)

    return OnePin(f"env:{name}", read, what, require=require)


def file_pin(path: Path, *, what: str = "PIN") -> PinSource:
    """Return the source `file:PATH`: a regular file that its owner alone can read, holding one line.

    *what* it holds, in messages, where that is another secret.
    """
    return OnePin(
        f"file:{path}", lambda: _read_file(path, what), what, require=lambda: _require_file(path, what)
    )


def descriptor_pin(number: int, *, what: str = "PIN") -> PinSource:
    """Return the source `fd:N`: one line from an open descriptor; what follows the line stays unread."""
    return OnePin(
        f"fd:{number}",
        lambda: _read_line(number, what),
        what,
        require=lambda: _require_open(number, what),
    )


def command_pin(
    words: list[str], environ: Mapping[str, str] | None = None, *, what: str = "PIN"
) -> PinSource:
    """Return the source `cmd:PROGRAM ARGUMENT…`: one line that a program prints.

    It runs without a shell, sees an empty stdin, talks to the person on our stderr, and gets *environ*
    without every variable that a source of a PIN has named or whose name ends in PIN.
    """
    return OnePin(
        f"cmd:{Path(words[0]).name}",
        lambda: _read_command(words, environ, what),
        what,
        require=lambda: _require_program(words[0], what),
    )


def uri_pin_source(text: str | None, *, is_ours: bool) -> PinSource | None:
    """Return the source that the `pin-source` of a URI names (RFC 7512 §2.4), None if it names none.

    A path, a `file:` URI and `|PROGRAM` are read, and our own forms. None too for a URI that the person did
    not give on the command line or in the configuration (*is_ours*). Raise `UsageError`.
    """
    if not text or not is_ours:
        return None
    # RFC 7512 §2.4 allows a command here, which is why only a URI that the person gave is followed: one
    # from a file of somebody else would run a program.
    if text.startswith("|"):
        return parse_pin_source(f"cmd:{text[1:]}")
    return parse_pin_source(re.sub("^(file://)?(?=/)", "file:", text))


def parse_pin_source(text: str, *, what: str = "PIN") -> PinSource:
    """Read `prompt`, `env:NAME`, `file:PATH`, `fd:N` or `cmd:PROGRAM`; *what* they hold, in messages.

    Raise `UsageError`, which never quotes *text*.
    """
    if text == "prompt":
        return PromptPin(what=what, kind=what)
    kind, colon, rest = text.partition(":")
    make = _KINDS.get(kind) if colon else None
    if make is None:
        raise UsageError(f"the source of the {what} is not understood", _FORMS.replace("PIN", what))
    return make(rest, what)


def _environment(rest: str, what: str) -> PinSource:
    if not _VARIABLE.fullmatch(rest):
        raise UsageError("env: requires the name of an environment variable", "as in env:TOKEN_PIN")
    return environment_pin(rest, what=what)


def _file(rest: str, what: str) -> PinSource:
    if not rest or "\0" in rest:
        raise UsageError("file: requires a path", "as in file:/run/secrets/token-pin")
    return file_pin(Path(rest), what=what)


def _descriptor(rest: str, what: str) -> PinSource:
    if not _DESCRIPTOR.fullmatch(rest):
        raise UsageError("fd: requires the number of an open descriptor", "as in fd:3")
    return descriptor_pin(int(rest), what=what)


def _command(rest: str, what: str) -> PinSource:
    if len(rest) > _LONGEST_COMMAND:
        raise UsageError(
            f"cmd: has more than {_LONGEST_COMMAND} characters", "write a script, and give its path"
        )
    try:
        words = shlex.split(rest)
    except ValueError:
        words = []
    if not words or "\0" in rest:
        raise UsageError("cmd: requires a program and its arguments", "as in cmd:pass show hsm/pin")
    return command_pin(words, what=what)


_KINDS: dict[str, Callable[[str, str], PinSource]] = {
    "env": _environment,
    "file": _file,
    "fd": _descriptor,
    "cmd": _command,
}


def _accepted(pin: str, what: str) -> str:
    if not pin:
        raise PinError(f"{what} is empty", "the first line that is read from there is taken")
    if len(pin) > _LONGEST or any(c in pin for c in "\r\n\0"):
        raise PinError(f"{what} is longer than one line of {_LONGEST} characters")
    try:
        pin.encode("utf-8")
    except UnicodeEncodeError:
        # The binding would encode it itself, and its error carries the whole PIN.
        raise PinError(f"{what} is not UTF-8") from None
    return pin


def _ask_on_terminal(question: str, *, kind: str = "PIN") -> str:
    import getpass  # termios is wanted only here
    import warnings

    shown = wrapped(question, _require_terminal(kind))
    try:
        # Where the echo of the terminal cannot be turned off, as in a job that a shell has left in the
        # background, getpass warns and reads stdin: the next line of somebody's list would be sent as a PIN.
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(shown)
    except (getpass.GetPassWarning, OSError):
        raise PinError(f"there is no terminal to ask for the {kind}", _OTHER_SOURCES) from None
    except EOFError:  # Ctrl-D gives up as an empty line does
        return ""


def _require_terminal(kind: str) -> int:
    try:
        return columns_where_asked()
    except OSError:
        # Without this, getpass would read the PIN from stdin with echo.
        raise PinError(f"there is no terminal to ask for the {kind}", _OTHER_SOURCES) from None


def _read_file(path: Path, what: str) -> str:
    with _opened(path, what) as descriptor:
        return _decoded(os.read(descriptor, _LONGEST * 4), f"the {what} in {path}")


def _require_file(path: Path, what: str) -> None:
    with _opened(path, what):
        pass


@contextmanager
def _opened(path: Path, what: str) -> Iterator[int]:
    """Open the regular file *path* that its owner alone can read; raise `PinError`."""
    try:
        # Not blocking: a FIFO without a writer would hang here.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise PinError(f"cannot read the {what} from {path.absolute()}: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PinError(f"{path} is not a regular file", "for a pipe use fd:N")
        if not status.st_size:
            raise PinError(f"{path} is empty", f"put the {what} into it, in one line")
        # Of the open descriptor, so that it is the file that is read. Who may write it could choose the
        # PIN, and lock the token by it.
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise PinError(f"{path} holds a {what} and is open to others than its owner", f"chmod 600 {path}")
        yield descriptor
    finally:
        os.close(descriptor)


def _require_open(number: int, what: str) -> None:
    try:
        os.fstat(number)
    except OSError as error:
        raise PinError(f"cannot read the {what} from descriptor {number}: {error.strerror}") from error


def _read_line(number: int, what: str) -> str:
    line = bytearray()
    try:
        # Byte by byte: what follows the line belongs to whoever reads the descriptor next.
        while len(line) < _LONGEST * 4 and (byte := os.read(number, 1)) not in {b"", b"\n"}:
            line += byte
    except OSError as error:
        raise PinError(f"cannot read the {what} from descriptor {number}: {error.strerror}") from error
    return _decoded(bytes(line), f"the {what} from descriptor {number}")


def chosen_pin(source: str | None, label: str, what: str, lengths: tuple[int, int]) -> str:
    """Return a PIN of *lengths* (bytes) for the token *label*: of *source*, or typed twice until it fits."""
    from seedless.text import between_quotes  # few commands choose one

    pins = parse_pin_source(source or "prompt")
    if isinstance(pins, PromptPin):
        pins = PromptPin(what=f"New {what}")
    token_name = f'token "{between_quotes(label)}"'
    while True:
        first = pins.pin(token_name, "")
        if first is None:
            raise PinError(
                "a PIN pad cannot be used here", "give the PIN by env:NAME, file:PATH, fd:N or cmd:PROGRAM"
            )
        if not isinstance(pins, PromptPin):
            return first
        size, (least, most) = len(first.encode()), lengths
        why = f"the two entries of the {what} differ"
        # Before it is typed again: whoever has typed it twice does not expect to choose another one.
        if most and not least <= size <= most:
            why = f"the {what} has {size} bytes, and the token takes {least} to {most}"
        elif pins.pin(f"{token_name}, once more", "") == first:
            return first
        if not asks_again(pins, why):
            raise PinError(why, "nothing was done; begin again")


def without_pins(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* for a child: without variables that a source names, and those called like a PIN."""
    return {
        name: text
        for name, text in environ.items()
        if name not in _named and not re.search(_LIKE_A_PIN, name)
    }


def _require_program(program: str, what: str) -> None:
    import shutil  # as `subprocess` below

    if shutil.which(program) is None:
        name = shlex.quote(Path(program).name)
        raise PinError(
            f"cannot run {name} for the {what}: No such file or directory",
            "cmd: requires a program, no shell",
        )


def _read_command(words: list[str], environ: Mapping[str, str] | None, what: str) -> str:
    import subprocess  # few need it, and it is slow to import

    name = shlex.quote(Path(words[0]).name)  # the rest may hold a secret
    clean = without_pins(os.environ if environ is None else environ)
    try:
        child = subprocess.Popen(  # noqa: S603 - the owner's own words, and no shell
            # Its stderr is ours: pass and gpg talk to the person there. Its stdin is empty, since a plan
            # may be piped into this program.
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=clean,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a program"
        raise PinError(
            f"cannot run {name} for the {what}: {reason}", "cmd: requires a program, no shell"
        ) from error
    with child:
        try:
            data = child.stdout.read(_LONGEST * 4) if child.stdout else b""
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        how = f"status {child.returncode}" if child.returncode > 0 else f"signal {-child.returncode}"
        raise PinError(f"{name} gave no {what} and ended with {how}", "run it by hand to see why")
    return _decoded(data, f"the {what} from {name}")


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise PinError(f"{what} is not UTF-8") from None


class RejectedPin(msgspec.Struct, frozen=True):
    """A PIN that a token may have refused, as a digest, and the token."""

    digest: bytes
    where: str
    _remembered: ClassVar[set[bytes]] = set()
    _key: ClassVar[bytes] = os.urandom(32)

    @classmethod
    def of(cls, path: Path, where: str, pin: bytes, *, who: str = "user") -> Self:
        """Return *pin* as one for the user or the SO of the token *where* by the module at *path*."""
        parts = (os.path.realpath(path), where, who)
        import hashlib  # OpenSSL takes long to load, and only a PIN needs it

        # With lengths: without them (`a`, `bc`) and (`ab`, `c`) would have one digest.
        framed = [len(part).to_bytes(4, "big") + part for part in (*map(os.fsencode, parts), pin)]
        # Keyed by random bytes of this process, so that no digest is of use outside of it.
        digest = hashlib.blake2b(b"".join(framed), key=cls._key, digest_size=32).digest()
        return cls(digest, where)

    def check(self) -> None:
        """Raise `PinError` if the token has refused this PIN before."""
        if self.digest in self._remembered:
            raise PinError(
                f"{self.where} has refused this PIN already, and it was not sent again",
                "give another PIN; after a change of the PIN start the program again",
            )

    def remember(self) -> None:
        """Remember that the token refused it."""
        self._remembered.add(self.digest)

    @classmethod
    def forget_all(cls) -> None:
        """Forget all: a token was initialised, and what was wrong may be right now."""
        cls._remembered.clear()
