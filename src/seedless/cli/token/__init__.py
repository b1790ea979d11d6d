"""`seedless token`: the commands for tokens."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "list": ("show", "List the tokens of the module."),
    "show": ("show", "Show label, serial and state of a token; needs no PIN."),
    "init": ("init", "Initialise a token; one with keys only if named."),
    "doctor": ("doctor", "Test what the token supports, and print what to do."),
}

token = LazyGroup("token", table=_COMMANDS, package=__name__, help="List, initialise, show and test tokens.")
