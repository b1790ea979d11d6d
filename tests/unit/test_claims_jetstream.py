"""JetStream permissions: their subjects, how they add up, and how they are recognised again."""

from __future__ import annotations

from typing import Any

import pytest

from seedless.claims import Permission, Template, User
from seedless.claims import jetstream as js
from seedless.claims.jetstream import JetStreamPermissions
from seedless.errors import UsageError

TABLES = [
    pytest.param({"publish": ("ORDERS:orders.>",)}, id="publish"),
    pytest.param({"publish": ("ORDERS:orders.>", "ORDERS:late", "JOBS:jobs.*")}, id="publish to two streams"),
    pytest.param({"publish": ("ORDERS:orders.>",), "consume": ("ORDERS",)}, id="publish and consume"),
    pytest.param({"consume": ("ORDERS",)}, id="consume"),
    pytest.param({"consume": ("ORDERS:app",)}, id="a consumer"),
    pytest.param({"kv": ("SETTINGS:read",)}, id="kv read"),
    pytest.param({"kv": ("SETTINGS:write",)}, id="kv write"),
    pytest.param({"object_store": ("FILES:read",)}, id="objects read"),
    pytest.param({"object_store": ("FILES:write",)}, id="objects write"),
    pytest.param({"manage": ("ORDERS",)}, id="manage"),
    pytest.param(
        {
            "publish": ("JOBS:jobs.>",),
            "consume": ("ORDERS",),
            "kv": ("B:read", "C:write"),
            "manage": ("AUDIT",),
        },
        id="several",
    ),
]
PLACES = [
    pytest.param({}, id="plain"),
    pytest.param({"domain": "hub"}, id="domain"),
    pytest.param({"domain": "hub", "inbox_prefix": "_INBOX_app"}, id="domain and inbox"),
]
Lists = dict[str, tuple[str, ...]]


def table(lists: Lists, **place: str) -> JetStreamPermissions:
    values: dict[str, Any] = {**lists, **place}
    return JetStreamPermissions(**values)


def words(permitted: User | Template) -> list[str]:
    return [one.words for one in js.recognised(permitted).permissions]


def test_the_user_of_a_consumer_has_these_subjects_and_no_others() -> None:
    user = js.allow(User.new(), table({"consume": ("ORDERS:app",)}))
    assert user.pub.allow == (
        "$JS.API.CONSUMER.INFO.ORDERS.app",
        "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app",
        "$JS.ACK.ORDERS.app.*.*.*.*.*",
        "$JS.ACK.*.*.ORDERS.app.*.*.*.*.>",
        "$JS.FC.ORDERS.app.*",
        "$JS.FC.*.*.ORDERS.app.*",
    )
    assert user.sub.allow == ("_INBOX.>",)


def test_with_a_domain_both_spellings_of_the_api_are_allowed_since_servers_of_the_domain_map_them() -> None:
    user = js.allow(
        User.new(), table({"publish": ("ORDERS:orders.>",)}, domain="hub", inbox_prefix="_INBOX_app")
    )
    assert user.pub.allow == (
        "$JS.hub.API.STREAM.INFO.ORDERS", "$JS.API.STREAM.INFO.ORDERS", "orders.>",
    )  # fmt: skip
    assert user.sub.allow == ("_INBOX_app.>",)


def test_keys_are_written_below_the_api_prefix_of_a_domain_too() -> None:
    published = js.subjects(js.parse("kv", "SETTINGS:write", "hub"))
    assert published[-2:] == ("$KV.SETTINGS.>", "$JS.hub.API.$KV.SETTINGS.>")
    assert js.subjects(js.parse("kv", "SETTINGS:write"))[-1] == "$KV.SETTINGS.>"


def test_an_inbox_of_its_own_is_kept_where_no_other_one_is_given() -> None:
    worker = js.allow(User.new(), table({"consume": ("ORDERS:work",)}, inbox_prefix="_INBOX_worker"))
    assert js.allow(worker, table({"kv": ("B",)})).sub.allow == ("_INBOX_worker.>",)
    other = js.allow(worker, table({"kv": ("B",)}, inbox_prefix="_INBOX"))
    assert other.sub.allow == ("_INBOX_worker.>", "_INBOX.>")


