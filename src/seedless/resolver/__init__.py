"""Accounts on their way to servers and back: full resolvers, their folders, configurations."""

from __future__ import annotations

from seedless.resolver.cluster import Cluster, ServerAddress, ServerLogin, listed, open_cluster
from seedless.resolver.delete import (
    DeletedAccount,
    OrphanedAccount,
    OrphanedAccounts,
    delete_request,
    delete_request_issuer,
    named,
    orphaned_accounts,
    require_store,
)
from seedless.resolver.preflight import ServerContext, preflight, preflight_delete, preflight_rules
from seedless.resolver.protocol import ASKED, DELETE, INBOX, UPDATE, AccountServer, ServerAnswer, ServerReport
from seedless.resolver.push import (
    ComparedAccount,
    PulledAccount,
    PullStatus,
    PushStatus,
    SentAccount,
    compare,
    held_jwts,
    judge_pulled,
    send,
)
from seedless.resolver.targets import FolderTarget, MemoryTarget, Target, TargetAnswer

__all__ = [
    "ASKED",
    "DELETE",
    "INBOX",
    "UPDATE",
    "AccountServer",
    "Cluster",
    "ComparedAccount",
    "DeletedAccount",
    "FolderTarget",
    "MemoryTarget",
    "OrphanedAccount",
    "OrphanedAccounts",
    "PullStatus",
    "PulledAccount",
    "PushStatus",
    "SentAccount",
    "ServerAddress",
    "ServerAnswer",
    "ServerContext",
    "ServerLogin",
    "ServerReport",
    "Target",
    "TargetAnswer",
    "compare",
    "delete_request",
    "delete_request_issuer",
    "held_jwts",
    "judge_pulled",
    "listed",
    "named",
    "open_cluster",
    "orphaned_accounts",
    "preflight",
    "preflight_delete",
    "preflight_rules",
    "require_store",
    "send",
]
