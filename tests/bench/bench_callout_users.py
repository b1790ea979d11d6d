"""Logins by the callout backend `users`, with a remembered verdict and without, beside user jwts.

A hash (argon2id, 19 MiB and 2 passes) takes some 11 ms of a processor, and memory is its limit, so a second
service on two processors does not double the rate.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGINS, _HASHES = 480, 96
_PASSWORD = "correct horse"


def rows() -> Iterator[dict[str, object]]:
    """Yield the rows; a server and its services are started when they are first measured."""
    sys.path.append(str(Path(__file__).parents[1] / "promises"))  # raw_nats, which _logins needs
    from _logins import AT_ONCE, Office

    from seedless.serve.backends.users import entry, hash_password

    @functools.cache
    def office(remember: str, services: int = 1) -> Office:
        folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        file = folder / "users.toml"
        file.write_text("\n".join(entry(f"u{n}", hash_password(_PASSWORD)) for n in range(AT_ONCE)))
        file.chmod(0o600)
        started = Office(
            f'kind = "users"\nfile = "{file}"\nremember = "{remember}"\nthreads = 1', services=services
        )
        started.log_in(AT_ONCE, user)
        return started

    def user(number: int, _: str) -> dict[str, str]:
        return {"user": f"u{number % AT_ONCE}", "pass": _PASSWORD}

    yield {
        "name": "callout logins, backend users with a remembered verdict, beside user jwts",
        "ours": lambda: office("1h").log_in(_LOGINS, user),
        "beside": lambda: office("1h").log_in(_LOGINS, office("1h").plain),
        "least": 0.4,
        "items": _LOGINS,
        "rounds": 7,
    }
    yield {
        "name": "callout logins, argon2id in one thread each, two services beside one",
        "ours": lambda: office("0s", 2).log_in(_HASHES, user),
        "beside": lambda: office("0s").log_in(_HASHES, user),
        "least": 1.25,
        "items": _HASHES,
        "rounds": 5,
    }
