"""A ceremony as a program holds it: all of it with a token, and its online half alone; stdout is closed."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.app.workspace import Workspace
from seedless.errors import Refused, StoreError, UsageError
from seedless.store import create_store

sys.path.insert(0, str(Path(__file__).parents[1]))

from office import open_office

if TYPE_CHECKING:
    from collections.abc import Iterator

    from office import Office

    import pytest_softhsm
    from seedless.ceremony.request import CeremonyRequest

    Hall = Any  # the fixture in conftest.py

AT = 1_800_000_100
"""When the clock of the workspace stands, Unix seconds: when the plan of a hall was made."""


@pytest.fixture
def workspace(hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A machine without tokens, whose store has the operator of *hall* and one account; stdout is closed."""
    (tmp_path / "empty.toml").write_text("")
    monkeypatch.setenv("SEEDLESS_CONFIG", str(tmp_path / "empty.toml"))
    root = tmp_path / "online"
    standing = {(): hall.operator_jwt(), ("ORDERS",): hall.account_jwt(hall.orders, "ORDERS")}
    create_store(root, "ACME").put(standing, {})
    with contextlib.redirect_stdout(None):
        yield Workspace(root, clock=lambda: AT)


def prepared(hall: Hall, workspace: Workspace, tmp_path: Path) -> CeremonyRequest:
    request = workspace.ceremonies.prepare(hall.plan(), reason="two accounts", prepared_by="Grace")
    workspace.ceremonies.write(request, tmp_path / "request.json")
    return request


def test_a_program_prepares_a_request_and_accepts_its_result(
    hall: Hall, workspace: Workspace, tmp_path: Path
) -> None:
    request = prepared(hall, workspace, tmp_path)
    result = hall.sit(hall.review_context(request))
    found = workspace.ceremonies.accept(result)
    assert (len(found.left.changes), found.passed) == (2, 0)
    assert workspace.store.get("BILLING") is None
    assert not (workspace.root / "ledger.json").exists()
    found.record()
    assert workspace.account("BILLING").text == found.signed[1].text
    assert workspace.account("ORDERS").claims.body.tags == ("team:a",)
    assert (workspace.root / "ceremonies" / request.digest / "result.json").read_bytes() == result
    again = workspace.ceremonies.accept(result).record()
    assert (len(again.left.changes), again.passed) == (0, 2)
    assert str(hall.check((tmp_path / "request.json").read_bytes(), result).verdict) == "complete"


def test_a_request_that_was_not_written_here_is_not_accepted(hall: Hall, workspace: Workspace) -> None:
    request = workspace.ceremonies.prepare(hall.plan(), reason="two accounts")
    with pytest.raises(Refused, match="was not prepared here"):
        workspace.ceremonies.accept(hall.sit(hall.review_context(request)))


def test_what_the_store_has_got_since_a_result_was_looked_at_is_not_written_over(
    hall: Hall, workspace: Workspace, tmp_path: Path
) -> None:
    request = prepared(hall, workspace, tmp_path)
    found = workspace.ceremonies.accept(hall.sit(hall.review_context(request)))
    other = hall.account_jwt(hall.orders, "ORDERS", AT + 5, "team:b")
    workspace.store.put({("ORDERS",): other}, {})
    with pytest.raises(StoreError):
        found.record()
    assert workspace.account("ORDERS").text == other.text
    assert workspace.store.get("BILLING") is None
    assert not (workspace.root / "ledger.json").exists()


def test_the_time_of_a_request_is_not_ahead_and_the_sentence_names_no_option(
    hall: Hall, workspace: Workspace
) -> None:
    with pytest.raises(UsageError, match=r"the time of the request is .*, and this clock reads") as caught:
        workspace.ceremonies.prepare(hall.plan(), reason="two accounts", at=AT + 3600)
    assert "--" not in f"{caught.value.message} {caught.value.hint}"


