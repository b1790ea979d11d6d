"""`seedless tree`: as text, as Mermaid, as DOT and as SVG."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def traders(cli: Cli) -> Cli:
    """A home whose account `SHOP "1"` offers a stream, which `TAKER <b>` takes."""
    cli.ok("operator", "add", "ACME")
    export = [{"name": "news", "subject": "news.>", "type": "stream"}]
    shop = cli.ok("account", "add", 'SHOP "1"', "--set", f"exports={json.dumps(export)}", "--json").data
    taken = [{"name": "news", "subject": "news.>", "type": "stream", "account": shop["subject"]}]
    cli.ok("account", "add", "TAKER <b>", "--set", f"imports={json.dumps(taken)}")
    return cli


def test_the_tree_shows_exports_and_imports_in_detail(traders: Cli) -> None:
    lines = traders.ok("tree", "--detail").out.splitlines()
    assert "│   └── export stream news.>" in lines
    assert any(line.startswith("    └── import stream news.> of A") for line in lines)


def test_the_tree_leaves_users_out_on_request(cli: Cli) -> None:
    cli.found_system()
    assert "user app" in cli.ok("tree").out
    assert "user app" not in cli.ok("tree", "--no-users").out


def test_an_error_marks_its_account_with_its_code(traders: Cli) -> None:
    damaged = traders.store / "stores/ACME/accounts/TAKER <b>/TAKER <b>.jwt"
    damaged.write_text("no jwt")
    text = traders.ok("tree").out
    assert "account TAKER <b>  damaged: " in text
    (node,) = [one for one in traders.ok("tree", "--json").data["children"] if "damaged" in one]
    assert [finding["code"] for finding in node["findings"]] == ["L001"]


def test_a_mermaid_picture_quotes_every_name_and_draws_imports(traders: Cli) -> None:
    text = traders.ok("tree", "--format", "mermaid").out
    assert text.startswith("flowchart LR\n")
    assert '["account SHOP #quot;1#quot;<br>A' in text
    assert '["account TAKER #lt;b#gt;<br>A' in text
    assert ' == "stream news.#gt;" ==> ' in text


def test_a_dot_picture_is_drawn_by_graphviz_as_it_stands(traders: Cli) -> None:
    path = traders.home / "tree.svg"
    traders.ok("tree", "--format", "svg", "-o", str(path))
    texts = {html.unescape(text) for text in re.findall(r"<text [^>]*>([^<]*)</text>", path.read_text())}
    assert {"operator ACME", 'account SHOP "1"', "account TAKER <b>", "news.>", "stream news.>"} <= texts


def test_without_graphviz_svg_reports_what_to_install(traders: Cli) -> None:
    done = traders.run("tree", "--format", "svg", PATH="/nowhere")
    assert (done.code, done.out) == (2, "")
    assert "install Graphviz, or take --format dot" in done.err


def test_a_signing_key_on_a_token_has_its_name_in_every_form(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--generate-signing-key")
    (key,) = cli.ok("tree", "--json").data["signing_keys"]
    assert (key["name"], key["on_token"]) == ("ACME signing", True)
    assert f"signing key ACME signing ({key['key'][:12]}…)  on a token" in cli.ok("tree").out
    assert f'"signing key ACME signing<br>{key["key"][:12]}…' in cli.ok("tree", "--format", "mermaid").out
    assert f'"signing key ACME signing\\n{key["key"][:12]}…' in cli.ok("tree", "--format", "dot").out
