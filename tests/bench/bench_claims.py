"""An account of 3 kB, read and made, beside the least that it takes and beside another library."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Work = Callable[[], float | object]

_EACH = 10  # in a slice
_SLICES = 100


def rows() -> Iterator[dict[str, Any]]:
    """Yield the rows: speeds, for which the bar is a part of the other side's."""
    common = {"slices": _SLICES, "items": _EACH * _SLICES}
    yield {"name": "read 3 kB, beside bare PyNaCl verification", **_read(), "least": 0.75, **common}
    yield {"name": "encode and sign 3 kB, beside bare PyNaCl signing", **_encode(), "least": 0.7, **common}
    yield {"name": "the same with the draft read back, as time", **_draft(), **common}
    yield {"name": "make an account jwt, beside nats-jwt", **_make(), "least": 1.0, "slices": 5}


def _read() -> dict[str, Work]:
    from _claims import signed
    from nacl.bindings import crypto_sign_open

    from seedless import base64url
    from seedless.jwt import read

    jwt = signed()
    message, _, signature = jwt.text.rpartition(".")
    signed_message = base64url.decode(signature, "signature") + message.encode()
    text, key = jwt.text, jwt.issuer.raw
    return {
        "ours": _repeated(lambda: read(text)),
        "beside": _repeated(lambda: crypto_sign_open(signed_message, key)),
    }


def _encode() -> dict[str, Work]:
    """Claims to the bytes that are signed, and the signature: the walk without any look back."""
    from _claims import NOW, OPERATOR, account

    from seedless import base64url
    from seedless.claims.codec import Payload, encode, jti

    claims = account()
    head = base64url.encode(b'{"typ":"JWT","alg":"ed25519-nkey"}')

    def ours() -> bytes:
        iss = str(OPERATOR.public_key)
        payload = Payload(iat=NOW, iss=iss, name=claims.name, sub=claims.sub, nats=claims.body)
        data = encode(msgspec.structs.replace(payload, jti=jti(payload)))
        return OPERATOR.sign(f"{head}.{base64url.encode(data)}".encode("ascii"))

    return {"ours": _repeated(ours), "beside": _bare_signing()}


def _draft() -> dict[str, Work]:
    from _claims import NOW, OPERATOR, account

    from seedless.jwt import draft

    claims = account()

    def ours() -> bytes:
        return OPERATOR.sign(draft(claims, OPERATOR.public_key, NOW).signing_input)

    return {"ours": _repeated(ours), "beside": _bare_signing()}


def _bare_signing() -> Work:
    from _claims import OPERATOR, signed
    from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

    message = signed().text.rpartition(".")[0].encode()
    _, key = crypto_sign_seed_keypair(OPERATOR.reveal_raw())
    return _repeated(lambda: crypto_sign(message, key))


def _make() -> dict[str, Work]:
    """A whole jwt: ours with all checks and its verification, theirs as it makes them."""
    import _theirs
    from _claims import NOW, OPERATOR, bare_account

    from seedless.jwt import draft

    claims = bare_account()
    theirs = _theirs.account_maker(claims, OPERATOR)

    def ours() -> str:
        made = draft(claims, OPERATOR.public_key, NOW)
        return made.complete(OPERATOR.sign(made.signing_input)).text

    return {"ours": _repeated(ours, 5), "beside": _repeated(theirs, 5)}


def _repeated(work: Work, times: int = _EACH) -> Work:
    def many() -> float:
        """Return processor time, in which other programs do not count."""
        start = time.thread_time()
        for _ in range(times):
            work()
        return time.thread_time() - start

    return many
