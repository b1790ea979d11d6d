"""A spare operator that servers list from the first day: no server is restarted when the other is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest_softhsm

    Desk = Any  # the fixture in tests/conftest.py


def test_the_accounts_are_signed_by_the_spare_operator_and_no_server_is_restarted(
    desk: Desk,
    softhsm: pytest_softhsm.SoftHSM,
    nats_server: Callable[[str], Any],
    session: Callable[..., Any],
    tmp_path: Path,
) -> None:
    spare = softhsm.create("SPARE", pin=desk.token.pin)
    desk.found_system()
    desk.ok("operator", "add", "ACME-SPARE", "--token", spare.uri)
    first = {"SEEDLESS_OPERATOR": "ACME"}
    words = ("server", "config", "--nats-resolver", "--dir", str(tmp_path / "jwt"))
    configuration = desk.ok(*words, "--spare-operator", "ACME-SPARE", **first).out
    server = nats_server(configuration)
    (tmp_path / "trust.conf").write_text(configuration)
    linted = desk.ok("server", "lint", str(tmp_path / "trust.conf"), "--json", **first).data["findings"]
    assert linted == []
    desk.ok("push", "--all", "--url", server.url, **first)
    app = creds(desk, "ACME", "app")
    assert session(server.url, app.key, app.jwt).refusal == ""

    # The token of ACME is gone.
    own = {"SEEDLESS_OPERATOR": "ACME-SPARE", "SEEDLESS_TOKEN": spare.uri}
    done = desk.ok("operator", "replace", "ACME", "--json", **own).data
    assert sorted(done["accounts"]) == ["ORDERS", "SYS"]
    key = desk.ok("operator", "show", "--json", **own).data["subject"]
    assert desk.ok("account", "show", "ORDERS", "--json", **own).data["issuer"] == key
    assert desk.ok("verify", **own).code == 0
    assert desk.run("operator", "replace", "ACME", "--json", **own).data["accounts"] == []
    desk.ok("push", "--all", "--url", server.url, **own)
    files = [str(path) for path in (tmp_path / "jwt").glob("*.jwt")]
    assert [desk.ok("show", file, "--json").data["issuer"] for file in files] == [key, key]
    desk.ok("account", "edit", "ORDERS", "--conns", "50", **own)
    desk.ok("push", "ORDERS", "--url", server.url, **own)
    same = creds(desk, "ACME-SPARE", "app")
    assert (str(same.key.public_key), same.jwt.text) == (str(app.key.public_key), app.jwt.text)
    assert session(server.url, app.key, app.jwt).refusal == ""
    assert "50" in desk.ok("account", "show", "ORDERS", **own).out


def test_an_operator_is_replaced_by_another_one_of_the_folder(desk: Desk) -> None:
    desk.found_system()
    for name in ("ACME", "NOBODY"):
        refused = desk.run("operator", "replace", name)
        assert (refused.code, "is no other one of this folder" in refused.err) == (2, True)


def test_a_spare_with_another_system_account_is_refused(desk: Desk) -> None:
    desk.found_system()
    desk.ok("operator", "add", "OTHER", "--sys")
    words = ("server", "config", "--mem-resolver", "--spare-operator", "OTHER", "--operator", "ACME")
    refused = desk.run(*words)
    assert (refused.code, "has another system account" in refused.err) == (2, True)


def creds(desk: Desk, operator: str, user: str) -> Any:  # noqa: ANN401 - Creds
    path = desk.store / f"keys/creds/{operator}/ORDERS/{user}.creds"
    return parse_creds(path.read_text(encoding="ascii"))
