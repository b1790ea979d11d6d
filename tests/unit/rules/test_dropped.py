from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.change import Context
from seedless.claims.transforms import Transform, has_stray_transform, transforms
from seedless.rules import imports

if TYPE_CHECKING:
    from conftest import Found, Say

NOW = 1_000_000_000
_TIERS = "nats.limits.tiered_limits"


def mapped(source: str, *targets: str) -> dict[str, Any]:
    return {"mappings": {source: [{"subject": target, "weight": 10} for target in targets]}}


@pytest.mark.parametrize(
    ("nats", "places"),
    [
        pytest.param(mapped("q", "x"), [], id="C116 plain"),
        pytest.param(mapped("*.>", "x.$1.>"), [], id="C116 a wildcard"),
        pytest.param(mapped("q", "x", "q.$2"), [("C116", "nats.mappings.q[1].subject")], id="C116 $2"),
        pytest.param(
            mapped("q", "x.{{nofn(3)}}"), [("C116", "nats.mappings.q[0].subject")], id="C116 unknown"
        ),
        pytest.param(mapped("q", "x", "x"), [("C116", "nats.mappings.q[1].subject")], id="C116 twice"),
        pytest.param(mapped("q", "x.>"), [("C116", "nats.mappings.q[0].subject")], id="C116 no rest"),
        pytest.param(mapped(">.q", "x"), [("C116", 'nats.mappings.">.q"')], id="C116 a source"),
        pytest.param(
            mapped("q", "x{{wildcard(1)}}"),
            [("C117", "nats.mappings.q[0].subject")],
            id="C117 part of a token",
        ),
        pytest.param(
            {"default_permissions": {"sub": {"deny": ["a.>", "a.>.b q"]}}},
            [("C118", "nats.default_permissions.sub.deny[1]")],
            id="C118 default",
        ),
        pytest.param(
            {"exports": [{"subject": ">.a", "type": "stream"}]},
            [("C118", "nats.exports[0].subject")],
            id="C118 export",
        ),
        pytest.param({"limits": {"streams": 1}}, [("C120", "nats.limits")], id="C120 flat"),
        pytest.param({"limits": {"streams": 1, "mem_storage": 1}}, [], id="C120 memory"),
        pytest.param(
            {"limits": {"tiered_limits": {"R1": {"streams": 1}, "R3": {"disk_storage": 1}}}},
            [("C120", f"{_TIERS}.R1")],
            id="C120 a tier",
        ),
        pytest.param({"limits": {"data": -2}}, [("C121", "nats.limits.data")], id="C121 account"),
        pytest.param(
            {"limits": {"tiered_limits": {"R1": {"disk_storage": -2}}}},
            [("C121", f"{_TIERS}.R1.disk_storage")],
            id="C121 a tier",
        ),
        pytest.param({"limits": {"conn": 2**31}}, [("C122", "nats.limits.conn")], id="C122 one more"),
        pytest.param({"limits": {"conn": 2**31 - 1, "data": 2**40}}, [], id="C122 the most"),
        pytest.param(
            {
                "imports": [
                    {"subject": "a", "type": "stream", "account": key}
                    for key in ("<account>", "<other account>")
                ]
            },
            [("C123", "nats.imports[0].account")],
            id="C123 itself",
        ),
    ],
)
def test_an_account(found: Found, nats: dict[str, Any], places: list[tuple[str, str]]) -> None:
    assert found("account", nats) == places


def test_a_user_c118_c121(found: Found) -> None:
    nats = {"pub": {"allow": ["a.>", ">.b"]}, "subs": -2, "payload": -1}
    assert found("user", nats) == [("C118", "nats.pub.allow[1]"), ("C121", "nats.subs")]


@pytest.mark.parametrize(
    ("system", "limits", "codes"),
    [
        pytest.param("<account>", {"disk_storage": 1}, ["C119"], id="C119 storage"),
        pytest.param("<account>", {}, [], id="C119 none"),
        pytest.param("<other account>", {"disk_storage": 1}, [], id="C119 another account"),
        pytest.param("", {"disk_storage": 1}, [], id="C119 no system account"),
    ],
)
def test_the_system_account(
    found: Found, say: Say, system: str, limits: dict[str, Any], codes: list[str]
) -> None:
    head, own = say("operator", {"system_account": system}).claims, say("account", {"limits": limits}).claims
    context = Context(NOW, operator=head, claims={head.sub: head, own.sub: own})
    assert [code for code, _ in found("account", {"limits": limits}, context=context)] == codes
    assert [code for code, _ in found("operator", {"system_account": system}, context=context)] == codes


