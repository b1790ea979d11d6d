"""What a change changes for a user of a scope: what it may do is in the scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.change import Change
from seedless.claims import Account, Permission, Scope, Template, User
from seedless.diff import AccountClaims, diff_change
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT, SENSOR, OTHER = (SoftwareKey(Role.ACCOUNT, bytes([number] * 32)) for number in (1, 2, 3))
KEY = str(SoftwareKey(Role.USER, bytes(32)).public_key)
NOW = 1_800_000_000


def template(**members: Any) -> Template:  # noqa: ANN401 - members of a template
    return Template(pub=Permission(allow=("sensors.{{name()}}.{{tag(at)}}",)), **members)


def accounts(*scopes: Scope) -> Mapping[str, Claims[Any]]:
    body = msgspec.structs.replace(Account.new(), signing_keys=scopes)
    sub = str(ACCOUNT.public_key)
    return {sub: Claims(sub=sub, name="ORDERS", body=body)}


def scope(key: SoftwareKey = SENSOR, role: str = "sensor", given: Template | None = None) -> Scope:
    return Scope(key=str(key.public_key), role=role, template=given or template())


def free(*tags: str, **members: Any) -> Claims[User]:  # noqa: ANN401 - members of a user
    body = msgspec.structs.replace(User.new(), tags=tags, **members)
    return Claims(sub=KEY, name="probe", body=body)


def scoped(*tags: str) -> Claims[User]:
    body = User(issuer_account=str(ACCOUNT.public_key), tags=tags)
    return Claims(sub=KEY, name="probe", body=body)


def lines(
    old: tuple[Claims[Any], SoftwareKey],
    new: tuple[Claims[Any], SoftwareKey],
    before: Mapping[str, Claims[Any]],
    after: Mapping[str, Claims[Any]] | None = None,
) -> list[str]:
    made = draft(old[0], old[1].public_key, NOW - 9)
    replaced = made.complete(old[1].sign(made.signing_input))
    change = Change(draft(new[0], new[1].public_key, NOW), replaced)
    found = diff_change(change, AccountClaims(before, before if after is None else after))
    return [f"{one.effect} {one.line}" for one in found if one.label != "account"]


def test_a_user_that_moves_into_a_scope_may_do_what_the_scope_permits() -> None:
    held = accounts(scope())
    assert lines((free("at:roof"), ACCOUNT), (scoped("at:roof"), SENSOR), held) == [
        "changes scope: none -> sensor",
        "narrows pub allow: everything -> sensors.probe.roof",
    ]


def test_limits_are_those_of_the_scope_and_an_absent_one_is_none() -> None:
    held = accounts(scope(given=template(subs=5, payload=1024)))
    said = lines((free("at:roof", data=7), ACCOUNT), (scoped("at:roof"), SENSOR), held)
    assert said[1:] == [
        "widens data: 7 B -> unlimited",
        "narrows pub allow: everything -> sensors.probe.roof",
        "narrows subs: unlimited -> 5",
        "narrows payload: unlimited -> 1 KiB",
    ]


def test_a_user_that_leaves_a_scope_loses_what_it_gave() -> None:
    held = accounts(scope())
    assert lines((scoped("at:roof"), SENSOR), (free("at:roof"), ACCOUNT), held) == [
        "changes scope: sensor -> none",
        "widens pub allow: sensors.probe.roof -> everything",
    ]


def test_a_tag_that_a_scope_takes_changes_what_its_user_may_do() -> None:
    said = lines((scoped("at:roof"), SENSOR), (scoped("at:door"), SENSOR), accounts(scope()))
    assert said == [
        "widens pub allow: added sensors.probe.door",
        "changes tags: added at:door",
        "changes tags: removed at:roof",
        "narrows pub allow: removed sensors.probe.roof",
    ]


def test_a_scope_that_the_same_plan_changes_is_compared_with_what_it_was() -> None:
    wider = accounts(scope(given=Template(pub=Permission(allow=("sensors.>",)))))
    said = lines((scoped("at:roof"), SENSOR), (scoped("at:roof"), SENSOR), accounts(scope()), wider)
    assert said == ["widens pub allow: added sensors.>", "changes pub allow: removed sensors.probe.roof"]


def test_another_scope_is_named_by_its_role() -> None:
    both = accounts(scope(), scope(OTHER, "other"))
    assert lines((scoped("at:roof"), SENSOR), (scoped("at:roof"), OTHER), both) == [
        "changes scope: sensor -> other"
    ]


@pytest.mark.parametrize("known", [{}, accounts()], ids=["unknown account", "no scope"])
def test_without_a_scope_the_jwt_is_compared_as_it_is(known: Mapping[str, Claims[Any]]) -> None:
    said = lines((free(), ACCOUNT), (scoped(), SENSOR), known)
    assert said == [
        "narrows subs: unlimited -> none",
        "narrows data: unlimited -> none",
        "narrows payload: unlimited -> none",
    ]


def test_permissions_that_a_scoped_user_carries_are_shown_as_they_are() -> None:
    odd = msgspec.structs.replace(scoped(), body=msgspec.structs.replace(scoped().body, subs=3))
    said = lines((scoped("at:roof"), SENSOR), (odd, SENSOR), accounts(scope()))
    assert "narrows subs: unlimited -> 3" in said


def test_a_scope_that_cannot_be_filled_is_shown_as_it_is_written() -> None:
    refusing = Template(pub=Permission(deny=("x.{{tag(at)}}",)))
    said = lines((free(), ACCOUNT), (scoped(), SENSOR), accounts(scope(given=refusing)))
    assert said == ["changes scope: none -> sensor", 'narrows pub deny: added "x.{{tag(at)}}"']
