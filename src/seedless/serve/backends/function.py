"""The backend `python`: a function of the owner's own decides, sync or async.

    def identify(login: Login) -> Identity | None: ...

A sync function runs in a thread. What it raises is a refusal: `Refused` with its reason, of any other error
only the type and the line are logged, for its text may contain what was presented. Only the first counts as a
failure of the client's address.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from seedless.config import require_owned
from seedless.errors import BackendError, Refused, UsageError
from seedless.serve.login import Identity, Login
from seedless.strict_json import ABSOLUTE_PATH
from seedless.text import printable, shown

__all__ = ["FunctionSettings", "UserFunction"]

_Function = Callable[[Login], Identity | Awaitable[Identity | None] | None]


class FunctionSettings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", tag_field="kind", tag="python"
):
    """A Python function, `def identify(login: Login) -> Identity | None`, sync or async."""

    function: Annotated[str, Meta(description="`module:function`")]
    path: Annotated[Path | None, ABSOLUTE_PATH, Meta(description="a folder to find the module in")] = None
    threads: Annotated[int, Meta(description="calls of a sync function at once")] = 8


class UserFunction:
    """A backend that calls a function."""

    def __init__(self, name: str, settings: FunctionSettings) -> None:
        """Import the function; raise `UsageError`."""
        self._name = name
        self._function = _imported(settings)
        self._is_async = inspect.iscoroutinefunction(self._function)
        # Its threads end when it is collected: nothing else refers to a backend that was replaced.
        self._pool = ThreadPoolExecutor(max_workers=settings.threads, thread_name_prefix=f"backend-{name}")

    def __repr__(self) -> str:
        return f"UserFunction({self._name!r})"

    async def identify(self, login: Login) -> Identity | None:
        """Return what the function does, with the name of this backend."""
        try:
            if self._is_async:
                result = self._function(login)
            else:
                loop = asyncio.get_running_loop()
                result = await loop.run_in_executor(self._pool, self._function, login)
            identity = await result if inspect.isawaitable(result) else result
        except Refused:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Something in the function was cancelled, not the login: that would end without an answer.
            raise BackendError(f"the function failed: {_where(error)}") from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the owner's code may raise anything
            raise BackendError(f"the function failed: {_where(error)}") from None
        if identity is None:
            return None
        if not isinstance(identity, Identity):
            raise BackendError(f"the function returned {type(identity).__name__}, and no Identity")
        try:
            checked = msgspec.convert(msgspec.to_builtins(identity), Identity)
        except (msgspec.ValidationError, TypeError, UnicodeEncodeError):
            raise BackendError("the function returned an Identity with members of other types") from None
        return replace(checked, backend=self._name)


def _where(error: BaseException) -> str:
    """Return type and line of *error*: its text may be a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    last = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{last}"


def _imported(settings: FunctionSettings) -> _Function:
    module_name, _, name = settings.function.partition(":")
    if not module_name or not name.isidentifier():
        raise UsageError(f"{shown(settings.function)} is not a function", "write module:function")
    if settings.path is not None:
        require_owned(settings.path, "what is in it decides who logs in")
    if settings.path is not None and str(settings.path) not in sys.path:
        sys.path.insert(0, str(settings.path))
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = printable(str(error)) or type(error).__name__
        raise UsageError(f"the module {shown(module_name)} cannot be imported: {reason}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UsageError(f"the module {shown(module_name)} has no function {shown(name)}")
    found: _Function = function
    return found
