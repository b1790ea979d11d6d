"""`seedless diff`, and the review before a signature."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

OTHER = str(SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key)


def claims_of(cli: Cli, name: str = "ORDERS") -> dict[str, Any]:
    held = cli.ok("account", "show", name, "--json").data["claims"]
    return {member: held[member] for member in ("sub", "name", "nats")}


def file(cli: Cli, name: str, claims: dict[str, Any]) -> str:
    path: Path = cli.home / name
    path.write_text(json.dumps(claims))
    return str(path)


def test_two_files_that_differ_end_with_5_and_those_that_do_not_with_0(cli: Cli) -> None:
    cli.found_system()
    old = claims_of(cli)
    new = json.loads(json.dumps(old))
    new["nats"]["limits"]["conn"] = 10
    new["nats"]["exports"] = [{"subject": "orders.*", "type": "stream"}]
    before, after = file(cli, "old.json", old), file(cli, "new.json", new)

    done = cli.run("diff", before, after)
    assert (done.code, done.out) == (
        5, "widens   export: added stream orders.* public\nnarrows  conn: unlimited -> 10\n",
    )  # fmt: skip
    assert cli.run("diff", before, before).out == "nothing changes\n"
    assert cli.run("diff", before, before).code == 0


def test_one_file_is_compared_with_what_the_store_has(cli: Cli) -> None:
    cli.found_system()
    claims = claims_of(cli)
    assert cli.run("diff", file(cli, "same.json", claims)).code == 0
    claims["nats"]["limits"]["conn"] = 10
    done = cli.run("diff", file(cli, "less.json", claims), "--json")
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


def test_what_the_store_does_not_have_is_shown_in_full(cli: Cli) -> None:
    cli.found_system()
    claims = claims_of(cli) | {"sub": OTHER}
    done = cli.run("diff", file(cli, "new.json", claims), "--json")
    assert (done.code, done.data["new"]) == (5, True)
    assert "unlimited: conn, leaf, subs, data, payload, imports, exports" in [
        f"{line['label']}: {line['text']}" for line in done.data["differences"]
    ]


def test_creds_and_jwts_are_compared_with_the_issuer_and_names_of_the_store(cli: Cli) -> None:
    cli.found_system()
    user = cli.ok("user", "show", "-a", "ORDERS", "app", "--json").data["subject"]
    old = str(cli.home / "old.jwt")
    new = str(cli.home / "new.jwt")
    claims = claims_of(cli)
    cli.ok("sign", file(cli, "a.json", claims), "-o", old)
    claims["nats"]["revocations"] = {user: 1800000000}
    cli.ok("sign", file(cli, "b.json", claims), "-o", new, "--allow", "G007")
    done = cli.run("diff", old, new)
    assert done.out == f"narrows  revocation: added user app ({user}), issued until 2027-01-15 08:00:00 UTC\n"


def test_files_that_cannot_be_read_are_reported_by_name(cli: Cli) -> None:
    cli.found_system()
    (cli.home / "x.jwt").write_text("a.b.c")
    done = cli.run("diff", str(cli.home / "x.jwt"))
    assert done.code == 2
    assert "x.jwt: " in done.err
    done = cli.run("diff", file(cli, "y.json", {"sub": "x", "nats": {"type": "mine", "a": 1}}))
    assert done.code == 2
    assert "the store has no x" in done.err


def test_the_review_shows_what_widens_access_first_and_names_keys(cli: Cli) -> None:
    cli.found_system()
    claims = claims_of(cli)
    claims["nats"]["limits"] |= {"conn": 10, "disk_storage": 1 << 30}
    done = cli.ok("sign", file(cli, "a.json", claims), "--dry-run")
    lines = done.err.splitlines()
    assert lines[0] == "account ORDERS (changed: signed as given)"
    assert lines[1:3] == [
        "  widens   JetStream disk storage: none -> 1 GiB",
        "  narrows  conn: unlimited -> 10",
    ]
    assert lines[3].startswith("  issuer: operator ACME (O")


def test_the_review_cannot_be_deceived_by_text_in_claims(cli: Cli) -> None:
    cli.found_system()
    claims = claims_of(cli)
    claims["nats"]["description"] = "good\r\x1b[2Kevil \u202e"
    done = cli.run("sign", file(cli, "a.json", claims), "--dry-run")
    assert r'changes  description: none -> "good\r\x1b[2Kevil \u202e"' in done.err
    assert "\x1b" not in done.err
