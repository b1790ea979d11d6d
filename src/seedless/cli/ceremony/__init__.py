"""`seedless ceremony`: requests go in, results come out, and anyone can check them."""

from __future__ import annotations

from seedless.cli.lazy import LazyGroup

_COMMANDS = {
    "keygen": ("keygen", "Make an operator's keys, and the policy that pins it."),
    "keys": ("keys", "Take the keys of a keygen into the inventory."),
    "prepare": ("prepare", "Make a request of a plan, for a machine without a network."),
    "review": ("review", "Judge and show a request, without token or PIN."),
    "witness": ("witness", "Sign that you have reviewed a request."),
    "sign": ("sign", "Sign a request, and write the result."),
    "abandon": ("abandon", "Give a ceremony up that has begun, for good."),
    "accept": ("accept", "Take the result of a ceremony into the store."),
    "check": ("check", "Check a ceremony afterwards: no token, no store, no network."),
    "rehearse": ("rehearse", "Rehearse the whole ceremony on a temporary token."),
    "inventory": ("inventory", "Lay the keys of the transcripts beside the tokens."),
    "report": ("report", "Write the page of a ceremony: HTML that prints well."),
}

ceremony = LazyGroup(
    "ceremony",
    table=_COMMANDS,
    package=__name__,
    moved={"replay": "seedless ceremony check --recompute"},
    help="""Sign on a machine without a network, and check it afterwards.

\b
The steps:
  seedless ceremony prepare orders.plan --reason "quarterly limits" -o request.json
  seedless ceremony review request.json
  seedless ceremony witness request.json --key-file ada.nk -o ada.witness
  seedless ceremony sign request.json --witness ada.witness -o result.json
  seedless ceremony accept result.json
  seedless ceremony check request.json result.json --operator-key O…
""",
)