def test_a_preview_is_made_a_request(workspace: Workspace) -> None:
    preview = workspace.accounts.edit("ORDERS", tags=["team:b"])
    request = workspace.ceremonies.prepare(preview, reason="a tag", expires="2d", prepared_by="Grace")
    assert (request.reason, request.prepared_by, request.expires) == ("a tag", "Grace", AT + 2 * 86400)
    assert [one.draft.claims.name for one in request.plan.changes] == ["ORDERS"]
    assert not (workspace.root / "ceremonies").exists()


def interrupted(hall: Hall, request: CeremonyRequest, *, after: int) -> None:
    """Hold the ceremony of *request*, and stop it once *after* more signatures were made."""
    left = [after]

    def stop() -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1

    with pytest.raises(KeyboardInterrupt):
        hall.sit(hall.review_context(request), keys=replace(hall.keys, on_sign=stop))


def test_a_ceremony_is_given_up_for_good(hall: Hall, workspace: Workspace, tmp_path: Path) -> None:
    hall.folder = workspace.root
    request = prepared(hall, workspace, tmp_path)
    with pytest.raises(UsageError, match="no ceremony of the request"):
        workspace.ceremonies.abandon(request)
    interrupted(hall, request, after=1)
    path = workspace.root / "ledger.json"
    before = path.read_bytes()
    begun = workspace.ceremonies.abandon(request)
    assert begun.signed == 1
    assert path.read_bytes() == before
    begun.record()
    assert json.loads(path.read_bytes())["open"] == {}
    with pytest.raises(UsageError, match="no ceremony of the request"):
        begun.record()


def test_a_ceremony_that_went_on_since_it_was_looked_at_is_not_given_up(
    hall: Hall, workspace: Workspace, tmp_path: Path
) -> None:
    hall.folder = workspace.root
    request = prepared(hall, workspace, tmp_path)
    interrupted(hall, request, after=0)
    begun = workspace.ceremonies.abandon(request)
    interrupted(hall, request, after=1)
    before = (workspace.root / "ledger.json").read_bytes()
    with pytest.raises(StoreError, match="has gone on since it was looked at"):
        begun.record()
    assert (workspace.root / "ledger.json").read_bytes() == before
    assert workspace.ceremonies.abandon(request).signed == 1


