"""A ceremony that is killed, at any step: incomplete, and can be finished with what it has signed."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony import offline
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.offline import unfinished
from seedless.errors import Refused, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Hall = Any  # of conftest.py

LATER = 500
"""Seconds after which a killed ceremony is gone on with."""
DAY = 86400
T0 = 1_800_000_000


@dataclass
class Camera:
    """Takes a picture of a folder wherever a kill can come, if it has changed."""

    folder: Path
    album: Path
    pictures: list[Path] = field(default_factory=list)

    steps: int = 0

    def take(self) -> None:
        self.steps += 1
        if self.pictures and state(self.pictures[-1]) == state(self.folder):
            return
        picture = self.album / str(len(self.pictures))
        shutil.copytree(self.folder, picture)
        self.pictures.append(picture)

    def around(self, call: Callable[..., object]) -> Callable[..., object]:
        def photographed(*given: object, **named: object) -> object:
            self.take()
            done = call(*given, **named)
            self.take()
            return done

        return photographed


def state(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Filmed:
    """A ceremony that was not killed: its request and result, its ledger, and the states of the disk."""

    request: bytes
    result: bytes
    transcript: bytes
    ledger: str
    statements: tuple[str, ...]
    pictures: tuple[Path, ...]
    steps: int


@pytest.fixture(scope="module")
def filmed(new_hall: Callable[[Path], Hall], tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    hall = new_hall(tmp_path_factory.mktemp("hall"))
    request = hall.request()
    review_context = hall.review_context(request, policy=hall.policy(hall.witnessed_policy_text))
    statements = tuple(hall.statement(review_context, key) for key in (hall.ada, hall.bob))
    camera = Camera(hall.folder, tmp_path_factory.mktemp("album"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "replace", "pwrite", "ftruncate"):
            patch.setattr(os, name, camera.around(getattr(os, name)))
        result = hall.sit(review_context, *statements, keys=replace(hall.keys, on_sign=camera.take))
    ledger = (hall.folder / "ledger.json").read_text()
    transcript = files_of(hall.folder)["transcript.jsonl"]
    return Filmed(request.data, result, transcript, ledger, statements, tuple(camera.pictures), camera.steps)


def files_of(picture: Path) -> dict[str, bytes]:
    return {Path(name).name: data for name, data in state(picture).items()}


def test_a_ceremony_has_many_steps_at_which_it_can_be_killed(filmed: Filmed) -> None:
    assert filmed.steps > 60
    assert len(filmed.pictures) > 15


def test_before_the_result_is_written_a_killed_ceremony_is_incomplete(hall: Hall, filmed: Filmed) -> None:
    texts = set()
    for picture in filmed.pictures:
        files = files_of(picture)
        transcript, result = files.get("transcript.jsonl", b""), files.get("result.json")
        found = hall.check(filmed.request, transcript)
        assert found.verdict is CeremonyVerdict.INCOMPLETE, (picture, found)
        texts.add(found.text)
        assert result in {None, filmed.result}
    assert "it stops before opened: 0 of 2 jwts are signed" in texts
    assert "it stops before signed: 1 of 2 jwts are signed" in texts
    assert "it stops before the receipts: 2 of 2 jwts are signed" in texts


def resumed(new_hall: Callable[[Path], Hall], filmed: Filmed, tmp_path: Path, after: int) -> list[Any]:
    """Go on with the ceremony from each picture *after* as many seconds: (files before, hall, result)."""
    done = []
    for number, picture in enumerate(filmed.pictures):
        there = new_hall(Path(shutil.copytree(picture, tmp_path / str(number))))
        files = files_of(picture)
        review_context = there.review_context(
            there.request(), policy=there.policy(there.witnessed_policy_text)
        )
        review_context = replace(review_context, now=review_context.now + after)
        if files.get("ledger.json") == filmed.ledger.encode():
            with pytest.raises(Refused, match="R004 request: was signed before"):
                there.sit(review_context, *filmed.statements)
            assert files["result.json"] == filmed.result
            continue
        done.append((files, there, there.sit(review_context, *filmed.statements)))
    return done


def test_killed_at_each_step_it_can_be_finished_and_ends_in_the_same_bytes_at_the_same_time(
    new_hall: Callable[[Path], Hall], filmed: Filmed, tmp_path: Path
) -> None:
    finished = resumed(new_hall, filmed, tmp_path, 0)
    for _, there, result in finished:
        assert result == filmed.result
        assert files_of(there.folder)["transcript.jsonl"] == filmed.transcript
        assert (there.folder / "ledger.json").read_text() == filmed.ledger
    assert len(finished) > 15


def test_killed_at_each_step_and_finished_later_each_entry_has_the_time_at_which_it_was_written(
    new_hall: Callable[[Path], Hall], filmed: Filmed, tmp_path: Path
) -> None:
    days = set()
    for files, there, result in resumed(new_hall, filmed, tmp_path, LATER):
        before = files.get("transcript.jsonl", b"")
        kept = before[: before.rfind(b"\n") + 1] if b'"kind":"intent"' in before else b""
        after = files_of(there.folder)["transcript.jsonl"]
        assert after.startswith(kept)
        times = {json.loads(line)["at"] for line in after[len(kept) :].splitlines()}
        assert times <= {T0 + 200 + LATER}
        days.add(bool(kept))
        found = there.check(filmed.request, result)
        assert found.verdict is CeremonyVerdict.COMPLETE
        assert found.receipts[0].issued_at == json.loads(after.splitlines()[-1])["at"]
        assert there.recomputed(filmed.request, result)
    assert days == {True, False}


def test_a_request_that_has_expired_is_not_signed_though_its_transcript_was_opened_before(hall: Hall) -> None:
    begun_without_an_intent(hall)
    late = hall.review_context(hall.request(), now=T0 + 100 + 8 * DAY)
    signatures: list[int] = []
    keys = replace(hall.keys, on_sign=lambda: signatures.append(1))
    with pytest.raises(Refused, match="R002 request expires: expired at"):
        hall.sit(late, keys=keys)
    assert signatures == []


def test_a_request_that_expires_while_people_are_asked_is_not_signed(hall: Hall) -> None:
    review_context = hall.review_context(hall.request())
    run = replace(hall.run(review_context), clock=lambda: review_context.request.expires)
    with pytest.raises(Refused, match=r"the request expired at .*, and nothing was signed"):
        offline.run_ceremony(run, review=lambda _plan, _report: True, keys=lambda: nullcontext(hall.keys))
    assert not (hall.folder / "ledger.json").exists()


def test_a_ceremony_that_has_signed_is_finished_after_the_expiry_and_review_reports_it_too(
    hall: Hall,
) -> None:
    interrupted(hall, after=1)
    late = hall.review_context(hall.request(), now=T0 + 100 + 8 * DAY)
    then = offline.resumed(late, hall.run(late).folder)
    assert ([one.code for one in then.judge().errors], then.now, then.clock) == ([], T0 + 200, late.now)
    assert hall.check(hall.request().data, hall.sit(late)).verdict is CeremonyVerdict.COMPLETE


def test_a_clock_that_was_set_back_since_the_interruption_is_reported(hall: Hall) -> None:
    interrupted(hall, after=1)
    early = hall.review_context(hall.request(), now=T0 + 150)
    with pytest.raises(Refused, match="and this ceremony was interrupted at 2027-01-15 08:03:20 UTC"):
        hall.sit(early)


def test_each_intent_is_on_disk_before_its_signature(hall: Hall) -> None:
    seen = []

    def look() -> None:
        (transcript,) = hall.folder.rglob("transcript.jsonl")
        seen.append(transcript.read_bytes().splitlines()[-1][:60])

    hall.sit(hall.review_context(hall.request()), keys=replace(hall.keys, on_sign=look))
    assert [b'"change":0,"kind":"intent"' in line for line in seen] == [True, False, False]
    assert [b'"change":1,"kind":"intent"' in line for line in seen] == [False, True, False]
    assert b'"kind":"ended"' in seen[2]


def test_keys_that_read_ahead_see_one_draft_at_a_time(hall: Hall) -> None:
    usual = hall.sit(hall.review_context(hall.request()))
    there = type(hall)(hall.folder / "again")
    soft = there.keys

    class ReadingAhead:
        def sign(self, drafts: Iterable[Any]) -> Iterator[Any]:
            return iter(list(soft.sign(list(drafts))))

        driver_report = soft.driver_report

    assert there.sit(there.review_context(there.request()), keys=ReadingAhead()) == usual


def test_what_was_signed_before_the_kill_is_not_signed_again(
    new_hall: Callable[[Path], Hall], filmed: Filmed, tmp_path: Path
) -> None:
    counts = set()
    for number, picture in enumerate(filmed.pictures):
        files = files_of(picture)
        if "result.json" in files or b'"kind":"intent"' not in files.get("transcript.jsonl", b""):
            continue
        there = new_hall(Path(shutil.copytree(picture, tmp_path / str(number))))
        review_context = there.review_context(
            there.request(), policy=there.policy(there.witnessed_policy_text)
        )
        signatures: list[int] = []
        keys = replace(there.keys, on_sign=lambda seen=signatures: seen.append(1))
        there.sit(review_context, *filmed.statements, keys=keys)
        assert len(signatures) == 2 - files["transcript.jsonl"].count(b'"kind":"signed"') + 1  # one receipt
        counts.add(len(signatures))
    assert counts == {1, 2, 3}


class Stopped:
    """Keys of which nothing can be said: a ceremony ends before its first intent."""

    def driver_report(self, _public_key: Any) -> Any:  # noqa: ANN401 - as of CeremonyKeys
        raise KeyboardInterrupt


def begun_without_an_intent(hall: Hall) -> None:
    with pytest.raises(KeyboardInterrupt):
        hall.sit(hall.review_context(hall.request()), keys=Stopped())
    (transcript,) = hall.folder.rglob("transcript.jsonl")
    assert [json.loads(line)["kind"] for line in transcript.read_text().splitlines()] == [
        "opened",
        "reviewed",
    ]
    assert not (hall.folder / "ledger.json").exists()


def interrupted(hall: Hall, after: int, **changes: object) -> None:
    """Begin a ceremony, and stop it at the signature with the number *after*."""
    left = [after]

    def stop() -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1

    with pytest.raises(KeyboardInterrupt):
        hall.sit(hall.review_context(hall.request(), **changes), keys=replace(hall.keys, on_sign=stop))


def test_another_request_waits_until_a_ceremony_that_has_begun_is_finished(hall: Hall) -> None:
    interrupted(hall, after=1)
    other = hall.request(reason="another")
    with pytest.raises(Refused, match=r"R005 request: must wait: the ceremony of the request [0-9a-f]{64}"):
        hall.sit(hall.review_context(other))
    hall.sit(hall.review_context(hall.request()))
    with pytest.raises(Refused, match=r"R006 request previous: follows no ceremony"):
        hall.sit(hall.review_context(other))


def test_a_ceremony_that_has_signed_goes_on_under_its_own_policy_only(hall: Hall) -> None:
    interrupted(hall, after=1)
    other = hall.policy(hall.policy_text + '[names]\naccount = ["*"]\n')
    with pytest.raises(
        Refused, match=r"began with another policy, other witnesses, people or waived findings"
    ):
        hall.sit(hall.review_context(hall.request(), policy=other))


def test_a_ceremony_that_has_signed_nothing_may_begin_again_under_another_policy(hall: Hall) -> None:
    begun_without_an_intent(hall)
    other = hall.policy(hall.policy_text + '[names]\naccount = ["*"]\n')
    result = hall.sit(hall.review_context(hall.request(), policy=other))
    found = hall.check(hall.request().data, result, policy=other.digest)
    assert found.verdict is CeremonyVerdict.COMPLETE


@pytest.mark.parametrize("left", [None, 0, 1, 3])
def test_a_transcript_that_has_gone_or_was_cut_before_its_intents_is_missed(
    hall: Hall, left: int | None
) -> None:
    interrupted(hall, after=1)
    (transcript,) = hall.folder.rglob("transcript.jsonl")
    entries = transcript.read_bytes().splitlines(keepends=True)
    transcript.unlink()
    if left is not None:
        transcript.write_bytes(b"".join(entries[:left]))
    with pytest.raises(
        StoreError,
        match=r"by the ledger this ceremony may have signed something, and .*jsonl does not",
    ):
        hall.sit(hall.review_context(hall.request()))


def test_a_ceremony_that_is_killed_while_it_begins_anew_can_begin_again(
    new_hall: Callable[[Path], Hall], hall: Hall, tmp_path_factory: pytest.TempPathFactory
) -> None:
    begun_without_an_intent(hall)
    later = replace(hall.review_context(hall.request()), now=T0 + 200 + LATER)
    camera = Camera(hall.folder, tmp_path_factory.mktemp("album"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "replace", "pwrite", "ftruncate"):
            patch.setattr(os, name, camera.around(getattr(os, name)))
        result = hall.sit(later)
    finished = 0
    for number, picture in enumerate(camera.pictures):
        there = new_hall(Path(shutil.copytree(picture, tmp_path_factory.mktemp("again") / str(number))))
        review_context = replace(there.review_context(there.request()), now=later.now)
        if "was signed before" in str(review_context.judge().errors):
            continue
        assert there.sit(review_context) == result
        finished += 1
    assert finished > 10


def test_a_line_that_was_cut_off_was_never_written(hall: Hall) -> None:
    whole = hall.sit(hall.review_context(hall.request()))
    for folder in ("ceremonies", "ledger.json"):
        path = hall.folder / folder
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    interrupted(hall, after=1)
    (transcript,) = hall.folder.rglob("transcript.jsonl")
    data = transcript.read_bytes()
    transcript.write_bytes(data[:-30])
    assert hall.check(hall.request().data, data[:-30]).verdict is CeremonyVerdict.INCOMPLETE
    assert hall.sit(hall.review_context(hall.request())) == whole
    assert len(transcript.read_bytes().splitlines()) == transcript.read_bytes().count(b"\n") == 8
    assert transcript.read_bytes().startswith(data)


def test_a_ceremony_that_was_given_up_lets_others_through_and_is_never_signed(hall: Hall) -> None:
    interrupted(hall, after=1)
    request = hall.request()
    review_context = hall.review_context(request)
    operator = str(hall.operator.public_key)
    after = review_context.ledger.abandoned(operator, request.digest, "0" * 64)
    (hall.folder / "ledger.json").write_text(after.text())
    with pytest.raises(Refused, match="R004 request: was signed before"):
        hall.sit(hall.review_context(request))
    other = hall.request(reason="another")
    result = hall.sit(hall.review_context(other))
    assert hall.check(other.data, result).verdict is CeremonyVerdict.COMPLETE


def begun(hall: Hall) -> tuple[str, ...]:
    return unfinished(hall.folder / "ceremonies", str(hall.operator.public_key))


def test_a_lost_ledger_does_not_let_a_second_ceremony_begin(hall: Hall) -> None:
    interrupted(hall, after=1)
    (hall.folder / "ledger.json").unlink()
    request, other = hall.request(), hall.request(reason="another")
    assert begun(hall) == (request.digest,)
    with pytest.raises(
        Refused, match=f"R005 request: must wait: the ceremony of the request {request.digest}"
    ):
        hall.sit(hall.review_context(other, unfinished=begun(hall)))
    hall.sit(hall.review_context(request, unfinished=begun(hall)))
    assert begun(hall) == ()


def test_a_ceremony_that_has_signed_nothing_or_is_of_another_operator_is_not_unfinished(hall: Hall) -> None:
    interrupted(hall, after=0)
    assert begun(hall) == (hall.request().digest,)
    (transcript,) = hall.folder.rglob("transcript.jsonl")
    data = transcript.read_bytes()
    transcript.write_bytes(b"".join(data.splitlines(keepends=True)[:3]))  # no intent yet
    assert begun(hall) == ()
    transcript.write_bytes(data)
    assert unfinished(hall.folder / "ceremonies", str(hall.signing.public_key)) == ()
    assert unfinished(hall.folder / "ceremonies", str(hall.operator.public_key), begun(hall)) == ()


@pytest.mark.parametrize("name", ["transcript.jsonl", "request.json"])
def test_an_unfinished_ceremony_whose_files_are_damaged_is_reported(hall: Hall, name: str) -> None:
    interrupted(hall, after=1)
    (path,) = hall.folder.rglob(name)
    path.write_text("x\n")
    with pytest.raises(StoreError, match=r"it is not known what the ceremony in .* has signed"):
        begun(hall)


def test_what_is_left_of_a_longer_line_does_not_stay(hall: Hall) -> None:
    review_context = hall.review_context(hall.request())
    folder = hall.run(review_context).folder
    folder.mkdir(parents=True)
    (folder / "transcript.jsonl").write_bytes(b'{"at":1' + b"0" * 5000)
    result = hall.sit(review_context)
    data = (folder / "transcript.jsonl").read_bytes()
    assert len(data) < 5000
    assert hall.check(review_context.request.data, result).verdict is CeremonyVerdict.COMPLETE
    assert (
        hall.check(review_context.request.data, data).text
        == "it stops before the receipts: 2 of 2 jwts are signed"
    )
