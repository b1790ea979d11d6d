"""Rotation: a signing key takes the place of another, and what the old one signed is signed again."""

from __future__ import annotations

from seedless.rotate.replacement import Pair, find_pair, listed_keys, successor

__all__ = ["Pair", "find_pair", "listed_keys", "successor"]
