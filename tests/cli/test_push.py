"""`push`, `pull` and `prune` with a resolver's folder or a configuration; no server runs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def folder(cli: Cli) -> Path:
    """The folder of a resolver, and a home with accounts for it."""
    cli.found_system()
    made: Path = cli.home / "jwt"
    made.mkdir()
    return made


def text(cli: Cli, name: str) -> tuple[str, str]:
    shown = cli.ok("account", "show", name, "--json").data
    return shown["subject"], shown["jwt"]


def held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def sign_again(cli: Cli, name: str, *options: str) -> None:
    """Sign an account again; it is later than before, by a second at least."""
    cli.ok("account", "edit", name, *options)


def test_accounts_are_pushed_into_a_folder_once(cli: Cli, folder: Path) -> None:
    assert cli.ok("push", "--all", "--dir", str(folder)).out.splitlines() == [
        f"ORDERS: new, on {folder}",
        f"SYS: new, on {folder}",
    ]
    assert held(folder) == {f"{key}.jwt": jwt for key, jwt in (text(cli, "ORDERS"), text(cli, "SYS"))}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert cli.ok("push", "--all", "--dir", str(folder)).out == "ORDERS: current\nSYS: current\n"


def test_no_token_is_opened_and_no_server_asked_for_a_folder(cli: Cli, folder: Path) -> None:
    cli.ok("push", "--all", "--dir", str(folder), TOKEN_PIN="wrong", SEEDLESS_MODULE="/nowhere.so")


def test_what_differs_is_shown_and_nothing_is_written(cli: Cli, folder: Path) -> None:
    cli.ok("push", "--all", "--dir", str(folder))
    before = held(folder)
    sign_again(cli, "ORDERS", "--conns", "10")
    done = cli.run("push", "--all", "--diff", "--dir", str(folder))
    assert (done.code, done.out.splitlines()) == (
        5,
        ["ORDERS: changed", "  narrows  conn: unlimited -> 10", "SYS: current"],
    )
    assert cli.ok("push", "--all", "--dry-run", "--dir", str(folder)).out == done.out
    assert held(folder) == before


def test_an_account_older_than_what_is_there_is_refused_and_nothing_is_written(
    cli: Cli, folder: Path
) -> None:
    old = (cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").read_text()
    sign_again(cli, "ORDERS", "--conns", "10")
    cli.ok("push", "ORDERS", "--dir", str(folder))
    before = held(folder)
    (cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").write_text(old)
    done = cli.run("push", "--all", "--dir", str(folder))
    assert (done.code, done.out) == (3, "")
    assert "error: R002 account ORDERS iat: is of " in done.err
    assert held(folder) == before
    assert cli.run("push", "--all", "--force", "--dir", str(folder)).code == 3


def test_a_damaged_account_is_reported_and_the_others_are_pushed(cli: Cli, folder: Path) -> None:
    (cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").write_text("eyJ")
    done = cli.run("push", "--all", "--dir", str(folder))
    assert (done.code, done.out) == (3, f"SYS: new, on {folder}\n")
    assert "warning: ORDERS is not pushed: " in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("push",), "accounts are pushed by name, or all of them", id="no accounts"),
        pytest.param(("push", "ORDERS", "--all"), "by name, or all of them", id="a name and all"),
        pytest.param(("push", "NOBODY"), 'there is no account "NOBODY"', id="an unknown name"),
        pytest.param(("push", "ORDERS", "--prune"), "--prune compares all accounts", id="prune by name"),
        pytest.param(("push", "--all"), "it is not known where the servers are", id="no address"),
        pytest.param(
            ("push", "--all", "--url", "https://x"), "https://x is not an address of a nats-server", id="http"
        ),
        pytest.param(
            ("push", "--all", "--url", "nats://x", "--dir", "."), "--url and --dir name two targets", id="two"
        ),
        pytest.param(
            ("push", "--all", "--url", "nats://x", "--creds", "x", "--temporary-user"),
            "--creds and --temporary-user are two ways to log in",
            id="two ways to log in",
        ),
        pytest.param(
            ("push", "--all", "--url", "tls://x", "--ca-cert", "nothing.pem"),
            "the files for TLS cannot be used",
            id="no such certificate",
        ),
        pytest.param(
            ("push", "--all", "--url", "tls://x", "--client-key", "k.pem"),
            "--client-key is the key of a certificate",
            id="a key without certificate",
        ),
        pytest.param(("push", "--all", "--dir", "nowhere"), "there is no folder nowhere", id="no folder"),
        pytest.param(("pull",), "accounts are pulled by name or key", id="pull nothing"),
        pytest.param(("pull", "NOBODY", "--dir", "."), 'has no account "NOBODY"', id="pull nobody"),
    ],
)
def test_what_is_not_given_right_is_a_sentence(
    cli: Cli, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.home)
    cli.found_system()
    done = cli.run(*words)
    assert (done.code, said in done.err) == (2, True), done.err


def test_a_configuration_that_is_missing_is_not_taken_for_one_that_is_included(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--sys")
    done = cli.run("push", "--all", "--config", "nats.conf")
    assert (done.code, done.err) == (2, "error: there is no file nats.conf\n")
    (cli.home / "nats.conf").write_text('include "trust.conf"')
    done = cli.run("push", "--all", "--config", str(cli.home / "nats.conf"))
    assert done.err.endswith("hint: servers look beside the file that includes it\n")


def test_prune_renames_what_the_store_does_not_have(cli: Cli, folder: Path) -> None:
    cli.ok("account", "add", "FORMER")
    key, jwt = text(cli, "FORMER")
    cli.ok("push", "--all", "--dir", str(folder))
    cli.ok("account", "delete", "FORMER")
    done = cli.ok("prune", "--dir", str(folder), "--expect-count", "1", TOKEN_PIN="wrong")
    assert done.out == "deleted: FORMER\n"
    assert held(folder)[f"{key}.jwt.deleted"] == jwt
    assert f"{key}.jwt" not in held(folder)
    (folder / f"{key}.jwt").write_text(jwt)
    done = cli.ok("push", "--all", "--dir", str(folder))
    assert f"warning: FORMER ({key}) was deleted and is back" in done.err
    cli.ok("push", "--all", "--prune", "--expect-count", "1", "--dir", str(folder))
    assert f"{key}.jwt" not in held(folder)


def test_an_account_that_is_pushed_again_is_not_reported_as_returned(cli: Cli, folder: Path) -> None:
    old = (cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").read_text()
    cli.ok("push", "--all", "--dir", str(folder))
    cli.ok("account", "delete", "ORDERS", "--remote", "--dir", str(folder))
    path = cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(old)
    assert "is back" not in cli.ok("push", "--all", "--dir", str(folder)).err
    assert (cli.store / "resolver/ACME.json").read_text() == "{}\n"


def test_accounts_are_pulled_when_they_are_later(cli: Cli, folder: Path) -> None:
    path = cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
    old = path.read_text()
    sign_again(cli, "ORDERS", "--conns", "10")
    new = path.read_text()
    cli.ok("push", "--all", "--dir", str(folder))
    path.write_text(old)
    words = ("pull", "--all", "--dir", str(folder))
    assert cli.ok(*words, "--dry-run").out == "ORDERS: newer\nSYS: current\n"
    assert path.read_text() == old
    assert cli.ok(*words).out == "ORDERS: newer\nSYS: current\n"
    assert path.read_text() == new
    key, _ = text(cli, "ORDERS")
    (folder / f"{key}.jwt").write_text(old)
    done = cli.ok("pull", "ORDERS", "--dir", str(folder), "--json")
    assert [one["state"] for one in done.data["accounts"]] == ["older"]
    assert path.read_text() == new
    cli.ok("pull", "ORDERS", "--overwrite-newer", "--dir", str(folder))
    assert path.read_text() == old


def test_what_no_key_of_the_operator_has_signed_is_not_pulled(cli: Cli, folder: Path) -> None:
    cli.ok("operator", "add", "OTHER", "--sys")
    cli.ok("account", "add", "STRANGE", "--operator", "OTHER")
    cli.ok("push", "STRANGE", "--operator", "OTHER", "--dir", str(folder))
    (folder / f"A{'A' * 55}.jwt").write_text("eyJ")
    before = cli.files()
    done = cli.run("pull", "--all", "--operator", "ACME", "--dir", str(folder))
    assert (done.code, cli.files()) == (3, before)
    assert "STRANGE: refused (is issued by O" in done.out
    assert f"A{'A' * 55}: refused (no server has a jwt of it that can be read)" in done.out


def test_an_account_of_another_name_does_not_take_the_place_of_one(cli: Cli, folder: Path) -> None:
    cli.ok("push", "ORDERS", "--dir", str(folder))
    cli.ok("account", "rename", "ORDERS", "SALES")
    done = cli.run("pull", "--all", "--dir", str(folder))
    assert (done.code, "is called SALES in the store, and ORDERS on the servers" in done.out) == (3, True)


def test_a_configuration_keeps_everything_but_its_accounts(cli: Cli, folder: Path) -> None:
    path = folder / "nats.conf"
    before = cli.ok("server", "config", "--mem-resolver").out + "port: 4222 # mine\n"
    path.write_text(before)
    cli.ok("account", "add", "LATER")
    sign_again(cli, "ORDERS", "--conns", "10")
    cli.ok("push", "--all", "--config", str(path))
    assert path.read_text().endswith("port: 4222 # mine\n")
    assert all(jwt in path.read_text() for _, jwt in (text(cli, name) for name in ("LATER", "ORDERS", "SYS")))
    cli.ok("account", "delete", "LATER")
    sign_again(cli, "ORDERS", "--conns", "20")
    cli.ok("push", "--all", "--prune", "--expect-count", "1", "--config", str(path))
    wanted = cli.ok("server", "config", "--mem-resolver").out
    assert sorted(path.read_text().split()) == sorted(f"{wanted}port: 4222 # mine\n".split())


def test_a_configuration_whose_accounts_are_elsewhere_is_no_target(cli: Cli, folder: Path) -> None:
    path = folder / "nats.conf"
    path.write_text(cli.ok("server", "config", "--nats-resolver").out)
    done = cli.run("push", "--all", "--config", str(path))
    assert (done.code, "are not inside it (resolver: MEMORY)" in done.err) == (2, True)


def test_an_operator_of_another_configuration_is_refused(cli: Cli, folder: Path) -> None:
    cli.ok("operator", "add", "OTHER", "--sys")
    path = folder / "nats.conf"
    path.write_text(cli.ok("server", "config", "--mem-resolver", "--operator", "OTHER").out)
    before = path.read_text()
    done = cli.run("push", "--all", "--operator", "ACME", "--config", str(path))
    assert (done.code, path.read_text()) == (3, before)
    assert "R001 account ORDERS iss: is issued by operator ACME (O" in done.err
    assert "R004" in done.err


def test_without_nats_py_a_push_to_servers_is_a_sentence(cli: Cli) -> None:
    cli.found_system()
    (cli.home / "nats").mkdir()
    (cli.home / "nats/__init__.py").write_text("raise ImportError\n")
    done = cli.child("push", "ORDERS", "--url", "nats://127.0.0.1:1", PYTHONPATH=str(cli.home))
    assert (done.code, done.err) == (
        2,
        "error: logging in requires nats-py\nhint: pip install 'seedless[nats]'\n",
    )


@pytest.mark.parametrize(
    ("typed", "code", "left"), [("1", 0, []), ("2", 3, ["FORMER"])], ids=["their number", "another number"]
)
def test_on_a_terminal_the_number_of_the_accounts_is_typed(
    cli: Cli, folder: Path, typed: str, code: int, left: list[str]
) -> None:
    cli.ok("account", "add", "FORMER")
    key, _ = text(cli, "FORMER")
    cli.ok("push", "--all", "--dir", str(folder))
    cli.ok("account", "delete", "FORMER")
    terminal = cli.terminal_for("prune", "--dir", str(folder))
    terminal.wait_for("How many accounts are deleted? Type their number: ")
    terminal.type(f"{typed}\n")
    assert terminal.end() == code
    said = terminal.said
    assert ("deleted: FORMER" in said) == (code == 0)
    assert f"FORMER ({key})" in said
    assert [name for name in left if f"{key}.jwt" not in held(folder)] == []


def test_the_system_account_is_not_pruned_although_the_store_does_not_have_it(cli: Cli, folder: Path) -> None:
    cli.ok("push", "--all", "--dir", str(folder))
    shutil.rmtree(cli.store / "stores/ACME/accounts/SYS")
    assert cli.ok("prune", "--dir", str(folder), "--dry-run").out == "nothing to prune\n"
