"""Options that many commands share, gathered into one value."""

from __future__ import annotations

import functools
import inspect
import re
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click
from msgspec.structs import replace

from seedless.app.given_keys import has_names, keys_for
from seedless.app.settings import WorkspaceSettings
from seedless.errors import SeedlessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.cli.workspace import CommandWorkspace

R = TypeVar("R")


class Settings(WorkspaceSettings, frozen=True, kw_only=True):
    """The values of the shared options; what a command does not offer has its default."""

    as_json: bool = False
    dry_run: bool = False
    plan: str | None = None
    yes: bool = False
    verbose: bool = False

    @property
    def is_only_shown(self) -> bool:
        """Whether what the command is about is neither signed nor sent: --dry-run, --plan."""
        return self.dry_run or self.plan is not None

    def emit(self, data: object, text: str, *, is_file: bool = False) -> None:
        """Print *data* as one JSON object with --json, or *text* for people; see `printing.emit`."""
        from seedless.cli import printing  # not for --help

        printing.emit(data, text, as_json=self.as_json, is_file=is_file)


def _public_keys(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[object, ...]:
    """Return *given*, public keys and names of keys all of them."""
    if not given:
        return ()
    from seedless.cli.key_options import public_key_type  # most commands are given none

    return tuple(public_key_type().convert(text, param, ctx) for text in given)


def _setting(name: str, metavar: str, help: str, default: str = "") -> Callable[[Any], Any]:  # noqa: A002 - click's
    """Return the option *name*, which the environment sets too, for all commands."""
    variable = f"SEEDLESS_{name.replace('-', '_').upper()}"
    source = f"env: {variable}; default: {default}" if default else f"env: {variable}"
    return click.option(f"--{name}", envvar=variable, metavar=metavar, help=f"{help} [{source}].")


_JSON = [
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    click.option("--quiet", "-q", is_flag=True, help="Print no notes on stderr; errors and questions only."),
]
_VERBOSE = [
    click.option(
        "--verbose", "-v", is_flag=True,
        help="Show every line of a review, those that every new jwt of the kind has as well.",
    )
]  # fmt: skip
_STORE = [
    _setting("context", "NAME", "Take options from this context of the configuration"),
    _setting("store", "DIR", "Folder of jwts and creds", "~/.local/share/seedless"),
    _setting("operator", "NAME", "Which operator of the store"),
]
_MODULE = [_setting("module", "FILE", "PKCS#11 module of the token")]
_TOKEN = [
    *_MODULE,
    _setting("token", "LABEL|URI", "The token, as in ACME or pkcs11:token=ACME", "the only one"),
    _setting("pin-source", "SOURCE", "prompt, env:NAME, file:PATH, fd:N or cmd:PROGRAM", "prompt"),
    click.option("--last-try", is_flag=True, help="Use the last try of the PIN."),
]
_DRY_RUN = [click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")]
_PLAN = [
    click.option(
        "--plan", metavar="FILE", help="Write the plan here instead of signing, and print its digest."
    )
]
_JOBS = [
    click.option(
        "--jobs", "-j", type=click.IntRange(min=1), metavar="N",
        help="Sign in N processes, each with a session on the token [default: one, for 200 jwts or more].",
    )
]  # fmt: skip
_YES = [click.option("--yes", "-y", is_flag=True, help="Agree to what is shown, without being asked.")]
_WAIVE = [
    click.option(
        "--allow", multiple=True, metavar="CODE",
        help="Waive the findings with this code: they are shown, and do not count.",
    )
]  # fmt: skip
reset_time_option = click.option(
    "--reset-time", multiple=True, metavar="KEY", callback=_public_keys,
    help="Date by this clock what follows the jwt of this key: that one is from a clock that was fast.",
)  # fmt: skip
_POLICY = [_setting("policy", "FILE", "The policy that is pinned", "as in the configuration")]
_JUDGE = [
    *_POLICY,
    click.option(
        "--allow", multiple=True, metavar="CODE",
        help="Waive the finding with this code; not of the policy, nor one that guards a promise.",
    ),
    click.option(
        "--allow-extractable", multiple=True, metavar="KEY", callback=_public_keys,
        help="Sign with this key although its driver reports that it can leave its token.",
    ),
    reset_time_option,
]  # fmt: skip


class OptionsDecorator(Protocol):
    """A decorator that gives a command options, and their values in one argument."""

    def __call__(self, command: Callable[..., R], /) -> Callable[..., R]:
        """Return *command* as click calls it."""


def combined(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator for all of *options*, which the help lists in this order."""
    return lambda command: functools.reduce(
        lambda decorated, option: option(decorated), options[::-1], command
    )


def gathered(
    argument: str, *options: Callable[[Any], Any], make: Callable[[dict[str, Any]], Any] = dict
) -> OptionsDecorator:
    """Return a decorator that gives a command *options*; what *make* makes of their values is *argument*."""

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        names: set[str] = set()

        @functools.wraps(command)
        def with_options(*args: Any, **values: Any) -> R:  # noqa: ANN401 - click's values
            made = make({name: values.pop(name) for name in list(values) if name in names})
            return command(*args, **{argument: made}, **values)

        decorated: Any = with_options
        before = {param.name for param in getattr(decorated, "__click_params__", ())}
        decorated = combined(*options)(decorated)
        names |= {param.name for param in decorated.__click_params__} - before
        made: Callable[..., R] = decorated
        return made

    return decorate


def _shared(*groups: list[Callable[[Any], Any]], changes: bool = False) -> OptionsDecorator:
    """Return a decorator for the options of *groups*, --json and --quiet; of what *changes* files unasked.

    The command has their values in its first argument: as a `CommandWorkspace` where that is called
    `workspace`, and else as `Settings`, since a workspace loads much that few commands do without.
    """
    options = [option for group in (*groups, _JSON) for option in group]

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        takes_workspace = next(iter(inspect.signature(command).parameters)) == "workspace"
        start = _workspace if takes_workspace else lambda settings: settings

        @functools.wraps(command)
        def with_settings(*, quiet: bool, **values: Any) -> R:  # noqa: ANN401 - click's values
            if quiet:
                _be_quiet()
            mine = {name: values.pop(name) for name in list(values) if name in Settings.__struct_fields__}
            settings = _settings(mine)
            asks = "dry_run" in mine or "yes" in mine
            if asks:
                from seedless.cli import consent  # only where somebody may be asked

                consent.begin(settings)
            try:
                return command(start(settings), **with_names(settings, values))
            except SeedlessError as error:
                error.message = with_titles_in(settings, error.message)
                raise
            except OSError as error:
                # Results are printed last: whoever reads that a disk is full must not think nothing was done.
                if (changes or asks or values.get("output")) and not settings.dry_run:
                    _require_output(error)
                raise

        decorated: Callable[..., R] = combined(*options)(with_settings)
        return decorated

    return decorate


def _settings(values: dict[str, Any]) -> Settings:
    """Return the settings of these *values*, which have keys in the place of names of keys."""
    keys = {name: values.pop(name) for name in ("allow_extractable", "reset_time") if values.get(name)}
    settings = Settings(**values)
    if has_names(keys):
        keys |= keys_for(_workspace(settings), keys)
    return replace(settings, **{name: tuple(map(str, value)) for name, value in keys.items()})


def _require_output(error: OSError) -> None:
    """Raise the error of a command that has done its work, where *error* is about what it prints."""
    from seedless.cli.streams import lost_output  # only where something cannot be written

    if message := lost_output(error):
        hint = "look at what is there before you run it again"
        raise SeedlessError(f"{message}; the command had done its work before", hint) from error


def _workspace(settings: Settings) -> CommandWorkspace:
    from seedless.cli.workspace import CommandWorkspace  # not for --help

    return CommandWorkspace(settings)


def _be_quiet() -> None:
    """Print no notes until the command ends."""
    from seedless.cli import printing  # rarely wanted

    printing.set_quiet(is_quiet=True)
    click.get_current_context().call_on_close(functools.partial(printing.set_quiet, is_quiet=False))


_KEY = re.compile(r"[AU][A-Z2-7]{55}")
_KEY_IN_TEXT = re.compile(r"[AOU][A-Z2-7]{55}")
_NAMES = ("account", "name", "names", "more", "old", "user")
"""The parameters of commands that name an account or a user of the store."""


def with_names(settings: Settings, values: dict[str, Any]) -> dict[str, Any]:
    """Return the *values* of a command, with the name of each account and user whose public key was given.

    In the place of names of keys they have the keys. What the store does not have stays as it is, for the
    command to judge.
    """
    if has_names(values):
        values = values | keys_for(_workspace(settings), values)
    named = {name: values[name] for name in _NAMES if _has_key(values.get(name))}
    if not named:
        return values
    from seedless.app.key_names import names_for  # few commands are given a key

    return values | names_for(_workspace(settings), named, account=values.get("account"))


def with_titles_in(settings: Settings, message: str) -> str:
    """Return the *message* of an error with the names of the keys in it: `account ORDERS (A…)`."""
    if not _KEY_IN_TEXT.search(message):
        return message
    from seedless.app.key_names import titled  # only where a command failed

    return titled(_workspace(settings), message)


def _has_key(value: object) -> bool:
    texts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(text, str) and _KEY.fullmatch(text) for text in texts)


json_options = _shared()
configured_options = _shared(changes=True)
store_options = _shared(_STORE)
diff_options = _shared(_STORE, _VERBOSE)
lint_options = _shared(_STORE, _WAIVE)
configuration_options = _shared(_WAIVE)
token_options = _shared(_TOKEN, _STORE)
replacing_options = _shared(_STORE, _YES)
judge_options = _shared(_STORE, _JUDGE)
write_options = _shared(_STORE, _DRY_RUN)
confirmed_options = _shared(_STORE, _DRY_RUN, _YES)
attest_options = _shared(_MODULE, _STORE, _POLICY, _DRY_RUN)
trial_options = _shared(_TOKEN, _STORE, _YES)
change_options = _shared(_TOKEN, _STORE, _DRY_RUN, _YES)
recovery_options = _shared(_TOKEN, _STORE, _POLICY, _DRY_RUN, _YES)
drill_options = _shared(_TOKEN, _STORE, _JUDGE, _YES)
"""For what is signed and thrown away."""
ceremony_options = _shared(_TOKEN, _STORE, _JUDGE, _DRY_RUN)
push_options = _shared(_TOKEN, _STORE, _JUDGE, _DRY_RUN, _YES)
"""For what is sent to servers, which is in no plan."""
sign_options = _shared(_TOKEN, _STORE, _JUDGE, _DRY_RUN, _PLAN, _YES, _VERBOSE)
bulk_options = _shared(_TOKEN, _STORE, _JUDGE, _DRY_RUN, _PLAN, _YES, _JOBS, _VERBOSE)
"""As `sign_options`, for many jwts at once."""
