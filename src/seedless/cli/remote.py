"""Where accounts are pushed to: the options of a target and a login, and a session with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec.structs import replace

from seedless.app.resolver.remote import Remote, require_consistent
from seedless.cli.options import gathered
from seedless.cli.values import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.pipeline import Preview
    from seedless.app.resolver.session import SignNeeded, TargetSession
    from seedless.cli.consent import Consent
    from seedless.cli.workspace import CommandWorkspace

R = TypeVar("R")

_OPTIONS = [
    click.option(
        "--url", "-u", "--account-jwt-server-url", "urls", multiple=True, metavar="URL",
        help="A server, as nats://host:4222 [default: those of the operator's claims].",
    ),
    click.option(
        "--dir", "folder", type=PATH, metavar="DIR", help="A resolver's folder, instead of servers."
    ),
    click.option(
        "--config", "configuration", type=PATH, metavar="FILE",
        help="A configuration with resolver: MEMORY, instead of servers.",
    ),
    click.option(
        "--creds", type=PATH, metavar="FILE|env:NAME",
        help="Log in with these creds of a user of the system account.",
    ),
    click.option("--system-account", metavar="NAME", help="The system account [default: the operator's]."),
    click.option("--system-user", metavar="NAME", help="Log in as this user of the system account."),
    click.option(
        "--temporary-user", is_flag=True,
        help="Log in as a user of two minutes, signed by the system account's key on the token.",
    ),
    click.option(
        "--ca-cert", type=PATH, envvar="NATS_CA", metavar="FILE",
        help="TLS: who vouches for the servers [env: NATS_CA].",
    ),
    click.option(
        "--client-cert", type=PATH, envvar="NATS_CERT", metavar="FILE",
        help="TLS: our certificate [env: NATS_CERT].",
    ),
    click.option(
        "--client-key", type=PATH, envvar="NATS_KEY", metavar="FILE",
        help="TLS: the key of our certificate [env: NATS_KEY].",
    ),
    click.option("--tls-first", is_flag=True, help="TLS before the server sends anything."),
    click.option(
        "--timeout", "patience", type=click.FloatRange(0.1, 600), default=5.0, show_default=True,
        metavar="SECONDS", help="How long to wait when nothing comes.",
    ),
    click.option(
        "--servers", type=click.IntRange(1), metavar="N",
        help="How many servers there are [default: as many as they know of each other].",
    ),
]  # fmt: skip
_NAMES = {
    "urls": "--url",
    "folder": "--dir",
    "configuration": "--config",
    "creds": "--creds",
    "system_user": "--system-user",
    "temporary_user": "--temporary-user",
    "client_cert": "--client-cert",
    "client_key": "--client-key",
}
"""What the members of a `Remote` are called by whoever contradicts themselves."""


def _remote(values: dict[str, Any]) -> Remote:
    remote = Remote(**values)
    require_consistent(remote, _NAMES)
    return remote


remote_options = gathered("remote", *_OPTIONS, make=_remote)
without_servers_option: Callable[[Any], Any] = click.option(
    "--without-servers", is_flag=True, help="Ask no servers: you vouch for what they would have to prove."
)
count_option: Callable[[Any], Any] = click.option(
    "--expect-count",
    type=click.IntRange(0),
    metavar="N",
    help="Delete without asking when it is this many accounts.",
)


def open_session(
    workspace: CommandWorkspace, remote: Remote, *subjects: str, approve: Consent | None = None
) -> TargetSession:
    """Return a session with *remote*; *approve* (default: a question) is asked about who logs in first.

    What is signed on the way is shown like all that is signed.
    """
    check_tls = not workspace.options.is_only_shown
    sign = sign_with_consent(workspace, approve)
    return workspace.resolver.open(remote, *subjects, sign=sign, check_tls=check_tls)


def open_servers(workspace: CommandWorkspace, remote: Remote, *, without: bool) -> TargetSession | None:
    """Return a session with servers to send accounts to; None *without* them, see `running_servers`."""
    from seedless.app.resolver.session import running_servers  # not for --help
    from seedless.resolver import UPDATE

    check_tls = not workspace.options.is_only_shown
    sign = sign_with_consent(workspace)
    return running_servers(workspace, remote, UPDATE, without=without, sign=sign, check_tls=check_tls)


def sign_with_consent(workspace: CommandWorkspace, approve: Consent | None = None) -> SignNeeded:
    """Return what signs who logs in, or a request; *approve* (default: a question) is asked once."""
    from seedless.cli import consent  # not for --help
    from seedless.cli.review import sign_preview
    from seedless.cli.workspace import CommandWorkspace

    ask, options = approve or consent.ask_to_sign, workspace.options
    # With --plan it is the work that goes into the file, and not who logs in to ask.
    shown_by = CommandWorkspace(replace(options, plan=None)) if options.plan else workspace

    def sign(needed: Preview[R], /, *, is_agreed: bool) -> R:
        return sign_preview(shown_by, needed, approve=consent.given if is_agreed else ask)

    return sign
