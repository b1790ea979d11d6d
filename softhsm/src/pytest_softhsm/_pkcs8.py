"""Describe the key of a PKCS#8 file (RFC 5958) as the two objects that a token stores: RSA, EC and Ed25519.

DER is read here, by the few rules that keys need, so that the plugin depends on nothing but pytest. An EC key
has to have its public key in it (RFC 5915, `[1]`), as OpenSSL and `cryptography` write it: nothing here
computes points of curves.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from pytest_softhsm import _ed25519
from pytest_softhsm._errors import SoftHSMError
from pytest_softhsm._objects import (
    CKA_DECRYPT,
    CKA_DERIVE,
    CKA_EC_PARAMS,
    CKA_EC_POINT,
    CKA_ENCRYPT,
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_VALUE,
    CKK_EC,
    CKK_RSA,
    CRT_PARAMETERS,
    TRUE,
    pair,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTEGER, _BIT_STRING, _OCTET_STRING, _OID, _SEQUENCE, _PUBLIC_KEY = 0x02, 0x03, 0x04, 0x06, 0x30, 0xA1
_RSA = bytes.fromhex("2a864886f70d010101")  # 1.2.840.113549.1.1.1
_EC = bytes.fromhex("2a8648ce3d0201")  # 1.2.840.10045.2.1
_ED25519 = bytes.fromhex("2b6570")  # 1.3.101.112
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+(.*?)-----END \1-----", re.DOTALL)
_CONVERT = "openssl pkcs8 -topk8 -nocrypt -in KEY -out KEY.pkcs8"
_RSA_INTEGERS = 9  # version, modulus, both exponents, and the five of the CRT (RFC 8017, A.1.2)
_SHORT, _LONG = 0x80, 4  # lengths of DER: below 128 in one byte, here in four more at most


def templates(data: bytes, *, label: str, id: bytes) -> list[dict[str, str]]:  # noqa: A002 - CKA_ID's own name
    """Return the private and the public object of a PKCS#8 file (PEM or DER), types and values in hex.

    SoftHSMError for a file that is none, that is encrypted, or whose key is of another kind.
    """
    try:
        return _templates(data, label, id)
    except (IndexError, ValueError) as error:  # also what base64 raises
        raise SoftHSMError("the file is not a PKCS#8 private key", _CONVERT) from error


def _templates(data: bytes, label: str, id_: bytes) -> list[dict[str, str]]:
    elements = list(_elements(_element(_der(data), _SEQUENCE)))
    if [tag for tag, _ in elements[:3]] != [_INTEGER, _SEQUENCE, _OCTET_STRING]:
        raise ValueError("another structure")
    (_, kind), *parameters = _elements(elements[1][1])
    key = elements[2][1]
    if kind == _RSA:
        return _rsa(key, label, id_)
    if kind == _EC:
        return _ec(key, parameters, label, id_)
    if kind == _ED25519:
        return _ed25519.templates(_element(key, _OCTET_STRING), label=label, id=id_)
    raise SoftHSMError(
        f"the key has the algorithm {kind.hex()} (an OID in DER)", "RSA, EC and Ed25519 are known"
    )


def _der(data: bytes) -> bytes:
    found = _PEM.search(data)
    if found is None:
        return data
    if found[1] != b"PRIVATE KEY":
        raise SoftHSMError(f"the file holds {found[1].decode()!r}, and not 'PRIVATE KEY'", _CONVERT)
    return base64.b64decode(found[2])


def _rsa(key: bytes, label: str, id_: bytes) -> list[dict[str, str]]:
    numbers = [value.lstrip(b"\0") for _, value in _elements(_element(key, _SEQUENCE))]
    if len(numbers) != _RSA_INTEGERS:
        raise SoftHSMError(
            f"the RSA key has {len(numbers)} numbers and not {_RSA_INTEGERS}", "use two primes"
        )
    both = {CKA_MODULUS: numbers[1], CKA_PUBLIC_EXPONENT: numbers[2]}
    private = dict(zip(CRT_PARAMETERS, numbers[3:], strict=True)) | {CKA_DECRYPT: TRUE}
    return pair(CKK_RSA, label, id_, both=both, private=private, public={CKA_ENCRYPT: TRUE})


def _ec(key: bytes, parameters: list[tuple[int, bytes]], label: str, id_: bytes) -> list[dict[str, str]]:
    if not parameters or parameters[0][0] != _OID:
        raise SoftHSMError(
            "the EC key spells its curve out", "name the curve: -pkeyopt ec_param_enc:named_curve"
        )
    elements = list(_elements(_element(key, _SEQUENCE)))
    point = next((value for tag, value in elements if tag == _PUBLIC_KEY), None)
    if point is None:
        raise SoftHSMError(
            "the EC key has no public key in it", "openssl ec -in KEY | openssl pkcs8 -topk8 -nocrypt"
        )
    public = _element(point, _BIT_STRING)[1:]  # after the count of unused bits, which is 0
    return pair(
        CKK_EC, label, id_,
        both={CKA_EC_PARAMS: _encoded(*parameters[0])},
        private={CKA_VALUE: elements[1][1], CKA_DERIVE: TRUE},
        public={CKA_EC_POINT: _encoded(_OCTET_STRING, public)},
    )  # fmt: skip


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value of each element of DER; IndexError or ValueError where it ends too soon."""
    while data:
        tag, length, at = data[0], data[1], 2
        if length >= _SHORT:
            count = length - _SHORT
            if not 0 < count <= _LONG:
                raise ValueError("a length that no key has")
            length, at = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
        value, data = data[at : at + length], data[at + length :]
        if len(value) != length:
            raise ValueError("it ends too soon")
        yield tag, value


def _element(data: bytes, tag: int) -> bytes:
    """Return the value of the one element in *data*; ValueError if it is another."""
    found = list(_elements(data))
    if len(found) != 1 or found[0][0] != tag:
        raise ValueError("an element of another kind")
    return found[0][1]


def _encoded(tag: int, value: bytes) -> bytes:
    if len(value) < _SHORT:
        return bytes([tag, len(value)]) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes([tag, _SHORT + len(length)]) + length + value
