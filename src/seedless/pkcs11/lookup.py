"""The key of a public key: found by what its public half shows, or proved by a test signature.

Labels and ids repeat, so neither decides. Where a token shows no public half (it may be missing, or live in a
certificate), each key that could be meant signs a challenge; the one whose signature verifies is it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import NoKey
from seedless.pkcs11.key import ED25519
from seedless.pkcs11.objects import pairs
from seedless.pkcs11.signing import challenge, proves

if TYPE_CHECKING:
    from pkcs11.types import Session

    from seedless.pkcs11.objects import Pair
    from seedless.pkcs11.quirks import Numbers
    from seedless.pkcs11.session import TokenSession

_MOST_TRIALS = 16
_NOT_ABSENT = "this does not prove that it is absent: look at the files or the connection of the token"


def matching(session: TokenSession, raw: Session, public: bytes, numbers: Numbers) -> list[Pair]:
    """List the Ed25519 keys whose public half is *public*, 32 bytes, inside `TokenSession.use`."""
    there = [pair for pair in pairs(raw, numbers) if pair.key.key_type == ED25519]
    shown = [pair for pair in there if pair.key.raw == public]
    hidden = [pair for pair in there if pair.key.raw is None]
    return shown or _proved(session, raw, hidden, public, numbers)


def only(found: list[Pair], public: bytes, where: str) -> Pair:
    """Return the one key that was *found* for *public* on the token *where*; raise `NoKey` else."""
    if not found:
        raise NoKey(f"no key on {where} has the public key {public.hex()}", _NOT_ABSENT)
    if len(found) > 1:
        names = ", ".join(pair.key.named for pair in found)
        raise NoKey(f"{len(found)} keys on {where} have one public key: {names}", "delete all but one")
    return found[0]


def _proved(
    session: TokenSession, raw: Session, candidates: list[Pair], public: bytes, numbers: Numbers
) -> list[Pair]:
    message = challenge("which key", os.urandom(32))
    return [
        msgspec.structs.replace(pair, key=msgspec.structs.replace(pair.key, raw=public))
        for pair in candidates[:_MOST_TRIALS]
        if pair.key.attributes.sign is not False
        # A PIN or a touch for each trial would be too much to ask.
        and not pair.key.attributes.always_authenticate
        and proves(session, raw, pair, public, numbers, message)
    ]
