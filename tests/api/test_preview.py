"""A preview: what would be signed, and what has to be so still when it is."""

from __future__ import annotations

import hashlib
import pickle
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from msgspec.structs import replace

from seedless import Claims, KeyUri, Refused, Role, SoftwareKey, StoreError, UsageError, User, Workspace
from seedless.errors import NoKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from office import Office

    from seedless import Account, Preview

T = TypeVar("T")


def described(text: str) -> Any:  # noqa: ANN401 - a change
    def change(claims: Claims[Account]) -> Claims[Account]:
        return replace(claims, body=replace(claims.body, description=text))

    return change


class Watcher:
    """An observer that notes what happens."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def before_driver(self, _module: Path, /) -> None:
        self.seen.append("driver")

    def progress(self, items: Iterable[T], total: int, label: str, /) -> Iterator[T]:
        self.seen.append(f"{label} {total}")
        yield from items

    def waits(self, _notice: str, /) -> None:
        self.seen.append("waits")


class CountedPin:
    """A PIN that counts how often it was asked for."""

    def __init__(self, pin: str) -> None:
        self.asked = 0
        self._pin = pin

    def pin(self, _token: str, _tries: str) -> str:
        self.asked += 1
        return self._pin


@pytest.fixture
def ws(office: Office) -> Workspace:
    """A workspace whose store has the operator ACME with its account ORDERS."""
    workspace = office.workspace()
    workspace.operators.add("ACME").sign()
    workspace.accounts.add("ORDERS").sign()
    return workspace


def test_a_preview_signs_and_writes_nothing(ws: Workspace) -> None:
    before = ws.account("ORDERS")
    preview = ws.accounts.edit("ORDERS", described("shop"))
    (change,) = preview.plan.changes
    assert change.draft.claims.body.description == "shop"
    assert (preview.is_empty, preview.new_keys, preview.report.errors) == (False, (), ())
    assert ws.account("ORDERS") == before


def test_what_is_previewed_is_signed_byte_for_byte(ws: Workspace) -> None:
    preview = ws.accounts.edit("ORDERS", described("shop"))
    jwt = preview.sign().jwt
    assert jwt.text.startswith(f"{preview.plan.changes[0].draft.signing_input.decode()}.")
    assert ws.account("ORDERS") == jwt


def test_an_edit_that_changes_nothing_is_empty_and_asks_nobody(ws: Workspace) -> None:
    preview = ws.accounts.edit("ORDERS", lambda claims: claims)
    edited = preview.sign(approve=lambda _: False)
    assert (preview.is_empty, edited.changed, edited.jwt) == (True, False, ws.account("ORDERS"))


def test_a_preview_of_a_store_that_has_changed_is_not_signed(ws: Workspace) -> None:
    stale = ws.accounts.edit("ORDERS", described("shop"))
    latest = ws.accounts.edit("ORDERS", described("warehouse")).sign().jwt
    with pytest.raises(StoreError, match="the store has another jwt of account ORDERS than the plan"):
        stale.sign()
    assert ws.account("ORDERS") == latest


def test_a_preview_is_signed_once(ws: Workspace) -> None:
    preview = ws.accounts.edit("ORDERS", described("shop"))
    first = preview.sign().jwt
    with pytest.raises(StoreError, match="account ORDERS already"):
        preview.sign()
    assert ws.account("ORDERS") == first


def test_a_user_of_an_account_that_has_changed_is_not_signed(ws: Workspace) -> None:
    preview = ws.users.add("ORDERS", "app")
    ws.accounts.edit("ORDERS", described("shop")).sign()
    with pytest.raises(StoreError, match="the store has another jwt of ORDERS than the plan"):
        preview.sign()
    assert ws.users.names("ORDERS") == []


def test_inside_one_lock_edits_follow_each_other(ws: Workspace) -> None:
    with ws.lock():
        ws.accounts.edit("ORDERS", described("shop")).sign()
        ws.accounts.edit("ORDERS", described("warehouse")).sign()
    assert ws.account("ORDERS").claims.body.description == "warehouse"


def test_an_abandoned_operator_leaves_no_trace(office: Office) -> None:
    workspace = office.workspace()
    workspace.operators.add("ACME")
    assert not workspace.has_store
    added = workspace.operators.add("CORP").sign()
    assert workspace.operator() == added.jwt


def test_approval_is_asked_before_any_driver_and_its_refusal_signs_nothing(office: Office) -> None:
    office.workspace().operators.add("ACME").sign()
    watcher = Watcher()
    workspace = office.workspace(observer=watcher)
    seen: list[list[str]] = []

    def approve(preview: Preview[Any]) -> bool:
        assert preview.plan.changes[0].title == "account ORDERS"
        seen.append(list(watcher.seen))
        return len(seen) > 1

    preview = workspace.accounts.add("ORDERS")
    with pytest.raises(Refused, match="not confirmed: nothing was signed"):
        preview.sign(approve=approve)
    assert workspace.accounts.names() == []
    preview.sign(approve=approve)
    assert (seen, workspace.accounts.names()) == ([[], []], ["ORDERS"])
    assert watcher.seen[0] == "driver"
    assert watcher.seen[-1] == "signed 1"


def test_findings_refuse_with_all_of_them_and_policy_is_not_waived(office: Office, ws: Workspace) -> None:
    preview = ws.accounts.edit("ORDERS", limits={"conn": -5, "leaf": -5})
    assert {finding.code for finding in preview.report.errors} == {"C121"}
    with pytest.raises(Refused, match=r"C121 account ORDERS nats\.limits") as caught:
        preview.sign(approve=lambda _: True)
    assert caught.value.findings == preview.report.findings
    policy = office.folder / "policy.toml"
    policy.write_text(f'operator = "{ws.operator().claims.sub}"\n[limits.account]\nconn = 10\n')
    pinned = office.workspace(policy=policy)
    with pytest.raises(Refused, match=r"^P010 account ORDERS"):
        pinned.accounts.edit("ORDERS", limits={"conn": 11}).sign()


def test_the_digest_that_was_reviewed_is_expected(ws: Workspace, tmp_path: Path) -> None:
    preview = ws.accounts.edit("ORDERS", described("shop"))
    digest = preview.write(tmp_path / "plan.json")
    assert digest == preview.digest == hashlib.sha256((tmp_path / "plan.json").read_bytes()).hexdigest()
    with pytest.raises(Refused, match="the digest of the plan is not"):
        preview.sign(expect="abc")
    assert preview.sign(expect=digest.upper()).changed


def test_a_plan_with_keys_that_are_not_created_yet_has_no_digest(ws: Workspace, tmp_path: Path) -> None:
    preview = ws.accounts.add("BILLING")
    assert [key.name for key in preview.new_keys] == ["BILLING"]
    for call in (lambda: preview.digest, lambda: preview.write(tmp_path / "plan.json")):
        with pytest.raises(UsageError, match="the key of account BILLING does not exist yet"):
            call()
    assert not (tmp_path / "plan.json").exists()


def test_the_time_is_that_of_the_preview_and_rules_are_asked_when_it_is_signed(office: Office) -> None:
    office.workspace().operators.add("ACME").sign()
    now = [float(office.workspace().operator().issued_at + 10)]
    workspace = office.workspace(clock=lambda: now[0])
    account = workspace.accounts.add("ORDERS")
    short = workspace.accounts.add("SHORT", expiry=timedelta(minutes=5))
    now[0] += 3600
    assert account.sign().issued_at == int(now[0]) - 3600
    with pytest.raises(Refused, match=r"G003 account SHORT exp: .* it has already expired"):
        short.sign()


def test_seeds_of_a_preview_are_not_shown_and_it_stays_in_its_process(ws: Workspace) -> None:
    preview = ws.users.add("ORDERS", "app")
    assert "SU" not in repr(preview.job)
    with pytest.raises(TypeError, match="a preview belongs to its process"):
        pickle.dumps(preview)


def test_tokens_stay_open_in_a_workspace_that_was_entered(office: Office, ws: Workspace) -> None:
    asked = CountedPin(office.token.pin)
    with office.workspace(pin_source=asked) as workspace:
        for text in ("one", "two", "three"):
            workspace.accounts.edit("ORDERS", described(text)).sign()
        assert asked.asked == 1
    workspace.accounts.edit("ORDERS", described("four")).sign()
    workspace.accounts.edit("ORDERS", described("five")).sign()
    assert asked.asked == 3
    assert ws.account("ORDERS").claims.body.description == "five"


def test_after_an_error_tokens_are_opened_anew(office: Office, ws: Workspace) -> None:
    asked = CountedPin(office.token.pin)
    elsewhere = str(SoftwareKey.generate(Role.OPERATOR).public_key)
    with office.workspace(pin_source=asked) as workspace:
        workspace.operators.edit(add_signing_keys=[elsewhere]).sign()
        with pytest.raises(NoKey, match="it is not known where the key"):
            workspace.accounts.edit("ORDERS", described("two"), issuer=elsewhere).sign()
        workspace.accounts.edit("ORDERS", described("three")).sign()
    assert asked.asked == 2
    assert ws.account("ORDERS").claims.body.description == "three"


WRONG: dict[str, tuple[Any, str]] = {
    "store": ({"store": 3}, "store is of the type int"),
    "token": ({"token": 3}, "token is of the type int"),
    "pin": ({"pin_source": 1234}, "pin_source is of the type int"),
    "allow": ({"allow": "C101"}, "allow is of the type str"),
    "jobs": ({"jobs": 0}, "jobs is of the type int"),
    "extractable": ({"allow_extractable": "A"}, "allow_extractable is of the type str"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_arguments_of_other_types_end_in_a_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Workspace(**arguments)


def test_paths_and_uris_are_taken_as_text_and_as_values(office: Office) -> None:
    workspace = Workspace(
        office.folder / "store",
        module=office.token.module,
        token=KeyUri.parse(office.token.uri),
        pin_source=f"file:{office.folder / 'pin'}",
    )
    assert workspace.operators.add("ACME").sign().jwt.claims.name == "ACME"
    assert repr(workspace) == f"Workspace({str(office.folder / 'store')!r})"


CALLS: dict[str, tuple[Any, str]] = {
    "limits": (lambda ws: ws.accounts.add("A", limits="conn"), "limits is of the type str"),
    "limit": (lambda ws: ws.accounts.add("A", limits={"conns": 1}), 'there is no limit "conns"'),
    "value": (lambda ws: ws.accounts.add("A", limits={"conn": "x"}), "nats.limits.conn"),
    "expiry": (lambda ws: ws.accounts.add("A", expiry="soon"), "expiry: "),
    "tags": (lambda ws: ws.accounts.add("A", tags="env:prod"), "tags is of the type str"),
    "subjects": (lambda ws: ws.users.add("ORDERS", "app", publish="x.>"), "publish is of the type str"),
    "change": (lambda ws: ws.accounts.edit("ORDERS", 3), "change is of the type int"),
    "nothing": (lambda ws: ws.accounts.edit("ORDERS", lambda _: None), "what a change returns is of the"),
    "kind": (
        lambda ws: ws.accounts.edit("ORDERS", lambda claims: replace(claims, body=User.new())),
        "what a change returns is of the type Claims",
    ),
    "name": (
        lambda ws: ws.accounts.edit("ORDERS", lambda claims: replace(claims, name="X")),
        "a change leaves subject and name of the claims as they are",
    ),
    "taken": (lambda ws: ws.accounts.add("ORDERS"), 'account "ORDERS" is in the store already'),
    "unknown": (lambda ws: ws.users.add("NOBODY", "app"), 'there is no account "NOBODY"'),
    "role": (lambda ws: ws.accounts.add("A", public_key=ws.operator().claims.sub), "is not the key of an"),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_with_wrong_values_end_in_a_sentence(ws: Workspace, name: str) -> None:
    call, message = CALLS[name]
    with pytest.raises(Exception, match=message) as caught:
        call(ws)
    assert type(caught.value).__module__ == "seedless.errors"


def test_bearers_are_not_locked_out_unless_it_is_forced(ws: Workspace) -> None:
    ws.users.add(
        "ORDERS", "app", lambda user: replace(user, body=replace(user.body, bearer_token=True))
    ).sign()
    with pytest.raises(UsageError, match="bearers are refused, which locks out 1 user: app"):
        ws.accounts.edit("ORDERS", limits={"disallow_bearer": True})
    forced = ws.accounts.edit("ORDERS", limits={"disallow_bearer": True}, force=True)
    assert [str(notice) for notice in forced.notices] == [
        "warning: bearers are refused, which locks out 1 user: app"
    ]
