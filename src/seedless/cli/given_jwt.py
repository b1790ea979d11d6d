"""Jwts that others made, taken into the store as they are: read, judged, recorded by the one pipeline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from seedless.change import Statement, StoreWrite
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.show import ENOUGH, jwt_in, read_jwt
from seedless.errors import BadJwt, SeedlessError, UsageError
from seedless.findings import Report
from seedless.jwt import read
from seedless.rules import judge_statement
from seedless.signing_pipeline import Intent, Plan
from seedless.store.names import require_storable
from seedless.text import shown
from seedless.waivers import waive

_URL = re.compile(r"https?://", re.IGNORECASE)
_HERE = ("localhost", "127.0.0.1", "::1")
_PATIENCE = 10
"""Seconds for a server that says nothing."""

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.claims import Account, Operator
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt


def read_given(file: str, body: type[Operator | Account]) -> Jwt[Any]:
    """Return the jwt in *file*; raise `UsageError` or `BadJwt` for one that cannot be taken in."""
    jwt: Jwt[Any] = _fetched(file) if _URL.match(file) else read_jwt(file)
    where = "stdin" if file == "-" else shown(file)
    if not isinstance(jwt.claims.body, body):
        raise UsageError(
            f"{where}: this is a jwt of kind {jwt.claims.body.kind}, and not of an {body.kind}",
            "seedless user import takes users, seedless sign jwts of every kind",
        )
    if jwt.claims.version != 2:  # noqa: PLR2004 - the version of jwts today
        raise BadJwt(f"{where}: this is a jwt of version 1", "have it signed again by a newer tool")
    if jwt.unknown:
        paths = ", ".join(member.path for member in jwt.unknown)
        raise BadJwt(f"{where}: there are members that would be lost: {paths}", path=jwt.unknown[0].path)
    require_storable(jwt.claims.name.strip())
    return jwt


def _fetched(url: str) -> Jwt[Any]:
    """Return the jwt at *url*; raise `UsageError` where nothing can be had from there.

    What comes over plain http may be anybody's operator: only this machine is asked in that way.
    """
    import urllib.request  # slow to load, and few jwts come from there
    from urllib.parse import urlsplit

    if url.startswith("http:") and urlsplit(url).hostname not in _HERE:
        raise UsageError(
            f"{shown(url)} is not encrypted, and could be anybody's answer", "give an https: URL"
        )
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 - http and https alone
            data = answer.read(ENOUGH + 1)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read {shown(url)}: {error}", "fetch it with a browser, and give the file"
        ) from error
    try:
        return read(jwt_in(data.decode()))
    except (SeedlessError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, SeedlessError) else "it is not text"
        raise BadJwt(f"{shown(url)}: {reason}", "is it the URL of a jwt?") from error


def place(
    workspace: CommandWorkspace,
    address: tuple[str, ...],
    jwt: Jwt[Any],
    before: Jwt[Any] | None,
    around: tuple[Jwt[Any], ...],
) -> None:
    """Walk the placement of *jwt*: it is judged as what is signed here is, and not signed."""
    describe.say_unusual([(f"{jwt.claims.body.kind} {jwt.claims.name}", jwt)])
    plan = Plan((), workspace.now, around, (StoreWrite(address, jwt, before, "imported"),))

    def judge(within: Workspace, plan: Plan) -> Report:
        found = judge_statement(Statement.of(jwt), plan.context)
        return waive(Report.of(found), within.settings.allow)

    sign(workspace, Intent(lambda _: plan), judge=judge)
