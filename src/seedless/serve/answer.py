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

import ipaddress
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedless.claims import (
    NO_LIMIT,
    Account,
    AuthorizationResponse,
    Permissions,
    Scope,
    Template,
    User,
    signing_key,
)
from seedless.errors import Refused, UsageError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.signer import Signer
from seedless.text import brief
from seedless.trust import EVERYONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.jwt import Draft
    from seedless.serve.login import Login, LoginGrant
    from seedless.serve.request import CalloutRequest

__all__ = ["AnswerKeys", "UserKey", "configuration_keys", "operator_keys", "response_draft", "user_draft"]


class UserKey(Struct, frozen=True):
    """A key that signs users of one account: `issuer_account` as the jwt has to name it, or `aud`.

    `template` is that of its scope, and `revoked` the time of the revocation of everyone, 0 if there is none.
    """

    signer: Signer
    issuer_account: str = ""
    audience: str = ""
    template: Template | None = None
    revoked: int = 0


class AnswerKeys(Struct, frozen=True, kw_only=True):
    """The keys of a callout: that of the answers, and those of users by account and role.

    `subject` is whom requests are for. `curve_key` is the xkey of the account, empty if requests are not
    encrypted. Accounts are known by name, and in operator mode by public key too.
    """

    subject: str
    response: Signer
    users: dict[tuple[str, str | None], UserKey]
    curve_key: str = ""
    warnings: tuple[str, ...] = ()

    def of(self, grant: LoginGrant) -> UserKey:
        """Return the key that signs what *grant* gives; raise `Refused`."""
        key = self.users.get((grant.account, grant.role))
        if key is None:
            role = f" with the role {brief(grant.role)}" if grant.role else ""
            raise Refused(f"there is no key that signs users of the account {brief(grant.account)}{role}")
        return key


def configuration_keys(
    issuer: Signer, accounts: Iterable[str], callout_account: str, curve_key: str = ""
) -> AnswerKeys:
    """Return the keys of a callout in configuration mode: *issuer* for users of *accounts*, by name.

    Raise `UsageError` for an issuer that is no account key, and if users would be placed in the account of
    the callout: they could subscribe to the requests, which contain passwords.
    """
    if issuer.public_key.role is not Role.ACCOUNT:
        raise UsageError(f"{issuer.public_key} is no account key: the issuer of a callout is one")
    named = tuple(accounts)
    if callout_account in named:
        raise UsageError(
            f"users would be placed in {brief(callout_account)}, the account of the callout",
            "there they can subscribe to the requests, which contain passwords: use another account",
        )
    users: dict[tuple[str, str | None], UserKey] = {
        (name, None): UserKey(issuer, audience=name) for name in named
    }
    return AnswerKeys(subject=str(issuer.public_key), response=issuer, users=users, curve_key=curve_key)


def operator_keys(
    callout: Jwt[Account], accounts: Iterable[Jwt[Account]], signers: Iterable[Signer]
) -> AnswerKeys:
    """Return the keys of a callout in operator mode: which of *signers* sign users of which of *accounts*.

    *callout* is the account that servers ask in; of two signers for one account and role the last is used.
    Raise `UsageError` for a signer that no account has, if none signs answers, and for an account that
    *callout* does not allow.
    """
    body, known = callout.claims.body, {str(signer.public_key): signer for signer in signers}
    own = {callout.claims.sub, *map(signing_key, body.signing_keys)}
    used = set(own)
    users: dict[tuple[str, str | None], UserKey] = {}
    warnings: list[str] = []
    for account in accounts:
        if account.claims.sub == callout.claims.sub:
            continue  # users there could subscribe to the requests, which contain passwords
        keys = {str(key): signer for key, signer in known.items() if key in _keys_of(account)}
        used |= keys.keys()
        if not keys:
            continue
        _require_allowed(callout, account)
        for role, key in _user_keys(account, keys):
            users[account.claims.name, role] = users[account.claims.sub, role] = key
            warnings += _unenforced(account, role, key.template)
    if unknown := sorted(known.keys() - used):
        raise UsageError(
            f"{unknown[0]} is a signing key of none of the accounts",
            "give the jwt of its account as servers have it, or take the key out of the configuration",
        )
    response = next((known[key] for key in sorted(own & known.keys())), None)
    if response is None:
        raise UsageError(
            f"no key signs for the account {brief(callout.claims.name)}, in which servers ask",
            "give a signing key of it: servers ignore answers that another key has signed",
        )
    return AnswerKeys(
        subject=callout.claims.sub,
        response=response,
        users=users,
        curve_key=body.authorization.xkey,
        warnings=tuple(warnings),
    )


