from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.change import Context
from seedless.claims import Account
from seedless.jwt import draft
from seedless.rules import trust

if TYPE_CHECKING:
    from conftest import Found, Say

    from seedless.seeds import SoftwareKey

NOW = 1_000_000_000
_SCOPE = {"kind": "user_scope", "key": "<signing key>"}


@pytest.mark.parametrize(
    ("operator", "issuer", "codes"),
    [
        pytest.param({}, "<operator>", [], id="T001 the identity"),
        pytest.param({}, "<operator signing key>", ["T001"], id="T001 a stranger"),
        pytest.param(
            {"signing_keys": ["<operator signing key>"]}, "<operator signing key>", [], id="T001 listed"
        ),
        pytest.param({"strict_signing_key_usage": True}, "<operator>", ["T001"], id="T001 strict"),
    ],
)
def test_an_account_is_issued_by_the_operator(
    found: Found, say: Say, operator: dict[str, Any], issuer: str, codes: list[str]
) -> None:
    context = Context(now=NOW, operator=say("operator", operator).claims)
    places = found("account", iss=issuer, letters="T", context=context)
    assert places == [(code, "iss") for code in codes]
    assert found("account", iss=issuer, letters="T") == []  # nothing is known of an operator


def test_an_operator_is_issued_by_itself_t001(found: Found) -> None:
    assert found("operator", letters="T", iss="<operator signing key>") == [("T001", "iss")]
    strict = {"strict_signing_key_usage": True, "signing_keys": ["<operator signing key>"]}
    assert found("operator", strict, letters="T") == []


@pytest.mark.parametrize(
    ("account", "user", "issuer", "codes"),
    [
        pytest.param({}, {}, "<account>", [], id="T002 the identity"),
        pytest.param({}, {}, "<signing key>", ["T002"], id="T002 a stranger"),
        pytest.param(
            {"signing_keys": ["<signing key>"]}, {}, "<signing key>", ["T002"], id="T002 no issuer_account"
        ),
        pytest.param(
            {"signing_keys": ["<signing key>"]},
            {"issuer_account": "<account>"},
            "<signing key>",
            [],
            id="T002 listed",
        ),
        pytest.param(
            {}, {"issuer_account": "<account>"}, "<signing key>", ["T002"], id="T002 a stranger in its name"
        ),
        pytest.param(
            {"signing_keys": [_SCOPE]},
            {"issuer_account": "<account>"},
            "<signing key>",
            ["T003"],
            id="T003 limits of -1",
        ),
        pytest.param(
            {"signing_keys": [_SCOPE]},
            {"issuer_account": "<account>", "subs": None, "data": None, "payload": None},
            "<signing key>",
            [],
            id="T003 nothing",
        ),
        pytest.param({"signing_keys": [_SCOPE]}, {}, "<account>", [], id="T003 the identity is not a scope"),
    ],
)
def test_a_user_is_issued_by_its_account(
    found: Found, say: Say, account: dict[str, Any], user: dict[str, Any], issuer: str, codes: list[str]
) -> None:
    claims = say("account", account).claims
    context = Context(now=NOW, claims={claims.sub: claims})
    assert [code for code, _ in found("user", user, iss=issuer, letters="T", context=context)] == codes


@pytest.mark.parametrize(
    ("operator", "user", "issuer", "codes"),
    [
        pytest.param(
            {"strict_signing_key_usage": True}, {}, "<account>", [("T013", "iss")], id="T013 strict"
        ),
        pytest.param({}, {}, "<account>", [], id="T013 not strict"),
        pytest.param(
            {"strict_signing_key_usage": True},
            {"issuer_account": "<account>"},
            "<signing key>",
            [],
            id="T013 signing key",
        ),
    ],
)
def test_the_identity_of_an_account_signs_users(
    found: Found, say: Say, operator: dict[str, Any], user: dict[str, Any], issuer: str, codes: list[Any]
) -> None:
    account = say("account", {"signing_keys": ["<signing key>"]}).claims
    context = Context(now=NOW, operator=say("operator", operator).claims, claims={account.sub: account})
    assert found("user", user, iss=issuer, letters="T", context=context) == codes


def test_the_system_account_is_known_t004(found: Found) -> None:
    nats = {"system_account": "<other account>"}
    assert found("operator", nats, letters="T") == [("T004", "nats.system_account")]
    assert found("operator", {"system_account": "<account>"}, letters="T") == []


CALLOUT = {"authorization": {"auth_users": ["<user>"]}}


