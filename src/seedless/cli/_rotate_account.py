"""`seedless rotate account-key`: the two phases, and the one of an emergency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless.app.edits import issuer_of, stored
from seedless.claims import Activation
from seedless.cli import printing
from seedless.cli._rotate_names import hand_name_on, made_keys
from seedless.cli._rotate_servers import LOCKS_US_OUT, visits
from seedless.cli._rotate_tell import Told, printed, tell
from seedless.cli.review import sign
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.rotate import KeyReplacement, find_replacement
from seedless.rotate import account as rotation
from seedless.rotate.replacement import is_key, listed_keys, overlapping
from seedless.signing_pipeline import Intent, NewKey, Plan
from seedless.text import brief

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.claims import Account
    from seedless.cli._remote import Remote
    from seedless.cli._rotate_servers import Visits
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey
    from seedless.rotate.account import AccountContext, SignedByKey
    from seedless.rotate.connections import AccountConnections, ConnectedClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the options say: which account, which of its keys, and the key that takes its place."""

    account: str
    key: str | None
    new: PublicKey | None
    remote: Remote
    without_servers: bool


@dataclass(frozen=True, slots=True)
class State:
    """How far the rotation is, by the store: the pair (None: nothing is begun), and what stands around."""

    around: AccountContext
    pair: KeyReplacement | None
    damaged: tuple[str, ...]

    def signed(self, now: int) -> SignedByKey:
        """Return what stands on the old key."""
        return rotation.signed_by(self.pair.old, self.around, now) if self.pair else rotation.SignedByKey({})


def begin(workspace: CommandWorkspace, wanted: Wanted) -> None:
    """Do the first phase, or what is left of it, publish it, and tell who still depends on the old key."""
    servers = visits(workspace, wanted.remote, without=wanted.without_servers)
    _log_in_early(workspace, wanted, servers)
    with workspace.lock():
        state = _read(workspace, wanted)
        _warn(state)
        done = _first_phase(workspace, state)
        state = _again(workspace, state)
    seen, sent = _published(state, servers)
    _tell(workspace, state, done, ("overlap", seen, sent))


def finish(workspace: CommandWorkspace, wanted: Wanted) -> None:
    """Do the second phase: refuse while anything depends on the old key, then remove it and publish that."""
    servers = visits(workspace, wanted.remote, without=wanted.without_servers, required=True)
    state = _read(workspace, wanted, finishing=True)
    if state.pair is not None:
        _require_moved(workspace, state)
    seen, sent = _published(state, servers)
    if state.pair is None:
        _tell(workspace, state, (), ("finished", seen, sent))
        return
    _require_disconnected(state, seen)
    with workspace.lock():
        state = _again(workspace, state)
        _require_moved(workspace, state)
        plan = rotation.finish(state.around, _pair(state).old, workspace.now)
        done = sign(workspace, Intent(lambda _: plan))
        state = _again(workspace, state)
    seen, more = _published(state, servers)
    _tell(workspace, state, done, ("finished", seen, sent + more))


def emergency(workspace: CommandWorkspace, wanted: Wanted) -> None:
    """Do both phases at once, after saying whom that locks out."""
    servers = visits(workspace, wanted.remote, without=wanted.without_servers)
    if servers:
        servers.prepare()
    with workspace.lock():
        state = _read(workspace, wanted, finishing=True)
        if state.pair is None:
            _tell(workspace, state, (), ("finished", *_published(state, servers, LOCKS_US_OUT)))
            return
        _warn(state)
        signed, pair, now = state.signed(workspace.now), _pair(state), workspace.now
        _say_locked_out(state, signed, servers)
        jwts = _walk(
            workspace,
            pair,
            lambda new: rotation.replace_at_once(state.around, pair.old, new, signed, now),
        )
        leaves = _give_leaves(workspace, state, signed, jwts)
        state = _again(workspace, state)
    # The user who logs in may be one of those who are locked out, when it is the system account.
    seen, sent = _published(state, servers, LOCKS_US_OUT)
    _tell(workspace, state, (*jwts, *leaves), ("finished", seen, sent))


