"""What of ceremonies lies on this machine: the ledger, their folders, and which have begun or ended here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seedless.ceremony.offline import unfinished, unknown_results
from seedless.ledger import LEDGER_NAME, Ledger

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["begun_here", "folder_of", "ledger_path", "unknown_results_here"]


def ledger_path(workspace: Workspace) -> Path:
    """Return where the ledger of this machine lies."""
    return workspace.root / LEDGER_NAME


def folder_of(workspace: Workspace, digest: str) -> Path:
    """Return where the files of the ceremony of the request with *digest* lie, or would."""
    return workspace.root / "ceremonies" / digest


def begun_here(workspace: Workspace, known: Ledger, operator: str) -> tuple[str, ...]:
    """Return the requests of *operator* whose transcripts here have begun, and not ended.

    Their digests; the ledger as it is *known* may have lost them, and names those given up.
    """
    book = known.books.get(operator)
    return unfinished(workspace.root / "ceremonies", operator, book.requests if book else ())


def unknown_results_here(workspace: Workspace, known: Ledger, operator: str) -> dict[str, str]:
    """Return the ceremonies of *operator* that have a result here, and that the ledger *known* has not."""
    book = known.books.get(operator)
    return unknown_results(workspace.root / "ceremonies", operator, book.requests if book else ())
