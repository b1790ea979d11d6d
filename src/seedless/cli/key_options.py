"""Options that name keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.cli import printing
from seedless.errors import BadKey
from seedless.nkey import PublicKey, Role
from seedless.plan import PlanSubject
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.cli.workspace import CommandWorkspace


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


def subject_for(
    workspace: CommandWorkspace, role: Role, name: str, public_key: PublicKey | None = None
) -> PlanSubject:
    """Return who the claims are about; a key that was made for this and is not used yet is taken up."""
    if public_key is None:
        left_over = workspace.unused_key(role, name)
        if left_over is not None:
            say_taken_up(left_over, name)
            public_key = left_over
    return PlanSubject(role=role, name=name, public_key=public_key)


def say_taken_up(key: PublicKey, name: str) -> None:
    """Tell that *key* is taken up, which an earlier run made under *name* and nothing uses."""
    printing.say(f"taking up the key that was made for {key.role.name.lower()} {shown(name)}: {key}")
