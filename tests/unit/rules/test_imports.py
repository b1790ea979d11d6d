from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.jwt import draft

if TYPE_CHECKING:
    from conftest import Found, Say

    from seedless.seeds import SoftwareKey

_STREAM = {"subject": "orders", "type": "stream", "account": "<other account>"}
_SERVICE = {"subject": "orders", "type": "service", "account": "<other account>"}


def _local(subject: str, local: str) -> list[dict[str, Any]]:
    return [_STREAM | {"subject": subject, "local_subject": local}]


@pytest.mark.parametrize(
    ("imports", "codes"),
    [
        pytest.param(
            [_SERVICE | {"subject": "a.*"}, _SERVICE | {"subject": "a.b"}],
            [("C022", "nats.imports[1]")],
            id="C022 the second is within the first",
        ),
        pytest.param(
            [_SERVICE | {"subject": "a.b"}, _SERVICE | {"subject": "a.*"}],
            [("C022", "nats.imports[1]")],
            id="C022 the first is within the second",
        ),
        pytest.param(
            [_SERVICE | {"subject": "a.*", "to": "b"}, _SERVICE | {"subject": "a.b", "local_subject": "c"}],
            [("C026", "nats.imports[0].to")],
            id="C022 both renamed",
        ),
        pytest.param(
            [_SERVICE | {"subject": "a.*", "local_subject": "b.$1"}, _SERVICE | {"subject": "b.c"}],
            [("C022", "nats.imports[1]")],
            id="C022 after renaming",
        ),
        pytest.param(
            [_SERVICE | {"subject": "a"}, _SERVICE | {"subject": "a"}, _SERVICE | {"subject": "a"}],
            [(code, f"nats.imports[{index}]") for code in ("C022", "C023") for index in (1, 2)],
            id="C023 thrice the same",
        ),
        pytest.param([_SERVICE, _SERVICE | {"account": "<signing key>"}], [], id="C023 from two accounts"),
        pytest.param([_STREAM, _STREAM, _SERVICE], [], id="C023 streams"),
        pytest.param(
            [_SERVICE | {"allow_trace": True}], [("C024", "nats.imports[0].allow_trace")], id="C024 service"
        ),
        pytest.param([_STREAM | {"allow_trace": True}], [], id="C024 stream"),
        pytest.param(
            [{"subject": "a", "type": "stream"}], [("C025", "nats.imports[0].account")], id="C025 nobody"
        ),
        pytest.param([_STREAM | {"to": "a"}], [("C026", "nats.imports[0].to")], id="C026 to"),
        pytest.param(
            [_STREAM | {"to": "a", "local_subject": "b"}],
            [("C026", "nats.imports[0].to"), ("C027", "nats.imports[0].to")],
            id="C027 both",
        ),
        pytest.param(_local("a.>", "b"), [("C028", "nats.imports[0].local_subject")], id="C028 lost"),
        pytest.param(_local("a", ">"), [("C028", "nats.imports[0].local_subject")], id="C028 from nowhere"),
        pytest.param(_local("a.>", ">"), [], id="C028 none"),
        pytest.param(_local("a>", "b"), [], id="C028 no wildcard"),
        pytest.param(
            _local("a.*", "b.$2.*"), [("C029", "nats.imports[0].local_subject")], id="C029 the second of one"
        ),
        pytest.param(_local("a.*", "b.$1"), [], id="C029 none"),
        pytest.param(_local("a.*", "b"), [("C030", "nats.imports[0].local_subject")], id="C030 lost"),
        pytest.param(_local("a", "b.*"), [("C030", "nats.imports[0].local_subject")], id="C030 from nowhere"),
        pytest.param(_local("a.*.*", "$2.*"), [], id="C030 none"),
        pytest.param(_local("*.*.*", "$3.$0.$-1"), [], id="C030 strange numbers count"),
        pytest.param([_STREAM | {"share": True}], [("C031", "nats.imports[0].share")], id="C031 stream"),
        pytest.param([_SERVICE | {"share": True}], [], id="C031 service"),
    ],
)
def test_imports(found: Found, imports: list[dict[str, Any]], codes: list[Any]) -> None:
    assert found("account", {"imports": imports}) == codes


_SERVICE_LEAVE = {"subject": "orders", "kind": "service"}


@pytest.mark.parametrize(
    ("issuer", "activation", "subject", "item", "codes"),
    [
        pytest.param("<other account>", {}, "<account>", {}, [], id="C033 none"),
        pytest.param(
            "<signing key>", {"issuer_account": "<other account>"}, "<account>", {}, [], id="C033 in its name"
        ),
        pytest.param("<account>", {}, "<account>", {}, ["C033"], id="C033 by another"),
        pytest.param("<other account>", {}, "<other account>", {}, ["C034"], id="C034 for another"),
        pytest.param("<other account>", _SERVICE_LEAVE, "<account>", {}, ["C035"], id="C035 of another kind"),
        pytest.param(
            "<other account>",
            {"subject": "orders.*"},
            "<account>",
            {},
            ["C036"],
            id="C036 for another subject",
        ),
        pytest.param(
            "<other account>", {"subject": "*"}, "<account>", {}, [], id="C036 for more than is imported"
        ),
        pytest.param(
            "<other account>",
            _SERVICE_LEAVE | {"subject": "there"},
            "<account>",
            {"type": "service", "to": "there"},
            [],
            id="C036 to names the other side of a service",
        ),
        pytest.param(
            "<other account>",
            _SERVICE_LEAVE,
            "<account>",
            {"type": "service", "to": "there"},
            ["C036"],
            id="C036 to is beyond the activation for a service",
        ),
        pytest.param(
            "<other account>", {}, "<account>", {"to": "there"}, [], id="C036 to is here for a stream"
        ),
        pytest.param(
            "<other account>", {"subject": "orders "}, "<account>", {}, ["C004", "C036"], id="C004 activation"
        ),
        pytest.param(
            "<other account>", {"kind": None}, "<account>", {}, ["C009", "C035"], id="C009 activation"
        ),
        pytest.param(
            "<other account>", {"issuer_account": "x"}, "<account>", {}, ["C010"], id="C010 activation"
        ),
    ],
)
def test_activations_of_imports(
    found: Found,
    say: Say,
    named: dict[str, SoftwareKey],
    issuer: str,
    activation: dict[str, Any],
    subject: str,
    item: dict[str, Any],
    codes: list[str],
) -> None:
    said = say("activation", activation, sub=subject)
    key = named[issuer]
    leave = draft(said.claims, key.public_key, 1)
    token = leave.complete(key.sign(leave.signing_input)).text
    places = found("account", {"imports": [_STREAM | item | {"token": token}]})
    assert [code for code, where in places if code != "C026"] == codes
    assert all(where.startswith("nats.imports[0].t") for _, where in places)


@pytest.mark.parametrize(
    "token", [pytest.param("https://h/t", id="C032 URL"), pytest.param("x", id="C032 junk")]
)
def test_what_is_no_activation_is_reported(found: Found, token: str) -> None:
    places = found("account", {"imports": [_STREAM | {"token": token}]})
    assert places == [("C032", "nats.imports[0].token")]


def test_a_jwt_of_another_kind_is_no_activation_c032(
    found: Found, say: Say, named: dict[str, SoftwareKey]
) -> None:
    key = named["<account>"]
    user = draft(say("user").claims, key.public_key, 1)
    token = user.complete(key.sign(user.signing_input)).text
    places = found("account", {"imports": [_STREAM | {"token": token}]})
    assert places == [("C032", "nats.imports[0].token")]
