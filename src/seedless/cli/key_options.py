"""Options that name keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.cli.values import ParsedType
from seedless.errors import BadKey
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from collections.abc import Callable


def public_key_type(role: Role | None = None) -> ParsedType:
    """Return the type of a NATS public key, of one *role* or of any."""

    def parse(text: str) -> PublicKey:
        try:
            key = PublicKey.parse(text)
        except BadKey as error:
            raise ValueError(f"{error.message} ({error.hint})" if error.hint else error.message) from error
        if role is not None and key.role is not role:
            raise ValueError(f"{key} is not the key of an {role.name.lower()}")
        return key

    return ParsedType("public key", parse)


def public_key_option(role: Role) -> Callable[[Any], Any]:
    """Return the option `--public-key` for a key of *role* that exists already."""
    return click.option(
        "--public-key",
        "-k",
        type=public_key_type(role),
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
