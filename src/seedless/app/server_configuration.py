"""Configuration for nats-server that trusts the operator of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from seedless import server_config
from seedless.errors import StoreError
from seedless.store import open_store
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.app.workspace import Workspace
    from seedless.jwt import Jwt

__all__ = ["server_configuration"]

ResolverKind = Literal["memory", "full", "cache"]


def server_configuration(
    workspace: Workspace,
    resolver: ResolverKind,
    *,
    system_account: str | None = None,
    spares: Iterable[str] = (),
    folder: str = "./jwt",
    allow_delete: bool = False,
    interval: str = "2m",
) -> str:
    """Return the configuration of servers with this *resolver*, see `server_config`.

    *system_account* is a name (default: the operator's), *spares* are names of operators of the same folder
    that the servers trust too. A full resolver has *folder*, *allow_delete* and *interval* (as Go writes it),
    one that caches has a *folder*. Raise `StoreError` for a spare that the folder does not have.
    """
    operator, accounts = workspace.operator(), workspace.all_accounts()
    named = workspace.account(system_account).claims.sub if system_account else None
    system = named or operator.claims.body.system_account or None
    others = [_operator(workspace, name) for name in spares]
    if resolver == "memory":
        return server_config.memory(operator, accounts, system, spares=others)
    preload = [account for account in accounts if account.claims.sub == system]
    if resolver == "cache":
        return server_config.cache(operator, preload, system_account=system, folder=folder, spares=others)
    return server_config.full(
        operator,
        preload,
        system_account=system,
        folder=folder,
        allow_delete=allow_delete,
        interval=interval,
        spares=others,
    )


def _operator(workspace: Workspace, name: str) -> Jwt[Any]:
    found = open_store(workspace.root, name).get()
    if found is None:
        raise StoreError(
            f"the store of {shown(name)} has no operator jwt", "seedless operator add creates one"
        )
    return found
