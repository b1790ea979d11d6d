"""Claims rules for limits that servers read otherwise than they look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.claims import NO_LIMIT, Account, JetStreamLimits, Operator, User
from seedless.findings import error, warning
from seedless.rules.formats import cited
from seedless.wire import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import Limits
    from seedless.findings import Finding

_LIMITS = "nats.limits"
_OF_ALL = ("subs", "data", "payload")
_OF_ACCOUNTS = (*_OF_ALL, "conn", "leaf")
_OF_STORAGE = ("mem_storage", "disk_storage", "streams", "consumer")
_OF_32_BITS = ("subs", "payload", "conn", "leaf")
_MOST = 2**31 - 1


def c119_system_account_has_no_jetstream(
    said: Statement[Operator | Account], context: Context
) -> Iterator[Finding]:
    """The system account has no JetStream.

    A server with JetStream does not start with such a system account: "Not allowed to enable JetStream on
    the system account". One that runs logs an error, and ends at its next start. At an operator it is
    judged by the account that it names.
    """
    own = isinstance(said.claims.body, Operator)
    operator: Any = said.claims.body if own else context.operator.body if context.operator else None
    if operator is None or not operator.system_account:
        return
    account = context.claims.get(operator.system_account) if own else said.claims
    if account is None or account.sub != operator.system_account or not isinstance(account.body, Account):
        return
    if _has_storage(account.body.limits):
        text = f"the system account {cited(account.name)} has JetStream: servers with it do not start again"
        where = "nats.system_account" if own else _LIMITS
        yield error("C119", where, text, "seedless account edit NAME --js-disable, or name another account")


def c120_jetstream_has_storage(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """Limits of JetStream come with storage: without memory and disk JetStream stays off.

    `mem_storage` and `disk_storage` are 0 when they are absent. Servers answer "JetStream not enabled for
    account".
    """
    limits = said.claims.body.limits
    parts: list[tuple[str, Limits | JetStreamLimits]] = (
        [(_LIMITS, limits)] if not limits.tiered_limits else []
    )
    tiers = [(join(f"{_LIMITS}.tiered_limits", name), tier) for name, tier in limits.tiered_limits.items()]
    for path, part in [*parts, *tiers]:
        given = [name for name in JetStreamLimits.__struct_fields__ if getattr(part, name)]
        if given and not (part.mem_storage or part.disk_storage):
            text = f"{', '.join(given)} without storage: JetStream stays off"
            yield warning(
                "C120", path, text, "--js-disk-storage gives it storage, --js-disable removes its limits"
            )


_LOCKS_OUT = frozenset({"conn", "subs", "payload"})


def c121_limit_is_a_number_or_none(said: Statement[Account | User], _: Context) -> Iterator[Finding]:
    """A limit is 0 or more, or -1 for none.

    With a `conn`, `subs` or `payload` below -1 servers refuse every connection, subscription or message, as
    with 0. What they make of others below -1 is documented nowhere.
    """
    for path, held, names in _held(said):
        for name in names:
            value = getattr(held, name)
            if value < NO_LIMIT:
                text = f"{value} is no limit that servers know"
                text += ", and locks out as 0 does" if name in _LOCKS_OUT else ""
                yield error("C121", f"{path}.{name}", text, "-1 is no limit")


def c122_limit_fits_older_servers(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """Limits on connections, subscriptions and bytes of a message are below 2,147,483,648.

    nats-server 2.15 takes them for no limit. Servers of 2.9 and 2.10 keep 32 bits (`int32(ac.Limits.Conn)`
    in their `server/accounts.go`, read there, not run): the number becomes another, 0 or below it, and
    locks out.
    """
    for name in _OF_32_BITS:
        value = getattr(said.claims.body.limits, name)
        if value > _MOST:
            text = f"{value} has more than 31 bits: servers of 2.10 and before read another number"
            yield warning("C122", f"{_LIMITS}.{name}", text, "-1 is no limit")


def _has_storage(limits: Limits) -> bool:
    """Tell whether servers turn JetStream on: by the tiers where there are some, else by the flat limits."""
    if limits.tiered_limits:
        return any(tier.mem_storage or tier.disk_storage for tier in limits.tiered_limits.values())
    return bool(limits.mem_storage or limits.disk_storage)


def _held(said: Statement[Account | User]) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yield path, limits, and names of those that count, of an account or a user."""
    body = said.claims.body
    if isinstance(body, User):
        yield "nats", body, _OF_ALL
        return
    yield _LIMITS, body.limits, (*_OF_ACCOUNTS, *_OF_STORAGE)
    for name, tier in body.limits.tiered_limits.items():
        yield join(f"{_LIMITS}.tiered_limits", name), tier, _OF_STORAGE


OPERATOR_RULES = (c119_system_account_has_no_jetstream,)
"""For operators."""

ACCOUNT_RULES = (
    c119_system_account_has_no_jetstream,
    c120_jetstream_has_storage,
    c121_limit_is_a_number_or_none,
    c122_limit_fits_older_servers,
)
"""For accounts."""

USER_RULES = (c121_limit_is_a_number_or_none,)
"""For users."""
