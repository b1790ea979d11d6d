"""`seedless serve`: services on NATS."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "issuer": ("issuer", "Issue users over NATS to whom CONFIGURATION allows."),
    "password": ("password", "Print the hash of a password for a users file."),
}

serve = LazyGroup(
    "serve", table=_COMMANDS, package=__name__, help="Run services on NATS: decide on logins, issue users."
)
