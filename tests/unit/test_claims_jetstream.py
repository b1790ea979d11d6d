"""JetStream capabilities: their subjects, how they add up, and how they are recognised again."""

from __future__ import annotations

import pytest

from seedless.claims import Permission, Template, User
from seedless.claims import jetstream as js
from seedless.errors import UsageError

CAPABILITIES = [
    js.parse("publish", "ORDERS:orders.>"),
    js.parse("consume", "ORDERS"),
    js.parse("consume", "ORDERS:app"),
    js.parse("kv", "SETTINGS"),
    js.parse("kv", "SETTINGS:write"),
    js.parse("object_store", "FILES:read"),
    js.parse("object_store", "FILES:write"),
    js.parse("manage", "ORDERS"),
]
PLACES = [js.Place(), js.Place("hub"), js.Place("", "_INBOX_app"), js.Place("hub", "_INBOX_app")]


def test_the_user_of_a_consumer_has_these_subjects_and_no_others() -> None:
    user = js.allow(User.new(), [js.parse("consume", "ORDERS:app")])
    assert user.pub.allow == (
        "$JS.API.CONSUMER.INFO.ORDERS.app",
        "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app",
        "$JS.ACK.ORDERS.app.*.*.*.*.*",
        "$JS.ACK.*.*.ORDERS.app.*.*.*.*.>",
        "$JS.FC.ORDERS.app.*",
        "$JS.FC.*.*.ORDERS.app.*",
    )
    assert user.sub.allow == ("_INBOX.>",)


def test_a_domain_and_an_inbox_prefix_are_in_the_subjects() -> None:
    user = js.allow(User.new(), [js.parse("publish", "ORDERS:orders.>")], js.place("hub", "_INBOX_app"))
    assert user.pub.allow == ("$JS.hub.API.STREAM.INFO.ORDERS", "orders.>")
    assert user.sub.allow == ("_INBOX_app.>",)


def test_keys_are_written_below_the_api_prefix_of_a_domain_too() -> None:
    published = js.subjects(js.parse("kv", "SETTINGS:write"), js.Place("hub"))
    assert published[-2:] == ("$KV.SETTINGS.>", "$JS.hub.API.$KV.SETTINGS.>")
    assert js.subjects(js.parse("kv", "SETTINGS:write"), js.Place())[-1] == "$KV.SETTINGS.>"


def test_capabilities_add_up_and_what_is_allowed_or_denied_already_stays() -> None:
    before = Template(
        pub=Permission(allow=("audit", "$JS.API.CONSUMER.INFO.ORDERS.app"), deny=("audit.secret",)),
        sub=Permission(allow=("news",)),
    )
    one = js.parse("consume", "ORDERS:app")
    template = js.allow(before, [one, one])
    assert template.pub.allow[:3] == (
        "audit", "$JS.API.CONSUMER.INFO.ORDERS.app", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app",
    )  # fmt: skip
    assert len(template.pub.allow) == 7
    assert template.pub.deny == ("audit.secret",)
    assert template.sub.allow == ("news", "_INBOX.>")


def test_write_contains_read() -> None:
    for kind in ("kv", "object_store"):
        read, write = (js.subjects(js.parse(kind, f"B:{mode}"), js.Place()) for mode in ("read", "write"))  # type: ignore[arg-type]  # of the table
        assert set(read) < set(write)


def test_nothing_asked_for_changes_nothing() -> None:
    assert js.allow(User.new(), []) == User.new()


@pytest.mark.parametrize("where", PLACES, ids=str)
@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda one: one.text)
def test_a_capability_is_recognised_by_its_subjects(capability: js.Capability, where: js.Place) -> None:
    assert js.recognised(js.allow(User.new(), [capability], where)) == (capability,)


@pytest.mark.parametrize("where", PLACES, ids=str)
@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda one: one.text)
def test_without_one_of_its_subjects_it_is_not_recognised(capability: js.Capability, where: js.Place) -> None:
    user = js.allow(User.new(), [capability], where)
    for missing in user.pub.allow:
        kept = tuple(text for text in user.pub.allow if text != missing)
        fewer = User(pub=Permission(allow=kept), sub=user.sub)
        assert capability not in js.recognised(fewer)
    assert js.recognised(User(pub=user.pub)) == ()


def test_what_is_recognised_expands_to_subjects_that_are_all_allowed() -> None:
    capabilities = [js.parse("consume", "ORDERS"), js.parse("kv", "SETTINGS"), js.parse("manage", "JOBS")]
    user = js.allow(User(pub=Permission(allow=("audit",))), capabilities)
    found = js.recognised(user)
    assert {one.text for one in found} == {
        "consume stream ORDERS", "read key-value bucket SETTINGS", "manage stream JOBS",
    }  # fmt: skip
    assert {*js.expansion(found, js.Place())[0], "audit"} == set(user.pub.allow)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        pytest.param("publish", "ORDERS", '"ORDERS" does not name what is published', id="no subject"),
        pytest.param("publish", "ORDERS:a b", '"a b" is no subject', id="no such subject"),
        pytest.param("publish", ":orders", '"" is no name of a stream', id="no stream"),
        pytest.param("consume", "ORDERS:", '"" is no name of a consumer', id="no consumer"),
        pytest.param("consume", "a.b", '"a.b" is no name of a stream', id="two tokens"),
        pytest.param("consume", "*", '"*" is no name of a stream', id="wildcard"),
        pytest.param("consume", "ORDERS:>", '">" is no name of a consumer', id="wildcard consumer"),
        pytest.param("kv", "SETTINGS:all", '"all" is neither read nor write', id="no mode"),
        pytest.param("kv", "SETTINGS:", '"" is neither read nor write', id="empty mode"),
        pytest.param("object_store", "a$b", '"a$b" is no name of a bucket', id="no bucket"),
        pytest.param("manage", "ORDERS:app", '"ORDERS:app" is no name of a stream', id="manage"),
    ],
)
def test_a_name_that_is_none_gets_a_sentence(kind: js.Kind, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        js.parse(kind, text)
    assert refusal.value.message.startswith(message)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("domain", "prefix", "message"),
    [
        pytest.param("a.b", None, '"a.b" is no name of a JetStream domain', id="domain"),
        pytest.param(None, "", '"" is no inbox prefix', id="empty prefix"),
        pytest.param(None, ">", '">" is no inbox prefix', id="everything"),
        pytest.param(None, "a.*", '"a.*" is no inbox prefix', id="wildcard"),
    ],
)
def test_a_place_that_is_none_gets_a_sentence(domain: str | None, prefix: str | None, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        js.place(domain, prefix)
    assert refusal.value.message == message


def test_names_may_be_templates_of_a_scope() -> None:
    assert js.subjects(js.parse("consume", "{{tag(stream)}}:{{name()}}"), js.Place())[1] == (
        "$JS.API.CONSUMER.MSG.NEXT.{{tag(stream)}}.{{name()}}"
    )
    assert js.place(None, "_INBOX_{{name()}}").inbox_prefix == "_INBOX_{{name()}}"


def test_a_place_without_a_capability_is_refused() -> None:
    for name, option in (("js_domain", "--js-domain"), ("inbox_prefix", "--inbox-prefix")):
        with pytest.raises(UsageError, match=option):
            js.of_options({name: "x"})
