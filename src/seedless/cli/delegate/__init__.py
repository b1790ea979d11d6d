"""`seedless delegate`: the commands for delegated keys."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "add": ("add", "Delegate a role of an account to a key in a file."),
    "list": ("list", "List the delegated keys."),
    "renew": ("renew", "Add another delegated key beside KEY."),
    "end": ("end", "Remove delegated keys of the account ACCOUNT."),
}

delegate = LazyGroup(
    "delegate",
    table=_COMMANDS,
    package=__name__,
    help="""Delegate roles of accounts to keys in software, for a while.

The token adds such a key to the account, and removes it again. Meanwhile it signs users in one role, as
many as software can, without the token. A pinned policy has to allow it: [delegations].

\b
Steps:
  seedless delegate add ORDERS --role service --for 12h --out service.nk
  seedless delegate list
  seedless delegate end ORDERS --token pkcs11:token=ACME
""",
)
