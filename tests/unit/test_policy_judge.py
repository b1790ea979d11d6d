"""Each key of a policy: a plan that it refuses, beside one that it lets pass."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from seedless.change import Change, Context
from seedless.claims import (
    Account,
    Activation,
    Export,
    ExternalAuthorization,
    Generic,
    Import,
    JetStreamLimits,
    Operator,
    Permission,
    Permissions,
    ResponsePermission,
    Scope,
    Template,
    User,
    WeightedMapping,
)
from seedless.errors import Refused
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.policy import CODES, Policy, judge, read, refuse_token, rules
from seedless.seeds import SoftwareKey

Given = Any  # a body, or members of one
NOW = 1_000_000_000
DAY = 86400
KEYS = {
    name: SoftwareKey(role, bytes([number]) * 32)
    for number, (name, role) in enumerate(
        {
            "operator": Role.OPERATOR,
            "operator signing": Role.OPERATOR,
            "stranger": Role.OPERATOR,
            "account": Role.ACCOUNT,
            "account signing": Role.ACCOUNT,
            "scope": Role.ACCOUNT,
            "other": Role.ACCOUNT,
            "user": Role.USER,
            "guest": Role.USER,
        }.items(),
        start=1,
    )
}
PUBLIC = {name: str(key.public_key) for name, key in KEYS.items()}
FIRST = f'operator = "{PUBLIC["operator"]}"\n'
NARROW = {"pub": Permission(allow=("orders.>",)), "sub": Permission(allow=("_INBOX.>",))}


def policy(text: str = "") -> Policy:
    return read((FIRST + text).encode())


def change(
    subject: str, body: Given, issuer: str, *, replaces: Jwt[Any] | None = None, **members: Given
) -> Change:
    members = {"name": subject.upper()} | members
    claims: Claims[Any] = Claims(sub=PUBLIC.get(subject, subject), body=body, **members)
    return Change(draft(claims, KEYS[issuer].public_key, NOW), replaces)


def signed(subject: str, body: Given, issuer: str) -> Jwt[Any]:
    made = change(subject, body, issuer).draft
    return made.complete(KEYS[issuer].sign(made.signing_input))


def operator_body(**members: Given) -> Operator:
    return Operator(signing_keys=(PUBLIC["operator signing"],), **members)


def account_body(**members: Given) -> Account:
    scope = Scope(key=PUBLIC["scope"], role="svc", template=msgspec.structs.replace(Template.new(), **NARROW))
    keys = {"signing_keys": (PUBLIC["account signing"], scope)}
    return msgspec.structs.replace(Account.new(), **keys | members)


def user_body(**members: Given) -> User:
    return msgspec.structs.replace(User.new(), **NARROW | members)


OPERATOR_JWT = signed("operator", operator_body(), "operator")
ACCOUNT_JWT = signed("account", account_body(), "operator signing")


def context(*jwts: Jwt[Any], operator: Claims[Any] | None = None) -> Context:
    standing = {jwt.claims.sub: jwt for jwt in (OPERATOR_JWT, ACCOUNT_JWT, *jwts)}
    return Context(
        now=NOW,
        operator=operator or standing[PUBLIC["operator"]].claims,
        claims={sub: jwt.claims for sub, jwt in standing.items()},
        jwts=standing,
    )


def found(policy: Policy, *changes: Change, around: Context | None = None) -> list[tuple[str, str]]:
    return [(f.code, f.where) for f in judge(policy, changes, around or context())]


A_USER = change("user", user_body(), "account", name="svc-1", exp=NOW + DAY)
AN_ACCOUNT = change("account", account_body(), "operator signing")
AN_OPERATOR = change("operator", operator_body(), "operator")


def user(issuer: str = "account", **members: Given) -> Change:
    if issuer != "account":
        members = {"issuer_account": PUBLIC["account"]} | members
    return change("user", user_body(**members), issuer)


def account(**members: Given) -> Change:
    return change("account", account_body(**members), "operator signing")


def scoped(pub: Permission, *, resp: ResponsePermission | None = None, tags: tuple[str, ...] = ()) -> Change:
    template = msgspec.structs.replace(Template.new(), **NARROW | {"pub": pub, "resp": resp})
    scope = Scope(key=PUBLIC["scope"], role="r", template=template)
    return account(signing_keys=(scope,), tags=tags)


class TestTheOperatorIsPinned:
    def test_a_plan_that_chains_to_it_is_clean(self) -> None:
        for one in (AN_OPERATOR, AN_ACCOUNT, A_USER, user("account signing")):
            assert found(policy(), one) == []

    def test_another_operator_is_refused(self) -> None:
        stranger = change("stranger", Operator(), "stranger")
        assert found(policy(), stranger, around=Context(now=NOW)) == [("P001", "iss")]

    def test_a_user_under_another_operator_is_refused(self) -> None:
        other = signed("stranger", Operator(), "stranger")
        theirs = signed("account", account_body(), "stranger")
        around = Context(
            NOW, other.claims, {PUBLIC["account"]: theirs.claims}, jwts={PUBLIC["account"]: theirs}
        )
        assert found(policy(), A_USER, around=around) == [("P001", ""), ("P001", "iss")]

    def test_an_operator_jwt_that_a_stranger_issued_is_not_trusted(self) -> None:
        forged = signed("operator", Operator(signing_keys=(PUBLIC["stranger"],)), "stranger")
        theirs = change("account", account_body(), "stranger")
        assert found(policy(), theirs, around=context(forged)) == [("P001", ""), ("P001", "iss")]

    def test_an_account_by_a_key_that_is_not_the_operators_is_refused(self) -> None:
        assert found(policy(), change("account", account_body(), "stranger")) == [("P001", "iss")]
        assert found(policy(), change("account", account_body(), "account")) == [("P001", "iss")]

    def test_a_user_of_an_account_that_does_not_chain_is_refused(self) -> None:
        theirs = signed("account", account_body(), "stranger")
        assert found(policy(), A_USER, around=context(theirs)) == [("P001", "iss")]

    def test_a_user_by_a_key_that_is_not_the_accounts_is_refused(self) -> None:
        assert found(policy(), user("other")) == [("P001", "iss")]

    def test_a_predecessor_that_does_not_chain_is_refused(self) -> None:
        theirs = signed("account", account_body(), "stranger")
        one = change("account", account_body(), "operator signing", replaces=theirs)
        assert found(policy(), one) == [("P001", "")]

    def test_a_predecessor_by_a_signing_key_that_this_plan_removes_still_chains(self) -> None:
        less = change("operator", Operator(), "operator", replaces=OPERATOR_JWT)
        one = change("account", account_body(), "operator", replaces=ACCOUNT_JWT)
        assert found(policy(), less, one) == []

    def test_an_operator_and_its_accounts_are_made_in_one_plan(self) -> None:
        around = Context(NOW, AN_OPERATOR.draft.claims)
        assert found(policy(), AN_OPERATOR, AN_ACCOUNT, A_USER, around=around) == []

    def test_generic_claims_by_a_stranger_are_refused(self) -> None:
        body = Generic(data={"a": 1})
        assert found(policy(), change("x", body, "stranger")) == [("P001", "iss")]
        assert found(policy(), change("x", body, "other")) == [("P001", "iss")]
        assert found(policy(), change("x", body, "operator signing")) == []
        assert found(policy(), change("x", body, "account signing")) == []
        assert found(policy(), change("x", body, "user")) == []

    def test_a_finding_names_whose_claims_they_are(self) -> None:
        (one,) = judge(policy(), [change("account", account_body(), "stranger")], context())
        assert one.about == "account ACCOUNT"
        assert one.text == f"is issued by {PUBLIC['stranger']}, no key of the pinned operator"


SIGN = """
[sign]
operator = ["operator"]
operator-signing-key = ["account"]
account-signing-key = ["user"]
"""
CASES: list[Any] = [
    pytest.param(SIGN, AN_OPERATOR, [], id="sign: the identity signs the operator"),
    pytest.param(SIGN, AN_ACCOUNT, [], id="sign: a signing key signs accounts"),
    pytest.param(SIGN, user("account signing"), [], id="sign: an account's signing key signs users"),
    pytest.param(SIGN, user("account"), [("P002", "iss")], id="sign: an account's identity signs no users"),
    pytest.param(
        SIGN,
        change("account", account_body(), "operator"),
        [("P002", "iss")],
        id="sign: nor the operator's accounts",
    ),
    pytest.param("[sign]", AN_ACCOUNT, [("P002", "iss")], id="sign: nothing at all"),
    pytest.param('[validity.user]\nlongest = "1d"', A_USER, [], id="longest: just as long"),
    pytest.param(
        '[validity.user]\nlongest = "86399s"', A_USER, [("P003", "exp")], id="longest: a second longer"
    ),
    pytest.param('[validity.user]\nlongest = "1d"', user(), [("P003", "exp")], id="longest: for ever"),
    pytest.param('[validity.user]\nlongest = "1d"', AN_ACCOUNT, [], id="longest: of another kind"),
    pytest.param('[validity.user]\nshortest = "1d"', A_USER, [], id="shortest: just as long"),
    pytest.param(
        '[validity.user]\nshortest = "86401s"', A_USER, [("P004", "exp")], id="shortest: a second shorter"
    ),
    pytest.param('[validity.user]\nshortest = "1d"', user(), [], id="shortest: for ever"),
    pytest.param('[names]\nuser = ["x", "svc-*"]', A_USER, [], id="names: like one of them"),
    pytest.param('[names]\nuser = ["SVC-*"]', A_USER, [("P005", "name")], id="names: case counts"),
    pytest.param('[names]\nuser = ["svc"]', A_USER, [("P005", "name")], id="names: the whole name"),
    pytest.param('[names]\naccount = ["x"]', A_USER, [], id="names: of another kind"),
    pytest.param('[tags]\nuser = ["a:*", "b"]', user(tags=("a:1", "b")), [], id="tags: all are there"),
    pytest.param(
        '[tags]\nuser = ["a:*", "b"]', user(tags=("a:1",)), [("P006", "nats.tags")], id="tags: one is not"
    ),
]
WIDE = '[subjects]\ntoo-wide = [">", "$SYS.>"]'
P007 = "P007"
CASES += [
    pytest.param(WIDE, A_USER, [], id="too-wide: named subjects"),
    pytest.param(
        WIDE, user(pub=Permission(allow=("a", ">"))), [(P007, "nats.pub.allow[1]")], id="too-wide: everything"
    ),
    pytest.param(
        WIDE,
        user(sub=Permission(allow=("$SYS.> queue",))),
        [(P007, "nats.sub.allow[0]")],
        id="too-wide: a queue",
    ),
    pytest.param(WIDE, user(sub=Permission(allow=("$SYS.A.>",))), [], id="too-wide: a part of it"),
    pytest.param(
        WIDE, user(sub=Permission(allow=("*.>",))), [(P007, "nats.sub.allow[0]")], id="too-wide: wider"
    ),
    pytest.param(
        WIDE, user(pub=Permission()), [(P007, "nats.pub.allow")], id="too-wide: nothing is everything"
    ),
    pytest.param(
        WIDE, user(pub=Permission(), resp=ResponsePermission(max=1, ttl=1)), [], id="too-wide: answers alone"
    ),
    pytest.param(
        WIDE,
        account(exports=(Export(subject="$SYS.>", type="stream"),)),
        [(P007, "nats.exports[0].subject")],
        id="too-wide: exported",
    ),
    pytest.param(
        WIDE,
        account(default_permissions=Permissions(pub=Permission(allow=("a",)))),
        [(P007, "nats.default_permissions.sub.allow")],
        id="too-wide: by default",
    ),
    pytest.param(
        WIDE,
        account(signing_keys=(Scope(key=PUBLIC["scope"], role="r", template=Template.new()),)),
        [
            (P007, "nats.signing_keys[0].template.pub.allow"),
            (P007, "nats.signing_keys[0].template.sub.allow"),
        ],
        id="too-wide: in a scope",
    ),
    pytest.param(
        WIDE, change("user", User.scoped(PUBLIC["account"]), "scope"), [], id="too-wide: a user of a scope"
    ),
    pytest.param(
        WIDE,
        change("user", User.new(), "account"),
        [(P007, "nats.pub.allow"), (P007, "nats.sub.allow")],
        id="too-wide: no permissions, no defaults",
    ),
    pytest.param(
        WIDE,
        change("other", Activation(subject="$SYS.>", import_type="stream"), "account"),
        [(P007, "nats.subject")],
        id="too-wide: activated",
    ),
]
RESERVED = '[subjects]\nreserved = ["$SYS.>"]'
P008 = "P008"
CASES += [
    pytest.param(RESERVED, A_USER, [], id="reserved: another subject"),
    pytest.param(
        RESERVED,
        user(pub=Permission(allow=("$SYS.REQ.A",))),
        [(P008, "nats.pub.allow[0]")],
        id="reserved: a part",
    ),
    pytest.param(
        RESERVED,
        user(pub=Permission(allow=("*.REQ.>",))),
        [(P008, "nats.pub.allow[0]")],
        id="reserved: overlaps",
    ),
    pytest.param(RESERVED, user(pub=Permission(allow=("*",))), [], id="reserved: one token is none of it"),
    pytest.param(RESERVED, user(pub=Permission(allow=(">",), deny=("$SYS.>",))), [], id="reserved: denied"),
    pytest.param(
        RESERVED,
        user(pub=Permission(allow=(">",), deny=("$SYS.A",))),
        [(P008, "nats.pub.allow[0]")],
        id="reserved: denied in part",
    ),
    pytest.param(
        RESERVED, user(pub=Permission(allow=("{{name()}}.A",))), [], id="reserved: no scope, no template"
    ),
    pytest.param(
        RESERVED,
        user(pub=Permission(allow=(">",), deny=("$SYS.*",))),
        [(P008, "nats.pub.allow[0]")],
        id="reserved: one more token is not denied",
    ),
    pytest.param(
        RESERVED,
        user(sub=Permission(allow=("$SYS.A",), deny=("$SYS.> q",))),
        [(P008, "nats.sub.allow[0]")],
        id="reserved: denied to a queue",
    ),
    pytest.param(
        RESERVED,
        user(sub=Permission(allow=("$SYS.A",), deny=("$SYS.> q", "$SYS.>"))),
        [],
        id="reserved: denied to a queue and to all",
    ),
    pytest.param(
        '[subjects]\nreserved = ["a.b.c"]',
        user(sub=Permission(allow=("a.*",))),
        [(P008, "nats.sub.allow[0]")],
        id="reserved: servers let a.* subscribe to a.>",
    ),
    pytest.param(
        '[subjects]\nreserved = ["a.b.c"]',
        user(pub=Permission(allow=("a.*",))),
        [],
        id="reserved: and not publish",
    ),
    pytest.param(
        WIDE,
        user(sub=Permission(allow=("*",))),
        [(P007, "nats.sub.allow[0]")],
        id="too-wide: servers let * subscribe to >",
    ),
    pytest.param(
        RESERVED,
        user(sub=Permission(allow=("\t$SYS.A q",))),
        [(P008, "nats.sub.allow[0]")],
        id="reserved: a tab before it",
    ),
    pytest.param(
        RESERVED,
        user(resp=ResponsePermission(max=1, ttl=1)),
        [(P008, "nats.resp")],
        id="reserved: answers go where a request says",
    ),
    pytest.param(
        RESERVED,
        account(default_permissions=Permissions(**NARROW, resp=ResponsePermission(max=1, ttl=1))),
        [(P008, "nats.default_permissions.resp")],
        id="reserved: answers by default",
    ),
    pytest.param(
        RESERVED,
        scoped(Permission(allow=("a",)), resp=ResponsePermission(max=1, ttl=1)),
        [(P008, "nats.signing_keys[0].template.resp")],
        id="reserved: answers in a scope",
    ),
    pytest.param(
        RESERVED,
        scoped(Permission(allow=("{{name()}}.A",))),
        [(P008, "nats.signing_keys[0].template.pub.allow[0]")],
        id="reserved: filled in",
    ),
    pytest.param(
        RESERVED,
        scoped(Permission(allow=("a.{{tag(x)}}", "b.{{subject()}}.{{account-name()}}"))),
        [],
        id="reserved: filled in behind another token",
    ),
    pytest.param(
        '[subjects]\nreserved = ["a.b.c"]',
        scoped(Permission(allow=("a.{{tag(x)}}", "a.{{account-tag(x)}}.c")), tags=("x:d", "x:b")),
        [
            (P008, "nats.signing_keys[0].template.pub.allow[0]"),
            (P008, "nats.signing_keys[0].template.pub.allow[1]"),
        ],
        id="reserved: filled with several tokens",
    ),
    pytest.param(
        RESERVED,
        scoped(Permission(allow=(">",), deny=("$SYS.{{name()}}", "{{tag(x)}}"))),
        [(P008, "nats.signing_keys[0].template.pub.allow[0]")],
        id="reserved: denied to one user",
    ),
    pytest.param(
        RESERVED,
        account(mappings={"a.>": (WeightedMapping(subject="$SYS.>"),)}),
        [(P008, "nats.mappings.a.>[0].subject")],
        id="reserved: mapped to",
    ),
    pytest.param(
        RESERVED,
        account(mappings={"$SYS.A": (WeightedMapping(subject="b"), WeightedMapping(subject="$SYS.B"))}),
        [(P008, "nats.mappings.$SYS.A[0].subject")],
        id="reserved: mapped from",
    ),
    pytest.param(
        RESERVED,
        account(mappings={"a.*": (WeightedMapping(subject="{{partition(9,1)}}.$1"),)}),
        [(P008, "nats.mappings.a.*[0].subject")],
        id="reserved: mapped by a function",
    ),
    pytest.param(
        RESERVED,
        account(
            imports=(
                Import(subject="$SYS.A", account=PUBLIC["other"], type="service", local_subject="a"),
                Import(subject="$SYS.C", account=PUBLIC["other"], type="service"),
                Import(subject="$SYS.D", account=PUBLIC["other"], type="service", local_subject="$SYS.E"),
                Import(subject="a.>", account=PUBLIC["other"], type="stream", local_subject="$SYS.>"),
                Import(subject="b", account=PUBLIC["other"], type="service", to="$SYS.B"),
                Import(subject="c", account=PUBLIC["other"], type="stream", to="$SYS"),
            )
        ),
        [(P008, f"nats.imports[{index}].subject") for index in (0, 3, 4, 5)],
        id="reserved: imported",
    ),
]
NO_WILDCARDS = "[subjects]\nwildcard-exports = false"
TAME = msgspec.structs.replace(Account.new().limits, wildcards=False)
CASES += [
    pytest.param(
        NO_WILDCARDS,
        account(limits=TAME, exports=(Export(subject="a", type="stream"),)),
        [],
        id="wildcards: none",
    ),
    pytest.param(NO_WILDCARDS, account(), [("P009", "nats.limits.wildcards")], id="wildcards: allowed"),
    pytest.param(
        NO_WILDCARDS,
        account(limits=TAME, exports=(Export(subject="a.*", type="stream"),)),
        [("P009", "nats.exports[0].subject")],
        id="wildcards: exported",
    ),
]


def limited(**members: Given) -> Change:
    return account(limits=msgspec.structs.replace(Account.new().limits, **members))


CONN = "[limits.account]\nconn = 100"
CASES += [
    pytest.param(CONN, limited(conn=100), [], id="limits: just as many"),
    pytest.param(CONN, limited(conn=101), [("P010", "nats.limits.conn")], id="limits: one more"),
    pytest.param(CONN, limited(conn=-1), [("P010", "nats.limits.conn")], id="limits: unlimited"),
    pytest.param(CONN, A_USER, [], id="limits: of another kind"),
    pytest.param("[limits.account]\nconn = 0", limited(conn=0), [], id="limits: none"),
    pytest.param(
        '[limits.account]\ndisk_storage = "1GiB"', limited(disk_storage=1 << 30), [], id="limits: bytes"
    ),
    pytest.param(
        '[limits.account]\ndisk_storage = "1GiB"',
        limited(disk_storage=(1 << 30) + 1),
        [("P010", "nats.limits.disk_storage")],
        id="limits: a byte more",
    ),
    pytest.param(
        "[limits.account]\nstreams = 5\nconn = 9",
        limited(conn=9, tiered_limits={"R3": JetStreamLimits(streams=6)}),
        [("P010", "nats.limits.tiered_limits.R3.streams")],
        id="limits: of a tier",
    ),
    pytest.param(
        "[limits.account]\nmax_ack_pending = 5",
        limited(),
        [("P010", "nats.limits.max_ack_pending")],
        id="limits: 0 that means none",
    ),
    pytest.param(
        '[limits.user]\npayload = "1K"',
        user(payload=1025),
        [("P010", "nats.payload")],
        id="limits: of a user",
    ),
    pytest.param(
        "[limits.user]\nsubs = 5",
        account(),
        [("P010", "nats.signing_keys[1].template.subs")],
        id="limits: of a scope",
    ),
    pytest.param(
        "[limits.user]\nsubs = 5",
        account(signing_keys=(Scope(key=PUBLIC["scope"], role="r"),)),
        [("P010", "nats.signing_keys[0].template.subs")],
        id="limits: unlimited by default",
    ),
    pytest.param(
        "[limits.user]\nsubs = 5",
        change("user", User.scoped(PUBLIC["account"]), "scope"),
        [],
        id="limits: of a user of a scope",
    ),
]
STRICT = "strict-signing-keys = true"
CASES += [
    pytest.param(
        STRICT,
        change("operator", operator_body(strict_signing_key_usage=True), "operator"),
        [],
        id="strict: it is",
    ),
    pytest.param(STRICT, AN_OPERATOR, [("P011", "nats.strict_signing_key_usage")], id="strict: it is not"),
    pytest.param(STRICT, AN_ACCOUNT, [("P011", "")], id="strict: the operator above is not"),
]
ACCOUNTS = f'[named]\naccounts = ["{PUBLIC["other"]}"]'
SIGNERS = f'[named]\nsigning-keys = ["{PUBLIC["account signing"]}"]'
USERS = f'[named]\nusers = ["{PUBLIC["guest"]}"]'


def imported(name: str) -> Change:
    return account(imports=(Import(subject="a", type="stream", account=PUBLIC[name]),))


def callout(users: tuple[str, ...] = (), accounts: tuple[str, ...] = ()) -> Change:
    return account(authorization=ExternalAuthorization(auth_users=users, allowed_accounts=accounts))


CASES += [
    pytest.param(ACCOUNTS, imported("other"), [], id="named: an account that is listed"),
    pytest.param(
        ACCOUNTS,
        imported("account"),
        [("P013", "nats.imports[0].account")],
        id="named: an account that is not",
    ),
    pytest.param(
        ACCOUNTS,
        change("operator", operator_body(system_account=PUBLIC["account"]), "operator"),
        [("P013", "nats.system_account")],
        id="named: the system account",
    ),
    pytest.param(
        ACCOUNTS,
        callout((PUBLIC["guest"],), ("*",)),
        [("P013", "nats.authorization.allowed_accounts[0]")],
        id="named: any account",
    ),
    pytest.param(
        '[named]\naccounts = ["*"]', callout((PUBLIC["guest"],), ("*",)), [], id="named: any account, listed"
    ),
    pytest.param(
        ACCOUNTS,
        change("account", Activation(subject="a", import_type="stream"), "account"),
        [("P013", "sub")],
        id="named: who gets an activation",
    ),
    pytest.param(
        SIGNERS, AN_ACCOUNT, [("P013", "nats.signing_keys[1]")], id="named: a scope that is not listed"
    ),
    pytest.param(
        SIGNERS, AN_OPERATOR, [("P013", "nats.signing_keys[0]")], id="named: a signing key of the operator"
    ),
    pytest.param(USERS, callout((PUBLIC["guest"],)), [], id="named: a callout user that is listed"),
    pytest.param(
        USERS,
        callout((PUBLIC["user"],)),
        [("P013", "nats.authorization.auth_users[0]")],
        id="named: a callout user that is not",
    ),
]


@pytest.mark.parametrize(("text", "one", "expected"), CASES)
def test_a_key_of_the_policy(text: str, one: Change, expected: list[tuple[str, str]]) -> None:
    assert found(policy(text), one) == expected
    assert found(policy(), one) == []  # the key alone decides


def test_a_user_without_permissions_has_the_defaults_of_its_account() -> None:
    defaults = Permissions(pub=Permission(allow=("a",)), sub=Permission(allow=("b",)))
    held = signed("account", account_body(default_permissions=defaults), "operator signing")
    one = change("user", User.new(), "account")
    assert found(policy(WIDE), one, around=context(held)) == []


def test_only_tokens_with_a_listed_serial_sign() -> None:
    pinned = policy('tokens = ["1234"]')
    refuse_token(pinned, "1234", 'token "ACME" (serial 1234)')
    refuse_token(policy(), "9", "any token")
    refuse_token(policy(), "", "any token")
    with pytest.raises(Refused, match="P012 any token reports no serial"):
        refuse_token(pinned, "", "any token")
    with pytest.raises(Refused, match='P012 token "ACME"'):
        refuse_token(pinned, "12345", 'token "ACME" (serial 12345)')


def test_every_code_has_a_case_and_every_finding_is_an_error() -> None:
    codes = {code for case in CASES for code, _ in case.values[2]}
    of_keys = {"P012", "P014", "P015", "P016", "P017"}  # and of tokens, not of changes alone
    assert codes | {"P001"} | of_keys == set(CODES)
    findings = [
        finding for case in CASES for finding in judge(policy(case.values[0]), [case.values[1]], context())
    ]
    assert {finding.severity for finding in findings} == {"error"}


def test_a_rule_is_compiled_only_for_members_of_the_policy() -> None:
    assert (
        len(rules(policy())) == 2
    )  # the operator, and delegations, which are forbidden unless it names them
    assert len(rules(policy(WIDE))) == 3


class TestUsersOfAScope:
    """A scope is judged for whoever it may issue, a user as the scope is filled for it."""

    @staticmethod
    def found(name: str, tags: tuple[str, ...] = (), reserved: str = "own.other.>") -> list[tuple[str, str]]:
        pub = Permission(allow=("own.{{name()}}.>", "t.{{tag(x)}}"))
        made = scoped(pub).draft
        standing = made.complete(KEYS["operator signing"].sign(made.signing_input))
        body = msgspec.structs.replace(User.scoped(PUBLIC["account"]), tags=tags)
        one = change("user", body, "scope", name=name)
        return found(policy(f'[subjects]\nreserved = ["{reserved}"]'), one, around=context(standing))

    def test_a_user_reaches_its_own_subjects_alone(self) -> None:
        assert self.found("app") == []
        assert self.found("other") == [(P008, "nats.pub.allow[0]")]

    def test_a_wildcard_for_a_name_reaches_those_of_others(self) -> None:
        assert self.found("*") == [(P008, "nats.pub.allow[0]")]

    def test_a_tag_of_several_tokens_reaches_further(self) -> None:
        assert self.found("app", ("x:a",), "t.a.b") == []
        assert self.found("app", ("x:a.b",), "t.a.b") == [(P008, "nats.pub.allow[1]")]
        assert self.found("app", ("x:a", "x:>"), "t.a.b") == [(P008, "nats.pub.allow[2]")]

    def test_what_is_written_is_reported_beside_what_servers_take_it_for(self) -> None:
        around, one = context(), user(sub=Permission(allow=("a.*", "a.b", "a.> q")))
        texts = [f.text for f in judge(policy('[subjects]\nreserved = ["a.b"]'), [one], around)]
        assert texts == [
            "gives access to a.> (by a.*), which reaches a.b",
            "gives access to a.b, which reaches a.b",
            "gives access to a.> (by a.> q), which reaches a.b",
        ]
