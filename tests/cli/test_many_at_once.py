"""Several commands at once on one store: each waits for its turn, and no update is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING

from seedless.store import FolderLock

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

EIGHT = range(8)


def test_eight_commands_at_once_make_eight_accounts_and_note_eight_keys(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    with ThreadPoolExecutor(len(EIGHT)) as threads:
        done = list(threads.map(lambda n: cli.child("account", "add", f"A{n}"), EIGHT))
    assert [one.code for one in done] == [0] * 8, done
    accounts = cli.ok("account", "list", "--json").data["accounts"]
    assert [one["name"] for one in accounts] == [f"A{n}" for n in EIGHT]
    noted = {key["public_key"] for key in cli.ok("key", "list", "--json").data["keys"]}
    assert {one["subject"] for one in accounts} <= noted
    assert cli.ok("verify").code == 0


def test_eight_edits_at_once_of_one_account_are_all_in_it_at_the_end(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    with ThreadPoolExecutor(len(EIGHT)) as threads:
        done = list(threads.map(lambda n: cli.child("account", "edit", "ORDERS", "--tag", f"t{n}"), EIGHT))
    assert [one.code for one in done] == [0] * 8, done
    claims = cli.ok("account", "show", "ORDERS", "--json").data["claims"]
    assert sorted(claims["nats"]["tags"]) == [f"t{n}" for n in EIGHT]


def test_a_command_that_waits_for_another_reports_which(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    told: list[str] = []

    def run() -> None:
        told.append(cli.child("account", "add", "ORDERS").err)

    waiting = Thread(target=run)
    with FolderLock(cli.store).held():
        waiting.start()
        waiting.join(3)
    waiting.join()
    assert f" has the lock of {cli.store}: waiting up to 30 seconds for it\n" in told[0]
    assert cli.ok("account", "show", "ORDERS").code == 0
