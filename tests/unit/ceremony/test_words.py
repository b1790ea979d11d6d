"""Digests as words: published vectors, and errors that name the place."""

from __future__ import annotations

import hashlib

import pytest

from seedless.ceremony import words
from seedless.ceremony.words import EVEN, ODD
from seedless.errors import UsageError

# The fingerprint in the manual of PGP, and two of Decred's vectors (walletseed, mnemonic_test.go).
VECTORS = {
    "a fingerprint of PGP": """
        e58294f2e9a227486e8b061b31cc528fd7fa3f19
        topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa
        afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless
    """,
    "twenty bytes": """
        d1d464c004f00fb5c9a4c8d8e433e7fb7ff56256
        stairway souvenir flytrap recipe adrift upcoming artist positive spearhead Pandora
        spaniel stupendous tonic concurrent transit Wichita lockup visitor flagpole escapade
    """,
    "thirty-one bytes": """
        e34cd132128c1929ec96865ced5c4d0bf40a5d021fcef58d27dbfee371d210
        tissue disbelief stairway component atlas megaton bedlamp certify tumor monument
        necklace fascinate tunnel fascinate dreadful armistice upshot Apollo exceed aftermath
        billiard sardonic vapor microscope brackish suspicious woodlark torpedo hamlet sensation assume
    """,
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_digest_is_written_as_in_the_published_list_and_read_back(name: str) -> None:
    spelled, *said = VECTORS[name].split()
    digest = bytes.fromhex(spelled)
    assert words.words(digest) == tuple(said)
    assert words.parse(" ".join(said).upper()) == digest


def test_the_lists_are_the_published_ones() -> None:
    # Of the lists that the root zone's ceremonies use (kskm, sha2wordlist), in lower case, joined by blanks.
    assert hashlib.sha256(" ".join(EVEN.lower().split()).encode()).hexdigest()[:16] == "60c4b44eb39b8392"
    assert hashlib.sha256(" ".join(ODD.lower().split()).encode()).hexdigest()[:16] == "995bb1017581b4f8"
    assert not set(EVEN.lower().split()) & set(ODD.lower().split())


def test_a_sha256_is_four_rows_of_eight_words() -> None:
    rows = words.rows(hashlib.sha256(b"").digest())
    assert [len(row.split()) for row in rows] == [8, 8, 8, 8]
    assert rows[0].startswith("tissue      phonetic    snowslide   December ")
    assert words.parse(" ".join(rows)) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize(
    ("said", "sentence", "hint"),
    [
        pytest.param(
            "topmost Pluto", 'word 2, "Pluto", does not belong at this place', "swapped", id="left out"
        ),
        pytest.param(
            "Istanbul topmost",
            'word 1, "Istanbul", does not belong at this place',
            "swapped",
            id="neighbours swapped",
        ),
        pytest.param(
            "topmst", 'word 1, "topmst", is none of the words', "did you mean topmost?", id="misspelt"
        ),
        pytest.param("quetzalcoatl", 'word 1, "quetzalcoatl", is none', "neither list", id="no word"),
    ],
)
def test_a_word_that_is_wrong_is_reported_with_its_place(said: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        words.parse(said)
    assert sentence in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("said", "sentence", "hint"),
    [
        pytest.param("topmost", "1 word was given, there are 4", "every word", id="one"),
        pytest.param("topmost Istanbul Pluto", "3 words were given, there are 4", "every word", id="too few"),
        pytest.param("topmost Istanbul Pluto vagabond topmost", "5 words were given", "every", id="too many"),
        pytest.param(
            "topmost Istanbul Trojan vagabond", 'word 3 is not "Trojan"', "another digest", id="another"
        ),
        pytest.param(
            "Pluto Istanbul topmost vagabond", 'word 1 is not "Pluto"', "may be swapped", id="swapped"
        ),
    ],
)
def test_words_are_held_against_a_digest(said: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        words.require_same(said, bytes.fromhex("e58294f2"))
    assert sentence in caught.value.message
    assert hint in caught.value.hint


def test_the_words_of_a_digest_are_the_same_as_it() -> None:
    words.require_same("TOPMOST istanbul Pluto vagabond", bytes.fromhex("e58294f2"))
    words.require_same("Pluto vagabond", bytes.fromhex("94f2"), first=2)
    with pytest.raises(UsageError, match="word 3 is not"):
        words.require_same("topmost vagabond", bytes.fromhex("94f2"), first=2)
