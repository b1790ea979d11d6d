"""Guards on time, on size, and on what must never be signed (Gnnn)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import Generic
from seedless.findings import error, warning
from seedless.rules.formats import cited
from seedless.rules.places import tokens
from seedless.text import holds_seed, without_seeds
from seedless.trust import EVERYONE
from seedless.wire import at, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedless.change import Change, Context, Statement
    from seedless.claims import Account, User
    from seedless.findings import Finding

MOST_AHEAD = 60
"""Seconds that the time of a jwt may lie in the future."""

LONGEST_USER = 3500
"""Bytes of a user jwt that fit into a login: with all else in it, a line has at most 4,096."""

OWN_AUDIENCE = "seedless-"
"""How the audience begins of what a ceremony signs about itself: receipts, witnesses, keys."""

_CLOCK = "set this machine's clock right"


def g001_time_moves_forward(change: Change, _: Context) -> Iterator[Finding]:
    """For one subject `iat` is strictly later than that of the jwt which is replaced.

    Servers take an older jwt as well as a newer one, and two of one second share a `jti`.
    """
    if change.replaces is not None and change.draft.issued_at <= change.replaces.issued_at:
        text = f"{change.draft.issued_at} is not after the jwt that it replaces ({change.replaces.issued_at})"
        yield error("G001", "iat", text, f"{_CLOCK}, or wait a second")


def g002_time_is_not_ahead(change: Change, context: Context) -> Iterator[Finding]:
    """`iat` is at most a minute ahead.

    A jwt from the future outlives its revocation, which stands only against what was issued before it.
    """
    ahead = change.draft.issued_at - context.now
    if ahead > MOST_AHEAD:
        yield error("G002", "iat", f"is {ahead} seconds in the future", _CLOCK)


def g003_holds_at_some_time(change: Change, context: Context) -> Iterator[Finding]:
    """What is signed has not expired, and begins before it expires.

    Otherwise it is of no use to anybody.
    """
    claims = change.draft.claims
    if claims.exp <= 0:
        return
    if claims.exp <= context.now:
        yield error("G003", "exp", "has already expired", "give a later --expiry")
    elif claims.exp <= claims.nbf:
        yield error("G003", "exp", "is before nbf: it expires before it begins", "give a later --expiry")


def g004_no_orders_to_resolvers(change: Change, _: Context) -> Iterator[Finding]:
    """Generic claims with `accounts`, or issued to their own subject, are not signed.

    They are orders to a resolver to delete accounts. It obeys them again and again, for ever. Nor are those
    whose audience begins with `seedless-`: they would pass for a receipt or a witness of a ceremony.
    """
    claims = change.draft.claims
    if claims.aud.startswith(OWN_AUDIENCE):
        text = f"{cited(claims.aud)} is the mark of what a ceremony signs about itself"
        yield error("G004", "aud", text, "give another audience")
    if not isinstance(claims.body, Generic):
        return
    if "accounts" in (claims.body.data or {}) or claims.sub == str(change.draft.issuer):
        text = "is an order that a resolver obeys: to delete accounts, again and again, for ever"
        yield error("G004", "nats", text, "it is not signed as a file")


def g005_one_jwt_a_second(changes: Sequence[Change], _: Context) -> Iterator[Finding]:
    """A plan has no two jwts of one subject in one second.

    They would share a `jti`, which does not cover what they say, and servers take an equal `jti` for
    nothing new.
    """
    seen = set()
    for change in changes:
        moment = (change.draft.claims.sub, change.draft.issued_at)
        if moment in seen:
            finding = error("G005", "iat", "another jwt of the same second is in this plan", "sign one")
            yield msgspec.structs.replace(finding, about=change.title)
        seen.add(moment)


def g006_clock_is_not_behind(change: Change, context: Context) -> Iterator[Finding]:
    """The clock is not behind the newest jwt in the store, by more than a jwt may be ahead.

    With a slow clock the next jwt is older than the last, and servers of a cluster disagree on which holds.
    """
    if context.newest is not None and context.newest - context.now > MOST_AHEAD:
        behind = context.newest - context.now
        text = f"{change.draft.issued_at}: the newest jwt in the store is {behind} seconds in the future"
        yield error("G006", "iat", text, _CLOCK)


def g007_revocation_is_of_the_past(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """A revocation is not of a time after the jwt that says it.

    It stands against every jwt issued until then. One of everyone (`*`) locks out all users issued in the
    meantime, as a clock that is an hour fast does for an hour.
    """
    account = said.claims.body
    lists = [("nats.revocations", account.revocations)]
    lists += [
        (f"nats.exports[{index}].revocations", x.revocations) for index, x in enumerate(account.exports)
    ]
    for path, revocations in lists:
        for key, time in revocations.items():
            if time > said.issued_at:
                told = error if key == EVERYONE else warning
                text = (
                    f"{time} is {time - said.issued_at} seconds ahead: it stands against jwts of the future"
                )
                yield told("G007", join(path, key), text, "give a time that has come")


def g008_user_fits_into_a_login(said: Statement[User], _: Context) -> Iterator[Finding]:
    """A user jwt has at most 3,500 bytes.

    It is part of the line with which a client logs in, and a server cuts lines off after 4,096 bytes,
    unless its `max_control_line` says otherwise.
    """
    if said.size > LONGEST_USER:
        text = f"has {said.size} bytes: servers cut the login off"
        yield warning("G008", "", text, "give the permissions to a scope, which users do not carry")


def g009_leave_outlives_the_import(said: Statement[Account], context: Context) -> Iterator[Finding]:
    """The activation of an import does not expire before the account does.

    Then servers drop the import, while the account stays and nobody is told. The official library does not
    look at it.
    """
    for path, _item, activation in tokens(said.claims.body):
        if activation is None or activation.claims.exp <= 0:
            continue
        expiry = activation.claims.exp
        if expiry <= context.now:
            yield warning("G009", path, "the activation has expired", "ask the exporting account for another")
        elif said.claims.exp <= 0 or expiry < said.claims.exp:
            yield warning("G009", path, "the activation expires before the account", "renew it in time")


def g010_token_can_sign_it(change: Change, context: Context) -> Iterator[Finding]:
    """What is to be signed fits into the token that has the key.

    Pure Ed25519 sends the whole message into the token, and tokens have ceilings: some take 3,062 bytes.
    """
    size, ceiling = len(change.draft.signing_input), context.ceilings.get(str(change.draft.issuer))
    if ceiling is not None and size > ceiling:
        text = f"has {size} bytes to sign, and the token of {change.draft.issuer} takes {ceiling}"
        yield error("G010", "", text, "sign with a key on another token, or make the claims smaller")


def g011_nothing_is_lost(change: Change, _: Context) -> Iterator[Finding]:
    """The jwt that is replaced has no members that this program does not know.

    They are not in what is signed: whatever a newer program said with them would be lost unseen.
    """
    for member in change.replaces.unknown if change.replaces else ():
        text = f"{cited(member.text)} is in the jwt that is replaced, is unknown here and would be lost"
        yield error("G011", member.path, text, "a newer seedless may know it")


def g012_no_seed_is_signed(change: Change, _: Context) -> Iterator[Finding]:
    """No text of the claims holds a seed or a private key of nkeys.

    A jwt is public: servers hand it to whoever asks. A seed stands in one where somebody gave it in the place
    of a name or of a public key.
    """
    payload = change.draft.payload.decode()
    for path, text in _texts(msgspec.json.decode(payload), "") if holds_seed(payload) else ():
        if holds_seed(text):
            told = "is or holds a seed, and everybody can read a jwt"
            yield error("G012", path, told, "give the public key that was meant, and replace the seed")


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield every text in a JSON *value*, names of members too, and its path."""
    match value:
        case str():
            yield path, value
        case list():
            for index, item in enumerate(value):
                yield from _texts(item, at(path, index))
        case dict():
            for name, item in value.items():
                yield path, name
                yield from _texts(item, join(path, without_seeds(name)))


RULES = (
    g001_time_moves_forward,
    g002_time_is_not_ahead,
    g003_holds_at_some_time,
    g004_no_orders_to_resolvers,
    g006_clock_is_not_behind,
    g010_token_can_sign_it,
    g011_nothing_is_lost,
    g012_no_seed_is_signed,
)
"""For every change."""

PLAN_RULES = (g005_one_jwt_a_second,)
"""For all changes of a plan together."""

STATEMENT_RULES: dict[str, tuple[Any, ...]] = {
    "account": (g007_revocation_is_of_the_past, g009_leave_outlives_the_import),
    "user": (g008_user_fits_into_a_login,),
}
"""For claims, by whom and when, of each kind."""
