"""Guards on time, on size, and on what must never be signed (Gnnn)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from seedless.claims import Generic
from seedless.findings import error, warning
from seedless.rules.formats import cited
from seedless.rules.places import tokens
from seedless.text import holds_seed, without_seeds
from seedless.trust import EVERYONE
from seedless.units import moment
from seedless.wire import RULES as READING
from seedless.wire import at, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seedless.change import Change, Context, Statement
    from seedless.claims import Account, User
    from seedless.findings import Finding
    from seedless.jwt import Jwt

MOST_AHEAD = 60
"""Seconds that the time of a jwt may lie in the future."""

# MAX_CONTROL_LINE_SIZE of nats-server is 4,096; the CONNECT line holds the jwt, the signature of the
# nonce, and what the client reports of itself.
LONGEST_USER = 3500
"""Bytes of a user jwt that fit into a login: with all else in it, a line has at most 4,096."""

OWN_AUDIENCE = "seedless-"
"""How the audience begins of what a ceremony signs about itself: receipts, witnesses, keys."""


def is_from_the_future(issued_at: int, now: int) -> bool:
    """Report whether nothing may follow a jwt of *issued_at* at *now*: a second later is too far ahead."""
    return issued_at - now >= MOST_AHEAD


_CLOCK = "set this machine's clock right"
_WAY_BACK = "if another clock was fast when that jwt was signed, see seedless docs howto/clock: --reset-time"


# Measured with nats-server 2.15.1: a jwt 30 days older than the stored one is answered with `200 jwt
# updated`. Between servers of a cluster the older one is dropped silently, so they disagree until the
# next push.
def g001_time_moves_forward(change: Change, context: Context) -> Iterator[Finding]:
    """For one subject `iat` is strictly later than that of the jwt which is replaced.

    Servers take an older jwt as well as a newer one, and two of one second share a `jti`. The way back from a
    jwt that was signed with a fast clock is `--reset-time`.
    """
    before, at = change.replaces, change.draft.issued_at
    if before is not None and at <= before.issued_at:
        text = f"is {moment(at)}, not later than {moment(before.issued_at)}, that of the jwt that it replaces"
        is_ahead = is_from_the_future(before.issued_at, context.now)
        hint = _way_back(change, context) if is_ahead else f"{_CLOCK}, or wait a second"
        yield error("G001", "iat", text, hint)


def g002_time_is_not_ahead(change: Change, context: Context) -> Iterator[Finding]:
    """`iat` is at most a minute ahead.

    A jwt from the future outlives its revocation, which applies only to what was issued before it.
    """
    before, at = change.replaces, change.draft.issued_at
    if at - context.now <= MOST_AHEAD:
        return
    text = f"is {moment(at)}, which is {at - context.now} seconds ahead of this clock, {moment(context.now)}"
    if before is not None and is_from_the_future(before.issued_at, context.now):
        text += f"; the jwt that it replaces is of {moment(before.issued_at)}"
        yield error("G002", "iat", text, _way_back(change, context))
    else:
        yield error("G002", "iat", text, _CLOCK)


def _way_back(change: Change, context: Context) -> str:
    """Return what to do about a jwt whose predecessor is from the future: that, or this clock, is wrong."""
    if change.draft.claims.sub in context.reset_time:
        return _CLOCK
    return f"{_CLOCK}; {_WAY_BACK} {change.draft.claims.sub}"


def g003_is_valid_at_some_time(change: Change, context: Context) -> Iterator[Finding]:
    """What is signed has not expired, and begins before it expires.

    Otherwise it is of no use to anybody.
    """
    claims = change.draft.claims
    if claims.exp <= 0:
        return
    if claims.exp <= context.now:
        text = f"is {moment(claims.exp)}, and this clock reads {moment(context.now)}: it has already expired"
        yield error("G003", "exp", text, "give a later --expiry")
    elif claims.exp <= claims.nbf:
        text = f"is {moment(claims.exp)}, and nbf is {moment(claims.nbf)}: it expires before it begins"
        yield error("G003", "exp", text, "give a later --expiry")


# nats-server, server/accounts.go: a delete is a generic jwt whose issuer is its subject and a trusted
# operator key. Nothing in it expires and nothing counts it, so whoever keeps a copy can delete again.
def g004_no_delete_requests(change: Change, _: Context) -> Iterator[Finding]:
    """Generic claims with `accounts`, or issued to their own subject, are not signed.

    They are requests to a resolver to delete accounts, which do not expire: it deletes them each time that it
    receives one. Claims whose audience begins with `seedless-` are not signed either: they would pass for a
    receipt or a witness of a ceremony.
    """
    claims = change.draft.claims
    if claims.aud.startswith(OWN_AUDIENCE):
        text = f"{cited(claims.aud)} is the mark of what a ceremony signs about itself"
        yield error("G004", "aud", text, "give another audience")
    if not isinstance(claims.body, Generic):
        return
    if "accounts" in (claims.body.data or {}) or claims.sub == str(change.draft.issuer):
        text = (
            "is a delete request: a resolver deletes the accounts whenever it is sent, and it does not expire"
        )
        yield error("G004", "nats", text, "it is not signed as a file")


# nats-io/jwt, claims.go: `jti` is a hash of aud, exp, iat, iss, name, nbf and sub, with the body left
# out.
def g005_one_jwt_a_second(changes: Sequence[Change], _: Context) -> Iterator[Finding]:
    """A plan has no two jwts of one subject in one second.

    They would share a `jti`, which does not cover what they state, and servers take an equal `jti` for
    nothing new.
    """
    seen = set()
    for change in changes:
        issue = (change.draft.claims.sub, change.draft.issued_at)
        if issue in seen:
            text = f"is {moment(change.draft.issued_at)}, and so is that of another jwt of it in this plan"
            yield msgspec.structs.replace(error("G005", "iat", text, "sign one"), about=change.title)
        seen.add(issue)


def g006_clock_is_not_behind(_: Change, context: Context) -> Iterator[Finding]:
    """The clock is not behind the newest jwt in the store, by more than a jwt may be ahead.

    With a slow clock the next jwt is older than the last, and servers of a cluster disagree on which holds.
    """
    newest = context.newest
    if newest is None or newest.issued_at - context.now <= MOST_AHEAD:
        return
    text = f"this clock reads {moment(context.now)}, and the newest here, {newest.title}, is of"
    hint = f"{_CLOCK}; {_WAY_BACK} {newest.sub}" if newest.sub else _CLOCK
    yield error("G006", "iat", f"{text} {moment(newest.issued_at)}", hint)


def g007_revocation_is_of_the_past(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A revocation is not of a time after the jwt that states it.

    It applies to every jwt issued until then. One of everyone (`*`) locks out all users issued in the
    meantime, as a clock that is an hour fast does for an hour.
    """
    account = statement.claims.body
    lists = [("nats.revocations", account.revocations)]
    lists += [
        (f"nats.exports[{index}].revocations", x.revocations) for index, x in enumerate(account.exports)
    ]
    for path, revocations in lists:
        for key, time in revocations.items():
            if time > statement.issued_at:
                text = f"is {moment(time)}, and the account is of {moment(statement.issued_at)}: "
                text += "what is issued until then is revoked too"
                # `*` is an error, a single key a warning: the first locks out users who have done
                # nothing.
                if key == EVERYONE:
                    hint = (
                        "give a time that has come; seedless docs howto/clock is about clocks that were fast"
                    )
                    yield error("G007", join(path, key), text, hint)
                else:
                    hint = "until then the key is of no use: give its user another"
                    yield warning("G007", join(path, key), text, hint)