@pytest.fixture
def office(
    few_tokens: None, softhsm_token: pytest_softhsm.Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Office:
    """A fresh token whose PIN is in a file, on the machine that signs."""
    monkeypatch.chdir(tmp_path)
    return open_office(softhsm_token, tmp_path, monkeypatch)


CEREMONY = """
from pathlib import Path
from seedless import CeremonyConsent, Refused, Role, SoftwareKey, UsageError, Workspace

ada = SoftwareKey.generate(Role.USER)
offline = Workspace(**ARGUMENTS, policy="policy.toml")
keys = Workspace(**ARGUMENTS).ceremonies.new_keys(
    "ACME", holder="Grace", witnesses=[ada.public_key], threshold=1
).create("keys.json", policy="policy.toml")

online = Workspace("online")
online.ceremonies.keys(Path("keys.json").read_bytes())
request = online.ceremonies.prepare(
    online.operators.add("ACME", system_account=True, signing_key=True), reason="the first", prepared_by="Bo"
)
online.ceremonies.write(request, "request.json")
paper = request.digest

asked = []
def confirm(asked_for):
    asked.append(type(asked_for).__name__)
    return CeremonyConsent(request=paper, clock_checked=True)

def refused(operation):
    try:
        operation()
    except (Refused, UsageError) as error:
        return error.message

data = Path("request.json").read_bytes()
review = offline.ceremonies.review(data)
statement = review.statement(ada)
witnessed = statement.sign(approve=confirm)
errors = [
    refused(lambda: review.sign(approve=confirm)),
    refused(lambda: review.sign(
        approve=lambda _: CeremonyConsent(request="00", clock_checked=True), statements=[witnessed]
    )),
    refused(lambda: review.sign(
        approve=lambda _: CeremonyConsent(request=paper, clock_checked=False), statements=[witnessed]
    )),
    refused(lambda: statement.sign(approve=lambda _: CeremonyConsent(request="ff", clock_checked=True))),
    refused(lambda: statement.sign(approve=lambda _: True)),
]
with offline.ceremonies.open(data) as review:
    changes = [change.title for change in review.changes]
    tokens = len(review.tokens())
    signed = review.sign(
        approve=confirm, statements=[witnessed], present=["Grace", "Ada"], output="signed.json"
    )

errors.append(refused(lambda: review.sign(approve=confirm, statements=[witnessed])))
accepted = online.ceremonies.accept(Path("signed.json").read_bytes()).record()
operator_key = online.operator().claims.sub
audit = online.ceremonies.check(data, signed.result, operator_key, recompute=True)
page = online.ceremonies.report(data, signed.result, operator_key)
page.write("ceremony.html")
result |= {
    "asked": asked, "changes": changes, "tokens": tokens, "errors": errors,
    "keys": [one.name for one in keys.keys],
    "receipts": signed.receipts, "accepted": len(accepted.left.changes), "is_good": audit.is_good,
    "recomputed": audit.recomputed.text, "paper": audit.compare_with_paper, "verdict": page.verdict,
    "paths": [path.exists() for path in signed.paths],
    "same": Path("signed.json").read_bytes() == signed.result,
    "account": online.account("SYS").claims.name,
    "transcript": audit.check.progress.digest == signed.transcript,
}
"""


def test_a_program_holds_a_whole_ceremony_on_a_token(office: Office) -> None:
    found = office.run(CEREMONY)
    assert found["keys"] == ["ACME", "ACME signing", "SYS"]
    assert found["changes"] == ["operator ACME", "account SYS", "user sys"]
    assert (found["tokens"], found["receipts"], found["accepted"], found["account"]) == (3, 3, 3, "SYS")
    assert (found["is_good"], found["recomputed"], found["verdict"]) == (
        True,
        "every byte agrees",
        "complete",
    )
    assert found["paper"] == ["request", "policy", "transcript"]
    assert (found["paths"], found["same"], found["transcript"]) == ([True] * 4, True, True)
    assert found["asked"] == ["WitnessStatement", "CeremonyReview"]
    assert found["errors"].pop().startswith("R004 request: was signed before")
    assert found["errors"] == [
        "0 of 1 witnesses have signed",
        "the digest of the request is not 00",
        "nobody has compared the clock of this machine with another one",
        "the digest of the request is not ff",
        "what approve returns is of the type bool",
    ]
    assert "complete" in (office.folder / "ceremony.html").read_text()


def test_what_is_no_request_or_no_key_ends_in_a_sentence(hall: Hall, workspace: Workspace) -> None:
    ceremonies: Any = workspace.ceremonies
    with pytest.raises(UsageError, match="request is of the type str"):
        ceremonies.review("request.json")
    with pytest.raises(UsageError, match="operator_key is of the type bytes"):
        ceremonies.check(*hall.held(), b"O")
    with pytest.raises(UsageError, match="first_use is of the type str"):
        ceremonies.review(hall.request().data, "all")


def test_nobody_is_asked_about_a_request_that_is_refused_anyway(hall: Hall, tmp_path: Path) -> None:
    asked: list[object] = []
    attested = f'[attestation]\nroots = ["{"0" * 64}"]\nrequired = ["operator"]\n'
    (tmp_path / "policy.toml").write_text(hall.policy_text + attested)
    machine = Workspace(tmp_path / "offline", policy=tmp_path / "policy.toml", clock=lambda: AT)

    def ask(review: Any) -> Any:  # noqa: ANN401 - it is not to be called
        asked.append(review)

    review = machine.ceremonies.review(hall.request().data)
    with pytest.raises(Refused, match="this machine has no ledger of the operator"):
        review.sign(approve=ask)
    with pytest.raises(Refused, match="P014 the policy requires an attestation"):
        machine.ceremonies.review(hall.request().data, ["all"]).sign(approve=ask)
    with pytest.raises(TypeError, match="approve"):
        review.sign()  # type: ignore[call-arg]
    assert asked == []
    assert not (machine.root / "ledger.json").exists()


REHEARSAL = """
import os
from seedless import CeremonyConsent, Refused, UsageError, Workspace

ws = Workspace("offline", policy="policy.toml", clock=lambda: AT)
before = os.environ["SOFTHSM2_CONF"]
rehearsed = ws.ceremonies.rehearse(REQUEST.encode(), ["all"], module=ARGUMENTS["module"])
result["environment"] = os.environ["SOFTHSM2_CONF"] == before
rehearsed.write("rehearsal")
try:
    ws.ceremonies.rehearse(REQUEST.encode(), ["all"], module=ARGUMENTS["module"])
except UsageError as error:
    result["again"] = error.message
try:
    rehearsed.rehearsed.sign(
        approve=lambda review: CeremonyConsent(request=review.request.digest, clock_checked=True)
    )
except Refused as error:
    result["signed"] = sorted({finding.code for finding in error.findings})
result |= {
    "verdict": rehearsed.check.verdict, "mark": rehearsed.rehearsed.request.mark,
    "errors": len(rehearsed.real.report.errors), "placeholders": list(rehearsed.placeholder_keys),
    "files": sorted(os.listdir("rehearsal")), "ledger": os.path.exists("offline/ledger.json"),
}
"""


def test_a_program_rehearses_once_and_never_with_tokens_that_it_uses(hall: Hall, office: Office) -> None:
    request = hall.request()
    (office.folder / "policy.toml").write_text(hall.policy_text)
    found = office.run(REHEARSAL, {"REQUEST": request.data.decode(), "AT": AT})
    again, signed = found.pop("again"), found.pop("signed")
    assert found == {
        "environment": True,
        "verdict": "complete",
        "mark": "REHEARSAL",
        "errors": 0,
        "placeholders": [str(hall.signing.public_key), str(hall.operator.public_key)],
        "files": ["request.json", "result.json"],
        "ledger": False,
    }
    assert again == f"this process uses {office.token.module} already, and a rehearsal needs it for itself"
    assert {"R001", "R012"} <= set(signed)


SPECIFICATION = """
format = "seedless key specification 1"
operator = "ACME"
[[keys]]
role = "operator"
name = "ACME"
holder = "Grace"
[[people]]
name = "Grace"
role = "holder"
[witnesses]
keys = ["ADA"]
threshold = 1
"""
KEY_CEREMONY = """
from pathlib import Path
from seedless import CeremonyConsent, Refused, Role, SoftwareKey, Workspace

ada = SoftwareKey.generate(Role.USER)
ws = Workspace(**ARGUMENTS)
specification = SPECIFICATION.replace("ADA", str(ada.public_key)).encode()
request = ws.ceremonies.prepare_keys(specification, reason="the first", prepared_by="Grace")
paper = CeremonyConsent(request=request.digest, clock_checked=True)
witnessed = ws.ceremonies.key_statement(request.data, ada).sign(approve=lambda _: paper)
try:
    ws.ceremonies.create_keys(
        request.data, approve=lambda _: CeremonyConsent(request="00", clock_checked=True),
        statements=[witnessed], output="keys.json",
    )
except Refused as error:
    result |= {"refused": error.message, "written": Path("keys.json").exists(), "before": len(ws.inventory())}
created = ws.ceremonies.create_keys(
    request.data, approve=lambda _: paper, statements=[witnessed], output="keys.json", policy="policy.toml"
)
operator_key = created.keys[0].public_key
result |= {
    "verdict": ws.ceremonies.check_keys(request.data, created.result, operator_key).verdict,
    "report": ws.ceremonies.report(request.data, created.result, operator_key).verdict,
    "keys": [one.name for one in ws.ceremonies.keys(Path("keys.json").read_bytes())],
    "policy": created.policy == Path("policy.toml").read_text(),
}
"""


def test_a_program_creates_the_keys_of_a_request_by_consent_alone(office: Office) -> None:
    assert office.run(KEY_CEREMONY, {"SPECIFICATION": SPECIFICATION}) == {
        "refused": "the digest of the request is not 00",
        "written": False,
        "before": 0,
        "verdict": "complete",
        "report": "complete",
        "keys": ["ACME"],
        "policy": True,
    }
