"""The desired state: a file describes operator, accounts and users, and what differs from it is signed."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedless.app.operators import in_new_store
from seedless.app.pipeline import Notice, Preview, nothing_to_do, preview
from seedless.desired.current_state import CurrentState, current_state
from seedless.desired.export import export_state, has_header, to_toml
from seedless.desired.planner import PlannedChanges, plan_desired
from seedless.desired.read import Desired, read
from seedless.errors import StoreError, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Signed
from seedless.store import atomic, open_store, operators
from seedless.store.files import Address
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Applied", "DesiredState", "read_file", "with_store_of"]

W = TypeVar("W", bound="Workspace")

SCHEMA_NAME = "desired-state.schema.json"
_USER = 2
"""Parts of the address of a user."""


class Applied(msgspec.Struct, frozen=True):
    """What an applied desired state changed: the signed jwts, and the addresses that were removed."""

    jwts: tuple[Jwt[Any], ...] = ()
    removed: tuple[Address, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether anything was signed or removed."""
        return bool(self.jwts or self.removed)


class DesiredState:
    """The store as a file describes it; `Workspace.desired`."""

    def __init__(self, workspace: Workspace) -> None:
        """Work on the store of *workspace*."""
        self._workspace = workspace

    def preview(
        self, desired: Desired | str | Path, *, prune: bool = False, removes_files: bool = True
    ) -> Preview[Applied]:
        """Return what is signed and removed, so that the store is as *desired*, or as its file, TOML or JSON.

        Accounts and users that it does not name stay; with *prune* they are removed where it names others of
        their kind. The creds of removed users go too, unless *removes_files* is false: a plan in a file
        removes none. Raise `UsageError` for a file that is not one, or is about another operator.
        """
        workspace = self._workspace
        desired = desired if isinstance(desired, Desired) else read_file(desired)
        workspace = with_store_of(workspace, desired)
        current = current_state(
            workspace.store if workspace.store.get() is not None else None,
            workspace.inventory(),
            desired,
            prune=prune,
            elsewhere=lambda key: _is_elsewhere(workspace, key),
        )
        planned = plan_desired(
            desired,
            current,
            now=workspace.now,
            seed=lambda: SoftwareKey.generate(Role.USER),
            prune=prune,
        )
        if planned.is_empty:
            return nothing_to_do(workspace, Applied())
        paths = _files_of(workspace, planned) if removes_files else []

        def finish(jwts: tuple[Jwt[Any], ...]) -> Applied:
            self._workspace.store = workspace.store
            return Applied(jwts, tuple(planned.removed))

        return preview(
            workspace,
            planned.intent,
            finish,
            seeds=planned.seeds,
            files=_removal(planned, paths),
            removed_files=paths,
            notices=tuple(_left_importing(planned, current)),
        )

    def export(self) -> dict[str, object]:
        """Return the store as a desired state, as `json` and TOML write it; applying it changes nothing."""
        workspace = self._workspace
        accounts = {jwt.claims.name.strip(): jwt for jwt in workspace.all_accounts()}
        users = {
            (account, name): workspace.user(account, name)
            for account in accounts
            for name in workspace.store.children(account)
        }
        return export_state(workspace.operator(), accounts, users)

    def text(self, kind: str) -> str:
        """Return the store as the text of a desired-state file: *kind* is `toml` or `json`."""
        members = self.export()
        if kind == "json":
            return json.dumps(members, indent=2, ensure_ascii=False) + "\n"
        return f"#:schema {SCHEMA_NAME}\n{to_toml(members, has_header)}"


def read_file(path: str | Path) -> Desired:
    """Read the desired state in *path*, TOML or JSON; raise `UsageError`, `StoreError`."""
    path = Path(path)
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name a desired-state file, TOML or JSON")
    return read(data, shown(path.name))


def with_store_of(workspace: W, desired: Desired) -> W:
    """Return *workspace* with the store of the operator that *desired* names; a new one where none is."""
    name, asked = desired.operator.get("name"), workspace.settings.operator
    if name and asked and name != asked:
        raise UsageError(
            f"{desired.file} is about operator {shown(name)}, and {shown(asked)} is asked for",
            "leave out --operator, or name that one",
        )
    if name is None or ("store" in vars(workspace) and workspace.store.operator == name):
        return workspace
    if name not in operators(workspace.root):
        return in_new_store(workspace, name)
    found = copy.copy(workspace)
    # A store that was opened before is of another operator, which would get what this file describes.
    vars(found).pop("store", None)
    found.settings = msgspec.structs.replace(workspace.settings, operator=name)
    return found


def _is_elsewhere(workspace: Workspace, key: PublicKey) -> bool:
    others = (name for name in operators(workspace.root) if name != workspace.store.operator)
    return any(open_store(workspace.root, name).find(key) for name in others)


def _left_importing(planned: PlannedChanges, current: CurrentState) -> Iterator[Notice]:
    """Yield accounts that stay and import from one that is removed: servers drop these imports."""
    removed = {
        current.accounts[item[0]].claims.sub: item[0] for item in planned.removed if len(item) != _USER
    }
    if not removed:
        return
    after = {name: jwt.claims for name, jwt in current.accounts.items() if jwt.claims.sub not in removed}
    changes = planned.intent.rehearsed().changes
    after |= {
        change.address[0]: change.draft.claims
        for change in changes
        if change.address and len(change.address) != _USER
    }
    for name, claims in after.items():
        left = {removed[item.account]: None for item in claims.body.imports if item.account in removed}
        if left:
            text = f"{shown(name)} imports from {', '.join(map(shown, left))}, removed by this"
            yield Notice(text, is_warning=True)


def _files_of(workspace: Workspace, planned: PlannedChanges) -> list[Path]:
    """Return the creds and key files of removed users that exist."""
    paths: list[Path] = []
    for address in (item for item in planned.removed if len(item) == _USER):
        paths.append(workspace.store.creds_path(*address))
        with contextlib.suppress(StoreError):  # a damaged jwt names no key
            jwt = workspace.store.get(*address)
            paths += [workspace.store.seed_path(PublicKey.parse(jwt.claims.sub))] if jwt else []
    return [path for path in paths if path.exists()]


def _removal(planned: PlannedChanges, paths: Sequence[Path]) -> Any:  # noqa: ANN401 - a function
    """Return what removes *paths*, together with the last of what is signed."""
    creds: dict[Path, str | None] = dict.fromkeys(paths)

    def files(signed: Sequence[Signed]) -> Mapping[Path, str | None]:
        last = planned.intent.rehearsed().changes[-1:] if creds else ()
        is_last = not last or (signed and signed[-1][0].address == last[0].address)
        return creds if is_last else {}

    return files
