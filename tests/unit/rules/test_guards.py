from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.change import Change, Context, NewestJwt, Statement
from seedless.claims import Generic
from seedless.deviations import Deviation
from seedless.findings import Severity
from seedless.jwt import draft
from seedless.nkey import Role
from seedless.rules import judge, judge_statement
from seedless.seeds import SoftwareKey
from seedless.typed_json import Unknown

if TYPE_CHECKING:
    from conftest import Found, Say

    from seedless.jwt import Draft, Jwt

NOW = 1_000_000_000


def _draft(say: Say, named: dict[str, SoftwareKey], at: int, **times: int) -> Draft[Any]:
    return draft(say("user", **times).claims, named["<account>"].public_key, at)


def _jwt(say: Say, named: dict[str, SoftwareKey], at: int) -> Jwt[Any]:
    made = _draft(say, named, at)
    return made.complete(named["<account>"].sign(made.signing_input))


def _codes(*changes: Change, context: Context) -> list[tuple[str, str]]:
    return [(f.code, f.where) for f in judge(changes, context).findings if f.code.startswith("G")]


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        pytest.param(NOW - 1, [("G001", "iat")], id="G001 a second before"),
        pytest.param(NOW, [("G001", "iat")], id="G001 in the same second"),
        pytest.param(NOW + 1, [], id="G001 a second later"),
    ],
)
def test_time_moves_forward(
    say: Say, named: dict[str, SoftwareKey], plain: Context, at: int, codes: list[Any]
) -> None:
    change = Change(_draft(say, named, at), _jwt(say, named, NOW))
    assert _codes(change, context=plain) == codes


@pytest.mark.parametrize(
    ("at", "times", "codes"),
    [
        pytest.param(NOW + 61, {}, [("G002", "iat")], id="G002 more than a minute ahead"),
        pytest.param(NOW + 60, {}, [], id="G002 a minute ahead"),
        pytest.param(NOW, {"exp": NOW}, [("G003", "exp")], id="G003 expires now"),
        pytest.param(NOW, {"exp": 1}, [("G003", "exp")], id="G003 long ago"),
        pytest.param(NOW, {"exp": NOW + 1}, [], id="G003 in a second"),
        pytest.param(NOW, {"exp": NOW + 9, "nbf": NOW + 9}, [("G003", "exp")], id="G003 at its beginning"),
        pytest.param(NOW, {"exp": NOW + 9, "nbf": NOW + 8}, [], id="G003 lasts a second"),
        pytest.param(NOW, {"exp": 0, "nbf": NOW + 8}, [], id="G003 never"),
        pytest.param(NOW, {"exp": -1, "nbf": 0}, [], id="G003 below zero is never"),
    ],
)
def test_times_of_a_draft(
    say: Say, named: dict[str, SoftwareKey], plain: Context, at: int, times: dict[str, int], codes: list[Any]
) -> None:
    assert _codes(Change(_draft(say, named, at, **times)), context=plain) == codes


@pytest.mark.parametrize(
    ("data", "subject", "codes"),
    [
        pytest.param({"accounts": []}, "x", [("G004", "nats")], id="G004 accounts"),
        pytest.param({}, "<user>", [("G004", "nats")], id="G004 self-signed"),
        pytest.param({"a": 1}, "x", [], id="G004 anything else"),
        pytest.param(None, "x", [], id="G004 nothing"),
    ],
)
def test_orders_to_resolvers(
    say: Say,
    named: dict[str, SoftwareKey],
    plain: Context,
    data: dict[str, Any] | None,
    subject: str,
    codes: list[Any],
) -> None:
    claims = msgspec.structs.replace(say("generic", sub=subject).claims, body=Generic(data=data))
    made = draft(claims, named["<user>"].public_key, NOW)
    assert _codes(Change(made), context=plain) == codes


