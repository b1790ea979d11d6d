"""Claims rules for users and auth callout (nats-io/jwt v2.8.2, user_claims.go, authorization_claims.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.findings import error
from seedless.nkey import Role
from seedless.rules.formats import cited, is_key, is_network, is_time_of_day, is_time_zone
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import AuthorizationRequest, AuthorizationResponse, User
    from seedless.findings import Finding

_TIME_HINT = "write hours, minutes and seconds: 08:00:00"


# user_claims.go:53-57, by Go's ParseCIDR: it takes `/08`, and refuses octets with a leading zero, zones
# and blanks.
def c074_source_is_a_network(statement: Statement[User], _: Context) -> Iterator[Finding]:
    """The networks that a user may come from are addresses with the length of a prefix.

    Servers refuse the user otherwise; a single address is `10.0.0.1/32`.
    """
    for index, text in enumerate(statement.claims.body.src):
        if not is_network(text):
            yield error(
                "C074",
                at("nats.src", index),
                f"{cited(text)} is not a network",
                "write 10.0.0.0/8, or 10.0.0.1/32 for one address",
            )


def c075_time_range_has_a_start(statement: Statement[User], _: Context) -> Iterator[Finding]:
    """A span of time in which a user may connect has a start.

    Servers refuse the user otherwise.
    """
    for index, span in enumerate(statement.claims.body.times):
        if not span.start:
            yield error("C075", f"{at('nats.times', index)}.start", "is missing", _TIME_HINT)


# user_claims.go:53-57, layout 15:04:05: the hour may have one digit, minute and second have two, and
# fractions pass.
def c076_start_is_a_time(statement: Statement[User], _: Context) -> Iterator[Finding]:
    """The start of a span is a time of day.

    Servers refuse the user otherwise.
    """
    for index, span in enumerate(statement.claims.body.times):
        if span.start and not is_time_of_day(span.start):
            path = f"{at('nats.times', index)}.start"
            yield error("C076", path, f"{cited(span.start)} is not a time of day", _TIME_HINT)


def c077_time_range_has_an_end(statement: Statement[User], _: Context) -> Iterator[Finding]:
    """A span of time in which a user may connect has an end.

    Servers refuse the user otherwise.
    """
    for index, span in enumerate(statement.claims.body.times):
        if not span.end:
            yield error("C077", f"{at('nats.times', index)}.end", "is missing", _TIME_HINT)


def c078_end_is_a_time(statement: Statement[User], _: Context) -> Iterator[Finding]:
    """The end of a span is a time of day; one before its start is on the next day.

    Servers refuse the user otherwise.
    """
    for index, span in enumerate(statement.claims.body.times):
        if span.end and not is_time_of_day(span.end):
            path = f"{at('nats.times', index)}.end"
            yield error("C078", path, f"{cited(span.end)} is not a time of day", _TIME_HINT)


# user_claims.go:53-57. By time.LoadLocation: names of files, so with their case, and by the zone database
# of the machine that validates. Servers use their own.
def c079_time_zone_is_known(statement: Statement[User], _: Context) -> Iterator[Finding]:
    """The place whose time counts is in the zone database; upper and lower case count.

    Servers refuse the user otherwise. Without a place the server's own time counts.
    """
    name = statement.claims.body.times_location
    if not is_time_zone(name):
        text = f"{cited(name)} is not in the zone database of this machine"
        yield error("C079", "nats.times_location", text, "write Europe/Berlin; or install tzdata")


def c080_callout_request_names_its_user(
    statement: Statement[AuthorizationRequest], _: Context
) -> Iterator[Finding]:
    """An auth callout request states for which user key an answer is requested.

    The answer is a jwt for it.
    """
    if not statement.claims.body.user_nkey:
        yield error("C080", "nats.user_nkey", "is missing", "give the user's public key, U…")


def c081_callout_request_is_for_a_user(
    statement: Statement[AuthorizationRequest], _: Context
) -> Iterator[Finding]:
    """The key for which an auth callout requires an answer is a user key.

    No other can log in.
    """
    key = statement.claims.body.user_nkey
    if key and not is_key(key, Role.USER):
        yield error("C081", "nats.user_nkey", f"{cited(key)} is not a user's public key", "give one, U…")


def c082_callout_answer_is_for_a_user(
    statement: Statement[AuthorizationResponse], _: Context
) -> Iterator[Finding]:
    """An auth callout answer is about a user.

    Servers drop any other.
    """
    if not is_key(statement.claims.sub, Role.USER):
        yield error(
            "C082", "sub", f"{cited(statement.claims.sub)} is not a user's public key", "take the request's"
        )


def c083_callout_answer_is_to_a_server(
    statement: Statement[AuthorizationResponse], _: Context
) -> Iterator[Finding]:
    """An auth callout answer is to the server that asked.

    Servers drop any other.
    """
    if not is_key(statement.claims.aud, Role.SERVER):
        text = f"{cited(statement.claims.aud)} is no server's public key"
        yield error("C083", "aud", text, "take server_id.id of the request")


# authorization_claims.go:228-245. Servers refuse an answer with any finding of the library, a warning too
# (auth_callout.go).
def c084_callout_answer_has_content(
    statement: Statement[AuthorizationResponse], _: Context
) -> Iterator[Finding]:
    """An auth callout answer holds a user jwt or an error.

    Servers take silence for a refusal.
    """
    if not statement.claims.body.jwt and not statement.claims.body.error:
        yield error("C084", "nats", "has no jwt and no error", "give one")


def c085_callout_answer_has_one_content(
    statement: Statement[AuthorizationResponse], _: Context
) -> Iterator[Finding]:
    """An auth callout answer does not hold both a user jwt and an error.

    They contradict each other.
    """
    if statement.claims.body.jwt and statement.claims.body.error:
        yield error("C085", "nats", "holds a jwt and an error", "give one")


def c086_callout_answer_is_for_an_account(
    statement: Statement[AuthorizationResponse], _: Context
) -> Iterator[Finding]:
    """An auth callout answer that names the account of its issuer names an account key.

    Servers look the account up by it.
    """
    key = statement.claims.body.issuer_account
    if key and not is_key(key, Role.ACCOUNT):
        text = f"{cited(key)} is not an account's public key"
        yield error("C086", "nats.issuer_account", text, "give the account's identity, A…")


RULES = (
    c074_source_is_a_network,
    c075_time_range_has_a_start,
    c076_start_is_a_time,
    c077_time_range_has_an_end,
    c078_end_is_a_time,
    c079_time_zone_is_known,
)
"""For users."""

REQUEST_RULES = (
    c080_callout_request_names_its_user,
    c081_callout_request_is_for_a_user,
)
"""For auth callout requests."""

RESPONSE_RULES = (
    c082_callout_answer_is_for_a_user,
    c083_callout_answer_is_to_a_server,
    c084_callout_answer_has_content,
    c085_callout_answer_has_one_content,
    c086_callout_answer_is_for_an_account,
)
"""For auth callout answers."""
