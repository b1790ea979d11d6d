"""What a callout signs: a user jwt for a login, and the answer that it is in.

Measured with nats-server 2.15.1. Operator mode: the answer is signed by the account of the callout or a
signing key of it, the user jwt by the account that the user is placed in, or by a signing key with
`issuer_account`. Configuration mode: the issuer signs both, `aud` of the user jwt is the name of the account,
and `issuer_account` must be absent; the issuer can place users in every account, the system account too.

A server does not enforce all of the user jwt of a callout: networks, connection types, limits of
subscriptions, data and payload, and revocations by time do not count. What can be judged at the login is
judged here.
"""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct
from msgspec.structs import replace

from seedless.app.delegation import DelegatedKey
from seedless.claims import NO_LIMIT, Account, AuthorizationResponse, Scope, Template, User, signing_key
from seedless.delegation import is_delegated
from seedless.errors import Refused, UsageError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.serve.rules import Network, is_from
from seedless.signer import Signer
from seedless.text import brief
from seedless.trust import EVERYONE, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.jwt import Draft
    from seedless.serve.login import Login, LoginGrant
    from seedless.serve.request import CalloutRequest

__all__ = [
    "AccountSigners",
    "AnswerKeys",
    "UserKey",
    "configuration_keys",
    "deviations",
    "keys_of",
    "operator_keys",
    "response_draft",
    "user_draft",
]


class UserKey(Struct, frozen=True, kw_only=True):
    """A key that signs users of one account, in operator mode that with the public key `account`.

    `role` is that of its scope, None for a key without one. `issuer_account` and `audience` are what its jwts
    have to name, `expiry` is when the key ends (Unix seconds, 0: never), and its users with it.
    """

    signer: Signer
    account: str = ""
    role: str | None = None
    issuer_account: str = ""
    audience: str = ""
    expiry: int = 0

    def scope_in(self, account: Jwt[Account] | None) -> Scope | None:
        """Return the scope that *account* gives this key."""
        return None if account is None else scope_of(account.claims, str(self.signer.public_key))


class AnswerKeys(Struct, frozen=True, kw_only=True):
    """The keys of a callout: that of the answers, and those of users by account and role.

    `subject` is whom requests are for. `curve_key` is the xkey of the account, empty if requests are not
    encrypted. Accounts are known by name, and in operator mode by public key too. `placed` are the public
    keys of the accounts that users are placed in, whether their keys are here or still to be delegated; none
    in configuration mode.
    """

    subject: str
    response: Signer
    users: dict[tuple[str, str | None], UserKey]
    curve_key: str = ""
    placed: frozenset[str] = frozenset()

    def of(self, grant: LoginGrant) -> UserKey:
        """Return the key that signs what *grant* gives; raise `Refused`."""
        key = self.users.get((grant.account, grant.role))
        if key is None:
            role = f" with the role {brief(grant.role)}" if grant.role else ""
            raise Refused(f"there is no key that signs users of the account {brief(grant.account)}{role}")
        return key

    @property
    def accounts(self) -> frozenset[str]:
        """The public keys of all accounts that are named; none in configuration mode."""
        # In operator mode the account of the callout is asked about too: its jwt names the curve key and
        # the accounts that are allowed.
        return self.placed | {self.subject} if self.placed else self.placed


class AccountSigners(Struct, frozen=True, kw_only=True):
    """What signs users of the account with the public key `key`: `plain` without a scope, `roles` by role."""

    key: str
    plain: Signer | None = None
    roles: dict[str, Signer] = {}


def configuration_keys(
    issuer: Signer, accounts: Iterable[str], callout_account: str, curve_key: str = ""
) -> AnswerKeys:
    """Return the keys of a callout in configuration mode: *issuer* for users of *accounts*, by name.

    Raise `UsageError` for an issuer that is not an account key, and if users would be placed in the account
    of the callout: they could subscribe to the requests, which contain passwords.
    """
    _require_account_key(issuer)
    users: dict[tuple[str, str | None], UserKey] = {}
    for name in accounts:
        _require_other(name, callout_account)
        users[name, None] = UserKey(signer=issuer, audience=name)
    return AnswerKeys(subject=str(issuer.public_key), response=issuer, users=users, curve_key=curve_key)


