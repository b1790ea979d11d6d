"""SLIP-0039: a secret in shares of words, of which a threshold restores it.

Source: satoshilabs/slips, slip-0039.md. A share has 20 words for 128 bits, 33 for 256. Its first four are
public: identifier, flags, numbers and thresholds. The last three are a checksum (RS1024) that finds up to
three wrong words for certain, and others but once in 10**9. New shares are of one group, extendable, and
without passphrase: a wrong passphrase would restore another secret and be no error.

The standard forbids to suggest the correction that the checksum implies (whoever takes it stops looking at
the paper); the place may be named. Suggestions are made only for words that are not in the list.
"""

from __future__ import annotations

import difflib
import hashlib
import hmac
import os
from functools import cache, reduce
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import BadShare
from seedless.recovery.slip39_words import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST_SHARES = 16
EXPONENT = 1
"""Of new shares: 20,000 rounds of PBKDF2. Without a passphrase more of them protect nothing."""
_INDEX = {word: index for index, word in enumerate(WORDS)}
_ABBREVIATED = 4  # letters that identify a word
_BITS = 10  # of a word
_HEADER, _CHECKSUM = 4, 3  # words
_SHORTEST = 20  # words
_DIGEST = 4  # bytes that show whether the shares belong together
_SECRET_AT, _DIGEST_AT = 255, 254  # where the polynomials have the secret, and its digest
_ROUNDS = 4
_GENERATOR = (
    0xE0E040, 0x1C1C080, 0x3838100, 0x7070200, 0xE0E0009, 0x1C0C2412, 0x38086C24, 0x3090FC48, 0x21B1F890,
    0x3F3F120,
)  # fmt: skip


