"""Pages that follow from the code say what the code says now; `make docs` writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedless import config, jwt
from seedless.lint import rules as lint_rules
from seedless.resolver import preflight_rules
from seedless.rules import code_of, rules
from seedless.serve.backends.users import read_users
from seedless.serve.config import load as load_callout
from seedless.serve.config import load_issuer

if TYPE_CHECKING:
    from types import ModuleType


def same_but_for_blanks(one: str, other: str) -> bool:
    """Versions of click break lines differently."""
    return one.split() == other.split()


def test_each_generated_page_is_what_the_code_says_now(root: Path, generate: ModuleType) -> None:
    pages = {
        name: ((root / name).read_text(encoding="utf-8"), text) for name, text in generate.pages().items()
    }
    commands = pages.pop("docs/reference/cli.md")
    stale = [name for name, (page, text) in pages.items() if page != text]
    stale += [] if same_but_for_blanks(*commands) else ["docs/reference/cli.md"]
    assert stale == [], "make docs"


def test_make_docs_writes_each_page_that_names_it_with_every_generator(
    root: Path, generate: ModuleType
) -> None:
    pages = {path.relative_to(root).as_posix(): path for path in (root / "docs").rglob("*.md")}
    mark = "<!-- written by docs/reference/generate.py: make docs -->"
    marked = {name for name, path in pages.items() if mark in path.read_text(encoding="utf-8")}
    assert marked | {"docs/reference/desired-state.schema.json"} == generate.pages().keys()
    program = (root / "docs/reference/generate.py").read_text(encoding="utf-8")
    generators = {path.stem for path in (root / "docs/reference").glob("generate_*.py")}
    assert {name for name in generators if f"\nfrom {name} import " in program} == generators


def test_the_page_of_the_callout_is_made_from_the_structs_that_read_it(root: Path) -> None:
    page = (root / "docs/reference/callout.md").read_text(encoding="utf-8")
    assert "| `remember` | a span of time, as 60s, 5m | `1m` | how long a verdict" in page


def test_the_page_of_the_issuer_is_made_from_the_structs_that_read_it(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/reference/issuer.md").read_text(encoding="utf-8")
    assert "| `concurrency` | a whole number | `256` | requests that are handled at once" in page
    (example,) = blocks(root / "docs/reference/issuer.md", "toml")
    (tmp_path / "issuer.toml").write_text(example, encoding="utf-8")
    (tmp_path / "issuer.toml").chmod(0o600)
    assert [rule.endpoints for rule in load_issuer(tmp_path / "issuer.toml").rules] == [
        ("user", "info"),
        ("revoke",),
    ]


def test_the_examples_of_a_callout_can_be_read(root: Path, tmp_path: Path) -> None:
    *configurations, users = blocks(root / "docs/reference/callout.md", "toml")
    for index, text in enumerate(configurations):
        path = tmp_path / f"{index}.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        assert len(load_callout(path).rules) == 2 - index
    assert read_users(users.encode()).users["ada"].attributes == {"groups": ("clerks",)}


def test_the_page_of_the_python_api_has_the_workspace_and_its_parts(root: Path) -> None:
    page = (root / "docs/reference/python.md").read_text(encoding="utf-8")
    assert "### `Workspace.accounts`" in page
    assert "## Preview" in page


def test_every_rule_stands_on_its_page_once_with_how_grave_it_is(root: Path) -> None:
    page = (root / "docs/reference/rules.md").read_text(encoding="utf-8")
    codes = re.findall(r"^### ([A-Z]\d{3}) ", page, re.MULTILINE)
    assert sorted(codes) == sorted(code_of(rule) for rule in (*rules(), *lint_rules(), *preflight_rules()))
    assert len(re.findall(r"^- finding: (?:error|timecheck|warning)", page, re.MULTILINE)) == len(codes)


def test_the_example_of_a_configuration_can_be_read(root: Path, tmp_path: Path) -> None:
    (example,) = blocks(root / "docs/reference/files.md", "toml")
    path = tmp_path / "config.toml"
    path.write_text(example, encoding="utf-8")
    read = config.load({"SEEDLESS_CONFIG": str(path)})
    assert read.modules == (Path("/usr/lib/softhsm/libsofthsm2.so"),)
    assert str(read.uris["ceremony"]) == "pkcs11:token=ops;serial=1234"


def test_the_example_of_a_claims_file_can_be_read(root: Path) -> None:
    (example,) = blocks(root / "docs/howto/ci.md", "json")
    claims = jwt.claims_from_json(None, example)
    assert (claims.name, claims.body.kind, claims.body.limits.conn) == ("ORDERS", "account", 100)


@pytest.mark.parametrize("page", ["README.md", "docs/howto/bare-nkey-users.md"])
def test_python_in_the_pages_names_what_there_is(root: Path, page: str) -> None:
    for block in blocks(root / page, "python"):
        compile(block, page, "exec", flags=0x2000)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        imports = "\n".join(re.findall(r"^from seedless.*$", block, re.MULTILINE))
        assert imports
        exec(imports, {})  # noqa: S102 - of our own pages


def blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
