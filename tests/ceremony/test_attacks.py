"""What somebody with a bad mind, or a slip of the hand, may try on a ceremony."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony import documents, inventory, offline
from seedless.errors import Refused, UsageError

if TYPE_CHECKING:
    Hall = Any  # the fixture in conftest.py


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        pytest.param("", "has 1 to 500 characters", id="nobody"),
        pytest.param("Grace\nAda", "holds characters that cannot be seen", id="two lines"),
        pytest.param("\u202eadA", "holds characters that cannot be seen", id="turned around"),
        pytest.param("\u0421\u0430\u0440\u0430", "or that look like others", id="letters that look Latin"),
        pytest.param("A" * 501, "has 1 to 500 characters", id="a long one"),
    ],
)
def test_a_name_that_no_check_would_take_ends_a_ceremony_before_anything_is_signed(
    hall: Hall, name: str, sentence: str
) -> None:
    sitting = dataclasses.replace(hall.sitting(hall.ground(hall.request())), present=("Grace", name))
    with pytest.raises(UsageError, match="the name of somebody present") as caught:
        offline.sit(
            sitting, review=lambda _plan, _report: True, keys=lambda: contextlib.nullcontext(hall.keys)
        )
    assert sentence in caught.value.message
    assert not sitting.folder.exists()


STRANGE = [None, True, 1, "", [], [[]], {}, {"at": 1}]
"""What stands in the place of an entry, or of a member of one."""


@pytest.mark.parametrize("place", [(), (0,), (0, "kind"), (0, "at"), (4, "public_key"), (4, "says")], ids=str)
def test_whatever_stands_in_a_result_is_no_crash(hall: Hall, place: tuple[Any, ...]) -> None:
    request, result = hall.held()
    for strange in STRANGE:
        whole = json.loads(result)
        holder, names = whole, ("transcript", *place)
        for name in names[:-1]:
            holder = holder[name]
        holder[names[-1]] = strange
        changed = documents.to_bytes(whole)
        assert hall.check(request, changed).verdict != "complete"
        with contextlib.suppress(Refused):
            assert {type(one.at) for one in inventory.told([changed])} <= {int}
