"""`seedless user`: the commands for users."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "add": ("edit", "Create the user NAME of an account."),
    "edit": ("edit", "Change a user: permissions, limits, times, tags."),
    "show": ("show", "Show the user NAME of an account."),
    "list": ("show", "List users; exit 3 when one is damaged."),
    "creds": ("creds", "Print the creds of a user."),
    "renew": ("renew", "Renew users: those named, or those that expire."),
    "rename": ("edit", "Rename a user."),
    "delete": ("delete", "Delete users of an account."),
    "import": ("import_", "Import a user's jwt that was created elsewhere."),
    "context": ("creds", "Write a context for the `nats` command."),
}

user = LazyGroup(
    "user", table=_COMMANDS, package=__name__, help="Create, show and list users, and write creds files."
)
