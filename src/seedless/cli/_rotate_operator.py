"""`seedless rotate operator-key`: from barrier to barrier, each proven by what the servers say."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless.app.edits import stored
from seedless.cli import printing
from seedless.cli._rotate_names import hand_name_on, made_keys
from seedless.cli._rotate_servers import UNTRUSTED, visits
from seedless.cli._rotate_stage import Told, tell
from seedless.cli.review import sign
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.rotate import KeyReplacement, find_replacement
from seedless.rotate import operator as rotation
from seedless.rotate.operator import RotationStage, ServersSeen, ServerTrust, stage_of
from seedless.rotate.replacement import is_key, listed_keys, overlapping
from seedless.signing_pipeline import Intent
from seedless.text import brief
from seedless.trust import is_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seedless.claims import Account, Operator
    from seedless.cli._remote import Remote
    from seedless.cli._rotate_servers import Servers, Visits
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey
    from seedless.signing_pipeline import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the options say: which key, the one that takes its place, and the servers."""

    key: str | None
    new: PublicKey | None
    remote: Remote
    without_servers: bool


@dataclass(frozen=True, slots=True)
class State:
    """How far it is, by the store: the pair (None: nothing is begun), all accounts, whether all is signed."""

    operator: Jwt[Operator]
    pair: KeyReplacement | None
    accounts: Mapping[str, Jwt[Account]]
    damaged: tuple[str, ...]
    is_signed: bool = False

    def by_old(self, now: int) -> dict[str, Jwt[Account]]:
        """Return the accounts of the store that the old key has signed."""
        return rotation.accounts_by(self.pair.old, self.accounts, now) if self.pair else {}

    def stage(self, seen: ServersSeen | None, now: int) -> RotationStage:
        """Return what comes next, by the store and by what was *seen* of the servers."""
        pair = None if self.is_signed else self.pair
        return stage_of(pair, len(self.by_old(now)), seen, self.operator.claims)


def begin(workspace: CommandWorkspace, wanted: Wanted) -> None:
    """Take every step that is proven to be safe, but for the last, and tell which is next."""
    servers = visits(workspace, wanted.remote, without=wanted.without_servers)
    with workspace.lock():
        state = _read(workspace, wanted)
        for message in state.damaged:
            printing.say(printing.printable(f"warning: {message}: who has signed it is not known"))
        is_new = state.stage(None, workspace.now) is RotationStage.ADD
        done = _added(workspace, state) if is_new else ()
        state = _again(workspace, state)
    # What was only just added, no server can know yet; where none is asked, somebody else has to see to it.
    if is_new and servers is None:
        tell(workspace, _told(workspace, state, done, None, 0, RotationStage.SPREAD))
        return
    if servers is None and not wanted.without_servers:
        raise UsageError(
            "nobody has said where the servers are, which have to prove that they trust the new key",
            "--url nats://host:4222, or --without-servers: then you vouch for it",
        )
    _go_on(workspace, state, done, servers)


def _go_on(
    workspace: CommandWorkspace, state: State, done: tuple[Jwt[Any], ...], servers: Visits | None
) -> None:
    """Sign the accounts again where the servers trust the new key, and push them."""
    seen, sent = _look(servers, state, workspace.now), 0
    if state.stage(seen, workspace.now) is RotationStage.REISSUE:
        with workspace.lock():
            state = _again(workspace, state)
            done = (*done, *_reissued(workspace, state))
            state = _again(workspace, state)
    if servers and state.stage(seen, workspace.now) is RotationStage.PUSH:
        with servers.publish(_by(state, _pair(state).new)) as (there, sent):
            seen = _seen(there, state, workspace.now)
    tell(workspace, _told(workspace, state, done, seen, sent))


