"""Operator claims: who runs the system, and which keys may sign for it."""

from __future__ import annotations

from typing import ClassVar

from seedless.claims.common import Part
from seedless.nkey import Role


class Operator(Part, frozen=True, kw_only=True):
    """The body of an operator jwt (jwt v2.8.2, operator_claims.go)."""

    kind: ClassVar[str] = "operator"
    issuers: ClassVar[tuple[Role, ...]] = (Role.OPERATOR,)
    subjects: ClassVar[tuple[Role, ...]] = (Role.OPERATOR,)

    signing_keys: tuple[str, ...] = ()
    account_server_url: str = ""
    operator_service_urls: tuple[str, ...] = ()
    system_account: str = ""
    assert_server_version: str = ""
    strict_signing_key_usage: bool = False
    tags: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> Operator:
        """Return what the official constructor gives: nothing set."""
        return cls()
