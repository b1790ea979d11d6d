"""Read a desired-state file, TOML or JSON, strictly: all that is wrong is told, each with its place.

Refused: members that nobody knows (with the one that was meant), values that are not of their unit, names
that cannot be names, accounts that stand twice, templates and variables that there are not.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedless import wire
from seedless.desired.format import Anything, Entries, Many, Named, Part, account_kind, file_kind
from seedless.desired.templates import expand
from seedless.desired.values import Lasting, Value, Wrong, found
from seedless.errors import SeedlessError, UsageError
from seedless.store.names import require_storable
from seedless.text import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.desired.format import Kind

_SHOWN = 5
_HINT = "docs/howto/desired-state.md shows what a file may say"


@dataclass(frozen=True, slots=True)
class Desired:
    """What a file says, its values read: each account by its name, those of templates among them.

    `operator` and `accounts` hold only what the file says. `where` is the place of each account in the file.
    `lists_accounts`: the file has accounts or tenants, so that pruning removes others.
    """

    file: str
    operator: Mapping[str, Any] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    lists_accounts: bool = False


def read(data: bytes, file: str) -> Desired:
    """Return what the TOML or JSON in *data* says; raise `UsageError` with all that is wrong.

    *file* is what errors call it.
    """
    reading = _Reading()
    desired = reading.desired(_parsed(data, file), file)
    if reading.wrong:
        more = f"; and {len(reading.wrong) - _SHOWN} more" if reading.wrong[_SHOWN:] else ""
        raise UsageError(f"{file}: {printable('; '.join(reading.wrong[:_SHOWN]))}{more}", _HINT)
    return desired


def _parsed(data: bytes, file: str) -> Any:  # noqa: ANN401 - what a file holds
    try:
        if data.lstrip()[:1] == b"{":
            return wire.parse(data)
        return tomllib.loads(data.decode("utf-8"))
    except SeedlessError as error:
        raise UsageError(f"{file}: {error.message}", error.hint) from error
    except (ValueError, RecursionError) as error:
        reason = str(error)
        raise UsageError(
            f"{file}: {reason[:1].lower()}{reason[1:]}", "a desired-state file is TOML or JSON, in UTF-8"
        ) from error


class _Reading:
    """One walk over the values, which gathers what is wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.accounts: dict[str, Mapping[str, Any]] = {}
        self.where: dict[str, str] = {}
        self.whose = ""  # the tenant that a template is expanded for

    def desired(self, data: Any, file: str) -> Desired:  # noqa: ANN401 - what a file holds
        values = self.take(data, file_kind(), "")
        self.accounts |= values.get("accounts", {})
        self.where |= {name: wire.join("accounts", name) for name in self.accounts}
        for index, tenant in enumerate(values.get("tenants", ())):
            self._tenants(values.get("templates", {}), tenant, wire.at("tenants", index))
        if "name" in values.get("operator", {}):
            self._named(values["operator"]["name"], "operator.name")
        for name, account in self.accounts.items():
            self._named(name, self.where[name])
            for user in account.get("users", {}):
                self._named(user, f"{self.where[name]}.users")
        lists_accounts = "accounts" in values or "tenants" in values
        return Desired(file, values.get("operator", {}), self.accounts, self.where, lists_accounts)

    def take(self, value: Any, kind: Kind, path: str) -> Any:  # noqa: ANN401 - what a file holds
        """Return *value* as *kind* reads it; of a table only the members that are right."""
        match kind:
            case Value():
                return self._value(value, kind, path)
            case Part():
                return self._part(value, kind, path)
            case Named():
                members = self._table(value, path)
                return {n: self.take(v, kind.item, wire.join(path, n)) for n, v in members.items()}
            case Many() | Entries():
                if not isinstance(value, list):
                    self._not(path, f"expected a list, found {found(value)}")
                    return []
                return [self.take(v, kind.item, wire.at(path, n)) for n, v in enumerate(value)]
            case Anything():
                return value

    def _value(self, value: Any, kind: Value, path: str) -> Any:  # noqa: ANN401 - what a file holds
        try:
            return kind.read(value)
        except Wrong as error:
            self._not(path, str(error))
        return None

    def _part(self, value: Any, kind: Part, path: str) -> dict[str, Any] | bool:  # noqa: ANN401 - likewise
        if kind.optional and value is False:
            return False
        members = self._table(value, path)
        for name in kind.required:
            if name not in members:
                self._not(wire.join(path, name), "is missing")
        taken = {}
        for name, item in members.items():
            place = wire.join(path, name)
            if name in kind.members:
                taken[name] = self.take(item, kind.members[name], place)
            else:
                self._not(place, f"nothing is known by this name{_meant(name, kind.members)}")
        if "renew" in taken and not isinstance(taken.get("exp"), Lasting):
            self._not(wire.join(path, "renew"), 'goes with a validity, as in exp = "30d"')
        return taken

    def _table(self, value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401 - likewise
        if isinstance(value, dict):
            return value
        self._not(path, f"expected a table, found {found(value)}")
        return {}

    def _not(self, path: str, sentence: str) -> None:
        self.wrong.append(f"{path or 'the file'}{self.whose}: {sentence}")

    def _named(self, name: Any, path: str) -> None:  # noqa: ANN401 - likewise
        if not isinstance(name, str):  # which has been told
            return
        try:
            require_storable(name)
        except UsageError as error:
            self._not(path, error.message)

    def _tenants(self, templates: Mapping[str, Any], tenant: Mapping[str, Any], path: str) -> None:
        if ("name" in tenant) == ("names" in tenant):
            self._not(path, "expected name or names, one of them")
        wanted = tenant.get("template")
        if not isinstance(wanted, str):  # which has been told
            return
        if wanted not in templates:
            self._not(f"{path}.template", f"there is no template {quoted(wanted)}{_meant(wanted, templates)}")
            return
        for name in (*tenant.get("names", ()), tenant.get("name")):
            if isinstance(name, str) and name in self.accounts:
                self._not(path, f"account {quoted(name)} stands twice, in {self.where[name]} too")
            elif isinstance(name, str):
                place = wire.join("templates", wanted)
                self._tenant(name, templates[wanted], tenant.get("vars", {}), place)

    def _tenant(self, name: str, template: Any, variables: Mapping[str, Any], path: str) -> None:  # noqa: ANN401 - likewise
        self.whose = f" (for {name})"
        self.where[name] = path + self.whose
        try:
            table = expand(template, {**variables, "tenant": name}, path)
            self.accounts[name] = self.take(table, account_kind(), path)
        except Wrong as error:
            self._not(error.path, str(error))
        self.whose = ""


def _meant(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f", did you mean {near[0]}?"
    return f": there are {', '.join(known)}" if len(known) <= _SHOWN else ""
