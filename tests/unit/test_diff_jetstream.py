"""Reviews show JetStream permissions as what they are, and each subject that is not part of a whole one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from seedless.claims import Account, Permission, Scope, Template, User
from seedless.claims.jetstream import JetStreamPermissions, allow
from seedless.diff import diff
from seedless.jwt import Claims

if TYPE_CHECKING:
    from seedless.claims.jetstream import P

ORDERS = "$JS.API.STREAM.INFO.ORDERS"


def allowed(permitted: P, **lists: Any) -> P:  # noqa: ANN401 - lists of names, and where
    return allow(permitted, JetStreamPermissions(**lists))


def lines(old: User | None, new: User) -> list[str]:
    """Return the lines of permissions."""
    sides = [None if body is None else Claims(sub="U", name="app", body=body) for body in (old, new)]
    assert sides[1] is not None
    found = diff(sides[0], sides[1])
    return [f"{one.effect} {one.line}" for one in found if "allow" in "".join(one.paths)]


def test_a_new_user_has_a_line_for_each_permission_and_none_for_its_subjects() -> None:
    base = User(pub=Permission(allow=("audit",)))
    new = allowed(base, publish=("JOBS:jobs.>",), consume=("ORDERS",), kv=("SETTINGS:write",))
    assert lines(None, new) == [
        "widens JetStream: may publish jobs.> to the stream JOBS",
        "widens JetStream: may consume the stream ORDERS",
        "widens JetStream: may read and write the key-value bucket SETTINGS",
        "widens pub allow: audit",
    ]


def test_an_inbox_prefix_of_its_own_is_shown() -> None:
    new = allowed(User(), consume=("ORDERS:app",), inbox_prefix="_INBOX_app")
    assert lines(None, new) == [
        "widens JetStream: may use the consumer app of the stream ORDERS",
        "widens sub allow: _INBOX_app.>",
    ]


def test_the_inbox_of_everybody_is_shown_beside_one_of_its_own_and_in_its_place() -> None:
    own = allowed(User(), consume=("ORDERS:app",), inbox_prefix="_INBOX_app")
    common = allowed(own, kv=("SETTINGS",), inbox_prefix="_INBOX")
    assert lines(own, common) == [
        "widens JetStream: may read the key-value bucket SETTINGS",
        "widens sub allow: added _INBOX.>",
    ]
    assert lines(None, common)[-1] == "widens sub allow: _INBOX_app.>, _INBOX.>"
    instead = replace(common, sub=Permission(allow=("_INBOX.>",)))
    assert lines(own, instead)[1:] == [
        "widens sub allow: added _INBOX.>",
        "narrows sub allow: removed _INBOX_app.>",
    ]
    assert lines(own, allowed(own, kv=("SETTINGS",))) == [
        "widens JetStream: may read the key-value bucket SETTINGS"
    ]


def test_the_subjects_are_details_of_the_line_and_its_value() -> None:
    (line,) = diff(None, Claims(sub="", body=allowed(User(), consume=("ORDERS:app",))))[1:2]
    assert line.line == "JetStream: may use the consumer app of the stream ORDERS"
    assert line.details[:2] == (
        "$JS.API.CONSUMER.INFO.ORDERS.app", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app",
    )  # fmt: skip
    assert line.new == line.details
    assert line.old is None


BASE = User(pub=Permission(allow=("audit",)), sub=Permission(allow=("news",)))


def test_one_more_permission_is_one_line_and_one_less_too() -> None:
    kv = allowed(BASE, kv=("SETTINGS",))
    both = allowed(kv, consume=("ORDERS",))
    assert lines(kv, both) == ["widens JetStream: may consume the stream ORDERS"]
    assert lines(both, kv) == ["narrows JetStream: may no longer consume the stream ORDERS"]
    assert lines(BASE, kv) == ["widens JetStream: may read the key-value bucket SETTINGS"]
    assert lines(kv, BASE) == ["narrows JetStream: may no longer read the key-value bucket SETTINGS"]


def test_who_may_write_a_bucket_may_still_read_it() -> None:
    read, write = (allowed(BASE, kv=(f"SETTINGS:{mode}",)) for mode in ("read", "write"))
    assert lines(read, write) == ["widens JetStream: may read and write the key-value bucket SETTINGS"]
    assert lines(write, read) == [
        "changes JetStream: may read the key-value bucket SETTINGS",
        "narrows JetStream: may no longer read and write the key-value bucket SETTINGS",
    ]


def test_a_part_of_a_permission_is_shown_by_its_subjects() -> None:
    whole = allowed(BASE, consume=("ORDERS:app",))
    kept = tuple(text for text in whole.pub.allow if "ACK" not in text)
    part = replace(whole, pub=Permission(allow=kept))
    assert lines(whole, part) == [
        "narrows pub allow: removed $JS.ACK.ORDERS.app.*.*.*.*.*, $JS.ACK.*.*.ORDERS.app.*.*.*.*.>"
    ]
    assert lines(part, whole) == ["widens JetStream: may use the consumer app of the stream ORDERS"]
    assert lines(None, part)[0].startswith(
        "widens pub allow: audit, $JS.API.CONSUMER.INFO.ORDERS.app, $JS.API"
    )


def test_who_could_do_everything_can_do_less() -> None:
    new = allowed(User(pub=Permission(allow=("audit",))), consume=("ORDERS:app",))
    assert lines(User(), new) == [
        "changes JetStream: may use the consumer app of the stream ORDERS",
        "narrows pub allow: everything -> audit, the subjects of JetStream",
        "narrows sub allow: everything -> _INBOX.>",
    ]
    assert lines(new, User()) == [
        "widens pub allow: audit, the subjects of JetStream -> everything",
        "widens sub allow: _INBOX.> -> everything",
    ]


def test_what_a_wider_subject_still_allows_is_not_lost() -> None:
    whole = allowed(BASE, consume=("ORDERS:app",))
    wide = replace(whole, pub=Permission(allow=("audit", "$JS.>")))
    assert lines(whole, wide)[0] == "widens pub allow: added $JS.>"
    assert not any("no longer" in line for line in lines(whole, wide))


def test_a_denied_part_takes_the_permission_out_of_the_review() -> None:
    whole = allowed(BASE, consume=("ORDERS:app",))
    denied = replace(whole, pub=Permission(allow=whole.pub.allow, deny=("$JS.ACK.>",)))
    assert not any("JetStream" in line for line in lines(None, denied))


@pytest.mark.parametrize("name", ["ORDERS and all others", "ORDERS\u202e", "OR,DERS"])
def test_a_name_cannot_be_taken_for_other_words(name: str) -> None:
    """Claims of somebody else hold any subject."""
    body = allowed(User(), consume=("ORDERS",))
    odd = replace(body, pub=Permission(allow=tuple(one.replace("ORDERS", name) for one in body.pub.allow)))
    for line in lines(None, odd):
        assert "JetStream: may consume the stream ORDERS" not in line
        assert "\u202e" not in line


def test_a_scope_is_shown_the_same_way() -> None:
    key = "A" * 56
    scope = Scope(key=key, role="shop", template=allowed(Template(), consume=("ORDERS",), kv=("B",)))
    account = replace(Account.new(), signing_keys=(scope,))
    (line,) = [one for one in diff(None, Claims(sub="", body=account)) if one.label == "scope"]
    assert line.text.startswith(
        f"shop {key}; JetStream: may consume the stream ORDERS; JetStream: may read the key-value bucket B; "
    )
    assert line.details[0] == ORDERS
    more = replace(scope, template=allowed(scope.template, manage=("JOBS",)))
    after = replace(account, signing_keys=(more,))
    found = diff(Claims(sub="", body=account), Claims(sub="", body=after))
    assert [one.line for one in found] == [f"scope shop {key} JetStream: may manage the stream JOBS"]