def _keys_of(account: Jwt[Account]) -> set[str]:
    return {account.claims.sub, *map(signing_key, account.claims.body.signing_keys)}


def _user_keys(account: Jwt[Account], keys: dict[str, Signer]) -> list[tuple[str | None, UserKey]]:
    """Return the keys among *keys* (by key text) that sign users of *account*, each with its role."""
    sub, revoked = account.claims.sub, account.claims.body.revocations.get(EVERYONE, 0)
    scopes = {entry.key: entry for entry in account.claims.body.signing_keys if isinstance(entry, Scope)}
    found = []
    for text, signer in keys.items():
        scope = scopes.get(text)
        issuer_account = "" if text == sub else sub
        template = scope.template if scope else None
        role = scope.role if scope else None
        found.append((role, UserKey(signer, issuer_account, template=template, revoked=revoked)))
    return found


def _require_allowed(callout: Jwt[Account], account: Jwt[Account]) -> None:
    allowed = callout.claims.body.authorization.allowed_accounts
    if account.claims.sub not in allowed and "*" not in allowed:
        name, target = brief(callout.claims.name), brief(account.claims.name)
        raise UsageError(
            f"the account {name} does not allow its callout to place users in the account {target}",
            f"seedless account authcallout {name} --allowed-account {target}",
        )


def _unenforced(account: Jwt[Account], role: str | None, template: Template | None) -> list[str]:
    """Return what the template limits and neither a server nor this program enforces for a callout."""
    if template is None:
        return []
    named = [
        name
        for name in ("subs", "data", "payload")
        if getattr(template, name) not in (NO_LIMIT, Template().subs)
    ]
    where = f"account {brief(account.claims.name)}, role {brief(role or '')}"
    return [f"{where}: servers do not enforce its limit of {name} for logins by callout" for name in named]


def user_draft(grant: LoginGrant, request: CalloutRequest, key: UserKey, now: int) -> Draft[User]:
    """Return the user jwt of *grant* for the key that *request* names, to be signed by *key*.

    Raise `Refused` for what a server would not enforce: networks and connection types of the template, and a
    revocation of everyone that is dated ahead; and for a grant that the key cannot sign.
    """
    if key.template is not None:
        if grant.permissions is not None:
            raise Refused("a role has its own permissions, and the rule gives others", _ROLE_OR_PERMISSIONS)
        _require_template(key.template, request.login)
        body = User.scoped(key.issuer_account)
    elif grant.permissions is None:
        raise Refused("the rule gives neither a role nor permissions", _ROLE_OR_PERMISSIONS)
    else:
        body = _with_permissions(grant.permissions, key.issuer_account)
    if key.revoked >= now:
        raise Refused("the account revokes everyone until later than now")
    if grant.validity <= 0:
        raise Refused("the rule gives no validity")
    claims = Claims(
        sub=request.user,
        body=_replaced(body, tags=grant.tags),
        name=grant.name,
        aud=key.audience,
        exp=now + grant.validity,
    )
    return draft(claims, key.signer.public_key, now)


_ROLE_OR_PERMISSIONS = "a rule has either a role or permissions"


def _with_permissions(permissions: Permissions, issuer_account: str) -> User:
    return _replaced(
        User.new(),
        pub=permissions.pub,
        sub=permissions.sub,
        resp=permissions.resp,
        issuer_account=issuer_account,
    )


def _replaced(body: User, **members: Any) -> User:  # noqa: ANN401 - members of a user
    from msgspec.structs import replace

    return replace(body, **members)


def _require_template(template: Template, login: Login) -> None:
    if template.src and not any(_is_in(login.host, network) for network in template.src):
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


def _is_in(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network.strip(), strict=False)
    except ValueError:
        return False


def response_draft(
    user: Jwt[User], request: CalloutRequest, issuer: PublicKey, now: int
) -> Draft[AuthorizationResponse]:
    """Return the answer to *request* that lets *user* in, to be signed by the key *issuer*."""
    body = AuthorizationResponse(jwt=user.text)
    return draft(Claims(sub=request.user, body=body, aud=request.server), issuer, now)