def operator_keys(
    callout_account: str, response: Signer, accounts: Mapping[str, AccountSigners], curve_key: str = ""
) -> AnswerKeys:
    """Return the keys of a callout in operator mode, for *accounts* by name.

    *callout_account* is the public key of the account that servers ask in, *response* it or a signing key of
    it. Raise `UsageError` as `configuration_keys` does.
    """
    _require_account_key(response)
    users: dict[tuple[str, str | None], UserKey] = {}
    for name, signers in accounts.items():
        _require_other(signers.key, callout_account)
        plain = [] if signers.plain is None else [(None, signers.plain)]
        for role, signer in [*signers.roles.items(), *plain]:
            _require_account_key(signer)
            # `issuer_account` is how servers find the account of a user that a signing key has signed; a jwt
            # by the account's own key is found by its issuer, and has none.
            issuer_account = "" if str(signer.public_key) == signers.key else signers.key
            key = UserKey(
                signer=signer,
                account=signers.key,
                role=role,
                issuer_account=issuer_account,
                expiry=signer.until if isinstance(signer, DelegatedKey) else 0,
            )
            # Rules may name an account either way; the name is that of this configuration, which another
            # operator may use for another key.
            users[name, role] = users[signers.key, role] = key
    return AnswerKeys(
        subject=callout_account,
        response=response,
        users=users,
        curve_key=curve_key,
        placed=frozenset(signers.key for signers in accounts.values()),
    )


def _require_account_key(signer: Signer) -> None:
    if signer.public_key.role is not Role.ACCOUNT:
        raise UsageError(
            f"{signer.public_key} is not an account key, and nothing else signs users or answers"
        )


def _require_other(account: str, callout_account: str) -> None:
    # The server denies users there only to *publish* on the subject of the callout: they may subscribe to
    # it and read the passwords of others (measured, nats-server 2.15.1).
    if account == callout_account:
        raise UsageError(
            f"users would be placed in {brief(account)}, the account of the callout",
            "there they can subscribe to the requests, which contain passwords: use another account",
        )


def deviations(keys: AnswerKeys, accounts: Mapping[str, Jwt[Account]]) -> list[str]:
    """Return what does not go with *accounts* (by public key) as servers have them, a sentence for each.

    With *keys* that deviate so, servers refuse the logins, or do not enforce what a role limits.
    """
    # Each key is in the table twice, by name and by public key; the reports would be too.
    unique = {id(key): key for key in keys.users.values() if key.account in accounts}
    found = [line for key in unique.values() for line in _key_deviations(key, accounts[key.account])]
    callout = accounts.get(keys.subject)
    return found if callout is None else [*_callout_deviations(keys, callout), *found]


def _callout_deviations(keys: AnswerKeys, callout: Jwt[Account]) -> Iterator[str]:
    name, response = brief(callout.claims.name), str(keys.response.public_key)
    if response not in keys_of(callout):
        yield f"{response}, which signs answers, is not a key of the account {name}: servers ignore them"
    xkey = callout.claims.body.authorization.xkey
    if xkey != keys.curve_key:
        own = keys.curve_key or "none"
        yield f"the account {name} has the curve key {xkey or 'none'}, this service {own}"
    allowed = callout.claims.body.authorization.allowed_accounts
    for key in sorted(keys.placed):
        if key not in allowed and "*" not in allowed:
            yield f"the account {name} does not allow its callout to place users in the account {key}"


def _key_deviations(key: UserKey, account: Jwt[Account]) -> Iterator[str]:
    name, text = brief(account.claims.name), str(key.signer.public_key)
    if text not in keys_of(account):
        yield f"{text} is not a signing key of the account {name}: servers refuse its users"
        return
    scope = key.scope_in(account)
    role = None if scope is None else scope.role
    if scope is not None and is_delegated(scope):
        role = key.role  # the scope of a delegated key has a role of its own
    if role != key.role:
        theirs, own = brief(role) if role else "none", brief(key.role) if key.role else "none"
        yield f"the account {name} gives {text} the role {theirs}, this service {own}"
    if scope is not None:
        # A bearer user needs no signature of a nonce: the jwt in the answer would be a password that works
        # until it expires.
        if scope.template.bearer_token:
            named = brief(key.role or scope.role)
            yield f"users of the role {named} log in without their key: {_BEARER}, so they are refused"
        for limit in ("subs", "data", "payload"):
            if getattr(scope.template, limit) not in {NO_LIMIT, UNSET}:
                named = brief(key.role or scope.role)
                yield f"servers do not enforce {limit} of the role {named} for logins by callout"