def test_what_is_subscribed_besides_is_not_taken_for_an_inbox() -> None:
    user = js.allow(User.new(), table({"consume": ("ORDERS:app",)}))
    assert words(User(pub=user.pub, sub=Permission(allow=("orders.>",)))) == []
    both = User(pub=user.pub, sub=Permission(allow=("_INBOX_app.>", "_INBOX.>", "news.>")))
    assert js.recognised(both).inbox_prefix == "_INBOX_app"
    assert js.recognised(both).sub == {"_INBOX_app.>"}


@pytest.mark.parametrize("subject", [">", "*.>", "*.*.STREAM.DELETE.*", "$JS.API.>", "$JS.*.>"])
def test_requests_to_jetstream_are_not_what_is_published_to_a_stream(subject: str) -> None:
    with pytest.raises(
        UsageError, match="would also permit requests to JetStream, which manage every stream"
    ):
        js.parse("publish", f"ORDERS:{subject}")


def test_permissions_add_up_and_what_is_allowed_or_denied_already_stays() -> None:
    before = Template(
        pub=Permission(allow=("audit", "$JS.API.CONSUMER.INFO.ORDERS.app"), deny=("audit.secret",)),
        sub=Permission(allow=("news",)),
    )
    template = js.allow(before, table({"consume": ("ORDERS:app", "ORDERS:app")}))
    assert template.pub.allow[:3] == (
        "audit", "$JS.API.CONSUMER.INFO.ORDERS.app", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app",
    )  # fmt: skip
    assert len(template.pub.allow) == 7
    assert template.pub.deny == ("audit.secret",)
    assert template.sub.allow == ("news", "_INBOX.>")


@pytest.mark.parametrize("kind", ["kv", "object_store"])
def test_write_contains_read(kind: js.Kind) -> None:
    read, write = (js.subjects(js.parse(kind, f"B:{mode}")) for mode in ("read", "write"))
    assert set(read) < set(write)
    assert js.subjects(js.parse(kind, "B")) == read


def test_nothing_asked_for_changes_nothing() -> None:
    assert js.allow(User.new(), JetStreamPermissions()) == User.new()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("lists", TABLES)
