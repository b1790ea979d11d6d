"""`seedless sign`: claims from a file, and jwts again."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

import pytest

from seedless.claims import Activation
from seedless.creds import parse_creds
from seedless.jwt import Claims, draft, read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Desk = Any  # the fixture in tests/conftest.py

OTHER_ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(32)))
STRANGER = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))


def written(desk: Desk, claims: object, name: str = "claims.json") -> str:
    file: Path = desk.home / name
    file.write_text(json.dumps(claims) if not isinstance(claims, str) else claims)
    return str(file)


def account_claims(desk: Desk, name: str = "ORDERS") -> dict[str, Any]:
    claims: dict[str, Any] = desk.ok("account", "show", name, "--json").data["claims"]
    return {member: claims[member] for member in ("sub", "name", "nats")}


def test_account_claims_from_a_file_are_signed_by_the_operator_of_the_store(desk: Desk) -> None:
    desk.found_system()
    claims = account_claims(desk)
    claims["nats"]["limits"]["conn"] = 7
    done = desk.ok("sign", written(desk, claims))
    jwt = read(done.out.strip())
    assert jwt.claims.body.limits.conn == 7
    assert str(jwt.issuer) == desk.ok("operator", "show", "--json").data["subject"]
    assert "conn: unlimited -> 7\n" in done.err


def test_a_jwt_signed_from_a_file_is_later_than_the_one_in_the_store(desk: Desk) -> None:
    desk.found_system()
    stored = desk.ok("account", "show", "ORDERS", "--json").data["issued_at"]
    assert desk.ok("sign", written(desk, account_claims(desk)), "--json").data["issued_at"] > stored


def test_a_jwt_is_signed_again_with_the_same_claims_at_a_later_time(desk: Desk) -> None:
    desk.found_system()
    before = desk.ok("account", "show", "ORDERS", "--json").data
    after = read(desk.ok("sign", "-", stdin=before["jwt"]).out.strip())
    assert after.claims == read(before["jwt"]).claims
    assert str(after.issuer) == before["issuer"]
    assert after.issued_at > before["issued_at"]


def test_nothing_is_recorded_unless_that_is_said(desk: Desk) -> None:
    desk.found_system()
    before = desk.files()
    jwt = desk.ok("account", "show", "ORDERS", "--json").data["jwt"]
    desk.ok("sign", "-", stdin=jwt)
    assert desk.files() == before
    signed = desk.ok("sign", "-", "--record", "--json", stdin=jwt).data["jwt"]
    assert desk.ok("account", "show", "ORDERS", "--json").data["jwt"] == signed


def test_the_jwt_goes_into_a_file_for_its_owner(desk: Desk) -> None:
    desk.found_system()
    target = desk.home / "out" / "ORDERS.jwt"
    done = desk.ok("sign", written(desk, account_claims(desk)), "-o", str(target))
    assert done.out == f"{target}\n"
    assert read(target.read_text()).claims.name == "ORDERS"
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_user_that_is_signed_again_gets_new_creds(desk: Desk) -> None:
    desk.found_system()
    path = desk.store / "keys" / "creds" / "ACME" / "ORDERS" / "app.creds"
    before = parse_creds(path.read_text())
    again = desk.ok("sign", str(path), "--record", "--json").data["jwt"]
    after = parse_creds(path.read_text())
    assert (after.jwt.text, after.key.reveal()) == (again, before.key.reveal())
    assert after.jwt.text != before.jwt.text


def test_claims_that_the_store_has_are_not_signed_again(desk: Desk) -> None:
    desk.found_system()
    stored = desk.ok("account", "show", "ORDERS", "--json").data["jwt"]
    before, file = desk.files(), written(desk, account_claims(desk))
    done = desk.ok("sign", file, "--record", "--pin-source", "env:NOT_SET")
    assert (done.out, done.err) == (f"{stored}\n", "account ORDERS: nothing to change\n")
    data = desk.ok("sign", file, "--record", "--json").data
    assert (data["jwt"], data["changed"]) == (stored, False)
    assert desk.files() == before


def test_an_output_has_the_jwt_of_the_store_where_there_is_nothing_to_change(desk: Desk) -> None:
    desk.found_system()
    stored = desk.ok("account", "show", "ORDERS", "--json").data["jwt"]
    target = desk.home / "ORDERS.jwt"
    done = desk.ok("sign", written(desk, account_claims(desk)), "--record", "-o", str(target))
    assert (done.out, target.read_text()) == (f"{target}\n", stored)


def test_claims_that_the_store_has_by_another_key_are_signed(desk: Desk) -> None:
    desk.found_system()
    desk.ok("operator", "signing-key", "add")
    signing_key = desk.ok("operator", "show", "--json").data["claims"]["nats"]["signing_keys"][-1]
    done = desk.ok("sign", written(desk, account_claims(desk)), "--record", "-K", signing_key, "--json")
    assert (done.data["issuer"], done.data["changed"]) == (signing_key, True)


def test_an_operator_is_signed_again_by_itself(desk: Desk) -> None:
    desk.found_system()
    before = desk.ok("operator", "show", "--json").data
    after = desk.ok("sign", "-", "--record", "--json", stdin=before["jwt"]).data
    assert (after["issuer"], after["subject"]) == (before["subject"], before["subject"])
    assert desk.ok("verify", "--json").data["ok"] is True


def test_an_activation_is_signed_by_an_account(desk: Desk) -> None:
    desk.found_system()
    account = desk.ok("account", "show", "ORDERS", "--json").data["subject"]
    claims = {
        "sub": str(OTHER_ACCOUNT.public_key),
        "name": "grant",
        "nats": {"subject": "orders.>", "kind": "stream", "type": "activation", "version": 2},
    }
    done = desk.ok("sign", written(desk, claims), "-K", account, "--json").data
    assert (done["kind"], done["issuer"]) == ("activation", account)
    assert isinstance(read(done["jwt"]).claims.body, Activation)
    assert desk.run("sign", written(desk, claims), "-K", account, "--record").code == 2


def test_generic_claims_are_signed_by_the_key_that_is_named(desk: Desk) -> None:
    desk.ok("operator", "add", "ACME")
    key = desk.ok("key", "new", "--role", "account", "--name", "plain", "--json").data["public_key"]
    claims = {"sub": str(OTHER_ACCOUNT.public_key), "nats": {"colour": "green"}}
    done = desk.ok("sign", written(desk, claims), "--kind", "generic", "-K", key, "--json").data
    assert (done["kind"], done["claims"]["nats"]["colour"]) == ("generic", "green")


@pytest.mark.parametrize("how", ["accounts", "own subject"])
def test_a_generic_order_to_delete_accounts_is_refused(desk: Desk, how: str) -> None:
    operator = desk.ok("operator", "add", "ACME", "--json").data["subject"]
    claims = {
        "accounts": {
            "sub": str(OTHER_ACCOUNT.public_key),
            "nats": {"accounts": [str(OTHER_ACCOUNT.public_key)]},
        },
        "own subject": {"sub": operator, "nats": {"anything": 1}},
    }[how]
    done = desk.run("sign", written(desk, claims), "--kind", "generic", "-K", operator)
    assert (done.code, done.out) == (3, "")
    assert "error: G004 generic " in done.err


def test_an_account_signed_by_a_stranger_is_refused_before_the_token_is_opened(desk: Desk) -> None:
    desk.found_system()
    file = written(desk, account_claims(desk))
    done = desk.run("sign", file, "-K", str(STRANGER.public_key), "--module", "/nowhere.so")
    assert (done.code, done.out) == (3, "")
    assert "error: T001 account ORDERS" in done.err
    assert f"{STRANGER.public_key} is no key that operator" in done.err
    assert "hint: " in done.err


def test_a_user_signed_by_another_account_is_refused(desk: Desk) -> None:
    desk.found_system()
    system = desk.ok("account", "show", "SYS", "--json").data["subject"]
    user = desk.ok("user", "show", "-a", "ORDERS", "app", "--json").data["claims"]
    user["nats"]["issuer_account"] = desk.ok("account", "show", "ORDERS", "--json").data["subject"]
    claims = {member: user[member] for member in ("sub", "name", "nats")}
    done = desk.run("sign", written(desk, claims), "-K", system)
    assert done.code == 3
    assert "error: T002 user app" in done.err


def test_a_jwt_from_the_future_stops_its_successor(desk: Desk) -> None:
    desk.found_system()
    operator = SoftwareKey(Role.OPERATOR, bytes(range(2, 34)))
    jwt = read(desk.ok("operator", "show", "--json").data["jwt"])
    claims = Claims(sub=str(operator.public_key), name="X", body=jwt.claims.body)
    ahead = draft(claims, operator.public_key, int(time.time()) + 3600)
    text = ahead.complete(operator.sign(ahead.signing_input)).text
    done = desk.run("sign", "-", "--store", str(desk.home / "none"), stdin=text)
    assert done.code == 3
    assert "error: G002 operator X" in done.err


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        pytest.param("{", "not JSON", id="not JSON"),
        pytest.param("[1]", "the claims are not a JSON object", id="a list"),
        pytest.param({"nats": {"type": "account", "limits": {"conn": "x"}}},
                     'nats.limits.conn: expected a whole number, found "x"', id="wrong type"),
        pytest.param({"nats": {"type": "account", "limits": {"conn": 1.5}}}, "nats.limits.conn: ",
                     id="a fraction"),
        pytest.param({"nats": {"type": "account", "exports": [{"subject": 5}]}},
                     "nats.exports[0].subject: ", id="wrong type in a list"),
        pytest.param({"nats": {"type": "account", "limit": {}}}, "nats.limit", id="unknown member"),
        pytest.param('{"sub": "A", "sub": "B", "nats": {"type": "account"}}', "sub", id="a name twice"),
        pytest.param({"name": "X", "nats": {"type": "account"}}, "sub: the subject is not set",
                     id="no subject"),
        pytest.param("\ud83d".encode("utf-16-le", "surrogatepass").decode("latin-1"), "", id="garbage"),
        pytest.param("[" * 100_000, "", id="too deep"),
        pytest.param("9" * 10_000, "", id="a huge number"),
        pytest.param("", "", id="nothing"),
        pytest.param("a.b.c", "", id="a jwt in form only"),
    ],
)  # fmt: skip
def test_claims_that_are_not_right_are_told_with_their_file_and_place(
    desk: Desk, claims: object, sentence: str
) -> None:
    desk.ok("operator", "add", "ACME")
    before = desk.files()
    file = written(desk, claims)
    done = desk.run("sign", file, "--record")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {file}: {sentence}")
    assert desk.files() == before


def test_unknown_members_of_a_jwt_are_not_dropped_by_signing_it_again(desk: Desk) -> None:
    desk.found_system()
    payload = json.dumps(
        desk.ok("account", "show", "ORDERS", "--json").data["claims"]
        | {"iss": str(STRANGER.public_key), "novel": 1}
    ).encode()
    head = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"ed25519-nkey"}').rstrip(b"=")
    signed = head + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
    text = signed + b"." + base64.urlsafe_b64encode(STRANGER.sign(signed)).rstrip(b"=")
    done = desk.run("sign", "-", "-K", str(STRANGER.public_key), stdin=text.decode())
    assert (done.code, done.out) == (1, "")
    assert "novel" in done.err


def test_a_record_does_not_take_the_place_of_another_account(desk: Desk) -> None:
    desk.found_system()
    before = desk.files()
    claims = account_claims(desk) | {"sub": str(OTHER_ACCOUNT.public_key)}
    done = desk.run("sign", written(desk, claims), "--record")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith('error: account "ORDERS" of the store is A')
    assert desk.files() == before


def test_a_record_does_not_give_an_account_a_second_name(desk: Desk) -> None:
    desk.found_system()
    before = desk.files()
    done = desk.run("sign", written(desk, account_claims(desk) | {"name": "OTHER"}), "--record")
    assert done.code == 2
    assert "has A" in done.err
    assert 'as "ORDERS", not as "OTHER"' in done.err
    assert desk.files() == before


def test_claims_of_a_user_without_a_known_account_need_an_issuer(desk: Desk) -> None:
    desk.found_system()
    claims = {"sub": str(SoftwareKey(Role.USER, bytes(32)).public_key), "name": "x", "nats": {"type": "user"}}
    done = desk.run("sign", written(desk, claims))
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: it is not known who signs this\nhint: name the key with --issuer\n"


def test_the_operator_of_a_damaged_store_is_not_done_without(desk: Desk) -> None:
    desk.found_system()
    file = written(desk, account_claims(desk))
    (desk.store / "stores" / "ACME" / "ACME.jwt").write_text("junk")
    done = desk.run("sign", file, "-K", str(STRANGER.public_key))
    assert (done.code, done.out) == (1, "")
    assert "ACME.jwt is damaged" in done.err
