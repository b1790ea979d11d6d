"""The rule table with any identity: a grant that is one token wherever scopes put it, or a sentence."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from seedless.claims.templates import is_plain_token
from seedless.errors import InvalidValue, Refused
from seedless.serve.login import Identity, Login, LoginGrant
from seedless.serve.rules import Condition, Rule, RulePermissions, SubjectLists, decide, is_from
from seedless.subject import is_subject, is_within

NOW = 1_800_000_000
PIECES = st.sampled_from(["a", "b", ".", "*", ">", " ", "{{name}}", "{{x}}", "{{", "}}", ":", "\t", "é", ""])
TEXT = st.lists(PIECES, max_size=4).map("".join)
VALUES = st.one_of(TEXT, st.lists(TEXT, max_size=3).map(tuple))
IDENTITIES = st.builds(
    Identity,
    backend=st.just("b"),
    name=TEXT,
    account=TEXT,
    role=TEXT,
    tags=st.lists(TEXT, max_size=2).map(tuple),
    attributes=st.dictionaries(st.sampled_from(["x", "y", "name"]), VALUES, max_size=2),
    expires=st.sampled_from([0, NOW - 1, NOW, NOW + 5]),
)
TEXTS = st.lists(TEXT, max_size=2).map(tuple)
LISTS = st.builds(SubjectLists, allow=TEXTS, deny=TEXTS)
RULES = st.builds(
    Rule,
    account=TEXT,
    role=st.one_of(st.just(""), TEXT),
    permissions=st.none() | st.builds(RulePermissions, pub=LISTS, sub=LISTS),
    tags=TEXTS,
    name=st.one_of(st.just("{{name}}"), TEXT),
)


def decided(rules: list[Rule], identity: Identity) -> LoginGrant | None:
    try:
        return decide(tuple(rules), identity, Login(), validity=60, now=NOW)
    except Refused as error:
        message = error.message
    assert message.isprintable()  # a log has it in one line
    return None


@given(st.lists(RULES, max_size=2), IDENTITIES)
def test_whatever_an_identity_contains_names_and_tags_of_a_grant_are_tokens(
    rules: list[Rule], identity: Identity
) -> None:
    grant = decided(rules, identity)
    if grant is not None:
        assert is_plain_token(grant.name)
        assert all(is_plain_token(tag.partition(":")[2] if ":" in tag else tag) for tag in grant.tags)
        assert (grant.role is None) != (grant.permissions is None)
        assert grant.account
        assert 0 < grant.validity <= 60
        assert not identity.expires or grant.validity <= identity.expires - NOW
    if grant is not None and grant.permissions is not None:
        assert all(map(is_subject, (*grant.permissions.pub.allow, *grant.permissions.pub.deny)))


@given(TEXT, st.lists(TEXT, max_size=3).map(tuple))
def test_a_value_never_widens_the_subject_that_it_is_put_into(name: str, groups: tuple[str, ...]) -> None:
    permissions = RulePermissions(pub=SubjectLists(allow=("app.{{name}}.{{groups}}.in",)))
    identity = Identity(backend="b", name=name, attributes={"groups": groups})
    grant = decided([Rule(account="A", permissions=permissions, name="fixed")], identity)
    if grant is not None:
        assert grant.permissions is not None
        assert grant.permissions.pub.allow
        for subject in grant.permissions.pub.allow:
            assert is_within(subject, "app.*.*.in")
            assert "*" not in subject


@given(RULES)
def test_a_rule_that_is_checked_is_right_or_has_a_place(rule: Rule) -> None:
    try:
        rule.check()
    except InvalidValue as error:
        assert error.path.split(".")[0] in {"account", "role", "name", "tags", "permissions", "refuse"}  # noqa: PT017


@given(st.ip_addresses(), st.ip_addresses(v=4), st.integers(0, 32))
def test_an_address_is_in_a_network_as_its_bits_are(
    host: ipaddress.IPv4Address | ipaddress.IPv6Address, base: ipaddress.IPv4Address, bits: int
) -> None:
    network = ipaddress.ip_network((int(base), bits), strict=False)
    own = host if isinstance(host, ipaddress.IPv4Address) else host.ipv4_mapped
    expected = own is not None and int(own) >> (32 - bits) == int(base) >> (32 - bits)
    assert is_from(str(host), (network,)) is expected


@given(st.text(max_size=8))
def test_what_is_no_address_is_in_no_network(host: str) -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    try:
        ipaddress.ip_address(host)
    except ValueError:
        assert is_from(f"{host} ", everything) is False


@given(IDENTITIES, st.sampled_from(["x", "y"]), TEXT)
def test_a_condition_on_an_attribute_holds_only_where_it_has_such_a_value(
    identity: Identity, name: str, wanted: str
) -> None:
    pattern = wanted.replace("*", "[*]")
    rule = Rule(when=Condition(attributes={name: (pattern,)}), account="A", role="r", name="n")
    value = identity.attributes.get(name, ())
    values = (value,) if isinstance(value, str) else value
    if wanted not in values:
        assert decided([rule], identity) is None
