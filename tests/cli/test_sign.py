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

    Cli = Any  # the fixture in tests/conftest.py

OTHER_ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(32)))
STRANGER = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))


def written(cli: Cli, claims: object, name: str = "claims.json") -> str:
    file: Path = cli.home / name
    file.write_text(json.dumps(claims) if not isinstance(claims, str) else claims)
    return str(file)


def account_claims(cli: Cli, name: str = "ORDERS") -> dict[str, Any]:
    claims: dict[str, Any] = cli.ok("account", "show", name, "--json").data["claims"]
    return {member: claims[member] for member in ("sub", "name", "nats")}


def test_account_claims_from_a_file_are_signed_by_the_operator_of_the_store(cli: Cli) -> None:
    cli.found_system()
    claims = account_claims(cli)
    claims["nats"]["limits"]["conn"] = 7
    done = cli.ok("sign", written(cli, claims))
    jwt = read(done.out.strip())
    assert jwt.claims.body.limits.conn == 7
    assert str(jwt.issuer) == cli.ok("operator", "show", "--json").data["subject"]
    assert "conn: unlimited -> 7\n" in done.err


def test_a_jwt_signed_from_a_file_is_later_than_the_one_in_the_store(cli: Cli) -> None:
    cli.found_system()
    stored = cli.ok("account", "show", "ORDERS", "--json").data["issued_at"]
    assert cli.ok("sign", written(cli, account_claims(cli)), "--json").data["issued_at"] > stored


def test_a_jwt_is_signed_again_with_the_same_claims_at_a_later_time(cli: Cli) -> None:
    cli.found_system()
    before = cli.ok("account", "show", "ORDERS", "--json").data
    after = read(cli.ok("sign", "-", stdin=before["jwt"]).out.strip())
    assert after.claims == read(before["jwt"]).claims
    assert str(after.issuer) == before["issuer"]
    assert after.issued_at > before["issued_at"]


def test_nothing_is_recorded_unless_that_is_requested(cli: Cli) -> None:
    cli.found_system()
    before = cli.files()
    jwt = cli.ok("account", "show", "ORDERS", "--json").data["jwt"]
    cli.ok("sign", "-", stdin=jwt)
    assert cli.files() == before
    signed = cli.ok("sign", "-", "--record", "--json", stdin=jwt).data["jwt"]
    assert cli.ok("account", "show", "ORDERS", "--json").data["jwt"] == signed


def test_the_jwt_goes_into_a_file_for_its_owner(cli: Cli) -> None:
    cli.found_system()
    target = cli.home / "out" / "ORDERS.jwt"
    done = cli.ok("sign", written(cli, account_claims(cli)), "-o", str(target))
    assert done.out == f"{target}\n"
    assert read(target.read_text()).claims.name == "ORDERS"
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_user_that_is_signed_again_gets_new_creds(cli: Cli) -> None:
    cli.found_system()
    path = cli.store / "keys" / "creds" / "ACME" / "ORDERS" / "app.creds"
    before = parse_creds(path.read_text())
    again = cli.ok("sign", str(path), "--record", "--json").data["jwt"]
    after = parse_creds(path.read_text())
    assert (after.jwt.text, after.key.reveal()) == (again, before.key.reveal())
    assert after.jwt.text != before.jwt.text


def test_claims_that_the_store_has_are_not_signed_again(cli: Cli) -> None:
    cli.found_system()
    stored = cli.ok("account", "show", "ORDERS", "--json").data["jwt"]
    before, file = cli.files(), written(cli, account_claims(cli))
    done = cli.ok("sign", file, "--record", "--pin-source", "env:NOT_SET")
    assert (done.out, done.err) == (f"{stored}\n", "account ORDERS: nothing to change\n")
    data = cli.ok("sign", file, "--record", "--json").data
    assert (data["jwt"], data["changed"]) == (stored, False)
    assert cli.files() == before


def test_an_output_has_the_jwt_of_the_store_where_there_is_nothing_to_change(cli: Cli) -> None:
    cli.found_system()
    stored = cli.ok("account", "show", "ORDERS", "--json").data["jwt"]
    target = cli.home / "ORDERS.jwt"
    done = cli.ok("sign", written(cli, account_claims(cli)), "--record", "-o", str(target))
    assert (done.out, target.read_text()) == (f"{target}\n", stored)


def test_claims_that_the_store_has_by_another_key_are_signed(cli: Cli) -> None:
    cli.found_system()
    cli.ok("operator", "signing-key", "add")
    signing_key = cli.ok("operator", "show", "--json").data["claims"]["nats"]["signing_keys"][-1]
    done = cli.ok("sign", written(cli, account_claims(cli)), "--record", "-K", signing_key, "--json")
    assert (done.data["issuer"], done.data["changed"]) == (signing_key, True)


def test_an_operator_is_signed_again_by_itself(cli: Cli) -> None:
    cli.found_system()
    before = cli.ok("operator", "show", "--json").data
    after = cli.ok("sign", "-", "--record", "--json", stdin=before["jwt"]).data
    assert (after["issuer"], after["subject"]) == (before["subject"], before["subject"])
    assert cli.ok("verify", "--json").data["ok"] is True


def test_an_activation_is_signed_by_an_account(cli: Cli) -> None:
    cli.found_system()
    account = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    claims = {
        "sub": str(OTHER_ACCOUNT.public_key),
        "name": "grant",
        "nats": {"subject": "orders.>", "kind": "stream", "type": "activation", "version": 2},
    }
    done = cli.ok("sign", written(cli, claims), "-K", account, "--json").data
    assert (done["kind"], done["issuer"]) == ("activation", account)
    assert isinstance(read(done["jwt"]).claims.body, Activation)
    assert cli.run("sign", written(cli, claims), "-K", account, "--record").code == 2