@pytest.mark.parametrize(
    ("operator", "account", "codes"),
    [
        pytest.param({}, CALLOUT, ["T014"], id="T014 no system account"),
        pytest.param({"system_account": "<other account>"}, CALLOUT, [], id="T014 a system account"),
        pytest.param({}, {}, [], id="T014 no callout"),
        pytest.param(
            {}, {"authorization": {"allowed_accounts": ["*"]}}, [], id="T014 a callout without users"
        ),
    ],
)
def test_an_auth_callout_needs_a_system_account(
    found: Found, say: Say, operator: dict[str, Any], account: dict[str, Any], codes: list[str]
) -> None:
    other = {"sub": "<other account>"}
    claims = [say("account", account).claims, say("account", **other).claims]
    above = Context(now=NOW, operator=say("operator", operator).claims)
    below = Context(now=NOW, claims={one.sub: one for one in claims})
    where = "nats.authorization.auth_users"
    assert found("account", account, letters="T", context=above) == [(code, where) for code in codes]
    assert found("account", account, letters="T") == []  # nothing is known of an operator
    where = "nats.system_account"
    assert found("operator", operator, letters="T", context=below) == [(code, where) for code in codes]


def test_an_auth_callout_is_judged_where_the_operator_lists_what_is_below_t014(
    found: Found, say: Say
) -> None:
    operator = say("operator").claims
    account = say("account", CALLOUT).claims
    context = Context(now=NOW, operator=operator, claims={operator.sub: operator, account.sub: account})
    assert found("operator", letters="T", context=context) == [("T014", "nats.system_account")]


@pytest.mark.parametrize(
    ("kind", "parent", "child", "codes"),
    [
        pytest.param("user", NOW + 9, NOW + 10, [("T005", "exp")], id="T005 a second longer"),
        pytest.param("user", NOW + 9, NOW + 9, [], id="T005 as long"),
        pytest.param("user", NOW + 9, 0, [("T005", "exp")], id="T005 for ever"),
        pytest.param("user", 1, 0, [("T005", "exp")], id="T005 below one that ended"),
        pytest.param("user", 0, NOW, [], id="T005 below one for ever"),
        pytest.param("user", 0, 0, [], id="T005 both for ever"),
        pytest.param("activation", NOW + 9, 0, [("T005", "exp")], id="T005 activation"),
        pytest.param("account", NOW + 9, 0, [("T005", "exp")], id="T005 account"),
        pytest.param("account", NOW + 9, 1, [], id="T005 account ends first"),
    ],
)
def test_expiry_nests(found: Found, say: Say, kind: str, parent: int, child: int, codes: list[Any]) -> None:
    export = {"exports": [{"subject": "orders", "type": "stream", "token_req": True}]}
    operator = say("operator", exp=parent).claims
    account = say("account", export, exp=parent).claims
    context = Context(now=NOW, operator=operator, claims={account.sub: account})
    assert found(kind, letters="T", context=context, exp=child) == codes


_PRIVATE = {"subject": "orders", "type": "stream", "token_req": True}
_REVOKED = {"subject": "orders", "type": "stream", "token_req": True, "revocations": {"<other account>": NOW}}


@pytest.mark.parametrize(
    ("kind", "account", "codes"),
    [
        pytest.param("user", {"revocations": {"<user>": NOW}}, [("T006", "iat")], id="T006 in this second"),
        pytest.param("user", {"revocations": {"*": NOW}}, [("T006", "iat")], id="T006 everyone"),
        pytest.param("user", {"revocations": {"*": NOW + 1, "<user>": 1}}, [("T006", "iat")], id="T006 both"),
        pytest.param("user", {"revocations": {"<user>": NOW - 1}}, [("T006", "sub")], id="T006 let in again"),
        pytest.param("user", {"revocations": {"*": NOW - 1}}, [], id="T006 after everyone"),
        pytest.param("user", {"revocations": {"<account>": NOW}}, [], id="T006 another"),
        pytest.param("activation", {"exports": [_REVOKED]}, [("T006", "iat")], id="T006 activation"),
        pytest.param(
            "activation",
            {"exports": [_REVOKED | {"subject": "other"}, _PRIVATE]},
            [],
            id="T006 another export",
        ),
        pytest.param(
            "activation",
            {"exports": [_REVOKED | {"type": "service"}, _PRIVATE | {"subject": "*"}]},
            [],
            id="T006 another kind",
        ),
    ],
)
def test_the_revoked_stay_revoked(
    found: Found, say: Say, kind: str, account: dict[str, Any], codes: list[Any]
) -> None:
    claims = say("account", account).claims
    context = Context(now=NOW, claims={claims.sub: claims})
    assert found(kind, letters="T", context=context) == codes


