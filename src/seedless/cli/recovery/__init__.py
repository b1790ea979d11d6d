"""`seedless recovery`: the loss of a token, played; and keys that shares restore."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "create": ("create", "Create keys that shares of one secret restore."),
    "restore": ("restore", "Restore keys on another token, from shares."),
    "check": ("check", "Check shares, or the transcript of a restore."),
    "derive": ("derive", "Import a further key of the same secret."),
    "drill": ("drill", "Play the loss of a token, or of a file, on a copy."),
    "form": ("form", "Write blank forms for shares."),
}

recovery = LazyGroup(
    "recovery",
    table=_COMMANDS,
    package=__name__,
    help="""Rehearse losses, and restore keys from shares of one secret.

What is lost with a token, and what is left, is found by recovery drill. The other commands are about shares:
whoever brings enough shares together has all keys: it is for those who must restore the same public key, and
a pinned policy has to allow it. A second token with a signing key needs no secret outside of tokens.

\b
Steps, on a machine without a network:
  seedless recovery form --shares 3 --threshold 2 -o forms.html
  seedless recovery create ACME --shares 3 --threshold 2 -o record.json
  seedless recovery check record.json
  seedless recovery restore record.json --token SPARE
""",
)
