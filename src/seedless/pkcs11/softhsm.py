"""SoftHSM's configuration: where it is read from, whether that can be read, and a private one for a user.

SoftHSM 2 reads the file that SOFTHSM2_CONF names, else `~/.config/softhsm2/softhsm2.conf` if it exists, else
the one of the system (SoftHSM 2.6.1, SimpleConfigLoader.cpp). Debian's system file is in a folder of mode
0750 that belongs to a group: for other users C_Initialize fails with CKR_GENERAL_ERROR, which names no file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from seedless.errors import ModuleError, UsageError
from seedless.store import atomic, home
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEM: Final = (Path("/etc/softhsm/softhsm2.conf"), Path("/etc/softhsm2.conf"))
SET_UP: Final = "seedless token init --softhsm --label LABEL"


class PrivateSetup(msgspec.Struct, frozen=True):
    """The configuration that SoftHSM reads for this user, the folder of its tokens, and what was written.

    `tokens` is None for a `configuration` that existed: it is left as it is.
    """

    configuration: Path
    tokens: Path | None
    written: tuple[Path, ...] = ()


def configuration_file(environment: Mapping[str, str]) -> Path:
    """Return the configuration that SoftHSM reads for this user before the one of the system."""
    named = environment.get("SOFTHSM2_CONF")
    # SoftHSM itself does not read XDG_CONFIG_HOME.
    return Path(named) if named else home(environment) / ".config" / "softhsm2" / "softhsm2.conf"


def set_up(environment: Mapping[str, str], *, dry_run: bool = False) -> PrivateSetup:
    """Write a configuration and a folder of tokens that this user alone can read, unless there is one.

    The tokens are in `$XDG_DATA_HOME/softhsm2`, by default `~/.local/share/softhsm2`. With *dry_run*
    nothing is written. Raise `StoreError` when a file cannot be written, `UsageError` for a path that SoftHSM
    cannot read.
    """
    configuration = configuration_file(environment).absolute()
    if atomic.read(configuration) is not None:
        return PrivateSetup(configuration, None)
    data = Path(environment.get("XDG_DATA_HOME", ""))
    tokens = (data if data.is_absolute() else home(environment) / ".local" / "share") / "softhsm2"
    # The file is lines of NAME = VALUE without quotes: a # begins a comment, blanks at the ends are dropped.
    if not str(tokens).isprintable() or "#" in str(tokens) or "=" in str(tokens):
        raise UsageError(
            f"SoftHSM cannot read a path such as {shown(tokens)} in its configuration",
            "set XDG_DATA_HOME to a folder without # and = in its name",
        )
    if not dry_run:
        atomic.make_folder(tokens)
        with atomic.store_errors("protected", tokens):
            tokens.chmod(0o700)
        atomic.make_folder(configuration.parent)
        text = f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        atomic.write_new({configuration: text})
    return PrivateSetup(configuration, tokens, (configuration, tokens))


def explain_initialise(error: ModuleError, environment: Mapping[str, str]) -> ModuleError:
    """Return *error*, of a C_Initialize of SoftHSM, with the file that it could not read and what to do."""
    own = configuration_file(environment)
    if environment.get("SOFTHSM2_CONF"):
        return error if os.access(own, os.R_OK) else _unreadable(error, own, "SOFTHSM2_CONF names it")
    if own.exists():
        return error
    unreadable = next((path for path in _SYSTEM if not _can_be_read(path)), None)
    if unreadable is None:
        return error
    return _unreadable(error, unreadable, f"make a private set-up: {SET_UP}")


def _unreadable(error: ModuleError, path: Path, hint: str) -> ModuleError:
    doing = error.message.rpartition(": ")[0]
    return ModuleError(f"{doing}: you cannot read {shown(path)}, SoftHSM's configuration", hint)


def _can_be_read(path: Path) -> bool:
    """Report whether *path*, or that there is no such file, can be seen by this user."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return os.access(path, os.R_OK)
