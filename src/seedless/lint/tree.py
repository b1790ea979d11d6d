"""Judge a whole store, one jwt after the other: of the users, no more than one is held at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from seedless import policy as pinned
from seedless.change import Context
from seedless.claims import Operator
from seedless.decorated import parse_jwt
from seedless.errors import SeedlessError, StoreError
from seedless.findings import Finding, error, warning
from seedless.lint.jwts import Judged, Surroundings, judge_jwt, unreadable
from seedless.text import brief, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seedless.jwt import Jwt
    from seedless.store import Store
    from seedless.store.port import Address

    _Read = Jwt[Any] | SeedlessError


def surroundings(store: Store, now: int, policy: pinned.Policy | None = None) -> Surroundings:
    """Return the operator and the accounts of *store* as far as they can be read, and the rules of *policy*.

    *now* is Unix seconds.
    """
    return _around(store, _issuers(store).values(), now, policy)


def _issuers(store: Store) -> dict[Address, _Read]:
    """Return the jwts by which others are judged, by where they lie: of the operator and the accounts."""
    return {(): _read(store)} | {(account,): _read(store, account) for account in store.children()}


def _around(store: Store, read: Iterable[_Read], now: int, policy: pinned.Policy | None) -> Surroundings:
    jwts = {jwt.claims.sub: jwt for jwt in read if not isinstance(jwt, SeedlessError)}
    claims = {key: jwt.claims for key, jwt in jwts.items()}
    known = next((said for said in claims.values() if isinstance(said.body, Operator)), None)
    context = Context(now, known, claims=claims, jwts=jwts if policy else {}, managed=store.managed)
    return Surroundings(context, pinned.rules(policy) if policy else ())


def count(store: Store) -> int:
    """Return how many jwts *store* holds."""
    return 1 + sum(1 + len(store.children(account)) for account in store.children())


def lint_store(store: Store, now: int, policy: pinned.Policy | None = None) -> Iterator[Judged]:
    """Yield each jwt of *store* with what there is to say of it: the operator, each account, its users.

    *now* is Unix seconds. An account is judged as it was when its users are judged by it: it is read once.
    """
    issuers = _issuers(store)
    around = _around(store, issuers.values(), now, policy)
    yield _judged(f"operator {store.operator}", issuers.pop(()), around)
    seen: dict[str, str] = {}
    for (account,), found in issuers.items():
        judged = _judged(f"account {account}", found, around)
        key = "" if isinstance(found, SeedlessError) else found.claims.sub
        yield _with(judged, l006_account_is_there_once(key, account, seen))
        for user in store.children(account):
            jwt = _read(store, account, user)
            yield _with(
                _judged(f"user {account}/{user}", jwt, around),
                ()
                if isinstance(jwt, SeedlessError)
                else (
                    *(l007_user_lies_with_its_account(jwt, key) if key else ()),
                    *l008_creds_hold_the_jwt_of_the_store(jwt, store, account, user),
                ),
            )


def l006_account_is_there_once(key: str, account: str, seen: dict[str, str]) -> Iterator[Finding]:
    """An account lies in a store once.

    Of two with one key, which servers get is chance.
    """
    if key and seen.setdefault(key, account) != account:
        yield error("L006", "sub", f"is the account {brief(seen[key])} as well", "delete the older of both")


def l007_user_lies_with_its_account(jwt: Jwt[Any], key: str) -> Iterator[Finding]:
    """A user lies in the folder of its account.

    nsc and the commands here look for it there.
    """
    named = jwt.claims.body.issuer_account or str(jwt.issuer)
    if named != key:
        yield warning(
            "L007", "nats.issuer_account", f"is a user of {brief(named)}, not of the account it lies with"
        )


def l008_creds_hold_the_jwt_of_the_store(
    jwt: Jwt[Any], store: Store, account: str, user: str
) -> Iterator[Finding]:
    """The creds file of a user is a copy of the jwt in the store.

    `nats auth user edit` leaves creds as they were; who connects with them is who the older jwt says.
    """
    try:
        data = store.creds(account, user)
        held = parse_jwt(data.decode()).strip() if data is not None else jwt.text
    except (StoreError, UnicodeDecodeError):
        held = ""
    if held != jwt.text:
        creds = shown(store.creds_path(account, user))
        text = f"is not what its creds file {creds} holds: the jwt of the store counts"
        yield warning("L008", "", text, "make the creds again and deliver them: seedless user creds")


def _read(store: Store, *address: str) -> _Read:
    try:
        return store.get(*address) or StoreError("there is no jwt")
    except SeedlessError as failure:
        return failure


def _judged(what: str, found: _Read, around: Surroundings) -> Judged:
    return unreadable(what, found) if isinstance(found, SeedlessError) else judge_jwt(what, found, around)


def _with(judged: Judged, more: Iterable[Finding]) -> Judged:
    extra = tuple(msgspec.structs.replace(finding, about=judged.what) for finding in more)
    return Judged(judged.what, (*judged.findings, *extra)) if extra else judged


RULES = (
    l006_account_is_there_once,
    l007_user_lies_with_its_account,
    l008_creds_hold_the_jwt_of_the_store,
)
