"""Contexts of the configuration: options that have a name together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import Any

    Desk = Any  # the fixture in tests/conftest.py


@pytest.fixture
def configured(desk: Desk) -> Desk:
    """A desk with the operators ACME and OTHER, and a context for each of them."""
    for name in ("ACME", "OTHER"):
        desk.ok("operator", "add", name)
    path = desk.home / "config.toml"
    path.write_text(f"""
[contexts.acme]
store = "{desk.store}"
operator = "ACME"
token = "{desk.env["SEEDLESS_TOKEN"]}"
[contexts.other]
store = "{desk.store}"
operator = "OTHER"
token = "pkcs11:token=nowhere"
""")
    desk.env["SEEDLESS_CONFIG"] = str(path)
    for variable in ("SEEDLESS_STORE", "SEEDLESS_TOKEN"):
        desk.env.pop(variable, None)
    return desk


def test_a_context_says_which_store_and_operator_are_meant(configured: Desk) -> None:
    assert configured.ok("operator", "show", "--context", "other", "--json").data["name"] == "OTHER"
    assert configured.ok("operator", "show", "--json", SEEDLESS_CONTEXT="acme").data["name"] == "ACME"


def test_an_option_that_is_given_wins_over_the_context(configured: Desk) -> None:
    words = ("operator", "show", "--context", "other", "--operator", "ACME", "--json")
    assert configured.ok(*words).data["name"] == "ACME"


def test_the_token_of_a_context_is_the_one_that_signs(configured: Desk) -> None:
    done = configured.run("account", "add", "NEW", "--context", "other")
    assert done.code == 4
    assert "no token matches pkcs11:token=nowhere" in done.err
    configured.ok("account", "add", "NEW", "--context", "acme")


def test_an_unknown_context_names_those_that_there_are(configured: Desk) -> None:
    done = configured.run("operator", "show", "--context", "prod")
    assert (done.code, done.out) == (2, "")
    assert 'there is no context "prod" in the configuration' in done.err
    assert 'there are: "acme", "other"' in done.err


def test_contexts_are_listed_and_shown(configured: Desk) -> None:
    listed = configured.ok("context", "list", "--json").data["contexts"]
    assert [(name, one["operator"]) for name, one in listed.items()] == [("acme", "ACME"), ("other", "OTHER")]
    shown = configured.ok("context", "show", "--context", "other", "--json").data
    assert (shown["context"], shown["operator"], shown["token"]) == ("other", "OTHER", "pkcs11:token=nowhere")
    assert shown["module"] == configured.env["SEEDLESS_MODULE"]
    assert "OTHER" in configured.ok("context", "show", "--context", "other").out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[contexts.a]\nshop = "x"', 'nothing is known by the name "contexts.a.shop"'),
        ("[contexts.a]\noperator = 1", "contexts.a.operator is not text"),
        ('[contexts.a]\nstore = "here"', "contexts.a.store is not an absolute path"),
        ("[contexts]\na = 1", "contexts.a is not a table"),
    ],
    ids=["unknown", "number", "relative", "no table"],
)
def test_a_context_that_is_not_written_right_is_told_with_its_place(
    configured: Desk, text: str, sentence: str
) -> None:
    (configured.home / "config.toml").write_text(text)
    done = configured.run("context", "list")
    assert done.code == 1
    assert sentence in done.err


def test_where_there_is_no_store_that_of_nsc_is_pointed_at(desk: Desk) -> None:
    root = desk.home / ".local/share/nats/nsc"
    desk.ok("operator", "add", "ACME", SEEDLESS_STORE=str(root))
    done = desk.run("operator", "show", SEEDLESS_STORE=None)
    assert done.code == 1
    assert f"hint: there is one of nsc: --store {root}" in done.err
