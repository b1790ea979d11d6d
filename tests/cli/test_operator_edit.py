"""`operator edit`, `operator signing-key`, `operator list` and what is shown of an operator."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from seedless.jwt import read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py
    Stored = Any

OWN_OPERATOR, OWN_ACCOUNT = (
    str(SoftwareKey(role, bytes(range(32))).public_key) for role in (Role.OPERATOR, Role.ACCOUNT)
)


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """A home with the operator ACME."""
    cli.ok("operator", "add", "ACME")
    return cli


def stored(cli: Cli, name: str = "ACME") -> Stored:
    return read((cli.store / f"stores/{name}/{name}.jwt").read_text())


def test_an_operator_has_the_options_of_nsc(acme: Cli) -> None:
    before = stored(acme)
    acme.ok(
        "operator", "edit", "-u", "nats://nats.acme.example:4222", "--service-url", "nats://a.example:4222",
        "-n", "TLS://b.example:4222", "--tag", "Env:Prod", "--expiry", "365d", "--start", "2026-01-01",
        "--assert-server-version", "2.10.0",
    )  # fmt: skip
    after = stored(acme)
    body = after.claims.body
    assert body.account_server_url == "nats://nats.acme.example:4222"
    assert body.operator_service_urls == ("nats://a.example:4222", "tls://b.example:4222")
    assert (body.tags, body.assert_server_version) == (("env:prod",), "2.10.0")
    assert abs(after.claims.exp - time.time() - 365 * 86400) < 60
    assert after.claims.nbf == 1767225600
    assert (after.claims.sub, str(after.issuer)) == (before.claims.sub, before.claims.sub)
    assert after.issued_at > before.issued_at


def test_what_an_operator_has_is_taken_away_again(acme: Cli) -> None:
    acme.ok(
        "operator", "edit", "-u", "nats://x.example:4222", "-n", "nats://a.example:4222,nats://b.example:4222",
        "--tag", "one,two",
    )  # fmt: skip
    acme.ok(
        "operator", "edit", "--rm-account-jwt-server-url", "--rm-service-url", "nats://a.example:4222",
        "--rm-tag", "ONE",
    )  # fmt: skip
    body = stored(acme).claims.body
    assert (body.account_server_url, body.operator_service_urls, body.tags) == (
        "", ("nats://b.example:4222",), ("two",),
    )  # fmt: skip
    acme.ok("operator", "edit", "--unset", "tags", "--set", 'operator_service_urls=["nats://c.example:4222"]')
    body = stored(acme).claims.body
    assert (body.operator_service_urls, body.tags) == (("nats://c.example:4222",), ())


def test_a_new_operator_takes_the_same_options(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--service-url", "nats://a.example:4222", "-u", "nats://x.example:4222")
    body = stored(cli).claims.body
    assert (body.operator_service_urls, body.account_server_url) == (
        ("nats://a.example:4222",), "nats://x.example:4222",
    )  # fmt: skip


def test_the_system_account_is_named_or_a_key_or_none(acme: Cli) -> None:
    subject = acme.ok("account", "add", "MONITOR", "--json").data["subject"]
    acme.ok("operator", "edit", "--system-account", "MONITOR")
    assert stored(acme).claims.body.system_account == subject
    acme.ok("operator", "edit", "--system-account", OWN_ACCOUNT)
    assert stored(acme).claims.body.system_account == OWN_ACCOUNT
    acme.ok("operator", "edit", "--system-account", "")
    assert stored(acme).claims.body.system_account == ""


def test_signing_keys_are_made_given_listed_and_removed(acme: Cli) -> None:
    acme.ok("operator", "edit", "--sk", f"generate,{OWN_OPERATOR}")
    (made,) = (key for key in stored(acme).claims.body.signing_keys if key != OWN_OPERATOR)
    shown = acme.ok("key", "show", made, "--json").data
    assert (shown["role"], shown["name"]) == ("operator", "ACME signing")
    assert acme.ok("account", "add", "ORDERS", "--json").data["issuer"] == made
    data = acme.ok("operator", "signing-key", "list", "--json").data
    assert data["operator"] == "ACME"
    assert {row["key"]: (row["known"], row["accounts"]) for row in data["signing_keys"]} == {
        made: (True, 1), OWN_OPERATOR: (False, 0),
    }  # fmt: skip
    header, *rows = acme.ok("operator", "signing-key", "list").out.splitlines()
    assert header.split() == ["NAME", "SIGNING", "KEY", "ACCOUNTS"]
    assert {tuple(row.split()) for row in rows} == {
        ("ACME", "signing", f"{made[:15]}…", "1"),
        ("-", OWN_OPERATOR, "0"),
    }
    acme.ok("operator", "signing-key", "remove", OWN_OPERATOR)
    assert stored(acme).claims.body.signing_keys == (made,)


def test_a_signing_key_that_signs_accounts_is_removed_by_force_alone(acme: Cli) -> None:
    acme.ok("operator", "signing-key", "add")
    (key,) = stored(acme).claims.body.signing_keys
    acme.ok("account", "add", "ORDERS")
    for words in (["operator", "edit", "--rm-sk", key], ["operator", "signing-key", "remove", key]):
        done = acme.run(*words, TOKEN_PIN=None)
        assert (done.code, done.out) == (2, "")
        assert "a signing key goes, which locks out 1 account: ORDERS" in done.err
        assert f"seedless account edit NAME --issuer {stored(acme).claims.sub}, or give" in done.err
    acme.ok("operator", "signing-key", "remove", key, "--force")
    assert stored(acme).claims.body.signing_keys == ()


def test_an_operator_becomes_strict_when_nothing_hangs_on_identities(acme: Cli) -> None:
    done = acme.run("operator", "edit", "--require-signing-keys", TOKEN_PIN=None)
    assert (done.code, "has no signing key, and its own key would sign no accounts" in done.err) == (2, True)
    acme.ok("account", "add", "ORDERS")
    done = acme.run("operator", "edit", "--sk", "generate", "--require-signing-keys", TOKEN_PIN=None)
    assert (done.code, "only signing keys are to sign, which locks out 1 account: ORDERS" in done.err) == (
        2,
        True,
    )
    assert "seedless operator signing-key add, and sign them again" in done.err
    acme.ok("operator", "edit", "--sk", "generate")
    (key,) = stored(acme).claims.body.signing_keys
    done = acme.run("operator", "edit", "--require-signing-keys", TOKEN_PIN=None)
    assert f"seedless account edit NAME --issuer {key}, or give --force" in done.err
    acme.ok("account", "edit", "ORDERS", "--issuer", key)
    acme.ok("user", "add", "-a", "ORDERS", "app")
    done = acme.run("operator", "edit", "--require-signing-keys", TOKEN_PIN=None)
    assert (done.code, "in account ORDERS too, which locks out 1 user: app" in done.err) == (2, True)
    assert "seedless account signing-key add -a ORDERS, and sign them again" in done.err
    acme.ok("account", "signing-key", "add", "-a", "ORDERS")
    (users_key,) = read(acme.ok("account", "show", "ORDERS", "--json").data["jwt"]).claims.body.signing_keys
    done = acme.run("operator", "edit", "--require-signing-keys", TOKEN_PIN=None)
    assert f"seedless user edit -a ORDERS NAME --issuer {users_key}, or give --force" in done.err
    acme.ok("operator", "edit", "--require-signing-keys", "--force")
    assert stored(acme).claims.body.strict_signing_key_usage is True
    acme.ok("operator", "edit", "--no-require-signing-keys")
    assert stored(acme).claims.body.strict_signing_key_usage is False


def test_under_a_strict_operator_an_edit_moves_an_account_to_a_signing_key(acme: Cli) -> None:
    acme.ok("account", "add", "ORDERS")
    acme.ok("operator", "edit", "--sk", "generate", "--require-signing-keys", "--force")
    (key,) = stored(acme).claims.body.signing_keys
    done = acme.ok("account", "edit", "ORDERS", "--conns", "7", "--json")
    assert done.data["issuer"] == key


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        pytest.param([], 2, "no option names a change", id="no option"),
        pytest.param(["--system-account", "NOBODY"], 2, 'there is no account "NOBODY"', id="no such account"),
        pytest.param(["--system-account", OWN_OPERATOR], 2, "is not the key of an account", id="no account"),
        pytest.param(["--sk", OWN_ACCOUNT], 2, "is the key of an account, not of an", id="no operator"),
        pytest.param(["--rm-sk", OWN_OPERATOR], 2, "is not a signing key of operator ACME", id="not there"),
        pytest.param(["-n", "http://a.example"], 3, "C0", id="a URL that no client connects to"),
        pytest.param(["--assert-server-version", "two"], 3, "C0", id="no version"),
        pytest.param(["--set", "signing_key=x"], 2, "signing_key: there is no such member", id="a slip"),
    ],
)  # fmt: skip
def test_an_edit_that_cannot_be_is_refused(acme: Cli, words: list[str], code: int, sentence: str) -> None:
    files = acme.files()
    done = acme.run("operator", "edit", *words, TOKEN_PIN=None)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err
    assert acme.files() == files


def test_operators_are_listed_with_those_that_are_damaged(acme: Cli) -> None:
    acme.ok("operator", "add", "OTHER")
    data = acme.ok("operator", "list", "--json").data
    assert [one["name"] for one in data["operators"]] == ["ACME", "OTHER"]
    assert (data["store"], data["managed"], data["damaged"]) == (str(acme.store), [], [])
    (acme.store / "stores/OTHER/OTHER.jwt").write_text("damaged")
    done = acme.run("operator", "list")
    assert done.code == 3
    assert done.out.splitlines()[1].split()[:2] == ["ACME", stored(acme).claims.sub]
    assert done.out.splitlines()[2].split()[:2] == ["OTHER", "damaged"]


def test_no_operators_are_an_empty_list(cli: Cli) -> None:
    assert cli.ok("operator", "list", "--json").data["operators"] == []


def test_an_operator_is_shown_raw_or_in_parts(acme: Cli) -> None:
    assert acme.ok("operator", "show", "-R").out == f"{stored(acme).text}\n"
    assert json.loads(acme.ok("operator", "show", "-F", "nats.version").out) == 2


@pytest.mark.parametrize(
    "words",
    [("edit", "--expiry", "1y"), ("edit", "--sk", "generate"), ("signing-key", "add")],
    ids=["an expiry", "a new signing key", "signing-key add"],
)
def test_a_system_account_that_is_in_the_store_is_not_reported_as_missing(
    cli: Cli, words: tuple[str, ...]
) -> None:
    cli.ok("operator", "add", "ACME", "--sys")
    assert "T004" not in cli.ok("operator", *words, "--dry-run").err


def test_no_step_of_a_rotation_prints_it_either(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    rotate = ("rotate", "operator-key")
    for words in ((), ("--without-servers",), ("--finish", "--without-servers")):
        done = cli.ok(*rotate, *words)
        assert ("issued: " in done.err, "T004" in done.err) == (True, False), words
