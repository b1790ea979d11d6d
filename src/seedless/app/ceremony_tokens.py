"""Tokens in a ceremony: what the driver reports of a key, and where the keys are, before any PIN is asked."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedless.app.token_management import tokens_and_machine
from seedless.app.tokens import open_tokens
from seedless.ceremony.transcript import ATTESTATION
from seedless.pkcs11 import observer
from seedless.pkcs11.keys import provenance_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.app.tokens import OpenTokens
    from seedless.app.workspace import Workspace
    from seedless.ceremony.request import CeremonyRequest
    from seedless.jwt import Draft, Jwt
    from seedless.nkey import PublicKey
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token
    from seedless.readiness import ReadinessRow
    from seedless.signer import Signer

__all__ = ["TokenKeys", "ceremony_tokens", "readiness", "reported_by_driver", "where"]

_WORDS = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The open tokens of a ceremony; implements `seedless.ceremony.offline.CeremonyKeys`.

    `expected` is how many signatures a whole one has, receipts included: they come one at a time.
    """

    tokens: OpenTokens
    expected: int
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    signers: dict[PublicKey, Signer] = field(default_factory=dict)

    def sign(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        """Yield the jwt of each draft, one after the other, signed on the token that has its issuer's key."""
        for draft in drafts:
            if draft.issuer not in self.signers:
                self.signers[draft.issuer] = self.tokens.signer(draft.issuer)
            observer.current.numbered(next(self.numbers), self.expected)
            yield draft.complete(self.signers[draft.issuer].sign(draft.signing_input))

    def driver_report(self, public_key: PublicKey) -> Mapping[str, str]:
        """Return what the driver reports of the key and its token, and the certificates that attest it."""
        token = self.tokens.holding(public_key)
        attestation = self.tokens.attestation(public_key)
        attested = {ATTESTATION: attestation.chain} if attestation else {}
        return reported_by_driver(token, token.find(public_key.raw)) | attested


def reported_by_driver(token: Token, key: Key) -> dict[str, str]:
    """Return what the driver reports of *key* and *token*, without attestation and what it leaves empty."""
    info = token.info
    attributes = {name: getattr(key.attributes, name) for name in key.attributes.__struct_fields__}
    reported = {
        "token": info.label, "serial": info.serial, "model": info.model, "manufacturer": info.manufacturer,
        "firmware": info.firmware_version, "library": info.library, "label": key.label, "id": key.id.hex(),
        "papers": provenance_of(key.attributes, None, info).text,
    }  # fmt: skip
    return {name: text for name, text in reported.items() if text} | {
        name: _WORDS[value] for name, value in attributes.items() if value is not None
    }


@contextmanager
def ceremony_tokens(workspace: Workspace, request: CeremonyRequest) -> Iterator[TokenKeys]:
    """Open the tokens that *request* needs as they are needed, only those that the policy lets sign."""
    with open_tokens(workspace, policy=workspace.policy, changes=request.plan.changes) as tokens:
        yield TokenKeys(tokens, len(request.plan.changes) + len(request.issuers))


def where(workspace: Workspace, keys: Iterable[PublicKey]) -> Iterator[tuple[PublicKey, str]]:
    """Yield each of *keys* that is to sign, and the token that is asked for it, found without a PIN.

    Before anybody types words: who has plugged in the wrong token is warned now.
    """
    with open_tokens(workspace) as tokens:
        for key in keys:
            yield key, tokens.located(key).where


def readiness(
    workspace: Workspace, keys: Iterable[PublicKey], outputs: Iterable[tuple[str, bytes]] = ()
) -> tuple[ReadinessRow, ...]:
    """Return what is known of the tokens that have *keys*, each once, and of this machine; no PIN is needed.

    *outputs* as in `TokenManagement.readiness`.
    """
    with open_tokens(workspace) as tokens:
        infos = {info.where: info for info in map(tokens.located, keys)}
    return tokens_and_machine(workspace, infos.values(), outputs)
