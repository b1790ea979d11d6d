"""Options that name keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.app.given_keys import AccountOfUsers, GivenKeyName
from seedless.cli.values import ParsedType
from seedless.errors import BadKey
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from collections.abc import Callable

_LONG_ENOUGH = 40  # characters in a row without a space: a key that is not right, and no name


def public_key_type(role: Role | None = None, word: str | None = None) -> ParsedType:
    """Return the type of a NATS public key, of one *role* or of any; what cannot be one is its name.

    The *word* means no key, as `all` does.
    """

    def parse(text: str) -> PublicKey | GivenKeyName | str:
        if text == word:
            return text
        try:
            key = PublicKey.parse(text)
        except BadKey as error:
            if not any(len(word) >= _LONG_ENOUGH for word in text.split()):
                return GivenKeyName(text, role)
            raise ValueError(f"{error.message} ({error.hint})" if error.hint else error.message) from error
        if role is not None and key.role is not role:
            raise ValueError(f"{key} is not the key of an {role.name.lower()}")
        return key

    return ParsedType("key", parse)


def _key_or_role(text: str) -> str:
    try:
        return str(PublicKey.parse(text))
    except BadKey:
        return GivenKeyName(text, may_be_role=True)


KEY_OR_ROLE = ParsedType("key or role", _key_or_role)
"""A public key as text, the name of a key, the role of a scope, or a word such as `generate`."""


def public_key_option(role: Role) -> Callable[[Any], Any]:
    """Return the option `--public-key` for a key of *role* that exists already."""
    return click.option(
        "--public-key",
        "-k",
        type=public_key_type(role),
        metavar=f"{role.value}…",
        help="A key that exists, or its name [default: created].",
    )


issuer_option = click.option(
    "--issuer",
    "-K",
    type=KEY_OR_ROLE,
    metavar="KEY|ROLE",
    help="Sign with this key (or its name), or this scope.",
)

force_option = click.option(
    "--force", "-F", is_flag=True, help="Do it although somebody is locked out by it, or depends on it."
)

account_option = click.option(
    "--account", "-a", "account", required=True, metavar="NAME", help="The account."
)
found_account_option = click.option(
    "--account", "-a", "account", metavar="NAME",
    callback=lambda _, __, name: AccountOfUsers() if name is None else name,
    help="Its account [default: the one with such a user].",
)  # fmt: skip
"""For users that exist."""
