"""`seedless rotate`: the commands for rotation of signing keys."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "account-key": ("keys", "Replace a signing key of the account NAME by a new one."),
    "operator-key": ("keys", "Replace a signing key of the operator by a new one."),
}

rotate = LazyGroup("rotate", table=_COMMANDS, package=__name__, help="Replace signing keys by new ones.")
