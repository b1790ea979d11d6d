from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Found

_SERVICE = {"subject": "orders", "type": "service"}
_STREAM = {"subject": "orders", "type": "stream"}
_LATENCY = "nats.exports[0].service_latency"
_POSITION = "nats.exports[0].account_token_position"


def _measured(sampling: int | str, results: str = "results") -> dict[str, Any]:
    return _SERVICE | {"service_latency": {"sampling": sampling, "results": results}}


def _placed(subject: str, position: int) -> dict[str, Any]:
    return {"subject": subject, "type": "stream", "account_token_position": position}


@pytest.mark.parametrize(
    ("export", "codes"),
    [
        pytest.param({"subject": "a"}, [("C037", "nats.exports[0].type")], id="C037 no type"),
        pytest.param(
            _SERVICE | {"response_type": "stream"},
            [("C038", "nats.exports[0].response_type")],
            id="C038 case",
        ),
        pytest.param(_SERVICE | {"response_type": "Singleton"}, [], id="C038 singleton"),
        pytest.param(_SERVICE | {"response_type": "Chunked"}, [], id="C038 chunked"),
        pytest.param(_SERVICE | {"response_type": "Stream"}, [], id="C038 stream"),
        pytest.param(
            _STREAM | {"response_type": "Stream"},
            [("C039", "nats.exports[0].response_type")],
            id="C039 stream",
        ),
        pytest.param(
            {"subject": "a", "response_type": "x"}, [("C037", "nats.exports[0].type")], id="C039 none"
        ),
        pytest.param(
            _STREAM | {"allow_trace": True}, [("C040", "nats.exports[0].allow_trace")], id="C040 stream"
        ),
        pytest.param(_SERVICE | {"allow_trace": True}, [], id="C040 service"),
        pytest.param(_measured(1) | _STREAM, [("C041", _LATENCY)], id="C041 stream"),
        pytest.param(_measured(101), [("C042", f"{_LATENCY}.sampling")], id="C042 above"),
        pytest.param(_measured(-1), [("C042", f"{_LATENCY}.sampling")], id="C042 below"),
        pytest.param(_measured(100), [], id="C042 all"),
        pytest.param(_measured(1), [], id="C042 one"),
        pytest.param(_measured(0), [], id="C042 zero is headers"),
        pytest.param(_measured("headers"), [], id="C042 headers"),
        pytest.param(_measured(1, "a.*"), [("C043", f"{_LATENCY}.results")], id="C043 wildcard"),
        pytest.param(
            _SERVICE | {"response_threshold": -1}, [("C044", "nats.exports[0].response_threshold")], id="C044"
        ),
        pytest.param(_SERVICE | {"response_threshold": 0}, [], id="C044 none"),
        pytest.param(
            _STREAM | {"response_threshold": 1}, [("C045", "nats.exports[0].response_threshold")], id="C045"
        ),
        pytest.param(
            _STREAM | {"response_threshold": -1},
            [("C044", "nats.exports[0].response_threshold")],
            id="C045 a negative one is negative",
        ),
        pytest.param(_SERVICE | {"response_threshold": 1}, [], id="C045 service"),
        pytest.param(_placed("a.b", 2), [("C046", _POSITION)], id="C046 no wildcard"),
        pytest.param(_placed("a.b", 3), [("C046", _POSITION)], id="C046 no wildcard, and beyond"),
        pytest.param(_placed("a.*", 3), [("C047", _POSITION)], id="C047 beyond"),
        pytest.param(_placed("a.*", 1), [("C048", _POSITION)], id="C048 the first"),
        pytest.param(_placed("*.>", 2), [("C048", _POSITION)], id="C048 the rest"),
        pytest.param(_placed("a.*", 2), [], id="C048 the last"),
        pytest.param(_placed("*.a", 1), [], id="C048 none"),
    ],
)
def test_an_export(found: Found, export: dict[str, Any], codes: list[Any]) -> None:
    assert found("account", {"exports": [export]}) == codes


def _all(kind: str | None, *subjects: str) -> list[dict[str, Any]]:
    return [{"subject": subject} | ({"type": kind} if kind else {}) for subject in subjects]


@pytest.mark.parametrize(
    ("exports", "codes"),
    [
        pytest.param(
            _all("service", "a.b", "a.*"),
            [("C049", "nats.exports[1].subject")],
            id="C049 the second is wider",
        ),
        pytest.param(
            _all("service", "a.>", "a.b", "a.c"), [("C049", "nats.exports[0].subject")], id="C049 said once"
        ),
        pytest.param(
            _all("service", "a", "a", "a"),
            [("C049", "nats.exports[0].subject")],
            id="C049 the same, said once",
        ),
        pytest.param(
            _all("stream", "a.b", "a.*"), [("C050", "nats.exports[1].subject")], id="C050 the second is wider"
        ),
        pytest.param(
            [*_all(None, "a"), *_all("stream", "a")],
            [("C037", "nats.exports[0].type"), ("C050", "nats.exports[0].subject")],
            id="C050 without a type it counts as a stream",
        ),
        pytest.param([*_all("service", "a"), *_all("stream", "a")], [], id="C050 a stream and a service"),
    ],
)
def test_exports_do_not_overlap(found: Found, exports: list[dict[str, Any]], codes: list[Any]) -> None:
    assert found("account", {"exports": exports}) == codes
