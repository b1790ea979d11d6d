from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from seedless.policy import CODES, read, sentences
from seedless.policy.keys import ISSUERS, KINDS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """The page on policies."""
    return (root / "docs/reference/policy.md").read_text()


def test_the_example_of_a_policy_is_described_as_on_its_page(page: str) -> None:
    example = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0]
    said = re.findall(r"```text\n(.*?)```", page, re.DOTALL)[0]
    policy = read(example.encode())
    assert said.splitlines() == [*sentences(policy).values(), f"sha256 {policy.digest}"]


def test_the_example_of_a_policy_uses_every_kind_of_key(page: str) -> None:
    policy = read(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0].encode())
    held = {name: getattr(policy, name) for name in policy.__struct_fields__}
    assert not [
        name
        for name, value in held.items()
        if value in (None, (), {}) or (value is True) != (name == "strict_signing_keys")
    ]


def test_the_page_of_the_policy_names_every_key_code_and_word(page: str) -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \|.*\| (P\d{3})? ?\|$", page, re.MULTILINE))
    assert {code for code in rows.values() if code} == set(CODES)
    keys = {"operator", "strict-signing-keys", "tokens", "sign.ISSUER", "names.KIND", "tags.KIND"}
    keys |= {"validity.KIND.longest", "validity.KIND.shortest", "limits.account.LIMIT", "limits.user.LIMIT"}
    keys |= {f"subjects.{name}" for name in ("too-wide", "reserved", "wildcard-exports")}
    keys |= {f"named.{name}" for name in ("accounts", "signing-keys", "users")}
    keys |= {"witnesses.keys", "witnesses.threshold"}
    keys |= {"attestation.roots", "attestation.required", "recoverable", "spare"}
    keys |= {f"delegations.{name}" for name in ("accounts", "roles", "longest")}
    assert set(rows) == keys
    below = page[page.index("- **ISSUER**") :]
    for word in (*ISSUERS, *KINDS):
        assert f"`{word}`" in below, word
