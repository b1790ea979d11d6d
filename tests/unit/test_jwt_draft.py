from __future__ import annotations

import base64
import datetime as dt
import decimal
import uuid
from typing import Any

import msgspec
import pytest

from seedless.claims import (
    Account,
    Activation,
    AuthorizationRequest,
    AuthorizationResponse,
    ClientInfo,
    Export,
    ExternalAuthorization,
    Generic,
    Import,
    JetStreamLimits,
    Limits,
    MessageTrace,
    Operator,
    Permission,
    ResponsePermission,
    Scope,
    ServiceLatency,
    Template,
    TimeRange,
    User,
    WeightedMapping,
)
from seedless.claims.codec import Decoded, decode_canonical
from seedless.errors import BadClaims, BadSignature, SeedlessError, UsageError
from seedless.jwt import Claims, Draft, draft, read
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

AT = 1_700_000_000
Keys = dict[Role, SoftwareKey]


def drafted(keys: Keys, body: Any, *, sub: Role, iss: Role, **members: Any) -> Draft[Any]:  # noqa: ANN401 - any
    claims: Claims[Any] = Claims(sub=str(keys[sub].public_key), body=body, **members)
    return draft(claims, keys[iss].public_key, AT)


def nats(made: Draft[Any]) -> str:
    """Return the text of the `nats` member of a draft."""
    return made.payload.decode().partition('"nats":')[2][:-1]


def account(keys: Keys, body: Account) -> str:
    return nats(drafted(keys, body, sub=Role.ACCOUNT, iss=Role.OPERATOR))


EMPTY_ACCOUNT = (
    '{"limits":{},"default_permissions":{"pub":{},"sub":{}},"authorization":{},"type":"account","version":2}'
)


@pytest.mark.parametrize(
    ("body", "sub", "iss", "text"),
    [
        pytest.param(
            Operator(), Role.OPERATOR, Role.OPERATOR, '{"type":"operator","version":2}', id="operator"
        ),
        pytest.param(Account(), Role.ACCOUNT, Role.OPERATOR, EMPTY_ACCOUNT, id="account"),
        pytest.param(
            User(), Role.USER, Role.ACCOUNT, '{"pub":{},"sub":{},"type":"user","version":2}', id="user"
        ),
        pytest.param(
            Activation(), Role.ACCOUNT, Role.ACCOUNT, '{"type":"activation","version":2}', id="activation"
        ),
        pytest.param(
            AuthorizationRequest(),
            Role.USER,
            Role.SERVER,
            '{"server_id":{"name":"","host":"","id":""},"user_nkey":"","client_info":{},'
            '"connect_opts":{"protocol":0},"type":"authorization_request","version":2}',
            id="authorization request",
        ),
        pytest.param(
            AuthorizationResponse(),
            Role.USER,
            Role.ACCOUNT,
            '{"type":"authorization_response","version":2}',
            id="authorization response",
        ),
        pytest.param(Generic(data={}), Role.USER, Role.CLUSTER, '{"version":2}', id="generic"),
        pytest.param(Generic(), Role.USER, Role.USER, "", id="generic without a body"),
        pytest.param(
            Account.new(),
            Role.ACCOUNT,
            Role.OPERATOR,
            EMPTY_ACCOUNT.replace(
                '"limits":{}',
                '"limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,'
                '"conn":-1,"leaf":-1}',
            ),
            id="new account",
        ),
        pytest.param(
            User.new(),
            Role.USER,
            Role.ACCOUNT,
            '{"pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2}',
            id="new user",
        ),
        pytest.param(
            User.scoped("A"),
            Role.USER,
            Role.ACCOUNT,
            '{"pub":{},"sub":{},"issuer_account":"A","type":"user","version":2}',
            id="scoped user",
        ),
        pytest.param(
            Operator.new(), Role.OPERATOR, Role.OPERATOR, '{"type":"operator","version":2}', id="new operator"
        ),
        pytest.param(Generic.new(), Role.USER, Role.SERVER, '{"version":2}', id="new generic"),
        pytest.param(
            Activation.new(),
            Role.ACCOUNT,
            Role.OPERATOR,
            '{"type":"activation","version":2}',
            id="new activation",
        ),
        pytest.param(
            AuthorizationResponse.new(),
            Role.USER,
            Role.ACCOUNT,
            '{"type":"authorization_response","version":2}',
            id="new authorization response",
        ),
    ],
)
def test_each_kind_is_written_with_what_is_always_written(
    keys: Keys, body: object, sub: Role, iss: Role, text: str
) -> None:
    made = drafted(keys, body, sub=sub, iss=iss)
    assert nats(made) == text
    assert made.claims.body in (body, Generic(data={"version": 2.0}))