def test_generic_claims_are_signed_by_the_key_that_is_named(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    key = cli.ok("key", "new", "--role", "account", "--name", "plain", "--json").data["public_key"]
    claims = {"sub": str(OTHER_ACCOUNT.public_key), "nats": {"colour": "green"}}
    done = cli.ok("sign", written(cli, claims), "--kind", "generic", "-K", key, "--json").data
    assert (done["kind"], done["claims"]["nats"]["colour"]) == ("generic", "green")


@pytest.mark.parametrize("how", ["accounts", "own subject"])
def test_a_generic_delete_request_is_refused(cli: Cli, how: str) -> None:
    operator = cli.ok("operator", "add", "ACME", "--json").data["subject"]
    claims = {
        "accounts": {
            "sub": str(OTHER_ACCOUNT.public_key),
            "nats": {"accounts": [str(OTHER_ACCOUNT.public_key)]},
        },
        "own subject": {"sub": operator, "nats": {"anything": 1}},
    }[how]
    done = cli.run("sign", written(cli, claims), "--kind", "generic", "-K", operator)
    assert (done.code, done.out) == (3, "")
    assert "error: G004 generic " in done.err


def test_an_account_signed_by_a_stranger_is_refused_before_the_token_is_opened(cli: Cli) -> None:
    cli.found_system()
    file = written(cli, account_claims(cli))
    done = cli.run("sign", file, "-K", str(STRANGER.public_key), "--module", "/nowhere.so")
    assert (done.code, done.out) == (3, "")
    assert "error: T001 account ORDERS" in done.err
    assert f"{STRANGER.public_key} is not a key that operator" in done.err
    assert "hint: " in done.err


def test_a_user_signed_by_another_account_is_refused(cli: Cli) -> None:
    cli.found_system()
    system = cli.ok("account", "show", "SYS", "--json").data["subject"]
    user = cli.ok("user", "show", "-a", "ORDERS", "app", "--json").data["claims"]
    user["nats"]["issuer_account"] = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    claims = {member: user[member] for member in ("sub", "name", "nats")}
    done = cli.run("sign", written(cli, claims), "-K", system)
    assert done.code == 3
    assert "error: T002 user app" in done.err


def test_a_jwt_from_the_future_stops_its_successor(cli: Cli) -> None:
    cli.found_system()
    operator = SoftwareKey(Role.OPERATOR, bytes(range(2, 34)))
    jwt = read(cli.ok("operator", "show", "--json").data["jwt"])
    claims = Claims(sub=str(operator.public_key), name="X", body=jwt.claims.body)
    ahead = draft(claims, operator.public_key, int(time.time()) + 3600)
    text = ahead.complete(operator.sign(ahead.signing_input)).text
    done = cli.run("sign", "-", "--store", str(cli.home / "none"), stdin=text)
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
def test_claims_that_are_not_right_are_reported_with_their_file_and_place(
    cli: Cli, claims: object, sentence: str
) -> None:
    cli.ok("operator", "add", "ACME")
    before = cli.files()
    file = written(cli, claims)
    done = cli.run("sign", file, "--record")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {file}: {sentence}")
    assert cli.files() == before


def test_unknown_members_of_a_jwt_are_not_dropped_by_signing_it_again(cli: Cli) -> None:
    cli.found_system()
    payload = json.dumps(
        cli.ok("account", "show", "ORDERS", "--json").data["claims"]
        | {"iss": str(STRANGER.public_key), "novel": 1}
    ).encode()
    head = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"ed25519-nkey"}').rstrip(b"=")
    signed = head + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
    text = signed + b"." + base64.urlsafe_b64encode(STRANGER.sign(signed)).rstrip(b"=")
    done = cli.run("sign", "-", "-K", str(STRANGER.public_key), stdin=text.decode())
    assert (done.code, done.out) == (2, "")
    assert "novel" in done.err


def test_a_record_does_not_take_the_place_of_another_account(cli: Cli) -> None:
    cli.found_system()
    before = cli.files()
    claims = account_claims(cli) | {"sub": str(OTHER_ACCOUNT.public_key)}
    done = cli.run("sign", written(cli, claims), "--record")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith('error: account "ORDERS" of the store is A')
    assert cli.files() == before


def test_a_record_does_not_give_an_account_a_second_name(cli: Cli) -> None:
    cli.found_system()
    before = cli.files()
    done = cli.run("sign", written(cli, account_claims(cli) | {"name": "OTHER"}), "--record")
    assert done.code == 2
    assert "has A" in done.err
    assert 'as "ORDERS", not as "OTHER"' in done.err
    assert cli.files() == before


def test_claims_of_a_user_without_a_known_account_need_an_issuer(cli: Cli) -> None:
    cli.found_system()
    claims = {"sub": str(SoftwareKey(Role.USER, bytes(32)).public_key), "name": "x", "nats": {"type": "user"}}
    done = cli.run("sign", written(cli, claims))
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: it is not known who signs this\nhint: name the key with --issuer\n"


def test_nothing_is_signed_while_the_operator_of_the_store_is_damaged(cli: Cli) -> None:
    cli.found_system()
    file = written(cli, account_claims(cli))
    (cli.store / "stores" / "ACME" / "ACME.jwt").write_text("junk")
    done = cli.run("sign", file, "-K", str(STRANGER.public_key))
    assert (done.code, done.out) == (1, "")
    assert "ACME.jwt is damaged" in done.err