def _first_phase(workspace: CommandWorkspace, state: State) -> tuple[Jwt[Any], ...]:
    pair, now = _pair(state), workspace.now
    signed = state.signed(now)
    if pair.is_begun and not len(signed):
        return ()
    if workspace.options.plan and signed.activations:
        signed = _without_leaves(signed, pair)
    jwts = _walk(workspace, pair, lambda new: rotation.begin(state.around, pair.old, new, signed, now))
    return (*jwts, *_give_leaves(workspace, state, signed, jwts))


def _without_leaves(signed: SignedByKey, pair: KeyReplacement) -> SignedByKey:
    """Return *signed* without activations: imports hold them signed, so they are in no plan made before."""
    if pair.is_begun and not signed.users:
        raise UsageError(
            "what is left are activations, and the plan of those that import them holds them signed",
            "run it without --plan",
        )
    printing.say(
        f"{len(signed.activations)} activations are not in this plan: run it again without --plan after it"
    )
    return rotation.SignedByKey(signed.users, (), signed.revoked, signed.expired)


def _walk(workspace: CommandWorkspace, pair: KeyReplacement, plan: Any) -> tuple[Jwt[Any], ...]:  # noqa: ANN401 - PublicKey -> Plan
    if pair.new is not None:
        given = pair.new
        return sign(workspace, Intent(lambda _: plan(given)))

    def made(keys: Mapping[NewKey, PublicKey]) -> Plan:
        found: Plan = plan(keys[pair.replacement])
        return found

    return sign(workspace, Intent(made, (pair.replacement,)))


def _give_leaves(
    workspace: CommandWorkspace, state: State, signed: SignedByKey, jwts: Sequence[Jwt[Any]]
) -> tuple[Jwt[Any], ...]:
    """Put the activations among *jwts* where the old ones stand; return the importing accounts."""
    if not signed.activations:
        return ()
    around = _read_around(workspace, state.around.name)[0]
    given = [jwt for jwt in jwts if isinstance(jwt.claims.body, Activation)]
    leaves = list(zip(signed.activations, given, strict=True))
    names = {leave.importer for leave in signed.activations}
    before = {name: around.importers[name] for name in sorted(names)}
    issuers = {name: issuer_of(workspace, jwt, jwt.claims, None) for name, jwt in before.items()}
    return sign(
        workspace, Intent(lambda _: rotation.replace_activations(around, leaves, issuers, workspace.now))
    )


def _log_in_early(workspace: CommandWorkspace, wanted: Wanted, servers: Visits | None) -> None:
    """Choose who logs in before the creds of the system account change, if it is that one."""
    key = workspace.account(wanted.account).claims.sub
    if servers and key == workspace.operator().claims.body.system_account:
        servers.prepare()


def _published(state: State, servers: Visits | None, *waived: str) -> tuple[AccountConnections | None, int]:
    """Send the account, and those with its activations, where they differ; return who is connected."""
    if servers is None:
        return None, 0
    account = state.around.account
    keys = {str(key) for pair in [state.pair] if pair for key in (pair.old, pair.new)}
    keys |= listed_keys(account.claims).keys()
    importers = [jwt for jwt in state.around.importers.values() if rotation.has_activation_by(jwt, keys)]
    with servers.publish([account, *importers], waived=waived) as (there, sent):
        return there.connected(account.claims.sub), sent


def _require_moved(workspace: CommandWorkspace, state: State) -> None:
    """Raise `Refused` while something in the store depends on the old key, or cannot be read."""
    pair, signed = _pair(state), state.signed(workspace.now)
    again = f"seedless rotate account-key {state.around.name}"
    if not pair.is_begun:
        raise Refused(f"no key takes the place of {pair.old} yet", again)
    if len(signed):
        left = [*signed.users, *(f"an import of {leave.importer}" for leave in signed.activations)]
        raise Refused(f"{pair.old} is still needed by {len(left)} jwts: {', '.join(map(brief, left))}", again)
    if state.damaged:
        raise Refused(f"nobody knows whether it is still needed: {state.damaged[0]}", "restore it first")


