"""Creds files: a user's jwt and the seed of the user's key, in the armour of the official library.

Written byte for byte as nats-io/jwt v2.8.2 `creds_utils.go` does, and read by its rules: labels mean nothing,
the first block is the jwt, the second the seed. Refused: a jwt that is not a user's, a seed of another role,
a seed that does not belong to the jwt. No error quotes a seed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from seedless.claims.bodies import Generic, User
from seedless.decorated import blocks, find_jwt
from seedless.errors import BadKey, UsageError, WrongFile
from seedless.jwt import Jwt, read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

__all__ = [
    "Creds",
    "decorate_jwt",
    "decorate_seed",
    "format_creds",
    "parse_creds",
    "parse_key",
    "parse_user_key",
]

# BEGIN lines have five dashes on each side, END lines six. Readers require three; the bytes are compared
# with what the official library writes.
_JWT = """\
-----BEGIN NATS {kind} JWT-----
{jwt}
------END NATS {kind} JWT------

"""
_SEED = """\
************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN {kind} NKEY SEED-----
{seed}
------END {kind} NKEY SEED------

*************************************************************
"""
# A line that begins like a seed. Go's TrimSpace, unlike Python's \s, keeps U+001C to U+001F.
# The library's second way: for a file that somebody cut down to the seed.
_SEED_LINE = re.compile(r"^[^\S\n\x1c-\x1f]*S[OAU].*$", re.MULTILINE)
_DECORATED = (Role.OPERATOR, Role.ACCOUNT, Role.USER)


@dataclass(frozen=True, slots=True)
class Creds:
    """A user's verified jwt, and the key that it belongs to."""

    jwt: Jwt[User]
    key: SoftwareKey


def format_creds(jwt: Jwt[User], key: SoftwareKey) -> str:
    """Return the text of a creds file (`FormatUserConfig`); it holds the seed: write it with mode 0600.

    Raise `UsageError` when *jwt* is not a user's, `BadKey` when *key* is not, and `SeedlessError` when the
    two do not belong together.
    """
    _require_pair(jwt, key)
    return decorate_jwt(jwt) + decorate_seed(key)


def parse_creds(text: str) -> Creds:
    """Read a creds file and verify its jwt; raise `BadJwt`, `BadSignature`, `BadKey` or as `format_creds`."""
    jwt = read(find_jwt(text))
    key = parse_user_key(text)
    _require_pair(jwt, key)
    return Creds(jwt, key)


def parse_key(text: str) -> SoftwareKey:
    """Return the operator's, account's or user's key in *text* (`ParseDecoratedNKey`); raise `BadKey`.

    It is the second block, or without one the first line that begins like a seed.
    """
    found = list(blocks(text))
    # By position and never by label, as creds_utils.go does: every client reads the second block as the
    # seed, whatever its lines of dashes call it.
    if len(found) > 1:
        seed = found[1]
    elif line := _SEED_LINE.search(text):
        seed = line.group().rstrip("\r")
    else:
        raise BadKey("the text holds no seed", "a creds file has it in its second block", reason="prefix")
    # Not quoted in the error: where people swap the blocks, this is the place where a seed of another
    # kind would be printed.
    if seed[:2] not in {"SO", "SA", "SU"}:
        raise BadKey(
            "where the seed should be is something else",
            "the jwt comes first, the seed second, and begins with SO, SA or SU",
            reason="prefix",
        )
    return SoftwareKey.parse(seed)


def parse_user_key(text: str) -> SoftwareKey:
    """Return the user's key in *text* as `parse_key` does; raise `BadKey` for other roles."""
    key = parse_key(text)
    _require_user(key)
    return key


def decorate_jwt(jwt: Jwt[Any]) -> str:
    """Return *jwt* in its armour (`DecorateJWT`); raise `UsageError` for generic claims."""
    if isinstance(jwt.claims.body, Generic):
        raise UsageError("a generic jwt has no armour", "write the jwt itself")
    if "\n" in jwt.text or "\r" in jwt.text:  # servers read it, and its signature is over them
        raise UsageError("the jwt has line breaks within: no creds file can hold it", "sign it again")
    return _JWT.format(kind=jwt.claims.body.kind.upper(), jwt=jwt.text)


def decorate_seed(key: SoftwareKey) -> str:
    """Return the seed of *key* in its armour (`DecorateSeed`); raise `BadKey` unless an O, A or U key."""
    role = key.public_key.role
    if role not in _DECORATED:
        raise BadKey(
            f"the seed of a {role.name.lower()} key has no armour", "only O, A and U keys have", reason="role"
        )
    return _SEED.format(kind=role.name, seed=key.reveal())


def _require_pair(jwt: Jwt[Any], key: SoftwareKey) -> None:
    body = jwt.claims.body
    if not isinstance(body, User):
        raise UsageError(f"the claims of a creds file are a user's, these are {body.kind} claims")
    _require_user(key)
    # A client would send the jwt and sign the nonce with another key, and the server would answer
    # `Authorization Violation`, which is all that it ever answers.
    if jwt.claims.sub != str(key.public_key):
        raise WrongFile(
            f"the seed is of {key.public_key}, which is not the subject of the jwt",
            "take the seed that the user's jwt was made for",
        )


def _require_user(key: SoftwareKey) -> None:
    role = key.public_key.role
    if role is not Role.USER:
        raise BadKey(
            f"the seed is of the role {role.name.lower()}, and not a user's",
            "a user's seed begins with SU",
            reason="role",
        )
