"""Names in the package: a class name exists once, and private words that were replaced do not come back.

The words of the field are those of the NATS documentation, of PKCS#11 and of Python. A word of the table was
used in this code in place of one of them. Members of JSON keep their names: quoted names are not looked at.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src/seedless"

TEXTS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
"""Texts are one token up to Python 3.11; from 3.12 on an f-string is several."""

# Each private word, as a pattern for a word of a name or of a text, and what is written for it.
REPLACED = {
    "says?|said|tells?|told|untold": "report, state, contain, return",
    "hears?|heard": "receive",
    "wants?": "require",
    "gives? way|gave way": "is replaced",
    "(?<!root/)keyrings?": "inventory",
    "lift|lifts|lifted": "waive",
    "stand-?ins?|stand ins?": "placeholder key",
    "stands|standing": "exists, current, is",
    "successors?": "replacement key",
    "crews?": "worker group",
    "victims?|strays": "orphaned account",
    "visitors?": "temporary user",
    "the walk|the one walk": "signing pipeline",
    "sitting": "ceremony run",
    "pass(es|ed)? over": "skip",
    "nobody knows": "it is not known",
    "papers": "provenance",
    "spoken": "described",
    "until when": "expiry",
    "fates?": "status",
    "taken up|takes? up|took up": "reuse",
    "holes?": "security issue",
    "gates?": "driver lock, allow list",
    "ears?": "pipe",
    "patients?": "examined token",
    "kept pins?": "cached PIN",
    "deaf": "does not trust",
    "stands? guard|stood": "supervise, exists, was",
    "complains?|complaints?": "report an error, error",
    "misfits?": "mismatch",
    "desks?": "group of operations",
    "trades?": "export, import",
}
# The tables of words that are read aloud, and what a person says there.
EXEMPT = {"ceremony/report.py", "ceremony/words.py", "recovery/slip39_words.py"}
# Fields of Structs that are members of JSON.
MEMBERS = {"ceremony/transcript.py": {"lifted", "says"}}
TRANSLATED = [path for path in sorted(PACKAGE.rglob("*.py")) if str(path.relative_to(PACKAGE)) not in EXEMPT]


def classes(package: Path) -> dict[str, set[str]]:
    """The modules that define each class name."""
    modules: dict[str, set[str]] = defaultdict(set)
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                modules[node.name].add(str(path.relative_to(package)))
    return modules


def words_of(source: str) -> list[tuple[int, str]]:
    """The comments, texts and names of *source*, each with its line; a name is split into its words."""
    words = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            words.append(
                (token.start[0], re.sub(r"_+|(?<=[a-z])(?=[A-Z])", " ", token.string).strip().lower())
            )
        elif token.type == tokenize.COMMENT or (token.type in TEXTS and " " in token.string):
            words.append((token.start[0], token.string.lower()))
    return words


def private(source: str) -> list[str]:
    """Each private word in *source*, with its line and what to write for it."""
    return [
        f"line {line}: {match[0]} ({better})"
        for line, text in words_of(source)
        for word, better in REPLACED.items()
        if (match := re.search(rf"(?<![\w-])({word})(?![\w-])", text))
    ]


def bound_names(source: str) -> dict[str, int]:
    """Each name that *source* binds as argument or target, with the line of the first."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name | ast.arg)]
    bound = [node for node in nodes if isinstance(node, ast.arg) or isinstance(node.ctx, ast.Store)]
    return {
        node.arg if isinstance(node, ast.arg) else node.id: node.lineno
        for node in sorted(bound, key=lambda node: -node.lineno)
    }


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_local_name_states_what_its_value_is(path: Path) -> None:
    bound = bound_names(path.read_text(encoding="utf-8"))
    assert {name: bound[name] for name in ("one", "said", "it") if name in bound} == {}


def test_bound_names_are_those_of_arguments_assignments_and_loops() -> None:
    source = "def f(a):\n    b = [c for c in a]\n    return d\n"
    assert bound_names(source) == {"a": 1, "b": 2, "c": 2}


def test_a_class_name_exists_once_in_the_package() -> None:
    assert {name: modules for name, modules in classes(PACKAGE).items() if len(modules) > 1} == {}


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_words_do_not_come_back(path: Path) -> None:
    members = MEMBERS.get(str(path.relative_to(PACKAGE)), set())
    found = private(path.read_text(encoding="utf-8"))
    assert [line for line in found if line.split()[2] not in members] == []


def test_a_private_word_is_found_in_names_comments_and_texts() -> None:
    source = 'class KeyringFile:\n    """What a file says."""\n\n\n'
    source += 'lifted_codes = f"{a} gives way"  # nobody knows\n'
    assert private(source) == [
        "line 1: keyring (inventory)",
        "line 2: says (report, state, contain, return)",
        "line 5: lifted (waive)",
        "line 5: gives way (is replaced)",
        "line 5: nobody knows (it is not known)",
    ]


def test_a_quoted_name_may_be_a_member_of_json() -> None:
    assert private('{"lifted": value["says"]}') == []
