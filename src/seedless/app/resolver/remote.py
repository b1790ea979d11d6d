"""Where accounts are pushed to: servers, a resolver's folder, a configuration; and how to reach it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from seedless.app import arguments
from seedless.errors import UsageError
from seedless.text import brief, shown

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from seedless.app.workspace import Workspace
    from seedless.creds import Creds
    from seedless.resolver import ServerAddress, ServerLogin

__all__ = ["Remote", "address", "addresses", "check", "login", "remote_of", "require_consistent"]

_SCHEMES = ("nats://", "tls://", "ws://", "wss://")
_TARGETS = ("urls", "folder", "configuration")
_LOGINS = ("creds", "system_user", "temporary_user")
_PATHS = ("folder", "configuration", "creds", "ca_cert", "client_cert", "client_key")


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """Where accounts are held, and who logs in; nothing of it: the servers that the operator's claims name.

    One target: `urls` of servers, the `folder` of a resolver, or a `configuration` with `resolver: MEMORY`.
    One way to log in: `creds` (a file, or `env:NAME`), the `system_user` of the store (a name), or a
    `temporary_user` signed by the system account's key. `patience` is seconds; `servers` is how many there
    are, where they do not know that of each other.
    """

    urls: tuple[str, ...] = ()
    folder: Path | None = None
    configuration: Path | None = None
    creds: Path | None = None
    system_account: str | None = None
    system_user: str | None = None
    temporary_user: bool = False
    ca_cert: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    tls_first: bool = False
    patience: float = 5.0
    servers: int | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is a folder or a file, where nobody logs in."""
        return self.folder is not None or self.configuration is not None


def remote_of(given: Remote | str | None) -> Remote:
    """Return the target that a program names: a `Remote`, the URL of a server, None for the operator's.

    Its paths may be text. Raise `UsageError` for anything else.
    """
    if given is None:
        return Remote()
    if isinstance(given, str):
        return Remote(urls=(given,))
    if not isinstance(given, Remote):
        raise arguments.wrong_type("remote", given, "a Remote, or the URL of a server")
    texts = {name: arguments.text(name, getattr(given, name), Path) for name in _PATHS}
    urls: object = given.urls
    urls = (urls,) if isinstance(urls, str) else arguments.texts("urls", urls)
    return replace(given, urls=urls, **{name: Path(path) for name, path in texts.items() if path is not None})


def check(workspace: Workspace, remote: Remote) -> None:
    """Raise `UsageError` where *remote* contradicts itself, or no address is known; opens nothing."""
    require_consistent(remote, {})
    if not remote.is_local:
        address(workspace, remote)


def require_consistent(remote: Remote, names: Mapping[str, str]) -> None:
    """Raise `UsageError` for two targets, two logins, and a TLS key without its certificate.

    The members of *remote* are called by *names*, where it has them: a command names its options.
    """
    given = {name: names.get(name, name) for name in remote.__struct_fields__ if getattr(remote, name)}
    targets = [given[name] for name in _TARGETS if name in given]
    if len(targets) > 1:
        raise UsageError(f"{' and '.join(targets)} name two targets", "push to one after the other")
    logins = [given[name] for name in _LOGINS if name in given]
    if len(logins) > 1:
        raise UsageError(f"{' and '.join(logins)} are two ways to log in", "give one")
    if not remote.is_local and "client_key" in given and "client_cert" not in given:
        certificate = names.get("client_cert", "client_cert")
        raise UsageError(f"{given['client_key']} is the key of a certificate", f"give {certificate} too")


def login(workspace: Workspace, remote: Remote, user: Creds) -> ServerLogin:
    """Return how *user* logs in to the servers that *remote* names."""
    from seedless.resolver import ServerLogin  # `push --help` loads this file

    return ServerLogin(address(workspace, remote), user.key, user.jwt)


def address(workspace: Workspace, remote: Remote) -> ServerAddress:
    """Return where the servers are that *remote* names, and how they are reached; raise `UsageError`."""
    from seedless.resolver import ServerAddress

    return ServerAddress(addresses(workspace, remote), _tls(remote), remote.tls_first, remote.patience)


def addresses(workspace: Workspace, remote: Remote) -> tuple[str, ...]:
    """Return the servers to connect to: those of *remote*, else those that the operator's claims name."""
    if remote.urls:
        found = remote.urls
    else:
        body = workspace.operator().claims.body
        named = (body.account_server_url,) if body.account_server_url else body.operator_service_urls
        found = tuple(named)
    if not found:
        raise UsageError("it is not known where the servers are", "--url nats://host:4222, --dir or --config")
    for url in found:
        if not url.lower().startswith(_SCHEMES):
            raise UsageError(
                f"{brief(url.rpartition('@')[2])} is not an address of a nats-server",
                "give nats://host:4222, tls://, ws:// or wss://; account servers over HTTP are not pushed to",
            )
    return found


def _tls(remote: Remote) -> ssl.SSLContext | None:
    """Return the TLS settings, None without any; raise `UsageError` for files that cannot be used."""
    if not (remote.ca_cert or remote.client_cert or remote.tls_first):
        return None
    import ssl  # only for TLS

    try:
        context = ssl.create_default_context(cafile=remote.ca_cert)
        if remote.client_cert is not None:
            context.load_cert_chain(remote.client_cert, remote.client_key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(
            shown(path) for path in (remote.ca_cert, remote.client_cert, remote.client_key) if path
        )
        raise UsageError(
            f"the files for TLS cannot be used ({files}): {error.strerror or error}", "they are PEM files"
        ) from error
    return context
