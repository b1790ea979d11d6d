"""Servers behind TLS, and servers that read a configuration again after a push into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py
    StartServer = Callable[[str], Any]
    OpenSession = Callable[..., Any]

# Made for these tests, for 127.0.0.1, until 2126; its key guards nothing.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBrDCCAVGgAwIBAgIURHNVeT3CF3Fp14ecNWZgIh6VOfUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA0NTAyNFoYDzIxMjYxMDI5
MDQ1MDI0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASQA5gMFaelOFZkf5HLTZddvpNCorD0rzlYMEyAtbc/kakmJXYFuEMx
j5FdWr4tWogV+QaUrtjDr/4VKfaj7sZCo38wfTAdBgNVHQ4EFgQU4MrIhymqxwvR
n3m/BCSu1lEczscwHwYDVR0jBBgwFoAU4MrIhymqxwvRn3m/BCSu1lEczscwGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P
AQH/BAQDAgKEMAoGCCqGSM49BAMCA0kAMEYCIQCkEzSFw3j/Zbb9EeJhU/2Osqli
zWhxoEuJ7bv5cvd3vwIhAOwdHPSZmABTj6c29nkm2txPxwl7bdZkY9IYgJoOdiZS
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmXXrD4xl7Uum1tdk
7t7dpK3qCnYHJ99Fcx7LVsVdMZahRANCAASQA5gMFaelOFZkf5HLTZddvpNCorD0
rzlYMEyAtbc/kakmJXYFuEMxj5FdWr4tWogV+QaUrtjDr/4VKfaj7sZC
-----END PRIVATE KEY-----
"""


@pytest.fixture
def pems(tmp_path: Path) -> Path:
    folder = tmp_path / "pems"
    folder.mkdir()
    (folder / "cert.pem").write_text(CERTIFICATE)
    (folder / "key.pem").write_text(KEY)
    return folder


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        pytest.param("", ("--ca-cert", "{pems}/cert.pem"), id="a certificate"),
        pytest.param(
            "handshake_first: true", ("--ca-cert", "{pems}/cert.pem", "--tls-first"), id="TLS first"
        ),
        pytest.param(
            "verify: true, ca_file: '{pems}/cert.pem'",
            (
                "--ca-cert",
                "{pems}/cert.pem",
                "--client-cert",
                "{pems}/cert.pem",
                "--client-key",
                "{pems}/key.pem",
            ),
            id="a certificate of ours too",
        ),
    ],
)
def test_accounts_are_pushed_through_tls(
    cli: Cli, nats_server: StartServer, pems: Path, asked: str, options: tuple[str, ...]
) -> None:
    cli.found_system()
    tls = f"tls {{ cert_file: '{pems}/cert.pem', key_file: '{pems}/key.pem', {asked.format(pems=pems)} }}\n"
    server = nats_server(cli.ok("server", "config", "--nats-resolver").out + tls)
    url = server.url.replace("nats://", "tls://")
    words = ("push", "--all", "--url", url, "--timeout", "10")
    cli.ok(*words, *(option.format(pems=pems) for option in options))
    assert len(list((server.folder / "jwt").glob("*.jwt"))) == 2
    if "--tls-first" not in options:
        done = cli.run(*words)
        assert (done.code, "hint: --ca-cert names the file" in done.err) == (1, True), done.err


def test_a_server_lets_in_the_users_of_an_account_that_was_pushed_into_its_configuration(
    cli: Cli, nats_server: StartServer, session: OpenSession
) -> None:
    from seedless.creds import parse_creds

    cli.found_system()
    cli.ok("account", "add", "LATER")
    cli.ok("user", "add", "-a", "LATER", "node")
    later = parse_creds((cli.store / "keys/creds/ACME/LATER/node.creds").read_text())
    orders = parse_creds((cli.store / "keys/creds/ACME/ORDERS/app.creds").read_text())
    path = cli.home / "accounts.conf"
    path.write_text(cli.ok("server", "config", "--mem-resolver").out)
    cli.ok("account", "delete", "LATER", "--remote", "--config", str(path))
    server = nats_server(path.read_text())
    assert session(server.url, later.key, later.jwt).refusal == "Authorization Violation"
    assert session(server.url, orders.key, orders.jwt).refusal == ""
    cli.ok("account", "add", "AGAIN")
    cli.ok("user", "add", "-a", "AGAIN", "node")
    again = parse_creds((cli.store / "keys/creds/ACME/AGAIN/node.creds").read_text())
    cli.ok("push", "--all", "--config", str(path))
    server.reload(path.read_text())
    assert session(server.url, again.key, again.jwt).refusal == ""
    assert session(server.url, orders.key, orders.jwt).refusal == ""


def test_a_server_that_starts_finds_what_was_pushed_into_its_folder(
    cli: Cli, nats_server: StartServer, session: OpenSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from seedless.creds import parse_creds

    cli.found_system()
    orders = parse_creds((cli.store / "keys/creds/ACME/ORDERS/app.creds").read_text())
    folder = tmp_path_factory.mktemp("accounts")
    cli.ok("push", "--all", "--dir", str(folder))
    configuration = cli.ok("server", "config", "--nats-resolver", "--dir", str(folder)).out
    server = nats_server(configuration)
    assert session(server.url, orders.key, orders.jwt).refusal == ""
    assert cli.run("push", "--all", "--diff", "--url", server.url).code == 0
