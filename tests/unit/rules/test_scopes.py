from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.change import Change, Context
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.rules.scopes import template_mismatches
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from conftest import Found, Say

NOW = 1_000_000_000
_USER = {"issuer_account": "<account>", "subs": None, "data": None, "payload": None}
_SCOPE = "nats.signing_keys[0].template"


def scope(**template: Any) -> dict[str, Any]:  # noqa: ANN401 - members
    return {
        "signing_keys": [{"kind": "user_scope", "key": "<signing key>", "role": "r", "template": template}]
    }


def pub(*allow: str, deny: tuple[str, ...] = ()) -> dict[str, Any]:
    return scope(pub={"allow": list(allow), "deny": list(deny)})


@pytest.mark.parametrize(
    ("account", "name", "places"),
    [
        pytest.param(pub("a.{{name()}}.{{ Tag(x) }}", "{{subject()}}"), "n", [], id="C109 known"),
        pytest.param(pub("a", "x.{{nmae()}}"), "n", [("C109", "pub.allow[1]")], id="C109 unknown"),
        pytest.param(pub(deny=("{{name}}",)), "n", [("C109", "pub.deny[0]")], id="C109 in deny"),
        pytest.param(
            scope(sub={"allow": ["a.{{account_name()}}"]}), "n", [("C109", "sub.allow[0]")], id="C109 in sub"
        ),
        pytest.param(pub("x.{{name()}"), "n", [("C109", "pub.allow[0]")], id="C109 braces"),
        pytest.param(pub("{{account-name()}}.{{account-tag(x)}}"), "n", [], id="C110 plain"),
        pytest.param(pub("{{account-name()}}"), "a.b", [("C110", "pub.allow[0]")], id="C110 a name of two"),
        pytest.param(pub("{{account-name()}}"), "*", [("C110", "pub.allow[0]")], id="C110 a wildcard"),
        pytest.param(pub("{{name()}}"), "a.b", [], id="C110 a name that is not used"),
        pytest.param(pub("{{account-tag(wild)}}"), "n", [("C110", "pub.allow[0]")], id="C110 a tag"),
        pytest.param(pub("{{account-tag(no)}}"), "n", [("C110", "pub.allow[0]")], id="C110 no such tag"),
        pytest.param(
            pub(deny=("{{account-tag(no)}}",)), "n", [("C110", "pub.deny[0]")], id="C110 no such tag, in deny"
        ),
        pytest.param(
            scope(sub={"allow": ["a q", "{{name()}}"]}), "n", [("C111", "sub.allow[0]")], id="C111 a queue"
        ),
        pytest.param(
            scope(sub={"deny": ["a", "{{name()}} q"]}), "n", [("C111", "sub.deny[1]")], id="C111 in deny"
        ),
        pytest.param(pub("a..b", "{{name()}}"), "n", [("C111", "pub.allow[0]")], id="C111 no subject"),
        pytest.param(
            scope(sub={"allow": ["a q"], "deny": ["{{name()}}"]}), "n", [], id="C111 in another list"
        ),
        pytest.param(
            {"limits": {"disallow_bearer": True}} | scope(bearer_token=True),
            "n",
            [("C113", "bearer_token")],
            id="C113 not allowed",
        ),
        pytest.param(scope(bearer_token=True), "n", [], id="C113 allowed"),
        pytest.param({"limits": {"disallow_bearer": True}} | scope(), "n", [], id="C113 none"),
        pytest.param(scope(src=["10.0.0.0/8", "127.0.0.1"]), "n", [("C114", "src[1]")], id="C114 a network"),
        pytest.param(
            scope(times=[{"start": "8", "end": "09:00:00"}, {"start": "08:00:00"}]),
            "n",
            [("C114", "times[0].start"), ("C114", "times[1].end")],
            id="C114 times",
        ),
        pytest.param(
            scope(sub={"allow": ["a q", "a..b", "a b c"], "deny": [">.a", ""]}),
            "n",
            [("C115", place) for place in ("sub.allow[1]", "sub.allow[2]", "sub.deny[0]", "sub.deny[1]")],
            id="C115 no subjects",
        ),
        pytest.param(pub("a q", "a.*"), "n", [("C115", "pub.allow[0]")], id="C115 a queue of publishers"),
        pytest.param(
            scope(times_location="Nowhere/Land"), "n", [("C114", "times_location")], id="C114 a place"
        ),
        pytest.param(
            scope(times=[{"start": "08:00:00", "end": "09:00:00"}], times_location="UTC"),
            "n",
            [],
            id="C114 fine",
        ),
    ],
)
def test_a_scope(found: Found, account: dict[str, Any], name: str, places: list[tuple[str, str]]) -> None:
    tags = ["x:t", "wild:a.b"]
    assert found("account", account | {"tags": tags}, name=name) == [
        (code, f"{_SCOPE}.{place}") for code, place in places
    ]


