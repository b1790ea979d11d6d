"""Operators, preloaded accounts, the system account and the resolver (S012 to S023)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.claims import Account
from seedless.findings import error, timecheck, warning
from seedless.nats_config import Array, Map, Scalar
from seedless.nats_config.server import RESOLVER, TRUSTED, block, is_true, named_system, strings, text_of
from seedless.text import brief
from seedless.trust import may_issue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.findings import Finding
    from seedless.jwt import Jwt
    from seedless.nats_config import Value
    from seedless.nats_config.server import ConfiguredJwt, ServerConfiguration

_KEEPING = frozenset({"FULL", "CACHE"})
_NOT_TAKEN = {"FULL": ("ttl",), "CACHE": ("interval", "allow_delete")}
_AGAIN = "write it again: seedless server config"


def s012_operator_can_be_read(server: ServerConfiguration) -> Iterator[Finding]:
    """An operator is a jwt that verifies, or the name of a file with one.

    Servers do not start with another.
    """
    for configured in server.operators:
        if configured.jwt is None:
            text = f"this is not an operator jwt: {configured.problem}; servers do not start"
            yield error("S012", str(configured.place), text, _AGAIN)


def s013_operator_is_self_signed(server: ServerConfiguration) -> Iterator[Finding]:
    """An operator jwt is issued by the operator's own key.

    Servers do not look: they trust the signing keys of a jwt that somebody else has made for this operator.
    """
    for configured, operator in _operators(server):
        if str(operator.issuer) != operator.claims.sub:
            text = (
                f"operator {brief(operator.claims.name)} is issued by {operator.issuer}, not by its own key"
            )
            yield error("S013", str(configured.place), text, "find out who made it")


def s014_operator_is_valid_now(server: ServerConfiguration) -> Iterator[Finding]:
    """An operator jwt has not expired, and holds already.

    Servers take it all the same; other programs do not.
    """
    for configured, operator in _operators(server):
        if message := _times(operator, server.now):
            yield warning(
                "S014", str(configured.place), f"operator {brief(operator.claims.name)} {message}", _AGAIN
            )


def s015_operator_is_strict(server: ServerConfiguration) -> Iterator[Finding]:
    """An operator with signing keys keeps its identity out of daily use (`strict_signing_key_usage`).

    Otherwise servers trust accounts by the identity as well: whoever gets that key is not held back.
    """
    for configured, operator in _operators(server):
        body = operator.claims.body
        if body.signing_keys and not body.strict_signing_key_usage:
            text = f"operator {brief(operator.claims.name)} has signing keys and is not strict"
            yield warning(
                "S015", str(configured.place), text, "set strict_signing_key_usage in the operator's claims"
            )


def s016_preload_can_be_read(server: ServerConfiguration) -> Iterator[Finding]:
    """A preloaded account is an account jwt that verifies, under its own key.

    Servers do not start with a damaged one; under another key they take it and refuse its users.
    """
    for configured in server.preload:
        if configured.jwt is None:
            text = f"this is not an account jwt: {configured.problem}; servers do not start"
            yield error("S016", str(configured.place), text, _AGAIN)
        elif not isinstance(configured.jwt.claims.body, Account):
            kind = configured.jwt.claims.body.kind
            text = f"this is not an account jwt: these are {kind} claims; servers do not start"
            yield error("S016", str(configured.place), text, _AGAIN)
        elif configured.jwt.claims.sub != configured.key:
            sub = configured.jwt.claims.sub
            text = f"{brief(configured.key)} is not the key of the account in its jwt, {brief(sub)}"
            yield error("S016", str(configured.place), text, _AGAIN)


def s017_preload_is_trusted(server: ServerConfiguration) -> Iterator[Finding]:
    """A preloaded account is issued by an operator of the configuration, or one of its signing keys.

    Servers start with another, and refuse its users.
    """
    if not server.operators and not server.trusted_keys:
        return
    for configured, account in _accounts(server):
        if not _is_trusted(server, account):
            name = brief(account.claims.name)
            text = f"account {name} is issued by {account.issuer}, whom this server does not trust"
            yield error(
                "S017",
                str(configured.place),
                text,
                "sign it with the operator, or with its signing key if strict",
            )


def s018_preload_is_valid_now(server: ServerConfiguration) -> Iterator[Finding]:
    """A preloaded account has not expired, and holds already.

    Servers refuse its users.
    """
    for configured, account in _accounts(server):
        if message := _times(account, server.now):
            text = f"account {brief(account.claims.name)} {message}"
            yield timecheck("S018", str(configured.place), text, "sign it again, with a later expiry")


def s019_system_account_is_one(server: ServerConfiguration) -> Iterator[Finding]:
    """The configuration and the operator name the same system account.

    Servers do not start with two.
    """
    member, claimed = named_system(server.configuration.root), server.claimed_system_accounts
    named = text_of(member)
    if member is not None and named and claimed and named not in claimed:
        text = f"the operator's system account is {brief(claimed[0])}: servers do not start"
        yield error("S019", str(member.place), text, f"write system_account: {brief(claimed[0])}")


def s020_system_account_is_there(server: ServerConfiguration) -> Iterator[Finding]:
    """There is a system account, and a server that has all accounts in memory has it among them.

    Without one nothing can be pushed or watched, and a server whose resolver keeps accounts does not start;
    nor does one with all accounts in memory, or none by jwt, when the account that is named is missing.
    """
    member = named_system(server.configuration.root)
    if not server.trusts and member is not None and text_of(member) not in _defined(server):
        text = f"there is no account {brief(text_of(member) or '')} for the system: servers do not start"
        yield error("S020", str(member.place), text, "define it in accounts { … }")
    if not server.operators or not all(configured.jwt for configured in server.operators):
        return
    place = str(server.operators[0].place)
    key, keeps = server.system_account, server.resolver in _KEEPING
    if not key:
        if keeps:
            text = "a resolver that keeps accounts needs a system account: servers do not start"
            yield error("S020", place, text, _SYSTEM_HINT)
        else:
            yield warning("S020", place, "there is no system account", _SYSTEM_HINT)
    elif not any(configured.key == key for configured in server.preload):
        text = f"the system account {brief(key)} is not preloaded"
        if server.resolver == "MEM":
            yield error("S020", place, f"{text}: servers do not start", _AGAIN)
        elif keeps:
            yield warning(
                "S020", place, f"{text}: a server whose folder is empty cannot be pushed to", _AGAIN
            )


def _defined(server: ServerConfiguration) -> set[str]:
    """Return the names of the accounts that a configuration defines, and of the global one."""
    member = server.find("accounts")
    if member is not None and isinstance(member.value, Map):
        return {account.key for account in member.value.members} | _ALWAYS
    return {text for text, _ in strings(member)} | _ALWAYS


_ALWAYS = {"", "$G"}
_SYSTEM_HINT = "make one: seedless operator add NAME --sys, or name one in the operator's claims"


def s021_operator_is_alone(server: ServerConfiguration) -> Iterator[Finding]:
    """With an operator there are no trusted keys, no users and no accounts in the configuration.

    Servers do not start with both.
    """
    if not server.operators:
        return
    for names in (TRUSTED, ("accounts",)):
        member = server.find(*names)
        if member is not None and not _is_empty(member.value):
            text = f"{member.key} does not go together with an operator: servers do not start"
            yield error("S021", str(member.place), text, "take one of both out")
    authorization = block(server.configuration.root, "authorization")
    users = authorization.find("users") if authorization else None
    if users is not None and not _is_empty(users.value):
        text = "users do not go together with an operator: servers do not start"
        yield error("S021", str(users.place), text, "take them out: users have jwts")


def s022_resolver_fits(server: ServerConfiguration) -> Iterator[Finding]:
    """An operator has a resolver, and preloaded accounts have one that takes them: memory, full or cache.

    Servers do not start otherwise. A single operator whose jwt names an account server (`account_server_url`)
    needs no other resolver. One that keeps accounts needs a folder and an operator; a full one has no `ttl`,
    a cache neither `interval` nor `allow_delete`.
    """
    member = server.find(*RESOLVER)
    problems = [*_resolver_problems(server)]
    if member is not None and problems:
        text = f"{problems[0]}: servers do not start"
        yield error("S022", str(member.place), text, "seedless server config writes one")
        return
    readable = all(configured.jwt for configured in server.operators)
    if server.operators and readable and not server.resolver:
        text = "there is no resolver for the accounts of the operator: servers do not start"
        yield error("S022", str(server.operators[0].place), text, "write resolver: MEMORY, or a full one")
    elif server.preload and server.resolver and server.resolver not in {"MEM", *_KEEPING}:
        place = member.place if member is not None else server.operators[0].place
        text = "preloaded accounts do not go together with this resolver: servers do not start"
        yield error("S022", str(place), text, "take resolver_preload out")


def _is_empty(value: Value) -> bool:
    return (isinstance(value, Map) and not value.members) or (isinstance(value, Array) and not value.items)


def _resolver_problems(server: ServerConfiguration) -> Iterator[str]:
    """Yield what a resolver that keeps accounts in a folder has too little of, or too much."""
    member = server.find(*RESOLVER)
    if member is None:
        return
    if server.resolver not in ({"MEM", "URL"} if isinstance(member.value, Scalar) else _KEEPING):
        yield "a resolver is MEMORY, URL(…) or a block with type full or cache"
        return
    if not isinstance(member.value, Map):
        return
    if not text_of(member.value.find("dir")):
        yield "a resolver that keeps accounts needs a dir"
    for word in _NOT_TAKEN.get(server.resolver, ()):
        option = member.value.find(word)
        if option is not None and (word != "allow_delete" or is_true(option)):
            yield f"a resolver of type {server.resolver.lower()} takes no {word}"
    if server.resolver in _KEEPING and not server.operators:
        yield "a resolver that keeps accounts needs an operator"


def s023_accounts_can_be_deleted(server: ServerConfiguration) -> Iterator[Finding]:
    """Where accounts are to be deleted, the resolver is full and has `allow_delete: true`.

    Servers refuse to delete otherwise. Asked only with `--wants-delete`.
    """
    member = server.find(*RESOLVER)
    if member is None:
        return
    allowed = member.value.find("allow_delete") if isinstance(member.value, Map) else None
    on = allowed is not None and isinstance(allowed.value, Scalar) and allowed.value.value is True
    if server.resolver != "FULL" or not on:
        text = "accounts cannot be deleted from this resolver"
        yield error("S023", str(member.place), text, "write type: full and allow_delete: true")


def _operators(server: ServerConfiguration) -> Iterator[tuple[ConfiguredJwt, Jwt[Any]]]:
    return ((configured, configured.jwt) for configured in server.operators if configured.jwt)


def _accounts(server: ServerConfiguration) -> Iterator[tuple[ConfiguredJwt, Jwt[object]]]:
    return (
        (configured, configured.jwt)
        for configured in server.preload
        if configured.jwt and isinstance(configured.jwt.claims.body, Account)
    )


def _is_trusted(server: ServerConfiguration, account: Jwt[object]) -> bool:
    issuer = str(account.issuer)
    return issuer in server.trusted_keys or any(
        may_issue(operator.claims, issuer, account.claims) for _, operator in _operators(server)
    )


def _times(found: Jwt[object], now: int) -> str:
    """State what is wrong with the times of *found*; servers compare as strictly (`jwt` `claims.go`)."""
    if 0 < found.claims.exp < now:
        return "has expired"
    return "does not hold yet" if found.claims.nbf > now else ""


RULES = (
    s012_operator_can_be_read,
    s013_operator_is_self_signed,
    s014_operator_is_valid_now,
    s015_operator_is_strict,
    s016_preload_can_be_read,
    s017_preload_is_trusted,
    s018_preload_is_valid_now,
    s019_system_account_is_one,
    s020_system_account_is_there,
    s021_operator_is_alone,
    s022_resolver_fits,
)
