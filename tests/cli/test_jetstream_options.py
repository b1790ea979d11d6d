"""JetStream permissions from the command line, from a file, and from a program: one review, one jwt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seedless import JetStreamPermissions, Workspace

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

CONSUMER = [
    "$JS.API.CONSUMER.INFO.ORDERS.app",
    "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app",
    "$JS.ACK.ORDERS.app.*.*.*.*.*",
    "$JS.ACK.*.*.ORDERS.app.*.*.*.*.>",
    "$JS.FC.ORDERS.app.*",
    "$JS.FC.*.*.ORDERS.app.*",
]


@pytest.fixture
def orders(cli: Cli) -> Cli:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    return cli


def test_a_user_gets_the_subjects_of_a_consumer_and_the_review_reports_what_it_may_do(orders: Cli) -> None:
    words = (
        "user",
        "add",
        "-a",
        "ORDERS",
        "app",
        "--allow-js-consume",
        "ORDERS:app",
        "--allow-kv",
        "B,C:write",
    )
    lines = orders.ok(*words, "--dry-run").err.splitlines()
    assert [line for line in lines if "JetStream" in line or "allow" in line] == [
        "  JetStream: may use the consumer app of the stream ORDERS",
        "  JetStream: may read the key-value bucket B",
        "  JetStream: may read and write the key-value bucket C",
    ]
    verbose = orders.ok(*words, "--dry-run", "-v").err
    assert (
        "  JetStream: may use the consumer app of the stream ORDERS\n    $JS.API.CONSUMER.INFO.ORDERS.app\n"
        in verbose
    )
    orders.ok("user", "add", "-a", "ORDERS", "app", "--allow-js-consume", "ORDERS:app")
    shown = orders.ok("user", "show", "-a", "ORDERS", "app", "--json").data
    assert shown["claims"]["nats"]["pub"]["allow"] == CONSUMER
    assert shown["claims"]["nats"]["sub"]["allow"] == ["_INBOX.>"]


def test_they_are_removed_by_name(orders: Cli) -> None:
    orders.ok(
        "user", "add", "-a", "ORDERS", "app", "--allow-js-consume", "ORDERS:app", "--allow-kv", "B:write"
    )
    done = orders.ok("user", "edit", "-a", "ORDERS", "app", "--rm-kv", "B")
    assert "JetStream: may no longer read and write the key-value bucket B" in done.err
    shown = orders.ok("user", "show", "-a", "ORDERS", "app", "--json").data
    assert shown["claims"]["nats"]["pub"]["allow"] == CONSUMER


def test_a_scope_gets_them_too(orders: Cli) -> None:
    words = ("--allow-js-consume", "ORDERS:{{name()}}", "--inbox-prefix", "_INBOX_{{name()}}")
    orders.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "shop", *words)
    done = orders.ok("account", "signing-key", "edit", "-a", "ORDERS", "shop", "--allow-kv", "B", "--dry-run")
    assert "JetStream: may read the key-value bucket B\n" in done.err
    assert "sub allow" not in done.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            ["--allow-js-publish", "ORDERS"], "write STREAM:SUBJECT, as in ORDERS:orders.>", id="publish"
        ),
        pytest.param(["--allow-kv", "B:all"], '"all" is not read or write', id="kv"),
        pytest.param(
            ["--js-domain", "hub"], "a domain or an inbox prefix goes with a JetStream", id="domain"
        ),
    ],
)
def test_bad_input_gets_a_sentence(orders: Cli, words: list[str], sentence: str) -> None:
    done = orders.run("user", "add", "-a", "ORDERS", "app", *words)
    assert (done.code, sentence in done.err) == (2, True)


FILE = """
[operator]
name = "ACME"
[accounts.ORDERS.signing_keys.shop.template.jetstream]
kv = ["SETTINGS"]
[accounts.ORDERS.users.app]
pub.allow = ["audit"]
jetstream = { consume = ["ORDERS:app"], domain = "hub", inbox_prefix = "_INBOX_app" }
"""


def test_a_file_has_them_as_a_table_and_is_written_again_as_one(orders: Cli) -> None:
    path = orders.home / "state.toml"
    path.write_text(FILE)
    review = orders.ok("apply", str(path)).err
    assert "JetStream: may use the consumer app of the stream ORDERS of the domain hub" in review
    assert "JetStream: may read the key-value bucket SETTINGS" in review
    state = orders.home / "state.json"
    orders.ok("export-desired", "-o", str(state))
    exported = json.loads(state.read_text())["accounts"]["ORDERS"]
    assert exported["users"]["app"]["jetstream"] == {
        "consume": ["ORDERS:app"],
        "domain": "hub",
        "inbox_prefix": "_INBOX_app",
    }
    assert exported["users"]["app"]["pub"] == {"allow": ["audit"]}
    assert exported["signing_keys"]["shop"]["template"] == {"jetstream": {"kv": ["SETTINGS:read"]}}
    assert orders.ok("apply", str(state), "--prune", "--plan-only").out == "nothing differs\n"
    path.write_text(FILE.replace('["ORDERS:app"]', '["AUDIT:app"]'))
    review = orders.ok("apply", str(path)).err
    assert "may no longer use the consumer app of the stream ORDERS of the domain hub" in review
    shown = orders.ok("user", "show", "-a", "ORDERS", "app", "--json").data
    assert not any("ORDERS" in subject for subject in shown["claims"]["nats"]["pub"]["allow"])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        pytest.param('{ kv = ["a b"] }', 'users.app.jetstream: "a b" is not a name of a bucket', id="name"),
        pytest.param("{ kv = [] }", "users.app.jetstream names no stream or bucket", id="nothing"),
        pytest.param('{ streams = ["A"] }', "streams", id="unknown"),
    ],
)
def test_a_table_that_is_wrong_gets_a_sentence(orders: Cli, table: str, sentence: str) -> None:
    path = orders.home / "state.toml"
    path.write_text(f'[operator]\nname = "ACME"\n[accounts.ORDERS.users.app]\njetstream = {table}\n')
    done = orders.run("apply", str(path))
    assert (done.code, sentence in done.err) == (2, True)


def test_a_program_gives_them_by_name(orders: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_PIN", orders.token.pin)
    token = {"module": orders.token.module, "token": orders.token.label, "pin_source": "env:TOKEN_PIN"}
    with Workspace(orders.store, **token) as ws:
        added = ws.users.add("ORDERS", "app", jetstream=JetStreamPermissions(consume=("ORDERS:app",))).sign()
        assert list(added.jwt.claims.body.pub.allow) == CONSUMER
        edited = ws.users.edit(
            "ORDERS", "app", publish=["audit"], jetstream=JetStreamPermissions(kv=("B",))
        ).sign()
        assert edited.jwt.claims.body.pub.allow[:2] == ("audit", "$JS.API.STREAM.INFO.KV_B")
        assert not any("ORDERS" in subject for subject in edited.jwt.claims.body.pub.allow)
        jetstream = JetStreamPermissions(consume=("ORDERS:{{name()}}",))
        scope = (
            ws.signing_keys.add("ORDERS", role="shop", jetstream=jetstream)
            .sign()
            .jwt.claims.body.signing_keys[0]
        )
        assert scope.template.pub.allow[0] == "$JS.API.CONSUMER.INFO.ORDERS.{{name()}}"
        more = JetStreamPermissions(kv=("B",))
        scope = ws.signing_keys.edit("ORDERS", "shop", jetstream=more).sign().jwt.claims.body.signing_keys[0]
        assert "$JS.API.STREAM.INFO.KV_B" in scope.template.pub.allow
