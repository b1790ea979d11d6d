from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Found

_SERVER, _SERVICE = "nats.account_server_url", "nats.operator_service_urls[0]"
_VERSION = "nats.assert_server_version"


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        pytest.param("http://h:port", [("C011", _SERVER)], id="C011 port"),
        pytest.param("%zz", [("C011", _SERVER)], id="C011 escape"),
        pytest.param("a:b/c", [], id="C011 opaque"),
        pytest.param("1a:b", [("C011", _SERVER)], id="C011 colon"),
        pytest.param(":a", [("C011", _SERVER)], id="C011 no scheme before the colon"),
        pytest.param("//h/p", [("C012", _SERVER)], id="C012 host alone"),
        pytest.param("h", [("C012", _SERVER)], id="C012 name alone"),
        pytest.param("///a:b", [("C012", _SERVER)], id="C012 path alone"),
        pytest.param("nats://h:4222", [], id="C012 none"),
        pytest.param("", [], id="C012 absent"),
    ],
)
def test_the_account_server_is_a_url(found: Found, url: str, codes: list[Any]) -> None:
    assert found("operator", {"account_server_url": url}) == codes


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        pytest.param("%", [("C013", _SERVICE)], id="C013 escape"),
        pytest.param("127.0.0.1:4222", [("C013", _SERVICE)], id="C013 address"),
        pytest.param("nats://u:p@h/x", [("C014", _SERVICE)], id="C014 password, said alone"),
        pytest.param("nats://@h", [("C014", _SERVICE)], id="C014 nobody"),
        pytest.param("http://h/", [("C015", _SERVICE)], id="C015 slash, said alone"),
        pytest.param("http://h", [("C016", _SERVICE)], id="C016 http"),
        pytest.param("h:4222", [("C016", _SERVICE)], id="C016 host as scheme"),
        pytest.param("TLS://h", [], id="C016 upper case"),
        pytest.param("nats://h?x=1#f", [], id="C016 query and fragment"),
        pytest.param("", [], id="C016 empty"),
    ],
)
def test_services_are_urls_of_nats_servers(found: Found, url: str, codes: list[Any]) -> None:
    assert found("operator", {"operator_service_urls": [url]}) == codes


@pytest.mark.parametrize(
    ("version", "codes"),
    [
        pytest.param("2.10", [("C019", _VERSION)], id="C019 two"),
        pytest.param("2.10.0.1", [("C019", _VERSION)], id="C019 four"),
        pytest.param("2.10.x", [("C020", _VERSION)], id="C020 letter"),
        pytest.param("..", [("C020", _VERSION)], id="C020 nothing, said once"),
        pytest.param("-1.x.0", [("C020", _VERSION)], id="C020 before the negative"),
        pytest.param("-1.-1.0", [("C021", _VERSION)], id="C021 said once"),
        pytest.param("0.0.0", [], id="C021 zeros"),
        pytest.param("02.10.+3", [], id="C020 none"),
        pytest.param("", [], id="C019 absent"),
    ],
)
def test_the_server_version_is_three_numbers(found: Found, version: str, codes: list[Any]) -> None:
    assert found("operator", {"assert_server_version": version}) == codes


@pytest.mark.parametrize(
    ("nats", "codes"),
    [
        pytest.param(
            {"signing_keys": ["<operator>", "<account>", ""]},
            [("C017", "nats.signing_keys[1]"), ("C017", "nats.signing_keys[2]")],
            id="C017 signing keys",
        ),
        pytest.param({"system_account": "<operator>"}, [("C018", "nats.system_account")], id="C018 operator"),
        pytest.param({"system_account": "<account>"}, [], id="C018 none"),
    ],
)
def test_keys_have_their_roles(found: Found, nats: dict[str, Any], codes: list[Any]) -> None:
    assert found("operator", nats) == codes