def g008_user_fits_into_a_login(statement: Statement[User], _: Context) -> Iterator[Finding]:
    """A user jwt has at most 3,500 bytes.

    It is part of the line with which a client logs in, and a server cuts lines off after 4,096 bytes,
    unless its `max_control_line` states otherwise.
    """
    if statement.size > LONGEST_USER:
        text = f"has {statement.size} bytes: servers cut the login off"
        yield warning("G008", "", text, "give the permissions to a scope, which users do not carry")


def g009_activation_outlives_the_import(statement: Statement[Account], context: Context) -> Iterator[Finding]:
    """The activation of an import does not expire before the account does.

    Then servers drop the import, while the account stays and nobody is notified. The official library does
    not look at it.
    """
    for path, _item, activation in tokens(statement.claims.body):
        if activation is None or activation.claims.exp <= 0:
            continue
        expiry = activation.claims.exp
        if expiry <= context.now:
            text = f"the activation expired at {moment(expiry)}, and this clock reads {moment(context.now)}"
            yield warning("G009", path, text, "ask the exporting account for another")
        elif not (ends := statement.claims.exp > 0) or expiry < statement.claims.exp:
            end = f"at {moment(statement.claims.exp)}" if ends else "never"
            text = f"the activation expires at {moment(expiry)}, and the account {end}"
            yield warning("G009", path, text, "renew it in time")