def test_registered_claims_come_first_in_their_order_and_zeros_are_left_out(keys: Keys) -> None:
    made = drafted(
        keys, Operator(), sub=Role.OPERATOR, iss=Role.OPERATOR, name="N<&>", aud="A", exp=5, nbf=-1
    )
    key = str(keys[Role.OPERATOR].public_key)
    assert made.payload.decode() == (
        f'{{"aud":"A","exp":5,"jti":"{made.id}","iat":1700000000,"iss":"{key}","name":"N\\u003c\\u0026\\u003e",'
        f'"nbf":-1,"sub":"{key}","nats":{{"type":"operator","version":2}}}}'
    )


def test_the_id_covers_the_registered_claims_and_not_the_body(keys: Keys) -> None:
    plain = drafted(keys, User(), sub=Role.USER, iss=Role.ACCOUNT)
    other = drafted(keys, User(subs=5), sub=Role.USER, iss=Role.ACCOUNT)
    named = drafted(keys, User(), sub=Role.USER, iss=Role.ACCOUNT, name="x")
    assert plain.id == other.id != named.id
    assert plain.id == "F4IQURVWEV4RUX7R2QLJHXTT2FSZ3RUCF4FKZWZCMJAPMIY2MP6A"


def test_a_full_account_is_written_in_the_order_of_the_official_library(keys: Keys) -> None:
    body = Account(
        imports=(
            Import(
                name="i", subject="s", account="A", token="t", to="o", local_subject="l", type="stream",
                share=True, allow_trace=True,
            ),
        ),
        exports=(
            Export(
                name="e", subject="s.>", type="service", token_req=True, revocations={"b": 2, "a": 1},
                response_type="Singleton", response_threshold=5, service_latency=ServiceLatency(),
                account_token_position=2**64 - 1, advertise=True, allow_trace=True, description="d",
                info_url="u",
            ),
        ),
        limits=Limits(conn=3, tiered_limits={"R3": JetStreamLimits(streams=1), "R1": JetStreamLimits()}),
        signing_keys=(
            Scope(key="B", role="r", template=Template(subs=0, data=-1, resp=ResponsePermission())),
            "A",
        ),
        revocations={"*": 7},
        mappings={"m": (WeightedMapping(), WeightedMapping(subject="x", weight=9, cluster="c")), "e": ()},
        authorization=ExternalAuthorization(auth_users=("U",), allowed_accounts=("*",), xkey="X"),
        trace=MessageTrace(),
        cluster_traffic="owner",
        description="d",
        info_url="u",
        tags=("t", "t", ""),
    )  # fmt: skip
    assert account(keys, body) == (
        '{"imports":[{"name":"i","subject":"s","account":"A","token":"t","to":"o","local_subject":"l",'
        '"type":"stream","share":true,"allow_trace":true}],"exports":[{"name":"e","subject":"s.\\u003e",'
        '"type":"service","token_req":true,"revocations":{"a":1,"b":2},"response_type":"Singleton",'
        '"response_threshold":5,"service_latency":{"sampling":"headers","results":""},'
        '"account_token_position":18446744073709551615,"advertise":true,"allow_trace":true,"description":"d",'
        '"info_url":"u"}],"limits":{"conn":3,"tiered_limits":{"R1":{},"R3":{"streams":1}}},'
        '"signing_keys":["A",{"kind":"user_scope","key":"B","role":"r","template":{"pub":{},"sub":{},'
        '"resp":{"max":0,"ttl":0},"subs":0,"data":-1},"description":""}],"revocations":{"*":7},'
        '"default_permissions":{"pub":{},"sub":{}},"mappings":{"e":[],"m":[{"subject":""},{"subject":"x",'
        '"weight":9,"cluster":"c"}]},"authorization":{"auth_users":["U"],"allowed_accounts":["*"],"xkey":"X"},'
        '"trace":{},"cluster_traffic":"owner","description":"d","info_url":"u","tags":["t","t",""],'
        '"type":"account","version":2}'
    )


