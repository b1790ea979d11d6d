"""Stores: the folders of jwts and creds, in the layout of nsc, written whole and under a lock."""

from __future__ import annotations

from seedless.store.files import Address, NscStore, Store, addresses, keys_beside, readable, stores_of
from seedless.store.lock import FolderLock
from seedless.store.places import create_store, default_root, expanded, home, open_store, operators, root_lock

__all__ = [
    "Address",
    "FolderLock",
    "NscStore",
    "Store",
    "addresses",
    "create_store",
    "default_root",
    "expanded",
    "home",
    "keys_beside",
    "open_store",
    "operators",
    "readable",
    "root_lock",
    "stores_of",
]
