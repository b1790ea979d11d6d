"""The PKCS#11 binding, loaded without the code for DER that it brings along and nothing here uses.

`pkcs11` imports `pkcs11.util`, that imports asn1crypto, and that takes as long as all the rest of it. After
`load_binding` those modules are there, and are loaded when somebody uses one. Nothing is done where the
program has imported the binding before.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import LazyLoader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_UNUSED = "pkcs11.util."


class _Later:
    """A finder of modules for `sys.meta_path`: those that are unused are executed at the first use."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.startswith(_UNUSED) else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def load_binding() -> None:
    """Import the binding, unless that was done."""
    if "pkcs11" in sys.modules:
        return
    later = _Later()
    sys.meta_path.insert(0, later)
    try:
        import_module("pkcs11")
    finally:
        sys.meta_path.remove(later)
