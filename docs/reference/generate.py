"""Write the pages that follow from the code: `make docs` runs this, and tests compare.

- `cli.md` from the --help of every command
- `rules.md` from the docstrings of the rules
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
from typing import TYPE_CHECKING

import click

from seedless.cli.main import seedless
from seedless.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.rules import Rule

ROOT = Path(__file__).parents[2]
_WIDTH = 100
_GENERATED = "<!-- written by docs/reference/generate.py: make docs -->"
_CLI_HEAD = f"""\
# Commands

{_GENERATED}

stdout is data, stderr is talk. Exit codes: 0 ok, 1 failed, 2 usage, 3 findings or a bad signature,
4 token or PIN, 130 interrupted. What `--json` prints is in [json.md](json.md).
"""
_RULES_HEAD = f"""\
# Rules

{_GENERATED}

Every change is put before every rule before a token is opened. A finding is an *error*, and nothing is
signed, or a *warning*, which is shown. Under each rule: what it wants and why, how grave a finding is, and
the cures that its findings name.
"""
_FAMILIES = {
    "G": ("Guards", "Time, size, and what must never be signed."),
    "T": ("Trust", "Who may sign for whom."),
    "C": ("Claims", "What claims by themselves must hold."),
    "P": ("Policy", "What the pinned policy asks for."),
}
_DEMO_BLOCK = re.compile(r"(?<=^```text\n)Keys on a token.*?(?=^```$)", re.MULTILINE | re.DOTALL)


def cli_page() -> str:
    """Return `cli.md`."""
    parts = [_CLI_HEAD]
    for path, command in commands(("seedless",), seedless):
        context = click.Context(
            command, info_name=" ".join(path), terminal_width=_WIDTH, max_content_width=_WIDTH,
            help_option_names=["-h", "--help"],
        )  # fmt: skip
        parts.append(f"## {' '.join(path)}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


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


def rules_page() -> str:
    """Return `rules.md`."""
    parts = [_RULES_HEAD]
    codes = {code(rule): rule for rule in RULES}
    for letter, (title, text) in _FAMILIES.items():
        family = {name: rule for name, rule in codes.items() if name.startswith(letter)}
        if family:
            parts.append(f"## {title} ({letter}nnn)\n\n{text}\n")
        parts += [_rule_section(name, rule) for name, rule in sorted(family.items())]
    return "\n".join(parts)


def code(rule: Rule) -> str:
    """Return the code of *rule*, as its findings bear it."""
    return rule.__name__.partition("_")[0].upper()


def _rule_section(name: str, rule: Rule) -> str:
    title = rule.__name__.partition("_")[2].replace("_", " ")
    said = inspect.cleandoc(rule.__doc__ or "")
    body = "\n\n".join(textwrap.fill(" ".join(part.split()), 110) for part in said.split("\n\n"))
    severities, cures = _findings(rule)
    lines = [
        f"- {word}: {'; '.join(texts)}" for word, texts in (("finding", severities), ("cure", cures)) if texts
    ]
    return "\n".join([f"### {name} {title}", "", body, "", *lines, ""])


def _findings(rule: Rule) -> tuple[list[str], list[str]]:
    """Return how grave the findings of *rule* can be, and their hints, as its source has them."""
    severities: dict[str, None] = {}
    cures: dict[str, None] = {}
    for call in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(rule)))):
        grave = [_severity(part) for part in call.args] if isinstance(call, ast.Call) else []
        if isinstance(call, ast.Call) and any(grave):
            severities |= dict.fromkeys(filter(None, grave))
            last = next((word.value for word in call.keywords if word.arg == "hint"), call.args[-1])
            cures |= dict.fromkeys(filter(None, [_text(last)]))
    return list(severities), list(cures)


def _severity(part: ast.expr) -> str:
    named = (
        isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "Severity"
    )
    return part.attr.lower() if named and isinstance(part, ast.Attribute) else ""


def _text(part: ast.expr) -> str:
    match part:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value) if isinstance(value, ast.Constant) else "…" for value in values)
        case _:
            return ""


def readme(demo: str, text: str) -> str:
    """Return the README *text* with what the *demo* printed in its block."""
    return _DEMO_BLOCK.sub(lambda _: demo, text)


def main() -> None:
    """Write the pages; with --demo also the block in the README."""
    reference = ROOT / "docs" / "reference"
    (reference / "cli.md").write_text(cli_page(), encoding="utf-8")
    (reference / "rules.md").write_text(rules_page(), encoding="utf-8")
    if "--demo" in sys.argv:
        script = ROOT / "docs" / "tutorial" / "demo.py"
        demo = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, encoding="utf-8", check=True)
        page = ROOT / "README.md"
        page.write_text(readme(demo.stdout, page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