@pytest.mark.parametrize(
    ("kinds", "subjects", "codes"),
    [
        pytest.param(("stream", "stream"), ("a.>", "a.*"), ["T017"], id="T017 a cycle"),
        pytest.param(("stream", "service"), ("a.>", "a.*"), [], id="T017 two kinds"),
        pytest.param(("stream", "stream"), ("a.>", "b.>"), [], id="T017 both ways"),
    ],
)
def test_a_cycle(
    found: Found, say: Say, kinds: tuple[str, str], subjects: tuple[str, str], codes: list[str]
) -> None:
    mine = {
        "exports": [{"subject": subjects[1], "type": kinds[1]}],
        "imports": [{"subject": subjects[0], "type": kinds[0], "account": "<other account>"}],
    }
    theirs = {
        "exports": [{"subject": subjects[0], "type": kinds[0]}],
        "imports": [{"subject": subjects[1], "type": kinds[1], "account": "<account>"}],
    }
    accounts = [say("account", mine).claims, say("account", theirs, sub="<other account>").claims]
    context = Context(NOW, claims={claims.sub: claims for claims in accounts})
    places = found("account", mine, letters="T", context=context)
    assert places == [(code, "nats.imports[0].subject") for code in codes]


@pytest.mark.parametrize(
    ("subject", "position", "codes"),
    [
        pytest.param("s.<account>", 2, [], id="T018 its own"),
        pytest.param("s.<other account>", 2, ["T018"], id="T018 the exporter"),
        pytest.param("s.*", 2, ["T018"], id="T018 a wildcard"),
        pytest.param("s.*", 0, [], id="T018 no position"),
    ],
)
def test_a_token_position(found: Found, say: Say, subject: str, position: int, codes: list[str]) -> None:
    export = {"subject": "s.*", "type": "stream", "account_token_position": position}
    exporter = say("account", {"exports": [export]}, sub="<other account>").claims
    item = {"subject": subject, "type": "stream", "account": "<other account>"}
    context = Context(NOW, claims={exporter.sub: exporter})
    places = found("account", {"imports": [item]}, letters="T", context=context)
    assert places == [(code, "nats.imports[0].subject") for code in codes]


@pytest.mark.parametrize(
    ("private", "subject", "places"),
    [
        pytest.param(True, "<other account>", [], id="T019 private"),
        pytest.param(False, "<other account>", [("T019", "nats.subject")], id="T019 public"),
        pytest.param(True, "<account>", [("T019", "sub")], id="T019 to itself"),
    ],
)
def test_an_activation(
    found: Found,
    say: Say,
    private: bool,  # noqa: FBT001 - a table
    subject: str,
    places: list[tuple[str, str]],
) -> None:
    export = {"subject": "orders", "type": "stream", "token_req": private}
    exporter = say("account", {"exports": [export]}).claims
    context = Context(NOW, claims={exporter.sub: exporter})
    assert found("activation", sub=subject, letters="T", context=context) == places


def test_t017_the_work_for_cycles_grows_with_the_imports_and_is_done_once(
    say: Say, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for size in (50, 100):
        item = {"subject": "a", "type": "stream"}
        claims = {
            f"A{number}": say("account", {"imports": [item | {"account": f"A{(number + 1) % size}"}]}).claims
            for number in range(size)
        }
        calls: list[int] = []
        feeds = imports._feeds
        monkeypatch.setattr(imports, "_feeds", lambda *given, f=feeds, c=calls: c.append(1) or f(*given))
        context = Context(NOW, claims=claims)
        for _ in range(3):
            found("account", letters="T", context=context)
        assert len(imports._cyclic(claims)) == size
        monkeypatch.setattr(imports, "_feeds", feeds)
        counts.append(len(calls))
    assert counts == [50, 100]


def test_the_transforms_of_a_target() -> None:
    assert transforms("a.$2.{{Partition(3,1,2)}}.{{splitFromLeft(1,-4)}}.{{split(1,-)}}") == (
        Transform("wildcard", (2,)),
        Transform("partition", (1, 2), 3),
        Transform("splitfromleft", (1,), -4),
        Transform("split", (1,)),
    )
    assert transforms("{{left(1)}}.{{x}}") == (
        "left takes 2 arguments, not 1",
        "'{{x}}' is not a function that servers know",
    )
    assert has_stray_transform("a.b{{wildcard(1)}}")
    assert not has_stray_transform("a.{{wildcard(1)}}")
