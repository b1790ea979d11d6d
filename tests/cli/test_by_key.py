"""Accounts and users by their public keys, creds from a variable, and jwts from a URL."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest

from seedless.jwt import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """A home with ACME, SYS, ORDERS and its user app."""
    cli.found_system()
    return cli


def subject(cli: Cli, *words: str) -> str:
    key: str = cli.ok(*words, "--json").data["subject"]
    return key


def test_accounts_and_users_are_found_by_their_keys_where_names_are_taken(system: Cli) -> None:
    orders = subject(system, "account", "show", "ORDERS")
    app = subject(system, "user", "show", "-a", "ORDERS", "app")
    system.ok("account", "edit", orders, "--conns", "7")
    system.ok("user", "edit", app, "-a", orders, "--tag", "x")
    assert subject(system, "user", "show", "-a", orders, app) == app
    assert system.ok("user", "list", "-a", orders, "--json").data["account"] == "ORDERS"
    system.ok("account", "export", "add", "-a", orders, "--subject", "o.>")
    system.ok("user", "renew", app, "-a", orders, "--expiry", "1y")
    system.ok("user", "creds", app, "-a", orders)
    system.ok("user", "delete", app, "-a", orders)
    account = read((system.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").read_text()).claims.body
    assert (account.limits.conn, account.exports[0].subject, list(account.revocations)) == (7, "o.>", [app])
    assert not (system.store / "stores/ACME/accounts/ORDERS/users/app.jwt").exists()


def test_a_key_that_the_store_does_not_have_is_named_as_it_was_given(system: Cli) -> None:
    app = subject(system, "user", "show", "-a", "ORDERS", "app")
    done = system.run("user", "show", "-a", "SYS", app)
    assert (done.code, f'there is no user "{app}" in account "SYS"' in done.err) == (2, True)


def test_creds_can_be_in_a_variable_of_a_pipeline(system: Cli) -> None:
    done = system.run("push", "ORDERS", "--url", "nats://127.0.0.1:1", "--creds", "env:SYS_CREDS")
    assert (done.code, "there is no variable SYS_CREDS" in done.err) == (2, True)
    creds = (system.store / "keys/creds/ACME/SYS/sys.creds").read_text()
    done = system.run(
        "push", "ORDERS", "--url", "nats://127.0.0.1:1", "--creds", "env:SYS_CREDS", SYS_CREDS=creds
    )
    assert "127.0.0.1:1" in done.err
    assert "creds" not in done.err


@pytest.fixture
def url(system: Cli) -> Iterator[str]:
    """Where an account server of this machine has the operator of *system*."""
    text = system.ok("operator", "show", "--raw").out

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode() if self.path == "/jwt/v1/operator" else b"not found")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/jwt/v1/operator"
        server.shutdown()


def test_an_operator_is_imported_from_a_url(system: Cli, url: str) -> None:
    done = system.ok("operator", "import", url, "--json", SEEDLESS_STORE=str(system.home / "theirs"))
    assert done.data["subject"] == subject(system, "operator", "show")


@pytest.mark.parametrize(
    ("given", "code", "sentence"),
    [
        pytest.param("http://example.com/jwt/v1/operator", 2, "is not encrypted", id="plain text"),
        pytest.param("http://127.0.0.1:1/jwt/v1/operator", 2, "cannot read ", id="nobody there"),
        pytest.param("/elsewhere", 2, "three parts divided by dots", id="no jwt"),
    ],
)
def test_a_url_without_a_jwt_gets_a_sentence(
    system: Cli, url: str, given: str, code: int, sentence: str
) -> None:
    where = url + given if given.startswith("/") else given
    done = system.run("operator", "import", where, SEEDLESS_STORE=str(system.home / "theirs"))
    assert done.code == code
    assert sentence in done.err
    assert not (system.home / "theirs/stores").exists()
