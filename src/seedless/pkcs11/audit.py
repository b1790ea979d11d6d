"""All keys of a token held against what its driver says of them, each tried with one test signature.

It decides nothing about a key and changes nothing. A key that cannot be tried is told with the reason, and
the others are tried all the same.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkcs11.constants import Attribute

from seedless.errors import PinError, TokenError
from seedless.pkcs11.key import ED25519, read_attributes
from seedless.pkcs11.papers import papers
from seedless.pkcs11.probe import Trial, trial
from seedless.pkcs11.signing import challenge, sign_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.pkcs11.key import Key
    from seedless.pkcs11.objects import Pair
    from seedless.pkcs11.papers import Papers
    from seedless.pkcs11.token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One key, its papers, and the trial of it; `agrees` is None where the public object was not tried."""

    key: Key
    papers: Papers
    trial: Trial
    agrees: bool | None

    @property
    def is_sound(self) -> bool:
        """Whether the key cannot leave, and its public object is not another key's."""
        return not self.key.attributes.can_leave and self.agrees is not False


def audit(token: Token, random: Callable[[int], bytes] = secrets.token_bytes) -> list[Audited]:
    """Read and try every private key on *token*; raise `TokenError` if they cannot be listed."""
    pairs = token.pairs()
    mechanisms = [_mechanism(token, pair) for pair in pairs]
    # A key that wants the PIN again is tried in the session itself, which an error ends: so these come last.
    order = sorted(range(len(pairs)), key=lambda at: pairs[at].key.attributes.always_authenticate is True)
    trials = {at: _tried(token, pairs[at], challenge("audit", random(32))) for at in order}
    return [_audited(token, pair, mechanisms[at], trials[at]) for at, pair in enumerate(pairs)]


def _audited(token: Token, pair: Pair, mechanism: int | None, tried: Trial) -> Audited:
    key = pair.key
    agrees = tried.verifies(key.raw) if tried.signature and key.raw is not None else None
    return Audited(key=key, papers=papers(key.attributes, mechanism, token.info), trial=tried, agrees=agrees)


def _mechanism(token: Token, pair: Pair) -> int | None:
    with token.session.use("read a key"):
        value = read_attributes(pair.private, [Attribute.KEY_GEN_MECHANISM]).get(Attribute.KEY_GEN_MECHANISM)
    return value if isinstance(value, int) else None


def _tried(token: Token, pair: Pair, message: bytes) -> Trial:
    key = pair.key
    if key.key_type != ED25519:
        return Trial(message, refusal=f"no Ed25519 key: {key.key_type}")
    if key.attributes.sign is False:
        return Trial(message, refusal="not allowed to sign")
    if key.raw is None:
        return Trial(message, refusal="there is no public object")
    if not key.attributes.always_authenticate:
        return trial(token, pair, message)
    try:
        with token.session.module.login, token.session.use("sign") as raw:
            return Trial(message, sign_with(token.session, raw, pair, message, token.numbers))
    except PinError:
        raise
    except TokenError as error:
        return Trial(message, refusal=error.message)
