"""`push`, `pull` and `prune` with a resolver's folder or a configuration; no server runs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Desk = Any  # the fixture in tests/conftest.py


@pytest.fixture
def folder(desk: Desk) -> Path:
    """The folder of a resolver, and a desk with accounts for it."""
    desk.found_system()
    made: Path = desk.home / "jwt"
    made.mkdir()
    return made


def text(desk: Desk, name: str) -> tuple[str, str]:
    shown = desk.ok("account", "show", name, "--json").data
    return shown["subject"], shown["jwt"]


def held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def sign_again(desk: Desk, name: str, *options: str) -> None:
    """Sign an account again; it is later than before, by a second at least."""
    desk.ok("account", "edit", name, *options)


def test_accounts_are_pushed_into_a_folder_once(desk: Desk, folder: Path) -> None:
    assert desk.ok("push", "--all", "--dir", str(folder)).out.splitlines() == [
        f"ORDERS: new, on {folder}",
        f"SYS: new, on {folder}",
    ]
    assert held(folder) == {f"{key}.jwt": jwt for key, jwt in (text(desk, "ORDERS"), text(desk, "SYS"))}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert desk.ok("push", "--all", "--dir", str(folder)).out == "ORDERS: current\nSYS: current\n"


def test_no_token_is_opened_and_no_server_asked_for_a_folder(desk: Desk, folder: Path) -> None:
    desk.ok("push", "--all", "--dir", str(folder), TOKEN_PIN="wrong", SEEDLESS_MODULE="/nowhere.so")


def test_what_differs_is_shown_and_nothing_is_written(desk: Desk, folder: Path) -> None:
    desk.ok("push", "--all", "--dir", str(folder))
    before = held(folder)
    sign_again(desk, "ORDERS", "--conns", "10")
    done = desk.run("push", "--all", "--diff", "--dir", str(folder))
    assert (done.code, done.out.splitlines()) == (
        5,
        ["ORDERS: changed", "  narrows  conn: unlimited -> 10", "SYS: current"],
    )
    assert desk.ok("push", "--all", "--dry-run", "--dir", str(folder)).out == done.out
    assert held(folder) == before


def test_an_account_older_than_what_is_there_is_refused_and_nothing_is_written(
    desk: Desk, folder: Path
) -> None:
    old = (desk.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").read_text()
    sign_again(desk, "ORDERS", "--conns", "10")
    desk.ok("push", "ORDERS", "--dir", str(folder))
    before = held(folder)
    (desk.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").write_text(old)
    done = desk.run("push", "--all", "--dir", str(folder))
    assert (done.code, done.out) == (3, "")
    assert "error: R002 account ORDERS iat: is of " in done.err
    assert held(folder) == before
    assert desk.run("push", "--all", "--force", "--dir", str(folder)).code == 3


def test_a_damaged_account_is_told_and_the_others_are_pushed(desk: Desk, folder: Path) -> None:
    (desk.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").write_text("eyJ")
    done = desk.run("push", "--all", "--dir", str(folder))
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
            ("push", "--all", "--url", "https://x"), "https://x is no address of a nats-server", id="http"
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
    desk: Desk, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.home)
    desk.found_system()
    done = desk.run(*words)
    assert (done.code, said in done.err) == (2, True), done.err


def test_prune_renames_what_the_store_does_not_have(desk: Desk, folder: Path) -> None:
    desk.ok("account", "add", "FORMER")
    key, jwt = text(desk, "FORMER")
    desk.ok("push", "--all", "--dir", str(folder))
    desk.ok("account", "delete", "FORMER")
    done = desk.ok("prune", "--dir", str(folder), "--expect-count", "1", TOKEN_PIN="wrong")
    assert done.out == "deleted: FORMER\n"
    assert held(folder)[f"{key}.jwt.deleted"] == jwt
    assert f"{key}.jwt" not in held(folder)
    (folder / f"{key}.jwt").write_text(jwt)
    done = desk.ok("push", "--all", "--dir", str(folder))
    assert f"warning: FORMER ({key}) was deleted and is back" in done.err
    desk.ok("push", "--all", "--prune", "--expect-count", "1", "--dir", str(folder))
    assert f"{key}.jwt" not in held(folder)


def test_an_account_that_is_pushed_anew_is_not_told_to_be_back(desk: Desk, folder: Path) -> None:
    old = (desk.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").read_text()
    desk.ok("push", "--all", "--dir", str(folder))
    desk.ok("account", "delete", "ORDERS", "--remote", "--dir", str(folder))
    path = desk.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(old)
    assert "is back" not in desk.ok("push", "--all", "--dir", str(folder)).err
    assert (desk.store / "resolver/ACME.json").read_text() == "{}\n"


def test_accounts_are_pulled_when_they_are_later(desk: Desk, folder: Path) -> None:
    path = desk.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"
    old = path.read_text()
    sign_again(desk, "ORDERS", "--conns", "10")
    new = path.read_text()
    desk.ok("push", "--all", "--dir", str(folder))
    path.write_text(old)
    words = ("pull", "--all", "--dir", str(folder))
    assert desk.ok(*words, "--dry-run").out == "ORDERS: newer\nSYS: current\n"
    assert path.read_text() == old
    assert desk.ok(*words).out == "ORDERS: newer\nSYS: current\n"
    assert path.read_text() == new
    key, _ = text(desk, "ORDERS")
    (folder / f"{key}.jwt").write_text(old)
    done = desk.ok("pull", "ORDERS", "--dir", str(folder), "--json")
    assert [one["state"] for one in done.data["accounts"]] == ["older"]
    assert path.read_text() == new
    desk.ok("pull", "ORDERS", "--overwrite-newer", "--dir", str(folder))
    assert path.read_text() == old


def test_what_no_key_of_the_operator_has_signed_is_not_pulled(desk: Desk, folder: Path) -> None:
    desk.ok("operator", "add", "OTHER", "--sys")
    desk.ok("account", "add", "STRANGE", "--operator", "OTHER")
    desk.ok("push", "STRANGE", "--operator", "OTHER", "--dir", str(folder))
    (folder / f"A{'A' * 55}.jwt").write_text("eyJ")
    before = desk.files()
    done = desk.run("pull", "--all", "--operator", "ACME", "--dir", str(folder))
    assert (done.code, desk.files()) == (3, before)
    assert "STRANGE: refused (is issued by O" in done.out
    assert f"A{'A' * 55}: refused (no server has a jwt of it that can be read)" in done.out


def test_an_account_of_another_name_does_not_take_the_place_of_one(desk: Desk, folder: Path) -> None:
    desk.ok("push", "ORDERS", "--dir", str(folder))
    desk.ok("account", "rename", "ORDERS", "SALES")
    done = desk.run("pull", "--all", "--dir", str(folder))
    assert (done.code, "is called SALES in the store, and ORDERS on the servers" in done.out) == (3, True)


def test_a_configuration_keeps_everything_but_its_accounts(desk: Desk, folder: Path) -> None:
    path = folder / "nats.conf"
    before = desk.ok("server", "config", "--mem-resolver").out + "port: 4222 # mine\n"
    path.write_text(before)
    desk.ok("account", "add", "LATER")
    sign_again(desk, "ORDERS", "--conns", "10")
    desk.ok("push", "--all", "--config", str(path))
    assert path.read_text().endswith("port: 4222 # mine\n")
    assert all(
        jwt in path.read_text() for _, jwt in (text(desk, name) for name in ("LATER", "ORDERS", "SYS"))
    )
    desk.ok("account", "delete", "LATER")
    sign_again(desk, "ORDERS", "--conns", "20")
    desk.ok("push", "--all", "--prune", "--expect-count", "1", "--config", str(path))
    wanted = desk.ok("server", "config", "--mem-resolver").out
    assert sorted(path.read_text().split()) == sorted(f"{wanted}port: 4222 # mine\n".split())


def test_a_configuration_whose_accounts_are_elsewhere_is_no_target(desk: Desk, folder: Path) -> None:
    path = folder / "nats.conf"
    path.write_text(desk.ok("server", "config", "--nats-resolver").out)
    done = desk.run("push", "--all", "--config", str(path))
    assert (done.code, "are not inside it (resolver: MEMORY)" in done.err) == (2, True)


def test_an_operator_of_another_configuration_is_refused(desk: Desk, folder: Path) -> None:
    desk.ok("operator", "add", "OTHER", "--sys")
    path = folder / "nats.conf"
    path.write_text(desk.ok("server", "config", "--mem-resolver", "--operator", "OTHER").out)
    before = path.read_text()
    done = desk.run("push", "--all", "--operator", "ACME", "--config", str(path))
    assert (done.code, path.read_text()) == (3, before)
    assert "R001 account ORDERS iss: is issued by operator ACME (O" in done.err
    assert "R004" in done.err


def test_without_nats_py_a_push_to_servers_is_a_sentence(desk: Desk) -> None:
    desk.found_system()
    (desk.home / "nats").mkdir()
    (desk.home / "nats/__init__.py").write_text("raise ImportError\n")
    done = desk.child("push", "ORDERS", "--url", "nats://127.0.0.1:1", PYTHONPATH=str(desk.home))
    assert (done.code, done.err) == (
        2,
        "error: logging in requires nats-py\nhint: pip install 'seedless[nats]'\n",
    )


@pytest.mark.parametrize(
    ("typed", "code", "left"), [("1", 0, []), ("2", 3, ["FORMER"])], ids=["their number", "another number"]
)
def test_on_a_terminal_the_number_of_the_accounts_is_typed(
    desk: Desk, folder: Path, typed: str, code: int, left: list[str]
) -> None:
    desk.ok("account", "add", "FORMER")
    key, _ = text(desk, "FORMER")
    desk.ok("push", "--all", "--dir", str(folder))
    desk.ok("account", "delete", "FORMER")
    terminal = desk.terminal_for("prune", "--dir", str(folder))
    terminal.wait_for("How many accounts are deleted? Type their number: ")
    terminal.type(f"{typed}\n")
    assert terminal.end() == code
    said = terminal.said
    assert ("deleted: FORMER" in said) == (code == 0)
    assert f"FORMER ({key})" in said
    assert [name for name in left if f"{key}.jwt" not in held(folder)] == []


def test_the_system_account_is_not_pruned_although_the_store_does_not_have_it(
    desk: Desk, folder: Path
) -> None:
    desk.ok("push", "--all", "--dir", str(folder))
    shutil.rmtree(desk.store / "stores/ACME/accounts/SYS")
    assert desk.ok("prune", "--dir", str(folder), "--dry-run").out == "nothing to prune\n"
