"""What a program rotates: `Workspace.rotations`.

workspace.rotations.run("nats://localhost:4222").account_key("ORDERS")     # signs, and pushes

Or step by step, where somebody looks at each:

sign_all(workspace.rotations.account_key("ORDERS").begin())        # the keys overlap
workspace.resolver.push("ORDERS").send()                           # and creds are delivered
sign_all(workspace.rotations.account_key("ORDERS").finish(seen))   # the previous key is removed
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from seedless.app import arguments
from seedless.app.pipeline import Preview
from seedless.app.resolver.push import PushPreview
from seedless.app.resolver.remote import Remote, remote_of
from seedless.app.resolver.session import SignNeeded, sign_at_once
from seedless.app.rotations.account import AccountKeyRotation, account_key_rotation
from seedless.app.rotations.operator import OperatorKeyRotation, operator_key_rotation
from seedless.app.rotations.replacement import RotationStep, sign_all
from seedless.app.rotations.run import Phase, RotationRun, send_at_once
from seedless.nkey import PublicKey

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Phase", "RotationRun", "RotationStep", "Rotations", "sign_all"]


class Rotations:
    """The rotations of signing keys of the operator and of its accounts."""

    def __init__(self, workspace: Workspace) -> None:
        """Take whose keys are rotated."""
        self._workspace = workspace

    def account_key(
        self,
        name: str,
        key: str | PublicKey | None = None,
        *,
        new_key: str | PublicKey | None = None,
        ending: bool = False,
    ) -> AccountKeyRotation:
        """Return how far the rotation of a signing key of the account *name* is: begin, finish, or both.

        *key* is the one that is replaced, or the role of a scope; without it the one whose rotation was
        begun, else the only one. *new_key* is the replacement; without it one is created on the token. Raise
        `UsageError` where it is not clear; with *ending* a rotation that is over is none.
        """
        old, new = _keys(key, new_key)
        return account_key_rotation(self._workspace, name, old, new, ending=ending)

    def operator_key(
        self,
        key: str | PublicKey | None = None,
        *,
        new_key: str | PublicKey | None = None,
        ending: bool = False,
    ) -> OperatorKeyRotation:
        """Return how far the rotation of a signing key of the operator is; arguments as of `account_key`."""
        old, new = _keys(key, new_key)
        return operator_key_rotation(self._workspace, old, new, ending=ending)

    def run(
        self,
        remote: Remote | str | None = None,
        *,
        without_servers: bool = False,
        sign: Callable[[Preview[RotationStep]], RotationStep] = Preview.sign,
        sign_login: SignNeeded = sign_at_once,
        send: Callable[[PushPreview], int] = send_at_once,
        is_trial: bool = False,
    ) -> RotationRun:
        """Return what runs whole phases: it signs the steps, pushes the accounts, and looks who is connected.

        Without *remote* the servers are those that the operator's claims name, if any. *without_servers*
        asks none: you vouch for what they would have to prove. *sign* signs a step, *sign_login* who logs
        in, *send* sends accounts and returns how many: a front end shows them first. Where *is_trial*, they
        neither sign nor send, and whether servers offer TLS is not looked at.
        """
        return RotationRun(
            self._workspace,
            remote_of(remote),
            without_servers=without_servers,
            sign=sign,
            sign_login=sign_login,
            send=send,
            is_trial=is_trial,
        )


def _keys(key: object, new_key: object) -> tuple[str | None, PublicKey | None]:
    new = arguments.text("new_key", new_key, PublicKey)
    return arguments.text("key", key, PublicKey), None if new is None else PublicKey.parse(new)