@pytest.mark.parametrize(
    ("kind", "nats", "places"),
    [
        ("user", {"pub": {"allow": ["x.{{name()}}"]}}, [("C112", "nats.pub.allow[0]")]),
        ("user", {"sub": {"deny": ["a", "{{tag(x)}} q"]}}, [("C112", "nats.sub.deny[1]")]),
        ("user", {"sub": {"deny": ["a.{b}"]}}, []),
        (
            "account",
            {"default_permissions": {"pub": {"allow": ["x.{{name()}}"]}}},
            [("C112", "nats.default_permissions.pub.allow[0]")],
        ),
    ],
    ids=["C112 user", "C112 user denied", "C112 braces", "C112 default"],
)
def test_no_template_elsewhere(
    found: Found, kind: str, nats: dict[str, Any], places: list[tuple[str, str]]
) -> None:
    assert found(kind, nats) == places


@pytest.mark.parametrize(
    ("account", "user", "codes"),
    [
        pytest.param(pub("own.{{name()}}.{{tag(x)}}"), {"tags": ["x:a"]}, [], id="T015 plain"),
        pytest.param(pub("own.{{name()}}"), {"name": "*"}, [("T015", "name")], id="T015 a wildcard"),
        pytest.param(pub("own.{{name()}}"), {"name": "a.b"}, [("T015", "name")], id="T015 two tokens"),
        pytest.param(pub("{{name()}}", "b.{{name()}}"), {"name": "*"}, [("T015", "name")], id="T015 once"),
        pytest.param(pub("own.{{tag(x)}}"), {"name": "*", "tags": ["x:a", "y:*"]}, [], id="T015 not used"),
        pytest.param(
            pub("t.{{tag(x)}}"), {"tags": ["x:a", "x:>"]}, [("T015", "nats.tags")], id="T015 a tag of two"
        ),
        pytest.param(pub("t.{{tag(x)}}"), {}, [("T015", "nats.tags")], id="T015 no tag in allow"),
        pytest.param(pub(deny=("t.{{tag(x)}}",)), {}, [("T015", "")], id="T015 no tag in deny"),
        pytest.param(pub("{{nmae()}}"), {}, [("T015", "")], id="T015 unknown function"),
        pytest.param(
            {"limits": {"disallow_bearer": True}} | scope(bearer_token=True),
            {},
            [("T016", "nats.bearer_token")],
            id="T016 of a scope",
        ),
        pytest.param({"limits": {"disallow_bearer": True}} | scope(), {}, [], id="T016 no bearer"),
    ],
)
def test_a_user_of_a_scope(
    found: Found, say: Say, account: dict[str, Any], user: dict[str, Any], codes: list[tuple[str, str]]
) -> None:
    claims = say("account", account).claims
    context = Context(now=NOW, claims={claims.sub: claims})
    body = _USER | {"tags": user.get("tags", [])}
    name = user.get("name", "n")
    assert found("user", body, iss="<signing key>", name=name, letters="T", context=context) == codes


@pytest.mark.parametrize(
    ("disallow", "bearer", "codes"),
    [
        pytest.param(True, True, ["T016"], id="T016 disallowed"),
        pytest.param(False, True, [], id="T016 allowed"),
        pytest.param(True, False, [], id="T016 none"),
    ],
)
def test_a_bearer_token_is_of_an_account_that_allows_them(
    found: Found,
    say: Say,
    disallow: bool,  # noqa: FBT001 - a table
    bearer: bool,  # noqa: FBT001 - likewise
    codes: list[str],
) -> None:
    claims = say("account", {"limits": {"disallow_bearer": disallow}}).claims
    context = Context(now=NOW, claims={claims.sub: claims})
    places = found("user", {"bearer_token": bearer}, letters="T", context=context)
    assert places == [(code, "nats.bearer_token") for code in codes]


@pytest.mark.parametrize(
    ("users", "last"),
    [
        pytest.param(
            10, '"a.9" goes into "{{name()}}" of a scope, and is not one plain token', id="T015 ten"
        ),
        pytest.param(11, "so it is with 1 more users of its scopes", id="T015 eleven"),
    ],
)
def test_ten_users_whom_a_new_template_does_not_fit_are_named_and_the_others_counted(
    say: Say, named: dict[str, SoftwareKey], users: int, last: str
) -> None:
    account, operator, signer = (named[name] for name in ("<account>", "<operator>", "<signing key>"))
    before, after = (say("account", pub(text)).claims for text in ("own.>", "own.{{name()}}"))
    old = draft(before, operator.public_key, NOW)
    replaces = old.complete(operator.sign(old.signing_input))
    change = Change(draft(after, operator.public_key, NOW + 1), replaces=replaces, reason="edited")
    body = say("user", _USER).claims.body
    jwts = []
    for number in range(users):
        key = SoftwareKey(Role.USER, bytes([number]) * 32)
        claims = Claims(sub=str(key.public_key), name=f"a.{number}", body=body)
        made = draft(claims, signer.public_key, NOW)
        jwts.append(made.complete(signer.sign(made.signing_input)))
    context = Context(now=NOW, claims={str(account.public_key): after})
    found = list(template_mismatches(change, jwts, context))
    assert [finding.code for finding in found] == ["T015"] * users
    assert found[-1].text == last