def test_a_full_user_is_written_in_the_order_of_the_official_library(keys: Keys) -> None:
    body = User(
        pub=Permission(allow=("a",), deny=("b",)),
        resp=ResponsePermission(max=1, ttl=2),
        src=("10.0.0.0/8",),
        times=(TimeRange(start="08:00:00", end="09:00:00"), TimeRange()),
        times_location="Europe/Berlin",
        subs=1,
        data=2,
        payload=3,
        bearer_token=True,
        proxy_required=True,
        allowed_connection_types=("STANDARD",),
        issuer_account="A",
        tags=("t",),
    )
    assert nats(drafted(keys, body, sub=Role.USER, iss=Role.ACCOUNT)) == (
        '{"pub":{"allow":["a"],"deny":["b"]},"sub":{},"resp":{"max":1,"ttl":2},"src":["10.0.0.0/8"],'
        '"times":[{"start":"08:00:00","end":"09:00:00"},{}],"times_location":"Europe/Berlin","subs":1,"data":2,'
        '"payload":3,"bearer_token":true,"proxy_required":true,"allowed_connection_types":["STANDARD"],'
        '"issuer_account":"A","tags":["t"],"type":"user","version":2}'
    )


def test_exports_and_imports_are_sorted_by_subject_and_keep_their_order_among_equals(keys: Keys) -> None:
    exports = [("é", "1"), ("b", "9"), ("B", "3"), ("😀", "4"), ("\uff21", "5"), ("b", "2")]
    body = Account(
        exports=tuple(Export(subject=subject, name=name) for subject, name in exports),
        imports=tuple(Import(subject=subject, name=name) for subject, name in exports),
    )
    made = drafted(keys, body, sub=Role.ACCOUNT, iss=Role.OPERATOR).claims.body
    assert [item.name for item in made.exports] == ["3", "9", "2", "1", "5", "4"]
    assert [item.name for item in made.imports] == ["3", "9", "2", "1", "5", "4"]


def test_of_two_entries_for_one_signing_key_the_later_is_kept_and_keys_are_sorted(keys: Keys) -> None:
    body = Account(
        signing_keys=("b", Scope(key="a", role="first"), "", Scope(key="b"), Scope(key="a", role="x"))
    )
    made = drafted(keys, body, sub=Role.ACCOUNT, iss=Role.OPERATOR).claims.body
    assert made.signing_keys == ("", Scope(key="a", role="x"), Scope(key="b"))


@pytest.mark.parametrize(
    ("given", "written"), [(0, '"headers"'), ("headers", '"headers"'), (1, "1"), (100, "100")]
)
def test_a_sampling_is_a_percentage_or_headers(keys: Keys, given: Any, written: str) -> None:  # noqa: ANN401 - a table
    body = Account(exports=(Export(subject="a", service_latency=ServiceLatency(sampling=given)),))
    assert f'{{"sampling":{written},"results":""}}' in account(keys, body)


