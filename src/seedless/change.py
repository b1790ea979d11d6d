"""What is judged: a statement (claims, by whom, when), a change of one, and the context of both."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from seedless.jwt import Claims, Draft, Jwt

__all__ = ["Change", "Context", "DelegatedRole", "NewestJwt", "Statement", "StoreWrite"]

_SIGNATURE = len(".") + 86  # 64 bytes in base64url

B_co = TypeVar("B_co", covariant=True)


class Statement(msgspec.Struct, Generic[B_co], frozen=True):
    """Claims, who issues them and when: of a draft, of an existing jwt, or of neither yet.

    `issuer` is key text, and may be anything where claims were never drafted; `issued_at` is Unix seconds;
    `size` is how many bytes the jwt has, signature included.
    """

    claims: Claims[B_co]
    issuer: str
    issued_at: int = 0
    size: int = 0

    @classmethod
    def of(cls, jwt: Draft[B_co] | Jwt[B_co]) -> Statement[B_co]:
        """Return what *jwt* states."""
        # The length of a signature is known before it is made, so what is too long is refused before a
        # PIN is asked.
        size = len(jwt.text) if isinstance(jwt, Jwt) else len(jwt.signing_input) + _SIGNATURE
        return cls(jwt.claims, str(jwt.issuer), jwt.issued_at, size)

    @property
    def title(self) -> str:
        """Whose claims, in two words: `account ACME`."""
        claims: Claims[Any] = self.claims
        return f"{claims.body.kind.replace('_', ' ')} {claims.name or claims.sub}"


class NewestJwt(msgspec.Struct, frozen=True):
    """Whose jwt is the latest that is known: in words, by key text (empty: of no jwt); and of when it is."""

    title: str
    sub: str
    issued_at: int

    @classmethod
    def of(
        cls, jwts: Iterable[Jwt[object]], others: Iterable[NewestJwt] = (), *, without: Collection[str] = ()
    ) -> NewestJwt | None:
        """Return the latest of *jwts* and *others*, leaving out the subjects *without*; None for nothing."""
        known = [*(cls(Statement.of(jwt).title, jwt.claims.sub, jwt.issued_at) for jwt in jwts), *others]
        left = (jwt for jwt in known if jwt.sub not in without)
        return max(left, key=lambda jwt: jwt.issued_at, default=None)


class Change(msgspec.Struct, frozen=True):
    """A draft, the verified jwt that it replaces (None for something new), and why.

    `address` is where the store is to have it: `()` the operator, `(account,)`, `(account, user)`; None for
    what no store keeps.
    """

    draft: Draft[Any]
    replaces: Jwt[Any] | None = None
    reason: str = ""
    address: tuple[str, ...] | None = None

    @property
    def statement(self) -> Statement[Any]:
        """What the draft states."""
        return Statement.of(self.draft)

    @property
    def title(self) -> str:
        """What is changed, in two words: `account ACME`."""
        return self.statement.title


class StoreWrite(msgspec.Struct, frozen=True):
    """A jwt that the store is to have at an address as it is, None to have nothing there, and why.

    `replaces` is what the store has there now. A deletion is one placement, a new name is two.
    """

    address: tuple[str, ...]
    jwt: Jwt[Any] | None
    replaces: Jwt[Any] | None = None
    reason: str = ""


class DelegatedRole(msgspec.Struct, frozen=True):
    """What a delegated key of an account signs with: the template of a role, and its end (Unix seconds)."""

    role: str
    until: int


class Context(msgspec.Struct, frozen=True):
    """What a change is judged against: the time, and the claims that will exist once the plan is done.

    `now` is Unix seconds. `claims` maps a subject (key text) to its claims: of the operator, and of the
    accounts that the changes are about, as they are after the plan. `newest` is the latest jwt in the
    store, None where it is not known. `reset_time` are the subjects (key text) of which a person has
    confirmed that a clock was fast when their jwts were signed. `ceilings` maps an issuer (key text) to the
    longest message, in bytes, that its token signs; a key that is not there has no known ceiling.
    `unspared` are issuers (key text) without a spare, where a policy requires one. `jwts` maps a subject to
    the jwt that existed before the plan: a policy asks who issued it. `managed`: the operator's key is
    somebody else's, and an account that signs itself is a request to that operator.
    `delegations` maps a signing key (key text) whose seed is in software to what is delegated to it.
    """

    now: int
    operator: Claims[Any] | None = None
    claims: Mapping[str, Claims[Any]] = msgspec.field(default_factory=dict)
    newest: NewestJwt | None = None
    reset_time: frozenset[str] = frozenset()
    ceilings: Mapping[str, int] = msgspec.field(default_factory=dict)
    unspared: frozenset[str] = frozenset()
    jwts: Mapping[str, Jwt[Any]] = msgspec.field(default_factory=dict)
    managed: bool = False
    delegations: Mapping[str, DelegatedRole] = msgspec.field(default_factory=dict)