def finish(workspace: CommandWorkspace, wanted: Wanted) -> None:
    """Remove the old key once nothing depends on it; afterwards tell which servers still trust it."""
    servers = visits(workspace, wanted.remote, without=wanted.without_servers, required=True)
    state = _read(workspace, wanted, finishing=True)
    seen = _look(servers, state, workspace.now)
    done: tuple[Jwt[Any], ...] = ()
    if state.stage(seen, workspace.now) not in {RotationStage.FORGET, RotationStage.DONE}:
        _require_removable(workspace, state, seen)
        with workspace.lock():
            state = _again(workspace, state)
            _require_removable(workspace, state, seen)
            around = workspace.around(state.operator.claims)
            plan = rotation.remove(state.operator, _pair(state).old, workspace.now, around=around)
            done = sign(workspace, Intent(lambda _: plan))
            state = _ended(workspace, state)
    tell(workspace, _told(workspace, state, done, seen, 0))


def emergency(workspace: CommandWorkspace, wanted: Wanted) -> None:
    """Sign all of it at once, push before the servers trust it, and tell what they refuse meanwhile."""
    servers = visits(workspace, wanted.remote, without=wanted.without_servers)
    done: tuple[Jwt[Any], ...] = ()
    with workspace.lock():
        state = _read(workspace, wanted, finishing=True)
        if state.pair is not None:
            done = _replaced_at_once(workspace, state)
            state = _ended(workspace, state)
    sent, seen = 0, None
    if servers:
        listed = {state.operator.claims.sub, *listed_keys(state.operator.claims)}
        accounts = [jwt for jwt in state.accounts.values() if str(jwt.issuer) in listed]
        with servers.publish(accounts, waived=(UNTRUSTED,)) as (there, sent):
            seen = _seen(there, state, workspace.now)
    tell(workspace, _told(workspace, state, done, seen, sent))


def _replaced_at_once(workspace: CommandWorkspace, state: State) -> tuple[Jwt[Any], ...]:
    by_old, pair, now = state.by_old(workspace.now), _pair(state), workspace.now
    around = workspace.around(*(jwt.claims for jwt in by_old.values()))
    _say_locked_out(by_old)

    def plan(new: PublicKey) -> Plan:
        return rotation.replace_at_once(state.operator, by_old, (pair.old, new), around, now)

    return _walk(workspace, pair, plan)


def _say_locked_out(accounts: Mapping[str, Jwt[Account]]) -> None:
    names = ", ".join(map(brief, accounts)) or "no account"
    printing.say(
        printing.printable(f"until a server starts anew with the new operator jwt, it may refuse: {names}")
    )
    printing.say("who is connected stays; who comes to an account that the server has not loaded is refused")


def _added(workspace: CommandWorkspace, state: State) -> tuple[Jwt[Any], ...]:
    pair, now = _pair(state), workspace.now
    around = workspace.around(state.operator.claims)
    return _walk(workspace, pair, lambda new: rotation.add(state.operator, pair.old, new, now, around=around))


def _reissued(workspace: CommandWorkspace, state: State) -> tuple[Jwt[Any], ...]:
    by_old, new = state.by_old(workspace.now), _pair(state).new
    if new is None or not by_old:
        return ()
    around = workspace.around(*(jwt.claims for jwt in by_old.values()))
    plan = rotation.reissue(by_old, new, around, workspace.now)
    return sign(workspace, Intent(lambda _: plan))


def _walk(
    workspace: CommandWorkspace, pair: KeyReplacement, plan: Callable[[PublicKey], Plan]
) -> tuple[Jwt[Any], ...]:
    given = pair.new
    if given is not None:
        return sign(workspace, Intent(lambda _: plan(given)))
    return sign(workspace, Intent(lambda made: plan(made[pair.replacement]), (pair.replacement,)))