@pytest.mark.parametrize("sampling", [-1, 101, 2**62])
def test_a_sampling_that_is_no_percentage_is_refused(keys: Keys, sampling: int) -> None:
    body = Account(exports=(Export(), Export(service_latency=ServiceLatency(sampling=sampling))))
    with pytest.raises(BadClaims, match=f"{sampling} is not a percentage") as caught:
        account(keys, body)
    assert caught.value.path == "nats.exports[1].service_latency.sampling"


ANY = ("OPERATOR", "ACCOUNT", "USER", "SERVER", "CLUSTER")


@pytest.mark.parametrize(
    ("body", "sub", "issuers"),
    [
        pytest.param(Operator(), Role.OPERATOR, ("OPERATOR",), id="operator"),
        pytest.param(Account(), Role.ACCOUNT, ("OPERATOR", "ACCOUNT"), id="account"),
        pytest.param(User(), Role.USER, ("ACCOUNT",), id="user"),
        pytest.param(Activation(), Role.ACCOUNT, ("OPERATOR", "ACCOUNT"), id="activation"),
        pytest.param(AuthorizationRequest(), Role.USER, ("SERVER",), id="authorization request"),
        pytest.param(AuthorizationResponse(), Role.USER, ("ACCOUNT",), id="authorization response"),
        pytest.param(Generic(data={}), Role.USER, ANY, id="generic"),
    ],
)
def test_only_the_right_roles_issue_claims(
    keys: Keys, body: object, sub: Role, issuers: tuple[str, ...]
) -> None:
    for role in Role:
        if role.name in issuers:
            assert drafted(keys, body, sub=sub, iss=role).issuer == keys[role].public_key
        else:
            with pytest.raises(BadClaims) as caught:
                drafted(keys, body, sub=sub, iss=role)
            assert caught.value.path == "iss"


@pytest.mark.parametrize(
    ("body", "iss", "right"),
    [
        pytest.param(Operator(), Role.OPERATOR, Role.OPERATOR, id="operator"),
        pytest.param(Account(), Role.OPERATOR, Role.ACCOUNT, id="account"),
        pytest.param(User(), Role.ACCOUNT, Role.USER, id="user"),
        pytest.param(Activation(), Role.ACCOUNT, Role.ACCOUNT, id="activation"),
    ],
)
def test_claims_are_about_a_key_of_their_role(keys: Keys, body: object, iss: Role, right: Role) -> None:
    for role in Role:
        if role is right:
            drafted(keys, body, sub=role, iss=iss)
        else:
            with pytest.raises(BadClaims, match="claims are about an") as caught:
                drafted(keys, body, sub=role, iss=iss)
            assert caught.value.path == "sub"
    with pytest.raises(BadClaims, match="sub: 'anything…' has 9 characters"):
        draft(Claims(sub="anything!", body=body), keys[iss].public_key, AT)


@pytest.mark.parametrize(
    "body", [AuthorizationRequest(), AuthorizationResponse(), Generic(data={})], ids=repr
)
def test_other_claims_are_about_anything_but_nothing(keys: Keys, body: Any) -> None:  # noqa: ANN401 - a table
    iss = keys[Role.SERVER if isinstance(body, AuthorizationRequest) else Role.ACCOUNT].public_key
    assert draft(Claims(sub="anything", body=body), iss, AT).claims.sub == "anything"
    with pytest.raises(BadClaims, match="sub: the subject is not set"):
        draft(Claims(sub="", body=body), iss, AT)


@pytest.mark.parametrize("url", ["nats://h:4222", "tls://h:1,tls://h2:2", "https://h/jwt/v1", "x:y", ""])
def test_an_account_server_url_that_go_parses_is_signed(keys: Keys, url: str) -> None:
    made = drafted(keys, Operator(account_server_url=url), sub=Role.OPERATOR, iss=Role.OPERATOR)
    assert made.claims.body.account_server_url == url


