"""The table of words and values is what nats-server answers now; a part of it is asked, chosen by chance.

CONFIGURATIONS_SEED=7 chooses another part; `known_words.py` asks for all of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random

import pytest

from seedless.nats_config.words import known as stored_words

sys.path.insert(0, str(Path(__file__).parent))

from known_words import BLOCKS, IGNORED, ONE_AT_A_TIME, SAMPLES, kinds, known, listed

CHANCE = Random(int(os.environ.get("CONFIGURATIONS_SEED", "12")))  # noqa: S311 - chance that can be repeated
STRANGERS = 20
VALUES = 40


def test_the_table_has_every_block() -> None:
    assert list(stored_words()) == list(BLOCKS)
    assert sum(len(words) for words in stored_words().values()) > 450


@pytest.mark.parametrize("block", [block for block in BLOCKS if block not in IGNORED])
def test_the_server_knows_the_words_of_a_block_and_no_others(block: str, tmp_path: Path) -> None:
    own = set(stored_words()[block])
    candidates = {word for words in stored_words().values() for word in words} | listed()
    if block in ONE_AT_A_TIME:
        candidates = own | set(CHANCE.sample(sorted(candidates), STRANGERS))
    assert known(block, candidates, tmp_path) == own


def test_the_server_takes_the_kinds_of_values_of_a_word_and_no_others(tmp_path: Path) -> None:
    entries = [(block, word) for block, words in stored_words().items() for word in words]
    for block, word in CHANCE.sample(entries, VALUES):
        assert (block, word, kinds(block, word, tmp_path)) == (block, word, stored_words()[block][word])


def test_every_kind_of_the_table_has_samples() -> None:
    named = {kind for words in stored_words().values() for kinds in words.values() for kind in kinds}
    assert named <= set(SAMPLES)
