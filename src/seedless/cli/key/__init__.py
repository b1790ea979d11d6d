"""`seedless key`: the commands for keys on tokens."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "new": ("new", "Make an Ed25519 key that cannot leave the token."),
    "list": ("list", "List the inventory of keys."),
    "show": ("show", "Show one key: where it is, and what the driver says of it."),
    "import": ("import_", "Put a key whose seed exists already on the token."),
    "import-folder": ("import_folder", "Import the key files (.nk) of a folder."),
    "export": ("export", "Copy the seeds of users and curve keys into a folder."),
    "take": ("take", "Take a key that is on the token into the inventory."),
    "audit": ("audit", "Show the papers of every key; exit 3 when one can leave."),
    "attest": ("attest", "Verify that the device created a key itself."),
    "delete": ("delete", "Delete a key from its token, for good."),
}

key = LazyGroup(
    "key", table=_COMMANDS, package=__name__, help="Make, import, list, audit and delete keys on tokens."
)
