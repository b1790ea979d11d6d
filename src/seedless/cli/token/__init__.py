"""`seedless token`: the commands for tokens."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "list": ("show", "List the tokens that the module shows."),
    "show": ("show", "Show what the token says of itself; no PIN is asked."),
    "init": ("init", "Initialise a token; one with keys only if named."),
    "doctor": ("doctor", "Try what the token can do, and say what to do."),
}

token = LazyGroup(
    "token", table=_COMMANDS, package=__name__, help="Find, initialise, look at and try tokens."
)
