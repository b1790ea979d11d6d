"""Replay vectors made with the official Go library through the public API of seedless.

    python tests/vectors/replay.py FILE [--kind KIND ...]

For each kind: how many cases agree, how many differ by design (each names a rule of
`seedless.wire.RULES`), how many disagree. Exit 1 when one disagrees, could not be judged, or when a chosen
kind has no case.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from judges import JUDGES
from verdicts import Agree, ByDesign, Disagree, Verdict

from seedless.wire import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one case."""

    number: int
    kind: str
    note: str
    verdict: Verdict


TOLERATED = Path(__file__).parent / "tolerated.jsonl"
"""Hand-made jwts of other programs, which are judged with those of every file."""


def replay(path: Path, kinds: set[str]) -> Iterator[Outcome]:
    """Judge every case of *path*, and of `TOLERATED`, whose kind is in *kinds*."""
    for line in (path.read_text("ascii") + TOLERATED.read_text("ascii")).splitlines():
        case = json.loads(line)
        if case["kind"] in kinds:
            yield Outcome(case["n"], case["kind"], str(case.get("note") or ""), judge(case))


def judge(case: dict[str, Any]) -> Verdict:
    """Return the verdict on one case; what a judge did not foresee is a disagreement."""
    try:
        verdict = JUDGES[case["kind"]](case)
    except Exception as error:  # noqa: BLE001 - a crash is a verdict: ours
        return Disagree(f"could not be judged: {type(error).__name__}: {error}")
    if isinstance(verdict, ByDesign) and verdict.rule not in RULES:
        return Disagree(f"differs by {verdict.rule!r}, which is no rule")
    return verdict


def main() -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--kind", action="append", choices=sorted(JUDGES), help="only this kind; may be repeated"
    )
    chosen = parser.parse_args()
    kinds = set(chosen.kind or JUDGES)
    outcomes = list(replay(chosen.file, kinds))
    for outcome in outcomes:
        if isinstance(outcome.verdict, Disagree):
            print(f"DISAGREES  {outcome.kind} {outcome.number} {outcome.note}: {outcome.verdict.text}")
    table = collections.Counter((outcome.kind, type(outcome.verdict)) for outcome in outcomes)
    print(f"{'kind':<15}{'agree':>8}{'by design':>12}{'disagree':>10}")
    for kind in sorted(kinds):
        print(f"{kind:<15}{table[kind, Agree]:>8}{table[kind, ByDesign]:>12}{table[kind, Disagree]:>10}")
    by_rule = collections.Counter(o.verdict.rule for o in outcomes if isinstance(o.verdict, ByDesign))
    for rule, count in sorted(by_rule.items()):
        print(f"by design: {count:>3}  {rule}: {RULES[rule]}")
    tolerated = collections.Counter(
        rule for o in outcomes if isinstance(o.verdict, Agree) for rule in o.verdict.tolerated
    )
    for rule, count in sorted(tolerated.items()):
        print(f"tolerated: {count:>3}  {rule}: {RULES[rule]}")
    missing = kinds - {outcome.kind for outcome in outcomes}
    for kind in sorted(missing):
        print(f"no case of kind {kind}")
    return 1 if missing or any(isinstance(o.verdict, Disagree) for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
