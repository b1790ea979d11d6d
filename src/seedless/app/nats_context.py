"""Contexts for the `nats` command, which then logs in as a user.

The file is that of NATS ADR-21: `~/.config/nats/context/NAME.json`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless.creds import format_creds
from seedless.errors import UsageError
from seedless.store import atomic, home
from seedless.store.names import check_name
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["NatsContext", "nats_context"]


class NatsContext(msgspec.Struct, frozen=True, kw_only=True):
    """A context: the *members* of its file at *path*; `creds` is the text of a creds file that is missing."""

    title: str
    path: Path
    members: dict[str, str]
    creds: str | None = None

    @property
    def text(self) -> str:
        """The file, as JSON."""
        return json.dumps(self.members, indent=2, ensure_ascii=False) + "\n"

    def write(self, *, replaces: bool = False) -> None:
        """Write it, and creds that are missing (0600); raise `UsageError` for one that exists."""
        if self.path.exists() and not replaces:
            raise UsageError(f"there is {shown(self.path)} already", "--overwrite replaces it")
        creds = {} if self.creds is None else {Path(self.members["creds"]): self.creds}
        atomic.write({self.path: self.text} | creds)


def nats_context(
    workspace: Workspace,
    account: str,
    user: str,
    *,
    title: str | None = None,
    url: str | None = None,
    description: str | None = None,
    path: Path | None = None,
) -> NatsContext:
    """Return the context of *user*, at *path* or where `nats` looks for it.

    *url* are servers, with commas; the default are those of the operator's claims. The seed may be in the
    key store alone, as `nats auth` leaves it, and a context requires a creds file. Raise `UsageError` where
    neither has it, and where no servers are known.
    """
    jwt = workspace.user(account, user)
    creds = workspace.store.creds_path(account, user)
    key = None if creds.exists() else workspace.user_key(account, user, jwt.claims.sub)
    if key is None and not creds.exists():
        raise UsageError(
            f"user {quoted(user)} has no creds file, and a context needs one",
            "the seed of this user is its own or on a token: see seedless user creds",
        )
    operator = workspace.operator().claims
    title = title or f"{workspace.store.operator}-{account}-{user}"
    url = url or ",".join(operator.body.operator_service_urls)
    if not url:
        raise UsageError(
            f"operator {quoted(operator.name)} names no servers for clients",
            "name them here with --url, or there: seedless operator edit --service-url",
        )
    members = {
        "description": description or f"user {user} of account {account}, operator {operator.name}",
        "url": url,
        "creds": str(creds.absolute()),
    }
    return NatsContext(
        title=title,
        path=path or _place(title),
        members=members,
        creds=format_creds(jwt, key) if key else None,
    )


def _place(title: str) -> Path:
    """Return where `nats` looks for the context *title*."""
    check_name(title)
    root = os.environ.get("XDG_CONFIG_HOME") or str(home(os.environ) / ".config")
    return Path(root) / "nats" / "context" / f"{title}.json"
