"""Options that name keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.errors import BadKey
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from collections.abc import Callable


class PublicKeyType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A NATS public key, of one role or of any."""

    name = "public key"

    def __init__(self, role: Role | None = None) -> None:
        """Take the *role* that the key must have."""
        self.role = role

    def convert(
        self, value: str | PublicKey, param: click.Parameter | None, ctx: click.Context | None
    ) -> PublicKey:
        """Read the key."""
        if isinstance(value, PublicKey):
            return value
        try:
            key = PublicKey.parse(value)
        except BadKey as error:
            self.fail(f"{error.message} ({error.hint})" if error.hint else error.message, param, ctx)
        if self.role is not None and key.role is not self.role:
            self.fail(f"{key} is not the key of an {self.role.name.lower()}", param, ctx)
        return key


def public_key_option(role: Role) -> Callable[[Any], Any]:
    """Return the option `--public-key` for a key of *role* that exists already."""
    return click.option(
        "--public-key",
        "-k",
        type=PublicKeyType(role),
        metavar=f"{role.value}…",
        help="A key that exists already; without it one is made.",
    )


issuer_option = click.option(
    "--issuer", "-K", metavar="KEY|ROLE", help="Sign with this key, or with the scope of this role."
)

force_option = click.option(
    "--force", "-F", is_flag=True, help="Do it although somebody is locked out by it, or depends on it."
)

account_option = click.option(
    "--account", "-a", "account", required=True, metavar="NAME", help="The account of the user."
)