def test_permissions_are_recognised_by_their_subjects(lists: Lists, place: dict[str, str]) -> None:
    user = js.allow(
        User(pub=Permission(allow=("audit",)), sub=Permission(allow=("news.>",))), table(lists, **place)
    )
    found = js.recognised(user)
    assert found.table() == table(lists, **{"inbox_prefix": "_INBOX", **place})
    assert set(user.pub.allow) - found.pub == {"audit"}
    assert set(user.sub.allow) - found.sub == {"news.>"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("lists", TABLES[3:-1])
def test_without_one_of_its_subjects_a_permission_is_not_recognised(
    lists: Lists, place: dict[str, str]
) -> None:
    user = js.allow(User.new(), table(lists, **place))
    (permission,) = js.recognised(user).permissions
    for missing in user.pub.allow:
        kept = tuple(text for text in user.pub.allow if text != missing)
        fewer = User(pub=Permission(allow=kept), sub=user.sub)
        assert permission not in js.recognised(fewer).permissions
    assert words(User(pub=user.pub)) == []


def test_what_is_permitted_later_is_not_taken_for_what_is_published_to_a_stream() -> None:
    user = js.allow(User.new(), table({"consume": ("ORDERS",)}))
    later = User(pub=Permission(allow=(*user.pub.allow, "payments.>")), sub=user.sub)
    assert words(later) == ["consume the stream ORDERS"]


def test_what_is_denied_is_not_recognised() -> None:
    user = js.allow(User.new(), table({"consume": ("ORDERS",), "kv": ("B",)}))
    denied = User(pub=Permission(allow=user.pub.allow, deny=("$JS.ACK.>",)), sub=user.sub)
    assert words(denied) == ["read the key-value bucket B"]
    deaf = User(pub=user.pub, sub=Permission(allow=user.sub.allow, deny=("_INBOX.>",)))
    assert words(deaf) == []


def test_a_permission_is_removed_with_the_subjects_that_no_other_requires() -> None:
    kept = js.allow(User(pub=Permission(allow=("audit",))), table({"kv": ("B",)}))
    both = js.allow(kept, table({"consume": ("ORDERS",), "manage": ("ORDERS",)}))
    assert words(js.remove(both, table({"manage": ("ORDERS",)}))) == [
        "consume the stream ORDERS", "read the key-value bucket B",
    ]  # fmt: skip
    assert js.remove(both, table({"consume": ("ORDERS",), "manage": ("ORDERS",)})) == kept
    written = js.allow(kept, table({"kv": ("B:write",)}, domain="hub"))
    assert js.remove(written, table({"kv": ("B",)})).pub.allow == ("audit",)
    assert js.remove(both, JetStreamPermissions()) == both


def test_what_is_not_permitted_is_not_removed_and_neither_is_the_last_subject() -> None:
    user = js.allow(User.new(), table({"consume": ("ORDERS:app",)}))
    with pytest.raises(UsageError, match="it may not consume the stream ORDERS") as refusal:
        js.remove(user, table({"consume": ("ORDERS",)}))
    assert refusal.value.hint.startswith("it may use the consumer app of the stream ORDERS; ")
    with pytest.raises(UsageError, match="an empty list allows everything"):
        js.remove(user, table({"consume": ("ORDERS:app",)}))


def test_each_permission_has_its_words() -> None:
    lists = {
        "publish": ("JOBS:jobs.>",), "consume": ("ORDERS", "AUDIT:app"), "kv": ("B", "C:write"),
        "object_store": ("F:write",), "manage": ("LOG",),
    }  # fmt: skip
    assert words(js.allow(User.new(), table(lists, domain="hub"))) == [
        "publish jobs.> to the stream JOBS of the domain hub",
        "consume the stream ORDERS of the domain hub",
        "use the consumer app of the stream AUDIT of the domain hub",
        "read the key-value bucket B of the domain hub",
        "read and write the key-value bucket C of the domain hub",
        "read and write the object store F of the domain hub",
        "manage the stream LOG of the domain hub",
    ]


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        pytest.param("publish", "ORDERS", '"ORDERS" does not name what is published', id="no subject"),
        pytest.param("publish", "ORDERS:a b", '"a b" is not a subject', id="no such subject"),
        pytest.param("publish", ":orders", '"" is not a name of a stream', id="no stream"),
        pytest.param("consume", "ORDERS:", '"" is not a name of a consumer', id="no consumer"),
        pytest.param("consume", "a.b", '"a.b" is not a name of a stream', id="two tokens"),
        pytest.param("consume", "*", '"*" is not a name of a stream', id="wildcard"),
        pytest.param("consume", "ORDERS:>", '">" is not a name of a consumer', id="wildcard consumer"),
        pytest.param("kv", "SETTINGS:all", '"all" is not read or write', id="no mode"),
        pytest.param("kv", "SETTINGS:", '"" is not read or write', id="empty mode"),
        pytest.param("object_store", "a$b", '"a$b" is not a name of a bucket', id="no bucket"),
        pytest.param("manage", "ORDERS:app", '"ORDERS:app" is not a name of a stream', id="manage"),
    ],
)
def test_a_name_that_is_none_gets_a_sentence(kind: js.Kind, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        js.parse(kind, text)
    assert refusal.value.message.startswith(message)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("place", "message"),
    [
        pytest.param({"domain": "a.b"}, '"a.b" is not a name of a JetStream domain', id="domain"),
        pytest.param({"inbox_prefix": ""}, '"" is not an inbox prefix', id="empty prefix"),
        pytest.param({"inbox_prefix": ">"}, '">" is not an inbox prefix', id="everything"),
        pytest.param({"inbox_prefix": "a.*"}, '"a.*" is not an inbox prefix', id="wildcard"),
        pytest.param(
            {"inbox_prefix": "orders"},
            '"orders" is not an inbox prefix: it does not begin with _, and does not contain "inbox"',
            id="a subject like any other",
        ),
    ],
)
def test_a_place_that_is_none_gets_a_sentence(place: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        js.allow(User.new(), table({"consume": ("ORDERS",)}, **place))
    assert refusal.value.message == message


def test_names_may_be_templates_of_a_scope() -> None:
    template = js.allow(
        Template(), table({"consume": ("{{tag(stream)}}:{{name()}}",)}, inbox_prefix="_INBOX_{{name()}}")
    )
    assert template.pub.allow[1] == "$JS.API.CONSUMER.MSG.NEXT.{{tag(stream)}}.{{name()}}"
    assert template.sub.allow == ("_INBOX_{{name()}}.>",)
    assert words(template) == ["use the consumer {{name()}} of the stream {{tag(stream)}}"]


def test_a_domain_or_an_inbox_prefix_without_a_permission_is_refused() -> None:
    for options in ({"js_domain": "x"}, {"inbox_prefix": "_x"}):
        with pytest.raises(UsageError, match="goes with a JetStream permission"):
            js.allow(User.new(), js.of_options(options))
