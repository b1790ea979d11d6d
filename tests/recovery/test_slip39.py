"""SLIP-0039, held against the 45 official vectors and against `shamir-mnemonic` (in both directions)."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import shamir_mnemonic
from hypothesis import given
from hypothesis import strategies as st

from seedless.errors import BadShare
from seedless.recovery import slip39
from seedless.recovery.slip39 import Share, ShareSet
from seedless.recovery.slip39_words import WORDS

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/slip39.json").read_text())
SECRETS = st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32)


def combined(mnemonics: list[str], passphrase: bytes = b"") -> bytes:
    return slip39.combine((slip39.decode(text.split()) for text in mnemonics), passphrase)


def test_there_are_45_vectors_and_15_are_valid() -> None:
    assert (len(VECTORS), sum(bool(secret) for _, _, secret, _ in VECTORS)) == (45, 15)


@pytest.mark.parametrize(
    ("mnemonics", "secret"),
    [(shares, secret) for _, shares, secret, _ in VECTORS],
    ids=[v[0] for v in VECTORS],
)
def test_a_vector_restores_its_secret_or_is_refused(mnemonics: list[str], secret: str) -> None:
    if secret:
        assert combined(mnemonics, b"TREZOR").hex() == secret
    else:
        with pytest.raises(BadShare):
            combined(mnemonics, b"TREZOR")


@given(SECRETS, st.integers(2, 16), st.data())
def test_what_this_splits_the_other_program_combines(secret: bytes, count: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(2, count))
    identifier = data.draw(st.integers(0, 2**15 - 1))
    shares = slip39.split(secret, threshold, count, identifier=identifier)
    chosen = data.draw(st.permutations(shares))[:threshold]
    assert shamir_mnemonic.combine_mnemonics(" ".join(slip39.encode(share)) for share in chosen) == secret
    assert slip39.combine(chosen) == secret


@given(SECRETS, st.integers(2, 5), st.booleans(), st.integers(0, 1), st.sampled_from([b"", b"word"]))
def test_what_the_other_program_splits_this_combines(
    secret: bytes,
    threshold: int,
    is_extendable: bool,  # noqa: FBT001 - hypothesis calls by name
    exponent: int,
    passphrase: bytes,
) -> None:
    (mnemonics,) = shamir_mnemonic.generate_mnemonics(
        1, [(threshold, 5)], secret, passphrase, is_extendable, exponent
    )
    assert combined(mnemonics[:threshold], passphrase) == secret


@given(SECRETS)
def test_shares_of_several_groups_are_combined(secret: bytes) -> None:
    groups = shamir_mnemonic.generate_mnemonics(2, [(2, 3), (1, 1), (3, 5)], secret)
    assert combined([*groups[0][1:], *groups[1]]) == secret
    with pytest.raises(BadShare, match="shares of 2 groups are required, not of 1"):
        combined(groups[2][:3])


@given(
    st.integers(0, 2**15 - 1), st.booleans(), st.integers(0, 15), st.integers(0, 15), st.integers(1, 16),
    SECRETS,
)  # fmt: skip
def test_the_words_of_a_share_are_read_as_that_share(
    identifier: int,
    is_extendable: bool,  # noqa: FBT001 - hypothesis calls by name
    exponent: int,
    number: int,
    threshold: int,
    value: bytes,
) -> None:
    common = ShareSet(identifier=identifier, is_extendable=is_extendable, exponent=exponent)
    share = Share(common=common, number=number, threshold=threshold, value=value)
    words = slip39.encode(share)
    assert slip39.decode(words) == share
    assert slip39.decode([word[:4].upper() for word in words]) == share
    assert (
        " ".join(words)
        == shamir_mnemonic.share.Share(
            identifier, is_extendable, exponent, 0, 1, 1, number, threshold, value
        ).mnemonic()
    )


WORDS_OF_ONE = slip39.encode(slip39.split(bytes(range(32)), 2, 3, identifier=7, random=bytes)[0])


@pytest.mark.parametrize("place", range(33))
def test_the_place_of_one_wrong_word_is_named_and_no_other_word_suggested(place: int) -> None:
    other = WORDS[(WORDS.index(WORDS_OF_ONE[place]) + 512) % 1024]
    typed = [*WORDS_OF_ONE[:place], other, *WORDS_OF_ONE[place + 1 :]]
    with pytest.raises(BadShare) as refused:
        slip39.decode(typed)
    if place == 1:  # with the flag the customization differs too, and two places may explain it
        assert refused.value.message.startswith("the checksum is wrong")
        return
    assert refused.value.message == f"the checksum is wrong: word {place + 1} may be"
    assert refused.value.hint == "compare it with the paper"
    assert refused.value.places == (place,)


def test_several_wrong_words_are_found_and_no_place_is_named() -> None:
    chance = random.Random(39)  # noqa: S311 - tries that can be repeated
    for _ in range(300):
        typed = list(WORDS_OF_ONE)
        for place in chance.sample(range(33), chance.randint(2, 3)):
            typed[place] = chance.choice([word for word in WORDS if word != typed[place]])
        with pytest.raises(BadShare, match="the checksum is wrong"):
            slip39.decode(typed)


def test_two_words_that_changed_places_are_found() -> None:
    typed = [*WORDS_OF_ONE[:9], WORDS_OF_ONE[10], WORDS_OF_ONE[9], *WORDS_OF_ONE[11:]]
    with pytest.raises(BadShare, match="two or more words are wrong, missing, or in another order"):
        slip39.decode(typed)


def test_a_word_outside_the_list_is_named_with_one_that_is_like_it() -> None:
    with pytest.raises(BadShare) as refused:
        slip39.decode([*WORDS_OF_ONE[:4], "acadamic", *WORDS_OF_ONE[5:]])
    assert (refused.value.message, refused.value.hint, refused.value.places) == (
        "word 5 is not in the list of words", "did you mean academic?", (4,),
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 19, 21, 32, 34])
def test_a_share_of_another_length_is_refused(count: int) -> None:
    with pytest.raises(BadShare):
        slip39.decode((WORDS_OF_ONE * 2)[:count])


def test_three_shares_where_two_are_required_are_refused_with_the_number() -> None:
    shares = slip39.split(bytes(32), 2, 3, identifier=1)
    with pytest.raises(BadShare, match="2 shares are required, not 3"):
        slip39.combine(shares)
    with pytest.raises(BadShare, match="2 shares are required, not 1"):
        slip39.combine(shares[:1] * 2)


def test_a_share_of_another_set_is_refused() -> None:
    one = slip39.split(bytes(32), 2, 3, identifier=1)
    other = slip39.split(bytes(32), 2, 3, identifier=2)
    with pytest.raises(BadShare, match="not of one set"):
        slip39.combine([one[0], other[1]])


def test_a_share_with_another_value_and_the_same_numbers_is_found_when_they_are_combined() -> None:
    one, other = (slip39.split(bytes([n]) * 32, 2, 3, identifier=1) for n in (1, 2))
    with pytest.raises(BadShare, match="do not belong together"):
        slip39.combine([one[0], other[1]])


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (1, 3), (3, 2), (2, 17)])
def test_no_shares_are_made_that_the_standard_or_this_program_refuses(threshold: int, count: int) -> None:
    with pytest.raises(ValueError, match="are not possible"):
        slip39.split(bytes(32), threshold, count, identifier=0)


def test_the_repr_of_a_share_does_not_show_its_value() -> None:
    share = slip39.split(b"\x5a" * 32, 2, 2, identifier=9)[1]
    assert repr(share) == "Share(identifier=9, group=0, number=1)"
