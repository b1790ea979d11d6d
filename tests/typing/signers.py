"""Only type-checked: everything that signs satisfies the two-member `Signer`, and inherits nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from seedless.claims import Account, User
from seedless.jwt import Claims, Draft, Jwt, draft
from seedless.signer import Signer, checked

if TYPE_CHECKING:
    from seedless.nkey import PublicKey
    from seedless.pkcs11.signing import TokenSigner
    from seedless.seeds import SoftwareKey


def signs(signer: Signer) -> bytes:
    return signer.sign(b"bytes of a draft")


def software(key: SoftwareKey) -> bytes:
    return signs(key)


def token(signer: TokenSigner) -> bytes:
    return signs(signer)


def verified(key: SoftwareKey, signer: TokenSigner) -> tuple[bytes, bytes]:
    assert_type(checked(key), Signer)
    return signs(checked(key)), signs(checked(checked(signer)))


def not_a_public_key_alone(key: PublicKey) -> bytes:
    return signs(key)  # type: ignore[arg-type]  # a public key cannot sign: this must not type-check


def claims_keep_their_body(claims: Claims[User], issuer: PublicKey) -> Jwt[User]:
    made = draft(claims, issuer, 0)
    assert_type(made, Draft[User])
    assert_type(made.claims.body, User)
    other: Draft[Account] = draft(claims, issuer, 0)  # type: ignore[arg-type]  # a user is not an account
    del other
    return made.complete(b"")
