"""Options that many commands share, gathered into one value."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from seedless.app.settings import WorkspaceSettings
from seedless.cli.by_key import with_names

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class Settings(WorkspaceSettings, frozen=True, kw_only=True):
    """What the shared options say; what a command does not offer has its default."""

    as_json: bool = False
    dry_run: bool = False
    plan: str | None = None
    yes: bool = False
    verbose: bool = False

    @property
    def is_only_shown(self) -> bool:
        """Whether what the command is about is neither signed nor sent: --dry-run, --plan."""
        return self.dry_run or self.plan is not None


def _public_keys(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Return *given*, public keys all of them."""
    from seedless.errors import BadKey  # most commands are given none
    from seedless.nkey import PublicKey

    try:
        return tuple(str(PublicKey.parse(text)) for text in given)
    except BadKey as error:
        raise click.BadParameter(error.message, ctx, param) from error


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
    click.option(
        "--context", envvar="SEEDLESS_CONTEXT", metavar="NAME",
        help="Take options from this context of the configuration [env: SEEDLESS_CONTEXT].",
    ),
    click.option(
        "--store", envvar="SEEDLESS_STORE", metavar="DIR",
        help="Folder of jwts and creds [env: SEEDLESS_STORE; default: ~/.local/share/seedless].",
    ),
    click.option(
        "--operator", envvar="SEEDLESS_OPERATOR", metavar="NAME",
        help="Which operator of the store [env: SEEDLESS_OPERATOR].",
    ),
]  # fmt: skip
_MODULE = [
    click.option(
        "--module", envvar="SEEDLESS_MODULE", metavar="FILE",
        help="PKCS#11 module of the token [env: SEEDLESS_MODULE].",
    )
]  # fmt: skip
_TOKEN = [
    *_MODULE,
    click.option(
        "--token", envvar="SEEDLESS_TOKEN", metavar="LABEL|URI",
        help="The token, as in ACME or pkcs11:token=ACME [env: SEEDLESS_TOKEN; default: the only one].",
    ),
    click.option(
        "--pin-source", envvar="SEEDLESS_PIN_SOURCE", metavar="SOURCE",
        help="prompt, env:NAME, file:PATH, fd:N or cmd:PROGRAM [env: SEEDLESS_PIN_SOURCE; default: prompt].",
    ),
    click.option("--last-try", is_flag=True, help="Use the last try of the PIN."),
]  # fmt: skip
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
    "--reset-time", multiple=True, metavar="PUBKEY", callback=_public_keys,
    help="Date by this clock what follows the jwt of this key: that one is from a clock that was fast.",
)  # fmt: skip
_POLICY = [
    click.option(
        "--policy", envvar="SEEDLESS_POLICY", metavar="FILE",
        help="The policy that is pinned [env: SEEDLESS_POLICY; default: as the configuration says].",
    )
]  # fmt: skip
_JUDGE = [
    *_POLICY,
    click.option(
        "--allow", multiple=True, metavar="CODE",
        help="Waive the finding with this code; not of the policy, nor one that guards a promise.",
    ),
    click.option(
        "--allow-extractable", multiple=True, metavar="PUBKEY", callback=_public_keys,
        help="Sign with this key although its driver says that it can leave its token.",
    ),
    reset_time_option,
]  # fmt: skip


def _gathered(options: list[Callable[[Any], Any]], command: Callable[..., R]) -> Callable[..., R]:
    @functools.wraps(command)
    def with_settings(*, quiet: bool, **values: Any) -> R:  # noqa: ANN401 - click's values
        if quiet:
            from seedless.cli import printing  # rarely wanted

            printing.set_quiet(is_quiet=True)
            click.get_current_context().call_on_close(functools.partial(printing.set_quiet, is_quiet=False))
        mine = {name: values.pop(name) for name in list(values) if name in Settings.__struct_fields__}
        settings = Settings(**mine)
        if "dry_run" in mine or "yes" in mine:
            from seedless.cli import consent  # only where somebody may be asked

            consent.begin(settings)
        return command(settings, **with_names(settings, values))

    for option in reversed(options):
        with_settings = option(with_settings)
    return with_settings


def json_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with --json."""
    return _gathered(_JSON, command)


def store_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with --store, --operator and --json."""
    return _gathered([*_STORE, *_JSON], command)


def lint_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of the store, --allow and --json."""
    return _gathered([*_STORE, *_WAIVE, *_JSON], command)


def configuration_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with --allow and --json."""
    return _gathered([*_WAIVE, *_JSON], command)


def token_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of a token and of the store."""
    return _gathered([*_TOKEN, *_STORE, *_JSON], command)


def replacing_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of `store_options` and --yes."""
    return _gathered([*_STORE, *_YES, *_JSON], command)


def trial_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of `token_options` and --yes."""
    return _gathered([*_TOKEN, *_STORE, *_YES, *_JSON], command)


def change_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of `token_options`, --dry-run and --yes."""
    return _gathered([*_TOKEN, *_STORE, *_DRY_RUN, *_YES, *_JSON], command)


def recovery_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of `change_options` and --policy."""
    return _gathered([*_TOKEN, *_STORE, *_POLICY, *_DRY_RUN, *_YES, *_JSON], command)


def drill_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with all that signing wants, for what is signed and thrown away."""
    return _gathered([*_TOKEN, *_STORE, *_JUDGE, *_YES, *_JSON], command)


def attest_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with --module, the options of the store, --policy and --dry-run."""
    return _gathered([*_MODULE, *_STORE, *_POLICY, *_DRY_RUN, *_JSON], command)


def sign_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with all that signing wants."""
    return _gathered([*_TOKEN, *_STORE, *_JUDGE, *_DRY_RUN, *_PLAN, *_YES, *_VERBOSE, *_JSON], command)


def bulk_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of `sign_options` and --jobs."""
    return _gathered(
        [*_TOKEN, *_STORE, *_JUDGE, *_DRY_RUN, *_PLAN, *_YES, *_JOBS, *_VERBOSE, *_JSON], command
    )


def judge_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of the store and of judgement."""
    return _gathered([*_STORE, *_JUDGE, *_JSON], command)


def write_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of the store and --dry-run."""
    return _gathered([*_STORE, *_DRY_RUN, *_JSON], command)


def confirmed_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with the options of `write_options` and --yes."""
    return _gathered([*_STORE, *_DRY_RUN, *_YES, *_JSON], command)


def ceremony_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with all that signing wants but --plan and --yes."""
    return _gathered([*_TOKEN, *_STORE, *_JUDGE, *_DRY_RUN, *_JSON], command)


def push_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* a `Settings` with all that signing wants, for what goes to servers and into no plan."""
    return _gathered([*_TOKEN, *_STORE, *_JUDGE, *_DRY_RUN, *_YES, *_JSON], command)
