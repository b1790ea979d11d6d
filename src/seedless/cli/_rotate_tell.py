"""What a rotation of an account's key prints: what was signed, what is to be delivered, what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless.cli import printing
from seedless.text import brief

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey
    from seedless.rotate.account import AccountContext, SignedByKey
    from seedless.rotate.connections import AccountConnections, ConnectedClient


_SHOWN = 20  # lines of one kind that a person reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a rotation: its keys (None: they are not known any more), and what was seen and done.

    `stage` is overlap or finished. `seen` is None where no server was asked; `sent` counts accounts.
    """

    around: AccountContext
    old: PublicKey | None
    new: PublicKey | None
    stage: str
    signed: Sequence[Jwt[Any]]
    moved: SignedByKey
    left: SignedByKey
    seen: AccountConnections | None
    sent: int


def tell(workspace: CommandWorkspace, told: Told) -> None:
    """Print *told* on stdout."""
    deliver = _to_deliver(workspace, told)
    clients = told.seen.by(str(told.old)) if told.seen and told.old else ()
    names = _names(told)
    data = {
        "dry_run": workspace.options.dry_run,
        "account": told.around.name,
        "old": str(told.old) if told.old else None,
        "new": str(told.new) if told.new else None,
        "stage": told.stage,
        "signed": [signed_data(jwt) for jwt in told.signed],
        "deliver": deliver,
        "revoked": list(told.left.revoked),
        "expired": list(told.left.expired),
        "pushed": told.sent if told.seen else None,
        "connections": [_client_data(client, names) for client in clients] if told.seen else None,
        "next": _next(told, clients),
    }
    printing.emit(data, text_of(_lines(told, deliver, clients)), as_json=workspace.options.as_json)


def text_of(rows: Iterable[str]) -> str:
    """Return *rows* as lines, each safe to print."""
    return "\n".join(map(printing.printable, rows))


def printed(client: ConnectedClient, names: Mapping[str, str]) -> str:
    """Return who a client is, in a few words."""
    called = f", {client.name}" if client.name else ""
    who = brief(names.get(client.user, client.user))
    return f"{who} at {client.server} (connection {client.number}{called}, {client.address})"


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


def _lines(told: Told, deliver: Sequence[Mapping[str, Any]], clients: Sequence[ConnectedClient]) -> list[str]:
    rows = [f"account {told.around.name}: {_change(told)}", f"signed: {counted(told.signed)}"]
    for what, names in (("revoked", told.left.revoked), ("expired", told.left.expired)):
        if names:
            rows.append(f"left as they are, {what}: {', '.join(map(brief, names))}")
    if told.seen is not None:
        rows.append(f"pushed: {told.sent} {'account' if told.sent == 1 else 'accounts'}")
    is_new = told.stage != "finished" or any(jwt.claims.body.kind == "user" for jwt in told.signed)
    rows += shortened(
        [
            f"to be delivered to {brief(one['user'])}: {one['creds'] or 'its jwt; its seed is not here'}"
            for one in (deliver if is_new else ())
        ]
    )
    called = _names(told)
    rows += shortened([f"still connected by the old key: {printed(client, called)}" for client in clients])
    if told.seen is not None and told.seen.leafs:
        rows.append(f"leaf nodes, of which servers do not say by which key: {told.seen.leafs}")
    return [*rows, f"next: {_next(told, clients)}"]


def _change(told: Told) -> str:
    if told.old is None:
        return "no key gives way"
    done = "has given way" if told.stage == "finished" else "gives way"
    return f"{told.old} {done} to {told.new or 'no other'}"


def _next(told: Told, clients: Sequence[ConnectedClient]) -> str:
    name = told.around.name
    if told.stage == "finished":
        publish = "" if told.seen else f"seedless push {name}; "
        return f"{publish}seedless key delete {told.old or 'PUBKEY'}, when no backup wants it any more"
    if told.seen is None:
        return f"seedless push {name}; deliver the creds; then seedless rotate account-key {name} --finish"
    wait = "deliver the creds, let the clients connect again" if clients else "deliver the creds"
    return f"{wait}; then seedless rotate account-key {name} --finish"


def _to_deliver(workspace: CommandWorkspace, told: Told) -> list[dict[str, Any]]:
    """Return the users of the new key, and where their creds are, None where their seeds are not here."""
    found = []
    for name, jwt in told.moved.users.items():
        path = workspace.store.creds_path(told.around.name, name)
        has_creds = workspace.creds(told.around.name, name) is not None
        found.append({"user": name, "subject": jwt.claims.sub, "creds": str(path) if has_creds else None})
    return found


def _names(told: Told) -> dict[str, str]:
    return {jwt.claims.sub: name for name, jwt in told.around.users.items()}


def _client_data(client: ConnectedClient, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "server": client.server,
        "connection": client.number,
        "name": client.name,
        "user": names.get(client.user),
        "subject": client.user,
        "address": client.address,
    }
