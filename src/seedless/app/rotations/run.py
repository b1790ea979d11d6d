"""What a program rotates, step by step or in whole phases with servers: `Workspace.rotations`.

    run = workspace.rotations.run("nats://localhost:4222")
    run.account_key("ORDERS")                         # the keys overlap, servers have the account
    run.account_key("ORDERS", phase=Phase.FINISH)     # refused while a connection depends on the previous key

No file remembers how far a rotation is: run again, it goes on from what the store and the servers contain.

Or step by step, where somebody looks at each:

    sign_all(workspace.rotations.account_key("ORDERS").begin())        # the keys overlap
    workspace.resolver.push("ORDERS").send()                           # and creds are delivered
    sign_all(workspace.rotations.account_key("ORDERS").finish(seen))   # the previous key is removed
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seedless.app import arguments
from seedless.app.pipeline import Preview
from seedless.app.resolver.push import AccountsToPush, PushPreview, preview_push
from seedless.app.resolver.remote import Remote, remote_of
from seedless.app.resolver.session import SignNeeded, TargetSession, running_servers, sign_at_once
from seedless.app.rotations.account import AccountKeyReport, AccountKeyRotation, account_key_rotation
from seedless.app.rotations.operator import (
    OperatorKeyReport,
    OperatorKeyRotation,
    RotationStage,
    ServersSeen,
    operator_key_rotation,
)
from seedless.app.rotations.replacement import RotationStep, require_named, sign_all
from seedless.claims import Account
from seedless.errors import UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey
from seedless.resolver import UPDATE
from seedless.resolver.connections import ASKED, AccountConnections

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Phase", "RotationRun", "RotationStep", "Rotations", "send_at_once", "sign_all"]


_UNTRUSTED_ISSUER = "R001"
"""The finding of a push that an emergency of the operator waives: servers do not trust the key yet."""
_SYSTEM_ACCOUNT_LOCKS_OUT = "R005"
"""The finding of a push that an emergency of an account waives: it has shown whom it locks out."""


class Phase(enum.StrEnum):
    """The phase of a rotation that is run."""

    BEGIN = "begin"
    FINISH = "finish"
    EMERGENCY = "emergency"


def send_at_once(accounts: PushPreview) -> int:
    """Send what differs of *accounts* and return how many those are: a program has agreed by its call."""
    pushed = accounts.send()
    pushed.require_done()
    return len(pushed.accounts)


class RotationRun:
    """Runs the rotations of a workspace. A front end gives functions that show what they sign or send first.

    *sign* signs a step of a rotation, *sign_login* who logs in to the servers; *send* sends accounts and
    returns how many it has sent. Where *is_trial*, they do not: nothing is signed or sent, and whether
    servers offer TLS is not asked. *without_servers* vouches for what the servers would have to prove.
    """

    def __init__(
        self,
        workspace: Workspace,
        remote: Remote,
        *,
        without_servers: bool = False,
        sign: Callable[[Preview[RotationStep]], RotationStep] = Preview.sign,
        sign_login: SignNeeded = sign_at_once,
        send: Callable[[PushPreview], int] = send_at_once,
        is_trial: bool = False,
    ) -> None:
        """Take where the servers are and how a step is confirmed; nobody is asked yet."""
        self._workspace = workspace
        self._remote = remote
        self._without_servers = without_servers
        self._sign = sign
        self._sign_login = sign_login
        self._send = send
        self._is_trial = is_trial

    def account_key(
        self,
        name: str,
        key: str | PublicKey | None = None,
        *,
        new_key: str | PublicKey | None = None,
        phase: Phase = Phase.BEGIN,
        activations: bool = True,
    ) -> AccountKeyReport:
        """Run the *phase* of the rotation of a signing key of the account *name*; return what came of it.

        Keys as of `Rotations.account_key`. Without *activations* those are not signed again, as for a plan
        file. Raise `UsageError` where it is not clear which key or which servers are meant, `Refused` while
        something depends on a key that goes, `ServerError` unless every server takes every account, and what
        `Preview.sign` raises.
        """
        servers = self._servers_for(phase, key)

        def rotation() -> AccountKeyRotation:
            ending = phase is not Phase.BEGIN
            return self._workspace.rotations.account_key(name, key, new_key=new_key, ending=ending)

        if phase is Phase.FINISH:
            return self._finish_account_key(rotation(), servers)
        if phase is Phase.EMERGENCY:
            return self._replace_account_key_at_once(rotation, servers)
        return self._begin_account_key(rotation, servers, activations=activations)

    def operator_key(
        self,
        key: str | PublicKey | None = None,
        *,
        new_key: str | PublicKey | None = None,
        phase: Phase = Phase.BEGIN,
    ) -> OperatorKeyReport:
        """Run the *phase* of the rotation of a signing key of the operator, as far as servers prove it safe.

        Keys as of `Rotations.operator_key`. Raise as `account_key`.
        """
        servers = self._servers_for(phase, key)

        def rotation() -> OperatorKeyRotation:
            ending = phase is not Phase.BEGIN
            return self._workspace.rotations.operator_key(key, new_key=new_key, ending=ending)

        if phase is Phase.FINISH:
            return self._finish_operator_key(rotation(), servers)
        if phase is Phase.EMERGENCY:
            return self._replace_operator_key_at_once(rotation, servers)
        return self._begin_operator_key(rotation, servers)

    def _servers_for(self, phase: Phase, key: str | PublicKey | None) -> TargetSession | None:
        """Return a session with the servers; None when they are left alone, or where they are is not known.

        Raise `UsageError` for an emergency without the *key* that it is about, and as `running_servers` does:
        a key is not removed without knowing where the servers are.
        """
        if phase is Phase.EMERGENCY:
            require_named(arguments.text("key", key, PublicKey))
        return running_servers(
            self._workspace,
            self._remote,
            UPDATE,
            *ASKED,
            without=self._without_servers,
            required=phase is Phase.FINISH,
            sign=self._sign_login,
            check_tls=not self._is_trial,
        )

    def _signed(self, first: Preview[RotationStep]) -> tuple[Jwt[object], ...]:
        return sign_all(first, self._sign)

    def _publish(self, servers: TargetSession, accounts: Sequence[Jwt[Account]], *waived: str) -> int:
        """Send those of *accounts* that differ, findings *waived* or not; return how many went."""
        return self._send(preview_push(servers, AccountsToPush(tuple(accounts)), waived=waived))

    def _begin_account_key(
        self, rotation: Callable[[], AccountKeyRotation], servers: TargetSession | None, *, activations: bool
    ) -> AccountKeyReport:
        """Do the first phase, or what is left of it, and push it."""
        if servers and rotation().is_of_the_system_account:
            servers.log_in()  # before the creds of the system account change
        with self._workspace.lock():
            current = rotation()
            signed = self._signed(current.begin(activations=activations))
            current = current.again()
        return current.report("overlap", signed, *self._published(current, servers))

    def _finish_account_key(
        self, current: AccountKeyRotation, servers: TargetSession | None
    ) -> AccountKeyReport:
        """Do the second phase: push what is left of the first, remove the previous key, and push that."""
        if not current.is_done:
            current.require_moved()
        seen, sent = self._published(current, servers)
        if current.is_done:
            return current.report("finished", (), seen, sent)
        current.require_disconnected(seen)
        with self._workspace.lock():
            current = current.again()
            signed = self._signed(current.finish(seen))
            current = current.again()
        seen, more = self._published(current, servers)
        return current.report("finished", signed, seen, sent + more)

    def _replace_account_key_at_once(
        self, rotation: Callable[[], AccountKeyRotation], servers: TargetSession | None
    ) -> AccountKeyReport:
        """Do both phases at once, after showing whom that locks out."""
        if servers:
            servers.log_in()
        signed: tuple[Jwt[object], ...] = ()
        with self._workspace.lock():
            current = rotation()
            if not current.is_done:
                signed = self._signed(current.replace_at_once(_connections(current, servers)))
                current = current.again()
        # The user who logs in may be one of those who are locked out, when it is the system account.
        published = self._published(current, servers, _SYSTEM_ACCOUNT_LOCKS_OUT)
        return current.report("finished", signed, *published)

    def _published(
        self, current: AccountKeyRotation, servers: TargetSession | None, *waived: str
    ) -> tuple[AccountConnections | None, int]:
        """Push the account and those with its activations; return who is connected, and how many went."""
        if servers is None:
            return None, 0
        with servers:
            sent = self._publish(servers, current.to_push(), *waived)
            return _connections(current, servers), sent

    def _begin_operator_key(
        self, rotation: Callable[[], OperatorKeyRotation], servers: TargetSession | None
    ) -> OperatorKeyReport:
        """Take every step that is proven to be safe, but for the last."""
        with self._workspace.lock():
            current = rotation()
            is_new = current.stage() is RotationStage.ADD
            signed = self._signed(current.add())
            current = current.again()
        # What was only just added, no server can know yet; where none is asked, somebody else has to see to
        # it.
        if is_new and servers is None:
            return current.report(signed, stage=RotationStage.SPREAD)
        if servers is None and not self._without_servers:
            raise UsageError(
                "it is not known where the servers are, which have to prove that they trust the new key",
                "--url nats://host:4222, or --without-servers: then you vouch for it",
            )
        seen, sent = _seen(current, servers), 0
        if current.stage(seen) is RotationStage.REISSUE:
            with self._workspace.lock():
                current = current.again()
                signed = (*signed, *self._signed(current.reissue()))
                current = current.again()
        if servers and current.stage(seen) is RotationStage.PUSH:
            with servers:
                sent = self._publish(servers, current.by_new())
                seen = current.seen(servers)
        return current.report(signed, seen, sent)

    def _finish_operator_key(
        self, current: OperatorKeyRotation, servers: TargetSession | None
    ) -> OperatorKeyReport:
        """Remove the previous key once nothing depends on it."""
        seen = _seen(current, servers)
        signed: tuple[Jwt[object], ...] = ()
        if current.stage(seen) not in {RotationStage.FORGET, RotationStage.DONE}:
            current.require_removable(seen)
            with self._workspace.lock():
                signed = self._signed(current.again().remove(seen))
                current = current.again(has_ended=True)
        return current.report(signed, seen)

    def _replace_operator_key_at_once(
        self, rotation: Callable[[], OperatorKeyRotation], servers: TargetSession | None
    ) -> OperatorKeyReport:
        """Sign all of it at once, and push before the servers trust it."""
        signed: tuple[Jwt[object], ...] = ()
        with self._workspace.lock():
            current = rotation()
            if current.replacement is not None:
                signed = self._signed(current.replace_at_once())
                current = current.again(has_ended=True)
        if servers is None:
            return current.report(signed)
        with servers:
            sent = self._publish(servers, current.to_push(), _UNTRUSTED_ISSUER)
            return current.report(signed, current.seen(servers), sent)


def _connections(current: AccountKeyRotation, servers: TargetSession | None) -> AccountConnections | None:
    """Return who is connected to the account, None where servers are not asked."""
    if servers is None:
        return None
    with servers:
        return servers.connections(current.account.claims.sub)


def _seen(current: OperatorKeyRotation, servers: TargetSession | None) -> ServersSeen | None:
    """Return what the servers report, None where they are not asked."""
    if servers is None:
        return None
    with servers:
        return current.seen(servers)


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
