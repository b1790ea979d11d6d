"""A whole recovery: keys created with shares, a server, the loss of the token, and what an auditor finds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedless.creds import parse_creds

sys.path.insert(0, str(Path(__file__).parents[1]))

from share_holders import Holders

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py

KEYS = (("operator", "ACME"), ("account", "SYS"), ("account", "ORDERS"))
SPECIFICATION = """\
format = "seedless key specification 1"
operator = "ACME"
{keys}
[shares]
threshold = 2
holders = ["Ada", "Bo", "Cy"]
bits = 128
"""
KEY = """
[[keys]]
role = "{}"
name = "{}"
holder = "Ada"
recoverable = true
"""


def create(cli: Cli) -> tuple[Holders, dict[str, str]]:
    """Create the keys by a ceremony; return who has the shares, and the public keys by their names."""
    text = SPECIFICATION.format(keys="".join(KEY.format(*key) for key in KEYS))
    (cli.home / "keys.toml").write_text(text)
    digest = cli.ok(
        "ceremony", "prepare", "keys.toml", "--reason", "the first keys", "-o", "request.json", "--json"
    ).data["request"]
    (cli.home / "pin").write_text(cli.token.pin)
    (cli.home / "pin").chmod(0o600)
    people = Holders(
        cli.terminal_for(
            "ceremony", "keygen", "--request", "request.json", "--expect", digest, "--clock-checked",
            "--policy-out", "policy.toml", "-o", "result.json", "--pin-source", "file:pin",
            "--allow-swap", "--allow-core-pipe",
        )
    )  # fmt: skip
    people.write_down_all()
    people.read_back_all()
    assert people.terminal.end() == 0, people.terminal.said
    entries = json.loads((cli.home / "result.json").read_bytes())["transcript"]
    record = json.loads(next(entry["record"] for entry in entries if entry["kind"] == "shares"))
    return people, {key["name"]: key["public_key"] for key in record["keys"]}


def restore(cli: Cli, people: Holders, token: str) -> None:
    (record,) = (cli.store / "key-ceremonies").glob("*/recovery.json")
    words = (
        "recovery",
        "restore",
        str(record),
        "--token",
        token,
        "--allow-swap",
        "--allow-core-pipe",
        "--yes",
        "--present",
        "Cy",
        "--present",
        "Ada",
        "-o",
        "restore.json",
    )
    again = Holders(cli.terminal_for(*words))
    again.type_share(people.shares[2])
    again.type_share(people.shares[0])
    assert again.terminal.end() == 0, again.terminal.said


def audit_restore(cli: Cli, operator: str, spare: Any) -> None:  # noqa: ANN401 - a token of pytest_softhsm
    """Verify the transcript of the restore by the record that the transcript of the created keys has."""
    entries = json.loads((cli.home / "result.json").read_bytes())["transcript"]
    record = next(entry["record"] for entry in entries if entry["kind"] == "shares")
    (cli.home / "audited.record").write_text(record)
    words = (
        "recovery",
        "check",
        "audited.record",
        "--transcript",
        "restore.json",
        "--operator-key",
        operator,
    )
    found = cli.ok(*words, "--json").data
    assert (found["verdict"], found["present"], found["token"]["serial"]) == (
        "complete", ["Cy", "Ada"], spare.serial,
    )  # fmt: skip
    listed = json.loads(record)
    assert found["shares"] == [
        {"number": share["number"], "sha256": share["sha256"]}
        for share in listed["shares"] if share["holder"] in {"Ada", "Cy"}
    ]  # fmt: skip
    assert [key["public_key"] for key in found["keys"]] == [key["public_key"] for key in listed["keys"]]
    assert "share 3 of Cy" in cli.ok(*words).out


def test_keys_that_were_created_with_shares_are_lost_and_restored_while_the_server_runs(
    cli: Cli,
    softhsm: pytest_softhsm.SoftHSM,
    nats_server: Callable[[str], Any],
    session: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(cli.home)

    def lets_in(user: str) -> bool:
        creds = parse_creds((cli.store / f"keys/creds/ACME/ORDERS/{user}.creds").read_text())
        return bool(session(server.url, creds.key, creds.jwt).refusal == "")

    people, keys = create(cli)
    cli.ok("operator", "add", "ACME", "--public-key", keys["ACME"], "--sys-public-key", keys["SYS"])
    cli.ok("account", "add", "ORDERS", "--public-key", keys["ORDERS"])
    cli.ok("user", "add", "-a", "ORDERS", "before")
    server = nats_server(cli.ok("server", "config", "--mem-resolver").out)
    assert lets_in("before")

    softhsm.remove(cli.token)
    spare = softhsm.create("SPARE", pin=cli.token.pin)
    restore(cli, people, spare.uri)
    cli.ok("user", "add", "-a", "ORDERS", "after", "--token", spare.uri)
    assert (lets_in("before"), lets_in("after")) == (True, True)

    # The policy pins the token that was lost: the new one is allowed by hand, in view of all.
    policy = cli.home / "policy.toml"
    policy.write_text(policy.read_text().replace(cli.token.serial, spare.serial))
    cli.ok("account", "edit", "ORDERS", "--conns", "7", "--plan", "limits.plan")
    words = ("ceremony", "prepare", "limits.plan", "--reason", "limits", "-o", "limits.json", "--json")
    digest = cli.ok(*words).data["request"]
    cli.ok(
        "ceremony", "sign", "limits.json", "--policy", "policy.toml", "--first-use", "all", "--clock-checked",
        "--expect", digest, "--token", spare.uri, "-o", "limits.result",
    )  # fmt: skip
    for request, result in (("request.json", "result.json"), ("limits.json", "limits.result")):
        found = cli.ok("ceremony", "check", request, result, "--operator-key", keys["ACME"], "--json").data
        assert found["verdict"] == "complete"
    audit_restore(cli, keys["ACME"], spare)
    cli.ok("ceremony", "accept", "limits.result")
    cli.ok("verify")
