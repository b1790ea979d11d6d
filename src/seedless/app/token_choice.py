"""Which token an operation uses, the module for it, and where the PIN comes from; none is opened here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import msgspec

from seedless import config_edit
from seedless.config import choose_module, softhsm_module
from seedless.errors import ModuleError
from seedless.pin import parse_pin_source, uri_pin_source
from seedless.pkcs11 import softhsm
from seedless.pkcs11.binding import load_binding
from seedless.pkcs11.uri import KeyUri
from seedless.store import expanded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seedless.app.workspace import Workspace
    from seedless.pin import PinSource
    from seedless.pkcs11.softhsm import PrivateSetup

__all__ = ["check_token_options", "module_for", "named_uri", "pin_source", "private_softhsm", "token_uri"]


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*=")


def named_uri(workspace: Workspace) -> KeyUri:
    """Return the URI of the token that is named: by URI, by a name of the configuration, by label; or any."""
    named = workspace.settings.token
    return token_uri(workspace, named) if named else KeyUri()


def token_uri(workspace: Workspace, named: str) -> KeyUri:
    """Return the URI of the token *named* by URI, by a name of the configuration, or by its label."""
    # A name of the configuration first: whoever wrote it there means that token, whatever labels are
    # plugged in.
    found = workspace.config.uris.get(named)
    if found is not None:
        return found
    # A label may contain a colon; what begins like a URI of another scheme is a slip, and no label.
    return KeyUri.parse(named) if _SCHEME.match(named) else KeyUri(token=named)


def check_token_options(workspace: Workspace) -> None:
    """Raise `UsageError` for a token or a PIN source that is not written right; opens nothing."""
    named_uri(workspace)
    pin_source(workspace)


def pin_source(workspace: Workspace) -> PinSource:
    """Return where the PIN comes from: the option, the URI that the person gave, configuration, prompt.

    It is the same one for all operations of *workspace*, since most sources can be read once.
    """
    found = _sources.get(workspace) if workspace.pins is None else workspace.pins
    if found is None:
        found = _sources[workspace] = _pin_source(workspace)
    return found


_sources: WeakKeyDictionary[Workspace, PinSource] = WeakKeyDictionary()


def _pin_source(workspace: Workspace) -> PinSource:
    named = workspace.settings.pin_source
    if named:
        return parse_pin_source(named)
    from_uri = uri_pin_source(named_uri(workspace).pin_source, is_ours=True)
    return from_uri or parse_pin_source(workspace.config.pin_source or "prompt")


def module_for(workspace: Workspace, uri: KeyUri, *, is_ours: bool) -> Path:
    """Return the PKCS#11 module to load for *uri*, which `is_ours` when the person gave it.

    The observer is called first: a command goes on in a child process, so that it ends in a sentence whatever
    the module does.
    """
    module = choose_module(workspace.config, workspace.settings.module, uri, uri_is_ours=is_ours)
    workspace.observer.before_driver(module)
    # Here and not at the top: importing the binding takes as long as the rest of a command that needs no
    # token.
    load_binding()
    return module


def private_softhsm(
    environment: Mapping[str, str], module: str | None, *, dry_run: bool = False
) -> PrivateSetup:
    """Set SoftHSM up for this user alone, and list its module, or the *module* that is named, as theirs.

    `written` of what is returned are the files and folders that are new. Raise `ModuleError` where SoftHSM is
    not installed, `StoreError` and `UsageError` as `seedless.pkcs11.softhsm.set_up`.
    """
    path = expanded(module).absolute() if module else softhsm_module()
    if path is None:
        raise ModuleError("SoftHSM is not installed", "apt install softhsm2, or dnf install softhsm")
    setup = softhsm.set_up(environment, dry_run=dry_run)
    if dry_run:
        return setup
    listed = config_edit.add_module(environment, path)
    return msgspec.structs.replace(setup, written=setup.written + ((listed,) if listed else ()))