@pytest.mark.parametrize(
    ("activation", "issuer", "codes"),
    [
        pytest.param({}, "<account>", [], id="T007 the identity"),
        pytest.param({}, "<other account>", [("T007", "iss")], id="T007 a stranger"),
        pytest.param(
            {"issuer_account": "<account>"}, "<other account>", [("T007", "iss")], id="T007 in its name"
        ),
        pytest.param({"issuer_account": "<account>"}, "<signing key>", [], id="T007 listed"),
        pytest.param(
            {"subject": "other"}, "<account>", [("T008", "nats.subject")], id="T008 another subject"
        ),
        pytest.param({"kind": "service"}, "<account>", [("T008", "nats.subject")], id="T008 another kind"),
        pytest.param({"subject": "orders.eu"}, "<account>", [], id="T008 within"),
    ],
)
def test_an_activation_is_by_the_account_for_an_export(
    found: Found, say: Say, activation: dict[str, Any], issuer: str, codes: list[Any]
) -> None:
    exports = [_PRIVATE | {"subject": subject} for subject in ("orders", "orders.*")]
    claims = say("account", {"exports": exports, "signing_keys": ["<signing key>"]}).claims
    context = Context(now=NOW, claims={claims.sub: claims})
    assert found("activation", activation, iss=issuer, letters="T", context=context) == codes


_IMPORT = {"subject": "orders", "type": "stream", "account": "<other account>"}
_SUBJECT, _TOKEN = "nats.imports[0].subject", "nats.imports[0].token"


@pytest.mark.parametrize(
    ("exports", "item", "codes"),
    [
        pytest.param([{"subject": "orders", "type": "stream"}], {}, [], id="T009 none"),
        pytest.param([{"subject": "orders", "type": "service"}], {}, [("T009", _SUBJECT)], id="T009 service"),
        pytest.param([{"subject": "a", "type": "stream"}], {}, [("T009", _SUBJECT)], id="T009 another"),
        pytest.param([], {"account": "<signing key>"}, [], id="T009 from an account that is not known"),
        pytest.param(
            [{"subject": "there", "type": "service"}], {"type": "service", "to": "there"}, [], id="T009 to"
        ),
        pytest.param(
            [{"subject": "there", "type": "stream"}], {"to": "there"}, [("T009", _SUBJECT)], id="T009 to here"
        ),
        pytest.param(
            [{"subject": "orders", "type": "stream", "token_req": True}],
            {},
            [("T010", _TOKEN)],
            id="T010 private",
        ),
    ],
)
def test_an_import_is_exported(
    found: Found, say: Say, exports: list[Any], item: dict[str, Any], codes: list[Any]
) -> None:
    other = say("account", {"exports": exports}, sub="<other account>").claims
    context = Context(now=NOW, claims={other.sub: other})
    assert found("account", {"imports": [_IMPORT | item]}, letters="T", context=context) == codes


@pytest.mark.parametrize(
    ("signers", "revocations", "codes"),
    [
        pytest.param(["<signing key>"], {}, [], id="T011 listed"),
        pytest.param([], {}, [("T011", _TOKEN)], id="T011 taken out"),
        pytest.param(["<signing key>"], {"<account>": 7}, [("T012", _TOKEN)], id="T012 in that second"),
        pytest.param(["<signing key>"], {"<account>": 6, "<user>": 7}, [], id="T012 before"),
        pytest.param(["<signing key>"], {"<account>": 6, "*": 8}, [("T012", _TOKEN)], id="T012 everyone"),
    ],
)
def test_the_leave_of_an_import_stands(
    found: Found,
    say: Say,
    named: dict[str, SoftwareKey],
    signers: list[str],
    revocations: dict[str, int],
    codes: list[Any],
) -> None:
    export = {"subject": "orders", "type": "stream", "token_req": True, "revocations": revocations}
    other = say("account", {"exports": [export], "signing_keys": signers}, sub="<other account>").claims
    context = Context(now=NOW, claims={other.sub: other})
    claims = say("activation", {"issuer_account": "<other account>"}, sub="<account>").claims
    given = draft(claims, named["<signing key>"].public_key, 7)
    token = given.complete(named["<signing key>"].sign(given.signing_input)).text
    item = _IMPORT | {"token": token}
    assert found("account", {"imports": [item]}, letters="T", context=context) == codes
    unreadable = found("account", {"imports": [_IMPORT | {"token": "x"}]}, letters="T", context=context)
    assert unreadable == []


def test_the_exports_of_256_accounts_are_remembered_and_then_forgotten() -> None:
    trust._indexes.clear()
    accounts = [Account.new() for _ in range(257)]
    for account in accounts[:256]:
        trust.export_of(account, "stream", "orders")
    assert len(trust._indexes) == 256
    trust.export_of(accounts[256], "stream", "orders")
    assert len(trust._indexes) == 1
