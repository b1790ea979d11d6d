"""The configuration language of nats-server, read with the place of every value."""

from __future__ import annotations

from seedless.conf.files import load, parse
from seedless.conf.values import Array, Configuration, Map, Member, Place, Scalar, Value

__all__ = ["Array", "Configuration", "Map", "Member", "Place", "Scalar", "Value", "load", "parse"]
