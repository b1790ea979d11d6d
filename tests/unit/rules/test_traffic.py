from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Found


def _to(*weights: int, cluster: str = "") -> dict[str, Any]:
    targets = [{"subject": f"t{index}", "weight": weight} for index, weight in enumerate(weights)]
    return {"mappings": {"a": [target | {"cluster": cluster} if cluster else target for target in targets]}}


@pytest.mark.parametrize(
    ("nats", "codes"),
    [
        pytest.param(
            _to(1, 101), [("C063", "nats.mappings.a[1].weight"), ("C065", "nats.mappings.a")], id="C063 above"
        ),
        pytest.param(_to(100), [], id="C063 all"),
        pytest.param(
            _to(60, 40, 1, 1, cluster="x"),
            [("C064", "nats.mappings.a[2].weight"), ("C064", "nats.mappings.a[3].weight")],
            id="C064 said of each that is too much",
        ),
        pytest.param(
            _to(0, 1, cluster="x"), [("C064", "nats.mappings.a[1].weight")], id="C064 none given is all"
        ),
        pytest.param(_to(60, 40, cluster="x"), [], id="C064 all"),
        pytest.param(_to(60, 41), [("C065", "nats.mappings.a")], id="C065 above"),
        pytest.param(_to(0, 1), [("C065", "nats.mappings.a")], id="C065 none given is all"),
        pytest.param(_to(0), [], id="C065 one"),
        pytest.param(_to(), [], id="C065 nowhere"),
        pytest.param(
            {
                "mappings": {
                    "a": [
                        {"subject": "b", "weight": 60, "cluster": "x"},
                        {"subject": "c", "weight": 60, "cluster": "y"},
                        {"subject": "d", "weight": 60},
                    ]
                }
            },
            [],
            id="C065 clusters count by themselves",
        ),
    ],
)
def test_mappings(found: Found, nats: dict[str, Any], codes: list[Any]) -> None:
    assert found("account", nats) == codes


_ACCOUNTS = "nats.authorization.allowed_accounts"


@pytest.mark.parametrize(
    ("callout", "codes"),
    [
        pytest.param({"allowed_accounts": ["*"]}, [("C066", _ACCOUNTS)], id="C066 nobody answers"),
        pytest.param({"auth_users": ["<user>"]}, [], id="C066 none"),
        pytest.param(
            {"auth_users": ["<user>", "<account>"]}, [("C067", "nats.authorization.auth_users[1]")], id="C067"
        ),
        pytest.param(
            {"auth_users": ["<user>"], "allowed_accounts": ["<account>", "*", "*"]},
            [("C068", f"{_ACCOUNTS}[1]"), ("C068", f"{_ACCOUNTS}[2]")],
            id="C068 all among some",
        ),
        pytest.param({"auth_users": ["<user>"], "allowed_accounts": ["*"]}, [], id="C068 all"),
        pytest.param(
            {"auth_users": ["<user>"], "allowed_accounts": ["<account>", "<user>"]},
            [("C069", f"{_ACCOUNTS}[1]")],
            id="C069 user key",
        ),
        pytest.param({"xkey": "<user>"}, [("C070", "nats.authorization.xkey")], id="C070 user key"),
        pytest.param({"xkey": "<curve>"}, [], id="C070 none"),
    ],
)
def test_auth_callout(found: Found, callout: dict[str, Any], codes: list[Any]) -> None:
    assert found("account", {"authorization": callout}) == codes


@pytest.mark.parametrize(
    ("trace", "codes"),
    [
        pytest.param({}, [("C071", "nats.trace.dest")], id="C071 nowhere"),
        pytest.param({"dest": " "}, [("C071", "nats.trace.dest")], id="C071 blank"),
        pytest.param({"dest": "a ..b."}, [("C071", "nats.trace.dest")], id="C071 said once"),
        pytest.param({"dest": "a.*"}, [("C072", "nats.trace.dest")], id="C072 wildcard"),
        pytest.param({"dest": "a", "sampling": 101}, [("C073", "nats.trace.sampling")], id="C073 above"),
        pytest.param({"dest": "a", "sampling": -1}, [("C073", "nats.trace.sampling")], id="C073 below"),
        pytest.param({"dest": "a", "sampling": 100}, [], id="C073 all"),
        pytest.param({"dest": "a", "sampling": 0}, [], id="C073 none given is all"),
    ],
)
def test_traces(found: Found, trace: dict[str, Any], codes: list[Any]) -> None:
    assert found("account", {"trace": trace}) == codes
