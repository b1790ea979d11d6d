"""A policy in sentences that can be read aloud, and what changes between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless import units
from seedless.policy.read import LIMIT_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedless.policy.values import Policy

_NAMED = {
    "accounts": "other accounts",
    "signing-keys": "signing keys",
    "users": "users of an auth callout",
}


def sentences(policy: Policy) -> dict[str, str]:
    """Return what *policy* says: the place of each key, and its sentence."""
    return dict(_sentences(policy))


def changes(old: Policy, new: Policy) -> tuple[tuple[str, str], ...]:
    """Return what *new* says differently: `removed` rules first, then `changed`, then `added` ones."""
    was, now = sentences(old), sentences(new)
    removed = [("removed", text) for place, text in was.items() if place not in now]
    changed = [
        ("changed", f"{was[place]} -> {text}")
        for place, text in now.items()
        if place in was and was[place] != text
    ]
    added = [("added", text) for place, text in now.items() if place not in was]
    return (*removed, *changed, *added)


def _sentences(policy: Policy) -> Iterator[tuple[str, str]]:
    yield "operator", f"Only the operator {policy.operator} is trusted."
    yield from _signers(policy)
    if policy.strict_signing_keys:
        yield "strict-signing-keys", "The operator is strict: its identity signs no accounts."
    if policy.tokens:
        yield "tokens", f"Only tokens with the serial {_either(policy.tokens)} sign."
    yield from _kinds(policy)
    yield from _subjects(policy)
    for kind, numbers in sorted(policy.limits.items()):
        for name, number in sorted(numbers.items()):
            most = units.limit(number, in_bytes=LIMIT_ROWS[kind][name].in_bytes)
            yield f"limits.{kind}.{name}", f"The limit {name} of {_a(kind).lower()} is {most} at most."
    for what, keys in sorted(policy.named.items()):
        listed = _either(keys).replace("*", "any account")
        yield f"named.{what}", f"Of {_NAMED[what]}, only {listed} may be named."
    if policy.witnesses:
        count, keys = policy.witnesses.threshold, policy.witnesses.keys
        yield "witnesses", f"A ceremony is witnessed by {count} of {_all(keys)}."
    if policy.attestation:
        roots, required = policy.attestation.roots, policy.attestation.required
        yield (
            "attestation.roots",
            f"An attestation chains to the certificate with the SHA-256 {_either(roots)}.",
        )
        if required:
            roles = _either([_a(role).lower() for role in required])
            yield "attestation.required", f"The key of {roles} signs only if its device attests it."


def _signers(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.sign is None:
        return
    for issuer, kinds in sorted(policy.sign.items()):
        signer = f"{_a(issuer.replace('-', ' '))}{'' if issuer.endswith('key') else ' key'}"
        yield f"sign.{issuer}", f"{signer} signs {_all(kinds).replace('_', ' ')} jwts."
    yield "sign", "No other key signs anything."


def _kinds(policy: Policy) -> Iterator[tuple[str, str]]:
    for kind, bounds in sorted(policy.validity.items()):
        whose = f"{_a(kind)} jwt holds for"
        if bounds.shortest is not None:
            yield f"validity.{kind}.shortest", f"{whose} {units.span(bounds.shortest)} at least."
        if bounds.longest is not None:
            yield f"validity.{kind}.longest", f"{whose} {units.span(bounds.longest)} at most, never for ever."
    for kind, patterns in sorted(policy.names.items()):
        yield f"names.{kind}", f"The name of {_a(kind).lower()} is like {_either(patterns)}."
    for kind, patterns in sorted(policy.tags.items()):
        yield f"tags.{kind}", f"{_a(kind)} has a tag like each of {_all(patterns)}."


def _subjects(policy: Policy) -> Iterator[tuple[str, str]]:
    what = "Nothing that is allowed or exported"
    if policy.too_wide:
        yield "subjects.too-wide", f"{what} is as wide as {_either(policy.too_wide)}."
    if policy.reserved:
        yield "subjects.reserved", f"{what} reaches {_either(policy.reserved)}."
    if not policy.wildcard_exports:
        yield "subjects.wildcard-exports", "No export has a wildcard, and no account may have such exports."


def _either(texts: Sequence[str]) -> str:
    return " or ".join(sorted(set(texts)))


def _all(texts: Sequence[str]) -> str:
    *first, last = sorted(set(texts))
    return f"{', '.join(first)} and {last}" if first else last


def _a(kind: str) -> str:
    text = kind.replace("_", " ")
    return f"{'An' if text[0] in 'aeio' else 'A'} {text}"
