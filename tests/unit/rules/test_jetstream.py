"""C124: JetStream permissions that are not whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.change import Context, Statement
from seedless.claims import JetStreamPermissions, Permission, User
from seedless.claims.jetstream import OPTIONS, allow
from seedless.jwt import Claims
from seedless.rules.jetstream import c124_jetstream_permissions_are_whole

if TYPE_CHECKING:
    from conftest import Found

    from seedless.findings import Finding

API = "$JS.API"
PULL = f"{API}.CONSUMER.MSG.NEXT.ORDERS.app"
INFO = f"{API}.CONSUMER.INFO.ORDERS.app"
HUB_PULL, HUB_INFO = (text.replace("$JS.API", "$JS.hub.API") for text in (PULL, INFO))
ACK = "$JS.ACK.ORDERS.app.>"
INBOX = ["_INBOX.>"]


def allowed(*publish: str, subscribe: list[str] | None = None, deny: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "pub": {"allow": list(publish), "deny": list(deny)},
        "sub": {"allow": INBOX if subscribe is None else subscribe},
    }


def gap(index: int) -> list[tuple[str, str]]:
    return [("C124", f"nats.pub.allow[{index}]")]


@pytest.mark.parametrize(
    ("nats", "places"),
    [
        pytest.param(allowed("orders", PULL, INFO), gap(1), id="C124 no ack"),
        pytest.param(allowed(PULL, INFO, ACK), [], id="C124 ack of the consumer"),
        pytest.param(allowed(PULL, INFO, "$JS.ACK.>"), [], id="C124 any ack"),
        pytest.param(
            allowed(PULL, INFO, "$JS.ACK.ORDERS.other.>"), gap(0), id="C124 ack of another consumer"
        ),
        pytest.param(
            allowed(f"{API}.CONSUMER.MSG.NEXT.ORDERS.*", f"{API}.CONSUMER.INFO.ORDERS.*"),
            gap(0),
            id="C124 no ack of any consumer",
        ),
        pytest.param(
            allowed(f"{API}.CONSUMER.MSG.NEXT.ORDERS.>", f"{API}.CONSUMER.INFO.ORDERS.*", "$JS.ACK.ORDERS.>"),
            [],
            id="C124 every consumer",
        ),
        pytest.param(allowed(HUB_PULL, HUB_INFO), gap(0), id="C124 no ack in a domain"),
        pytest.param(allowed(HUB_PULL, INFO, ACK), gap(0), id="C124 looked up in another domain"),
        pytest.param(allowed(HUB_PULL, HUB_INFO, ACK), [], id="C124 in a domain"),
        pytest.param(allowed(PULL, ACK), gap(0), id="C124 a consumer that is not looked up"),
        pytest.param({**allowed(PULL, INFO), "resp": {"max": 1, "ttl": 0}}, [], id="C124 acks are responses"),
        pytest.param(allowed("$JS.API.>"), [], id="C124 the whole API"),
        pytest.param(allowed(PULL, INFO, ACK, subscribe=["orders.>"]), gap(0), id="C124 no inbox"),
        pytest.param(allowed(PULL, INFO, ACK, subscribe=["_INBOX.*"]), gap(0), id="C124 half an inbox"),
        pytest.param(allowed(PULL, INFO, ACK, subscribe=["_INBOX_app.>"]), [], id="C124 an inbox of its own"),
        pytest.param(allowed(PULL, INFO, ACK, subscribe=["app.inbox.>"]), [], id="C124 an inbox by its name"),
        pytest.param(allowed(PULL, INFO, ACK, subscribe=[]), [], id="C124 subscribes to everything"),
        pytest.param(allowed("orders", subscribe=["orders"]), [], id="C124 no JetStream"),
        pytest.param(
            allowed(f"{API}.STREAM.INFO.KV_B", f"{API}.STREAM.MSG.GET.KV_B"), gap(0), id="C124 no direct get"
        ),
        pytest.param(
            allowed(f"{API}.STREAM.INFO.KV_B", f"{API}.DIRECT.GET.KV_B.>"), [], id="C124 direct get"
        ),
        pytest.param(allowed("$KV.B.>"), gap(0), id="C124 a bucket that is not looked up"),
        pytest.param(
            allowed("$JS.hub.API.STREAM.INFO.KV_B", "$JS.hub.API.DIRECT.GET.KV_B.>", "$KV.B.>"),
            [],
            id="C124 a bucket that is looked up in a domain",
        ),
        pytest.param(
            allowed(f"{API}.CONSUMER.CREATE.KV_B.>", "$JS.FC.KV_OTHER.>"), gap(0), id="C124 no flow control"
        ),
        pytest.param(allowed(f"{API}.CONSUMER.CREATE.OBJ_B.>"), gap(0), id="C124 objects, no flow control"),
        pytest.param(allowed(f"{API}.CONSUMER.CREATE.KV_B.>", "$JS.FC.KV_B.>"), [], id="C124 flow control"),
        pytest.param(allowed(f"{API}.CONSUMER.DURABLE.CREATE.ORDERS.*"), gap(0), id="C124 of old clients"),
        pytest.param(
            allowed(f"{API}.CONSUMER.DURABLE.CREATE.ORDERS.*", f"{API}.CONSUMER.CREATE.ORDERS.>"),
            [],
            id="C124 of all clients",
        ),
    ],
)
def test_a_user(found: Found, nats: dict[str, Any], places: list[tuple[str, str]]) -> None:
    assert found("user", nats) == places


@pytest.mark.parametrize("domain", ["", "hub"])
@pytest.mark.parametrize(
    "lists",
    [
        {"publish": ("ORDERS:orders.>",)}, {"consume": ("ORDERS",)}, {"consume": ("ORDERS:app",)},
        {"kv": ("B",)}, {"kv": ("B:write",)}, {"object_store": ("B:write",)}, {"manage": ("ORDERS", "KV_B")},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_options_permit_is_whole(found: Found, lists: dict[str, Any], domain: str) -> None:
    body = msgspec.to_builtins(allow(User.new(), JetStreamPermissions(**lists, domain=domain)))
    assert found("user", body) == []


@pytest.mark.parametrize(
    ("publish", "option"),
    [
        ((PULL,), "--allow-js-consume ORDERS:app"),
        ((f"{API}.CONSUMER.MSG.NEXT.ORDERS.*",), "--allow-js-consume ORDERS"),
        ((HUB_PULL,), "--allow-js-consume ORDERS:app --js-domain hub"),
        ((f"{API}.CONSUMER.DURABLE.CREATE.ORDERS.*",), "--allow-js-consume ORDERS"),
        ((f"{API}.STREAM.INFO.KV_B", f"{API}.CONSUMER.CREATE.KV_B.>"), "--allow-kv B"),
        ((f"{API}.CONSUMER.CREATE.OBJ_B.>",), "--allow-object-store B"),
        (("$KV.B.>",), "--allow-kv B:write"),
    ],
)
def test_the_hint_permits_all_that_was_missing(publish: tuple[str, ...], option: str) -> None:
    body = User(pub=Permission(allow=publish), sub=Permission(allow=("_INBOX.>",)))
    assert {finding.hint for finding in findings(body)} == {f"{option} permits all that clients do"}
    name, value, *domain = option.split()
    kind = next(kind for kind, other in OPTIONS.items() if f"--{other.replace('_', '-')}" == name)
    lists: dict[str, Any] = {kind: (value,)}
    cured = allow(body, JetStreamPermissions(**lists, domain="".join(domain[1:])))
    assert findings(cured) == []


def findings(body: User) -> list[Finding]:
    statement = Statement(Claims(sub="", body=body), "")
    return list(c124_jetstream_permissions_are_whole(statement, Context(0)))


def test_a_scope_and_the_default_permissions_of_an_account_are_looked_at(found: Found) -> None:
    scope = {"kind": "user_scope", "key": "<signing key>", "role": "app", "template": allowed(PULL, INFO)}
    nats = {"signing_keys": [scope], "default_permissions": allowed(PULL, INFO)}
    assert [one for one in found("account", nats) if one[0] == "C124"] == [
        ("C124", "nats.default_permissions.pub.allow[0]"),
        ("C124", "nats.signing_keys[0].template.pub.allow[0]"),
    ]
