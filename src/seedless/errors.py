"""Every error that seedless raises on purpose, and the exit code of each.

    SeedlessError                 1  something failed
    ├── UsageError                2  the command was not given right
    │   ├── BadUri                2  text that is no RFC 7512 URI, or one that we refuse
    │   ├── MissingPackage        2  a Python package of an extra is not installed
    │   └── WrongFile             2  a file of another kind, or of another ceremony, than was needed
    ├── BadKey                    1  text that is not a NATS key; `reason` states which way
    ├── BadJwt                    1  text that is not a jwt, or one that we refuse; `path` states where
    ├── BadClaims                 1  claims that a person or a file wrote, with a wrong value at `path`
    ├── BadShare                  1  words that are no share of a secret; `places` has which are wrong
    ├── BadSignature              3  a signature that does not verify
    ├── Refused                   3  findings prevent it
    ├── StoreError                1  a file of the store, inventory or configuration
    ├── ServerError               1  what a NATS server answered, or that it did not
    │   └── NoTls                 1  TLS was asked for, and a server offers none
    └── TokenError                4  anything about a token
        ├── ModuleError           4  the PKCS#11 module cannot be loaded
        ├── NoToken               4  no token, or more than one, matches
        │   └── NotConnected      4  the token that a label and a serial name is not there
        ├── NoKey                 4  no key, or more than one, matches
        └── PinError              4  the PIN is wrong, locked or not given

A message states what happened and to what; a hint states what to do. Both are lower case without a period.
"""

from __future__ import annotations

import contextlib
import enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

__all__ = [
    "BadClaims",
    "BadJwt",
    "BadKey",
    "BadShare",
    "BadSignature",
    "BadUri",
    "ExitCode",
    "InvalidValue",
    "MissingPackage",
    "ModuleError",
    "NoKey",
    "NoTls",
    "NoToken",
    "NotConnected",
    "PinError",
    "Refused",
    "SeedlessError",
    "ServerError",
    "StoreError",
    "TokenError",
    "UsageError",
    "WrongFile",
]


class ExitCode(enum.IntEnum):
    """What a command ends with; `meaning` states it for people."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """Take the *meaning* beside the code."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "ok"
    FAILED = 1, "failed"
    USAGE = 2, "usage"
    FINDINGS = 3, "findings or a bad signature"
    TOKEN = 4, "token or PIN"
    CHANGES = 5, "there are changes"
    INTERRUPTED = 130, "interrupted"


class SeedlessError(Exception):
    """Root of all errors of this package: a sentence, and a hint on what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        """Take the *message* (what happened, to what) and the *hint* (what to do)."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SeedlessError):
    """The command or the call was not given right."""

    exit_code = ExitCode.USAGE


class BadUri(UsageError):
    """Text is not an RFC 7512 URI, or holds an attribute that is refused."""


class MissingPackage(UsageError):
    """A Python package that an extra of this one brings is not installed."""


class WrongFile(UsageError):
    """A file that was given is malformed, of another kind than is required, or of another ceremony."""


class BadKey(SeedlessError):
    """Text is not a NATS key; `reason` is one of length, alphabet, prefix, checksum, role."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, hint: str = "", *, reason: str) -> None:
        """Take the sentence and the *reason*, one word."""
        super().__init__(message, hint)
        self.reason = reason


class _PlacedError(SeedlessError):
    """An error at a place in claims: `path` is `nats.limits.conn`, `nats.exports[2].subject`, or empty."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, hint: str = "", *, path: str = "", rule: str = "") -> None:
        """Take the sentence, the *path*, and the *rule* of `wire.RULES` where we are stricter than Go."""
        super().__init__(message, hint)
        self.path = path
        self.rule = rule


class BadJwt(_PlacedError):
    """Text is not a jwt, or is one that is refused."""


class BadClaims(_PlacedError):
    """Claims, written by a person or a file, have a wrong value."""


class BadShare(SeedlessError):
    """Words are not a share of a secret, or shares do not belong together; `places` (from 0) are wrong."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, hint: str = "", *, places: tuple[int, ...] = ()) -> None:
        """Take the sentence, and the *places* of the words that are wrong, where they are known."""
        super().__init__(message, hint)
        self.places = places


class BadSignature(SeedlessError):
    """A signature does not verify under the public key that it should; `rule` as in `BadJwt`."""

    exit_code = ExitCode.FINDINGS

    def __init__(self, message: str, hint: str = "", *, rule: str = "") -> None:
        """Take the sentence, and the *rule* of `wire.RULES` where we are stricter than Go."""
        super().__init__(message, hint)
        self.rule = rule


class Refused(SeedlessError):
    """Findings prevent what was to be signed, or it is not what was stated to be meant.

    `findings` are all of them, values of `seedless.findings.Finding`; the sentence is about the first error.
    """

    exit_code = ExitCode.FINDINGS

    def __init__(self, message: str, hint: str = "", *, findings: tuple[object, ...] = ()) -> None:
        """Take the sentence, and the *findings* where there are some."""
        super().__init__(message, hint)
        self.findings = findings


class StoreError(SeedlessError):
    """A file of the store, the inventory or the configuration cannot be read or written."""


class StoreChanged(StoreError):
    """Another process has changed in the store what a plan was made for: the plan is to be made again."""


class ServerError(SeedlessError):
    """A NATS server refused, or did not answer."""


class BackendError(SeedlessError):
    """A backend of logins cannot decide now: that is not the fault of whoever logs in."""


class NoTls(ServerError):
    """TLS was asked for, and a NATS server offers none."""


class TokenError(SeedlessError):
    """A token, or its driver, did not do what was asked."""

    exit_code = ExitCode.TOKEN


class ModuleError(TokenError):
    """A PKCS#11 module cannot be loaded, or may not be."""


class NoToken(TokenError):
    """No token matches, or more than one does."""


class NotConnected(NoToken):
    """The one token that a label and a serial name is not connected: it is elsewhere, or lost."""


class NoKey(TokenError):
    """No key matches, or more than one does."""


class PinError(TokenError):
    """A PIN is wrong, locked, or was not given."""


class InvalidValue(ValueError):
    """A value that is not what its place in a file requires; the sentence continues after the place.

    `path` is that place, where the one who catches it does not have it. The reader of the file gathers all of
    these, and raises one `SeedlessError`.
    """

    def __init__(self, sentence: str, path: str = "") -> None:
        """Take the sentence, and the path."""
        super().__init__(sentence)
        self.path = path


@contextlib.contextmanager
def about(source: str) -> Iterator[None]:
    """Let the message of an error within begin with the *source* of what is read, unless that is empty."""
    try:
        yield
    except SeedlessError as error:
        if source:
            error.message = f"{source}: {error.message}"
        raise
