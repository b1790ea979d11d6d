"""Tokens in one private folder: made, filled with known keys, removed.

It decides where the work is done (see `_cryptoki`): on the module instance that the test's program has
initialised in this process, if there is one, and in a child process if not. It refuses to initialise or
finalise a module here, and to delete what an initialised module still lists.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pytest_softhsm import _cryptoki, _find, _pkcs8
from pytest_softhsm._ed25519 import templates
from pytest_softhsm._errors import SoftHSMError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_PIN = "user-pin-7431"
DEFAULT_SO_PIN = "so-pin-2958"
_LABEL_LENGTH = 32
_PIN_LENGTHS = range(4, 256)  # what SoftHSM reports as ulMinPinLen and ulMaxPinLen
_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Token:
    """Describe one initialised SoftHSM token: all that a program needs to use it."""

    module: Path
    label: str
    serial: str
    pin: str
    so_pin: str
    env: Mapping[str, str]

    @property
    def uri(self) -> str:
        """Return the RFC 7512 URI that names this token by label and serial, without a PIN."""
        return f"pkcs11:token={quote(self.label, safe='')};serial={quote(self.serial, safe='')}"

    def import_ed25519(self, seed: bytes, *, label: str, id: bytes) -> None:  # noqa: A002 - CKA_ID's own name
        """Store the Ed25519 key of a 32-byte *seed* (RFC 8032) as a private and a public object.

        The private object is SENSITIVE and not EXTRACTABLE. Both can be used at once, also by a module that
        is already initialised; a user who is logged in stays logged in. SoftHSMError for a seed of another
        length, and if the token refuses.
        """
        objects = templates(seed, label=label, id=id)
        _run(self, "create_objects", serial=self.serial, pin=self.pin, templates=objects)

    def import_pkcs8(self, data: bytes | str, *, label: str, id: bytes) -> None:  # noqa: A002 - CKA_ID's own name
        """Store the RSA, EC or Ed25519 key of a PKCS#8 file (PEM or DER), as `import_ed25519` does.

        An RSA key may sign and decrypt, an EC key sign and derive. SoftHSMError for a file that is none, that
        is encrypted, for a key of another kind, and if the token refuses.
        """
        data = data.encode() if isinstance(data, str) else data
        objects = _pkcs8.templates(data, label=label, id=id)
        _run(self, "create_objects", serial=self.serial, pin=self.pin, templates=objects)


@dataclass(frozen=True, slots=True)
class SoftHSM:
    """Make and remove tokens in one private token folder."""

    module: Path
    folder: Path
    env: Mapping[str, str]
    _named_util: str | None = None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1), repr=False)
    _removed: list[Path] = field(default_factory=list, repr=False)

    @property
    def token_dir(self) -> Path:
        """Return the folder in which SoftHSM keeps one folder for each token."""
        return self.folder / "tokens"

    @property
    def util(self) -> Path:
        """Find `softhsm2-util`, which this plugin itself does not need; SoftHSMError if there is none."""
        return _find.find_util(self._named_util)

    def create(
        self, label: str | None = None, *, pin: str = DEFAULT_PIN, so_pin: str = DEFAULT_SO_PIN
    ) -> Token:
        """Make a token with both PINs set; without *label* it gets one that is unique in this folder.

        A module that is already initialised in this process shows it at once. Labels may be given twice.
        SoftHSMError for a label that PKCS#11 cannot hold (over 32 bytes of UTF-8, or with a space at its
        end), for a PIN under 4 or over 255 bytes, and if the module here uses another configuration.
        """
        label = f"test-{next(self._numbers):04}" if label is None else label
        _check(label, pin, so_pin)
        serial: str = _run(self, "create", label=label, pin=pin, so_pin=so_pin)
        if self._folder_of(serial) is None:
            raise SoftHSMError(
                f"the token {label!r} did not appear in {self.token_dir}: the module in this process was "
                "initialised with another SOFTHSM2_CONF",
                "do not change SOFTHSM2_CONF in the test process, and load no module before pytest's plugins",
            )
        return Token(self.module, label, serial, pin, so_pin, self.env)

    def remove(self, token: Token) -> None:
        """Delete the folder of *token*, but not while a module in this process would trip over the gap.

        An initialised SoftHSM answers CKR_GENERAL_ERROR for a token that has vanished, and most bindings then
        fail to list any token. So the folder stays until the module is finalised or the session ends.
        """
        folder = self._folder_of(token.serial)
        if folder is not None:
            self._removed.append(folder)
        if _cryptoki.instance_in_this_process(str(self.module)) is None:
            self.purge()

    def purge(self) -> None:
        """Delete the folders of removed tokens now: for who finalises and initialises the module next.

        Until then an initialised module lists them all, and hundreds of them make it slow.
        """
        while self._removed:
            shutil.rmtree(self._removed.pop(), ignore_errors=True)

    def _folder_of(self, serial: str) -> Path | None:
        # SoftHSM names the folder by a UUID whose last 16 digits are the serial (ObjectStore::newToken).
        folders = self.token_dir.iterdir()
        return next((path for path in folders if path.name.replace("-", "").endswith(serial)), None)


def install(module: Path, folder: Path, named_util: str | None) -> SoftHSM:
    """Write the configuration into the empty *folder*; nothing is loaded and no environment is changed."""
    (folder / "tokens").mkdir(mode=0o700)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n",
        encoding="utf-8",
    )
    return SoftHSM(module, folder, MappingProxyType({"SOFTHSM2_CONF": str(configuration)}), named_util)


def _check(label: str, pin: str, so_pin: str) -> None:
    if len(label.encode()) > _LABEL_LENGTH:
        raise SoftHSMError(f"the token label {label!r} is longer than {_LABEL_LENGTH} bytes of UTF-8")
    if label.endswith(" "):
        raise SoftHSMError(f"the token label {label!r} ends with a space, which PKCS#11 takes for padding")
    for name, value in (("PIN", pin), ("SO PIN", so_pin)):
        if len(value.encode()) not in _PIN_LENGTHS:
            raise SoftHSMError(f"the {name} has {len(value.encode())} bytes; SoftHSM takes 4 to 255")


def _run(place: SoftHSM | Token, name: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON
    """Do the task of that *name* where it has to be done; SoftHSMError if it fails."""
    instance = _cryptoki.instance_in_this_process(str(place.module))
    if instance is not None:
        try:
            return _cryptoki.TASKS[name](instance, **arguments)
        except (_cryptoki.CryptokiError, LookupError) as error:
            raise SoftHSMError(f"SoftHSM failed in {name}: {error}") from error
    answer = _run_in_child({"module": str(place.module), "name": name, "arguments": arguments}, place.env)
    if "error" in answer:
        raise SoftHSMError(f"SoftHSM failed in {name}: {answer['error']}")
    return answer["result"]


def _run_in_child(task: dict[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    # Isolated and without site-packages: it needs neither, and starts in half the time.
    child = subprocess.run(  # noqa: S603 - our own file, by our own interpreter
        [sys.executable, "-I", "-S", _cryptoki.__file__],
        input=json.dumps(task),
        env={**os.environ, **env},
        capture_output=True,
        encoding="utf-8",
        timeout=_TIMEOUT,
        check=False,
    )
    if child.returncode:
        said = child.stderr.strip()[-500:]
        raise SoftHSMError(
            f"the process that loads {task['module']} ended with {child.returncode}: {said}",
            "check that the file is a PKCS#11 module for this architecture",
        )
    answer: dict[str, Any] = json.loads(child.stdout)
    return answer
