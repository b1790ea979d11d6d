"""Claims rules for the targets of mappings, as nats-server reads them (`claims.transforms`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims.transforms import FUNCTIONS, has_stray_transform, unfit
from seedless.findings import error, warning
from seedless.rules.formats import cited
from seedless.wire import at, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import Account
    from seedless.findings import Finding

_HINT = f"write $1, or one of {FUNCTIONS}"


def c116_mapping_is_taken(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """The targets of a mapping are subjects, whose transforms exist and fit the source.

    One wrong target and servers drop the whole mapping, with a line in the log; the account stays, and
    messages go out unmapped. So it is with `$2` of one wildcard, with unknown functions or wrong arguments,
    with `>` that is mapped to no `>`, with `*` in a target, and with a target that is named twice.
    """
    for source, targets in said.claims.body.mappings.items():
        path = join("nats.mappings", source)
        subjects = [target.subject for target in targets]
        if any("" in subject.split(".") or " " in subject for subject in (source, *subjects)):
            continue  # C003 to C006: servers refuse the account
        found = unfit(source, targets)
        if found is None:
            continue
        where = path if found.target is None else f"{at(path, found.target)}.subject"
        what = "" if found.target is None else f"{cited(targets[found.target].subject)}: "
        text = f"servers drop the mapping of {cited(source)}: {what}{found.reason}"
        yield error("C116", where, text, _HINT)


def c117_mapping_has_no_stray_braces(said: Statement[Account], _: Context) -> Iterator[Finding]:
    """Braces in the target of a mapping are a transform, which is a whole token.

    Any other goes out as it is: `q{{wildcard(1)}}` is a subject with braces in it.
    """
    for source, targets in said.claims.body.mappings.items():
        path = join("nats.mappings", source)
        for index, target in enumerate(targets):
            if has_stray_transform(target.subject):
                text = f"{cited(target.subject)} has braces that are not filled in"
                where = f"{at(path, index)}.subject"
                yield warning(
                    "C117", where, text, "make the transform a token of its own, as q.{{wildcard(1)}}"
                )


RULES = (c116_mapping_is_taken, c117_mapping_has_no_stray_braces)
"""For accounts."""