# Never prehash instead: NATS verifies pure Ed25519, and SoftHSM ignores the flag for Ed25519ph without a
# word, so the result would be pure as well.
def g010_token_can_sign_it(change: Change, context: Context) -> Iterator[Finding]:
    """What is to be signed fits into the token that has the key.

    Pure Ed25519 sends the whole message into the token, and tokens have ceilings: some take 3,062 bytes.
    """
    size, ceiling = len(change.draft.signing_input), context.ceilings.get(str(change.draft.issuer))
    if ceiling is not None and size > ceiling:
        text = f"has {size} bytes to sign, and the token of {change.draft.issuer} takes {ceiling}"
        yield error("G010", "", text, "sign with a key on another token, or make the claims smaller")


def g011_no_member_is_lost(change: Change, _: Context) -> Iterator[Finding]:
    """The jwt that is replaced has no members that this program does not know.

    They are not in what is signed: whatever a newer program stated with them would be lost unseen.
    """
    for member in change.replaces.unknown if change.replaces else ():
        text = f"{cited(member.text)} is in the jwt that is replaced, is unknown here and would be lost"
        yield error("G011", member.path, text, "a newer seedless may know it")


def g012_no_seed_is_signed(change: Change, _: Context) -> Iterator[Finding]:
    """No text of the claims holds a seed or a private key of nkeys.

    A jwt is public: servers hand it to whoever asks. A seed is in one where somebody gave it in the place
    of a name or of a public key.
    """
    payload = change.draft.payload.decode()
    for path, text in _texts(msgspec.json.decode(payload), "") if holds_seed(payload) else ():
        if holds_seed(text):
            message = "is or holds a seed, and everybody can read a jwt"
            yield error("G012", path, message, "give the public key that was meant, and replace the seed")


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


def g013_encoding_is_canonical(change: Change, _: Context) -> Iterator[Finding]:
    """A jwt is written as the official library writes it.

    Servers read other spellings with the same meaning: a blank in the header, null for what is not set, names
    in other letters. They are read here as servers read them, and never written: the next signature is
    canonical.
    """
    found = spelling(change.replaces) if change.replaces else None
    if found is not None:
        yield warning("G013", *found, "the next signature writes it canonically")


def spelling(jwt: Jwt[object]) -> tuple[str, str] | None:
    """Return where and how the text of *jwt* deviates from what the official library writes, if it does."""
    if not jwt.deviations:
        return None
    first, *others = jwt.deviations
    rules = "; ".join(dict.fromkeys(READING[deviation.rule] for deviation in jwt.deviations))
    more = f", and in {len(others)} more" if others else ""
    return first.path, f"is spelled here{more} as servers read it, and not as it is usually written: {rules}"


RULES = (
    g001_time_moves_forward,
    g002_time_is_not_ahead,
    g003_is_valid_at_some_time,
    g004_no_delete_requests,
    g006_clock_is_not_behind,
    g010_token_can_sign_it,
    g011_no_member_is_lost,
    g012_no_seed_is_signed,
    g013_encoding_is_canonical,
)
"""For every change."""

PLAN_RULES = (g005_one_jwt_a_second,)
"""For all changes of a plan together."""

STATEMENT_RULES: dict[str, tuple[Callable[..., Iterator[Finding]], ...]] = {
    "account": (g007_revocation_is_of_the_past, g009_activation_outlives_the_import),
    "user": (g008_user_fits_into_a_login,),
}
"""For claims, by whom and when, of each kind."""
