"""`seedless serve`: services on NATS, which run until they are stopped."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "callout": ("callout", "Decide on logins for servers: auth callout."),
    "demo": ("demo", "Start a server and a callout, and log a client in."),
    "doctor": ("doctor", "Find what prevents a callout from answering."),
    "issuer": ("issuer", "Issue users over NATS to whom CONFIG.toml allows."),
    "password": ("password", "Print the hash of a password for a users file."),
}

serve = LazyGroup(
    "serve",
    table=_COMMANDS,
    package=__name__,
    help="""Run services on NATS: decide on logins, issue users.

\b
Example:
  seedless serve demo
  seedless serve password ada
  seedless serve callout /etc/seedless/callout.toml
  seedless serve doctor /etc/seedless/callout.toml
  seedless serve issuer /etc/seedless/issuer.toml
""",
)
