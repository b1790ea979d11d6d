"""Claims rules for accounts: limits, keys, descriptions, mappings, auth callout, traces.

Source: nats-io/jwt v2.8.2, account_claims.go. Targets of mappings are read as nats-server reads them
(`claims.transforms`).
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from seedless.claims import NO_LIMIT, JetStreamLimits, Limits, Scope
from seedless.claims.transforms import FUNCTIONS, has_stray_transform, unfit
from seedless.findings import error, warning
from seedless.nkey import Role
from seedless.rules.formats import cited, is_key
from seedless.rules.places import described
from seedless.subject import has_wildcard
from seedless.wire import at, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import Account, WeightedMapping
    from seedless.findings import Finding


_LONGEST = 8192
"""Bytes of the longest description and the longest URL (types.go, `MaxInfoLength`)."""

_LIMITS = "nats.limits"
_TRAFFIC = frozenset({"", "system", "owner"})


# nats-io/jwt v2.8.2, account_claims.go:124-134. Its decoder zeroes the flat limits as soon as there are
# tiers, while its encoder writes both: a jwt with both means something else after a round trip.
def c051_tiers_or_flat_limits(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """JetStream limits are given for the whole account or for its tiers, not both.

    Servers drop those of the whole where there are tiers: what was signed is not what holds.
    """
    limits = statement.claims.body.limits
    flat = [name for name in JetStreamLimits.__struct_fields__ if getattr(limits, name)]
    if limits.tiered_limits and flat:
        text = f"{', '.join(flat)} are set beside limits of tiers, and do not hold"
        yield error("C051", f"{_LIMITS}.tiered_limits", text, "give one or the other")


def c052_tiers_have_names(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A tier of JetStream limits has a name, such as `R3`.

    No stream is in a tier without one.
    """
    if "" in statement.claims.body.limits.tiered_limits:
        yield error("C052", f"{_LIMITS}.tiered_limits", "a tier has no name", "name it R1, R3, …")


