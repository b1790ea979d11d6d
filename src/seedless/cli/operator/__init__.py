"""`seedless operator`: the commands for the operator."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "add": ("add", "Create the operator NAME, with its key on a token."),
    "edit": ("edit", "Edit the operator."),
    "show": ("show", "Show the operator of the store."),
    "list": ("show", "List the operators; exit 3 when one is damaged."),
    "signing-key": ("edit", "Edit the signing keys of the operator."),
    "import": ("import_", "Create or update the store of another's operator."),
    "replace": ("reissue", "Sign the accounts of PREVIOUS by this operator, its spare."),
    "reissue": ("reissue", "Replace the identity key of the operator."),
}

operator = LazyGroup(
    "operator", table=_COMMANDS, package=__name__, help="Create, edit and show the operator."
)
