"""`seedless account`: the commands for accounts."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "add": ("edit", "Create the account NAME."),
    "edit": ("edit", "Edit the account NAME."),
    "show": ("show", "Show the account NAME."),
    "list": ("show", "List the accounts; exit 3 when one is damaged."),
    "delete": ("delete", "Delete the account NAME and its users from the store."),
    "rename": ("delete", "Rename the account OLD to NEW."),
    "export": ("export", "Edit the exports of an account, and revoke activations."),
    "import": ("import_", "Edit the imports of an account."),
    "mapping": ("mapping", "Edit the mappings of an account."),
    "signing-key": ("signing_key", "Edit the signing keys of an account, and their scopes."),
    "authcallout": ("authcallout", "Edit the auth callout of the account NAME."),
    "revoke": ("revoke", "Revoke users of an account."),
    "unrevoke": ("revoke", "Remove revocations of users."),
    "revocations": ("revoke", "List the users that an account has revoked."),
}

account = LazyGroup(
    "account", table=_COMMANDS, package=__name__, help="Create, edit, show and delete accounts."
)
