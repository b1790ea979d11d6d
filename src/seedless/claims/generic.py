"""Generic claims: any JSON object, with numbers as Go's float64."""

from __future__ import annotations

from typing import Any, ClassVar

from seedless.claims.common import Part
from seedless.nkey import Role


class Generic(Part, frozen=True, kw_only=True):
    """The body of a generic jwt (jwt v2.8.2, genericlaims.go); None is a jwt without a body.

    An object that is given gets a `version` of 2 when it is drafted.
    """

    kind: ClassVar[str] = "generic"
    issuers: ClassVar[tuple[Role, ...]] = tuple(role for role in Role if role is not Role.CURVE)
    subjects: ClassVar[tuple[Role, ...]] = ()

    data: dict[str, Any] | None = None

    @classmethod
    def new(cls) -> Generic:
        """Return what the official constructor gives: an empty object."""
        return cls(data={})
