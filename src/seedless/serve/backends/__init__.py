"""Who proves identities to an auth callout: the kinds of backends, their settings, and how they are asked.

Backends are asked in the order of the configuration. The first that returns an identity or refuses decides;
a login that none is responsible for is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.errors import Refused
from seedless.serve.backends.certificate import Certificates, CertificateSettings
from seedless.serve.backends.function import FunctionSettings, UserFunction
from seedless.serve.backends.oidc import OidcProvider, OidcSettings
from seedless.serve.backends.users import UserFile, UsersSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.serve.login import Backend, Identity, Login

__all__ = ["BACKENDS", "Settings", "identify", "open_backends"]

Settings = UsersSettings | OidcSettings | CertificateSettings | FunctionSettings
BACKENDS = (UsersSettings, OidcSettings, CertificateSettings, FunctionSettings)
"""The settings of each kind, in the order of the reference page."""


def open_backends(settings: Mapping[str, Settings]) -> tuple[Backend, ...]:
    """Return the backend of each of *settings*, by its name; raise `StoreError` or `UsageError`.

    Files are read here, so that a mistake is found at the start; nothing is fetched.
    """
    return tuple(_opened(name, backend) for name, backend in settings.items())


def _opened(name: str, settings: Settings) -> Backend:
    match settings:
        case UsersSettings():
            return UserFile(name, settings)
        case OidcSettings():
            return OidcProvider(name, settings)
        case CertificateSettings():
            return Certificates(name, settings)
        case FunctionSettings():
            return UserFunction(name, settings)


async def identify(backends: tuple[Backend, ...], login: Login) -> Identity:
    """Return who logs in; raise `Refused` with the reason for the log."""
    for backend in backends:
        identity = await backend.identify(login)
        if identity is not None:
            return identity
    raise Refused("no backend is responsible for what was presented")
