"""docs/explanation/assurance.md argues for every promise, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROMISES = {
    1: "No seed leaves the token",
    2: "Every signature is verified",
    3: "What is shown is what is signed",
    4: "Time moves forward, and never ahead",
    5: "The token is opened last",
    6: "A PIN is never shown",
    7: "Nothing is half written",
    8: "Nobody is locked out by accident",
    9: "No oracle",
    10: "An error is a sentence",
    11: "A ceremony can be checked afterwards",
    12: "Nothing is signed without consent",
    13: "The server's verdict is ours",
}
PARTS = ("Claim", "Argument", "Evidence")
_ITEM = re.compile(r"`(tests/[\w/]+\.py)`:\s+((?:`test_\w+`(?:,\s+)?)+)")


@pytest.fixture(scope="module")
def sections(root: Path) -> dict[str, str]:
    """The text on each promise, by its heading."""
    page = (root / "docs/explanation/assurance.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def parts_of(section: str) -> dict[str, str]:
    """Claim, argument and evidence of a section."""
    _, *found = re.split(rf"^\*\*({'|'.join(PARTS)})\.\*\*", section, flags=re.MULTILINE)
    return dict(zip(found[::2], (text.strip() for text in found[1::2]), strict=True))


def named(section: str) -> list[tuple[str, str]]:
    """Each test that *section* names, with its file."""
    items = _ITEM.findall(section)
    return [(path, test) for path, tests in items for test in re.findall(r"`(test_\w+)`", tests)]


def collected(path: Path) -> set[str]:
    """The tests that a file collects: functions of the module, called after what they show."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name for node in functions if node.name.startswith("test_")}


def missing(section: str, root: Path) -> list[str]:
    """Each test that *section* names and that does not exist."""
    there = {path: collected(root / path) if (root / path).is_file() else set() for path, _ in named(section)}
    return [f"{path}: {test}" for path, test in named(section) if test not in there[path]]


def test_each_promise_has_its_place(sections: dict[str, str]) -> None:
    assert list(sections) == [f"{number}. {promise}" for number, promise in PROMISES.items()]


@pytest.mark.parametrize("number", PROMISES, ids=PROMISES.values())
def test_a_promise_has_claim_argument_and_evidence_that_exists(
    sections: dict[str, str], root: Path, number: int
) -> None:
    section = sections[f"{number}. {PROMISES[number]}"]
    parts = parts_of(section)
    assert tuple(parts) == PARTS
    assert all(parts.values())
    assert len(named(section)) == len(re.findall(r"`test_\w+`", section)) > 0
    assert missing(section, root) == []


@pytest.mark.parametrize("number", PROMISES, ids=PROMISES.values())
def test_a_promise_has_a_module_of_tests_that_is_among_its_evidence(
    sections: dict[str, str], root: Path, number: int
) -> None:
    (module,) = (root / "tests/promises").glob(f"test_p{number:02}_*.py")
    evidence = {path for path, _ in named(sections[f"{number}. {PROMISES[number]}"])}
    assert f"tests/promises/{module.name}" in evidence


def test_a_test_that_does_not_exist_is_missed(root: Path) -> None:
    here = "tests/docs/test_assurance.py"
    section = (
        f"- `{here}`: `test_each_promise_has_its_place`,\n  `test_nothing`\n- `tests/no.py`: `test_any`\n"
    )
    assert missing(section, root) == [f"{here}: test_nothing", "tests/no.py: test_any"]


def test_every_attack_on_the_services_that_is_described_has_evidence_that_exists(root: Path) -> None:
    page = (root / "docs/explanation/services.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    found = {title: named(text) for title, text in zip(parts[::2], parts[1::2], strict=True)}
    assert [title for title, tests in found.items() if not tests] == [
        "Who is trusted with what",
        "What nothing here defends against",
    ]
    assert sum(map(len, found.values())) == len(re.findall(r"`test_\w+`", page))
    assert missing(page, root) == []


def test_each_requirement_of_ceremonies_has_a_page_and_a_test_that_exists(root: Path) -> None:
    page = (root / "docs/reference/ceremony.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (R\d) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == [f"R{number}" for number in range(1, 10)]
    folders = ("unit", "ceremony", "token")
    known = {test for folder in folders for path in (root / "tests" / folder).glob("test_*.py")
             for test in collected(path)}  # fmt: skip
    named_here = [test for _, _, text in rows for test in re.findall(r"`(test_\w+)`", text)]
    assert len(named_here) == 7
    assert [test for test in named_here if test not in known] == []
