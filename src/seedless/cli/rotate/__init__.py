"""`seedless rotate`: the commands for rotation of signing keys."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "account-key": ("account_key", "Let a signing key of the account NAME give way to a new one."),
    "operator-key": ("operator_key", "Let a signing key of the operator give way to a new one."),
}

rotate = LazyGroup("rotate", table=_COMMANDS, package=__name__, help="Let signing keys give way to new ones.")
