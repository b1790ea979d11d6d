"""Rotation of signing keys: a replacement key signs again what the previous one has signed."""
