"""Break each rule, and each number in the rules, and see that a test fails each time.

    python tests/mutate_rules.py [CODE ...]

A rule is broken by letting it return nothing; a number of a rule for claims by one more and by one less.
The tests in `tests/unit/rules`, and those of rules for configurations, are collected once and run again and
again in this process, those first whose name or parameters have the code of the broken rule. Exit 1 when a
mutant survives.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import inspect
import io
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.runner import runtestprotocol

from seedless import nats_config, rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

UNIT = Path(__file__).parent / "unit"
TESTS = (UNIT / "rules", UNIT / "test_lint.py", UNIT / "test_waivers.py")
_OF_CONFIGURATIONS = ("lint", "logins", "trust", "words")
_RULE = re.compile(r"([cgst]\d{3})_")
_FUTURE = ast.parse("from __future__ import annotations").body


@dataclass(frozen=True, slots=True)
class Mutant:
    """A statement of a module, broken: a function, or an assignment to constants."""

    module: ModuleType
    statement: ast.FunctionDef | ast.Assign
    what: str

    @property
    def rule(self) -> str:
        """The code of the rule that is broken, or nothing where several share what is broken."""
        match = _RULE.match(self.name)
        return match[1] if match else ""

    @property
    def name(self) -> str:
        """The function, or what is assigned to."""
        return self.statement.name if isinstance(self.statement, ast.FunctionDef) else "constant"

    def __str__(self) -> str:
        place = f"{self.module.__name__}:{self.statement.lineno}"
        return f"{place} {ast.unparse(self.statement).splitlines()[0]}: {self.what}"

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Break the module; a function gets other code, since tables hold the function itself."""
        tree = ast.fix_missing_locations(ast.Module([*_FUTURE, self.statement], type_ignores=[]))
        names = dict(vars(self.module))
        exec(compile(tree, str(self.module.__file__), "exec"), names)  # noqa: S102 - our own rules, broken
        if isinstance(self.statement, ast.FunctionDef):
            function = vars(self.module)[self.name]
            whole = function.__code__
            function.__code__ = names[self.name].__code__
            try:
                yield
            finally:
                function.__code__ = whole
            return
        before = dict(vars(self.module))
        vars(self.module).update(names)
        try:
            yield
        finally:
            vars(self.module).update(before)


def modules() -> Iterator[ModuleType]:
    """Yield the modules with rules: all of those for claims, and some of those for configurations."""
    yield rules
    for path in sorted(Path(inspect.getfile(rules)).parent.glob("*.py")):
        if path.stem != "__init__":
            yield importlib.import_module(f"{rules.__name__}.{path.stem}")
    for name in _OF_CONFIGURATIONS:
        yield importlib.import_module(f"{nats_config.__name__}.{name}")


def mutants() -> Iterator[Mutant]:
    """Yield everything that can be broken, module by module."""
    for module in modules():
        path = Path(inspect.getfile(module))
        for statement in ast.parse(path.read_text("utf-8")).body:
            if isinstance(statement, ast.FunctionDef) and _RULE.match(statement.name):
                yield Mutant(module, _silent(module, statement), "returns nothing")
            is_for_claims = module.__name__.startswith(rules.__name__)  # elsewhere numbers are indices
            if is_for_claims and isinstance(statement, ast.FunctionDef | ast.Assign):
                yield from _shifted(module, statement)


def _silent(module: ModuleType, function: ast.FunctionDef) -> ast.FunctionDef:
    # A generator stays one: Python 3.13 and later object to a function that gets code of another kind.
    is_generator = inspect.isgeneratorfunction(vars(module)[function.name])
    silent = copy.copy(function)
    silent.body = ast.parse("if False:\n    yield" if is_generator else "return iter(())").body
    return silent


def _shifted(module: ModuleType, statement: ast.FunctionDef | ast.Assign) -> Iterator[Mutant]:
    places = [place for place, node in enumerate(ast.walk(statement)) if _is_number(node)]
    for place in places:
        for step in (1, -1):
            broken = copy.deepcopy(statement)
            node = list(ast.walk(broken))[place]
            assert isinstance(node, ast.Constant)
            assert isinstance(node.value, int)
            what = f"{node.value} becomes {node.value + step} in line {node.lineno}"
            node.value += step
            yield Mutant(module, broken, what)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


class Loop:
    """A pytest plugin that runs the collected tests once whole, and then once for each mutant."""

    def __init__(self, codes: frozenset[str]) -> None:
        self.codes = codes
        self.lines: list[str] = []
        self.count = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        failed = next((item for item in session.items if fails(item)), None)
        if failed is not None:
            self.lines.append(f"{failed.nodeid} fails before anything is broken")
            return True
        for mutant in mutants():
            if self.codes and mutant.rule.upper() not in self.codes:
                continue
            self.count += 1
            with mutant.applied():
                ordered = sorted(session.items, key=lambda item: not concerns(item, mutant.rule))
                if not any(fails(item) for item in ordered):
                    self.lines.append(f"survives: {mutant}")
        return True


def concerns(item: pytest.Item, rule: str) -> bool:
    """Tell whether the name or the parameters of a test have the code *rule*."""
    call = getattr(item, "callspec", None)
    return rule in item.name.lower() or (call is not None and rule.upper() in str(call.params))


def fails(item: pytest.Item) -> bool:
    """Run one test, and tell whether it failed; fixtures of the session stay for the next."""
    reports = runtestprotocol(item, log=False, nextitem=item.session)  # type: ignore[arg-type]  # any node will do
    return any(report.failed for report in reports)


def main() -> int:
    """Print what survived, and return the exit code."""
    start = time.monotonic()
    loop = Loop(frozenset(code.upper() for code in sys.argv[1:]))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main([*map(str, TESTS), "-q", "-p", "no:cacheprovider", "--tb=no"], plugins=[loop])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} or not loop.count:
        sys.stderr.write(said.getvalue())
        loop.lines.append("the tests could not be run, or nothing was broken")
    for line in [
        *loop.lines,
        f"{loop.count} mutants, {len(loop.lines)} survived, {time.monotonic() - start:.0f} s",
    ]:
        print(line)  # noqa: T201 - a script, which prints
    return 1 if loop.lines else 0


if __name__ == "__main__":
    sys.exit(main())