def keys_of(account: Jwt[Account]) -> set[str]:
    """Return the public key of *account* and those of its signing keys."""
    return {account.claims.sub, *map(signing_key, account.claims.body.signing_keys)}


def user_draft(
    grant: LoginGrant, request: CalloutRequest, key: UserKey, account: Jwt[Account] | None, now: int
) -> Draft[User]:
    """Return the user jwt of *grant* for the key that *request* names, to be signed by *key*.

    *account* is that of the user as servers have it, where it is known. Raise `Refused` for what a server
    would not enforce: networks and connection types of the role, and a revocation of everyone that is dated
    ahead; and for a grant that the key cannot sign.
    """
    if grant.validity <= 0:
        raise Refused("the rule gives no validity")
    # A user of a scoped key must have no permissions of its own, and one of a plain key without any would
    # get all of the account's.
    if (key.role is None) == (grant.permissions is None):
        raise Refused("the rule gives both a role and permissions, or neither")
    if grant.permissions is None:
        body = replace(User.scoped(key.issuer_account), tags=grant.tags)
    else:
        given = {name: getattr(grant.permissions, name) for name in ("pub", "sub", "resp")}
        body = replace(User.new(), issuer_account=key.issuer_account, tags=grant.tags, **given)
    if account is not None:
        _require_enforced(key, account.claims.body, key.scope_in(account), request.login, now)
    # Servers know no end of a key. Users that end with the delegated key make its removal from the account
    # close nobody's connection.
    expiry = min(now + grant.validity, key.expiry or now + grant.validity)
    if expiry <= now:
        raise Refused("the delegated key that signs these users has ended")
    claims = Claims(sub=request.user, body=body, name=grant.name, aud=key.audience, exp=expiry)
    return draft(claims, key.signer.public_key, now)


def _require_enforced(key: UserKey, account: Account, scope: Scope | None, login: Login, now: int) -> None:
    # Servers do not look at revocations when a callout answers (measured): a jwt with an `iat` before that
    # of `*` would get in. A revocation that lies ahead was made by a fast clock.
    if account.revocations.get(EVERYONE, 0) >= now:
        raise Refused("the account revokes everyone until later than now")
    if key.role is not None and scope is None:
        raise Refused(f"the account has no role {brief(key.role)} any more")
    if scope is not None:
        _require_template(scope.template, login)


_BEARER = "whoever saw an answer could log in with what is in it"


def _require_template(template: Template, login: Login) -> None:
    if template.bearer_token:
        raise Refused(f"the role lets users log in without their key: {_BEARER}")
    # Networks and connection types of a callout's user jwt are accepted and not enforced by nats-server
    # 2.15.1, so they are enforced here, at the login.
    if template.src and not is_from(login.host, _networks(template.src)):
        raise Refused(f"the role does not accept logins from {brief(login.host)}")
    if template.allowed_connection_types:
        accepted = {name.upper() for name in template.allowed_connection_types}
        names = _CONNECTION_TYPES.get((login.kind, login.type), frozenset({"another"}))
        if not names <= accepted:
            raise Refused(f"the role does not accept connections of the type {' or '.join(sorted(names))}")


# By kind and type of a client, as requests state them. Whether MQTT or a leaf node comes by websocket is not
# stated, so a role has to accept both.
_CONNECTION_TYPES = {
    ("Client", "nats"): frozenset({"STANDARD"}),
    ("Client", "websocket"): frozenset({"WEBSOCKET"}),
    ("Client", "mqtt"): frozenset({"MQTT", "MQTT_WS"}),
    ("Leafnode", ""): frozenset({"LEAFNODE", "LEAFNODE_WS"}),
}


def _networks(src: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks in *src*; what is none holds no address, as for servers."""
    found: list[Network] = []
    for text in src:
        with contextlib.suppress(ValueError):
            # Not strict: Go's ParseCIDR takes 10.0.0.1/8 for the network 10.0.0.0/8.
            found.append(ipaddress.ip_network(text.strip(), strict=False))
    return tuple(found)


def response_draft(
    user: Jwt[User], request: CalloutRequest, issuer: PublicKey, now: int
) -> Draft[AuthorizationResponse]:
    """Return the answer to *request* that lets *user* in, to be signed by the key *issuer*."""
    # `sub` is the key that the request names and `aud` the server: both are compared there, and an answer
    # for another login or server is dropped.
    body = AuthorizationResponse(jwt=user.text)
    return draft(Claims(sub=request.user, body=body, aud=request.server), issuer, now)
