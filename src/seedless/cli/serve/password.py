"""`seedless serve password`."""

from __future__ import annotations

import click

from seedless.cli.command import command
from seedless.cli.options import Settings, json_options
from seedless.errors import InvalidValue, PinError, UsageError
from seedless.pin import PromptPin, asks_again, parse_pin_source
from seedless.serve.backends.users import entry, hash_password
from seedless.text import shown

_WHAT = "password"


@command()
@click.argument("name", required=False)
@click.option(
    "--password-source", "source", metavar="SOURCE", help="Where the password comes from [default: prompt]."
)
@json_options
def password(settings: Settings, *, name: str | None, source: str | None) -> None:
    """Print the hash of a password for a users file.

    It is an argon2id hash; with NAME it is printed as an entry of the file.

    The password is asked twice on the terminal, or comes from --password-source: env:NAME, file:PATH, fd:N or
    cmd:PROGRAM. A users file is what the backend `users` of an auth callout reads.

    \b
    Example:
      seedless serve password ada >> /etc/seedless/users.toml
    """
    try:
        made = hash_password(_typed(name, source))
        text = made if name is None else entry(name, made)
    except InvalidValue as error:
        raise UsageError(str(error)) from error
    settings.emit({"name": name, "password": made}, text, is_file=True)


def _typed(name: str | None, source: str | None) -> str:
    """Return the password: from *source*, or typed twice, until both entries are the same."""
    given = parse_pin_source(source or "prompt", what=_WHAT)
    if isinstance(given, PromptPin):
        given = PromptPin(what="New password", kind=_WHAT)
    whose = f"user {shown(name)}" if name is not None else "a user"
    while True:
        first = given.pin(whose, "") or ""
        if not isinstance(given, PromptPin) or given.pin(f"{whose}, once more", "") == first:
            return first
        why = "the two entries of the password differ"
        if not asks_again(given, why):
            raise PinError(why, "nothing was printed; begin again")
