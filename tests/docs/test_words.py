"""Private words do not come back: pages use those of NATS, PKCS#11 and the command line.

Prose is looked at: no block of code, and no `code in a line`, since JSON members and names of files stay what
they are. The changelog is history.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("README.md", "docs/**/*.md", ".github/*.md", "softhsm/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "changelog.md"
)
PRIVATE = {
    r"g(?:iv(?:e|es|en|ing)|ave) way": "is replaced by, rotate",
    r"lift(?:s|ed|ing)?": "waive a finding",
    r"papers": "provenance, key attributes (also of paper: say paper)",
    r"(?:take|takes|taken|taking) up": "reuse an existing key",
    r"take (?:it )?into the inventory|taken in": "register, import",
    r"stand-ins?|stands? in for": "placeholder key",
    r"wants?|wanted": "requires, needs",
    r"noted": "registered, recorded",
    r"successors?": "replacement key",
    r"keyring(?!\.json)": "inventory",
    r"visitors?": "temporary user",
    r"what stands|as it stands|standing": "current state",
    r"stands? against": "applies to, refuses, finding",
    r"pass(?:es|ed)? over": "skip, ignore",
    r"nobody knows": "it is not known",
    r"the (?:one |whole )?walk": "the pipeline",
    r"until when": "expiry",
    r"throw-away": "temporary",
    r"holes?": "security issue",
    r"crews?|stand guard": "worker group, supervisor",
    r"bear with": "accept",
    r"leave to (?:import|respond|answer)|with leave": "permission, activation",
    r"come here|comes here": "migrate",
    r"says?|said|tells?|told": "report, print, state, contain, define",
    r"hears?|heard": "receive",
}
"""Words that are not used, and those that are."""
_CODE = re.compile(r"^```.*?^```$|`[^`]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"“[^”]*”|\"[^\"\n]*\"")


def private_words(text: str) -> list[str]:
    """The private words in the prose of a page, each with what is used in its place."""
    prose = _QUOTED.sub("", _CODE.sub("", text))
    return [
        f"{found[0]!r}: write {instead}"
        for word, instead in PRIVATE.items()
        for found in re.finditer(rf"\b(?:{word})\b", prose, re.IGNORECASE)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_private_word(page: str) -> None:
    assert private_words((ROOT / page).read_text(encoding="utf-8")) == []


def test_a_private_word_is_found_in_prose_and_not_in_code() -> None:
    assert private_words("The old key gives\nway.".replace("\n", " ")) == [
        "'gives way': write is replaced by, rotate"
    ]
    assert (
        private_words("It prints `lifted`.\n```text\nit wants a PIN\n```\n[a](what-stands-against.md)") == []
    )
    assert private_words("A key wants a token, and nothing stands against it.") == [
        "'wants': write requires, needs",
        "'stands against': write applies to, refuses, finding",
    ]


HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_VERBS = """
Accept Add Agree Apply Attest Avoid Back Change Check Choose Compare Compose Configure Create Delegate Delete
Describe Export Find Give Go Hold Import Initialise Inspect Install Issue Keep Let List Log Map Migrate Name
Permit Prepare Provide Publish Pull Push Reach Read Recognise Register Rehearse Remove Rename Renew Replace
Reset Review Revoke Rotate Set Sign Start Test Use Waive Witness Write
"""
_SITUATIONS = (
    "When", "If", "What", "Where", "Roles", "The day before", "The script", "Afterwards", "In an emergency",
    "Known devices", "First ceremony", "Second ceremony", "Third ceremony", "The signing key of an account",
    "The next ceremony", "Without a server",
)  # fmt: skip
_TASK = re.compile(rf"(?:{'|'.join([*_VERBS.split(), *_SITUATIONS])})\b")


@pytest.mark.parametrize(
    "page", [one for one in PAGES if one.startswith("docs/howto/") and "exit-code" not in one]
)
def test_a_heading_of_a_how_to_names_a_task_or_a_situation(page: str) -> None:
    headings = HEADING.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [one for one in headings if not _TASK.match(one)] == []
