"""`--set` and `--unset` with any text: a body that is claims, or a sentence."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.claims import Account, Export, Scope, Template
from seedless.claims.edits import with_settings
from seedless.errors import UsageError

BODY = msgspec.structs.replace(
    Account.new(),
    exports=(Export(subject="orders.>", type="stream"),),
    signing_keys=("A", Scope(key="B", role="clerk", template=Template.new())),
    mappings={"a.*": ()},
    tags=("x", "y"),
)
WORDS = (
    "limits", "conn", "exports", "signing_keys", "template", "pub", "allow", "mappings", '"a.*"', "tags",
    "trace", "nats", "tiered_limits", "R1", "x", "",
)  # fmt: skip
STEPS = st.one_of(st.sampled_from(WORDS), st.integers(0, 9).map(lambda n: f"[{n}]"), st.text(max_size=4))
PATHS = st.lists(STEPS, max_size=5).map(".".join) | st.lists(STEPS, max_size=5).map("".join) | st.text()
VALUES = (
    st.sampled_from(['"x"', "7", "-1", "1e5", "[]", "{}", '["a"]', "null", "true", "{", '{"a":1,"a":2}'])
    | st.text()
)


@given(PATHS, VALUES)
def test_any_setting_gives_claims_that_can_be_written_or_a_sentence(path: str, value: str) -> None:
    with contextlib.suppress(UsageError):
        made = with_settings(BODY, [f"{path}={value}"])
        assert msgspec.json.decode(msgspec.json.encode(made), type=Account) == made


@given(PATHS)
def test_any_path_that_is_unset_gives_claims_or_a_sentence(path: str) -> None:
    with contextlib.suppress(UsageError):
        made = with_settings(BODY, (), [path])
        assert len(msgspec.json.encode(made)) <= len(msgspec.json.encode(BODY))
        assert with_settings(made, (), [path] if not path.endswith("]") else ()) == made


@pytest.mark.parametrize("setting", ['mappings."\udcffa"=[{"subject":"c"}]', "description=\udcff"])
def test_a_setting_that_is_not_utf_8_is_refused_in_its_path_too(setting: str) -> None:
    with pytest.raises(UsageError, match="is not UTF-8"):
        with_settings(Account.new(), [setting])


def test_a_path_to_unset_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(UsageError, match="is not UTF-8"):
        with_settings(Account.new(), [], ['mappings."\udcffa"'])
