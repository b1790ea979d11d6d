"""Digests as words that can be read aloud, and read back: the PGP word list (Juola, Zimmermann, 1995).

There are 256 words for even positions, with two syllables, and 256 others for odd ones, with three, so that a
word that is left out, repeated or swapped with its neighbour is noticed. Refused are a number of words that
is not that of the digest, a word that is in neither list, one at the wrong place, and one that is not the
digest's: each with its position, counted from 1.
"""

from __future__ import annotations

import difflib
import hmac

from seedless.errors import Refused, UsageError
from seedless.text import quoted, shown

EVEN = """
aardvark absurd accrue acme adrift adult afflict ahead aimless Algol allow alone ammo ancient
apple artist assume Athens atlas Aztec baboon backfield backward banjo beaming bedlamp beehive
beeswax befriend Belfast berserk billiard bison blackjack blockade blowtorch bluebird bombast
bookshelf brackish breadline breakup brickyard briefcase Burbank button buzzard cement chairlift
chatter checkup chisel choking chopper Christmas clamshell classic classroom cleanup clockwork
cobra commence concert cowbell crackdown cranky crowfoot crucial crumpled crusade cubic
dashboard deadbolt deckhand dogsled dragnet drainage dreadful drifter dropper drumbeat drunken
Dupont dwelling eating edict egghead eightball endorse endow enlist erase escape exceed eyeglass
eyetooth facial fallout flagpole flatfoot flytrap fracture framework freedom frighten gazelle
Geiger glitter glucose goggles goldfish gremlin guidance hamlet highchair hockey indoors indulge
inverse involve island jawbone keyboard kickoff kiwi klaxon locale lockup merit minnow miser
Mohawk mural music necklace Neptune newborn nightbird Oakland obtuse offload optic orca payday
peachy pheasant physique playhouse Pluto preclude prefer preshrunk printer prowler pupil puppy
python quadrant quiver quota ragtime ratchet rebirth reform regain reindeer rematch repay
retouch revenge reward rhythm ribcage ringbolt robust rocker ruffled sailboat sawdust scallion
scenic scorecard Scotland seabird select sentence shadow shamrock showgirl skullcap skydive
slingshot slowdown snapline snapshot snowcap snowslide solo southward soybean spaniel spearhead
spellbind spheroid spigot spindle spyglass stagehand stagnate stairway standard stapler
steamship sterling stockman stopwatch stormy sugar surmount suspense sweatband swelter tactics
talon tapeworm tempest tiger tissue tonic topmost tracker transit trauma treadmill Trojan
trouble tumor tunnel tycoon uncut unearth unwind uproot upset upshot vapor village virus Vulcan
waffle wallet watchword wayside willow woodlark Zulu
"""
"""The words of the bytes at positions 0, 2, 4 and so on."""

ODD = """
adroitness adviser aftermath aggregate alkali almighty amulet amusement antenna applicant Apollo
armistice article asteroid Atlantic atmosphere autopsy Babylon backwater barbecue belowground
bifocals bodyguard bookseller borderline bottomless Bradbury bravado Brazilian breakaway
Burlington businessman butterfat Camelot candidate cannonball Capricorn caravan caretaker
celebrate cellulose certify chambermaid Cherokee Chicago clergyman coherence combustion commando
company component concurrent confidence conformist congregate consensus consulting corporate
corrosion councilman crossover crucifix cumbersome customer Dakota decadence December decimal
designing detector detergent determine dictator dinosaur direction disable disbelief disruptive
distortion document embezzle enchanting enrollment enterprise equation equipment escapade Eskimo
everyday examine existence exodus fascinate filament finicky forever fortitude frequency
gadgetry Galveston getaway glossary gossamer graduate gravity guitarist hamburger Hamilton
handiwork hazardous headwaters hemisphere hesitate hideaway holiness hurricane hydraulic
impartial impetus inception indigo inertia infancy inferno informant insincere insurgent
integrate intention inventive Istanbul Jamaica Jupiter leprosy letterhead liberty maritime
matchmaker maverick Medusa megaton microscope microwave midsummer millionaire miracle misnomer
molasses molecule Montana monument mosquito narrative nebula newsletter Norwegian October Ohio
onlooker opulent Orlando outfielder Pacific pandemic Pandora paperweight paragon paragraph
paramount passenger pedigree Pegasus penetrate perceptive performance pharmacy phonetic
photograph pioneer pocketful politeness positive potato processor provincial proximate puberty
publisher pyramid quantity racketeer rebellion recipe recover repellent replica reproduce
resistor responsive retraction retrieval retrospect revenue revival revolver sandalwood sardonic
Saturday savagery scavenger sensation sociable souvenir specialist speculate stethoscope
stupendous supportive surrender suspicious sympathy tambourine telephone therapist tobacco
tolerance tomorrow torpedo tradition travesty trombonist truncated typewriter ultimate undaunted
underfoot unicorn unify universe unravel upcoming vacancy vagabond vertigo Virginia visitor
vocalist voyager warranty Waterloo whimsical Wichita Wilmington Wyoming yesteryear Yucatan
"""
"""The words of the bytes at positions 1, 3, 5 and so on."""


