"""`seedless key`: the commands for keys on tokens."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "new": ("new", "Create an Ed25519 key that cannot leave the token."),
    "list": ("show", "List the inventory of keys."),
    "show": ("show", "Show one key: its place, and its attributes."),
    "import": ("import_", "Put keys whose seeds exist already on the token."),
    "public": ("import_", "Print the public key of a seed."),
    "export": ("export", "Copy the seeds of users and curve keys into a folder."),
    "register": ("new", "Register keys that are on the token in the inventory."),
    "audit": ("audit", "Show the attributes of every key; exit 3 when one can leave."),
    "challenges": ("challenges", "Count the challenges that keys have signed."),
    "attest": ("attest", "Verify that the device created a key itself."),
    "delete": ("delete", "Delete a key from its token, for good."),
}

key = LazyGroup(
    "key",
    table=_COMMANDS,
    package=__name__,
    moved={"take": "seedless key register", "import-folder": "seedless key import"},
    help="Create, import, list, audit and delete keys on tokens.",
)
