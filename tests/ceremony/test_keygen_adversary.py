"""Who changes the ceremony that created keys, before, meanwhile or afterwards, is found with the place.

The adversary computes every hash anew, and has keys of their own; the keys that were created sign for nobody.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony import documents, transcript
from seedless.ceremony.keys import CeremonyKey
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.keygen import request as key_request
from seedless.keygen.check import check_keygen, policy_of, recompute_keygen
from seedless.keygen.run import KeygenRun, run_keygen
from seedless.keygen.transcript import SeenBag, content_of, progress, receipt_drafts
from seedless.nkey import Role
from seedless.policy import read as read_policy
from seedless.readiness import questions
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from seedless.jwt import Draft, Jwt
    from seedless.keygen.request import KeygenRequest, SpecifiedKey
    from seedless.nkey import PublicKey

T0 = 1_800_000_000
ADA = SoftwareKey(Role.USER, bytes(range(32)))
BOB = SoftwareKey(Role.USER, bytes(range(1, 33)))
EVE = SoftwareKey(Role.USER, bytes(32))
AS_ASKED = {"local": "yes", "sensitive": "yes", "never_extractable": "yes"}

SPECIFICATION = f"""\
format = "seedless key specification 1"
operator = "ACME"

[[keys]]
role = "operator"
name = "ACME"
holder = "Ada"
token = "pkcs11:token=SAFE;serial=1"

[[keys]]
role = "account"
name = "SYS"
holder = "Grace"
token = "pkcs11:token=DESK"

[[people]]
name = "Ada"
role = "holder"
key = "{ADA.public_key}"

[[people]]
name = "Bob"
role = "witness"
key = "{BOB.public_key}"

[[people]]
name = "Grace"
role = "holder and scribe"

[[bags]]
number = "4711"
content = "the token SAFE"

[witnesses]
keys = ["{ADA.public_key}", "{BOB.public_key}"]
threshold = 2
"""


@dataclass
class SoftTokens:
    """Keys in software that are created as on tokens; `reports` is what their driver reports of each."""

    uris: tuple[str, ...] = ("pkcs11:token=SAFE;serial=1;object=x", "pkcs11:token=DESK;serial=2;object=y")
    reports: dict[str, str] = field(default_factory=lambda: dict(AS_ASKED))
    salt: str = ""
    keys: dict[PublicKey, SoftwareKey] = field(default_factory=dict)
    taken: tuple[str, ...] = ()

    def require_free(self, keys: Sequence[SpecifiedKey]) -> None:
        for key in keys:
            if key.label in self.taken:
                raise Refused(f"the token has a key {key.label} already")

    def create(self, key: SpecifiedKey) -> tuple[CeremonyKey, int]:
        role = Role[key.role.upper()]
        made = SoftwareKey(role, hashlib.sha256(f"{key.label}{self.salt}".encode()).digest())
        self.keys[made.public_key] = made
        uri = self.uris[0 if role is Role.OPERATOR else 1]
        return CeremonyKey(
            public_key=made.public_key, name=key.name, holder=key.holder, uri=uri, at=T0 + 20,
            driver_report=self.reports,
        ), 1  # fmt: skip

    def sign(self, drafts: Sequence[Draft[Any]]) -> list[Jwt[Any]]:
        return [one.complete(self.keys[one.issuer].sign(one.signing_input)) for one in drafts]


@dataclass
class Ceremony:
    """Where keys are created: the folder of the machine, the request, and the statements of witnesses."""

    folder: Path
    text: str = SPECIFICATION

    @property
    def request(self) -> KeygenRequest:
        return key_request.prepare(
            key_request.read_specification(self.text.encode(), "keys.toml"),
            reason="the first keys", prepared_by="Grace", prepared_at=T0, expires=T0 + 1000,
            tool="seedless 0",
        )  # fmt: skip

    def statement(self, key: SoftwareKey, request: KeygenRequest | None = None) -> str:
        one = content_of(request or self.request).draft(key.public_key, T0 + 5)
        return one.complete(key.sign(one.signing_input)).text

    def run(
        self,
        *statements: str,
        at: Callable[[], int] = lambda: T0 + 20,
        **more: Any,  # noqa: ANN401 - members of a run
    ) -> KeygenRun:
        usual: dict[str, Any] = {
            "present": ("Ada", "Bob"), "bags": (SeenBag(number="4711", found="whole"),),
            "exceptions": ("the lift stopped",), "readiness": lambda: questions("", "SAFE"),
        }  # fmt: skip
        signed = statements or (self.statement(ADA), self.statement(BOB))
        return KeygenRun(
            request=self.request, folder=self.folder / "held", clock=at, statements=signed, **usual | more
        )

    def hold(self, run: KeygenRun | None = None, tokens: SoftTokens | None = None) -> bytes:
        own = tokens or SoftTokens()
        return run_keygen(run or self.run(), lambda: contextlib.nullcontext(own))


@pytest.fixture
def ceremony(tmp_path: Path) -> Ceremony:
    return Ceremony(tmp_path)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Request and result of a ceremony that nobody has changed."""
    ceremony = Ceremony(tmp_path_factory.mktemp("held"))
    return ceremony.request.data, ceremony.hold()


