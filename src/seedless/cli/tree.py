"""`seedless tree`: the store as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.claims import Scope, signing_key
from seedless.cli import _io
from seedless.cli._options import Settings, store_options
from seedless.cli._workspace import Workspace
from seedless.errors import SeedlessError
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.jwt import Jwt


@click.command()
@store_options
def tree(settings: Settings) -> None:
    """Draw the operator, its accounts and their users.

    \b
    Example:
      seedless tree
    """
    workspace = Workspace(settings)
    keyring = {str(entry.public_key) for entry in workspace.keyring().entries}
    root = _stored(workspace, keyring)
    for account in workspace.store.children():
        node = _stored(workspace, keyring, account)
        for user in workspace.store.children(account):
            node["children"].append(_stored(workspace, keyring, account, user))
        root["children"].append(node)
    _io.emit(root, "\n".join([_line(root), *_branches(root)]), as_json=settings.as_json)


def _stored(workspace: Workspace, keyring: set[str], *address: str) -> dict[str, Any]:
    try:
        jwt = workspace.store.get(*address)
    except SeedlessError as error:
        return _damaged(workspace, address, error.message)
    return _node(jwt, keyring) if jwt else _damaged(workspace, address, "there is no jwt")


def _damaged(workspace: Workspace, address: tuple[str, ...], why: str) -> dict[str, Any]:
    kind = ("operator", "account", "user")[len(address)]
    return {"kind": kind, "name": (workspace.store.operator, *address)[-1], "damaged": why, "children": []}


def _node(jwt: Jwt[Any], keyring: set[str]) -> dict[str, Any]:
    claims = jwt.claims
    return {
        "kind": claims.body.kind,
        "name": claims.name,
        "subject": claims.sub,
        "on_token": claims.sub in keyring,
        "expires": claims.exp or None,
        "signing_keys": [
            {
                "key": signing_key(entry),
                "role": entry.role if isinstance(entry, Scope) else None,
                "on_token": signing_key(entry) in keyring,
            }
            for entry in getattr(claims.body, "signing_keys", ())
        ],
        "children": [],
    }


def _line(node: dict[str, Any]) -> str:
    name = f"{node['kind']} {shown(node['name'])}"
    if "damaged" in node:
        return f"{name}  {click.style('damaged', fg='red')}: {_io.printable(node['damaged'])}"
    key = f"{node['subject'][:12]}…{'  on a token' if node['on_token'] else ''}"
    return f"{name}  {key}" + (f"  until {_io.moment(node['expires'])}" if node["expires"] else "")


def _key_line(key: dict[str, Any]) -> str:
    role = f" role {shown(key['role'])}" if key["role"] else ""
    return f"signing key {key['key'][:12]}…{role}{'  on a token' if key['on_token'] else ''}"


def _branches(node: dict[str, Any]) -> list[str]:
    leaves: list[tuple[str, list[str]]] = [(_key_line(key), []) for key in node.get("signing_keys", ())]
    leaves += [(_line(child), _branches(child)) for child in node["children"]]
    drawn = []
    for index, (line, below) in enumerate(leaves):
        last = index == len(leaves) - 1
        drawn.append(f"{'└── ' if last else '├── '}{line}")
        drawn += [f"{'    ' if last else '│   '}{deeper}" for deeper in below]
    return drawn
