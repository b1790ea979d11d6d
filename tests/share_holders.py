"""Holders at a terminal: they write down what is shown to them, and type it back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Cli = Any  # the fixture in tests/conftest.py

_WORD = re.compile(r"(\d+)\. ([a-z]+)")


@dataclass
class Holders:
    """A command on a terminal, and the shares that its holders have on paper."""

    terminal: Any
    shares: list[list[str]] = field(default_factory=list)

    def write_down(self, number: int) -> list[str]:
        """Have share *number* shown, and return its words."""
        self.terminal.wait_for("Press Enter to show the words.")
        self.terminal.type("\n")
        self.terminal.wait_for(f"Share {number}, for")
        start = self.terminal._seen
        self.terminal.wait_for("they disappear.")
        words = dict(_WORD.findall(self.terminal.said[start:]))
        self.terminal.type("\n")
        share = [words[str(place)] for place in range(1, len(words) + 1)]
        assert len(share) in {20, 33}
        self.shares.append(share)
        return share

    def write_down_all(self, count: int = 3) -> None:
        """Have all shares shown."""
        for number in range(1, count + 1):
            self.write_down(number)

    def type_share(self, share: list[str]) -> None:
        """Type a share, eight words on a line."""
        for at in range(0, len(share), 8):
            self.terminal.wait_for(f"Words {at + 1} to {len(share)}, several on a line: ")
            self.terminal.type(" ".join(share[at : at + 8]) + "\n")

    def read_back(self, number: int) -> None:
        """Type share *number* from the paper."""
        self.terminal.wait_for(f"Share {number}: ")
        self.type_share(self.shares[number - 1])

    def read_back_all(self) -> None:
        """Type all shares."""
        for number in range(1, len(self.shares) + 1):
            self.read_back(number)


RECOVERABLE = """\
format = "seedless key specification 1"
operator = "ACME"

[[keys]]
role = "operator"
name = "ACME"
holder = "Ada"
recoverable = true

[[keys]]
role = "account"
name = "SYS"
holder = "Ada"

[shares]
threshold = 2
holders = ["Ada", "Bo", "Cy"]
bits = 128
"""


def prepare(cli: Cli) -> str:
    """Prepare the request, and return its digest."""
    (cli.home / "keys.toml").write_text(RECOVERABLE)
    done = cli.ok(
        "ceremony", "prepare", str(cli.home / "keys.toml"), "--reason", "the first keys", "--by", "Grace",
        "-o", str(cli.home / "request.json"), "--json",
    )  # fmt: skip
    return str(done.data["request"])


def keygen(cli: Cli, digest: str) -> tuple[str, ...]:
    """The command that creates the keys; the PIN is in a file, since it is needed in two processes."""
    pin = cli.home / "pin"
    pin.write_text(cli.token.pin)
    pin.chmod(0o600)
    return (
        "ceremony", "keygen", "--request", str(cli.home / "request.json"), "--expect", digest,
        "--clock-checked", "--present", "Ada", "--policy-out", str(cli.home / "policy.toml"),
        "-o", str(cli.home / "result.json"),
        "--pin-source", f"file:{pin}", "--allow-swap", "--allow-core-pipe",
    )  # fmt: skip
