"""Each member of the claims that people edit has a line of its own, in words and not as a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import UNSET

from seedless.claims import (
    Account,
    Activation,
    Export,
    ExternalAuthorization,
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
from seedless.diff import diff
from seedless.jwt import Claims

if TYPE_CHECKING:
    from collections.abc import Iterator

_PERMITTED: dict[str, Any] = {
    "pub": Permission(allow=("a",), deny=("b",)),
    "sub": Permission(allow=("c",), deny=("d",)),
    "resp": ResponsePermission(max=5, ttl=5 * 10**9),
}
_CONNECTED: dict[str, Any] = {
    "src": ("10.0.0.0/8",),
    "times": (TimeRange(start="08:00:00", end="17:00:00"),),
    "times_location": "UTC",
    "allowed_connection_types": ("MQTT",),
    "subs": 5,
    "data": 5,
    "payload": 5,
}
_JETSTREAM = dict.fromkeys(JetStreamLimits.__struct_fields__, 5) | {"max_bytes_required": False}
FULL: dict[str, Any] = {
    "operator": Operator(
        signing_keys=("O1",),
        account_server_url="nats://a",
        operator_service_urls=("nats://b",),
        system_account="A1",
        assert_server_version="2.0.0",
        tags=("t",),
    ),
    "account": Account(
        imports=(
            Import(name="n", subject="s.>", account="A1", token="t", local_subject="l.>", type="stream"),
        ),
        exports=(
            Export(
                name="n", subject="s.*", type="service", revocations={"A1": 5}, response_type="Stream",
                response_threshold=5, service_latency=ServiceLatency(sampling=5, results="r"),
                account_token_position=2, description="d", info_url="u",
            ),
        ),
        limits=Limits(
            subs=5, data=5, payload=5, imports=5, exports=5, conn=5, leaf=5,
            tiered_limits={"R1": JetStreamLimits(**_JETSTREAM)}, **_JETSTREAM,
        ),
        signing_keys=(
            "A2",
            Scope(key="A3", role="r", template=Template(**_PERMITTED, **_CONNECTED), description="d"),
        ),
        revocations={"U1": 5},
        default_permissions=Permissions(**_PERMITTED),
        mappings={"m": (WeightedMapping(subject="w", weight=5, cluster="c"),)},
        authorization=ExternalAuthorization(auth_users=("U1",), allowed_accounts=("A1",), xkey="X1"),
        trace=MessageTrace(dest="d", sampling=5),
        cluster_traffic="system",
        description="d",
        info_url="u",
        tags=("t",),
    ),
    "user": User(**_PERMITTED, **_CONNECTED, issuer_account="A1", tags=("t",)),
    "activation": Activation(subject="s", import_type="stream", issuer_account="A1", tags=("t",)),
}  # fmt: skip
_OTHER = {"stream": "service", "user_scope": "user_scope", "system": "owner"}


def variants(value: Any, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401, C901, PLR0912 - a case a type
    """Yield *value* with one member changed, and its path; for each member."""
    match value:
        case msgspec.Struct():
            for name in value.__struct_fields__:
                if name != "kind":
                    for place, changed in variants(getattr(value, name), f"{path}.{name}"):
                        yield place, msgspec.structs.replace(value, **{name: changed})
        case dict():
            for key, item in value.items():
                yield f"{path}.{key} gone", {}
                yield f"{path} and one more", value | {f"{key}x": item}
                for place, changed in variants(item, f"{path}.{key}"):
                    yield place, {key: changed}
        case tuple():
            yield f"{path} gone", ()
            for index, item in enumerate(value):
                for place, changed in variants(item, f"{path}[{index}]"):
                    yield place, (*value[:index], changed, *value[index + 1 :])
        case bool():
            yield path, not value
        case int():
            yield path, value + 2
        case str():
            yield path, _OTHER.get(value, f"{value}x")
        case None:
            pass
        case _:
            assert value is UNSET


CASES = [
    pytest.param(kind, changed, id=place)
    for kind, body in FULL.items()
    for place, changed in variants(body, kind)
]


def test_every_member_is_set_or_a_switch_in_the_full_claims() -> None:
    places = {case.id for case in CASES}
    assert len(CASES) > 150
    assert {"account.limits.tiered_limits.R1.streams", "account.exports[0].service_latency.results"} <= places


@pytest.mark.parametrize(("kind", "changed"), CASES)
def test_a_member_that_changes_has_lines_in_words(kind: str, changed: Any) -> None:  # noqa: ANN401 - a body
    old, new = Claims(sub="x", body=FULL[kind]), Claims(sub="x", body=changed)
    for one, other in ((old, new), (new, old)):
        lines = diff(one, other)
        assert lines
        assert not [line.line for line in lines if line.label.startswith("nats")]


@pytest.mark.parametrize(("kind", "changed"), CASES)
def test_a_member_of_something_new_shows_in_its_portrait(kind: str, changed: Any) -> None:  # noqa: ANN401 - a body
    portraits = [
        [line.line for line in diff(None, Claims(sub="x", body=body))] for body in (FULL[kind], changed)
    ]
    assert portraits[0] != portraits[1]
    assert not [line for line in portraits[1] if line.startswith("nats")]
