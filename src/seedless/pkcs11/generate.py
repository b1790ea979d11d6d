"""Make an Ed25519 pair that stays on its token, and believe nothing until it has been read back.

A pair that came out readable, or whose test signature does not verify, is destroyed before the error is
raised.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from pkcs11.constants import Attribute, MechanismFlag
from pkcs11.exceptions import PKCS11Error
from pkcs11.mechanisms import KeyType

from seedless.errors import SeedlessError, TokenError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11._ckr import is_dislike
from seedless.pkcs11.key import EC_PARAMS_NAME, EC_PARAMS_OID, role_of
from seedless.pkcs11.objects import Pair, half, paired
from seedless.pkcs11.signing import challenge, sign_with

if TYPE_CHECKING:
    from pkcs11.types import Object, Session

_STAYS: dict[Attribute, Any] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
}
_UNMODIFIABLE: dict[Attribute, Any] = {Attribute.MODIFIABLE: False}


def generate_pair(session: Session, label: str, key_id: bytes, random: bytes) -> Pair:
    """Make, read back and try a pair; raise `TokenError`, the pair destroyed. *random* is for a challenge."""
    public, private = _generated(session, label, key_id)
    try:
        pair = paired(half(private), half(public))
        _require_good(pair, random)
    except BaseException as error:
        _destroy(public, private, error)
        raise
    return pair


def _generated(session: Session, label: str, key_id: bytes) -> tuple[Object, Object]:
    """Try the encodings of the curve, and MODIFIABLE where the token takes it."""
    attempts = list(product((_UNMODIFIABLE, {}), (EC_PARAMS_NAME, EC_PARAMS_OID)))
    for number, (modifiable, params) in enumerate(attempts, 1):
        try:
            return session.generate_keypair(
                KeyType.EC_EDWARDS,
                id=key_id,
                label=label,
                store=True,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                public_template={Attribute.EC_PARAMS: params, Attribute.PRIVATE: False},
                private_template={**_STAYS, **modifiable},
            )
        except PKCS11Error as error:
            if number == len(attempts) or not is_dislike(error):
                raise
    raise AssertionError(attempts)


def _require_good(pair: Pair, random: bytes) -> None:
    key = pair.key
    if key.attributes.can_leave:
        raise TokenError(
            f"the token made the key {key.named} so that its seed can leave, against what was asked",
            "this token does not keep keys; use another",
        )
    if key.raw is None:
        raise TokenError(f"the token does not show the public key of {key.named}", "use another token")
    message = challenge("new key", random)
    role = role_of(key.label) or Role.USER
    PublicKey(role, key.raw).verify(sign_with(pair.private, message), message)


def _destroy(public: Object, private: Object, error: BaseException) -> None:
    for item in (private, public):
        try:
            item.destroy()
        except PKCS11Error:
            if isinstance(error, SeedlessError):
                error.hint = "half of the new key is still on the token: delete it by its label"
