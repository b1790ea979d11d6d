"""The rule table of an auth callout: the first match decides, and values of an identity stay one token."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from seedless.claims import Permission, Permissions
from seedless.claims.jetstream import JetStreamPermissions, allow
from seedless.errors import Refused
from seedless.serve.login import Identity, Login, LoginGrant
from seedless.serve.rules import (
    Condition,
    Rule,
    RulePermissions,
    SubjectLists,
    connection_type,
    decide,
    is_from,
)

NOW = 1_800_000_000
ADA = Identity(
    backend="staff",
    name="ada",
    tags=("dept:sales",),
    attributes={"groups": ("clerks", "night"), "tenant": "acme", "pattern": "*", "none": ()},
)
LOGIN = Login(host="10.1.2.3", kind="Client", type="nats")
CLERK = Rule(account="ORDERS", role="clerk")


def decided(*rules: Rule, identity: Identity = ADA, login: Login = LOGIN) -> LoginGrant:
    return decide(rules, identity, login, validity=3600, now=NOW)


def test_the_first_rule_that_matches_decides() -> None:
    first = Rule(when=Condition(names=("bob",)), account="OTHER", role="boss")
    assert decided(first, CLERK, Rule(account="LAST", role="boss")) == LoginGrant(
        account="ORDERS", role="clerk", name="ada", validity=3600, tags=("dept:sales",)
    )


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        pytest.param(Condition(), True, id="none"),
        pytest.param(Condition(backends=("sso", "staff")), True, id="backend"),
        pytest.param(Condition(backends=("sso",)), False, id="another backend"),
        pytest.param(Condition(names=("a?a",)), True, id="name"),
        pytest.param(Condition(names=("A*",)), False, id="case counts"),
        pytest.param(Condition(tags=("dept:*",)), True, id="tag"),
        pytest.param(Condition(tags=("dept:it",)), False, id="another tag"),
        pytest.param(Condition(attributes={"groups": ("night",)}), True, id="one of several"),
        pytest.param(Condition(attributes={"groups": ("night",), "tenant": ("x",)}), False, id="both"),
        pytest.param(Condition(attributes={"absent": ("*",)}), False, id="absent"),
        pytest.param(Condition(networks=(ip_network("10.0.0.0/8"),)), True, id="network"),
        pytest.param(Condition(networks=(ip_network("11.0.0.0/8"),)), False, id="another network"),
        pytest.param(Condition(connections=("STANDARD", "MQTT")), True, id="connection"),
        pytest.param(Condition(connections=("WEBSOCKET",)), False, id="another connection"),
        pytest.param(Condition(names=("ada",), connections=("MQTT",)), False, id="all members count"),
    ],
)
def test_a_condition_holds_where_each_of_its_members_does(condition: Condition, *, holds: bool) -> None:
    rules = (Rule(when=condition, account="A", role="r"), Rule(account="B", role="r"))
    assert decided(*rules).account == ("A" if holds else "B")


def test_where_no_rule_matches_the_login_is_refused() -> None:
    with pytest.raises(Refused, match=r"^no rule matches$"):
        decided(Rule(when=Condition(names=("bob",)), account="A", role="r"))


def test_a_rule_may_refuse_before_others_allow() -> None:
    with pytest.raises(Refused, match=r"^rule 1: refuses the login$"):
        decided(Rule(when=Condition(attributes={"groups": ("night",)}), refuse=True), CLERK)


def test_placeholders_are_filled_from_the_identity() -> None:
    rule = Rule(
        account="{{tenant}}",
        role="{{ backend }}",
        tags=("group:{{groups}}", "fixed"),
        validity=60,
        name="{{tenant}}-{{name}}",
    )
    assert decided(rule) == LoginGrant(
        account="acme",
        role="staff",
        name="acme-ada",
        validity=60,
        tags=("dept:sales", "group:clerks", "group:night", "fixed"),
    )


def test_permissions_are_filled_with_every_value_of_an_attribute() -> None:
    lists = SubjectLists(allow=("{{tenant}}.{{groups}}.>", "all"), deny=("{{tenant}}.secret",))
    grant = decided(Rule(account="ORDERS", permissions=RulePermissions(pub=lists)))
    assert grant.role is None
    assert grant.permissions == Permissions(
        pub=Permission(allow=("acme.clerks.>", "acme.night.>", "all"), deny=("acme.secret",))
    )


def test_permissions_may_be_in_the_words_of_jetstream() -> None:
    words = JetStreamPermissions(kv=("{{tenant}}:read",), publish=("ORDERS:orders.{{groups}}",))
    grant = decided(Rule(account="ORDERS", permissions=RulePermissions(jetstream=words)))
    assert grant.permissions == allow(
        Permissions(),
        JetStreamPermissions(kv=("acme:read",), publish=("ORDERS:orders.clerks", "ORDERS:orders.night")),
    )
    assert "orders.clerks" in grant.permissions.pub.allow


def test_a_value_does_not_turn_reading_a_bucket_into_writing() -> None:
    identity = Identity(backend="b", name="ada", attributes={"bucket": "orders:write"})
    rule = Rule(account="A", permissions=RulePermissions(jetstream=JetStreamPermissions(kv=("{{bucket}}",))))
    with pytest.raises(Refused, match=r"^rule 1: permissions\.jetstream would contain orders:write"):
        decided(rule, identity=identity)


def test_the_account_and_the_role_may_be_those_of_the_backend() -> None:
    identity = Identity(backend="staff", name="ada", account="ORDERS", role="boss")
    grant = decided(Rule(), identity=identity)
    assert (grant.account, grant.role) == ("ORDERS", "boss")
    given = decided(Rule(permissions=RulePermissions()), identity=identity)
    assert (given.role, given.permissions) == (None, Permissions())


def test_a_grant_ends_with_the_proof() -> None:
    identity = Identity(backend="sso", name="ada", account="ORDERS", role="r", expires=NOW + 300)
    assert decided(Rule(), identity=identity).validity == 300
    with pytest.raises(Refused, match="the proof of the identity has expired"):
        decide((Rule(),), identity, LOGIN, validity=3600, now=NOW + 300)


def _pub(*allow: str, deny: tuple[str, ...] = ()) -> Rule:
    return Rule(account="A", permissions=RulePermissions(pub=SubjectLists(allow=allow, deny=deny)))


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        pytest.param(
            _pub("{{pattern}}.x"),
            "rule 1: permissions.pub.allow would contain *, which is not one token of a subject",
            id="a wildcard in a subject",
        ),
        pytest.param(
            _pub("a", deny=("{{none}}.x",)),
            'rule 1: permissions.pub.deny needs "none", which the identity does not have',
            id="no value of what is denied",
        ),
        pytest.param(
            Rule(account="A", role="r", tags=("x:{{pattern}}",)),
            "rule 1: tags has x:*: a tag's value is one token of a subject, without . * > and blanks",
            id="a wildcard in a tag",
        ),
        pytest.param(
            Rule(account="A", role="r", name="{{pattern}}"),
            "rule 1: name is *, which is not one token of a subject",
            id="a wildcard for a name",
        ),
        pytest.param(
            Rule(account="{{groups}}", role="r"),
            "rule 1: account becomes 2 values, and one is required",
            id="two accounts",
        ),
        pytest.param(
            Rule(account="A", role="{{absent}}"),
            'rule 1: role needs "absent", which the identity does not have',
            id="absent",
        ),
        pytest.param(
            Rule(role="r"),
            "rule 1: account is not given by the rule or the backend",
            id="no account",
        ),
        pytest.param(
            Rule(account="A"),
            "rule 1: role is not given by the rule or the backend, and there are no permissions",
            id="no role",
        ),
    ],
)
def test_a_rule_that_cannot_be_filled_refuses_and_no_later_one_is_asked(rule: Rule, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        decided(rule, CLERK)
    assert caught.value.message == reason


@pytest.mark.parametrize("name", ["", "ada.l", "*", ">", "ada l", "a\tb", "{{name()}}"])
def test_a_name_that_is_not_one_token_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="which is not one token of a subject"):
        decided(CLERK, identity=Identity(backend="staff", name=name))


def test_placeholders_in_values_are_not_filled_again() -> None:
    identity = Identity(backend="b", name="ada", attributes={"x": "{{name}}"})
    with pytest.raises(Refused, match=r"name is \{\{name\}\}, which is not one token"):
        decided(Rule(account="A", role="r", name="{{x}}"), identity=identity)


@pytest.mark.parametrize(
    ("host", "network", "inside"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("[2001:db8::1]", "2001:db8::/32", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("10.1.2.3", "2001:db8::/32", False),
        ("", "0.0.0.0/0", False),
        ("pipe", "0.0.0.0/0", False),
        ("10.1.2.3.example.com", "0.0.0.0/0", False),
    ],
)
def test_addresses_are_compared_with_networks(host: str, network: str, *, inside: bool) -> None:
    assert is_from(host, (ip_network(network),)) is inside


@pytest.mark.parametrize(
    ("kind", "type_", "expected"),
    [
        ("Client", "nats", "STANDARD"),
        ("Client", "websocket", "WEBSOCKET"),
        ("Client", "mqtt", "MQTT"),
        ("Leafnode", "", "LEAFNODE"),
        ("Client", "", None),
        ("Client", "quic", None),
    ],
)
def test_types_of_connections_have_the_words_of_claims(kind: str, type_: str, expected: str | None) -> None:
    assert connection_type(Login(kind=kind, type=type_)) == expected
