"""`seedless account mapping`: where messages of a subject go, by weight and by cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """The account ORDERS, where orders go to v1 and v2."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    mapping(cli, "add", "-f", "orders", "-t", "v1", "--weight", "90")
    mapping(cli, "add", "-f", "orders", "-t", "v2", "--weight", "10")
    return cli


def mapping(cli: Cli, verb: str, *words: str) -> Any:  # noqa: ANN401 - what a command returns
    return cli.ok("account", "mapping", verb, "-a", "ORDERS", *words)


def mappings(cli: Cli) -> Any:  # noqa: ANN401 - what JSON holds
    return mapping(cli, "list", "--json").data["mappings"]


def test_a_subject_is_shared_between_targets_by_weight(system: Cli) -> None:
    assert mappings(system) == {"orders": [{"subject": "v1", "weight": 90}, {"subject": "v2", "weight": 10}]}


def test_the_table_shows_an_absent_weight_as_100_percent(system: Cli) -> None:
    mapping(system, "add", "-f", "x", "-t", "y", "--cluster", "EU")
    assert mapping(system, "list").out == (
        "FROM    TO  WEIGHT  CLUSTER\n"
        "orders  v1  90%     -\n"
        "orders  v2  10%     -\n"
        "x       y   100%    EU\n"
    )  # fmt: skip


def test_a_weight_is_changed_where_it_stands(system: Cli) -> None:
    done = mapping(system, "edit", "-f", "orders", "-t", "v1", "--weight", "50")
    assert "changes  mapping: orders to v1 90%, v2 10% -> v1 50%, v2 10%, itself 40%\n" in done.err
    assert mappings(system)["orders"][0] == {"subject": "v1", "weight": 50}


@pytest.mark.parametrize(
    ("words", "left"),
    [
        pytest.param(["-t", "v1"], {"orders": [{"subject": "v2", "weight": 10}]}, id="one target"),
        pytest.param([], {}, id="all"),
    ],
)
def test_a_mapping_is_taken_out(system: Cli, words: list[str], left: Any) -> None:  # noqa: ANN401 - JSON
    mapping(system, "remove", "-f", "orders", *words)
    assert mappings(system) == left


def test_a_cluster_has_weights_of_its_own(system: Cli) -> None:
    mapping(system, "add", "-f", "orders", "-t", "v3", "--weight", "100", "--cluster", "EU")
    mapping(system, "edit", "-f", "orders", "-t", "v3", "--weight", "70", "--cluster", "EU")
    mapping(system, "remove", "-f", "orders", "-t", "v2")
    assert mappings(system)["orders"] == [
        {"subject": "v1", "weight": 90},
        {"subject": "v3", "weight": 70, "cluster": "EU"},
    ]
    mapping(system, "remove", "-f", "orders", "--cluster", "EU")
    assert mappings(system)["orders"] == [{"subject": "v1", "weight": 90}]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        pytest.param(
            ["add", "-f", "orders", "-t", "v1"],
            2,
            'error: "orders" goes to "v1" already\nhint: seedless account mapping edit changes it\n',
            id="twice",
        ),
        pytest.param(
            ["edit", "-f", "orders", "-t", "v3", "--weight", "1"],
            2,
            'error: "orders" does not go to "v3"\nhint: it goes to: v1, v2\n',
            id="no target",
        ),
        pytest.param(
            ["edit", "-f", "nothing", "-t", "v1", "--weight", "1"],
            2,
            'error: account "ORDERS" does not map "nothing"\nhint: it maps: orders\n',
            id="edit of nothing",
        ),
        pytest.param(
            ["remove", "-f", "nothing"],
            2,
            'error: account "ORDERS" does not map "nothing"\nhint: it maps: orders\n',
            id="no mapping",
        ),
        pytest.param(
            ["remove", "-f", "orders", "--cluster", "EU"],
            2,
            'error: "orders" goes nowhere in cluster "EU"\nhint: it goes to: v1, v2\n',
            id="no cluster",
        ),
    ],
)
def test_what_cannot_be_done_is_a_sentence(system: Cli, words: list[str], code: int, sentence: str) -> None:
    before = system.files()
    done = system.run("account", "mapping", words[0], "-a", "ORDERS", *words[1:])
    assert (done.code, done.out, done.err) == (code, "", sentence)
    assert system.files() == before


def test_more_than_all_messages_cannot_be_shared(system: Cli) -> None:
    done = system.run(
        "account", "mapping", "add", "-a", "ORDERS", "-f", "orders", "-t", "v3", "--weight", "1"
    )
    assert done.code == 3
    assert "account ORDERS nats.mappings" in done.err
    assert mappings(system)["orders"] == [{"subject": "v1", "weight": 90}, {"subject": "v2", "weight": 10}]