IN_A_ROW = 8
_LISTS = (tuple(EVEN.split()), tuple(ODD.split()))
_BYTES = tuple({word.lower(): byte for byte, word in enumerate(words)} for words in _LISTS)


def words(digest: bytes) -> tuple[str, ...]:
    """Return the words of *digest*, one for each byte."""
    return tuple(_LISTS[at % 2][byte] for at, byte in enumerate(digest))


def rows(digest: bytes, count: int = IN_A_ROW) -> tuple[str, ...]:
    """Return the words of *digest* in rows of *count*, each word as wide as the longest."""
    spelling = words(digest)
    return tuple(
        " ".join(f"{word:<11}" for word in spelling[at : at + count]).rstrip()
        for at in range(0, len(spelling), count)
    )


def parse(text: str, first: int = 0) -> bytes:
    """Return the bytes that the words in *text* say, the first of them at position *first* of a digest.

    Raise `UsageError` with the position of a word that is none, or that belongs to the other list: then one
    was left out, read twice or swapped. Upper and lower case are the same.
    """
    spelling = text.split()
    return bytes(_byte(word, at) for at, word in enumerate(spelling, first))


def require_same(text: str, digest: bytes, first: int = 0) -> None:
    """Raise `UsageError` unless *text* says *digest* from position *first* on; the place is named.

    *digest* is what is compared, already cut to what *text* should say.
    """
    spelling = text.split()
    for at, (word, byte) in enumerate(zip(spelling, digest, strict=False), first):
        if _byte(word, at) != byte:
            swapped = _LISTS[at % 2][byte].lower() in {item.lower() for item in spelling}
            why = "two words may be swapped" if swapped else "this may be another digest"
            raise UsageError(f"word {at + 1} is not {quoted(word)}", f"compare it with the paper: {why}")
    if len(spelling) != len(digest):
        given = "1 word was" if len(spelling) == 1 else f"{len(spelling)} words were"
        raise UsageError(f"{given} given, there are {len(digest)}", "give every word, in order")


def require_digest(text: str, digest: str) -> None:
    """Raise `Refused` unless *text*, of whoever means a request, is its *digest* (hex); case is the same."""
    if not hmac.compare_digest(text.lower().encode("utf-8", "replace"), digest.encode()):
        raise Refused(
            f"the digest of the request is not {shown(text)}",
            "stop: the file was changed, or the paper is of another request",
        )


def _byte(word: str, at: int) -> int:
    table, other = _BYTES[at % 2], _BYTES[1 - at % 2]
    found = table.get(word.lower())
    if found is not None:
        return found
    if word.lower() in other:
        raise UsageError(
            f"word {at + 1}, {quoted(word)}, does not belong at this place",
            "a word was left out, read twice, or swapped with the one beside it",
        )
    near = difflib.get_close_matches(word.lower(), table, n=1)
    hint = f"did you mean {_LISTS[at % 2][table[near[0]]]}?" if near else "it is in neither list of words"
    raise UsageError(f"word {at + 1}, {quoted(word)}, is none of the words", hint)
