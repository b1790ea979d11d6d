"""Configurations of nats-server: read with the place of every value, and checked for security issues.

The package shares nothing with signing but `Finding`: it opens no token and holds no seed.
"""

from __future__ import annotations

from seedless.nats_config.reader import load, parse
from seedless.nats_config.source import Array, Configuration, Map, Member, Scalar, SourcePlace, Value

__all__ = ["Array", "Configuration", "Map", "Member", "Scalar", "SourcePlace", "Value", "load", "parse"]
