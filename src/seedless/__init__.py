"""Sign NATS claim JWTs with Ed25519 keys that stay on a PKCS#11 token.

    from seedless import Workspace

    with Workspace("store", module="/usr/lib/softhsm/libsofthsm2.so", pin_source="env:PIN") as ws:
        ws.operators.add("ACME", system_account=True).sign()
        ws.accounts.add("ORDERS", limits={"conn": 100}).sign()
        app = ws.users.add("ORDERS", "app", publish=["orders.>"]).sign()
        print(app.jwt.text, app.creds_path)

Without a store, with any signer: `seedless.sign(claims, signer)`.

Each name is imported when it is first used, so that `import seedless` costs nothing. They are stable, and so
are `seedless.claims`, `seedless.errors` and what methods of `Workspace` return; see docs/reference/python.md.
"""

from __future__ import annotations

# Not imported from `typing`, which alone takes longer to load than everything else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from seedless.app.ceremony_reviews import CeremonyConsent
    from seedless.app.pipeline import Preview
    from seedless.app.resolver.remote import Remote
    from seedless.app.workspace import Workspace
    from seedless.claims import (
        Account,
        Export,
        Import,
        JetStreamLimits,
        JetStreamPermissions,
        Limits,
        Operator,
        Permission,
        Permissions,
        Scope,
        User,
    )
    from seedless.errors import (
        BadClaims,
        BadJwt,
        BadKey,
        BadSignature,
        PinError,
        Refused,
        SeedlessError,
        ServerError,
        StoreError,
        TokenError,
        UsageError,
    )
    from seedless.jwt import Claims, Draft, Jwt, draft, read, read_strict
    from seedless.nkey import PublicKey, Role
    from seedless.pkcs11.token import Token, open_token
    from seedless.pkcs11.uri import KeyUri
    from seedless.seeds import SoftwareKey
    from seedless.signer import Signer
    from seedless.signing import sign

__all__ = [
    "Account",
    "BadClaims",
    "BadJwt",
    "BadKey",
    "BadSignature",
    "CeremonyConsent",
    "Claims",
    "Draft",
    "Export",
    "Import",
    "JetStreamLimits",
    "JetStreamPermissions",
    "Jwt",
    "KeyUri",
    "Limits",
    "Operator",
    "Permission",
    "Permissions",
    "PinError",
    "Preview",
    "PublicKey",
    "Refused",
    "Remote",
    "Role",
    "Scope",
    "SeedlessError",
    "ServerError",
    "Signer",
    "SoftwareKey",
    "StoreError",
    "Token",
    "TokenError",
    "UsageError",
    "User",
    "Workspace",
    "draft",
    "open_token",
    "read",
    "read_strict",
    "sign",
]

_PLACES = {
    "seedless.app.ceremony_reviews": ("CeremonyConsent",),
    "seedless.app.pipeline": ("Preview",),
    "seedless.app.resolver.remote": ("Remote",),
    "seedless.app.workspace": ("Workspace",),
    "seedless.claims": (
        "Account", "Export", "Import", "JetStreamLimits", "JetStreamPermissions", "Limits", "Operator",
        "Permission", "Permissions", "Scope", "User",
    ),
    "seedless.errors": (
        "BadClaims", "BadJwt", "BadKey", "BadSignature", "PinError", "Refused", "SeedlessError",
        "ServerError", "StoreError", "TokenError", "UsageError",
    ),
    "seedless.jwt": ("Claims", "Draft", "Jwt", "draft", "read", "read_strict"),
    "seedless.nkey": ("PublicKey", "Role"),
    "seedless.pkcs11.token": ("Token", "open_token"),
    "seedless.pkcs11.uri": ("KeyUri",),
    "seedless.seeds": ("SoftwareKey",),
    "seedless.signer": ("Signer",),
    "seedless.signing": ("sign",),
}  # fmt: skip
_MODULES = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import the public *name* when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'seedless' has no attribute {name!r}")
    from importlib import import_module  # as late as what it imports

    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the public names, those too that nobody has used yet."""
    return sorted({*globals(), *__all__})
