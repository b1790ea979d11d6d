"""`seedless ceremony`: requests go in, results come out, and anyone can check them."""

from __future__ import annotations

from seedless.cli._lazy import LazyGroup

_COMMANDS = {
    "keygen": ("_ceremony_keygen", "Make an operator's keys, and the policy that pins it."),
    "keys": ("_ceremony_keys", "Take the keys of a keygen into the inventory."),
    "prepare": ("_ceremony_prepare", "Make a request of a plan, online."),
    "review": ("_ceremony_review", "Judge and show a request, without token or PIN."),
    "witness": ("_ceremony_witness", "Sign that you have reviewed a request."),
    "sign": ("_ceremony_sign", "Sign a request, and write the result."),
    "abandon": ("_ceremony_abandon", "Give a ceremony up that has begun, for good."),
    "accept": ("_ceremony_accept", "Take a result into the store, online."),
    "check": ("_ceremony_check", "Check a ceremony afterwards."),
    "rehearse": ("_ceremony_rehearse", "Walk the whole ceremony on a throw-away token."),
    "inventory": ("_ceremony_inventory", "Lay the keys of the transcripts beside the tokens."),
    "report": ("_ceremony_report", "Write the page of a ceremony."),
}

ceremony = LazyGroup(
    "ceremony",
    table=_COMMANDS,
    moved={"replay": "seedless ceremony check --recompute"},
    help="""Sign on a machine without a network, and check it afterwards.

\b
The walk:
  seedless ceremony prepare orders.plan --reason "quarterly limits" -o request.json
  seedless ceremony review request.json
  seedless ceremony witness request.json --key-file ada.nk -o ada.witness
  seedless ceremony sign request.json --witness ada.witness -o result.json
  seedless ceremony accept result.json
  seedless ceremony check request.json result.json --operator-key O…
""",
)