@pytest.mark.parametrize("url", ["no-scheme", "http://a b", "%zz", ":x", "nats://h:port", "nats://[::1"])
def test_an_account_server_url_that_go_refuses_is_refused(keys: Keys, url: str) -> None:
    with pytest.raises(BadClaims, match="is not a URL") as caught:
        drafted(keys, Operator(account_server_url=url), sub=Role.OPERATOR, iss=Role.OPERATOR)
    assert caught.value.path == "nats.account_server_url"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ({"type": "account"}, "generic-names-typed"),
        ({"type": "authorization_response"}, "generic-names-typed"),
        ({"type": "cluster"}, "generic-names-typed"),
        ({"TYPE": "user"}, "folded-name"),
    ],
)
def test_generic_claims_that_servers_would_take_for_others_are_refused(
    keys: Keys, data: dict[str, Any], rule: str
) -> None:
    with pytest.raises(BadClaims) as caught:
        drafted(keys, Generic(data=data), sub=Role.USER, iss=Role.ACCOUNT)
    assert caught.value.rule == rule


@pytest.mark.parametrize("kind", [None, 5, ["account"], {"account": 1}, "custom", "generic", "Account"])
def test_generic_claims_may_have_any_other_type(keys: Keys, kind: object) -> None:
    made = drafted(keys, Generic(data={"type": kind}), sub=Role.USER, iss=Role.ACCOUNT)
    assert made.claims.body == Generic(data={"type": kind, "version": 2.0})


def test_claims_of_version_1_are_never_signed(keys: Keys) -> None:
    with pytest.raises(BadClaims, match="claims of version 1 can be read and not signed"):
        drafted(keys, User(), sub=Role.USER, iss=Role.ACCOUNT, version=1)


LOOP: dict[str, Any] = {}
LOOP["loop"] = LOOP


@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param(Account(limits=Limits(conn="5")), "nats.limits.conn", id="text for a number"),
        pytest.param(Account(limits=Limits(conn=5.0)), "nats.limits.conn", id="float for a number"),
        pytest.param(Account(limits=Limits(conn=True)), "nats.limits.conn", id="true for a number"),
        pytest.param(Account(limits=Limits(conn=2**63)), "nats.limits.conn", id="beyond 64 bits"),
        pytest.param(Account(limits=Limits(conn=2**80)), "nats.limits.conn", id="far beyond 64 bits"),
        pytest.param(Account(limits=Limits(conn=decimal.Decimal(5))), "nats.limits.conn", id="a decimal"),
        pytest.param(Account(limits=Limits(wildcards=1)), "nats.limits.wildcards", id="1 for true"),
        pytest.param(Account(limits=None), "nats.limits", id="None for a part"),
        pytest.param(Account(exports=None), "nats.exports", id="None for a list"),
        pytest.param(Account(exports=(None,)), "nats.exports[0]", id="None in a list"),
        pytest.param(Account(exports=(5,)), "nats.exports[0]", id="a number in a list"),
        pytest.param(Account(exports=({"nme": "x"},)), "nats.exports[0].nme", id="a slip in a dict"),
        pytest.param(
            Account(exports=(Export(service_latency=ServiceLatency(sampling="5")),)),
            "nats.exports[0].service_latency.sampling",
            id="text for a percentage",
        ),
        pytest.param(Account(exports=(Export(type="other"),)), "nats.exports[0].type", id="an unknown type"),
        pytest.param(
            Account(exports=(Export(account_token_position=2**64),)),
            "nats.exports[0].account_token_position",
            id="beyond 64 bits without sign",
        ),
        pytest.param(Account(signing_keys=(5,)), "nats.signing_keys[0]", id="a number as a signing key"),
        pytest.param(Account(signing_keys="AB"), "nats.signing_keys", id="text for a list"),
        pytest.param(Account(revocations={5: 5}), "nats.revocations", id="a number as a name"),
        pytest.param(Account(mappings={"a": None}), "nats.mappings.a", id="None in a map"),
        pytest.param(
            Account(mappings={"a": (WeightedMapping(weight=256),)}),
            "nats.mappings.a[0].weight",
            id="weight 256",
        ),
        pytest.param(Account(tags=(b"x",)), "nats.tags[0]", id="bytes for text"),
        pytest.param(Account(description=uuid.UUID(int=0)), "nats.description", id="a UUID for text"),
        pytest.param(Account(description="\ud800"), "", id="half of a surrogate pair"),
        pytest.param(Account(description=object()), "", id="an object"),
    ],
)
def test_a_wrong_type_in_claims_is_reported_with_its_path(keys: Keys, body: Account, path: str) -> None:
    with pytest.raises(BadClaims) as caught:
        account(keys, body)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"sub": None}, "sub"),
        ({"sub": 5}, "sub"),
        ({"sub": "\ud800"}, "sub"),
        ({"name": b"x"}, "name"),
        ({"aud": ["x"]}, "aud"),
        ({"exp": "5"}, "exp"),
        ({"exp": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)}, "exp"),
        ({"exp": 2**63}, "exp"),
        ({"nbf": 1.5}, "nbf"),
    ],
)
@pytest.mark.parametrize("body", [User(), Generic(data={})], ids=["user", "generic"])
def test_a_wrong_type_in_registered_claims_is_reported_with_its_path(
    keys: Keys,
    body: Any,  # noqa: ANN401 - a table
    members: dict[str, Any],
    path: str,
) -> None:
    whole: dict[str, Any] = {"sub": str(keys[Role.USER].public_key), "body": body} | members
    with pytest.raises(BadClaims) as caught:
        draft(Claims(**whole), keys[Role.ACCOUNT].public_key, AT)
    # A generic subject can be any text: half a surrogate pair is found when it is written.
    assert caught.value.path == ("" if caught.value.rule == "not-utf8" else path)


