"""Mappings of accounts: subjects that go elsewhere, by weight and by cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from seedless.app import edits
from seedless.app.edits import Edited
from seedless.app.pipeline import Preview
from seedless.claims import Account, WeightedMapping
from seedless.errors import UsageError
from seedless.nkey import PublicKey
from seedless.text import quoted

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Mappings"]

Targets = tuple[WeightedMapping, ...]


class Mappings:
    """Where messages of a subject go in an account.

    Several targets share them by their weights, which make at most 100 percent together; what is left of it
    stays with the source. A cluster has weights of its own.
    """

    def __init__(self, workspace: Workspace) -> None:
        """Take whose they are."""
        self._workspace = workspace

    def add(
        self,
        account: str,
        source: str,
        target: str,
        *,
        weight: int | None = None,
        cluster: str = "",
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with messages of *source* going to *target* too; without *weight* all of them.

        Raise `UsageError` for a target that *source* has already.
        """
        new = WeightedMapping(subject=target, weight=weight or 0, cluster=cluster)

        def change(targets: Targets) -> Targets:
            if any((one.subject, one.cluster) == (target, cluster) for one in targets):
                raise UsageError(
                    f"{quoted(source)} goes to {quoted(target)} already",
                    "seedless account mapping edit changes it",
                )
            return (*targets, new)

        return self._edit(account, source, change, issuer)

    def edit(
        self,
        account: str,
        source: str,
        target: str,
        weight: int,
        *,
        cluster: str = "",
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with another *weight* (percent) of *target*; raise `UsageError` for none."""

        def change(targets: Targets) -> Targets:
            (old,) = _chosen(source, targets, target, cluster)
            new = replace(old, weight=weight)
            return tuple(new if one is old else one for one in targets)

        return self._edit(account, source, change, issuer, must_exist=True)

    def remove(
        self,
        account: str,
        source: str,
        target: str | None = None,
        *,
        cluster: str = "",
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[Account]]:
        """Preview *account* with messages of *source* going nowhere else, or not to *target* any more."""

        def change(targets: Targets) -> Targets:
            if target is None and not cluster:
                return ()
            gone = _chosen(source, targets, target, cluster)
            return tuple(one for one in targets if one not in gone)

        return self._edit(account, source, change, issuer, must_exist=True)

    def _edit(
        self,
        account: str,
        source: str,
        change: Callable[[Targets], Targets],
        issuer: str | PublicKey | None,
        *,
        must_exist: bool = False,
    ) -> Preview[Edited[Account]]:
        """Preview what *change* makes of the targets of *source*; without any it is not mapped."""

        def changed(body: Account) -> Account:
            if source not in body.mappings and must_exist:
                there = ", ".join(body.mappings) or "none yet"
                raise UsageError(
                    f"account {quoted(account)} does not map {quoted(source)}", f"it maps: {there}"
                )
            targets = change(body.mappings.get(source, ()))
            mappings = {one: to for one, to in body.mappings.items() if one != source or targets}
            return replace(body, mappings=mappings | ({source: targets} if targets else {}))

        return edits.edit_account(self._workspace, account, changed, f"mapping of {source}", issuer)


def _chosen(source: str, targets: Targets, target: str | None, cluster: str) -> Targets:
    """Return those of *targets* that are meant, one or all of a cluster; raise `UsageError` for none."""
    found = tuple(one for one in targets if target in {None, one.subject} and cluster == one.cluster)
    if found:
        return found
    there = ", ".join(f"{one.subject}{f' in {one.cluster}' if one.cluster else ''}" for one in targets)
    where = f" in cluster {quoted(cluster)}" if cluster else ""
    goes = "goes nowhere" if target is None else f"does not go to {quoted(target)}"
    raise UsageError(f"{quoted(source)} {goes}{where}", f"it goes to: {there}")
