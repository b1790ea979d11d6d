"""Auth callouts: who decides on logins to an account, in a service of one's own.

The jwt names the users of the service, the accounts that it may place users in, and a curve key with which
requests are encrypted (nats-server, auth_callout.go). The seed of a curve key is kept as those of users are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app.edits import issuer_of, stored
from seedless.app.pipeline import Preview, nothing_to_do, preview
from seedless.claims import Account, ExternalAuthorization
from seedless.errors import UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey
from seedless.plan import changed, resigned
from seedless.seeds import SoftwareKey
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["AuthCallouts", "CalloutEdited"]


class CalloutEdited(msgspec.Struct, frozen=True):
    """The account, whether it is another than before, and the file with the seed of a new curve key."""

    jwt: Jwt[Account]
    changed: bool
    seed_path: Path | None = None


class AuthCallouts:
    """Services that decide on logins, one for an account."""

    def __init__(self, workspace: Workspace) -> None:
        """Take whose accounts they are of."""
        self._workspace = workspace

    def edit(
        self,
        account: str,
        change: Callable[[ExternalAuthorization], ExternalAuthorization],
        *,
        curve_key: SoftwareKey | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[CalloutEdited]:
        """Preview *account* with what *change* makes of its callout; `ExternalAuthorization()` is none.

        The seed of *curve_key* goes into the key store, where the service gets it from. Raise `UsageError`
        while the operator has no system account: a server ends at the first login that a callout decides on.
        """
        workspace = self._workspace
        now = workspace.refresh()
        before = stored(workspace, (account,))
        was = before.claims.body.authorization
        authorization = change(was)
        _require_system_account(workspace, authorization)
        if authorization == was:
            return nothing_to_do(workspace, CalloutEdited(before, changed=False))
        after = replace(before.claims, body=replace(before.claims.body, authorization=authorization))
        key = issuer_of(workspace, before, after, None if issuer is None else str(issuer))
        address = (before.claims.name.strip(),)
        step = changed(after, key, replaces=before, now=now, reason="auth callout", address=address)
        around = workspace.around(after, keys=(str(key), str(before.issuer)))
        seeds = () if curve_key is None else (curve_key,)
        files = {workspace.store.seed_path(one.public_key): one.reveal() for one in seeds}

        def finish(jwts: tuple[Jwt[Any], ...]) -> CalloutEdited:
            return CalloutEdited(jwts[0], changed=True, seed_path=next(iter(files), None))

        return preview(workspace, resigned(step, around, now), finish, seeds=seeds, files=lambda _: files)


def _require_system_account(workspace: Workspace, authorization: ExternalAuthorization) -> None:
    """Raise `UsageError` for a callout without a system account: a server ends at the first login then.

    Seen with nats-server 2.15.1 (auth_callout.go, `newRespInbox` of no system account).
    """
    operator = workspace.operator().claims
    if authorization.auth_users and not operator.body.system_account:
        raise UsageError(
            f"operator {shown(operator.name)} has no system account, and servers end at the "
            "first login that a callout decides on",
            "name one: seedless operator edit --system-account NAME",
        )
