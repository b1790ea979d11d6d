"""Claims rules for limits, keys and descriptions of an account (nats-io/jwt v2.8.2, account_claims.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims import NO_LIMIT, JetStreamLimits, Limits, Scope
from seedless.findings import error, warning
from seedless.nkey import Role
from seedless.rules.formats import cited, is_key
from seedless.rules.places import described
from seedless.subject import has_wildcard
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import Account
    from seedless.findings import Finding

_LONGEST = 8192
"""Bytes of the longest description and the longest URL (types.go, `MaxInfoLength`)."""

_LIMITS = "nats.limits"
_TRAFFIC = frozenset({"", "system", "owner"})


def c051_tiers_or_flat_limits(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """JetStream limits are given for the whole account or for its tiers, not both.

    Servers drop those of the whole where there are tiers: what was signed is not what holds.
    """
    limits = said.claims.body.limits
    flat = [name for name in JetStreamLimits.__struct_fields__ if getattr(limits, name)]
    if limits.tiered_limits and flat:
        text = f"{', '.join(flat)} stand beside limits of tiers, and do not hold"
        yield error("C051", f"{_LIMITS}.tiered_limits", text, "give one or the other")


def c052_tiers_have_names(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """A tier of JetStream limits has a name, such as `R3`.

    No stream is in a tier without one.
    """
    if "" in said.claims.body.limits.tiered_limits:
        yield error("C052", f"{_LIMITS}.tiered_limits", "a tier has no name", "name it R1, R3, …")


def c053_imports_are_within_the_limit(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account imports no more than its operator allows.

    An absent limit is 0: nothing may be imported.
    """
    limits, count = said.claims.body.limits, len(said.claims.body.imports)
    if limits.imports == NO_LIMIT or count <= limits.imports:
        return
    text = f"allows {limits.imports}, there are {count}"
    finding = error("C053", f"{_LIMITS}.imports", text, "-1 is no limit")
    yield finding
    if (
        limits.imports > NO_LIMIT and limits != Limits()
    ):  # the official library counts twice, and says it twice
        yield finding


def c054_exports_are_within_the_limit(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account exports no more than its operator allows.

    An absent limit is 0: nothing may be exported.
    """
    limit, count = said.claims.body.limits.exports, len(said.claims.body.exports)
    if limit != NO_LIMIT and count > limit:
        text = f"allows {limit}, there are {count}"
        yield error("C054", f"{_LIMITS}.exports", text, "-1 is no limit")


def c055_wildcard_export_needs_permission(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account whose exports are limited exports a wildcard only with `limits.wildcards`.

    Without a limit on exports servers do not look at it.
    """
    limits = said.claims.body.limits
    if limits.exports == NO_LIMIT or limits.wildcards:
        return
    for index, export in enumerate(said.claims.body.exports):
        if has_wildcard(export.subject):
            path = f"{at('nats.exports', index)}.subject"
            yield error("C055", path, f"{cited(export.subject)} has a wildcard", "set limits.wildcards")


def c056_scopes_have_account_keys(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """A scoped signing key is an account key.

    Servers refuse the account otherwise.
    """
    for index, entry in enumerate(said.claims.body.signing_keys):
        if isinstance(entry, Scope) and not is_key(entry.key, Role.ACCOUNT):
            path = f"{at('nats.signing_keys', index)}.key"
            yield error("C056", path, f"{cited(entry.key)} is no account's public key", "give one, A…")


def c057_signing_keys_are_account_keys(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """A signing key of an account is an account key.

    Servers refuse the account otherwise.
    """
    for index, entry in enumerate(said.claims.body.signing_keys):
        if not isinstance(entry, Scope) and not is_key(entry, Role.ACCOUNT):
            path = at("nats.signing_keys", index)
            yield error("C057", path, f"{cited(entry)} is no account's public key", "give one, A…")


def c058_description_is_not_too_long(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """A description has at most 8,192 bytes.

    Servers refuse the account otherwise.
    """
    for path, description, _url in described(said.claims.body):
        size = len(description.encode())
        if size > _LONGEST:
            yield error("C058", f"{path}.description", f"has {size} bytes, at most {_LONGEST}", "shorten it")


def c059_info_url_is_not_too_long(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The URL of further information has at most 8,192 bytes.

    Servers refuse the account otherwise.
    """
    for path, _description, text in described(said.claims.body):
        size = len(text.encode())
        if size > _LONGEST:
            yield error("C059", f"{path}.info_url", f"has {size} bytes, at most {_LONGEST}", "shorten it")


def c060_info_url_is_a_url(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The URL of further information has a scheme and a host.

    Servers refuse the account otherwise.
    """
    for path, _description, text in described(said.claims.body):
        if text and not _has_scheme_and_host(text):
            yield error("C060", f"{path}.info_url", f"{cited(text)} is no URL", "write https://host/path")


def _has_scheme_and_host(text: str) -> bool:
    from seedless.claims import url  # noqa: PLC0415 - patterns that are slow to compile, and few have a URL

    found = url.parse(text)
    return found is not None and found.scheme != "" and found.host != ""


def c061_cluster_traffic_is_known(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """Traffic between servers of a cluster belongs to the system account or to its owner.

    No other account can be named.
    """
    text = said.claims.body.cluster_traffic
    if text not in _TRAFFIC:
        yield error("C061", "nats.cluster_traffic", f"{cited(text)} is unknown", "write system or owner")


def c062_self_signed_account_has_no_limits(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """An account that signs itself, to be signed by an operator later, sets no limits.

    Limits are the operator's to give.
    """
    if is_key(said.issuer, Role.ACCOUNT) and said.claims.body.limits != Limits():
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