@pytest.mark.parametrize(
    "data",
    [5, [], LOOP, {"a": object()}, {5: 1}, {"a": float("nan")}, {"\ud800": 1}, {"a": 10**400}],
    ids=["number", "list", "loop", "object", "name that is a number", "nan", "surrogate", "huge number"],
)
def test_a_generic_body_that_is_no_json_is_refused(keys: Keys, data: Any) -> None:  # noqa: ANN401 - a table
    with pytest.raises(BadClaims):
        drafted(keys, Generic(data=data), sub=Role.USER, iss=Role.ACCOUNT)


@pytest.mark.parametrize("body", [None, "user", {}, 5, User, Limits()], ids=repr)
def test_a_body_of_no_kind_is_refused(keys: Keys, body: Any) -> None:  # noqa: ANN401 - a table
    with pytest.raises(SeedlessError):
        drafted(keys, body, sub=Role.USER, iss=Role.ACCOUNT)


def test_lists_and_dicts_are_taken_for_tuples_and_parts(keys: Keys) -> None:
    loose: Any = Account(tags=["a"], exports=[{"subject": "a", "type": "stream"}], revocations={"a": 1})
    made = drafted(keys, loose, sub=Role.ACCOUNT, iss=Role.OPERATOR).claims.body
    assert made == Account(tags=("a",), exports=(Export(subject="a", type="stream"),), revocations={"a": 1})


@pytest.mark.parametrize(
    ("now", "iat"),
    [
        (AT, AT),
        (dt.datetime(2023, 11, 14, 22, 13, 20, 999_999, tzinfo=dt.UTC), AT),
        (dt.datetime(2023, 11, 15, 3, 43, 20, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))), AT),
        (dt.datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=dt.UTC), -2),
    ],
)
def test_the_time_of_a_draft_is_whole_seconds_never_ahead(
    keys: Keys, now: dt.datetime | int, iat: int
) -> None:
    claims = Claims(sub=str(keys[Role.USER].public_key), body=User())
    assert draft(claims, keys[Role.ACCOUNT].public_key, now).issued_at == iat


