"""What a rotation of an operator's key prints: where it stands, what is proven, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless.cli import printing
from seedless.cli._rotate_tell import counted, signed_data, text_of
from seedless.rotate.operator import RotationStage
from seedless.text import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.claims import Operator
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey
    from seedless.rotate.operator import ServersSeen

_RESTART = (
    "write their configuration again (seedless server config) and restart them one after another, "
    "each when the one before is back"
)
_NEXT = {
    RotationStage.ADD: "seedless rotate operator-key",
    RotationStage.SPREAD: f"give the operator jwt to the servers: {_RESTART}; then run this again",
    RotationStage.REISSUE: "run this again: it signs the accounts",
    RotationStage.PUSH: "run this again: it pushes the accounts; what is not in the store: seedless pull, or "
    "prune",
    RotationStage.REMOVE: "seedless rotate operator-key --finish",
    RotationStage.FORGET: f"let the servers forget the old key: {_RESTART}; then --finish again, which looks",
    RotationStage.DONE: "seedless key delete PUBKEY, for the old key, when no backup wants it any more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a rotation: its keys (None: not known any more), its stage, what was done and seen.

    `by_old` are the accounts of the store by the old key; `seen` is None where no server was asked; `sent`
    counts accounts.
    """

    operator: Jwt[Operator]
    old: PublicKey | None
    new: PublicKey | None
    stage: RotationStage
    signed: Sequence[Jwt[Any]]
    by_old: Sequence[str]
    seen: ServersSeen | None
    sent: int


def tell(workspace: CommandWorkspace, told: Told) -> None:
    """Print *told* on stdout."""
    data = {
        "dry_run": workspace.options.dry_run,
        "operator": told.operator.claims.name,
        "old": str(told.old) if told.old else None,
        "new": str(told.new) if told.new else None,
        "stage": str(told.stage),
        "signed": [signed_data(jwt) for jwt in told.signed],
        "by_old": list(told.by_old),
        "pushed": told.sent if told.seen else None,
        "servers": _servers(told),
        "by_old_on_servers": list(told.seen.by_old) if told.seen else None,
        "next": _NEXT[told.stage],
    }
    printing.emit(data, text_of(_lines(told)), as_json=workspace.options.as_json)


def _servers(told: Told) -> list[dict[str, Any]] | None:
    if told.seen is None:
        return None
    beside = told.seen.beside(told.operator.claims)
    return [
        {
            "server": one.server.name,
            "id": one.server.id,
            "trusts_new": None if told.new is None else str(told.new) in one.keys,
            "trusts_old": None if told.old is None else str(told.old) in one.keys,
            "trusts_others": list(beside.get(one.server, ())),
        }
        for one in told.seen.trusts
    ]


def _lines(told: Told) -> list[str]:
    rows = [f"operator {brief(told.operator.claims.name)}: {_change(told)}"]
    if told.signed:
        rows.append(f"signed: {counted(told.signed)}")
    if told.sent:
        rows.append(f"pushed: {told.sent} {'account' if told.sent == 1 else 'accounts'}")
    rows += _proven(told) if told.seen else ["proven: nothing, no server was asked"]
    if told.by_old:
        rows.append(f"still by the old key: {', '.join(map(brief, told.by_old))}")
    return [*rows, f"stage: {told.stage}", f"next: {_NEXT[told.stage]}"]


def _proven(told: Told) -> list[str]:
    """Return what the servers say of themselves, a line for each."""
    rows = []
    beside = told.seen.beside(told.operator.claims) if told.seen else {}
    for one in told.seen.trusts if told.seen else ():
        said = []
        if told.new is not None:
            said.append("trusts the new key" if str(told.new) in one.keys else "does not trust the new key")
        if one.server in beside:
            said.append(f"trusts {', '.join(beside[one.server])}, which the operator does not list")
        rows.append(f"{one.server}: {'; '.join(said) or 'trusts what the operator lists'}")
    if told.seen and told.seen.by_old:
        rows.append(f"on the servers by the old key: {', '.join(map(brief, told.seen.by_old))}")
    return rows


def _change(told: Told) -> str:
    if told.old is None:
        return (
            "every signing key is as it should be"
            if told.stage is RotationStage.DONE
            else "a key has given way"
        )
    done = "has given way" if told.stage in {RotationStage.FORGET, RotationStage.DONE} else "gives way"
    return f"{told.old} {done} to {told.new or 'a new key'}"
