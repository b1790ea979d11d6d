"""`seedless sign --upgrade`: a jwt of version 1 again, as version 2."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from seedless.jwt import read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

OPERATOR = SoftwareKey(Role.OPERATOR, bytes(range(32)))
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(1, 33)))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def old_account(folder: Path) -> Path:
    """An account of version 1 (nats-io/jwt v1): signed over its payload alone, its type beside `nats`."""
    claims = {
        "jti": "XLV7K2CFCXVRKKPHFZKHF3ORZG3MWQPHV6K5RRF4LSNO5LCVJYXQ",
        "iat": 1_500_000_000,
        "iss": str(OPERATOR.public_key),
        "name": "OLD",
        "sub": str(ACCOUNT.public_key),
        "type": "account",
        "nats": {"limits": {"subs": -1, "conn": 10, "leaf": -1, "imports": -1, "exports": -1, "data": -1,
                            "payload": -1, "wildcards": True}},
    }  # fmt: skip
    payload = encoded(json.dumps(claims, separators=(",", ":")).encode())
    signature = encoded(OPERATOR.sign(payload.encode()))
    path = folder / "old.jwt"
    header = encoded(b'{"typ":"jwt","alg":"ed25519"}')
    path.write_text(f"{header}.{payload}.{signature}")
    return path


def test_a_jwt_of_version_1_is_signed_again_only_on_request(cli: Cli) -> None:
    seed = cli.home / "operator.nk"
    seed.write_text(OPERATOR.reveal())
    cli.ok("key", "import", "--role", "operator", "--name", "ACME", str(seed))
    cli.ok("operator", "add", "ACME", "-k", str(OPERATOR.public_key))
    path = old_account(cli.home)
    done = cli.run("sign", str(path), "--record")
    assert done.code == 2
    assert "claims of version 1 can be read and not signed" in done.err
    made = read(cli.ok("sign", str(path), "--record", "--upgrade", "--json").data["jwt"])
    assert (made.claims.version, made.claims.sub) == (2, str(ACCOUNT.public_key))
    assert made.claims.body.limits.conn == 10
    assert cli.ok("account", "show", "OLD", "--json").data["jwt"] == made.text
