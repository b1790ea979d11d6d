"""Claims rules for mappings, auth callout and traces of an account (jwt v2.8.2, account_claims.go)."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from seedless.findings import error
from seedless.nkey import Role
from seedless.rules.formats import cited, is_key
from seedless.subject import has_wildcard
from seedless.wire import at, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import Account, WeightedMapping
    from seedless.findings import Finding

_ALL = 100
_AUTHORIZATION = "nats.authorization"
_EVERY_ACCOUNT = "*"
_TRACE = "nats.trace"


def c063_mapping_weight_is_a_percentage(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The weight of a mapping is at most 100 percent.

    Servers refuse the account otherwise.
    """
    for path, source, targets in _mappings(said):
        for index, target in enumerate(targets):
            if target.weight > _ALL:
                text = f"{cited(source)} goes there with {target.weight} percent"
                yield error("C063", f"{at(path, index)}.weight", text, "write 1 to 100")


def c064_mapping_of_a_cluster_is_no_more_than_all(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The weights of a mapping in one cluster are together at most 100 percent.

    A weight that is not given is 100.
    """
    for path, source, targets in _mappings(said):
        sums: collections.Counter[str] = collections.Counter()
        for index, target in enumerate(targets):
            if target.cluster:
                sums[target.cluster] += target.weight or _ALL
                total = sums[target.cluster]
                if total > _ALL:
                    text = f"{cited(source)} goes out with {total} percent in {cited(target.cluster)}"
                    yield error("C064", f"{at(path, index)}.weight", text, "lower the weights")


def c065_mapping_is_no_more_than_all(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The weights of a mapping that are for no cluster are together at most 100 percent.

    A weight that is not given is 100.
    """
    for path, source, targets in _mappings(said):
        total = sum(target.weight or _ALL for target in targets if not target.cluster)
        if total > _ALL:
            yield error("C065", path, f"{cited(source)} goes out with {total} percent", "lower the weights")


def c066_callout_accounts_need_users(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """Auth callout that may place users in accounts names the users that do it.

    Without `auth_users` there is no callout.
    """
    callout = said.claims.body.authorization
    if callout.allowed_accounts and not callout.auth_users:
        path = f"{_AUTHORIZATION}.allowed_accounts"
        yield error("C066", path, "stands without auth_users", "name the users that answer the callout")


def c067_callout_users_are_users(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """Those who answer an auth callout are named by user keys.

    Servers refuse the account otherwise.
    """
    for index, key in enumerate(said.claims.body.authorization.auth_users):
        if not is_key(key, Role.USER):
            path = at(f"{_AUTHORIZATION}.auth_users", index)
            yield error("C067", path, f"{cited(key)} is no user's public key", "give one, U…")


def c068_callout_accounts_are_all_or_some(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """Auth callout may place users in all accounts (`*`), or in those that are named.

    A `*` among others would make them meaningless.
    """
    accounts = said.claims.body.authorization.allowed_accounts
    for index, key in enumerate(accounts):
        if key == _EVERY_ACCOUNT and accounts != (_EVERY_ACCOUNT,):
            path = at(f"{_AUTHORIZATION}.allowed_accounts", index)
            yield error("C068", path, "* stands among others", "leave it alone, or leave it out")


def c069_callout_accounts_are_accounts(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The accounts in which auth callout may place users are named by account keys.

    Servers refuse the account otherwise.
    """
    for index, key in enumerate(said.claims.body.authorization.allowed_accounts):
        if key != _EVERY_ACCOUNT and not is_key(key, Role.ACCOUNT):
            path = at(f"{_AUTHORIZATION}.allowed_accounts", index)
            yield error("C069", path, f"{cited(key)} is no account's public key", "give one, A…, or *")


def c070_callout_key_is_a_curve_key(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The key with which auth callout is encrypted is a curve key.

    A key that signs cannot encrypt.
    """
    key = said.claims.body.authorization.xkey
    if key and not is_key(key, Role.CURVE):
        text = f"{cited(key)} is no public curve key"
        yield error("C070", f"{_AUTHORIZATION}.xkey", text, "give one, X…")


def c071_trace_destination_is_a_subject(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The destination of traces is a subject.

    An account with `trace` and no destination is refused.
    """
    trace = said.claims.body.trace
    if trace is None:
        return
    tokens = trace.dest.split(".")
    if "" in tokens or " " in trace.dest:
        yield error("C071", f"{_TRACE}.dest", f"{cited(trace.dest)} is no subject", "write one, as traces")


def c072_trace_destination_is_one_subject(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The destination of traces has no wildcards.

    A message has one subject.
    """
    trace = said.claims.body.trace
    if trace and has_wildcard(trace.dest):
        yield error("C072", f"{_TRACE}.dest", f"{cited(trace.dest)} has a wildcard", "write one subject")


def c073_trace_sampling_is_a_percentage(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """Traces are sampled for 1 to 100 percent of the messages.

    0, which is the same as none given, is read as 100.
    """
    trace = said.claims.body.trace
    if trace and not 0 <= trace.sampling <= _ALL:
        yield error("C073", f"{_TRACE}.sampling", f"{trace.sampling} is no percentage", "write 1 to 100")


def _mappings(said: Statement[Account]) -> Iterator[tuple[str, str, tuple[WeightedMapping, ...]]]:
    for source, targets in said.claims.body.mappings.items():
        yield join("nats.mappings", source), source, targets


RULES = (
    c063_mapping_weight_is_a_percentage,
    c064_mapping_of_a_cluster_is_no_more_than_all,
    c065_mapping_is_no_more_than_all,
    c066_callout_accounts_need_users,
    c067_callout_users_are_users,
    c068_callout_accounts_are_all_or_some,
    c069_callout_accounts_are_accounts,
    c070_callout_key_is_a_curve_key,
    c071_trace_destination_is_a_subject,
    c072_trace_destination_is_one_subject,
    c073_trace_sampling_is_a_percentage,
)
"""For what moves messages of accounts."""
