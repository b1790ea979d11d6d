"""Claims of version 1, moved to where version 2 has them (nats-io/jwt v2.8.2, decoder_*.go).

`type` and `tags` move from the top level into the body; a user's `issuer_account` too; an activation's
`type` becomes `kind`; limits of a user that are absent become −1; `max` is dropped.
"""

from __future__ import annotations

from typing import Any

from seedless import shape
from seedless.claims.common import NO_LIMIT
from seedless.errors import BadClaims

_ACCOUNT_LIMITS = (
    "subs", "data", "payload", "imports", "exports", "wildcards", "disallow_bearer", "conn", "leaf",
)  # fmt: skip
_BODY = {
    "operator": ("signing_keys", "account_server_url", "operator_service_urls", "system_account"),
    "account": ("imports", "exports", "limits", "signing_keys", "revocations"),
    "user": (
        "pub", "sub", "resp", "src", "times", "times_location", "subs", "data", "payload", "bearer_token",
    ),
    "activation": ("subject", "type"),
}  # fmt: skip
_MOVED = ("type", "tags", "issuer_account")


def migrate(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return the payload *value* of version 1 with the members of version 2; raise `BadClaims`."""
    if kind not in _BODY:
        raise BadClaims(f"type: there were no {kind} claims in version 1", path="type")
    old = value.get("nats", {})
    if not isinstance(old, dict):
        raise BadClaims("nats is not a JSON object", path="nats")
    shape.refuse_folded(old, dict.fromkeys(_BODY[kind]), "nats")
    body = {name: item for name, item in old.items() if name in _BODY[kind]}
    if kind == "activation" and "type" in body:
        body["kind"] = body.pop("type")
    if kind == "user":
        body = dict.fromkeys(("subs", "data", "payload"), NO_LIMIT) | body
    if kind == "account" and isinstance(body.get("limits"), dict):
        body["limits"] = {name: item for name, item in body["limits"].items() if name in _ACCOUNT_LIMITS}
    if "tags" in value:
        body["tags"] = value["tags"]
    if kind in {"user", "activation"} and "issuer_account" in value:
        body["issuer_account"] = value["issuer_account"]
    return {name: item for name, item in value.items() if name not in _MOVED} | {"nats": body}
