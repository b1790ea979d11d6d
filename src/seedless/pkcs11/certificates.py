"""The certificate objects of a token, read without a login.

ykcs11 attests every slot when a session is opened, and shows the certificates as objects of that session
(CKA_TOKEN is false), beside that of the attestation key and the own certificates of the slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkcs11.constants import Attribute, ObjectClass

from seedless.pkcs11.key import read_attributes
from seedless.pkcs11.module import load
from seedless.pkcs11.objects import search
from seedless.pkcs11.session import TokenSession
from seedless.pkcs11.token import seat

if TYPE_CHECKING:
    from pathlib import Path

    from pkcs11.types import Session

    from seedless.pkcs11.uri import KeyUri


def read_certificates(module: Path, uri: KeyUri) -> list[bytes]:
    """Return the CKA_VALUE of each certificate on the token that *uri* means; no PIN is asked for.

    Raise `ModuleError`, `NoToken` or `TokenError`.
    """
    loaded = load(module)
    slot, info = seat(loaded, uri)
    with TokenSession(loaded, slot, info, writable=False) as session:
        return session.again("read the certificates", _values)


def _values(raw: Session) -> list[bytes]:
    found = search(raw, {Attribute.CLASS: ObjectClass.CERTIFICATE})
    values = [read_attributes(item, [Attribute.VALUE]).get(Attribute.VALUE) for item in found]
    return [value for value in values if isinstance(value, bytes) and value]