def test_two_jwts_of_one_subject_in_one_second_g005(
    say: Say, named: dict[str, SoftwareKey], plain: Context
) -> None:
    first, later = (Change(_draft(say, named, NOW + seconds)) for seconds in (0, 1))
    other = Change(draft(say("account").claims, named["<operator>"].public_key, NOW))
    report = judge([first, later, other], plain)
    assert [f.code for f in report.findings if f.code == "G005"] == []
    (finding,) = [f for f in judge([first, other, first], plain).findings if f.code == "G005"]
    assert (finding.place, finding.severity) == ("user n iat", "error")


@pytest.mark.parametrize(
    ("newest", "codes"),
    [
        pytest.param(NOW + 61, [("G006", "iat")], id="G006 more than a minute behind"),
        pytest.param(NOW + 60, [], id="G006 a minute behind"),
        pytest.param(None, [], id="G006 not known"),
    ],
)
def test_a_clock_that_is_behind(
    say: Say, named: dict[str, SoftwareKey], plain: Context, newest: int | None, codes: list[Any]
) -> None:
    held = None if newest is None else NewestJwt("account ORDERS", "A", newest)
    context = msgspec.structs.replace(plain, newest=held)
    assert _codes(Change(_draft(say, named, NOW)), context=context) == codes


_SEED = SoftwareKey(Role.ACCOUNT, bytes(32)).reveal()


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        pytest.param({"a": _SEED}, [("G012", "nats.a")], id="G012 a text"),
        pytest.param({"a": [1, {"b": f"see {_SEED}"}]}, [("G012", "nats.a[1].b")], id="G012 deep in a text"),
        pytest.param({_SEED: 1}, [("G012", "nats")], id="G012 a name"),
        pytest.param({"a": _SEED[:-5]}, [("G012", "nats.a")], id="G012 most of it"),
        pytest.param({"a": "<account>"}, [], id="G012 a public key"),
        pytest.param({"a": "S" + "A" * 51}, [], id="G012 a jti"),
    ],
)
def test_no_seed_is_signed(
    say: Say, named: dict[str, SoftwareKey], plain: Context, data: dict[str, Any], codes: list[Any]
) -> None:
    made = draft(say("generic", data).claims, named["<user>"].public_key, NOW)
    assert _codes(Change(made), context=plain) == codes


_EXPORT = {"subject": "a", "type": "stream"}


@pytest.mark.parametrize(
    ("nats", "codes"),
    [
        pytest.param(
            {"revocations": {"*": NOW + 1, "<user>": NOW}},
            [("nats.revocations.*", "error")],
            id="G007 everyone",
        ),
        pytest.param(
            {"revocations": {"*": NOW, "<user>": NOW + 1}}, [("nats.revocations.U", "warning")], id="G007 one"
        ),
        pytest.param(
            {"exports": [_EXPORT, {"subject": "b", "type": "stream", "revocations": {"*": NOW + 1}}]},
            [("nats.exports[1].revocations.*", "error")],
            id="G007 export",
        ),
    ],
)
def test_revocations_of_the_future(say: Say, plain: Context, nats: dict[str, Any], codes: list[Any]) -> None:
    found = [f for f in judge_statement(say("account", nats), plain) if f.code == "G007"]
    assert [(f.where.partition("U")[0] + "U" * ("U" in f.where), f.severity) for f in found] == codes


@pytest.mark.parametrize(
    ("size", "codes"),
    [pytest.param(3501, ["G008"], id="G008 one byte more"), pytest.param(3500, [], id="G008 fits")],
)
def test_a_user_fits_into_a_login(say: Say, plain: Context, size: int, codes: list[str]) -> None:
    said = msgspec.structs.replace(say("user"), size=size)
    assert [finding.code for finding in judge_statement(said, plain)] == codes


def test_the_size_of_a_statement_is_that_of_the_jwt_g008(say: Say, named: dict[str, SoftwareKey]) -> None:
    made = _jwt(say, named, NOW)
    assert Statement.of(made).size == len(made.text)
    assert Statement.of(_draft(say, named, NOW)) == Statement.of(made)


