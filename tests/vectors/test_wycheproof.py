from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import pytest

from seedless.errors import BadSignature
from seedless.nkey import PublicKey, Role

VECTORS = json.loads((Path(__file__).parent / "wycheproof-ed25519.json").read_text("ascii"))
CASES: list[tuple[str, dict[str, Any]]] = [
    (group["publicKey"]["pk"], case) for group in VECTORS["testGroups"] for case in group["tests"]
]


def is_valid(key: str, case: dict[str, Any]) -> bool:
    """Tell whether our verification takes the signature of *case* (all values in hex)."""
    try:
        PublicKey(Role.ACCOUNT, bytes.fromhex(key)).verify(
            bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
        )
    except BadSignature:
        return False
    return True


def test_all_cases_of_the_file_are_judged() -> None:
    assert collections.Counter(case["result"] for _, case in CASES) == {"valid": 88, "invalid": 63}
    assert len(CASES) == VECTORS["numberOfTests"]


@pytest.mark.parametrize(
    ("key", "case"), CASES, ids=[f"{case['tcId']}-{case['flags'][0]}" for _, case in CASES]
)
def test_a_signature_is_valid_when_wycheproof_lists_it_as_valid(key: str, case: dict[str, Any]) -> None:
    assert is_valid(key, case) is (case["result"] == "valid")
