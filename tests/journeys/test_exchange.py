"""What a real nats-server does with exports, imports, mappings and users that commands have edited."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any  # the fixture in tests/conftest.py
    Session = Any  # of tests/journeys/conftest.py

ROUNDS = 20
SENT = 400  # a tenth of them is more than four standard deviations of what is lost
SUBJECT = ("-s", "orders.>")


@pytest.fixture
def system(cli: Cli) -> Cli:
    """ORDERS exports orders.> in private and the service price to all; BILLING imports nothing yet."""
    cli.ok("operator", "add", "ACME")
    for account, user in (("ORDERS", "shop"), ("BILLING", "clerk")):
        cli.ok("account", "add", account)
        cli.ok("user", "add", "-a", account, user)
    cli.ok("account", "export", "add", "-a", "ORDERS", *SUBJECT, "--private")
    cli.ok("account", "export", "add", "-a", "ORDERS", "-s", "price", "--service")
    return cli


@pytest.fixture
def served(
    system: Cli, nats_server: Callable[[str], Any], session: Callable[..., Session]
) -> Callable[..., Session]:
    """Log in with the creds of a user, at a server that has the accounts as the store has them now."""

    def start() -> Callable[[str, str], Session]:
        server = nats_server(system.ok("server", "config", "--mem-resolver").out)

        def login(account: str, user: str) -> Session:
            path = system.store / f"keys/creds/ACME/{account}/{user}.creds"
            creds = parse_creds(path.read_text())
            return session(server.url, creds.key, creds.jwt)

        return login

    return start


def heard(login: Callable[[str, str], Session], subject: str = "in.1") -> list[bytes]:
    """What the clerk of BILLING hears on *subject* when the shop of ORDERS publishes orders.1."""
    clerk, shop = login("BILLING", "clerk"), login("ORDERS", "shop")
    assert (clerk.refusal, shop.refusal) == ("", "")
    clerk.subscribe(subject)
    for _ in range(ROUNDS):  # on a busy machine the first message can come before the import
        shop.publish("orders.1", b"a book")
        clerk.flush()
        if clerk.heard:
            break
        time.sleep(0.01)
    found: list[bytes] = clerk.heard
    return found[:1]


def activation(cli: Cli, *words: str) -> str:
    made: str = cli.ok("activation", "new", "-a", "ORDERS", *SUBJECT, "-t", "BILLING", *words).out.strip()
    return made


def add_import(cli: Cli, *words: str) -> None:
    cli.ok("account", "import", "add", "-a", "BILLING", "--local-subject", "in.>", *words)


def test_a_private_export_lets_through_with_an_activation_and_not_when_it_is_revoked(
    system: Cli, served: Callable[..., Any]
) -> None:
    add_import(system, "--activation", activation(system))
    assert heard(served()) == [b"a book"]
    system.ok("account", "export", "revoke", "-a", "ORDERS", *SUBJECT, "-t", "BILLING")
    assert heard(served()) == []
    system.ok("account", "export", "unrevoke", "-a", "ORDERS", *SUBJECT, "-t", "BILLING")
    assert heard(served()) == [b"a book"]


def test_a_later_activation_lets_through_after_a_revocation(system: Cli, served: Callable[..., Any]) -> None:
    words = ("account", "export", "revoke", "-a", "ORDERS", *SUBJECT, "-t", "*", "--at", "2024-01-01")
    system.ok(*words)
    add_import(system, "--activation", activation(system))
    assert heard(served()) == [b"a book"]


def test_a_private_export_lets_nothing_through_without_an_activation(
    system: Cli, served: Callable[..., Any]
) -> None:
    add_import(system, "--src-account", "ORDERS", "--remote-subject", "orders.>")
    assert heard(served()) == []
    system.ok("account", "export", "edit", "-a", "ORDERS", *SUBJECT, "--public")
    assert heard(served()) == [b"a book"]


def test_an_import_that_is_taken_out_brings_nothing(system: Cli, served: Callable[..., Any]) -> None:
    add_import(system, "--activation", activation(system))
    system.ok("account", "import", "remove", "-a", "BILLING", "-s", "in.>")
    assert heard(served()) == []


def test_a_service_answers_across_accounts(system: Cli, served: Callable[..., Any]) -> None:
    system.ok("account", "import", "add", "-a", "BILLING", "--src-account", "ORDERS",
              "--remote-subject", "price", "--local-subject", "ask", "--service")  # fmt: skip
    login = served()
    clerk, shop = login("BILLING", "clerk"), login("ORDERS", "shop")
    shop.subscribe("price")
    clerk.subscribe("answer")
    clerk.publish("ask", b"of a book?", "answer")
    assert shop.message() == b"of a book?"


def test_a_mapping_sends_messages_elsewhere(system: Cli, served: Callable[..., Any]) -> None:
    words = ("account", "mapping", "add", "-a", "ORDERS", "--from", "orders.1", "--to")
    system.ok(*words, "old", "--weight", "50")
    system.ok(*words, "new", "--weight", "50")
    system.ok("account", "mapping", "remove", "-a", "ORDERS", "--from", "orders.1", "--to", "old")
    system.ok(
        "account", "mapping", "edit", "-a", "ORDERS", "--from", "orders.1", "--to", "new", "--weight", "100"
    )
    login = served()
    reader, shop = login("ORDERS", "shop"), login("ORDERS", "shop")
    reader.subscribe(">")
    shop.publish("orders.1", b"a book")
    assert reader.message() == b"a book"


MAPPINGS = {
    "the rest keeps its subject": (["new"], "new 50%, itself 50%", {"orders.1", "new"}, 100),
    "the rest is lost": (["new", "orders.1:20"], "new 50%, orders.1 20%, lost 30%", {"orders.1", "new"}, 70),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_of_less_than_100_percent_shows_what_happens_to_the_rest(
    system: Cli, served: Callable[..., Any], name: str
) -> None:
    targets, sentence, subjects, percent = MAPPINGS[name]
    for target, _, weight in (one.partition(":") for one in targets):
        words = ("account", "mapping", "add", "-a", "ORDERS", "--from", "orders.1", "--to", target)
        done = system.ok(*words, "--weight", weight or "50")
    assert f" -> {sentence}\n" in done.err
    login = served()
    shop, readers = login("ORDERS", "shop"), {one: login("ORDERS", "shop") for one in subjects}
    for subject, reader in readers.items():
        reader.subscribe(subject)
        reader.flush()
    for _ in range(SENT):
        shop.publish("orders.1", b"a book")
    shop.flush()
    for reader in readers.values():
        reader.flush()
    heard_of = [len(reader.heard) for reader in readers.values()]
    assert all(heard_of)
    assert abs(sum(heard_of) - SENT * percent / 100) < (SENT / 10 if percent < 100 else 1)  # by chance


def test_creds_log_in_after_an_edit_a_rename_and_a_renewal_and_not_after_a_deletion(
    system: Cli, served: Callable[..., Any]
) -> None:
    system.ok("user", "edit", "-a", "ORDERS", "shop", "--expiry", "30d", "--tag", "front")
    system.ok("user", "rename", "-a", "ORDERS", "shop", "counter")
    system.ok("user", "renew", "--within", "60d")
    assert served()("ORDERS", "counter").refusal == ""
    system.ok("user", "delete", "-a", "ORDERS", "counter")
    assert served()("ORDERS", "counter").refusal == "Authorization Violation"
