"""Write the pages that follow from the code: `make docs` runs this, and tests compare.

- `cli.md` from the --help of every command
- `python.md` from the public names of the package, their signatures and docstrings
- `rules.md` from the docstrings of the rules
- `claims.md` from the table of the members of claims
- `callout.md` and `issuer.md` from the Structs that read the configurations of the services
- `desired-state.schema.json` from the table of what a desired-state file may say
- `tokens.md` from the table of device families
- `modules.md` from the docstrings of the modules, in the layers of `architecture.md`
- the block in `README.md` that shows what the demo prints, with --demo
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import click
from generate_services import callout_page, issuer_page
from generate_tokens import tokens_page

import seedless as package
from seedless import Preview, Workspace
from seedless.claims import fields
from seedless.cli.command import SHARED, Command, hide_shared
from seedless.cli.main import seedless
from seedless.desired.read import schema_text
from seedless.errors import ExitCode
from seedless.findings import Severity
from seedless.lint import rules as lint_rules
from seedless.resolver import preflight_rules
from seedless.rules import code_of, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.rules import ChangeRule, PlanRule, Rule

    AnyRule = Rule | ChangeRule | PlanRule

ROOT = Path(__file__).parents[2]
_WIDTH = 100
_HINT = 3  # position in a call of error, warning or timecheck
_GENERATED = "<!-- written by docs/reference/generate.py: make docs -->"
_EXIT_PAGES = {ExitCode.FINDINGS: "exit-code-3", ExitCode.TOKEN: "exit-code-4"}
_EXIT_CODES = ", ".join(
    f"{code:d} [{code.meaning}](../howto/{_EXIT_PAGES[code]}.md)"
    if code in _EXIT_PAGES
    else f"{code:d} {code.meaning}"
    for code in ExitCode
)
_CLI_HEAD = f"""\
# Commands

{_GENERATED}

stdout is data, stderr is for people. Exit codes: {_EXIT_CODES}.
What `--json` prints is in [json.md](json.md). On a terminal lines are wrapped between words, at its width or
`COLUMNS`; keys, URIs, paths and commands stay whole. Files and pipes get every line as it is.
"""
_RULES_HEAD = f"""\
# Rules

{_GENERATED}

Every change is put before every rule before a token is opened. A finding is an *error*, and nothing is
signed; a *warning*, which is shown; or a *timecheck*, about claims that hold at another time, which is shown
too. An error about claims (C) that the jwt which is replaced has too, and that the change neither causes nor
touches, is shown as *existing* and stops nothing. Under each rule: what it requires, what follows from
breaking it, how grave a finding is, and the cures that its findings name.
"""
_CLAIMS_HEAD = f"""\
# Members of claims

{_GENERATED}

The members of claims that an option sets, each with its option, its name in a review, and what 0 and -1 mean.
`add` and `edit` have the options, and a scope those of a user; `--set PATH=VALUE` sets any member, by its
path below `nats`. A number may have a unit: `512`, `10K` (10,000), `4MiB` (powers of 1024), `1.5G`.
Desired-state files use the names of the members; a policy may name those that are a limit. *Widens*: more,
or true, gives more access.
"""
_CLAIMS_TABLES = (
    ("Operators", "", (*fields.OPERATOR, fields.TAGS)),
    ("Accounts", "", (*fields.ACCOUNT, fields.TAGS)),
    ("Limits of accounts", "limits.", fields.ACCOUNT_LIMITS),
    ("JetStream", "limits.", fields.JETSTREAM),
    ("Users, and templates of scopes", "", (*fields.USER, fields.TAGS)),
)
_CLAIMS_TAIL = """\
`limits.tiered_limits.R3.…` has the members of JetStream for one tier (`--js-tier 3`), and
`signing_keys[0].template.…` those of users for one scope; a template has no tags.

## Members with commands or options of their own
"""
_SHARED_HEAD = """A command takes those that its help names behind *Shared*; `--help --all` describes them
with the others."""
_PYTHON_HEAD = f"""\
# The Python API

{_GENERATED}

[Create accounts and users from Python](../tutorial/python.md) is the way in. `help()` shows the same in
Python.

## What is stable

