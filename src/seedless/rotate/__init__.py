"""Rotation: a signing key takes the place of another, and what the old one signed is signed again."""

from __future__ import annotations

from seedless.rotate.replacement import KeyReplacement, find_replacement, listed_keys, replacement_key

__all__ = ["KeyReplacement", "find_replacement", "listed_keys", "replacement_key"]
