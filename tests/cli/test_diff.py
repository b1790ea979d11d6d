"""`seedless diff`, and the review before a signature."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Desk = Any  # the fixture in tests/conftest.py

OTHER = str(SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key)


def claims_of(desk: Desk, name: str = "ORDERS") -> dict[str, Any]:
    held = desk.ok("account", "show", name, "--json").data["claims"]
    return {member: held[member] for member in ("sub", "name", "nats")}


def file(desk: Desk, name: str, claims: dict[str, Any]) -> str:
    path: Path = desk.home / name
    path.write_text(json.dumps(claims))
    return str(path)


def test_two_files_that_differ_end_with_5_and_those_that_do_not_with_0(desk: Desk) -> None:
    desk.found_system()
    old = claims_of(desk)
    new = json.loads(json.dumps(old))
    new["nats"]["limits"]["conn"] = 10
    new["nats"]["exports"] = [{"subject": "orders.*", "type": "stream"}]
    before, after = file(desk, "old.json", old), file(desk, "new.json", new)

    done = desk.run("diff", before, after)
    assert (done.code, done.out) == (
        5, "widens   export: added stream orders.* public\nnarrows  conn: unlimited -> 10\n",
    )  # fmt: skip
    assert desk.run("diff", before, before).out == "nothing changes\n"
    assert desk.run("diff", before, before).code == 0


def test_one_file_is_compared_with_what_the_store_has(desk: Desk) -> None:
    desk.found_system()
    claims = claims_of(desk)
    assert desk.run("diff", file(desk, "same.json", claims)).code == 0
    claims["nats"]["limits"]["conn"] = 10
    done = desk.run("diff", file(desk, "less.json", claims), "--json")
    assert done.code == 5
    assert done.data["new"] is False
    assert done.data["differences"] == [
        {
            "effect": "narrows",
            "label": "conn",
            "text": "unlimited -> 10",
            "paths": ["nats.limits.conn"],
            "old": -1,
            "new": 10,
        }
    ]


def test_what_the_store_does_not_have_is_shown_in_full(desk: Desk) -> None:
    desk.found_system()
    claims = claims_of(desk) | {"sub": OTHER}
    done = desk.run("diff", file(desk, "new.json", claims), "--json")
    assert (done.code, done.data["new"]) == (5, True)
    assert "unlimited: conn, leaf, subs, data, payload, imports, exports" in [
        f"{line['label']}: {line['text']}" for line in done.data["differences"]
    ]


def test_creds_and_jwts_are_compared_with_the_issuer_and_names_of_the_store(desk: Desk) -> None:
    desk.found_system()
    user = desk.ok("user", "show", "-a", "ORDERS", "app", "--json").data["subject"]
    old = str(desk.home / "old.jwt")
    new = str(desk.home / "new.jwt")
    claims = claims_of(desk)
    desk.ok("sign", file(desk, "a.json", claims), "-o", old)
    claims["nats"]["revocations"] = {user: 1800000000}
    desk.ok("sign", file(desk, "b.json", claims), "-o", new, "--allow", "G007")
    done = desk.run("diff", old, new)
    assert done.out == f"narrows  revocation: added user app ({user}), issued until 2027-01-15 08:00:00 UTC\n"


def test_files_that_cannot_be_read_are_told_by_name(desk: Desk) -> None:
    desk.found_system()
    (desk.home / "x.jwt").write_text("a.b.c")
    done = desk.run("diff", str(desk.home / "x.jwt"))
    assert done.code == 1
    assert "x.jwt: " in done.err
    done = desk.run("diff", file(desk, "y.json", {"sub": "x", "nats": {"type": "mine", "a": 1}}))
    assert done.code == 1
    assert "the store knows no x" in done.err


def test_the_review_shows_what_widens_access_first_and_names_keys(desk: Desk) -> None:
    desk.found_system()
    claims = claims_of(desk)
    claims["nats"]["limits"] |= {"conn": 10, "disk_storage": 1 << 30}
    done = desk.ok("sign", file(desk, "a.json", claims), "--dry-run")
    lines = done.err.splitlines()
    assert lines[0] == "account ORDERS (changed: signed as given)"
    assert lines[1:3] == [
        "  widens   JetStream disk storage: none -> 1 GiB",
        "  narrows  conn: unlimited -> 10",
    ]
    assert lines[3].startswith("  issuer: operator ACME (O")


def test_the_review_cannot_be_deceived_by_what_claims_say(desk: Desk) -> None:
    desk.found_system()
    claims = claims_of(desk)
    claims["nats"]["description"] = "good\r\x1b[2Kevil \u202e"
    done = desk.run("sign", file(desk, "a.json", claims), "--dry-run")
    assert r'changes  description: none -> "good\r\x1b[2Kevil \u202e"' in done.err
    assert "\x1b" not in done.err
