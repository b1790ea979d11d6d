"""`seedless operator`: the commands for the operator."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "add": ("add", "Make the operator NAME, its key on a token."),
    "edit": ("edit", "Edit the operator."),
    "show": ("show", "Show the operator of the store."),
    "list": ("show", "List the operators; exit 3 when one is damaged."),
    "signing-key": ("edit", "Edit the signing keys of the operator."),
    "import": ("import_", "Make or renew the store of somebody else's operator."),
    "reissue": ("reissue", "Give the operator a new identity key."),
}

operator = LazyGroup("operator", table=_COMMANDS, package=__name__, help="Make, edit and show the operator.")