def _require_disconnected(state: State, seen: AccountConnections | None) -> None:
    """Raise `Refused` while a client or a leaf node may be connected through the old key."""
    pair = _pair(state)
    clients = seen.by(str(pair.old)) if seen else ()
    if clients:
        names = {jwt.claims.sub: name for name, jwt in state.around.users.items()}
        rows = ", ".join(printed(client, names) for client in clients)
        raise Refused(
            f"{len(clients)} connections still use the old key: {rows}",
            "give them their new creds and let them connect again; --emergency locks them out",
        )
    if seen and seen.leafs:
        raise Refused(
            f"{seen.leafs} leaf nodes are connected, and servers do not say by which key",
            "see that they have new creds, and finish with --without-servers and a push",
        )


def _say_locked_out(state: State, signed: SignedByKey, servers: Visits | None) -> None:
    clients: tuple[ConnectedClient, ...] = ()
    if servers:
        with servers.open() as there:
            clients = there.connected(state.around.account.claims.sub).by(str(_pair(state).old))
    users = ", ".join(map(brief, signed.users)) or "no user that is known"
    printing.say(printing.printable(f"this locks out, until they have their new creds: {users}"))
    names = {jwt.claims.sub: name for name, jwt in state.around.users.items()}
    for client in clients:
        printing.say(printing.printable(f"  connected now: {printed(client, names)}"))
    for leave in signed.activations:
        printing.say(
            printing.printable(
                f"  the import {leave.index} of {brief(leave.importer)} stops until it is pushed"
            )
        )


def _tell(
    workspace: CommandWorkspace,
    state: State,
    signed: Sequence[Jwt[Any]],
    how: tuple[str, AccountConnections | None, int],
) -> None:
    pair, (stage, seen, sent) = state.pair, how
    new = pair.new if pair else None
    told = Told(
        around=state.around,
        old=pair.old if pair else None,
        new=new,
        stage=stage,
        signed=signed,
        moved=rotation.signed_by(new, state.around, workspace.now) if new else rotation.SignedByKey({}),
        left=state.signed(workspace.now),
        seen=seen,
        sent=sent,
    )
    tell(workspace, told)


def _pair(state: State) -> KeyReplacement:
    if state.pair is None:
        raise UsageError("no key gives way", "name one with --key")
    return state.pair


def _warn(state: State) -> None:
    for message in state.damaged:
        printing.say(printing.printable(f"warning: {message}: what it depends on is not known"))


def _read(workspace: CommandWorkspace, wanted: Wanted, *, finishing: bool = False) -> State:
    """Return how far it is, by what the account lists; *finishing* finds nothing where nothing overlaps."""
    around, damaged = _read_around(workspace, wanted.account)
    claims, made, key = around.account.claims, made_keys(workspace, around.name), wanted.key
    if finishing:
        gone = key is not None and is_key(key) and key not in listed_keys(claims)
        if gone or (key is None and wanted.new is None and not overlapping(claims, made)):
            return State(around, None, damaged)
    return State(around, find_replacement(claims, made, key=key, new=wanted.new), damaged)


def _again(workspace: CommandWorkspace, before: State) -> State:
    """Return how far it is now, of the pair that this command is about."""
    around, damaged = _read_around(workspace, before.around.name)
    pair = _pair(before)
    new = pair.new or made_keys(workspace, around.name).get(pair.replacement)
    now = KeyReplacement(around.account.claims, pair.old, new)
    if now.is_begun and not workspace.options.dry_run:
        hand_name_on(workspace, now)
    return State(around, now, damaged)


def _read_around(workspace: CommandWorkspace, name: str) -> tuple[AccountContext, tuple[str, ...]]:
    account: Jwt[Account] = stored(workspace, (name,))
    accounts = {one: jwt for one, jwt in workspace.each() if one != name}
    users = dict(workspace.each(name))
    damaged = [jwt.message for jwt in (*accounts.values(), *users.values()) if isinstance(jwt, SeedlessError)]
    around = rotation.AccountContext(
        operator=workspace.operator(),
        account=account,
        issuer=issuer_of(workspace, account, account.claims, None),
        users={one: jwt for one, jwt in users.items() if not isinstance(jwt, SeedlessError)},
        importers={one: jwt for one, jwt in accounts.items() if not isinstance(jwt, SeedlessError)},
    )
    return around, tuple(damaged)
