"""Verify a store, in several processes where it is large: signatures, times, and who signed them.

What is verified is not thereby trusted: a jwt is trusted when it leads to the operator of the store. Of a
store of any size no more is held than the names of accounts, those of the users of one, and a few batches.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import signal
import sys
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from seedless import trust
from seedless.claims import Account, Activation, Operator, User, signing_key
from seedless.errors import BadJwt, BadSignature, SeedlessError
from seedless.inventory import INVENTORY_NAME, Inventory
from seedless.inventory import load as load_inventory
from seedless.nkey import PublicKey, Role
from seedless.rules.formats import is_time_zone, second_of_day
from seedless.rules.guards import spelling
from seedless.spares import BackupKind, backups
from seedless.store import open_store
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from seedless.claims import TimeRange
    from seedless.jwt import Jwt
    from seedless.store import Store

# Measured: two processes and a supervisor start in 0.4 s, in which one process verifies some thousand
# jwts.
WORTH = 2_000
"""Jwts; for fewer the start of processes takes longer than they save."""

_BATCH = 250  # jwts that a process is given at once
_AHEAD = 3  # batches for each process, so that none waits


class VerifiedJwt(msgspec.Struct, frozen=True, gc=False):
    """What there is to state of one jwt; *what* is its name for people, *error* why it cannot be read.

    `signature` is `good`, `bad`, or `unread` where there was none to verify. `unusual` reports how the text
    deviates from what the official library writes (G013). `backup` is what there is for the keys of an
    operator or account when a token is lost: the least of them, empty where the inventory has none.
    """

    what: str
    trust: str = "-"
    times: str = "-"
    error: str | None = None
    signature: str = "good"
    unusual: str = ""
    backup: BackupKind | Literal[""] = ""

    @classmethod
    def unreadable(cls, what: str, error: SeedlessError) -> VerifiedJwt:
        """Return the verdict on what cannot be read because of *error*."""
        # `bad` only where a signature was computed and is wrong: what cannot be read at all proves
        # nothing about anybody.
        is_bad = isinstance(error, BadSignature) or isinstance(error.__cause__, BadSignature)
        return cls(what, error=error.message, signature="bad" if is_bad else "unread")

    @property
    def ok(self) -> bool:
        """Whether the jwt holds now, and is trusted as far as there is a store to ask."""
        return self.error is None and self.times == "valid" and self.trust in {"trusted", "unknown"}


class StoreView:
    """A store as far as it can be read, against which jwts are held; without a store nothing is known."""

    def __init__(
        self,
        store: Store | None,
        now: int,
        inventory: Inventory | None = None,
        recorded: Mapping[PublicKey, int] | None = None,
    ) -> None:
        """Take the *store*, and the *inventory* of its keys; *now* is Unix seconds. Nothing is read yet.

        *recorded* are the keys that shares restore, and when that was recorded.
        """
        self._store = store
        self._now = now
        self._inventory = inventory or Inventory()
        self._recorded = recorded or {}

    @functools.cached_property
    def _operator(self) -> Jwt[object] | None:
        return _read(self._store) if self._store else None

    @functools.cached_property
    def _accounts(self) -> dict[str, Jwt[object]]:
        if self._store is None:
            return {}
        # Reversed, so that of two accounts with one key the first by name is left in the dictionary.
        read = (_read(self._store, name) for name in reversed(self._store.children()))
        return {jwt.claims.sub: jwt for jwt in read if jwt}  # of two with one key, the first by name

    def judge(self, what: str, jwt: Jwt[object], near: Jwt[object] | None = None) -> VerifiedJwt:
        """Return the findings on *jwt*, named *what*; *near* is the account that it lies with."""
        unusual = " ".join(spelling(jwt) or ()).strip()
        account = self._account_of(jwt, near)
        times = _times(jwt, self._now)
        if times == "valid" and account is not None:
            times = _times_below(account, jwt, self._now)
        trusted, backup = self._trust(jwt, account), self._backup(jwt)
        return VerifiedJwt(what, trusted, times, unusual=unusual, backup=backup)

    @functools.cached_property
    def _known(self) -> dict[str, PublicKey]:
        return {str(entry.public_key): entry.public_key for entry in self._inventory}

    def _backup(self, jwt: Jwt[object]) -> BackupKind | Literal[""]:
        body = jwt.claims.body
        if not isinstance(body, Operator | Account):
            return ""
        listed = (jwt.claims.sub, *map(signing_key, body.signing_keys))
        keys = [self._known[key] for key in listed if key in self._known]
        # The operator too: when it is strict, an identity is not a spare.
        claims = [jwt.claims, *([self._operator.claims] if self._operator else ())]
        found = backups(self._inventory, claims, self._recorded, keys)
        # The lost identity of an account stays: it is the name of the account, and others sign.
        stays = jwt.claims.sub if isinstance(body, Account) else ""
        kinds = [item.kind for key, item in found.items() if item.kind != "lost" or str(key) != stays]
        return min(kinds, key=get_args(BackupKind).index, default="")

    def _account_of(self, jwt: Jwt[object], near: Jwt[object] | None) -> Jwt[object] | None:
        """Return the account of a user or an activation, as far as it is known."""
        body = jwt.claims.body
        if not isinstance(body, User | Activation):
            return None
        key = body.issuer_account or str(jwt.issuer)
        return near if near and near.claims.sub == key else self._accounts.get(key)

    def _trust(self, jwt: Jwt[object], account: Jwt[object] | None) -> str:
        if self._store is None:
            return "unknown"
        operator = self._operator
        if operator is None:
            return "the operator cannot be read"
        match jwt.claims.body:
            case Operator():
                ours = jwt.claims.sub == operator.claims.sub and trust.did_sign(operator, jwt)
                return self._replaced(operator) or "trusted" if ours else "another operator"
            case Account():
                return "trusted" if trust.did_sign(operator, jwt) else self._untrusted(jwt)
            case User() | Activation():
                return self._trust_below(operator, account, jwt)
        return "unknown"

    def _trust_below(self, operator: Jwt[object], account: Jwt[object] | None, jwt: Jwt[object]) -> str:
        if account is None:
            return "account is not in the store"
        if not trust.did_sign(operator, account):
            return f"its account is {self._untrusted(account)}"
        return _with_current(operator, account, jwt)

    def _replaced(self, operator: Jwt[object]) -> str:
        """State that the identity of *operator* is not the key of its name in the inventory, or nothing.

        `nsc reissue operator` on a shared folder makes a new identity in software, and signs all of it again.
        """
        name = operator.claims.name.strip()
        keys = {str(entry.public_key): entry.name for entry in self._inventory if entry.role is Role.OPERATOR}
        former = [key for key, called in keys.items() if called == name]
        if operator.claims.sub in keys or not former:
            return ""
        return f"its identity is not the key of the inventory, {former[0]}"

    def _untrusted(self, account: Jwt[object]) -> str:
        """State what an account is that no key of the operator has signed."""
        is_managed = self._store is not None and self._store.managed
        is_request = is_managed and str(account.issuer) == account.claims.sub
        return "a request, not signed by the operator yet" if is_request else "not issued by the operator"


def verify_store(root: Path, operator: str, now: int, *, jobs: int = 1) -> Iterator[VerifiedJwt]:
    """Yield the verdict on each jwt of a store: the operator, each account, its users.

    It is that of *operator* below *root*; *now* is Unix seconds. Up to *jobs* processes work on a store of
    more than `WORTH` jwts; the order is always the same.
    """
    store = open_store(root, operator)
    batches = _batches(_units(store))
    few = list(itertools.islice(batches, WORTH // _BATCH))
    every = itertools.chain(few, batches)
    if jobs > 1 and len(few) == WORTH // _BATCH:
        yield from _by_processes(functools.partial(_verified, root, operator, now), every, jobs)
        return
    view = StoreView(store, now, inventory_of(root), recorded_below(root))
    for unit in itertools.chain.from_iterable(every):
        yield from _look(store, view, unit)


class _Unit(msgspec.Struct, frozen=True):
    """The operator (no account), or an account and users of it, or only *further* users."""

    account: str = ""
    users: tuple[str, ...] = ()
    further: bool = False


_VerdictParts = tuple[str, str, str, str | None, str, str]


def _units(store: Store) -> Iterator[_Unit]:
    yield _Unit()
    for account in store.children():
        users = store.children(account)
        yield _Unit(account, tuple(users[:_BATCH]))
        for at in range(_BATCH, len(users), _BATCH):
            yield _Unit(account, tuple(users[at : at + _BATCH]), further=True)


def _batches(units: Iterable[_Unit]) -> Iterator[list[_Unit]]:
    batch: list[_Unit] = []
    size = 0
    for unit in units:
        batch.append(unit)
        size += 1 + len(unit.users)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _by_processes(
    work: functools.partial[list[_VerdictParts]], batches: Iterator[list[_Unit]], jobs: int
) -> Iterator[VerifiedJwt]:
    # The forkserver of Python 3.14 does not start on Ctrl-C: a traceback, and a process that waits for it.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with ProcessPoolExecutor(jobs, context, initializer=_ignore_interrupts) as pool:
        try:
            waiting = deque(pool.submit(work, batch) for batch in itertools.islice(batches, jobs * _AHEAD))
            while waiting:
                verified = waiting.popleft().result()
                waiting.extend(pool.submit(work, batch) for batch in itertools.islice(batches, 1))
                yield from (VerifiedJwt(*each) for each in verified)
        except BrokenProcessPool as error:
            raise SeedlessError(
                "a process that verifies has ended before its work was done",
                "look whether memory is short, or do it in one: --jobs 1",
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def inventory_of(root: Path) -> Inventory:
    """Return the inventory below *root*; an empty one where it cannot be read, which others report."""
    try:
        return load_inventory(root / INVENTORY_NAME)
    except SeedlessError:
        return Inventory()


def recorded_below(root: Path) -> dict[PublicKey, int]:
    """Return the keys that shares restore, as `kept.recorded`; none where a record cannot be read."""
    from seedless.recovery import kept  # whoever verifies one jwt asks for no backup

    try:
        return kept.recorded(root)
    except SeedlessError:
        return {}


@functools.cache
def _view(root: Path, operator: str, now: int) -> tuple[Store, StoreView]:
    """Return what all batches of a process are held against; it ends with the pool."""
    store = open_store(root, operator)
    return store, StoreView(store, now, inventory_of(root), recorded_below(root))


def _verified(root: Path, operator: str, now: int, units: list[_Unit]) -> list[_VerdictParts]:
    """Return what is to be stated of *units*, as plain tuples: they go from process to process fast."""
    store, view = _view(root, operator, now)
    found = [verdict for unit in units for verdict in _look(store, view, unit)]
    return [msgspec.structs.astuple(verdict) for verdict in found]


def _look(store: Store, view: StoreView, unit: _Unit) -> Iterator[VerifiedJwt]:
    if not unit.account:
        yield _judged(store, view, f"operator {store.operator}", ())[0]
        return
    verdict, near = _judged(store, view, f"account {unit.account}", (unit.account,))
    if not unit.further:
        yield verdict
    for user in unit.users:
        yield _judged(store, view, f"user {unit.account}/{user}", (unit.account, user), near)[0]


def _judged(
    store: Store, view: StoreView, what: str, address: tuple[str, ...], near: Jwt[object] | None = None
) -> tuple[VerifiedJwt, Jwt[object] | None]:
    try:
        jwt = store.get(*address)
        if jwt is None:
            raise BadJwt("there is no jwt")
    except SeedlessError as error:
        return VerifiedJwt.unreadable(what, error), None
    return view.judge(what, jwt, near), jwt


def _read(store: Store, *address: str) -> Jwt[object] | None:
    try:
        return store.get(*address)
    except SeedlessError:
        return None


def _with_current(operator: Jwt[Any], account: Jwt[Any], jwt: Jwt[Any]) -> str:
    if not trust.did_sign(account, jwt):
        return "not issued by its account"
    if trust.is_revoked(account, jwt):
        return "revoked"
    refusal = ""
    if isinstance(jwt.claims.body, User):
        refusal = trust.refusal(operator.claims, account.claims, jwt)
    return refusal or "trusted"


def _times(jwt: Jwt[object], now: int) -> str:
    if 0 < jwt.claims.exp <= now:
        return f"expired {moment(jwt.claims.exp)}"
    if jwt.claims.nbf > now:
        return f"not before {moment(jwt.claims.nbf)}"
    return "valid"


def _times_below(account: Jwt[Any], jwt: Jwt[Any], now: int) -> str:
    """Return what prevents *jwt* now: times of its account, times of day."""
    above = _times(account, now)
    if above != "valid":
        return f"its account {above}"
    body = jwt.claims.body
    if isinstance(body, User):
        scope = trust.scope_of(account.claims, str(jwt.issuer))
        source = scope.template if scope else body
        if source.times and not _is_in(source.times, source.times_location, now):
            spans = " or ".join(f"{span.start} to {span.end}" for span in source.times)
            return f"only from {spans} {source.times_location}".strip()
    return "valid"


def _is_in(spans: Iterable[TimeRange], location: str, now: int) -> bool:
    """Report whether servers let somebody in *now*; a span whose end is before its start goes past midnight.

    Without a *location* the server's own time counts; here that of this machine.
    """
    if not is_time_zone(location):
        return False
    import zoneinfo  # slow to load, and few name a zone

    zone = None if location in {"", "Local"} else zoneinfo.ZoneInfo(location)
    here = datetime.fromtimestamp(now, zone)
    second = here.hour * 3600 + here.minute * 60 + here.second
    for span in spans:
        start, end = second_of_day(span.start), second_of_day(span.end)
        if start is None or end is None:
            return False
        if start < second < end if start <= end else second > start or second < end:
            return True
    return False
