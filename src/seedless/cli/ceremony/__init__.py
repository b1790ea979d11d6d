"""`seedless ceremony`: requests go in, results come out, and anyone can check them."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "keygen": ("keygen", "Create an operator's keys, and the policy that pins it."),
    "keys": ("inventory", "Register the keys of a keygen in the inventory."),
    "prepare": ("prepare", "Create a request from a plan or a key specification."),
    "review": ("review", "Check and show a request, without token or PIN."),
    "witness": ("review", "Sign that you have reviewed a request."),
    "sign": ("sign", "Sign a request, and write the result."),
    "abandon": ("accept", "Abandon a ceremony that has begun, for good."),
    "accept": ("accept", "Record the result of a ceremony in the store."),
    "check": ("check", "Check a ceremony afterwards: no token, no store, no network."),
    "rehearse": ("rehearse", "Rehearse the whole ceremony on a temporary token."),
    "inventory": ("inventory", "Compare the keys of the transcripts with the tokens."),
    "report": ("check", "Write the report of a ceremony: HTML that prints well."),
}

ceremony = LazyGroup(
    "ceremony",
    table=_COMMANDS,
    package=__name__,
    moved={"replay": "seedless ceremony check --recompute"},
    help="""Sign on a machine without a network, and check it afterwards.

\b
The steps:
  seedless ceremony prepare orders.plan --reason "new limits" -o request.json
  export SEEDLESS_POLICY=policy.toml
  seedless ceremony review request.json
  seedless ceremony witness request.json --key-file ada.nk -o ada.witness
  seedless ceremony sign request.json --witness ada.witness -o result.json
  seedless ceremony accept result.json
  seedless ceremony check request.json result.json --operator-key O…
""",
)