def _require_removable(workspace: CommandWorkspace, state: State, seen: ServersSeen | None) -> None:
    """Raise `Refused` while an account, on servers too, or a server depends on the old key."""
    pair, stage = _pair(state), state.stage(seen, workspace.now)
    again = "seedless rotate operator-key"
    if stage is RotationStage.ADD:
        raise Refused(f"no key takes the place of {pair.old} yet", again)
    if stage is RotationStage.SPREAD and seen and pair.new:
        names = ", ".join(map(str, seen.without(pair.new)))
        raise Refused(
            f"the new key is not trusted yet by {names}", "give them the operator jwt and restart them"
        )
    if stage is RotationStage.REISSUE:
        names = ", ".join(map(brief, state.by_old(workspace.now)))
        raise Refused(f"{pair.old} is still the issuer of {names}", again)
    if stage is RotationStage.PUSH and seen:
        raise Refused(
            f"servers hold accounts by {pair.old}: {', '.join(map(brief, seen.by_old))}",
            f"{again} pushes those of the store; what is not in the store: seedless pull, or prune",
        )
    if state.damaged:
        raise Refused(f"nobody knows whether it is still needed: {state.damaged[0]}", "restore it first")


def _look(servers: Visits | None, state: State, now: int) -> ServersSeen | None:
    """Return what the servers say, None where they are not asked."""
    if servers is None:
        return None
    with servers.open() as there:
        return _seen(there, state, now)


def _seen(servers: Servers, state: State, now: int) -> ServersSeen:
    """Return whom the servers trust, and which of their accounts the old key has signed."""
    trusts = tuple(ServerTrust.of(standing) for standing in servers.cluster.server_reports)
    if state.pair is None:
        return ServersSeen(trusts)
    old = state.pair.old
    by_old = [jwt.claims.name for jwt in servers.held() if jwt.issuer == old and not is_expired(jwt, now)]
    return ServersSeen(trusts, tuple(sorted(set(by_old))))


def _by(state: State, key: PublicKey | None) -> list[Jwt[Account]]:
    return [jwt for jwt in state.accounts.values() if jwt.issuer == key]


def _told(
    workspace: CommandWorkspace,
    state: State,
    signed: tuple[Jwt[Any], ...],
    seen: ServersSeen | None,
    sent: int,
    stage: RotationStage | None = None,
) -> Told:
    return Told(
        operator=state.operator,
        old=state.pair.old if state.pair else None,
        new=state.pair.new if state.pair else None,
        stage=stage or state.stage(seen, workspace.now),
        signed=signed,
        by_old=tuple(state.by_old(workspace.now)),
        seen=seen,
        sent=sent,
    )


def _pair(state: State) -> KeyReplacement:
    if state.pair is None:
        raise UsageError("no key gives way", "name one with --key")
    return state.pair


def _read(workspace: CommandWorkspace, wanted: Wanted, *, finishing: bool = False) -> State:
    """Return how far it is, by what the operator lists; *finishing* finds nothing where nothing overlaps."""
    operator, key = stored(workspace, ()), wanted.key
    claims = operator.claims
    made = made_keys(workspace, claims.name.strip())
    pair = None
    gone = key is not None and is_key(key) and key not in listed_keys(claims)
    idle = key is None and wanted.new is None and not overlapping(claims, made)
    if not finishing or not (gone or idle):
        pair = find_replacement(claims, made, key=key, new=wanted.new)
    return State(operator, pair, *_accounts(workspace))


def _again(workspace: CommandWorkspace, before: State) -> State:
    """Return how far it is now, of the pair that this command is about."""
    operator, pair = stored(workspace, ()), _pair(before)
    new = pair.new or made_keys(workspace, operator.claims.name.strip()).get(pair.replacement)
    now = KeyReplacement(operator.claims, pair.old, new)
    if now.is_begun and not workspace.options.dry_run:
        hand_name_on(workspace, now)
    return State(operator, now, *_accounts(workspace))


def _ended(workspace: CommandWorkspace, before: State) -> State:
    """Return how far it is now that the operator lists the old key no more."""
    return dataclasses.replace(_again(workspace, before), is_signed=True)


def _accounts(workspace: CommandWorkspace) -> tuple[dict[str, Jwt[Account]], tuple[str, ...]]:
    each = workspace.each()
    damaged = tuple(jwt.message for _, jwt in each if isinstance(jwt, SeedlessError))
    return {name: jwt for name, jwt in each if not isinstance(jwt, SeedlessError)}, damaged
