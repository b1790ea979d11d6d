from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Found


@pytest.mark.parametrize(
    ("nats", "codes"),
    [
        pytest.param({"src": ["0.0.0.0/0", "10.0.0.1"]}, [("C074", "nats.src[1]")], id="C074 address alone"),
        pytest.param({"src": ["::1/128"]}, [], id="C074 none"),
        pytest.param({"times": [{"end": "1:00:00"}]}, [("C075", "nats.times[0].start")], id="C075 no start"),
        pytest.param(
            {"times": [{"start": "24:00:00", "end": "1:00:00"}]}, [("C076", "nats.times[0].start")], id="C076"
        ),
        pytest.param({"times": [{"start": "1:00:00"}]}, [("C077", "nats.times[0].end")], id="C077 no end"),
        pytest.param(
            {"times": [{"start": "8:00:00", "end": "1:0:00"}]}, [("C078", "nats.times[0].end")], id="C078"
        ),
        pytest.param({"times": [{"start": "8:00:00", "end": "07:59:59"}]}, [], id="C078 none"),
        pytest.param({"times_location": "Mars/Phobos"}, [("C079", "nats.times_location")], id="C079 Mars"),
        pytest.param({"times_location": "UTC"}, [], id="C079 none"),
    ],
)
def test_where_and_when_a_user_may_connect(found: Found, nats: dict[str, Any], codes: list[Any]) -> None:
    assert found("user", nats) == codes


@pytest.mark.parametrize(
    ("kind", "nats", "standard", "codes"),
    [
        pytest.param(
            "authorization_request", {"user_nkey": ""}, {}, [("C080", "nats.user_nkey")], id="C080 nobody"
        ),
        pytest.param(
            "authorization_request", {"user_nkey": "<server>"}, {}, [("C081", "nats.user_nkey")], id="C081"
        ),
        pytest.param("authorization_response", {}, {"sub": "<server>"}, [("C082", "sub")], id="C082 server"),
        pytest.param("authorization_response", {}, {"aud": "<user>"}, [("C083", "aud")], id="C083 user"),
        pytest.param("authorization_response", {}, {"aud": ""}, [("C083", "aud")], id="C083 nobody"),
        pytest.param("authorization_response", {"jwt": ""}, {}, [("C084", "nats")], id="C084 silence"),
        pytest.param("authorization_response", {"jwt": "", "error": "e"}, {}, [], id="C084 error"),
        pytest.param("authorization_response", {"error": "e"}, {}, [("C085", "nats")], id="C085 both"),
        pytest.param(
            "authorization_response",
            {"issuer_account": "<user>"},
            {},
            [("C086", "nats.issuer_account")],
            id="C086 user",
        ),
        pytest.param("authorization_response", {"issuer_account": "<account>"}, {}, [], id="C086 none"),
    ],
)
def test_auth_callout(
    found: Found, kind: str, nats: dict[str, Any], standard: dict[str, str], codes: list[Any]
) -> None:
    assert found(kind, nats, **standard) == codes
