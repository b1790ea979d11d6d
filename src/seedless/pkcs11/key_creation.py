"""Create Ed25519 keys on a token, or import them; believe nothing until it was read back.

A pair is created by C_GenerateKeyPair, so that it stays on its token. One that came out readable, or whose
test signature does not verify, is destroyed before the error is raised. Encodings, MODIFIABLE and the label
are tried until the token accepts one combination; a family whose keys are created by another program is
refused, with the command.

A key whose seed exists already is written by C_CreateObject, read back, and signs a challenge; of a pair that
came out wrong both halves are destroyed before the error is raised. Refused are an id that is taken, a key
that the token has already, in whichever role, and families of devices whose drivers accept no keys from the
user (a YubiKey's overwrites the slot without asking when the management key is given).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec
from pkcs11.constants import DEFAULT, Attribute, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.mechanisms import KeyType, Mechanism

from seedless.errors import SeedlessError, TokenError
from seedless.pkcs11.keys import POINT_PREFIXES, KeyObject, KeyPair, key_pair_of, read_key_object
from seedless.pkcs11.public_objects import how_to_create
from seedless.pkcs11.return_values import is_dislike
from seedless.pkcs11.signing import challenge, proves_key
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pkcs11.types import Object, Session

    from seedless.pkcs11.families import Numbers, Quirks
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.session import TokenSession
    from seedless.pkcs11.signing import KeyFinder
    from seedless.pkcs11.token_info import TokenInfo


# All four are given, though they are the defaults of the standard: openCryptoki and NSS create
# extractable keys by default, and SoftHSM imports without SENSITIVE as readable.
STAYS: dict[Attribute, Any] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
}
# Tried first and given up where a driver refuses it: a modifiable key can be relabelled, so that it
# passes for another role, but no attribute lets its seed out afterwards.
UNMODIFIABLE: dict[Attribute, Any] = {Attribute.MODIFIABLE: False}
# ykcs11 answers a label with FunctionNotSupported; the binding adds an empty one unless DEFAULT removes
# it.
_NO_LABEL: dict[Attribute, Any] = {Attribute.LABEL: DEFAULT}


class KeyRequest(msgspec.Struct, frozen=True):
    """A pair that is to be made: its label and CKA_ID, and random bytes for a challenge."""

    label: str
    id: bytes
    random: bytes


def require_makes_keys(module: Module, info: TokenInfo) -> None:
    """Raise `TokenError` if another program creates keys on this family of devices; name a free slot."""
    if info.quirks.make:
        raise TokenError(
            f"{info.where} creates no keys for its user through PKCS#11: it is a {info.quirks.family}",
            how_to_create(module, info),
        )


def generate_pair(session: TokenSession, raw: Session, numbers: Numbers, request: KeyRequest) -> KeyPair:
    """Make, read back and try a pair, inside `TokenSession.use`; raise `TokenError`, the pair destroyed."""
    # What was asked for is no proof: openCryptoki's unwrap ignored SENSITIVE and EXTRACTABLE. So both
    # halves are read back, and the pair has to sign something that verifies, before its public key is
    # reported.
    public, private = _generated(raw, session.info.quirks, numbers, request)
    try:
        pair = key_pair_of(
            read_key_object(private, numbers=numbers), read_key_object(public, numbers=numbers)
        )
        _require_usable(session, raw, numbers, pair, request.random)
    except BaseException as error:
        destroy_objects(error, private, public)
        raise
    return pair


def finished(
    session: TokenSession,
    raw: Session,
    numbers: Numbers,
    parts: tuple[str, list[KeyObject], list[KeyObject]],
    random: bytes,
) -> KeyPair | None:
    """Return the pair of an interrupted `generate_pair`, read back and tried; else remove what there is.

    *parts* are the label of the pair, and the private and public objects that have its CKA_ID. A process that
    is killed while its token creates a pair can leave the public half alone, or the private one, whose public
    key nobody can report then, or (SoftHSM) a private object whose seed was not written, which fails to sign.
    Nobody has used such a key yet. A token with several that could be meant is left as it is.
    """
    label = parts[0]
    # A label may be missing on the half that was written last when the process was killed; another label
    # is another key with the same id, which is not ours to remove.
    privates, publics = ([key for key in kind if key.label in {label, ""}] for kind in parts[1:])
    if len(privates) > 1 or len(publics) > 1:
        return None
    left = [key.item for key in (*privates, *publics)]
    pair = key_pair_of(privates[0], publics[0] if publics else None) if privates else None
    if pair is not None and _is_usable(session, raw, numbers, pair, random):
        return pair
    # Public first or private first does not matter: nothing has been signed by it, and no jwt names it.
    for item in left:
        item.destroy()
    return None


def _is_usable(session: TokenSession, raw: Session, numbers: Numbers, pair: KeyPair, random: bytes) -> bool:
    try:
        _require_usable(session, raw, numbers, pair, random)
    except (PKCS11Error, TokenError):
        return False  # where the session is lost, removing it fails as well, and reports so
    return True


def _require_usable(
    session: TokenSession, raw: Session, numbers: Numbers, pair: KeyPair, random: bytes
) -> None:
    """Raise `TokenError` for a new pair that can leave, shows no public key, or signs wrongly."""
    require_stays(pair)
    if not proves_key(session, raw, pair, pair.key.raw or b"", numbers, challenge("new key", random)):
        raise TokenError(
            f"the new key {pair.key.named} on {session.info.where} gave a wrong signature",
            "do not use this token until you know why: its driver, its firmware or its files",
        )


def vendor_mechanism(number: int) -> Mechanism:
    """Return the binding's member for a mechanism, also for a vendor's number, which it has none for."""
    try:
        return Mechanism(number)
    except ValueError:
        # The binding requires a member; so this is one, that its class does not list.
        member = int.__new__(Mechanism, number)
        member._name_, member._value_ = f"VENDOR_{number:08X}", number
        return member


def _generated(raw: Session, quirks: Quirks, numbers: Numbers, request: KeyRequest) -> tuple[Object, Object]:
    """Try the encodings of the curve, and MODIFIABLE and the label where the token takes them."""
    attempts = list(_attempts(quirks))
    for number, (public, private) in enumerate(attempts, 1):
        try:
            # `store=True`: the binding's default creates session objects, which are gone with the session
            # and with them the key. A YubiHSM refuses session objects altogether.
            return raw.generate_keypair(
                KeyType.EC_EDWARDS,
                id=request.id,
                label=request.label,
                store=True,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                mechanism=vendor_mechanism(numbers.generate),
                public_template=public,
                private_template=private,
            )
        except PKCS11Error as error:
            if number == len(attempts) or not is_dislike(error):
                raise
    raise AssertionError(attempts)


def _attempts(quirks: Quirks) -> Iterator[tuple[dict[Attribute, object], dict[Attribute, object]]]:
    labels = ({}, _NO_LABEL) if quirks.sets_labels else (_NO_LABEL,)
    for label, modifiable, params in product(labels, (UNMODIFIABLE, {}), quirks.ec_params):
        public = {Attribute.EC_PARAMS: params, Attribute.PRIVATE: False, **label}
        yield public, {**STAYS, **modifiable, **label}


def require_stays(pair: KeyPair) -> None:
    """Raise `TokenError` for a new pair whose seed can leave, or whose public half is not shown."""
    key = pair.key
    if key.attributes.can_leave:
        raise TokenError(
            f"the token created the key {key.named} so that its seed can leave, against what was asked",
            "this token does not keep keys; use another",
        )
    if key.raw is None:
        raise TokenError(f"the token does not show the public key of {key.named}", "use another token")


def destroy_objects(error: BaseException, *objects: Object) -> None:
    """Destroy the *objects* of a new pair; *error*, which is about to be raised, reports if that failed."""
    for item in objects:
        try:
            item.destroy()
        except PKCS11Error:
            if isinstance(error, SeedlessError):
                error.hint = "half of the new key is still on the token: delete it by its label"


class KeyToImport(msgspec.Struct, frozen=True):
    """A key that is to be put on a token: its label, its CKA_ID or None for one by chance."""

    software: SoftwareKey
    label: str
    id: bytes | None
    random: Callable[[int], bytes]


def require_takes_keys(module: Module, info: TokenInfo) -> None:
    """Raise `TokenError` if this family of devices takes no keys from its user; report what makes one."""
    if info.quirks.make:
        raise TokenError(
            f"{info.where} ({info.quirks.family}) takes no keys from its user through PKCS#11",
            f"instead of an import: {how_to_create(module, info)}",
        )


def import_pair(
    session: TokenSession, raw: Session, finder: KeyFinder, numbers: Numbers, coming: KeyToImport
) -> KeyPair:
    """Write, read back and try a pair, inside `TokenSession.use`; raise `TokenError`, nothing left."""
    public_key = coming.software.public_key
    # By the list of all keys: a search by id would miss a copy under another id, and two private objects
    # with one public key make every later command ambiguous.
    present = finder.on_token(raw, public_key.raw)
    if present:
        raise TokenError(
            f"{session.info.where} has the key {public_key} already, as {present[0].key.named}",
            "one raw key is on a token once and has one role",
        )
    pair = _written(session, raw, numbers, coming, _free_id(session, raw, finder, coming))
    try:
        _require_right(session, raw, numbers, coming, pair)
    except BaseException as error:
        destroy_objects(error, *(item for item in (pair.private, pair.public) if item is not None))
        raise
    return pair


def _require_right(
    session: TokenSession, raw: Session, numbers: Numbers, coming: KeyToImport, pair: KeyPair
) -> None:
    require_stays(pair)
    public, where = coming.software.public_key.raw, session.info.where
    # openCryptoki accepts a wrong CKA_EC_POINT beside the seed; SoftHSM accepts 64 bytes and DER as
    # CKA_VALUE, and fails at the first signature only.
    if pair.key.raw != public:
        raise TokenError(
            f"{where} shows another public key for {pair.key.named} than was put there",
            "do not use this token until you know why: its driver or its firmware",
        )
    if not proves_key(session, raw, pair, public, numbers, challenge("imported key", coming.random(32))):
        raise TokenError(
            f"the imported key {pair.key.named} on {where} gave a wrong signature",
            "its driver does not take a seed of 32 bytes as CKA_VALUE: create a new key on the token",
        )


def _free_id(session: TokenSession, raw: Session, finder: KeyFinder, coming: KeyToImport) -> bytes:
    """Return the id that is wanted, or one that no object has; a public object alone takes an id too."""
    # Ids of public objects count too: an orphan that a killed key generation left would be paired with
    # the new private key.
    taken = finder.taken_ids(raw)
    if coming.id is not None and coming.id in taken:
        raise TokenError(
            f"{session.info.where} has a key with the id {coming.id.hex()} already", "choose another id"
        )
    key_id = coming.id
    while key_id is None or key_id in taken:
        key_id = coming.random(session.info.quirks.id_size)
    return key_id


def _written(
    session: TokenSession, raw: Session, numbers: Numbers, coming: KeyToImport, key_id: bytes
) -> KeyPair:
    """Try encodings, MODIFIABLE and the label until the token takes both halves; the public one first."""
    attempts = list(_importing_attempts(session.info.quirks, numbers, coming, key_id))
    for number, (public, private) in enumerate(attempts, 1):
        try:
            return _both(raw, numbers, public, private)
        except PKCS11Error as error:
            if number == len(attempts) or not is_dislike(error):
                raise
    raise AssertionError(attempts)


def _both(
    raw: Session, numbers: Numbers, public: dict[Attribute, object], private: dict[Attribute, object]
) -> KeyPair:
    """Write both halves, or none."""
    made: list[Object] = []
    try:
        # The public half first. If the process is killed between them, an orphan public object is left,
        # which is harmless; a private one without public half could not be named.
        for template in (public, private):
            made.append(raw.create_object(template))  # noqa: PERF401 - what was made before an error is needed
        return key_pair_of(
            read_key_object(made[1], numbers=numbers), read_key_object(made[0], numbers=numbers)
        )
    except BaseException as error:
        destroy_objects(error, *reversed(made))
        raise


def _importing_attempts(
    quirks: Quirks, numbers: Numbers, coming: KeyToImport, key_id: bytes
) -> Iterator[tuple[dict[Attribute, object], dict[Attribute, object]]]:
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
            # The bare seed of 32 bytes. CKA_EC_POINT does not belong on the private object (SoftHSM:
            # AttributeTypeInvalid).
            Attribute.VALUE: coming.software.reveal_raw(),
            **STAYS,
            **modifiable,
        }
        yield common | public, common | private
