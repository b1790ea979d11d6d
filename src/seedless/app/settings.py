"""What a workspace is given: where its store is, which token has its keys, what judges them.

It imports nothing but msgspec, since every command loads it, `--help` too.
"""

from __future__ import annotations

import msgspec

__all__ = ["WorkspaceSettings"]


class WorkspaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a `Workspace`, and the options that many commands share; None where nothing is given.

    `allow` are codes of findings that are waived, `allow_extractable` keys (key text) that may sign although
    they can leave their token, `reset_time` subjects (key text) whose jwts a fast clock has dated, `jobs` how
    many processes sign.
    """

    context: str | None = None
    store: str | None = None
    operator: str | None = None
    module: str | None = None
    token: str | None = None
    pin_source: str | None = None
    last_try: bool = False
    policy: str | None = None
    allow: tuple[str, ...] = ()
    allow_extractable: tuple[str, ...] = ()
    reset_time: tuple[str, ...] = ()
    jobs: int | None = None