class ShareSet(msgspec.Struct, frozen=True, kw_only=True):
    """What all shares of one secret have in common."""

    identifier: int
    is_extendable: bool = True
    exponent: int = EXPONENT
    group_threshold: int = 1
    groups: int = 1


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One share; `number` counts from 0 in its group. Its repr does not show the value."""

    common: ShareSet
    number: int
    threshold: int
    value: bytes
    group: int = 0

    def __repr__(self) -> str:
        return f"Share(identifier={self.common.identifier}, group={self.group}, number={self.number})"


# Words.


def word_index(typed: str) -> int | None:
    """Return the index of the word that was *typed*, whole or by its first four letters; None for no word."""
    # Upper case is what people write on paper forms; the list of the standard is in lower case.
    word = typed.lower()
    if word in _INDEX or len(word) != _ABBREVIATED:
        return _INDEX.get(word)
    return _by_beginning().get(word)


@cache
def _by_beginning() -> dict[str, int]:
    return {word[:_ABBREVIATED]: index for index, word in enumerate(WORDS)}


def word_of(typed: str) -> str | None:
    """Return the word of the list that was *typed*, whole or by its first four letters; None for no word."""
    index = word_index(typed)
    return None if index is None else WORDS[index]


def similar_word(typed: str) -> str | None:
    """Return the word of the list that is like *typed*, which is not in it, without a look at a checksum."""
    found = difflib.get_close_matches(typed.lower(), WORDS, n=1)
    return found[0] if found else None


def word_count(size: int) -> int:
    """Return how many words a share of a secret of *size* bytes has."""
    return _HEADER + -(-8 * size // _BITS) + _CHECKSUM


def encode(share: Share) -> list[str]:
    """Return the words of *share*."""
    common = share.common
    # 40 bits in four words (slip-0039.md, "Format of the share mnemonic"): 15 of the identifier, 1
    # extendable, 4 each of the exponent, group, group threshold - 1, groups - 1, number and threshold - 1.
    header = common.identifier << 5 | common.is_extendable << 4 | common.exponent
    for number in (
        share.group, common.group_threshold - 1, common.groups - 1, share.number, share.threshold - 1,
    ):  # fmt: skip
        header = header << 4 | number
    count = word_count(len(share.value)) - _HEADER - _CHECKSUM
    data = [*_numbers(header, _HEADER), *_numbers(int.from_bytes(share.value, "big"), count)]
    checksum = _polymod([*_customization(share.common), *data, *[0] * _CHECKSUM]) ^ 1
    return [WORDS[index] for index in (*data, *_numbers(checksum, _CHECKSUM))]


def decode(words: Sequence[str]) -> Share:
    """Read the *words* of a share; raise `BadShare`, with the `places` (from 0) that are wrong, where known.

    The error does not quote what was typed, but for a word that is in no list.
    """
    indices = [_require_word(word, place) for place, word in enumerate(words)]
    # A secret has whole 16-bit units and words have 10 bits: what is left over is padding of at most 8
    # bits, so that most numbers of words belong to no share at all.
    padding = _BITS * (len(indices) - _HEADER - _CHECKSUM) % 16
    if len(indices) < _SHORTEST or padding > 8:  # noqa: PLR2004 - as the standard has it
        raise BadShare(f"a share of {len(indices)} words does not exist", "it has 20 or 33 words")
    numbers = _integer(indices[:_HEADER])
    group, group_threshold, groups, number, threshold = (numbers >> 4 * n & 15 for n in (4, 3, 2, 1, 0))
    common = ShareSet(
        identifier=numbers >> 25, is_extendable=bool(numbers >> 24 & 1), exponent=numbers >> 20 & 15,
        group_threshold=group_threshold + 1, groups=groups + 1,
    )  # fmt: skip
    # Before the numbers are believed: a wrong word in the header would otherwise be reported as an
    # impossible threshold, and send people to look at other shares.
    _require_checksum(indices)
    if group_threshold > groups:
        raise BadShare("this share requires more groups than there are")
    value = _integer(indices[_HEADER:-_CHECKSUM])
    size = (_BITS * (len(indices) - _HEADER - _CHECKSUM) - padding) // 8
    # The padding is in front and has to be zero: otherwise two texts would be the same share, and a digest
    # of the words would not identify it.
    if value >> 8 * size:
        raise BadShare("this share has bits where there are none")
    return Share(
        common=common, number=number, threshold=threshold + 1, value=value.to_bytes(size, "big"), group=group
    )


def _require_word(word: str, place: int) -> int:
    index = word_index(word)
    if index is None:
        near = similar_word(word)
        hint = f"did you mean {near}?" if near else "look at the paper again"
        raise BadShare(f"word {place + 1} is not in the list of words", hint, places=(place,))
    return index


def _require_checksum(indices: Sequence[int]) -> None:
    places = wrong_places(indices)
    if places == ():
        return
    if places is None:
        raise BadShare(
            "the checksum is wrong: two or more words are wrong, missing, or in another order",
            "compare every word with the paper",
        )
    (place,) = places
    raise BadShare(
        f"the checksum is wrong: word {place + 1} may be", "compare it with the paper", places=places
    )


def wrong_places(indices: Sequence[int]) -> tuple[int, ...] | None:
    """Return the one place (from 0) where another word would make the checksum right; empty if it is right.

    None where no place, or more than one, explains it.
    """
    is_extendable = bool(indices[1] >> 4 & 1)
    common = ShareSet(identifier=0, is_extendable=is_extendable)
    syndrome = _polymod([*_customization(common), *indices]) ^ 1
    if not syndrome:
        return ()
    # The checksum is linear: what an error does to it depends on nothing but its place and its bits.
    # Measured over 60 shares with one wrong word: exactly one place explains it each time; with two wrong
    # words none does. The correct word, which could be computed as well, is not: see the module.
    places = [at for at in range(len(indices)) if _explains(syndrome, len(indices) - at - 1)]
    return (places[0],) if len(places) == 1 else None


def _explains(syndrome: int, behind: int) -> bool:
    """Report whether one wrong word with so many words *behind* it gives *syndrome*."""
    # The code is linear over bits, so the 1,023 possible errors of one word follow from ten: each bit's
    # effect, and the XOR of all subsets.
    reached = [0]
    for bit in range(_BITS):
        effect = _polymod([1 << bit, *[0] * behind], 0)
        reached += [other ^ effect for other in reached]
    return syndrome in reached


def _polymod(values: Iterable[int], checksum: int = 1) -> int:
    for value in values:
        top = checksum >> 20
        checksum = (checksum & 0xFFFFF) << _BITS ^ value
        checksum = reduce(
            int.__xor__, (term for bit, term in enumerate(_GENERATOR) if top >> bit & 1), checksum
        )
    return checksum


def _customization(common: ShareSet) -> bytes:
    return b"shamir_extendable" if common.is_extendable else b"shamir"


def _numbers(value: int, count: int) -> list[int]:
    return [value >> _BITS * at & 1023 for at in reversed(range(count))]


def _integer(indices: Iterable[int]) -> int:
    return reduce(lambda value, index: value << _BITS | index, indices, 0)


# Shares.


def split(
    secret: bytes, threshold: int, count: int, *, identifier: int, random: Callable[[int], bytes] = os.urandom
) -> list[Share]:
    """Return *count* shares of *secret* (16 to 32 bytes, even), *threshold* of which restore it.

    The *identifier* has 15 bits; *random* gives as many random bytes as it is asked for.
    """
    if not 2 <= threshold <= count <= MOST_SHARES:  # noqa: PLR2004 - one share alone would be the secret
        raise ValueError(f"{threshold} of {count} shares are not possible")
    common = ShareSet(identifier=identifier)
    # Encrypted with the empty passphrase, as the standard has it: shares of programs without passphrases
    # and of those with one have the same form.
    hidden = _cipher(secret, common, b"", range(_ROUNDS))
    # threshold - 2 random points, the digest's and the secret's make a polynomial of degree threshold - 1;
    # the first shares are the random points themselves.
    points = {number: random(len(hidden)) for number in range(threshold - 2)}
    filler = random(len(hidden) - _DIGEST)
    known = points | {_DIGEST_AT: _digest(filler, hidden) + filler, _SECRET_AT: hidden}
    points |= {number: _at(known, number) for number in range(threshold - 2, count)}
    return [
        Share(common=common, number=number, threshold=threshold, value=points[number])
        for number in range(count)
    ]


def combine(shares: Iterable[Share], passphrase: bytes = b"") -> bytes:
    """Return the secret of *shares*, exactly as many as their thresholds require; raise `BadShare`.

    A wrong *passphrase* gives another secret, without an error: that is what the standard intends.
    """
    # The same share typed twice is one share: people lose count.
    unique = list(dict.fromkeys(shares))
    if not unique:
        raise BadShare("there is no share")
    common = unique[0].common
    if any(share.common != common for share in unique):
        raise BadShare("the shares are not of one set", "the first two words of all shares are the same")
    groups: dict[int, list[Share]] = {}
    for share in unique:
        groups.setdefault(share.group, []).append(share)
    if len(groups) != common.group_threshold:
        raise BadShare(f"shares of {common.group_threshold} groups are required, not of {len(groups)}")
    points = {group: _group_value(members) for group, members in groups.items()}
    hidden = _restored(points, common.group_threshold)
    return _cipher(hidden, common, passphrase, reversed(range(_ROUNDS)))


def _group_value(members: list[Share]) -> bytes:
    threshold = members[0].threshold
    if any(share.threshold != threshold for share in members):
        raise BadShare("the shares of one group have different thresholds")
    if len({share.number for share in members}) != len(members):
        raise BadShare("two different shares have the same number")
    # Not more than the threshold, either: the standard has the reader stop there, and a share beyond it
    # could contradict the others without being noticed.
    if len(members) != threshold:
        raise BadShare(f"{threshold} shares are required, not {len(members)}")
    return _restored({share.number: share.value for share in members}, threshold)


def _restored(points: dict[int, bytes], threshold: int) -> bytes:
    if len({len(value) for value in points.values()}) != 1:
        raise BadShare("the shares have different lengths")
    if threshold == 1:
        return next(iter(points.values()))
    # The digest is 32 bits long: it finds a share that was forged or belongs to another set, but cannot
    # name it.
    secret, digest = _at(points, _SECRET_AT), _at(points, _DIGEST_AT)
    if not hmac.compare_digest(digest[:_DIGEST], _digest(digest[_DIGEST:], secret)):
        raise BadShare("the shares do not belong together: at least one is not what was written down")
    return secret


def _digest(filler: bytes, secret: bytes) -> bytes:
    return hmac.digest(filler, secret, hashlib.sha256)[:_DIGEST]


def _cipher(secret: bytes, common: ShareSet, passphrase: bytes, rounds: Iterable[int]) -> bytes:
    """Encrypt *secret*, or decrypt it with the *rounds* in the other order (a Feistel network)."""
    half = len(secret) // 2
    left, right = secret[:half], secret[half:]
    # An extendable set is not salted by its identifier, so that later sets of the same secret, under new
    # identifiers, decrypt with the same passphrase.
    salt = b"" if common.is_extendable else b"shamir" + common.identifier.to_bytes(2, "big")
    iterations = (10_000 << common.exponent) // _ROUNDS
    for number in rounds:
        key = bytes([number]) + passphrase
        mask = hashlib.pbkdf2_hmac("sha256", key, salt + right, iterations, half)
        left, right = right, bytes(a ^ b for a, b in zip(left, mask, strict=True))
    return right + left


# Polynomials over GF(256), modulo x**8 + x**4 + x**3 + x + 1.


@cache
def _tables() -> tuple[list[int], dict[int, int]]:
    """Return the powers of 3, and their logarithms."""
    # 3 generates the multiplicative group of this field: its powers are all 255 values but zero.
    powers, value = [], 1
    for _ in range(255):
        powers.append(value)
        value ^= value << 1 ^ (0x11B if value & 0x80 else 0)
    return powers, {power: exponent for exponent, power in enumerate(powers)}


def _at(points: dict[int, bytes], where: int) -> bytes:
    """Return what the polynomials through *points* are at *where* (Lagrange)."""
    if where in points:
        return points[where]
    powers, logs = _tables()
    result = bytes(len(next(iter(points.values()))))
    for mine, value in points.items():
        # Subtraction is XOR in this field. Table look-ups by secret bytes are not constant in time: this
        # runs in a process of its own on a machine that runs nothing else.
        others = [other for other in points if other != mine]
        weight = sum(logs[other ^ where] - logs[other ^ mine] for other in others)
        term = (powers[(logs[byte] + weight) % 255] if byte else 0 for byte in value)
        result = bytes(a ^ b for a, b in zip(result, term, strict=True))
    return result
