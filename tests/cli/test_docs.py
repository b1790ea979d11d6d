"""The pages come with the program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

DOCS = Path(__file__).parents[2] / "docs"


def test_all_pages_are_listed(cli: Cli) -> None:
    listed = {page["page"] for page in json.loads(cli.ok("docs", "--json").out)["pages"]}
    kinds = ("tutorial", "howto", "reference", "explanation")
    assert listed == {f"{kind}/{path.stem}" for kind in kinds for path in (DOCS / kind).glob("*.md")}


def test_the_list_reports_how_a_page_is_read(cli: Cli) -> None:
    assert cli.ok("docs").err == "one of them: seedless docs howto/rotate\n"


def test_a_page_is_printed_as_it_is(cli: Cli) -> None:
    done = cli.ok("docs", "howto/rotate")
    assert done.out.rstrip() == (DOCS / "howto/rotate.md").read_text(encoding="utf-8").rstrip()


def test_a_part_of_the_name_is_enough_where_no_other_page_has_it(cli: Cli) -> None:
    assert json.loads(cli.ok("docs", "coming-from", "--json").out)["page"] == "reference/coming-from-nsc"


def test_a_name_of_several_pages_is_refused_with_their_names(cli: Cli) -> None:
    done = cli.run("docs", "first-")
    assert done.code == 2
    assert done.err == (
        'error: "first-" may be one of several pages: tutorial/first-ceremony, tutorial/first-walk\n'
        "hint: seedless docs lists them\n"
    )


def test_a_page_that_does_not_exist_is_a_mistake(cli: Cli) -> None:
    done = cli.run("docs", "howto/fly")
    assert (done.code, done.err) == (
        2, 'error: there is no page "howto/fly"\nhint: seedless docs lists them\n'
    )  # fmt: skip
