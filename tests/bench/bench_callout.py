"""Logins by a callout whose backend costs nothing, beside user jwts; what of it is the service's own time.

Whoever answers, the server itself takes more for a login by callout: any service here, also `callout.go`,
was measured at 0.60 of plain logins, and at 0.49 with encryption. So those are the limits, not 1.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _logins import Office

_LOGINS = 800
# SEEDLESS_BENCH_LOGINS=100000 takes some minutes.
_MANY, _FEW = int(os.environ.get("SEEDLESS_BENCH_LOGINS", "20000")), 1_000
_WAITING = 16
_BACKEND = """
import asyncio
from seedless.serve.login import Identity

async def at_once(login):
    return Identity(backend="", name=login.user)

async def waiting(login):
    await asyncio.sleep(0.05)
    return Identity(backend="", name=login.user)
"""


def user(number: int, _: str) -> dict[str, str]:
    """Return what a login presents."""
    return {"user": f"u{number % 16}", "pass": "x"}


@functools.cache
def office(function: str, *, is_sealed: bool = False) -> Office:
    """Return a server and a callout that decides with *function* of the module above."""
    from _logins import Office

    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    (folder / "measured_backend.py").write_text(_BACKEND)
    folder.chmod(0o700)
    started = Office(
        f'kind = "python"\nfunction = "measured_backend:{function}"\npath = "{folder}"', is_sealed=is_sealed
    )
    started.log_in(16, user)
    return started


def rows() -> Iterator[dict[str, object]]:
    """Yield the rows; a server and its service are started when they are first measured."""
    sys.path.append(str(Path(__file__).parents[1] / "promises"))  # raw_nats, which _logins needs
    for words, is_sealed, least in (("", False, 0.45), (", encrypted", True, 0.38)):

        def place(is_sealed: bool = is_sealed) -> Office:  # noqa: FBT001 - of this row
            return office("at_once", is_sealed=is_sealed)

        yield {
            "name": f"callout logins{words}, a backend that costs nothing, beside user jwts",
            "ours": lambda place=place: place().log_in(_LOGINS, user),
            "beside": lambda place=place: place().log_in(_LOGINS, place().plain),
            "least": least,
            "items": _LOGINS,
            "rounds": 7,
        }
    yield {
        "name": "callout login, processor time of the service, beside its reading and signing",
        "ours": _service_time,
        "beside": _least_time,
        "most": 2.0,
        "items": _LOGINS,
        "rounds": 5,
    }
    yield {
        "name": "callout, a backend that waits 50 ms, 16 logins at once beside one after the other",
        "ours": lambda: office("waiting").log_in(_WAITING, user),
        "beside": lambda: sum(office("waiting").log_in(1, user) for _ in range(_WAITING)),
        "least": 8.0,
        "items": _WAITING,
        "rounds": 3,
    }
    yield {
        "name": f"callout, memory after {_MANY} logins more, beside that after {_FEW}",
        "ours": lambda: _memories()[1],
        "beside": lambda: _memories()[0],
        "most": 1.1,
        "rounds": 1,
        "unit": "MiB",
    }


def _service_time() -> float:
    """Return the processor time of the service for the logins of a round."""
    place = office("at_once")
    before = _processor_time(place.services[0].pid)
    place.log_in(_LOGINS, user)
    return _processor_time(place.services[0].pid) - before


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _least_time() -> float:
    """Read a request, draft and sign a user and an answer, as often: what no service can do without."""
    from seedless.claims import AuthorizationRequest, ClientInfo, ConnectOptions, ServerId, User
    from seedless.jwt import Claims, draft
    from seedless.nkey import Role
    from seedless.seeds import SoftwareKey
    from seedless.serve.answer import response_draft
    from seedless.serve.request import AUDIENCE, read_request

    server, account, client = (SoftwareKey.generate(role) for role in (Role.SERVER, Role.ACCOUNT, Role.USER))
    body = AuthorizationRequest(
        server_id=ServerId(name="n0", id=str(server.public_key)),
        user_nkey=str(client.public_key),
        client_info=ClientInfo(host="127.0.0.1", kind="Client", type="nats"),
        connect_opts=ConnectOptions(user="ann", password="x", jwt="e" * 700),  # as long as with a sentinel
    )
    now, subject = int(time.time()), str(account.public_key)
    made = draft(Claims(sub=subject, aud=AUDIENCE, exp=now + 2, body=body), server.public_key, now)
    text = made.complete(server.sign(made.signing_input)).text
    begin = time.process_time()
    for _ in range(_LOGINS):
        request = read_request(text, "$SYS._INBOX.a.b", subject, now)
        claims = Claims(sub=request.user, body=User.scoped(subject), name="ann", exp=now + 60)
        plan = draft(claims, account.public_key, now)
        jwt = plan.complete(account.sign(plan.signing_input))
        answer = response_draft(jwt, request, account.public_key, now)
        answer.complete(account.sign(answer.signing_input))
    return time.process_time() - begin


@functools.cache
def _memories() -> tuple[float, float]:
    """Return the resident memory of a new service in MiB after few logins, and then after many more."""
    # The figure after few comes first, whichever side is measured first; and no other row has used it.
    place = office.__wrapped__("at_once")
    return _memory(place, _FEW), _memory(place, _MANY)


def _memory(place: Office, logins: int) -> float:
    """Return the resident memory of the service in MiB after so many more logins."""
    place.log_in(logins, user)
    text = Path(f"/proc/{place.services[0].pid}/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