@pytest.mark.parametrize("now", [dt.datetime(2030, 1, 1), "2030", 1.5, None, 2**63, -(2**63) - 1], ids=repr)  # noqa: DTZ001 - it is refused
def test_a_time_without_zone_or_of_another_type_is_refused(keys: Keys, now: Any) -> None:  # noqa: ANN401 - a table
    claims = Claims(sub=str(keys[Role.USER].public_key), body=User())
    with pytest.raises((UsageError, BadClaims)):
        draft(claims, keys[Role.ACCOUNT].public_key, now)


def test_completing_a_draft_gives_the_jwt_that_reading_gives(keys: Keys) -> None:
    made = drafted(keys, User.new(), sub=Role.USER, iss=Role.ACCOUNT, name="u")
    head, payload = made.signing_input.decode().split(".")
    assert head == "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ"
    assert base64.urlsafe_b64decode(payload + "==") == made.payload

    jwt = made.complete(keys[Role.ACCOUNT].sign(made.signing_input))

    assert read(jwt.text) == jwt
    assert (jwt.issuer, jwt.issued_at, jwt.id) == (keys[Role.ACCOUNT].public_key, AT, made.id)
    assert jwt.claims == Claims(sub=str(keys[Role.USER].public_key), name="u", body=User.new())


def test_completing_a_draft_with_a_wrong_signature_gives_nothing(keys: Keys) -> None:
    made = drafted(keys, User(), sub=Role.USER, iss=Role.ACCOUNT)
    for wrong in (
        b"",
        bytes(64),
        keys[Role.ACCOUNT].sign(made.payload),
        keys[Role.OPERATOR].sign(made.signing_input),
    ):
        with pytest.raises(BadSignature):
            made.complete(wrong)


def test_the_client_id_of_a_request_takes_64_bits_without_sign(keys: Keys) -> None:
    made = drafted(
        keys, AuthorizationRequest(client_info=ClientInfo(id=2**64 - 1)), sub=Role.USER, iss=Role.SERVER
    )
    assert '"client_info":{"id":18446744073709551615}' in nats(made)
    for number in (2**64, -1):
        body = AuthorizationRequest(client_info=ClientInfo(id=number))
        with pytest.raises(BadClaims) as caught:
            drafted(keys, body, sub=Role.USER, iss=Role.SERVER)
        assert caught.value.path == "nats.client_info.id"


def test_a_draft_is_about_what_was_asked_even_when_the_parts_change_later(keys: Keys) -> None:
    data: dict[str, Any] = {"a": 1}
    revocations = {"a": 1}
    generic = drafted(keys, Generic(data=data), sub=Role.USER, iss=Role.ACCOUNT)
    plain = drafted(keys, Account(revocations=revocations), sub=Role.ACCOUNT, iss=Role.OPERATOR)
    data["a"] = 2
    revocations["a"] = 2
    assert generic.claims.body.data == {"a": 1.0, "version": 2.0}
    assert plain.claims.body.revocations == {"a": 1}


def test_public_keys_of_issuers_are_values(keys: Keys) -> None:
    issuer = PublicKey.parse(str(keys[Role.ACCOUNT].public_key))
    claims = Claims(sub=str(keys[Role.USER].public_key), body=User())
    assert draft(claims, issuer, AT) == draft(claims, keys[Role.ACCOUNT].public_key, AT)


def test_a_draft_that_does_not_read_back_as_itself_is_refused(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(data: bytes) -> Decoded:
        decoded = decode_canonical(data)
        assert decoded is not None
        return Decoded(msgspec.structs.replace(decoded.payload, name=""))

    monkeypatch.setattr("seedless.claims.canonical.decode_canonical", forgetful)
    monkeypatch.setattr("seedless.jwt._decode", forgetful)
    with pytest.raises(BadClaims, match="do not survive being written and read again"):
        drafted(keys, User(), sub=Role.USER, iss=Role.ACCOUNT, name="forgotten")
