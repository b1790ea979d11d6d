"""Contexts of the configuration: options that have a name together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def configured(cli: Cli) -> Cli:
    """A home with the operators ACME and OTHER, and a context for each of them."""
    for name in ("ACME", "OTHER"):
        cli.ok("operator", "add", name)
    path = cli.home / "config.toml"
    path.write_text(f"""
[contexts.acme]
store = "{cli.store}"
operator = "ACME"
token = "{cli.env["SEEDLESS_TOKEN"]}"
[contexts.other]
store = "{cli.store}"
operator = "OTHER"
token = "pkcs11:token=nowhere"
""")
    cli.env["SEEDLESS_CONFIG"] = str(path)
    for variable in ("SEEDLESS_STORE", "SEEDLESS_TOKEN"):
        cli.env.pop(variable, None)
    return cli


def test_a_context_reports_which_store_and_operator_are_meant(configured: Cli) -> None:
    assert configured.ok("operator", "show", "--context", "other", "--json").data["name"] == "OTHER"
    assert configured.ok("operator", "show", "--json", SEEDLESS_CONTEXT="acme").data["name"] == "ACME"


def test_an_option_that_is_given_wins_over_the_context(configured: Cli) -> None:
    words = ("operator", "show", "--context", "other", "--operator", "ACME", "--json")
    assert configured.ok(*words).data["name"] == "ACME"


def test_the_token_of_a_context_is_the_one_that_signs(configured: Cli) -> None:
    done = configured.run("account", "add", "NEW", "--context", "other")
    assert done.code == 4
    assert "no token matches pkcs11:token=nowhere" in done.err
    configured.ok("account", "add", "NEW", "--context", "acme")


def test_an_unknown_context_names_those_that_there_are(configured: Cli) -> None:
    done = configured.run("operator", "show", "--context", "prod")
    assert (done.code, done.out) == (2, "")
    assert 'there is no context "prod" in the configuration' in done.err
    assert 'there are: "acme", "other"' in done.err


def test_contexts_are_listed_and_shown(configured: Cli) -> None:
    listed = configured.ok("context", "list", "--json").data["contexts"]
    assert [(name, one["operator"]) for name, one in listed.items()] == [("acme", "ACME"), ("other", "OTHER")]
    shown = configured.ok("context", "show", "--context", "other", "--json").data
    assert (shown["context"], shown["operator"], shown["token"]) == ("other", "OTHER", "pkcs11:token=nowhere")
    assert shown["module"] == configured.env["SEEDLESS_MODULE"]
    assert "OTHER" in configured.ok("context", "show", "--context", "other").out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[contexts.a]\nshop = "x"', "contexts.a.shop is not known"),
        ("[contexts.a]\noperator = 1", "contexts.a.operator is not text"),
        ('[contexts.a]\nstore = "here"', "contexts.a.store is not an absolute path"),
        ("[contexts]\na = 1", "contexts.a is not a table"),
    ],
    ids=["unknown", "number", "relative", "no table"],
)
def test_a_context_that_is_not_written_right_is_reported_with_its_place(
    configured: Cli, text: str, sentence: str
) -> None:
    (configured.home / "config.toml").write_text(text)
    done = configured.run("context", "list")
    assert done.code == 1
    assert sentence in done.err


def test_where_there_is_no_store_that_of_nsc_is_pointed_at(cli: Cli) -> None:
    root = cli.home / ".local/share/nats/nsc"
    cli.ok("operator", "add", "ACME", SEEDLESS_STORE=str(root))
    done = cli.run("operator", "show", SEEDLESS_STORE=None)
    assert done.code == 2
    assert f"hint: there is one of nsc: --store {root}" in done.err


@pytest.fixture
def bare(cli: Cli) -> Cli:
    """A home whose configuration does not exist yet, with an operator in its store."""
    cli.ok("operator", "add", "ACME")
    cli.env["SEEDLESS_CONFIG"] = ""
    cli.env["XDG_CONFIG_HOME"] = str(cli.home / "xdg")
    cli.env.pop("SEEDLESS_STORE")
    return cli


def configuration(cli: Cli) -> str:
    return (cli.home / "xdg/seedless/config.toml").read_text(encoding="utf-8")


def test_a_context_that_is_added_and_selected_is_what_commands_use(bare: Cli) -> None:
    words = ("context", "add", "production", "--store", str(bare.home / "store"), "--operator", "ACME")
    bare.ok(*words, "--select")
    assert configuration(bare) == (
        f'context = "production"\n[contexts.production]\nstore = "{bare.home}/store"\noperator = "ACME"\n'
    )
    assert bare.ok("operator", "show", "--json").data["name"] == "ACME"
    assert bare.ok("context", "show", "--json").data["context"] == "production"
    assert "production (selected)" in bare.ok("context", "list").out


def test_comments_and_order_of_a_configuration_survive_its_edits(bare: Cli) -> None:
    path = bare.home / "xdg/seedless/config.toml"
    path.parent.mkdir(parents=True)
    written = (
        '# ours\nmodules = ["/usr/lib/a.so"]  # the only one\n\n[contexts.a]\nstore = "/srv/a" # first\n'
    )
    path.write_text(written)
    bare.ok("context", "add", "b", "--store", "/srv/b")
    bare.ok("context", "select", "b")
    bare.ok("context", "select", "a")
    assert configuration(bare) == f'context = "a"\n{written}\n[contexts.b]\nstore = "/srv/b"\n'
    bare.ok("context", "select", "--none")
    bare.ok("context", "remove", "b")
    assert configuration(bare) == f"{written}\n"


def test_an_option_and_a_variable_win_over_the_selected_context(bare: Cli) -> None:
    bare.ok("context", "add", "nowhere", "--store", str(bare.home / "nowhere"), "--select")
    assert "the context names this folder" in bare.run("operator", "show").err
    assert bare.ok("operator", "show", "--store", str(bare.home / "store"), "--json").data["name"] == "ACME"
    bare.ok("context", "add", "here", "--store", str(bare.home / "store"))
    assert bare.ok("operator", "show", "--json", SEEDLESS_CONTEXT="here").data["name"] == "ACME"


MISTAKES = {
    "twice": (("add", "a", "--store", "/x"), 'there is a context "a" already'),
    "a name with a dot": (("add", "a.b", "--store", "/x"), '"a.b" cannot be the name of a context'),
    "nothing": (("add", "b"), "a context without any setting changes nothing"),
    "select an unknown one": (("select", "b"), 'there is no context "b" in the configuration'),
    "select two ways": (("select", "a", "--none"), "a context is selected by its name, or none with --none"),
    "remove the selected one": (("remove", "a"), 'the context "a" is selected'),
    "remove an unknown one": (("remove", "b"), 'there is no context "b" in the configuration'),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_changes_no_configuration(bare: Cli, case: str) -> None:
    bare.ok("context", "add", "a", "--store", "/srv/a", "--select")
    before = configuration(bare)
    words, sentence = MISTAKES[case]
    done = bare.run("context", *words)
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {sentence}")
    assert configuration(bare) == before


def test_a_configuration_in_another_layout_is_left_to_a_person(bare: Cli) -> None:
    path = bare.home / "xdg/seedless/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('contexts = { a = { store = "/srv/a" } }\n')
    done = bare.run("context", "remove", "a")
    assert done.code == 1
    assert "is laid out in a way that only a person can edit" in done.err
    assert configuration(bare) == 'contexts = { a = { store = "/srv/a" } }\n'


def test_the_operator_can_come_from_the_environment(configured: Cli) -> None:
    words = ("operator", "show", "--store", str(configured.home / "store"), "--json")
    assert configured.ok(*words, SEEDLESS_OPERATOR="OTHER").data["name"] == "OTHER"
