"""Accounts on their way to servers and back: full resolvers, their folders, configurations."""

from __future__ import annotations

from seedless.resolver.cluster import Cluster, Login, Place, listed, open_cluster
from seedless.resolver.delete import (
    Deleted,
    Strays,
    Victim,
    named,
    order,
    order_issuer,
    require_store,
    strays,
)
from seedless.resolver.preflight import There, preflight, preflight_delete, preflight_rules
from seedless.resolver.protocol import ASKED, DELETE, INBOX, UPDATE, Answer, Server, Standing
from seedless.resolver.pull import Fate, Pulled, judge_pulled
from seedless.resolver.push import Compared, Sent, State, compare, held_jwts, send
from seedless.resolver.targets import Folder, Preload, Said, Target

__all__ = [
    "ASKED",
    "DELETE",
    "INBOX",
    "UPDATE",
    "Answer",
    "Cluster",
    "Compared",
    "Deleted",
    "Fate",
    "Folder",
    "Login",
    "Place",
    "Preload",
    "Pulled",
    "Said",
    "Sent",
    "Server",
    "Standing",
    "State",
    "Strays",
    "Target",
    "There",
    "Victim",
    "compare",
    "held_jwts",
    "judge_pulled",
    "listed",
    "named",
    "open_cluster",
    "order",
    "order_issuer",
    "preflight",
    "preflight_delete",
    "preflight_rules",
    "require_store",
    "send",
    "strays",
]
