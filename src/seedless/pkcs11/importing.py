"""Put an Ed25519 key whose seed is known already on a token, by C_CreateObject, and believe nothing of it.

What was written is read back and a challenge is signed and verified; of a pair that came out wrong, both
halves are destroyed before the error is raised. Refused are an id that is taken, a key that the token has
already, in whichever role, and families of devices whose drivers take no keys from the user (a YubiKey's
overwrites the slot without asking when the management key is given).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from pkcs11.constants import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error

from seedless.errors import TokenError
from seedless.pkcs11._ckr import is_dislike
from seedless.pkcs11.generate import STAYS, UNMODIFIABLE, destroy_halves, require_stays
from seedless.pkcs11.key import POINT_PREFIXES
from seedless.pkcs11.objects import Pair, half, paired
from seedless.pkcs11.signing import challenge, proves
from seedless.pkcs11.visible import how_to_create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pkcs11.types import Object, Session

    from seedless.pkcs11.info import TokenInfo
    from seedless.pkcs11.lookup import KeyFinder
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.quirks import Numbers, Quirks
    from seedless.pkcs11.session import TokenSession
    from seedless.seeds import SoftwareKey


@dataclass(frozen=True, slots=True)
class Coming:
    """A key that is to be put on a token: its label, its CKA_ID or None for one by chance."""

    software: SoftwareKey
    label: str
    id: bytes | None
    random: Callable[[int], bytes]


def require_takes_keys(module: Module, info: TokenInfo) -> None:
    """Raise `TokenError` if this family of devices takes no keys from its user; say what makes one."""
    if info.quirks.make:
        raise TokenError(
            f"{info.where} ({info.quirks.family}) takes no keys from its user through PKCS#11",
            f"instead of an import: {how_to_create(module, info)}",
        )


def import_pair(
    session: TokenSession, raw: Session, finder: KeyFinder, numbers: Numbers, coming: Coming
) -> Pair:
    """Write, read back and try a pair, inside `TokenSession.use`; raise `TokenError`, nothing left."""
    public_key = coming.software.public_key
    there = finder.on_token(raw, public_key.raw)
    if there:
        raise TokenError(
            f"{session.info.where} has the key {public_key} already, as {there[0].key.named}",
            "one raw key is on a token once and has one role",
        )
    pair = _written(session, raw, numbers, coming, _free_id(session, raw, finder, coming))
    try:
        _require_right(session, raw, numbers, coming, pair)
    except BaseException as error:
        destroy_halves(error, *(item for item in (pair.private, pair.public) if item is not None))
        raise
    return pair


def _require_right(session: TokenSession, raw: Session, numbers: Numbers, coming: Coming, pair: Pair) -> None:
    require_stays(pair)
    public, where = coming.software.public_key.raw, session.info.where
    if pair.key.raw != public:
        raise TokenError(
            f"{where} shows another public key for {pair.key.named} than was put there",
            "do not use this token until you know why: its driver or its firmware",
        )
    if not proves(session, raw, pair, public, numbers, challenge("imported key", coming.random(32))):
        raise TokenError(
            f"the imported key {pair.key.named} on {where} gave a wrong signature",
            "its driver does not take a seed of 32 bytes as CKA_VALUE: make a new key on the token",
        )


def _free_id(session: TokenSession, raw: Session, finder: KeyFinder, coming: Coming) -> bytes:
    """Return the id that is wanted, or one that no object has; a public object alone takes an id too."""
    taken = finder.taken_ids(raw)
    if coming.id is not None and coming.id in taken:
        raise TokenError(
            f"{session.info.where} has a key with the id {coming.id.hex()} already", "choose another id"
        )
    key_id = coming.id
    while key_id is None or key_id in taken:
        key_id = coming.random(session.info.quirks.id_size)
    return key_id


def _written(session: TokenSession, raw: Session, numbers: Numbers, coming: Coming, key_id: bytes) -> Pair:
    """Try encodings, MODIFIABLE and the label until the token takes both halves; the public one first."""
    attempts = list(_attempts(session.info.quirks, numbers, coming, key_id))
    for number, (public, private) in enumerate(attempts, 1):
        try:
            return _both(raw, numbers, public, private)
        except PKCS11Error as error:
            if number == len(attempts) or not is_dislike(error):
                raise
    raise AssertionError(attempts)


def _both(
    raw: Session, numbers: Numbers, public: dict[Attribute, Any], private: dict[Attribute, Any]
) -> Pair:
    """Write both halves, or none."""
    made: list[Object] = []
    try:
        for template in (public, private):
            made.append(raw.create_object(template))  # noqa: PERF401 - what was made before an error is needed
        return paired(half(made[1], numbers=numbers), half(made[0], numbers=numbers))
    except BaseException as error:
        destroy_halves(error, *reversed(made))
        raise


def _attempts(
    quirks: Quirks, numbers: Numbers, coming: Coming, key_id: bytes
) -> Iterator[tuple[dict[Attribute, Any], dict[Attribute, Any]]]:
    labels = ({Attribute.LABEL: coming.label}, {}) if quirks.sets_labels else ({},)
    shapes = [POINT_PREFIXES[name] for name in quirks.points]
    for label, modifiable, params, shape in product(labels, (UNMODIFIABLE, {}), quirks.ec_params, shapes):
        common = {
            Attribute.KEY_TYPE: numbers.key_type,
            Attribute.EC_PARAMS: params,
            Attribute.TOKEN: True,
            Attribute.ID: key_id,
            **label,
        }
        public = {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.PRIVATE: False,
            Attribute.VERIFY: True,
            Attribute.EC_POINT: shape + coming.software.public_key.raw,
        }
        private = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.VALUE: coming.software.reveal_raw(),
            **STAYS,
            **modifiable,
        }
        yield common | public, common | private
