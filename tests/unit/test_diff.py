"""Each kind of change beside its golden file in tests/golden.

To write them anew after a change of wording: `WRITE_GOLDEN=1 pytest tests/unit/test_diff.py`, then read them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seedless.claims import (
    Account,
    Activation,
    AuthorizationRequest,
    AuthorizationResponse,
    ClientInfo,
    ConnectOptions,
    Export,
    ExternalAuthorization,
    Generic,
    Import,
    JetStreamLimits,
    Limits,
    MessageTrace,
    Operator,
    Permission,
    Permissions,
    ResponsePermission,
    Scope,
    ServiceLatency,
    Template,
    TimeRange,
    User,
    WeightedMapping,
)
from seedless.diff import Effect, diff, unknown_members
from seedless.jwt import Claims
from seedless.typed_json import Unknown

GOLDEN = Path(__file__).parents[1] / "golden"
OPERATOR, OTHER_OPERATOR = "O" + "P" * 55, "O" + "Q" * 55
ACCOUNT, OTHER, KEY = "A" + "B" * 55, "A" + "C" * 55, "A" + "K" * 55
USER, GUEST = "U" + "D" * 55, "U" + "E" * 55
NAMES = {USER: "app", OTHER: "BILLING", KEY: "ORDERS signing"}
SECOND = 10**9
DAY = 86400
T = 1_800_000_000

Case = tuple[str, Claims[Any] | None, Claims[Any]]


def _with(part: Any, **members: Any) -> Any:  # noqa: ANN401 - any part of claims
    return msgspec.structs.replace(part, **members)


def operator(**members: Any) -> Claims[Operator]:  # noqa: ANN401 - members
    return Claims(sub=OPERATOR, name="ACME", body=Operator(**members))


def account(**members: Any) -> Claims[Account]:  # noqa: ANN401 - members
    return Claims(sub=ACCOUNT, name="ORDERS", body=_with(Account.new(), **members))


def limited(**members: Any) -> Claims[Account]:  # noqa: ANN401 - members
    return account(limits=_with(Account.new().limits, **members))


def user(**members: Any) -> Claims[User]:  # noqa: ANN401 - members
    return Claims(sub=USER, name="app", body=_with(User.new(), **members))


def scope(**members: Any) -> Claims[Account]:  # noqa: ANN401 - members
    return account(signing_keys=(Scope(key=KEY, role="svc", template=_with(Template.new(), **members)),))


def both(title: str, one: Claims[Any], other: Claims[Any]) -> list[Case]:
    return [(title, one, other), (f"{title}, taken back", other, one)]


def allow(*subjects: str, deny: tuple[str, ...] = ()) -> Permission:
    return Permission(allow=subjects, deny=deny)


EXPORT = Export(
    name="orders",
    subject="orders.*",
    type="service",
    token_req=True,
    response_type="Stream",
    response_threshold=500 * 10**6,
    service_latency=ServiceLatency(sampling=10, results="latency.orders"),
    account_token_position=2,
    advertise=True,
    allow_trace=True,
    description="all orders",
    info_url="https://example.com/orders",
    revocations={OTHER: T, "*": T - DAY},
)
IMPORT = Import(
    name="bills",
    subject="bills.>",
    account=OTHER,
    token="e" * 300,
    local_subject="in.bills.>",
    type="stream",
    allow_trace=True,
)
SCOPE = Scope(
    key=KEY,
    role="svc",
    template=_with(
        Template.new(),
        pub=allow("orders.>", deny=("orders.secret",)),
        resp=ResponsePermission(max=1, ttl=2 * SECOND),
    ),
    description="for services",
)

CASES: dict[str, list[Case]] = {
    "registered": [
        *both("name", account(), _with(account(), name="ORDERS-2")),
        ("subject", account(), _with(account(), sub=OTHER)),
        ("audience", user(), _with(user(), aud="NATS")),
        *both("expiry set", user(), _with(user(), exp=T)),
        *both("expiry later", _with(user(), exp=T), _with(user(), exp=T + 30 * DAY)),
        *both("valid from", user(), _with(user(), nbf=T)),
        ("another kind", user(), Claims(sub=USER, name="app", body=Generic(data={"a": 1}))),
        ("a jwt of version 1", _with(account(), version=1), account()),
        ("nothing", account(), account()),
    ],
    "new": [
        ("an operator", None, operator(system_account=ACCOUNT, signing_keys=(OTHER_OPERATOR,))),
        ("an account", None, account()),
        ("an account without limits, which lets nothing in", None, Claims(sub=ACCOUNT, body=Account())),
        (
            "an account with much",
            None,
            _with(
                account(
                    limits=_with(
                        Account.new().limits,
                        conn=100,
                        payload=1 << 20,
                        disk_storage=10 << 30,
                        streams=5,
                        max_ack_pending=-1,
                        disallow_bearer=True,
                        wildcards=False,
                    ),
                    exports=(EXPORT,),
                    imports=(IMPORT,),
                    signing_keys=(KEY, _with(SCOPE, key=OTHER)),
                    revocations={USER: T},
                    default_permissions=Permissions(sub=allow("orders.> workers")),
                    mappings={
                        "a": (
                            WeightedMapping(subject="b", weight=80),
                            WeightedMapping(subject="c", weight=20),
                        )
                    },
                    tags=("team:orders",),
                ),
                exp=T,
            ),
        ),
        ("a user", None, user()),
        (
            "a user that is limited",
            None,
            user(pub=allow("a"), sub=allow("b", deny=("c",)), bearer_token=True),
        ),
        ("a user of a scope", None, Claims(sub=USER, name="app", body=User.scoped(ACCOUNT))),
        (
            "an activation",
            None,
            Claims(sub=OTHER, body=Activation(subject="orders.*", import_type="service")),
        ),
    ],
    "operator": [
        *both("signing key", operator(), operator(signing_keys=(OTHER_OPERATOR,))),
        *both("strict", operator(), operator(strict_signing_key_usage=True)),
        *both("system account", operator(), operator(system_account=OTHER)),
        ("another system account", operator(system_account=ACCOUNT), operator(system_account=OTHER)),
        *both(
            "urls", operator(), operator(account_server_url="nats://a", operator_service_urls=("tls://b",))
        ),
        *both("server version", operator(), operator(assert_server_version="2.12.0")),
        *both("tags", operator(tags=("a",)), operator(tags=("a", "b"))),
    ],
    "limits": [
        *both("wildcard exports", limited(wildcards=False), limited()),
        *both("bearer tokens", limited(disallow_bearer=True), limited()),
        *both("connections", limited(conn=100), limited(conn=1000)),
        *both("connections without limit", limited(conn=100), limited()),
        *both("connections, none", limited(conn=0), limited(conn=1)),
        *both("leaf nodes", limited(leaf=0), limited()),
        *both("payload", limited(payload=1 << 20), limited(payload=64 << 10)),
        *both("payload, not round", limited(payload=1000), limited(payload=1536)),
        *both("data", limited(data=3 << 40), limited()),
        *both("subscriptions, imports, exports", limited(subs=1, imports=2, exports=3), limited()),
        ("another number below zero", limited(), limited(conn=-2)),
    ],
    "jetstream": [
        *both("on", limited(), limited(disk_storage=10 << 30, mem_storage=-1, streams=5, consumer=-1)),
        *both("more", limited(disk_storage=1 << 30), limited(disk_storage=2 << 30)),
        *both("acks", limited(max_ack_pending=100), limited(max_ack_pending=0)),
        *both("stream bytes", limited(), limited(mem_max_stream_bytes=1 << 20, disk_max_stream_bytes=-1)),
        *both("required bytes", limited(), limited(max_bytes_required=True)),
        *both(
            "tier", limited(), limited(tiered_limits={"R3": JetStreamLimits(disk_storage=1 << 30, streams=5)})
        ),
        *both(
            "tier changed",
            limited(tiered_limits={"R3": JetStreamLimits(disk_storage=1 << 30)}),
            limited(tiered_limits={"R3": JetStreamLimits(disk_storage=5 << 30, max_bytes_required=True)}),
        ),
    ],
    "exports": [
        *both("added", account(), account(exports=(EXPORT,))),
        *both("public", account(exports=(EXPORT,)), account(exports=(_with(EXPORT, token_req=False),))),
        *both("trace", account(exports=(EXPORT,)), account(exports=(_with(EXPORT, allow_trace=False),))),
        *both(
            "token position",
            account(exports=(EXPORT,)),
            account(exports=(_with(EXPORT, account_token_position=0),)),
        ),
        *both(
            "response",
            account(exports=(EXPORT,)),
            account(exports=(_with(EXPORT, response_type="Chunked", response_threshold=2 * SECOND),)),
        ),
        *both(
            "latency",
            account(exports=(EXPORT,)),
            account(exports=(_with(EXPORT, service_latency=ServiceLatency(results="x")),)),
        ),
        *both(
            "words",
            account(exports=(EXPORT,)),
            account(exports=(_with(EXPORT, name="", description="some", info_url="", advertise=False),)),
        ),
        *both(
            "revocation",
            account(exports=(EXPORT,)),
            account(exports=(_with(EXPORT, revocations={OTHER: T}),)),
        ),
        (
            "another subject",
            account(exports=(EXPORT,)),
            account(exports=(_with(EXPORT, subject="orders.>"),)),
        ),
        (
            "order",
            account(exports=(EXPORT, _with(EXPORT, subject="b.*"))),
            account(exports=(_with(EXPORT, subject="b.*"), EXPORT)),
        ),
    ],
    "imports": [
        *both("added", account(), account(imports=(IMPORT,))),
        *both("renamed", account(imports=(IMPORT,)), account(imports=(_with(IMPORT, local_subject="b.>"),))),
        *both("activation", account(imports=(IMPORT,)), account(imports=(_with(IMPORT, token="f" * 300),))),
        *both("shared", account(imports=(IMPORT,)), account(imports=(_with(IMPORT, share=True),))),
        *both(
            "trace and name",
            account(imports=(IMPORT,)),
            account(imports=(_with(IMPORT, allow_trace=False, name=""),)),
        ),
        *both("old name", account(imports=(IMPORT,)), account(imports=(_with(IMPORT, to="c.>"),))),
        ("another account", account(imports=(IMPORT,)), account(imports=(_with(IMPORT, account=ACCOUNT),))),
    ],
    "signing-keys": [
        *both("key", account(), account(signing_keys=(KEY,))),
        *both("scope", account(), account(signing_keys=(SCOPE,))),
        *both("key to scope", account(signing_keys=(KEY,)), account(signing_keys=(SCOPE,))),
        (
            "role",
            account(signing_keys=(SCOPE,)),
            account(signing_keys=(_with(SCOPE, role="ops", description=""),)),
        ),
        *both("template", scope(pub=allow("a"), bearer_token=True), scope(pub=allow("a", "b"), subs=10)),
        *both("limit by default", scope(), account(signing_keys=(Scope(key=KEY, role="svc"),))),
    ],
    "revocations": [
        *both("user", account(), account(revocations={USER: T})),
        *both("user without a name", account(), account(revocations={GUEST: T})),
        *both("everyone", account(), account(revocations={"*": T})),
        *both("later", account(revocations={USER: T}), account(revocations={USER: T + DAY})),
    ],
    "mappings": [
        *both("added", account(), account(mappings={"a.b": (WeightedMapping(subject="c"),)})),
        *both(
            "weights",
            account(mappings={"a.b": (WeightedMapping(subject="c", weight=100),)}),
            account(
                mappings={
                    "a.b": (
                        WeightedMapping(subject="c", weight=80),
                        WeightedMapping(subject="d", weight=20, cluster="east"),
                    )
                }
            ),
        ),
        *both(
            "a source that is its own target",
            account(mappings={"a.b": (WeightedMapping(subject="c", weight=50),)}),
            account(
                mappings={
                    "a.b": (
                        WeightedMapping(subject="c", weight=50),
                        WeightedMapping(subject="a.b", weight=20),
                    )
                }
            ),
        ),
        *both(
            "in one cluster",
            account(),
            account(mappings={"a.b": (WeightedMapping(subject="c", weight=50, cluster="east"),)}),
        ),
    ],
    "account": [
        *both(
            "default permissions",
            account(),
            account(default_permissions=Permissions(pub=allow("a.>"), sub=allow(deny=("b",)))),
        ),
        *both(
            "callout",
            account(),
            account(authorization=ExternalAuthorization(auth_users=(USER,), xkey="X" * 56)),
        ),
        *both(
            "callout accounts",
            account(authorization=ExternalAuthorization(auth_users=(USER,), allowed_accounts=(OTHER,))),
            account(authorization=ExternalAuthorization(auth_users=(USER, GUEST), allowed_accounts=("*",))),
        ),
        *both("trace", account(), account(trace=MessageTrace(dest="traces", sampling=5))),
        *both(
            "trace of all",
            account(trace=MessageTrace(dest="t", sampling=100)),
            account(trace=MessageTrace(dest="t")),
        ),
        *both(
            "words",
            account(),
            account(description="d", info_url="https://x", cluster_traffic="owner", tags=("x",)),
        ),
    ],
    "user": [
        *both("bearer token", user(), user(bearer_token=True)),
        *both("allowed", user(pub=allow("a")), user(pub=allow("a", "b"))),
        *both("allowed within", user(sub=allow("a.>")), user(sub=allow("a.>", "a.b"))),
        *both("queue", user(sub=allow("a")), user(sub=allow("a", "a workers"))),
        *both("allowed at all", user(), user(pub=allow("a"), sub=allow("b"))),
        *both("denied", user(), user(pub=allow(deny=("a",)), sub=allow(deny=("b workers",)))),
        ("denied otherwise", user(pub=allow(deny=("a.b",))), user(pub=allow(deny=("a.>",)))),
        *both(
            "answers",
            user(pub=allow("a")),
            user(pub=allow("a"), resp=ResponsePermission(max=1, ttl=SECOND // 2)),
        ),
        *both("answers alone", user(), user(resp=ResponsePermission(max=1, ttl=2 * SECOND))),
        *both(
            "more answers",
            user(resp=ResponsePermission(max=1, ttl=2 * SECOND)),
            user(resp=ResponsePermission(max=-1, ttl=90 * SECOND)),
        ),
        *both(
            "answers by default",
            user(resp=ResponsePermission(max=1, ttl=SECOND)),
            user(resp=ResponsePermission()),
        ),
        *both("addresses", user(), user(src=("10.0.0.0/8",))),
        *both("more addresses", user(src=("10.0.0.0/8",)), user(src=("10.0.0.0/8", "192.168.0.0/16"))),
        *both(
            "times",
            user(),
            user(times=(TimeRange(start="08:00:00", end="17:00:00"),), times_location="Europe/Berlin"),
        ),
        *both("connections", user(), user(allowed_connection_types=("STANDARD", "MQTT"))),
        *both("proxy", user(), user(proxy_required=True)),
        *both("limits", user(), user(subs=10, data=1 << 30, payload=512)),
        ("account", user(issuer_account=ACCOUNT), user(issuer_account=OTHER)),
        *both("tags", user(tags=("a", "b")), user(tags=("b", "a"))),
    ],
    "activation": [
        *both(
            "subject",
            Claims(sub=OTHER, body=Activation(subject="a.b", import_type="stream")),
            Claims(sub=OTHER, body=Activation(subject="a.>", import_type="stream")),
        ),
        *both(
            "kind and account",
            Claims(sub=OTHER, body=Activation(subject="a", import_type="stream", tags=("x",))),
            Claims(sub=OTHER, body=Activation(subject="a", import_type="service", issuer_account=ACCOUNT)),
        ),
    ],
    "authorization": [
        (
            "request, secrets hidden",
            Claims(sub=USER, body=AuthorizationRequest(user_nkey=USER)),
            Claims(
                sub=USER,
                body=AuthorizationRequest(
                    user_nkey=GUEST,
                    client_info=ClientInfo(host="10.0.0.1", id=7),
                    connect_opts=ConnectOptions(user="joe", password="secret", auth_token="t0p"),
                    request_nonce="n",
                ),
            ),
        ),
        *both(
            "response",
            Claims(sub=USER, body=AuthorizationResponse(jwt="e" * 200)),
            Claims(sub=USER, body=AuthorizationResponse(error="no", issuer_account=ACCOUNT)),
        ),
    ],
    "generic": [
        ("new", None, Claims(sub="x", body=Generic(data={"list": [1, 2.5, {"b": None}], "t": "x"}))),
        *both(
            "changed",
            Claims(sub="x", body=Generic(data={"list": [1, {"a": 1}], "t": "x", "gone": {}})),
            Claims(sub="x", body=Generic(data={"list": [2, {"a": 1}], "t": "y", "a b": True})),
        ),
        ("without a body", Claims(sub="x", body=Generic(data={"a": 1})), Claims(sub="x", body=Generic())),
    ],
    "unsafe-text": [
        ("name", account(), _with(account(), name="ORD\u0415RS")),
        ("control characters", account(), account(description="a\x1b[2Jb\nc\u202ed\u200be")),
        ("look-alikes", user(), user(pub=allow("\u043erders.>", "orders.\uff1e", "orders\u2024a"))),
        ("many or one", user(), user(pub=allow("a, b", " a", "a -> b", "", 'a"b', "a (queue b)"))),
        ("long", account(), account(description="x" * 200)),
        ("a role", account(), account(signing_keys=(_with(SCOPE, role="svc; pub allow: nothing"),))),
        ("a name of a key in the diff", account(), account(revocations={"U\n": T})),
        (
            "a mapping",
            account(),
            account(mappings={"a to b 100%, c": (WeightedMapping(subject="d, e 20%"),)}),
        ),
    ],
}


def shown(cases: list[Case]) -> str:
    parts = []
    for title, old, new in cases:
        lines = [f"{one.effect:<8} {one.line}" for one in diff(old, new, names=NAMES)]
        parts.append("\n".join([f"# {title}", *(lines or ["(nothing)"]), ""]))
    return "\n".join(parts)


@pytest.mark.parametrize("name", list(CASES))
def test_a_kind_of_change_is_shown_as_in_its_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    found = shown(CASES[name])
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(found)
    assert found == path.read_text()


def test_every_golden_file_is_of_a_kind_of_change() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("name", list(CASES))
def test_what_widens_access_comes_first_and_what_narrows_it_last(name: str) -> None:
    for _, old, new in CASES[name]:
        if old is not None:
            effects = [one.effect for one in diff(old, new)]
            assert effects == sorted(effects, key=list(Effect).index)


def test_taking_a_change_back_has_the_opposite_effect() -> None:
    widened = diff(limited(conn=100), limited())[0]
    narrowed = diff(limited(), limited(conn=100))[0]
    assert (widened.effect, narrowed.effect) == (Effect.WIDENS, Effect.NARROWS)


def test_more_tokens_and_a_deny_of_all_beside_one_of_a_queue_change_access() -> None:
    def user(*allow: str, deny: tuple[str, ...] = ()) -> Claims[Any]:
        body = _with(User.new(), pub=Permission(allow=allow), sub=Permission(deny=deny))
        return Claims(sub=USER, body=body)

    def effects(old: Claims[Any], new: Claims[Any]) -> list[Effect]:
        return [one.effect for one in diff(old, new)]

    assert effects(user("a.*"), user("a.*", "a.b")) == [Effect.CHANGES]
    assert effects(user("a.*"), user("a.*", "a.>")) == [Effect.WIDENS]
    both = user("a", deny=("a.>", "a.> q"))
    assert effects(both, user("a", deny=("a.> q",))) == [Effect.WIDENS]


def test_a_difference_is_json_with_paths_and_values() -> None:
    (found,) = diff(limited(conn=100), limited())
    assert json.loads(json.dumps(found.data())) == {
        "effect": "widens",
        "label": "conn",
        "text": "100 -> unlimited",
        "paths": ["nats.limits.conn"],
        "old": 100,
        "new": -1,
    }


def test_secrets_are_hidden_in_json_too() -> None:
    request = AuthorizationRequest(connect_opts=ConnectOptions(password="secret", auth_token="t0p"))
    found = diff(Claims(sub=USER, body=AuthorizationRequest()), Claims(sub=USER, body=request))
    assert "secret" not in json.dumps([one.data() for one in found])
    assert "t0p" not in json.dumps([one.data() for one in found])


def test_unknown_members_that_come_go_or_change_are_shown() -> None:
    old = (Unknown("nats.a", "1"), Unknown("nats.b", '"x\n"'))
    new = (Unknown("nats.a", "2"),)
    assert [one.line for one in unknown_members(old, new)] == [
        "unknown member nats.a: 1 -> 2",
        r'unknown member nats.b: "\"x\n\"" -> none',
    ]
    assert unknown_members(old, old) == ()


def test_limits_of_something_new_stand_together() -> None:
    body = Account(limits=Limits(conn=5, subs=-1))
    lines = [one.line for one in diff(None, Claims(sub=ACCOUNT, body=body))]
    assert "limits: conn 5" in lines
    assert "unlimited: subs" in lines
    assert "none: leaf, data, payload, imports, exports" in lines
