"""The owner's configuration: which modules may be loaded, where the store is, names for URIs.

    store = "~/nats"
    modules = ["/usr/lib/softhsm/libsofthsm2.so"]
    pin-source = "file:/run/secrets/pin"
    policy = "/etc/seedless/policy.toml"
    context = "production"
    [uris]
    ceremony = "pkcs11:token=ops;serial=1234"
    [contexts.production]
    store = "/srv/nats"
    operator = "ACME"
    token = "ceremony"

Whoever names the module gets the PIN. So a configuration that others than its owner can write is refused,
and so is a module that only a URI names, unless the URI itself was typed by the person. Unknown names are
errors, each with its place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from seedless.errors import BadClaims, BadUri, ModuleError, StoreError, UsageError
from seedless.pkcs11.uri import KeyUri
from seedless.store import atomic, expanded, home
from seedless.text import quoted, shown

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_SOFTHSM = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


class ContextEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What the options of a command are where they are not given and this context is named."""

    store: Path | None = None
    operator: str | None = None
    token: str | None = None
    pin_source: str | None = None
    policy: Path | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration states; all of it may be absent."""

    store: Path | None = None
    modules: tuple[Path, ...] = ()
    pin_source: str | None = None
    policy: Path | None = None
    selected: str | None = None
    uris: Mapping[str, KeyUri] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    contexts: Mapping[str, ContextEntry] = msgspec.field(default_factory=lambda: MappingProxyType({}))

    def context(self, name: str) -> ContextEntry:
        """Return the context *name*; raise `UsageError` with the names that there are."""
        if name not in self.contexts:
            names = ", ".join(map(quoted, self.contexts)) or "none yet"
            raise UsageError(
                f"there is no context {quoted(name)} in the configuration", f"there are: {names}"
            )
        return self.contexts[name]


def config_path(environment: Mapping[str, str]) -> Path:
    """Return `$SEEDLESS_CONFIG`, else `$XDG_CONFIG_HOME/seedless/config.toml`, by default in `~/.config`."""
    named = environment.get("SEEDLESS_CONFIG")
    if named:
        return Path(named)
    folder = Path(environment.get("XDG_CONFIG_HOME", ""))
    return (folder if folder.is_absolute() else home(environment) / ".config") / "seedless" / "config.toml"


def load(environment: Mapping[str, str] | None = None) -> Config:
    """Read the configuration that *environment* (by default the process's) leads to; raise a `SeedlessError`.

    No file at the default place is an empty configuration.
    """
    environment = os.environ if environment is None else environment
    path = config_path(environment)
    data = atomic.read(path)
    if data is None:
        if environment.get("SEEDLESS_CONFIG"):
            raise UsageError(f"there is no file {shown(path)}", "SEEDLESS_CONFIG names it")
        return Config()
    # Whoever may write the file, or replace it in its folder, chooses the module, and the module gets the
    # PIN.
    require_owned(path, "it decides who gets your PIN")
    from seedless import strict_json  # only where there is a file

    try:
        return _config(strict_json.read_toml(data, _ConfigMembers))
    except BadClaims as error:  # becomes a StoreError with the name of the file
        raise StoreError(f"{shown(path)}: {error.message}", _EXAMPLE) from error
    except ValueError as error:  # a value of ours that is wrong
        raise StoreError(f"{shown(path)}: {error}", _EXAMPLE) from error


def choose_module(
    config: Config,
    named: str | None,
    uri: KeyUri,
    uri_is_ours: bool,  # noqa: FBT001 - four things decide, in this order
) -> Path:
    """Return the PKCS#11 module to be loaded for *uri*; raise `ModuleError`.

    It is the one *named* on the command line or in its environment; else the one that *uri* names, if it is
    listed in the configuration or the person typed the URI (*uri_is_ours*); else the only listed one.
    """
    if named:
        return expanded(named).absolute()
    # A URI in an inventory or a plan may come from somebody else; then only modules that the owner has
    # listed are loaded (RFC 7512 §2.3, and its security considerations).
    if uri.module_path is not None and uri_is_ours:
        return Path(uri.module_path).absolute()
    if uri.module_path is not None or uri.module_name is not None:
        return _listed(config, uri)
    # One is meant; with several a wrong guess would hand the PIN to another vendor's library.
    if len(config.modules) == 1:
        return config.modules[0]
    if config.modules:
        raise ModuleError(
            f"the configuration lists {len(config.modules)} PKCS#11 modules: "
            + ", ".join(map(shown, config.modules)),
            "name it: --module PATH",
        )
    raise ModuleError("no PKCS#11 module is named", _how_to_name_one())


_EXAMPLE = (
    'it may hold store = "…", modules = ["/path/to/module.so"], pin-source = "…", policy = "…", [uris], '
    "and [contexts.NAME]"
)


def _listed(config: Config, uri: KeyUri) -> Path:
    for module in config.modules:
        if uri.module_path is not None:
            if Path(uri.module_path) == module:
                return module
        elif uri.module_name in {module.name, module.stem, module.stem.removeprefix("lib")}:
            return module
    raise ModuleError(
        f"the URI names the module {quoted(uri.module_path or uri.module_name or '')}, which is not listed",
        "if you trust it with your PIN, list it under modules in the configuration, or give --module PATH",
    )


def _how_to_name_one() -> str:
    hint = "give --module PATH, set SEEDLESS_MODULE, or list it under modules in the configuration"
    found = softhsm_module()
    return (
        f"{hint}; to try it: seedless token init --softhsm --label NAME; SoftHSM's is {found}"
        if found
        else hint
    )


def softhsm_module() -> Path | None:
    """Return the module of SoftHSM where packages put it, None if it is not there."""
    return next((path for path in map(Path, _SOFTHSM) if path.is_file()), None)


def require_owned(path: Path, reason: str) -> None:
    """Raise `StoreError` when others than this user and root can write *path*, or put another in its place.

    *reason* is what the file decides, for the hint.
    """
    # A folder counts too: whoever can write it can put another file in the place of this one.
    for place in dict.fromkeys((path, path.absolute().parent, path.resolve().parent)):
        with atomic.store_errors("read", place):
            status = place.stat()
        _require_owned(place, status, os.geteuid(), reason)


def _require_owned(path: Path, status: os.stat_result, user: int, reason: str) -> None:
    if status.st_uid not in {0, user}:
        raise StoreError(f"{shown(path)} belongs to another user", f"{reason}: it must be yours, or root's")
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & _WRITABLE_BY_OTHERS and not sticky:
        raise StoreError(f"{shown(path)} can be written by others", f"{reason}: chmod go-w {shown(path)}")


class _ContextMembers(msgspec.Struct, frozen=True, rename="kebab"):
    store: str | None = None
    operator: str | None = None
    token: str | None = None
    pin_source: str | None = None
    policy: str | None = None


class _ConfigMembers(msgspec.Struct, frozen=True, rename="kebab"):
    """The members of the file."""

    store: str | None = None
    modules: tuple[str, ...] = ()
    pin_source: str | None = None
    policy: str | None = None
    context: str | None = None
    uris: dict[str, str] = msgspec.field(default_factory=dict)
    contexts: dict[str, _ContextMembers] = msgspec.field(default_factory=dict)


def _config(members: _ConfigMembers) -> Config:
    return Config(
        store=_absolute(members.store, "store"),
        modules=tuple(
            path
            for index, value in enumerate(members.modules)
            if (path := _absolute(value, f"modules[{index}]"))
        ),
        pin_source=members.pin_source,
        policy=_absolute(members.policy, "policy"),
        selected=members.context,
        uris=MappingProxyType({name: _uri(name, text) for name, text in members.uris.items()}),
        contexts=MappingProxyType(
            {name: _context(context, f"contexts.{name}") for name, context in members.contexts.items()}
        ),
    )


def _context(members: _ContextMembers, place: str) -> ContextEntry:
    return ContextEntry(
        store=_absolute(members.store, f"{place}.store"),
        operator=members.operator,
        token=members.token,
        pin_source=members.pin_source,
        policy=_absolute(members.policy, f"{place}.policy"),
    )


def _absolute(value: str | None, place: str) -> Path | None:
    if value is None:
        return None
    path = expanded(value)
    if not path.is_absolute() or not value.isprintable():
        raise ValueError(f"{place} is not an absolute path")
    return path


def _uri(name: str, value: str) -> KeyUri:
    place = f"uris.{name}" if name.isprintable() else f"uris.{quoted(name)}"
    try:
        return KeyUri.parse(value)
    except BadUri as error:
        raise ValueError(f"{place}: {error.message}") from error