# account_claims.go, OperatorLimits and Account.Validate. -2 gives one finding and not two: only -1 is
# `NoLimit` there.
def c053_imports_are_within_the_limit(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account imports no more than its operator allows.

    An absent limit is 0: nothing may be imported.
    """
    limits, count = statement.claims.body.limits, len(statement.claims.body.imports)
    if limits.imports == NO_LIMIT or count <= limits.imports:
        return
    text = f"allows {limits.imports}, there are {count}"
    finding = error("C053", f"{_LIMITS}.imports", text, "-1 is no limit")
    yield finding
    if (
        limits.imports > NO_LIMIT and limits != Limits()
    ):  # the official library counts twice, and states it twice
        yield finding


# account_claims.go. A null among the exports makes the library's Validate panic; reading refuses it
# before any rule (`null-entry`).
def c054_exports_are_within_the_limit(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account exports no more than its operator allows.

    An absent limit is 0: nothing may be exported.
    """
    limit, count = statement.claims.body.limits.exports, len(statement.claims.body.exports)
    if limit != NO_LIMIT and count > limit:
        text = f"allows {limit}, there are {count}"
        yield error("C054", f"{_LIMITS}.exports", text, "-1 is no limit")


# account_claims.go. With `exports` -1 the flag is not looked at, so `wildcards` means nothing in an
# unlimited account.
def c055_wildcard_export_needs_permission(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account whose exports are limited exports a wildcard only with `limits.wildcards`.

    Without a limit on exports servers do not look at it.
    """
    limits = statement.claims.body.limits
    if limits.exports == NO_LIMIT or limits.wildcards:
        return
    for index, export in enumerate(statement.claims.body.exports):
        if has_wildcard(export.subject):
            path = f"{at('nats.exports', index)}.subject"
            yield error("C055", path, f"{cited(export.subject)} has a wildcard", "set limits.wildcards")


# signingkeys.go:88-92. Role and template of a scope are validated nowhere in the library; C109 to C115 do
# it.
def c056_scopes_have_account_keys(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A scoped signing key is an account key.

    Servers refuse the account otherwise.
    """
    for index, entry in enumerate(statement.claims.body.signing_keys):
        if isinstance(entry, Scope) and not is_key(entry.key, Role.ACCOUNT):
            path = f"{at('nats.signing_keys', index)}.key"
            yield error("C056", path, f"{cited(entry.key)} is not an account's public key", "give one, A…")


def c057_signing_keys_are_account_keys(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A signing key of an account is an account key.

    Servers refuse the account otherwise.
    """
    for index, entry in enumerate(statement.claims.body.signing_keys):
        if not isinstance(entry, Scope) and not is_key(entry, Role.ACCOUNT):
            path = at("nats.signing_keys", index)
            yield error("C057", path, f"{cited(entry)} is not an account's public key", "give one, A…")


# types.go:36-52, for accounts and exports alike.
def c058_description_is_not_too_long(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A description has at most 8,192 bytes.

    Servers refuse the account otherwise.
    """
    for path, description, _url in described(statement.claims.body):
        size = len(description.encode())
        if size > _LONGEST:
            yield error("C058", f"{path}.description", f"has {size} bytes, at most {_LONGEST}", "shorten it")


def c059_info_url_is_not_too_long(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The URL of further information has at most 8,192 bytes.

    Servers refuse the account otherwise.
    """
    for path, _description, text in described(statement.claims.body):
        size = len(text.encode())
        if size > _LONGEST:
            yield error("C059", f"{path}.info_url", f"has {size} bytes, at most {_LONGEST}", "shorten it")


# types.go:36-52. By the rules of Go's url.Parse, which `claims/url.py` follows: Python's urlsplit takes
# other texts.
def c060_info_url_is_a_url(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The URL of further information has a scheme and a host.

    Servers refuse the account otherwise.
    """
    for path, _description, text in described(statement.claims.body):
        if text and not _has_scheme_and_host(text):
            yield error("C060", f"{path}.info_url", f"{cited(text)} is not a URL", "write https://host/path")


def _has_scheme_and_host(text: str) -> bool:
    from seedless.claims import url  # patterns that are slow to compile, and few have a URL

    found = url.parse(text)
    return found is not None and found.scheme != "" and found.host != ""


def c061_cluster_traffic_is_known(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Traffic between servers of a cluster belongs to the system account or to its owner.

    No other account can be named.
    """
    text = statement.claims.body.cluster_traffic
    if text not in _TRAFFIC:
        yield error("C061", "nats.cluster_traffic", f"{cited(text)} is unknown", "write system or owner")


# account_claims.go:401-410. Such a jwt is the signing request of `nsc import account`: it proves that
# somebody has the account's key.
def c062_self_signed_account_has_no_limits(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account that signs itself, to be signed by an operator later, sets no limits.

    Limits are the operator's to give.
    """
    if is_key(statement.issuer, Role.ACCOUNT) and statement.claims.body.limits != Limits():
        yield warning("C062", _LIMITS, "a self-signed account has limits", "leave them to the operator")


RULES = (
    c051_tiers_or_flat_limits,
    c052_tiers_have_names,
    c053_imports_are_within_the_limit,
    c054_exports_are_within_the_limit,
    c055_wildcard_export_needs_permission,
    c056_scopes_have_account_keys,
    c057_signing_keys_are_account_keys,
    c058_description_is_not_too_long,
    c059_info_url_is_not_too_long,
    c060_info_url_is_a_url,
    c061_cluster_traffic_is_known,
    c062_self_signed_account_has_no_limits,
)
"""For accounts."""


_ALL = 100
_AUTHORIZATION = "nats.authorization"
_EVERY_ACCOUNT = "*"
_TRACE = "nats.trace"


# account_claims.go:137-177. The weight has eight bits: 256 cannot be written at all, 101 to 255 can.
def c063_mapping_weight_is_a_percentage(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The weight of a mapping is at most 100 percent.

    Servers refuse the account otherwise.
    """
    for path, source, targets in _mappings(statement):
        for index, target in enumerate(targets):
            if target.weight > _ALL:
                text = f"{cited(source)} goes there with {target.weight} percent"
                yield error("C063", f"{at(path, index)}.weight", text, "write 1 to 100")


# account_claims.go:152-177. The library adds up for each cluster and reports each entry that goes beyond;
# so does this.
def c064_mapping_of_a_cluster_is_no_more_than_all(
    statement: Statement[Account], _: Context
) -> Iterator[Finding]:
    """The weights of a mapping in one cluster are together at most 100 percent.

    A weight that is not given is 100.
    """
    for path, source, targets in _mappings(statement):
        sums: collections.Counter[str] = collections.Counter()
        for index, target in enumerate(targets):
            if target.cluster:
                sums[target.cluster] += target.weight or _ALL
                total = sums[target.cluster]
                if total > _ALL:
                    text = (
                        f"the weights of {cited(source)} add up to {total} percent in {cited(target.cluster)}"
                    )
                    yield error("C064", f"{at(path, index)}.weight", text, "lower the weights")


# account_claims.go:143-177. Two targets without a weight are 200 percent, which people meet first.
def c065_mapping_is_no_more_than_all(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The weights of a mapping that are for no cluster are together at most 100 percent.

    A weight that is not given is 100.
    """
    for path, source, targets in _mappings(statement):
        total = sum(target.weight or _ALL for target in targets if not target.cluster)
        if total > _ALL:
            text = f"the weights of {cited(source)} add up to {total} percent"
            yield error("C065", path, text, "lower the weights")


def c066_callout_accounts_need_users(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Auth callout that may place users in accounts names the users that do it.

    Without `auth_users` there is no callout.
    """
    callout = statement.claims.body.authorization
    if callout.allowed_accounts and not callout.auth_users:
        path = f"{_AUTHORIZATION}.allowed_accounts"
        yield error("C066", path, "is set without auth_users", "name the users that answer the callout")


def c067_callout_users_are_users(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Those who answer an auth callout are named by user keys.

    Servers refuse the account otherwise.
    """
    for index, key in enumerate(statement.claims.body.authorization.auth_users):
        if not is_key(key, Role.USER):
            path = at(f"{_AUTHORIZATION}.auth_users", index)
            yield error("C067", path, f"{cited(key)} is not a user's public key", "give one, U…")


# account_claims.go:210-234. One finding for each `*`, as there.
def c068_callout_accounts_are_all_or_some(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Auth callout may place users in all accounts (`*`), or in those that are named.

    A `*` among others would make them meaningless.
    """
    accounts = statement.claims.body.authorization.allowed_accounts
    for index, key in enumerate(accounts):
        if key == _EVERY_ACCOUNT and accounts != (_EVERY_ACCOUNT,):
            path = at(f"{_AUTHORIZATION}.allowed_accounts", index)
            yield error("C068", path, "* is among others", "leave it alone, or leave it out")


def c069_callout_accounts_are_accounts(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The accounts in which auth callout may place users are named by account keys.

    Servers refuse the account otherwise.
    """
    for index, key in enumerate(statement.claims.body.authorization.allowed_accounts):
        if key != _EVERY_ACCOUNT and not is_key(key, Role.ACCOUNT):
            path = at(f"{_AUTHORIZATION}.allowed_accounts", index)
            yield error("C069", path, f"{cited(key)} is not an account's public key", "give one, A…, or *")


# account_claims.go:210-234. The library compares the prefix after masking its low bits; keys here have
# one spelling (`nkey.unpack`).
def c070_callout_key_is_a_curve_key(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The key with which auth callout is encrypted is a curve key.

    A key that signs cannot encrypt.
    """
    key = statement.claims.body.authorization.xkey
    if key and not is_key(key, Role.CURVE):
        text = f"{cited(key)} is not a public curve key"
        yield error("C070", f"{_AUTHORIZATION}.xkey", text, "give one, X…")


# account_claims.go. A trace without destination is `{}` in JSON, and a server refuses the account for it.
def c071_trace_destination_is_a_subject(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The destination of traces is a subject.

    An account with `trace` and no destination is refused.
    """
    trace = statement.claims.body.trace
    if trace is None:
        return
    tokens = trace.dest.split(".")
    if "" in tokens or " " in trace.dest:
        yield error("C071", f"{_TRACE}.dest", f"{cited(trace.dest)} is not a subject", "write one, as traces")


def c072_trace_destination_is_one_subject(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The destination of traces has no wildcards.

    A message has one subject.
    """
    trace = statement.claims.body.trace
    if trace and has_wildcard(trace.dest):
        yield error("C072", f"{_TRACE}.dest", f"{cited(trace.dest)} has a wildcard", "write one subject")


# account_claims.go:300. Validate itself writes 100 into the struct for 0, so that validating before
# encoding changes what is signed. Here rules never write.
def c073_trace_sampling_is_a_percentage(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Traces are sampled for 1 to 100 percent of the messages.

    0, which is the same as none given, is read as 100.
    """
    trace = statement.claims.body.trace
    if trace and not 0 <= trace.sampling <= _ALL:
        yield error("C073", f"{_TRACE}.sampling", f"{trace.sampling} is not a percentage", "write 1 to 100")


def _mappings(statement: Statement[Account]) -> Iterator[tuple[str, str, tuple[WeightedMapping, ...]]]:
    for source, targets in statement.claims.body.mappings.items():
        yield join("nats.mappings", source), source, targets


TRAFFIC_RULES = (
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


_HINT = f"write $1, or one of {FUNCTIONS}"
_SOURCE = "write a subject that messages are published on, with * and, at its end, >"


# server/accounts.go (`AddWeightedMappings`) and subject_transform.go of nats-server 2.15: the library
# looks at subjects and weights alone, and the error is a line in the log of the server.
def c116_mapping_is_accepted(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The targets of a mapping are subjects, whose transforms exist and fit the source.

    One wrong target and servers drop the whole mapping, with a line in the log; the account stays, and
    messages go out unmapped. So it is with `$2` of one wildcard, with unknown functions or wrong arguments,
    with `>` that is mapped to no `>`, with `*` in a target, and with a target that is named twice.
    """
    for source, targets in statement.claims.body.mappings.items():
        path = join("nats.mappings", source)
        subjects = [target.subject for target in targets]
        if any("" in subject.split(".") or " " in subject for subject in (source, *subjects)):
            # Each cause is reported once.
            continue  # C003 to C006: servers refuse the account
        found = unfit(source, targets)
        if found is None:
            continue
        where = path if found.target is None else f"{at(path, found.target)}.subject"
        what = "" if found.target is None else f"{cited(targets[found.target].subject)}: "
        text = f"servers drop the mapping of {cited(source)}: {what}{found.reason}"
        yield error("C116", where, text, _SOURCE if found.target is None else _HINT)


def c117_mapping_has_no_stray_braces(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Braces in the target of a mapping are a transform, which is a whole token.

    Any other goes out as it is: `q{{wildcard(1)}}` is a subject with braces in it.
    """
    for source, targets in statement.claims.body.mappings.items():
        path = join("nats.mappings", source)
        for index, target in enumerate(targets):
            if has_stray_transform(target.subject):
                text = f"{cited(target.subject)} has braces that are not filled in"
                where = f"{at(path, index)}.subject"
                yield warning(
                    "C117", where, text, "make the transform a token of its own, as q.{{wildcard(1)}}"
                )


MAPPINGS_RULES = (c116_mapping_is_accepted, c117_mapping_has_no_stray_braces)
"""For accounts."""
