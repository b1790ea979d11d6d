"""A store as a tree of nodes, and the tree as a diagram: Mermaid, and DOT for Graphviz.

Operator, accounts, users and signing keys are nodes; exports are edges to their subjects, imports from the
account that offers to the account that takes. Marked are keys on tokens, expiries, findings and files that
are damaged. Names come from jwts: in a diagram they are text in quotes, whatever they hold.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedless.claims import Account, Scope, signing_key
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.findings import Severity
from seedless.text import printable
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.findings import Finding
    from seedless.jwt import Jwt
    from seedless.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeExchange:
    """One export, or one import of an account: `account` is the key of the other side of an import."""

    type: str
    subject: str
    name: str = ""
    private: bool = False
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOnToken:
    """What the inventory has about a key: its name, and its backup as `seedless.spares` has it."""

    name: str
    backup: str = ""


_ELSEWHERE = KeyOnToken(name="")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSigningKey:
    """A signing key, its name in the inventory, its role when it is a scope, and its backup."""

    key: str
    name: str = ""
    role: str | None
    on_token: bool
    backup: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """The operator, an account or a user; `damaged` states why nothing else is known.

    `backup` is that of the key of the subject, as `seedless.spares` has it; empty where it was not asked for.
    """

    kind: str
    name: str
    subject: str = ""
    on_token: bool = False
    backup: str = ""
    expires: int = 0
    damaged: str = ""
    signing_keys: tuple[TreeSigningKey, ...] = ()
    exports: tuple[TreeExchange, ...] = ()
    imports: tuple[TreeExchange, ...] = ()
    findings: tuple[Finding, ...] = ()
    children: tuple[TreeNode, ...] = field(default=())


def tree(
    store: Store,
    on_tokens: Mapping[str, KeyOnToken],
    findings: Mapping[str, tuple[Finding, ...]],
    *,
    users: bool,
) -> TreeNode:
    """Return *store* as a tree, without its users if they are not wanted.

    *on_tokens* has the public keys that the inventory has; *findings* has what was found about a jwt by its
    name, as in `account ORDERS`.
    """
    accounts = []
    for account in store.children():
        names = store.children(account) if users else ()
        below = tuple(_node(store, on_tokens, findings, account, user) for user in names)
        accounts.append(_node(store, on_tokens, findings, account, children=below))
    return _node(store, on_tokens, findings, children=tuple(accounts))


def _node(
    store: Store,
    on_tokens: Mapping[str, KeyOnToken],
    findings: Mapping[str, tuple[Finding, ...]],
    *address: str,
    children: tuple[TreeNode, ...] = (),
) -> TreeNode:
    # The store's own names for a damaged file, since none can be read in it.
    kind = ("operator", "account", "user")[len(address)]
    name = (store.operator, *address)[-1]
    findings_of = findings.get(f"{kind} {'/'.join(address) or name}", ())
    try:
        jwt = store.get(*address)
        if jwt is None:
            raise StoreError("there is no jwt")
    except SeedlessError as error:
        return TreeNode(kind=kind, name=name, damaged=error.message, findings=findings_of, children=children)
    body: object = jwt.claims.body
    return TreeNode(
        kind=kind,
        name=jwt.claims.name,
        subject=jwt.claims.sub,
        on_token=jwt.claims.sub in on_tokens,
        backup=on_tokens.get(jwt.claims.sub, _ELSEWHERE).backup,
        expires=jwt.claims.exp,
        signing_keys=tuple(_signing_keys(jwt, on_tokens)),
        exports=tuple(_exports(body)),
        imports=tuple(_imports(body)),
        findings=findings_of,
        children=children,
    )


def _signing_keys(jwt: Jwt[object], on_tokens: Mapping[str, KeyOnToken]) -> Iterator[TreeSigningKey]:
    for entry in getattr(jwt.claims.body, "signing_keys", ()):
        key = signing_key(entry)
        known = on_tokens.get(key, _ELSEWHERE)
        yield TreeSigningKey(
            key=key,
            name=known.name,
            role=entry.role if isinstance(entry, Scope) else None,
            on_token=key in on_tokens,
            backup=known.backup,
        )


def _exports(body: object) -> Iterator[TreeExchange]:
    for export in body.exports if isinstance(body, Account) else ():
        yield TreeExchange(
            type=export.type, subject=export.subject, name=export.name, private=bool(export.token_req)
        )


def _imports(body: object) -> Iterator[TreeExchange]:
    for entry in body.imports if isinstance(body, Account) else ():
        yield TreeExchange(
            type=entry.type,
            subject=entry.subject,
            name=entry.name,
            private=bool(entry.token),
            account=entry.account,
        )


def mark(node: TreeNode) -> str:
    """Return the worst that was found about *node* in one word, or nothing."""
    if node.damaged:
        return "damaged"
    severities = {finding.severity for finding in node.findings}
    return "error" if Severity.ERROR in severities else "warning" if severities else ""


def nodes(node: TreeNode) -> Iterator[TreeNode]:
    """Yield *node* and all below it."""
    yield node
    for child in node.children:
        yield from nodes(child)


_MERMAID_CLASSES = (
    "classDef token stroke-width:3px",
    "classDef error stroke:#c00,fill:#fdd",
    "classDef damaged stroke:#c00,fill:#fdd,stroke-dasharray:4",
    "classDef warning stroke:#b80,fill:#ffd",
    "classDef outside stroke-dasharray:4",
)


def mermaid(root: TreeNode) -> str:
    """Return *root* as a Mermaid flowchart (mermaid.js, `flowchart LR`)."""
    ids = _ids(root)
    lines = ["flowchart LR"]
    for node in nodes(root):
        lines.append(f"  {ids[id(node)]}[{_mermaid_text(_labels(node))}]{_mermaid_class(node)}")
        for number, key in enumerate(node.signing_keys):
            name = f"{ids[id(node)]}k{number}"
            lines.append(f"  {name}([{_mermaid_text(_key_labels(key))}]){':::token' if key.on_token else ''}")
            lines.append(f"  {ids[id(node)]} -.- {name}")
        for number, export in enumerate(node.exports):
            name = f"{ids[id(node)]}e{number}"
            lines.append(f"  {name}([{_mermaid_text([export.subject])}])")
            lines.append(f"  {ids[id(node)]} -. {_mermaid_text([_export(export)])} .-> {name}")
        lines += [f"  {ids[id(node)]} --> {ids[id(child)]}" for child in node.children]
    for source, target, label in _import_edges(root, ids):
        lines.append(f"  {source} == {_mermaid_text([label])} ==> {target}")
    lines += [f"  {name}[{_mermaid_text([key])}]:::outside" for key, name in _outside(root).items()]
    return "\n".join([*lines, *(f"  {item}" for item in _MERMAID_CLASSES)]) + "\n"


def dot(root: TreeNode) -> str:
    """Return *root* as a graph in the DOT language (Graphviz)."""
    ids = _ids(root)
    lines = ["digraph seedless {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    lines.append('  edge [fontname="sans-serif", fontsize=12];')
    for node in nodes(root):
        lines.append(f"  {ids[id(node)]} [label={_dot_text(_labels(node))}{_dot_style(node)}];")
        for number, key in enumerate(node.signing_keys):
            name = f"{ids[id(node)]}k{number}"
            pen = ", penwidth=3" if key.on_token else ""
            lines.append(f"  {name} [shape=oval, label={_dot_text(_key_labels(key))}{pen}];")
            lines.append(f"  {ids[id(node)]} -> {name} [dir=none, style=dotted];")
        for number, export in enumerate(node.exports):
            name = f"{ids[id(node)]}e{number}"
            lines.append(f"  {name} [shape=oval, label={_dot_text([export.subject])}];")
            lines.append(f"  {ids[id(node)]} -> {name} [style=dashed, label={_dot_text([_export(export)])}];")
        lines += [f"  {ids[id(node)]} -> {ids[id(child)]};" for child in node.children]
    lines += [f"  {name} [style=dashed, label={_dot_text([key])}];" for key, name in _outside(root).items()]
    for source, target, label in _import_edges(root, ids):
        # Without constraint: imports must not move accounts out of the column below their operator.
        edge = f"{source} -> {target} [label={_dot_text([label])}, style=bold, constraint=false]"
        lines.append(f"  {edge};")
    return "\n".join([*lines, "}"]) + "\n"


def svg(root: TreeNode) -> str:
    """Return the tree as SVG, drawn by Graphviz; raise `UsageError` where its program `dot` cannot."""
    import shutil
    import subprocess  # only where it is drawn

    program = shutil.which("dot")
    if program is None:
        raise UsageError(
            "there is no program dot, which draws SVG",
            "install Graphviz, or take --format dot and draw it elsewhere",
        )
    # The program is found on the path of the person who asks; the names in the text are quoted in it.
    done = subprocess.run([program, "-Tsvg"], input=dot(root), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise UsageError(f"dot ended with {done.returncode}: {done.stderr.strip()[:200]}")
    return done.stdout


def _ids(root: TreeNode) -> dict[int, str]:
    # Numbers and not keys or names: ids of Mermaid end at many characters that names may have, and `end` as
    # an id breaks a diagram.
    return {id(node): f"n{number}" for number, node in enumerate(nodes(root))}


def _labels(node: TreeNode) -> list[str]:
    labels = [f"{node.kind} {node.name}"]
    if node.damaged:
        return [*labels, "damaged"]
    labels.append(f"{node.subject[:12]}…{' on a token' if node.on_token else ''}")
    if node.expires:
        labels.append(f"until {moment(node.expires)}")
    if node.findings:
        labels.append(", ".join(sorted({finding.code for finding in node.findings})))
    return labels


def _key_labels(key: TreeSigningKey) -> list[str]:
    role = [f"role {key.role}"] if key.role else []
    return [
        f"signing key {key.name}".rstrip(),
        *role,
        f"{key.key[:12]}…{' on a token' if key.on_token else ''}",
    ]


def _export(export: TreeExchange) -> str:
    return f"{'private ' if export.private else ''}{export.type}"


def _outside(root: TreeNode) -> dict[str, str]:
    """Return the accounts that are imported from and are not in the tree: key to name of node."""
    inside = {node.subject for node in root.children}
    # A dictionary, to keep the order: the same store gives the same diagram, which people keep under
    # version control.
    outside = {entry.account: None for node in root.children for entry in node.imports}
    return {key: f"x{number}" for number, key in enumerate(key for key in outside if key not in inside)}


def _import_edges(root: TreeNode, ids: Mapping[int, str]) -> Iterator[tuple[str, str, str]]:
    places = {node.subject: ids[id(node)] for node in root.children} | _outside(root)
    for node in root.children:
        for entry in node.imports:
            activation = ", by activation" if entry.private else ""
            yield places[entry.account], ids[id(node)], f"{entry.type} {entry.subject}{activation}"


def _mermaid_class(node: TreeNode) -> str:
    return f":::{mark(node)}" if mark(node) else ":::token" if node.on_token else ""


def _dot_style(node: TreeNode) -> str:
    colours = {"damaged": "red", "error": "red", "warning": "orange", "": "black"}
    style = f", color={colours[mark(node)]}" if mark(node) else ""
    return style + (", penwidth=3" if node.on_token else "")


def _mermaid_text(labels: Iterable[str]) -> str:
    # Mermaid reads entities in quotes, written with # where HTML has &.
    lines = (html.escape(printable(label)).replace("&", "#").replace("#amp;", "#38;") for label in labels)
    return '"' + "<br>".join(line.replace("`", "#96;") for line in lines) + '"'


def _dot_text(labels: Iterable[str]) -> str:
    lines = (printable(label).replace("\\", "\\\\").replace('"', '\\"') for label in labels)
    return '"' + "\\n".join(lines) + '"'