def entries_of(result: bytes) -> list[dict[str, Any]]:
    return copy.deepcopy(json.loads(result)["transcript"])


def rechained(request: bytes, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return *entries* with every number and every hash computed anew."""
    chained: list[dict[str, Any]] = []
    digest = key_request.parse(request).digest
    for entry in entries:
        members = {name: value for name, value in entry.items() if name not in {"n", "previous", "kind"}}
        chained.append(transcript.entry_after(chained, entry["kind"], digest, members))
    return chained


def result_of(entries: list[dict[str, Any]], receipts: Sequence[str]) -> bytes:
    return documents.to_bytes(
        {"format": "seedless ceremony key result 1", "receipts": list(receipts), "transcript": entries}
    )


def lines_of(entries: list[dict[str, Any]]) -> bytes:
    return b"".join(transcript.line(entry) for entry in entries)


def index_of(entries: list[dict[str, Any]], kind: str) -> int:
    return next(number for number, entry in enumerate(entries) if entry["kind"] == kind)


def verdict(request: bytes, result: bytes) -> tuple[str, str]:
    found = check_keygen(request, result)
    return str(found.verdict), found.text


def statement_by(tokens: SoftTokens, made: CeremonyKey) -> str:
    (jwt,) = tokens.sign([made.draft()])
    return jwt.text


def test_nobody_changed_it_and_every_byte_comes_out_again(held: tuple[bytes, bytes]) -> None:
    assert verdict(*held) == ("complete", "2 keys were created as requested, each signed a receipt")
    again = recompute_keygen(*held)
    assert (again.agrees, again.text, again.signatures) == (True, "every byte agrees", 6)


def test_another_public_key_in_the_transcript_has_no_receipt_of_the_key_that_was_created(
    held: tuple[bytes, bytes],
) -> None:
    request, result = held
    entries, receipts = entries_of(result), json.loads(result)["receipts"]
    evil = SoftTokens(salt="evil")
    made, _ = evil.create(key_request.parse(request).specification.keys[0])
    number = index_of(entries, "created")
    entries[number]["statement"] = statement_by(evil, made)
    old = str(SoftTokens().create(key_request.parse(request).specification.keys[0])[0].public_key)
    entries[-1]["signatures"] = {
        str(made.public_key) if key == old else key: n for key, n in entries[-1]["signatures"].items()
    }
    changed = rechained(request, entries)
    word, text = verdict(request, result_of(changed, receipts))
    assert (word, text.startswith("result.receipts[0].")) == ("false", True), text
    assert verdict(request, result_of(entries, receipts))[1] == (
        f"transcript[{number + 1}] does not follow what is before it"
    )


def test_a_ceremony_that_somebody_held_with_keys_of_their_own_is_not_that_of_the_pinned_operator(
    ceremony: Ceremony, held: tuple[bytes, bytes]
) -> None:
    forged = ceremony.hold(tokens=SoftTokens(salt="evil"))
    pinned = check_keygen(*held).progress
    assert pinned is not None
    found = check_keygen(ceremony.request.data, forged, pinned.keys[0].public_key)
    assert (str(found.verdict), "is none of the keys that were created" in found.text) == ("false", True)


def test_a_key_that_came_out_extractable_is_not_created_and_not_believed_afterwards(
    ceremony: Ceremony, held: tuple[bytes, bytes]
) -> None:
    weak = SoftTokens(reports=AS_ASKED | {"never_extractable": "no"})
    with pytest.raises(Refused, match="does not report that it is never_extractable"):
        ceremony.hold(tokens=weak)
    request, result = held
    entries = entries_of(result)
    made, _ = weak.create(ceremony.request.specification.keys[0])
    number = index_of(entries, "created")
    entries[number]["statement"] = statement_by(weak, made)
    word, text = verdict(request, result_of(rechained(request, entries), ()))
    assert (word, "does not report that it is never_extractable" in text) == ("false", True)


def test_a_label_that_the_token_has_ends_it_before_the_intent(ceremony: Ceremony) -> None:
    with pytest.raises(Refused, match="the token has a key operator:ACME already"):
        ceremony.hold(tokens=SoftTokens(taken=("operator:ACME",)))
    lines = (ceremony.folder / "held/transcript.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["opened", "witnessed", "witnessed", "readiness"]


@pytest.mark.parametrize("uri", ["pkcs11:token=OTHER;serial=1;object=x", "pkcs11:token=SAFE;serial=2"])
def test_a_key_on_another_token_than_the_one_that_was_named_is_found(
    ceremony: Ceremony, held: tuple[bytes, bytes], uri: str
) -> None:
    elsewhere = SoftTokens(uris=(uri, "pkcs11:token=DESK;object=y"))
    with pytest.raises(Refused, match="and the request asks for pkcs11:token=SAFE;serial=1"):
        ceremony.hold(tokens=elsewhere)
    request, result = held
    entries = entries_of(result)
    made, _ = elsewhere.create(ceremony.request.specification.keys[0])
    number = index_of(entries, "created")
    entries[number]["statement"] = statement_by(elsewhere, made)
    text = f"operator:ACME is on {uri}, and the request asks for pkcs11:token=SAFE;serial=1"
    assert verdict(request, result_of(rechained(request, entries), ())) == ("false", text)


def test_a_witness_who_is_missing_counts_once_or_is_somebody_else_is_refused(ceremony: Ceremony) -> None:
    for statements, why in (
        ((ceremony.statement(ADA),), "1 of 2 witnesses have signed"),
        ((ceremony.statement(ADA), ceremony.statement(ADA)), "a witness has signed twice, and counts once"),
        ((ceremony.statement(ADA), ceremony.statement(EVE)), "witness 2: "),
    ):
        with pytest.raises(Refused) as caught:
            ceremony.hold(ceremony.run(*statements))
        assert why in caught.value.message
    assert not (ceremony.folder / "held/transcript.jsonl").exists()


def test_a_witness_who_was_left_out_or_put_twice_afterwards_is_missed(held: tuple[bytes, bytes]) -> None:
    request, result = held
    entries = entries_of(result)
    number = index_of(entries, "witnessed")
    without = rechained(request, [*entries[:number], *entries[number + 1 :]])
    assert verdict(request, result_of(without, ())) == ("false", "1 of 2 witnesses have signed")
    twice = copy.deepcopy(entries)
    twice[number + 1]["statement"] = twice[number]["statement"]
    assert verdict(request, result_of(rechained(request, twice), ())) == (
        "false", "a witness has signed twice, and counts once",
    )  # fmt: skip


def test_a_request_that_was_changed_after_its_review_is_another_one(
    ceremony: Ceremony, held: tuple[bytes, bytes], tmp_path: Path
) -> None:
    other = Ceremony(tmp_path / "other", SPECIFICATION.replace('holder = "Ada"', 'holder = "Bob"'))
    assert other.request.digest != ceremony.request.digest
    reviewed = (ceremony.statement(ADA), ceremony.statement(BOB))
    with pytest.raises(Refused, match="witness 1 is a statement about another request"):
        other.hold(other.run(*reviewed))
    word, text = verdict(other.request.data, held[1])
    assert (word, text.startswith("transcript[0] is of the request ")) == ("false", True)


def test_a_transcript_that_ends_anywhere_is_incomplete_and_false_with_receipts(
    held: tuple[bytes, bytes],
) -> None:
    request, result = held
    entries, receipts = entries_of(result), json.loads(result)["receipts"]
    for count in range(3, len(entries)):
        word, text = verdict(request, lines_of(entries[:count]))
        assert (word, text.endswith("and there are no receipts: it has not ended")) == ("incomplete", True)
        assert verdict(request, result_of(entries[:count], receipts)) == (
            "false", "result.transcript stops before its end, and has receipts",
        )  # fmt: skip
    assert verdict(request, lines_of(entries)) == (
        "incomplete", "2 of 2 keys were created, and there are no receipts: it has not ended",
    )  # fmt: skip
    assert verdict(request, lines_of(entries)[:-9]) == (
        "incomplete", "2 of 2 keys were created, and there are no receipts: it has not ended",
    )  # fmt: skip
    assert verdict(request, b'{"at":')[0] == "false"
    assert verdict(request, result_of(entries, receipts[:1])) == (
        "false", "result.receipts holds 1, and 2 keys were created",
    )  # fmt: skip


def otherwise(value: object) -> object:
    match value:
        case list():
            return value[1:]
        case dict():
            return {}
        case int():
            return value + 1
        case _:
            return f"{value} otherwise"


@pytest.mark.parametrize(
    "path",
    [
        ("opened", "present"),
        ("opened", "exceptions"),
        ("opened", "bags"),
        ("opened", "tool"),
        ("readiness", "rows"),
        ("intent", "label"),
        ("created", "signed"),
        ("ended", "at"),
        ("ended", "signatures"),
    ],
)
def test_whatever_was_left_out_or_set_otherwise_has_no_receipts(
    held: tuple[bytes, bytes], path: tuple[str, str]
) -> None:
    request, result = held
    entries, receipts = entries_of(result), json.loads(result)["receipts"]
    kind, member = path
    entry = entries[index_of(entries, kind)]
    old = entry[member]
    entry[member] = otherwise(old)
    assert verdict(request, result_of(rechained(request, entries), receipts))[0] == "false"


def test_two_people_of_one_name_a_bag_of_another_number_and_a_name_twice_are_refused(
    ceremony: Ceremony,
) -> None:
    for more, why in (
        ({"present": ("Ada", "Ada")}, "names Ada twice"),
        ({"bags": (SeenBag(number="4712", found="whole"),)}, 'has the bag "4712", and the request has 4711'),
        ({"bags": (SeenBag(number="4711", found="a"), SeenBag(number="4711", found="b"))}, '"4711", twice'),
        ({"exceptions": ("a\u202eb",)}, "holds characters that cannot be seen"),
    ):
        with pytest.raises(SeedlessError) as caught:
            ceremony.hold(ceremony.run(**more))
        assert why in caught.value.message
    assert not (ceremony.folder / "held").exists()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('name = "Bob"', 'name = "Ada"', "people[0] is Ada, who is there twice"),
        (f'key = "{BOB.public_key}"', f'key = "{ADA.public_key}"', "key is that of no witness, or of two"),
        (f'key = "{BOB.public_key}"', f'key = "{EVE.public_key}"', "key is that of no witness, or of two"),
        (f'key = "{BOB.public_key}"\n', "", f"{BOB.public_key} is the key of nobody in people"),
        ('number = "4711"', 'number = "4711"\ncontent = "x"\n[[bags]]\nnumber = "4711"', "twice: 4711"),
        ("pkcs11:token=DESK", "pkcs11:slot-id=3", "keys[1].token names no token by what it reports"),
    ],
)  # fmt: skip
def test_the_same_person_twice_is_refused_in_the_specification(old: str, new: str, why: str) -> None:
    text = SPECIFICATION.replace(old, new, 1)
    assert text != SPECIFICATION
    with pytest.raises(UsageError) as caught:
        key_request.read_specification(text.encode(), "keys.toml")
    assert why in caught.value.message


def test_no_key_is_created_after_the_expiry_though_it_was_opened_before(ceremony: Ceremony) -> None:
    times = iter([T0 + 20, T0 + 20, T0 + 20, T0 + 20, T0 + 1000])
    with pytest.raises(Refused, match="the request holds from"):
        ceremony.hold(ceremony.run(at=lambda: next(times)))


def test_who_came_later_and_what_happened_since_are_in_an_entry_of_their_own(ceremony: Ceremony) -> None:
    calls = iter(range(5))

    def clock() -> int:
        if next(calls, None) is None:
            raise SeedlessError("the power was cut")
        return T0 + 20

    with pytest.raises(SeedlessError, match="the power was cut"):
        ceremony.hold(ceremony.run(at=clock))
    tokens = SoftTokens()
    result = ceremony.hold(
        ceremony.run(
            at=lambda: T0 + 5000, present=("Ada", "Grace"), bags=(), exceptions=("the power was cut",),
            tool="seedless 1",
        ),
        tokens,
    )  # fmt: skip
    entries = entries_of(result)
    assert [entry["kind"] for entry in entries] == [
        "opened", "witnessed", "witnessed", "readiness", "intent", "resumed", "created", "intent", "created",
        "ended",
    ]  # fmt: skip
    assert entries[5]["exceptions"] == ["the power was cut"]
    found = check_keygen(ceremony.request.data, result, recompute=True)
    assert (str(found.verdict), found.is_good) == ("complete", True), found
    assert found.progress is not None
    assert [one.tool for one in found.progress.sessions] == ["seedless", "seedless 1"]
    assert found.progress.other_tools == ("seedless", "seedless 1")
    assert found.progress.absent == ()
    assert found.progress.present == ("Ada", "Bob", "Grace")
    hidden = rechained(ceremony.request.data, [*entries[:5], *entries[6:]])
    assert verdict(ceremony.request.data, result_of(hidden, json.loads(result)["receipts"]))[0] == "false"


def test_a_policy_that_does_not_follow_from_the_keys_is_named(held: tuple[bytes, bytes]) -> None:
    found = check_keygen(*held)
    assert found.progress is not None
    operator = found.progress.keys[0].public_key
    pinned = f'operator = "{operator}"\ntokens = ["1"]\n'
    keys = f'[witnesses]\nkeys = ["{ADA.public_key}", "{BOB.public_key}"]\nthreshold = 2\n'
    text = policy_of(found.progress)
    assert read_policy(text.encode()).witnesses == read_policy(f"{pinned}{keys}".encode()).witnesses
    for policy, word in ((text, "complete"), (pinned, "false")):
        digest = read_policy(policy.encode()).digest
        assert str(check_keygen(*held, policy=digest).verdict) == word


def test_every_flip_of_a_byte_of_request_and_result_is_found(held: tuple[bytes, bytes]) -> None:
    for number, data in enumerate(held):
        for at in range(0, len(data), 97):
            files = [*held]
            files[number] = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            assert str(check_keygen(*files).verdict) == "false", (number, at)


@pytest.mark.parametrize(
    ("kind", "member", "value", "why"),
    [
        ("opened", "mark", "REHEARSAL", "transcript[0].mark is not that of the request"),
        ("ended", "created", 1, "transcript[8] counts other keys or signatures than the entries have"),
        ("ended", "at", T0 + 1, "transcript[8] does not follow what is before it"),
        ("readiness", "rows", [], "transcript[3].rows is empty, and such an entry has rows"),
        ("intent", "label", "operator:EVE", "transcript[4] is about another key than operator:ACME"),
    ],
)
def test_an_entry_that_cannot_be_is_found_without_any_receipt(
    held: tuple[bytes, bytes], kind: str, member: str, value: object, why: str
) -> None:
    request, result = held
    entries = entries_of(result)
    entries[index_of(entries, kind)][member] = value
    word, text = verdict(request, lines_of(rechained(request, entries)))
    assert (word, text.startswith(why)) == ("false", True), text


def test_a_first_key_that_was_intended_after_the_expiry_is_found(held: tuple[bytes, bytes]) -> None:
    request, result = held
    entries = entries_of(result)
    for entry in entries[index_of(entries, "intent") :]:
        entry["at"] = T0 + 1000
    word, text = verdict(request, lines_of(rechained(request, entries)))
    assert (word, text.startswith("the request holds from ")) == ("false", True), text


def test_what_the_keys_themselves_signed_otherwise_does_not_come_out_again(
    ceremony: Ceremony, held: tuple[bytes, bytes]
) -> None:
    request, result = held
    tokens = SoftTokens()
    entries = entries_of(result)
    for key in ceremony.request.specification.keys:
        tokens.create(key)
    entries[index_of(entries, "created")]["signed"] = {"statement": 2}
    changed = rechained(request, entries)
    drafts = receipt_drafts(progress(ceremony.request, changed))
    forged = result_of(changed, [jwt.text for jwt in tokens.sign(drafts)])
    found = check_keygen(request, forged, recompute=True)
    assert (str(found.verdict), found.is_good) == ("complete", False)
    assert found.recomputed is not None
    assert found.recomputed.text == "a signature of the result is over something else than comes out"
