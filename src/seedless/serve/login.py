"""Logins that an auth callout decides on: what a client presented, who that is, and what they may do.

A backend turns a `Login` into an `Identity`, the rule table turns that into a `LoginGrant`.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from seedless.claims import Permissions

__all__ = ["Backend", "Identity", "Login", "LoginGrant"]


class Login(Struct, frozen=True, kw_only=True):
    """What a client presented to a server, and from where; members that it did not send are empty.

    All of it is the client's claim, but for what the server states: `certificates` (PEM, leaf first: the
    chain that it verified), `host` (the address of the client), `kind` and `type`. `nkey` is proven by a
    signature only if `nkey_verified` is true. `user` and `name` prove nothing by themselves. `kind` is
    `Client` or `Leafnode`; `type` is `nats`, `websocket`, `mqtt`, or empty for a leaf node. `jwt` was
    verified by the server in operator mode, where it may be a sentinel's; else it is empty.
    """

    user: str = ""
    password: str = ""
    token: str = ""
    jwt: str = ""
    nkey: str = ""
    nkey_verified: bool = False
    certificates: tuple[str, ...] = ()
    host: str = ""
    kind: str = ""
    type: str = ""
    name: str = ""
    lang: str = ""
    version: str = ""

    def __repr__(self) -> str:
        """Show where the login comes from and nothing of what was presented."""
        return f"Login(host={self.host!r}, kind={self.kind!r}, type={self.type!r})"


class Identity(Struct, frozen=True, kw_only=True):
    """Who logs in, proven by `backend`, and what the backend states about them.

    `account`, `role` and `tags` are proposals that a rule may use; `attributes` hold whatever else there is.
    `expires` is when the proof ends, in Unix seconds, 0 for never: what is granted on it ends then too.
    """

    backend: str
    name: str
    account: str = ""
    role: str = ""
    tags: tuple[str, ...] = ()
    attributes: dict[str, str | tuple[str, ...]] = {}
    expires: int = 0


class Backend(Protocol):
    """A source of identities, such as a file of users or an OpenID provider."""

    async def identify(self, login: Login) -> Identity | None:
        """Return who logs in, or None if this backend is not responsible for what was presented.

        Raise `Refused` for a login that this backend is responsible for and that proves nobody; its message
        is the reason for the log, and contains nothing of what was presented as a proof.
        """


class LoginGrant(Struct, frozen=True, kw_only=True):
    """What a login gets: a user named `name` in `account`, for `validity` seconds.

    Exactly one of `role`, that of a scoped signing key, and `permissions` is given.
    """

    account: str
    name: str
    validity: int
    role: str | None = None
    permissions: Permissions | None = None
    tags: tuple[str, ...] = ()