_EXPIRED, _EXPIRES = "G009 the activation expired at", "G009 the activation expires at"
_READS = "and this clock reads 2001-09-09 01:46:40 UTC"


@pytest.mark.parametrize(
    ("leave", "account", "codes"),
    [
        pytest.param(NOW, 0, [f"{_EXPIRED} 2001-09-09 01:46:40 UTC, {_READS}"], id="G009 expired"),
        pytest.param(1, NOW + 9, [f"{_EXPIRED} 1970-01-01 00:00:01 UTC, {_READS}"], id="G009 long expired"),
        pytest.param(
            NOW + 1,
            0,
            [f"{_EXPIRES} 2001-09-09 01:46:41 UTC, and the account never"],
            id="G009 never expires",
        ),
        pytest.param(
            NOW + 1,
            NOW + 2,
            [f"{_EXPIRES} 2001-09-09 01:46:41 UTC, and the account at 2001-09-09 01:46:42 UTC"],
            id="G009 first",
        ),
        pytest.param(NOW + 2, NOW + 2, [], id="G009 together"),
        pytest.param(NOW + 2, 1, [], id="G009 the account has expired"),
        pytest.param(0, 0, [], id="G009 neither expires"),
    ],
)
def test_activations_that_expire(
    say: Say, named: dict[str, SoftwareKey], plain: Context, leave: int, account: int, codes: list[str]
) -> None:
    key = named["<other account>"]
    given = draft(say("activation", sub="<account>", exp=leave).claims, key.public_key, 1)
    token = given.complete(key.sign(given.signing_input)).text
    item = {"subject": "orders", "type": "stream", "account": "<other account>", "token": token}
    said = say("account", {"imports": [item]}, exp=account)
    findings = [f for f in judge_statement(said, plain) if f.code != "C001"]
    assert [f"{f.code} {f.text}" for f in findings] == codes
    assert all(f.where == "nats.imports[0].token" for f in findings)


def test_unreadable_activations_do_not_expire_g009(found: Found) -> None:
    item = {"subject": "orders", "type": "stream", "account": "<other account>", "token": "x"}
    assert found("account", {"imports": [item]}, letters="G") == []


def test_an_unusual_spelling_of_what_is_replaced_is_reported_once_g013(
    say: Say, named: dict[str, SoftwareKey], plain: Context
) -> None:
    before = _jwt(say, named, NOW - 9)
    change = Change(_draft(say, named, NOW), before)
    assert _codes(change, context=plain) == []
    found = (Deviation("header-spelling", "header"), Deviation("null", "nats.tags"))
    spelled = Change(_draft(say, named, NOW), msgspec.structs.replace(before, deviations=found))
    told = [f for f in judge((spelled,), plain).findings if f.code == "G013"]
    assert [(f.severity, f.where) for f in told] == [(Severity.WARNING, "header")]
    assert told[0].text.startswith("is spelled here, and in 1 more as servers read it")
    assert told[0].text.endswith(
        "a header that is not spelled byte for byte as the official library writes it; "
        "null for a member, in a list or in a map"
    )


def test_the_ceiling_of_a_token_g010(say: Say, named: dict[str, SoftwareKey], plain: Context) -> None:
    made = _draft(say, named, NOW)
    size = len(made.signing_input)
    limited = [
        msgspec.structs.replace(plain, ceilings={str(named["<account>"].public_key): ceiling})
        for ceiling in (size - 1, size)
    ]
    assert [_codes(Change(made), context=context) for context in limited] == [[("G010", "")], []]
    assert _codes(Change(made), context=msgspec.structs.replace(plain, ceilings={"A": 1})) == []


def test_members_that_would_be_lost_g011(say: Say, named: dict[str, SoftwareKey], plain: Context) -> None:
    before = msgspec.structs.replace(
        _jwt(say, named, 1), unknown=(Unknown("nats.new", "1"), Unknown("more", "2"))
    )
    change = Change(_draft(say, named, NOW), before)
    assert _codes(change, context=plain) == [("G011", "nats.new"), ("G011", "more")]