- **Stable**: the names of `seedless` on this page, the modules `seedless.claims` and `seedless.errors`, and
  what the methods of a `Workspace` take and return. A change of them that breaks programs is in the
  [changelog](../changelog.md) and in a new minor version, as long as there is no 1.0.
- **Public, not stable**: other modules that list their names in `__all__`. They are documented where they are
  defined, and may be renamed.
- **Private**: everything else. The interface of `seedless.cli` is the command line.

Hints: `typing.get_type_hints` works on every name of `seedless`, on every Struct and on the methods of a
workspace, `inspect.signature` on everything. The package is typed (`py.typed`).

## Threads, processes, event loops

- A `Workspace` belongs to one thread. Several of them, in threads or processes, exclude each other by the
  lock of the store.
- Operations block: for the lock, a PIN, a token. In an event loop call them by `asyncio.to_thread`.
- Servers are asked by a loop of their own: where one is running already, `push`, `pull` and `login` of
  `Workspace.resolver` raise `UsageError`; await `push_async`, `pull_async`, `login_async`.
- A driver (a PKCS#11 module) runs in the process that signs, and can crash or hang it. The command forks for
  that reason, a library never does; `jobs=1` lets a worker process sign.
- The owner's configuration and a pinned policy are read once for each workspace.
"""
_FAMILIES = {
    "G": ("Guards", "Time, size, and what must never be signed."),
    "T": ("Trust", "Who may sign for whom."),
    "C": ("Claims", "What claims by themselves must hold."),
    "R": (
        "Resolvers",
        "What is looked at, of every server, before accounts are sent to it or deleted from it.",
    ),
    "P": ("Policy", "What the pinned policy asks for."),
    "S": ("Server configurations", "What `seedless lint` finds in configurations of nats-server."),
    "L": ("Files and stores", "What `seedless lint` finds in jwts as files, and in a store."),
}
_LAYER = re.compile(r"^### (\d .*)$", re.MULTILINE)
_ROOM = re.compile(r"^\| `([\w.]+)/?` \|", re.MULTILINE)
_MODULES_HEAD = f"""\
# Modules

{_GENERATED}

Every module of the package, with the first sentence of its docstring, in the layers of the
[architecture](../explanation/architecture.md): a module imports from its own layer and from lower ones.
"""
_DEMO_BLOCK = re.compile(r"(?<=^```text\n)Keys on a token.*?(?=^```$)", re.MULTILINE | re.DOTALL)


def cli_page() -> str:
    """Return `cli.md`."""
    parts = [_CLI_HEAD, _shared_section()]
    for path, command in commands(("seedless",), seedless):
        context = click.Context(
            command, info_name=" ".join(path), terminal_width=_WIDTH, max_content_width=_WIDTH,
            help_option_names=["-h", "--help"],
        )  # fmt: skip
        if isinstance(command, Command):
            hide_shared(context)
        parts.append(f"## {' '.join(path)}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _shared_section() -> str:
    """Return the options that many commands share, each once."""
    records: dict[str, str] = {}
    for _, command in commands(("seedless",), seedless):
        context = click.Context(command)
        for param in command.params:
            record = param.get_help_record(context)
            if param.name in SHARED and record is not None:
                records.setdefault(*record)
    formatter = click.HelpFormatter(width=_WIDTH)
    formatter.write_dl(sorted(records.items(), key=lambda record: record[0].lstrip("-")))
    return f"## Shared options\n\n{_SHARED_HEAD}\n\n```text\n{formatter.getvalue()}```\n"


def commands(
    path: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield *command* and all below it, each with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from commands((*path, name), below)


def claims_page() -> str:
    """Return `claims.md`."""
    parts = [_CLAIMS_HEAD]
    for title, prefix, rows in _CLAIMS_TABLES:
        lines = [f"## {title}", "", "| member | option | in a review | value | 0 | -1 | more |"]
        lines += [f"|{'---|' * 7}", *(_claims_row(prefix, row) for row in rows)]
        parts.append("\n".join([*lines, ""]))
    own = [
        f"- `{struct}`: {', '.join(f'`{member}`' for member in members)}"
        for struct, members in fields.OWN_COMMAND.items()
        if members
    ]
    return "\n".join([*parts, _CLAIMS_TAIL, *own, ""])


def _claims_row(prefix: str, row: fields.Row) -> str:
    option = f"`--{row.option.replace('_', '-')}`"
    zero = none = more = ""
    match row:
        case fields.Limit():
            value = "bytes" if row.in_bytes else "count"
            zero, none, more = "no limit" if row.zero_is_unlimited else "nothing", "no limit", "widens"
        case fields.Flag():
            option = f"{option}, `--no-{row.option.replace('_', '-')}`"
            value, more = " or ".join(row.words), "widens" if row.widens else "narrows"
        case fields.Text():
            value = ", ".join(row.choices) or "text"
        case fields.TextList():
            option, value = f"{option}, `--rm-{row.option.replace('_', '-')}`", "list"
        case fields.AllowList():
            option = f"{option}, `--rm-{row.option.replace('_', '-')}`"
            value, more = f"list; an empty one is {row.anything}", "widens"
    return f"| `{prefix}{row.member}` | {option} | {row.label} | {value} | {zero} | {none} | {more} |"


def rules_page() -> str:
    """Return `rules.md`."""
    parts = [_RULES_HEAD]
    codes = {code_of(rule): rule for rule in (*rules(), *lint_rules(), *preflight_rules())}
    for letter, (title, text) in _FAMILIES.items():
        family = {name: rule for name, rule in codes.items() if name.startswith(letter)}
        if family:
            parts.append(f"## {title} ({letter}nnn)\n\n{text}\n")
        parts += [_rule_section(name, rule) for name, rule in sorted(family.items())]
    return "\n".join(parts)


def _rule_section(name: str, rule: AnyRule) -> str:
    title = rule.__name__.partition("_")[2].replace("_", " ")
    said = inspect.cleandoc(rule.__doc__ or "")
    body = "\n\n".join(textwrap.fill(" ".join(part.split()), 110) for part in said.split("\n\n"))
    severities, cures = _findings(rule)
    lines = [
        f"- {word}: {'; '.join(texts)}" for word, texts in (("finding", severities), ("cure", cures)) if texts
    ]
    return "\n".join([f"### {name} {title}", "", body, "", *lines, ""])


def _findings(rule: AnyRule) -> tuple[list[str], list[str]]:
    """Return how grave the findings of *rule* can be, and their hints, as its source has them."""
    source = ast.parse(textwrap.dedent(inspect.getsource(rule)))
    names = {node.id for node in ast.walk(source) if isinstance(node, ast.Name)}
    known = vars(sys.modules[rule.__module__])
    cures: dict[str, None] = {}
    for call in ast.walk(source):
        if isinstance(call, ast.Call) and call.args and _text(call.args[0], known) == code_of(rule):
            given = [word.value for word in call.keywords if word.arg == "hint"] + call.args[_HINT:]
            either = [(part.body, part.orelse) if isinstance(part, ast.IfExp) else (part,) for part in given]
            cures |= dict.fromkeys(text for parts in either for part in parts if (text := _text(part, known)))
    return [severity for severity in Severity if severity in names], list(cures)


def _text(part: ast.expr, known: dict[str, Any]) -> str:
    """Return the text of *part*, where a name is *known*; what is only known later is an ellipsis."""
    match part:
        case ast.Constant(value=str() as text):
            return text
        case ast.Name(id=name):
            return str(known.get(name, ""))
        case ast.FormattedValue(value=value):
            return _text(value, known) or "…"
        case ast.JoinedStr(values=values):
            return "".join(_text(value, known) for value in values)
        case _:
            return ""


def modules_page(architecture: str) -> str:
    """Return `modules.md`: the layers are those of the page *architecture*."""
    parts = [_MODULES_HEAD]
    _, *layers = _LAYER.split(architecture.partition("\n## Promises")[0])
    for title, text in zip(layers[::2], layers[1::2], strict=True):
        rows = [row for room in _ROOM.findall(text) for row in _module_rows(room)]
        parts.append("\n".join([f"## {title}", "", "| module | purpose |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


def _module_rows(room: str) -> Iterator[str]:
    """Yield a row for the module *room* (a file), or for each module of the package of that name."""
    package = ROOT / "src" / "seedless"
    paths = sorted((package / room).rglob("*.py")) if (package / room).is_dir() else [package / room]
    for path in paths:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first = text.partition("\n")[0].replace("|", "\\|")
        yield f"| `{path.relative_to(package)}` | {first} |"


def readme(demo: str, text: str) -> str:
    """Return the README *text* with what the *demo* printed in its block."""
    return _DEMO_BLOCK.sub(lambda _: demo, text)


def python_page() -> str:
    """Return `python.md`."""
    parts = [_PYTHON_HEAD, "## Workspace\n", *_class(Workspace)]
    for name, kind in _members():
        parts += [f"### `Workspace.{name}`\n", f"{_first(kind)}\n", *_methods(kind, name)]
    parts += ["## Preview\n", f"{_paragraphs(Preview)}\n", *_methods(Preview, "preview")]
    parts.append("## Names of `seedless`\n")
    for name in package.__all__:
        value = getattr(package, name)
        if value is not Workspace:
            parts.append(_entry(name, value))
    return "\n".join(parts)


def _members() -> Iterator[tuple[str, type]]:
    """Yield the properties of a workspace that are groups of operations, with the class of each."""
    blank = Workspace()
    for name, value in sorted(vars(Workspace).items()):
        # A group is imported when it is used; other properties read files.
        if isinstance(value, property) and "from seedless.app." in inspect.getsource(value.fget or _members):
            yield name, type(getattr(blank, name))


def _class(kind: type) -> Iterator[str]:
    yield f"{inspect.getdoc(kind)}\n"
    yield _block(f"{kind.__name__}", vars(kind)["__init__"])
    yield f"{_paragraphs(vars(kind)['__init__'])}\n"


def _methods(kind: type, owner: str) -> Iterator[str]:
    for name, function in vars(kind).items():
        if isinstance(function, FunctionType) and not name.startswith("_"):
            yield _block(f"{owner}.{name}", function)
            yield f"{_paragraphs(function)}\n"


def _entry(name: str, value: Any) -> str:  # noqa: ANN401 - a class or a function
    first = _first(value)
    if isinstance(value, FunctionType):
        return f"{_block(name, value)}\n{_paragraphs(value)}\n"
    fields = getattr(value, "__struct_fields__", ())
    members = f" Members: {', '.join(f'`{field}`' for field in fields)}." if fields else ""
    return f"- **`{name}`** (`{value.__module__}`): {first}{members}\n"


def _block(name: str, function: FunctionType) -> str:
    signature = inspect.signature(function)
    parts: list[str] = []
    for one in signature.parameters.values():
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        if one.name != "self":
            star = "*" if one.kind is inspect.Parameter.VAR_POSITIONAL else ""
            parts.append(f"{star}{one.name}: {one.annotation}{_default(one.default)}")
    returned = signature.return_annotation
    arrow = "" if returned in {inspect.Signature.empty, "None"} else f" -> {returned}"
    line = f"{name}({', '.join(parts)}){arrow}"
    if len(line) > _WIDTH:
        line = f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){arrow}"
    return f"```python\n{line}\n```\n"


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return ""
    return f" = {value.__name__ if isinstance(value, FunctionType) else repr(value)}"


def _first(value: object) -> str:
    return " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())


def _paragraphs(value: object) -> str:
    parts = (inspect.getdoc(value) or "").split("\n\n")
    return "\n\n".join(textwrap.fill(" ".join(part.split()), 110) for part in parts)


def pages() -> dict[str, str]:
    """Return each page that follows from the code, by its path in the project."""
    architecture = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    written = {
        "callout.md": callout_page(),
        "claims.md": claims_page(),
        "cli.md": cli_page(),
        "desired-state.schema.json": schema_text(),
        "issuer.md": issuer_page(),
        "modules.md": modules_page(architecture),
        "python.md": python_page(),
        "rules.md": rules_page(),
        "tokens.md": tokens_page(),
    }
    return {f"docs/reference/{name}": text for name, text in written.items()}


def main() -> None:
    """Write the pages; with --demo also the block in the README."""
    for name, text in pages().items():
        (ROOT / name).write_text(text, encoding="utf-8")
    if "--demo" in sys.argv:
        script = ROOT / "docs" / "tutorial" / "demo.py"
        demo = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, encoding="utf-8", check=True)
        page = ROOT / "README.md"
        page.write_text(readme(demo.stdout, page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
