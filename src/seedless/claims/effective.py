"""What servers make of claims that they read: defaults filled in, contradictions resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from seedless import wire
from seedless.claims.bodies import NO_LIMIT, Account, JetStreamLimits, ResponsePermission, Scope, signing_key

if TYPE_CHECKING:
    from seedless.claims.bodies import Template

B = TypeVar("B")


def effective(body: B) -> B:
    """Return *body* as the official library holds it after decoding.

    In an account: of two entries for one signing key the later wins; a template's absent limit is −1; its
    numbers have passed through float64 (signingkeys.go); flat JetStream limits are zero where there are
    tiers (decoder_account.go). Other bodies are returned as they are.
    """
    if not isinstance(body, Account):
        return body
    limits = body.limits
    if limits.tiered_limits:
        flat = dict.fromkeys(JetStreamLimits.__struct_fields__, 0) | {"max_bytes_required": False}
        limits = msgspec.structs.replace(limits, **flat)
    keys = {signing_key(entry): entry for entry in body.signing_keys}
    scopes = tuple(_scope(keys[key]) for key in sorted(keys))
    return msgspec.structs.replace(body, limits=limits, signing_keys=scopes)


def _scope(entry: Scope | str) -> Scope | str:
    if not isinstance(entry, Scope):
        return entry
    return msgspec.structs.replace(entry, template=effective_template(entry.template))


def effective_template(template: Template) -> Template:
    """Return *template* with −1 for absent limits and numbers as they are after passing through float64."""
    limits: dict[str, object] = {
        name: _limit(getattr(template, name)) for name in ("subs", "data", "payload")
    }
    if template.resp:
        limits["resp"] = ResponsePermission(
            max=through_float(template.resp.max), ttl=through_float(template.resp.ttl)
        )
    return msgspec.structs.replace(template, **limits)


def _limit(number: int | UnsetType) -> int:
    return NO_LIMIT if number is UNSET else through_float(number)


def through_float(number: int) -> int:
    """Return *number* after float64 and Go's shortest decimal: 2**53 + 1 loses its last bit."""
    return int(wire.go_number(float(number)))
