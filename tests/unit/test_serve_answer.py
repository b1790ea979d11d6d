"""Requests of servers and what a callout signs for them, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from seedless.base64url import encode
from seedless.claims import (
    Account,
    AuthorizationRequest,
    ClientInfo,
    ClientTLS,
    ConnectOptions,
    ExternalAuthorization,
    Permissions,
    Scope,
    ServerId,
    Template,
)
from seedless.errors import BadKey, Refused, SeedlessError, ServerError, UsageError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.answer import (
    AccountSigners,
    configuration_keys,
    deviations,
    operator_keys,
    user_draft,
)
from seedless.serve.login import LoginGrant
from seedless.serve.request import AUDIENCE, CalloutRequest, Replays, Sealing, read_request

NOW = 1_800_000_000
REPLY = "$SYS._INBOX.abc.1"
SERVER, USER = SoftwareKey(Role.SERVER, b"s" * 32), SoftwareKey(Role.USER, b"u" * 32)
CALLOUT, ORDERS, CLERK = (SoftwareKey(Role.ACCOUNT, bytes([n]) * 32) for n in (1, 2, 3))
AUTH = str(CALLOUT.public_key)


def request_text(
    key: SoftwareKey = SERVER,
    body: dict[str, Any] | None = None,
    **changes: Any,  # noqa: ANN401 - of Claims
) -> str:
    made = AuthorizationRequest(
        server_id=ServerId(name="n0", id=str(SERVER.public_key)),
        user_nkey=str(USER.public_key),
        client_info=ClientInfo(host="10.0.0.1", kind="Client", type="nats", nonce="a nonce"),
        connect_opts=ConnectOptions(user="ann", password="p"),
    )
    claims = Claims(sub=AUTH, aud=AUDIENCE, exp=NOW + 2, body=replace(made, **body or {}))
    ready = draft(replace(claims, **changes), key.public_key, NOW)
    return ready.complete(key.sign(ready.signing_input)).text


def request(**body: Any) -> CalloutRequest:  # noqa: ANN401 - of a Struct
    return read_request(request_text(body=body), REPLY, AUTH, NOW)


def test_a_request_is_read_with_its_login_and_the_time_that_its_server_waits() -> None:
    read = read_request(request_text(), REPLY, AUTH, NOW + 0.5)
    assert (read.login.user, read.login.password, read.login.host) == ("ann", "p", "10.0.0.1")
    assert (read.server, read.user) == (str(SERVER.public_key), str(USER.public_key))
    assert read.deadline == NOW + 2.5


UNAUTHENTIC = {
    "signed by another server": ({"key": SoftwareKey(Role.SERVER, b"x" * 32)}, "by another key than that"),
    "another audience": ({"aud": "x"}, "the audience of the request is not"),
    "another account": ({"sub": str(ORDERS.public_key)}, "is for another account"),
    "no user key": ({"body": {"user_nkey": AUTH}}, "is not a user key"),
    "no validity": ({"exp": NOW}, "is valid for 0 s"),
    "a long validity": ({"exp": NOW + 61}, "is valid for 61 s"),
}


@pytest.mark.parametrize("name", UNAUTHENTIC)
def test_a_request_that_is_not_authentic_is_refused(name: str) -> None:
    changes, sentence = UNAUTHENTIC[name]
    with pytest.raises(SeedlessError, match=sentence):
        read_request(request_text(**changes), REPLY, AUTH, NOW)


@pytest.mark.parametrize(("at", "sentence"), [(NOW + 3, "expired 1.0 s ago"), (NOW - 2, "dated 2.0 s ahead")])
def test_a_request_of_another_time_is_refused(at: int, sentence: str) -> None:
    with pytest.raises(ServerError, match=sentence):
        read_request(request_text(), REPLY, AUTH, at)


def test_an_answer_goes_to_a_server_only() -> None:
    with pytest.raises(ServerError, match="would not go to a server"):
        read_request(request_text(), "orders.new", AUTH, NOW)


def test_an_nkey_is_verified_by_its_signature_over_the_nonce() -> None:
    for nonce, expected in (("a nonce", True), ("another", False)):
        options = ConnectOptions(nkey=str(USER.public_key), sig=encode(USER.sign(nonce.encode())))
        assert request(connect_opts=options).login.nkey_verified is expected


def test_a_certificate_counts_only_in_a_chain_that_the_server_verified() -> None:
    assert request(client_tls=ClientTLS(certs=("leaf",))).login.certificates == ()
    verified = ClientTLS(verified_chains=(("leaf", "root"),))
    assert request(client_tls=verified).login.certificates == ("leaf", "root")


def test_a_second_request_for_one_key_is_a_replay_until_the_first_has_expired() -> None:
    replays = Replays(1)
    replays.add(request(), NOW)
    with pytest.raises(ServerError, match="this is a replay"):
        replays.add(request(), NOW + 2)
    other = str(SoftwareKey(Role.USER, b"o" * 32).public_key)
    with pytest.raises(ServerError, match="1 requests have been received"):
        replays.add(request(user_nkey=other), NOW + 2)
    replays.add(request(user_nkey=other), NOW + 3)


def test_what_is_sealed_for_another_key_is_not_opened() -> None:
    ours, server, other = (SoftwareKey(Role.CURVE, bytes([n]) * 32) for n in (4, 5, 6))
    sealed = Sealing(server).seal("text", str(ours.public_key))
    assert Sealing(ours).open(sealed, str(server.public_key)) == "text"
    for key, sender in ((other, server), (ours, other)):
        with pytest.raises(ServerError, match="cannot be decrypted"):
            Sealing(key).open(sealed, str(sender.public_key))
    with pytest.raises(ServerError, match="is not encrypted"):
        Sealing(ours).open(b"eyJ", str(server.public_key))
    with pytest.raises(BadKey):
        Sealing(USER)


def account_of(template: Template, **changes: Any) -> Jwt[Account]:  # noqa: ANN401 - of a Struct
    scope = Scope(key=str(CLERK.public_key), role="clerk", template=template)
    body = replace(Account.new(), signing_keys=(scope,), **changes)
    ready = draft(Claims(sub=str(ORDERS.public_key), body=body, name="ORDERS"), ORDERS.public_key, NOW - 9)
    return ready.complete(ORDERS.sign(ready.signing_input))


KEYS = operator_keys(
    AUTH,
    CALLOUT,
    {"ORDERS": AccountSigners(key=str(ORDERS.public_key), plain=ORDERS, roles={"clerk": CLERK})},
)
GRANT = LoginGrant(account="ORDERS", name="ann", validity=60, role="clerk", tags=("t:a",))


def test_a_user_of_a_role_has_the_account_and_no_limits_of_its_own() -> None:
    made = user_draft(GRANT, request(), KEYS.of(GRANT), account_of(Template.new()), NOW).claims
    assert (made.sub, made.name, made.exp, made.aud) == (str(USER.public_key), "ann", NOW + 60, "")
    assert (made.body.issuer_account, made.body.subs, made.body.tags) == (
        str(ORDERS.public_key),
        0,
        ("t:a",),
    )


def test_a_user_by_the_account_key_names_no_issuer_account_and_has_the_permissions_of_the_rule() -> None:
    grant = replace(GRANT, role=None, permissions=Permissions())
    made = user_draft(grant, request(), KEYS.of(grant), None, NOW).claims
    assert (made.body.issuer_account, made.body.subs) == ("", -1)


def test_a_user_in_configuration_mode_has_its_account_as_audience() -> None:
    keys = configuration_keys(CALLOUT, ["APP"], "AUTH")
    grant = replace(GRANT, account="APP", role=None, permissions=Permissions())
    made = user_draft(grant, request(), keys.of(grant), None, NOW).claims
    assert (made.aud, made.body.issuer_account) == ("APP", "")


def test_a_user_ends_with_the_key_that_signs_it() -> None:
    key = replace(KEYS.of(GRANT), expiry=NOW + 7)
    assert user_draft(GRANT, request(), key, None, NOW).claims.exp == NOW + 7
    with pytest.raises(Refused, match="has ended"):
        user_draft(GRANT, request(), key, None, NOW + 7)


UNENFORCED = {
    "a network": (account_of(Template(src=("192.168.0.0/16",))), "does not accept logins from 10.0.0.1"),
    "a connection type": (
        account_of(Template(allowed_connection_types=("WEBSOCKET",))),
        "does not accept connections of the type STANDARD",
    ),
    "a revocation that is dated ahead": (
        account_of(Template.new(), revocations={"*": NOW + 9}),
        "revokes everyone until later",
    ),
}


@pytest.mark.parametrize("name", UNENFORCED)
def test_what_servers_do_not_enforce_refuses_the_login(name: str) -> None:
    account, sentence = UNENFORCED[name]
    with pytest.raises(Refused, match=sentence):
        user_draft(GRANT, request(), KEYS.of(GRANT), account, NOW)


def test_a_network_and_a_type_that_the_role_accepts_are_accepted() -> None:
    template = Template(src=("10.0.0.0/8",), allowed_connection_types=("standard",))
    assert user_draft(GRANT, request(), KEYS.of(GRANT), account_of(template), NOW).claims.name == "ann"


def test_users_are_never_placed_in_the_account_of_the_callout() -> None:
    with pytest.raises(UsageError, match="the account of the callout"):
        operator_keys(AUTH, CALLOUT, {"AUTH": AccountSigners(key=AUTH, plain=CALLOUT)})
    with pytest.raises(UsageError, match="the account of the callout"):
        configuration_keys(CALLOUT, ["AUTH"], "AUTH")
    with pytest.raises(Refused, match="no key that signs users of the account SYS"):
        KEYS.of(replace(GRANT, account="SYS"))


def test_keys_that_deviate_from_the_accounts_on_servers_are_named() -> None:
    authorization = ExternalAuthorization(
        allowed_accounts=(), xkey=str(SoftwareKey(Role.CURVE, bytes(32)).public_key)
    )
    body = replace(Account.new(), authorization=authorization)
    ready = draft(Claims(sub=AUTH, body=body, name="AUTH"), CALLOUT.public_key, NOW)
    callout = ready.complete(CALLOUT.sign(ready.signing_input))
    wrong = replace(KEYS, response=ORDERS)
    found = deviations(wrong, {AUTH: callout, str(ORDERS.public_key): account_of(Template(payload=9))})
    assert [line.replace(str(ORDERS.public_key), "ORDERS") for line in found] == [
        "ORDERS, which signs answers, is not a key of the account AUTH: servers ignore them",
        f"the account AUTH has the curve key {authorization.xkey}, this service none",
        "the account AUTH does not allow its callout to place users in the account ORDERS",
        "servers do not enforce payload of the role clerk for logins by callout",
    ]
