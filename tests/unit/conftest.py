from __future__ import annotations

import base64
import json
from typing import Any, Protocol

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

HEADERS = {2: b'{"typ":"JWT","alg":"ed25519-nkey"}', 1: b'{"typ":"jwt","alg":"ed25519"}'}


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Craft(Protocol):
    """Sign any payload as a program without our care would."""

    def __call__(
        self,
        payload: bytes | str | dict[str, Any],
        role: Role = ...,
        *,
        header: bytes | None = ...,
        version: int = ...,
    ) -> str: ...


@pytest.fixture(scope="session")
def keys() -> dict[Role, SoftwareKey]:
    """One known key of each role."""
    return {role: SoftwareKey(role, bytes([number]) * 32) for number, role in enumerate(Role, start=1)}


@pytest.fixture(scope="session")
def craft(keys: dict[Role, SoftwareKey]) -> Craft:
    """Return a function that signs a payload; a dict gets the `iss` that signs it, if it has none.

    *version* says over what the signature goes: 2 header and payload, 1 the payload alone.
    """

    def make(
        payload: bytes | str | dict[str, Any],
        role: Role = Role.ACCOUNT,
        *,
        header: bytes | None = None,
        version: int = 2,
    ) -> str:
        key = keys[role]
        if isinstance(payload, dict):
            payload = json.dumps({"iss": str(key.public_key)} | payload)
        text = payload if isinstance(payload, bytes) else payload.encode()
        head = unpadded(HEADERS[version] if header is None else header)
        body = unpadded(text)
        signed = body if version == 1 else f"{head}.{body}"
        return f"{head}.{body}.{unpadded(key.sign(signed.encode()))}"

    return make
