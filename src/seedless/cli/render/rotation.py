"""How a rotation is printed: what was signed, what is proven, what is to be delivered, what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from seedless.app.key_names import titled
from seedless.app.rotations.account import creds_to_deliver
from seedless.app.rotations.operator import RotationStage
from seedless.cli import printing
from seedless.text import brief

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seedless.app.rotations.account import AccountKeyReport, ConnectedUser, DeliverableCreds
    from seedless.app.rotations.operator import OperatorKeyReport, TrustingServer
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt

_SHOWN = 20  # lines of one kind that a person reads


def print_account_key(workspace: CommandWorkspace, report: AccountKeyReport) -> None:
    """Print what came of the rotation of a key of an account."""
    deliver, clients = creds_to_deliver(workspace, report), report.still_connected
    data = {
        "dry_run": workspace.options.dry_run,
        "account": report.around.name,
        "old": str(report.old) if report.old else None,
        "new": str(report.new) if report.new else None,
        "stage": report.stage,
        "signed": [signed_data(jwt) for jwt in report.signed],
        "deliver": msgspec.to_builtins(deliver),
        "revoked": list(report.left.revoked),
        "expired": list(report.left.expired),
        "pushed": report.sent if report.seen else None,
        "connections": msgspec.to_builtins(clients) if report.seen else None,
        "next": report.next_step,
    }
    workspace.emit(data, text_of(workspace, _account_lines(report, deliver, clients)))


def text_of(workspace: CommandWorkspace, rows: Iterable[str]) -> str:
    """Return *rows* as lines that are safe to print; the first, on what is replaced, names keys."""
    first, *rest = rows  # in the commands of the rest keys stay as they are, to be copied
    return "\n".join(map(printing.printable, (titled(workspace, first), *rest)))


def signed_data(jwt: Jwt[Any]) -> dict[str, Any]:
    """Return which jwt was signed, as --json prints it."""
    return {"kind": jwt.claims.body.kind, "name": jwt.claims.name, "subject": jwt.claims.sub}


def counted(jwts: Iterable[Jwt[Any]]) -> str:
    """Return how many jwts of each kind there are: `1 account, 3 users`."""
    kinds = [jwt.claims.body.kind for jwt in jwts]
    found = ((kind, kinds.count(kind)) for kind in dict.fromkeys(kinds))
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in found) or "nothing"


def shortened(rows: Sequence[str]) -> list[str]:
    """Return *rows*, of many only the first, and how many more there are."""
    more = len(rows) - _SHOWN
    return list(rows) if more <= 1 else [*rows[:_SHOWN], f"and {more} more; --json has them all"]


def _account_lines(
    report: AccountKeyReport, deliver: Sequence[DeliverableCreds], clients: Sequence[ConnectedUser]
) -> list[str]:
    rows = [f"account {report.around.name}: {_account_change(report)}", f"signed: {counted(report.signed)}"]
    for what, names in (("revoked", report.left.revoked), ("expired", report.left.expired)):
        if names:
            rows.append(f"left as they are, {what}: {', '.join(map(brief, names))}")
    if report.seen is not None:
        rows.append(f"pushed: {report.sent} {'account' if report.sent == 1 else 'accounts'}")
    is_new = report.stage != "finished" or any(jwt.claims.body.kind == "user" for jwt in report.signed)
    rows += shortened(
        [
            f"to be delivered to {brief(name.user)}: {name.creds or 'its jwt; its seed is not here'}"
            for name in (deliver if is_new else ())
        ]
    )
    rows += shortened([f"still connected through the previous key: {client}" for client in clients])
    if report.seen is not None and report.seen.leafs:
        rows.append(f"leaf nodes, of which servers do not report by which key: {report.seen.leafs}")
    return [*rows, f"next: {report.next_step}"]


def _account_change(report: AccountKeyReport) -> str:
    if report.old is None:
        return "no key is replaced"
    done = "was replaced" if report.stage == "finished" else "is replaced"
    return f"{report.old} {done} by {report.new or 'no other'}"


def print_operator_key(workspace: CommandWorkspace, report: OperatorKeyReport) -> None:
    """Print what came of the rotation of a key of the operator."""
    data = {
        "dry_run": workspace.options.dry_run,
        "operator": report.operator.claims.name,
        "old": str(report.old) if report.old else None,
        "new": str(report.new) if report.new else None,
        "stage": str(report.stage),
        "signed": [signed_data(jwt) for jwt in report.signed],
        "by_old": list(report.by_old),
        "pushed": report.sent if report.seen else None,
        "servers": None if report.servers is None else [_server_data(server) for server in report.servers],
        "by_old_on_servers": list(report.seen.by_old) if report.seen else None,
        "next": report.next_step,
    }
    workspace.emit(data, text_of(workspace, _operator_lines(report)))


def _server_data(trusting_server: TrustingServer) -> dict[str, object]:
    server = {"server": trusting_server.server.name, "id": trusting_server.server.id}
    return server | printing.members(trusting_server, "trusts_new", "trusts_old", "trusts_others")


def _operator_lines(report: OperatorKeyReport) -> list[str]:
    rows = [f"operator {brief(report.operator.claims.name)}: {_operator_change(report)}"]
    if report.signed:
        rows.append(f"signed: {counted(report.signed)}")
    if report.sent:
        rows.append(f"pushed: {report.sent} {'account' if report.sent == 1 else 'accounts'}")
    rows += _proven(report) if report.seen else ["proven: nothing, no server was asked"]
    if report.by_old:
        rows.append(f"still signed by the previous key: {', '.join(map(brief, report.by_old))}")
    return [*rows, f"stage: {report.stage}", f"next: {report.next_step}"]


def _proven(report: OperatorKeyReport) -> list[str]:
    """Return what the servers report of themselves, a line for each."""
    rows = []
    for server in report.servers or ():
        words = []
        if server.trusts_new is not None:
            words.append("trusts the new key" if server.trusts_new else "does not trust the new key")
        if server.trusts_others:
            words.append(f"trusts {', '.join(server.trusts_others)}, which the operator does not list")
        rows.append(f"{server.server}: {'; '.join(words) or 'trusts what the operator lists'}")
    if report.seen and report.seen.by_old:
        rows.append(f"on servers, signed by the previous key: {', '.join(map(brief, report.seen.by_old))}")
    return rows


def _operator_change(report: OperatorKeyReport) -> str:
    if report.old is None:
        return (
            "every signing key is as it should be"
            if report.stage is RotationStage.DONE
            else "a key was replaced"
        )
    done = "was replaced" if report.stage in {RotationStage.FORGET, RotationStage.DONE} else "is replaced"
    return f"{report.old} {done} by {report.new or 'a new key'}"
