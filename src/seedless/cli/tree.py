"""`seedless tree`: the store as a tree."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless import store_tree
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import store_options
from seedless.cli.values import output_option
from seedless.cli.workspace import CommandWorkspace
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.store_tree import TreeExchange, TreeNode, TreeSigningKey

_MARKS = {"damaged": "red", "error": "red", "warning": "yellow"}
_FORMATS = ["text", "mermaid", "dot", "svg"]


@command()
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", help="What to draw it as.")
@click.option("--users/--no-users", default=True, help="Draw the users too, which is the default.")
@click.option("--detail", is_flag=True, help="As text: exports, imports and spares of keys too.")
@output_option("Write it here; a file that exists is not replaced.")
@store_options
def tree(workspace: CommandWorkspace, *, form: str, users: bool, detail: bool, output: Path | None) -> None:
    """Draw the operator, its accounts and their users.

    Mermaid is drawn by many web pages, DOT by Graphviz; svg requires the program dot of Graphviz.

    \b
    Example:
      seedless tree
      seedless tree --format mermaid --no-users -o accounts.mmd
    """
    root = workspace.tree(users=users, backups=detail or workspace.options.as_json)
    text = _drawn(root, form, detail=detail)
    data = _data(root)
    if output:
        atomic.write_new({output: text if text.endswith("\n") else f"{text}\n"})
        data |= {"path": str(output)}
        text = str(output)
    elif form != "text":
        data |= {"picture": text}
    workspace.emit(data, text.removesuffix("\n"), is_file=form != "text")


def _drawn(root: TreeNode, form: str, *, detail: bool) -> str:
    match form:
        case "mermaid":
            return store_tree.mermaid(root)
        case "dot":
            return store_tree.dot(root)
        case "svg":
            return store_tree.svg(root)
    return "\n".join([_line(root), *_branches(root, detail=detail)])


def _data(node: TreeNode) -> dict[str, object]:
    if node.damaged:
        data: dict[str, object] = {"kind": node.kind, "name": node.name, "damaged": node.damaged}
    else:
        data = {name: getattr(node, name) for name in ("kind", "name", "subject", "on_token")}
        data |= {"backup": node.backup or None, "expires": node.expires or None}
        for name in ("signing_keys", "exports", "imports"):
            data[name] = [dataclasses.asdict(item) for item in getattr(node, name)]
    children = [_data(child) for child in node.children]
    return data | {"findings": [finding.data() for finding in node.findings], "children": children}


def _line(node: TreeNode) -> str:
    name = f"{node.kind} {shown(node.name)}"
    if node.damaged:
        return f"{name}  {click.style('damaged', fg='red')}: {printing.printable(node.damaged)}"
    line = f"{name} ({node.subject[:12]}…){_place(node)}"
    line += f"  until {printing.moment(node.expires)}" if node.expires else ""
    found = store_tree.mark(node)
    codes = " ".join(sorted({finding.code for finding in node.findings}))
    return f"{line}  {click.style(f'{found}: {codes}', fg=_MARKS[found])}" if found else line


def _key_line(key: TreeSigningKey) -> str:
    name, role = key.name, f" role {shown(key.role)}" if key.role else ""
    short = f"{key.key[:12]}…"
    return f"signing key {f'{shown(name)} ({short})' if name else short}{role}{_place(key)}"


def _place(node: TreeNode | TreeSigningKey) -> str:
    if node.backup == "lost":
        return "  on a lost token"
    backup = {"none": ", no spare", "spare": ", spare", "shares": ", shares"}.get(node.backup, "")
    return f"  on a token{backup}" if node.on_token else ""


def _exchange_line(word: str, exchange: TreeExchange) -> str:
    whose = f" of {exchange.account[:12]}…" if exchange.account else ""
    return f"{word} {exchange.type} {shown(exchange.subject)}{whose}{', private' if exchange.private else ''}"


def _branches(node: TreeNode, *, detail: bool) -> list[str]:
    leaves: list[tuple[str, list[str]]] = [(_key_line(key), []) for key in node.signing_keys]
    if detail:
        leaves += [(_exchange_line("export", export), []) for export in node.exports]
        leaves += [(_exchange_line("import", entry), []) for entry in node.imports]
    leaves += [(_line(child), _branches(child, detail=detail)) for child in node.children]
    drawn = []
    for index, (line, below) in enumerate(leaves):
        last = index == len(leaves) - 1
        drawn.append(f"{'└── ' if last else '├── '}{line}")
        drawn += [f"{'    ' if last else '│   '}{deeper}" for deeper in below]
    return drawn
