"""Where accounts are pushed to: the options, and the target that they name."""

from __future__ import annotations

import functools
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seedless.errors import UsageError
from seedless.text import brief, shown

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from seedless.cli.workspace import CommandWorkspace
    from seedless.creds import Creds
    from seedless.resolver import ServerAddress, ServerLogin, Target

R = TypeVar("R")

_SCHEMES = ("nats://", "tls://", "ws://", "wss://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What the options say of the target and of the login."""

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


_PATH: Any = click.Path(path_type=Path)
_OPTIONS = [
    click.option(
        "--url", "-u", "--account-jwt-server-url", "urls", multiple=True, metavar="URL",
        help="A server, as nats://host:4222 [default: as the operator's claims say].",
    ),
    click.option(
        "--dir", "folder", type=_PATH, metavar="DIR", help="A resolver's folder, instead of servers."
    ),
    click.option(
        "--config", "configuration", type=_PATH, metavar="FILE",
        help="A configuration with resolver: MEMORY, instead of servers.",
    ),
    click.option(
        "--creds", type=_PATH, metavar="FILE|env:NAME",
        help="Log in with these creds of a user of the system account.",
    ),
    click.option("--system-account", metavar="NAME", help="The system account [default: the operator's]."),
    click.option("--system-user", metavar="NAME", help="Log in as this user of the system account."),
    click.option(
        "--temporary-user", is_flag=True,
        help="Log in as a user of two minutes, signed by the system account's key on the token.",
    ),
    click.option(
        "--ca-cert", type=_PATH, envvar="NATS_CA", metavar="FILE",
        help="TLS: who vouches for the servers [env: NATS_CA].",
    ),
    click.option(
        "--client-cert", type=_PATH, envvar="NATS_CERT", metavar="FILE",
        help="TLS: our certificate [env: NATS_CERT].",
    ),
    click.option(
        "--client-key", type=_PATH, envvar="NATS_KEY", metavar="FILE",
        help="TLS: the key of our certificate [env: NATS_KEY].",
    ),
    click.option("--tls-first", is_flag=True, help="TLS before the server says anything."),
    click.option(
        "--timeout", "patience", type=click.FloatRange(0.1, 600), default=5.0, show_default=True,
        metavar="SECONDS", help="How long to wait when nothing comes.",
    ),
    click.option(
        "--servers", type=click.IntRange(1), metavar="N",
        help="How many servers there are [default: as many as they know of each other].",
    ),
]  # fmt: skip


def remote_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Remote` as `remote`, with the options of a target and a login."""

    @functools.wraps(command)
    def with_remote(*args: Any, **values: Any) -> R:  # noqa: ANN401 - click's values
        mine = {name: values.pop(name) for name in list(values) if name in Remote.__slots__}
        return command(*args, remote=Remote(**mine), **values)

    for option in reversed(_OPTIONS):
        with_remote = option(with_remote)
    return with_remote


@contextmanager
def open_target(workspace: CommandWorkspace, remote: Remote, user: Creds | None) -> Iterator[Target]:
    """Open the target that *remote* names, logged in as *user* where there are servers."""
    from seedless.resolver import FolderTarget, MemoryTarget, open_cluster  # noqa: PLC0415 - only where one is opened

    if remote.folder is not None:
        yield FolderTarget(remote.folder, workspace.operator())
    elif remote.configuration is not None:
        yield MemoryTarget(remote.configuration, os.environ, workspace.now)
    elif user is not None:
        with open_cluster(login(workspace, remote, user), remote.servers) as cluster:
            yield cluster


def login(workspace: CommandWorkspace, remote: Remote, user: Creds) -> ServerLogin:
    """Return how *user* logs in to the servers that *remote* names."""
    from seedless.resolver import ServerLogin  # noqa: PLC0415 - only where there are servers

    return ServerLogin(place(workspace, remote), user.key, user.jwt)


def place(workspace: CommandWorkspace, remote: Remote) -> ServerAddress:
    """Return where the servers are that *remote* names, and how they are reached."""
    from seedless.resolver import ServerAddress  # noqa: PLC0415 - only where there are servers

    return ServerAddress(addresses(workspace, remote), _tls(remote), remote.tls_first, remote.patience)


def require_tls(workspace: CommandWorkspace, remote: Remote) -> None:
    """Raise `NoTls` where something is to be signed for servers that offer no TLS though it was asked for."""
    if not (workspace.options.dry_run or workspace.options.plan):
        place(workspace, remote).require_tls()


def check(workspace: CommandWorkspace, remote: Remote) -> None:
    """Raise `UsageError` where options contradict each other, or no address is known; opens nothing."""
    given = [
        name
        for name, value in (
            ("--url", remote.urls),
            ("--dir", remote.folder),
            ("--config", remote.configuration),
        )
        if value
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} name two targets", "push to one after the other")
    ways = [
        name
        for name, value in (
            ("--creds", remote.creds),
            ("--system-user", remote.system_user),
            ("--temporary-user", remote.temporary_user),
        )
        if value
    ]
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)} are two ways to log in", "give one")
    if not remote.is_local:
        addresses(workspace, remote)
        _tls(remote)


def addresses(workspace: CommandWorkspace, remote: Remote) -> tuple[str, ...]:
    """Return the servers to connect to: those of the option, else those that the operator's claims name."""
    if remote.urls:
        found = remote.urls
    else:
        body = workspace.operator().claims.body
        named = (body.account_server_url,) if body.account_server_url else body.operator_service_urls
        found = tuple(named)
    if not found:
        raise UsageError("nobody has said where the servers are", "--url nats://host:4222, --dir or --config")
    for url in found:
        if not url.lower().startswith(_SCHEMES):
            raise UsageError(
                f"{brief(url.rpartition('@')[2])} is no address of a nats-server",
                "give nats://host:4222, tls://, ws:// or wss://; account servers over HTTP are not pushed to",
            )
    return found


def _tls(remote: Remote) -> ssl.SSLContext | None:
    """Return what the TLS options say, None without any; raise `UsageError` for files that are none."""
    if remote.client_key is not None and remote.client_cert is None:
        raise UsageError("--client-key is the key of a certificate", "give --client-cert too")
    if not (remote.ca_cert or remote.client_cert or remote.tls_first):
        return None
    import ssl  # noqa: PLC0415 - only for TLS

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
