from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Found

_IMPORT = {"subject": "a", "type": "stream", "account": "<other account>"}
_EXPORTS = [{"subject": "a", "type": "stream"}, {"subject": "b.*", "type": "stream"}]
_IMPORTS, _EXPORTED, _TIERS = "nats.limits.imports", "nats.limits.exports", "nats.limits.tiered_limits"
_NONE = {
    "subs": 0,
    "data": 0,
    "payload": 0,
    "imports": 0,
    "exports": 0,
    "conn": 0,
    "leaf": 0,
    "wildcards": False,
}


@pytest.mark.parametrize(
    ("limits", "codes"),
    [
        pytest.param(
            {"streams": 1, "tiered_limits": {"R1": {}}}, [("C051", _TIERS)], id="C051 flat beside tiers"
        ),
        pytest.param(
            {"max_bytes_required": True, "tiered_limits": {"R1": {}}}, [("C051", _TIERS)], id="C051 flag"
        ),
        pytest.param({"tiered_limits": {"R1": {"mem_storage": 1}}}, [], id="C051 tiers alone"),
        pytest.param({"mem_storage": 1}, [], id="C051 flat alone"),
        pytest.param({"tiered_limits": {"": {}, "R1": {}}}, [("C052", _TIERS)], id="C052 no name"),
        pytest.param({"imports": 0}, [("C053", _IMPORTS)] * 2, id="C053 none allowed, said twice"),
        pytest.param({"imports": 1}, [("C053", _IMPORTS)] * 2, id="C053 one allowed of two"),
        pytest.param({"imports": 2}, [], id="C053 as many as allowed"),
        pytest.param({"imports": -2}, [("C053", _IMPORTS)], id="C053 below zero, said once"),
        pytest.param({"exports": 1, "wildcards": True}, [("C054", _EXPORTED)], id="C054 one allowed of two"),
        pytest.param({"exports": 2}, [], id="C054 as many as allowed"),
        pytest.param({"exports": 0}, [("C054", _EXPORTED)], id="C054 none allowed"),
        pytest.param({"exports": -2}, [("C054", _EXPORTED)], id="C054 below zero"),
        pytest.param(
            {"exports": 2, "wildcards": False}, [("C055", "nats.exports[1].subject")], id="C055 not allowed"
        ),
        pytest.param({"exports": -1, "wildcards": False}, [], id="C055 not looked at"),
        pytest.param({"exports": 2, "wildcards": True}, [], id="C055 allowed"),
    ],
)
def test_limits(found: Found, limits: dict[str, Any], codes: list[Any]) -> None:
    nats = {"limits": limits, "imports": [_IMPORT, _IMPORT | {"subject": "b"}], "exports": _EXPORTS}
    assert found("account", nats) == codes


def test_an_account_without_any_limits_is_reported_once_of_its_imports_c053(found: Found) -> None:
    places = found("account", {"limits": _NONE, "imports": [_IMPORT]})
    assert [code for code, _ in places if code < "C100"] == ["C053"]


_LONG = "x" * 8193


@pytest.mark.parametrize(
    ("nats", "codes"),
    [
        pytest.param(
            {"signing_keys": ["<signing key>", {"kind": "user_scope", "key": "<user>"}]},
            [("C056", "nats.signing_keys[1].key")],
            id="C056 user key",
        ),
        pytest.param(
            {"signing_keys": ["<signing key>", "<user>"]},
            [("C057", "nats.signing_keys[1]")],
            id="C057 user key",
        ),
        pytest.param(
            {"signing_keys": [{"kind": "user_scope", "key": "<signing key>"}, "<account>"]},
            [],
            id="C057 none",
        ),
        pytest.param({"description": _LONG}, [("C058", "nats.description")], id="C058 one byte too long"),
        pytest.param({"description": "x" * 8192}, [], id="C058 as long as allowed"),
        pytest.param({"description": "é" * 4097}, [("C058", "nats.description")], id="C058 counted in bytes"),
        pytest.param(
            {"exports": [_EXPORTS[0], _EXPORTS[1] | {"description": _LONG}]},
            [("C058", "nats.exports[1].description")],
            id="C058 export",
        ),
        pytest.param({"info_url": "http://h/" + "x" * 8184}, [("C059", "nats.info_url")], id="C059 too long"),
        pytest.param({"info_url": "http://h/" + "x" * 8183}, [], id="C059 as long as allowed"),
        pytest.param(
            {"info_url": _LONG}, [("C059", "nats.info_url"), ("C060", "nats.info_url")], id="C060 both"
        ),
        pytest.param({"info_url": "http://h h"}, [("C060", "nats.info_url")], id="C060 blank"),
        pytest.param({"info_url": "//h"}, [("C060", "nats.info_url")], id="C060 no scheme"),
        pytest.param({"info_url": "http:///p"}, [("C060", "nats.info_url")], id="C060 no host"),
        pytest.param({"info_url": "http://:80"}, [("C060", "nats.info_url")], id="C060 port alone"),
        pytest.param({"info_url": "http://u@h"}, [], id="C060 none"),
        pytest.param({"info_url": "http://[::1]:80"}, [], id="C060 address"),
        pytest.param({"cluster_traffic": "Owner"}, [("C061", "nats.cluster_traffic")], id="C061 case"),
        pytest.param({"cluster_traffic": "owner"}, [], id="C061 owner"),
        pytest.param({"cluster_traffic": "system"}, [], id="C061 system"),
    ],
)
def test_keys_and_descriptions(found: Found, nats: dict[str, Any], codes: list[Any]) -> None:
    assert found("account", nats) == codes


def test_a_self_signed_account_sets_no_limits_c062(found: Found) -> None:
    assert found("account", iss="<account>") == [("C062", "nats.limits")]
    bare = found("account", {"limits": _NONE}, iss="<account>")
    assert [code for code, _ in bare if code < "C100"] == []
    assert found("account", iss="") == []
