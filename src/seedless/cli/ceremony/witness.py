"""`seedless ceremony witness`: sign that you have reviewed a request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless import file_kind
from seedless.app.ceremony_tokens import where
from seedless.app.tokens import check_token_options, open_tokens
from seedless.ceremony import documents
from seedless.ceremony.offline import statement_content
from seedless.ceremony.statements import witness_problem
from seedless.cli import _ceremony_desk as desk
from seedless.cli import printing
from seedless.cli.ceremony import key_requests
from seedless.cli.command import command
from seedless.cli.key.import_ import tell_open_file
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, ceremony_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.seeds import SoftwareKey
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.ceremony.judgement import ReviewContext
    from seedless.ceremony.statements import StatementContent
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey


@command()
@desk.request_argument
@click.option(
    "--key-file", type=click.Path(path_type=Path), metavar="FILE", help="Your key: a file with its seed."
)
@click.option("--key", type=PublicKeyType(), metavar="PUBKEY", help="Your key, on a token.")
@desk.first_use_option
@desk.expect_option
@click.option("--clock-checked", is_flag=True, help="Say that the clock of this machine is right.")
@desk.output_option
@ceremony_options
def witness(
    settings: Settings,
    *,
    request_file: Path,
    key_file: Path | None,
    key: PublicKey | None,
    first_use: tuple[str, ...],
    expect: str | None,
    clock_checked: bool,
    output: Path,
) -> None:
    """Sign that you have reviewed a request.

    The request is judged and shown as `review` does, by the policy and the ledger of the machine that signs;
    then you type its words. The statement binds the digests
    of request and policy, what is waived, and the expiry. Whether you count is for the policy: its
    [witnesses] lists keys. Your key is a file with its seed, or on a token.

    \b
    Example:
      seedless ceremony witness request.json --policy policy.toml --key-file ada.nk -o ada.witness
    """
    if (key_file is None) == (key is None):
        raise UsageError("your key is in a file or on a token", "give one of --key-file and --key")
    atomic.require_new(output)
    workspace = CommandWorkspace(settings)
    check_token_options(workspace)
    documents.read(request_file, file_kind.REQUEST, file_kind.KEY_REQUEST)  # before a seed is read
    software = _software(key_file) if key_file else None
    public_key = software.public_key if software else key
    if public_key is None:
        raise UsageError("there is no key to sign with")
    said, clock = _content(workspace, request_file, first_use, public_key)
    data: dict[str, Any] = {
        "request": said.request, "policy": said.policy, "lifted": list(said.waived),
        "expires": said.expires, "witness": str(public_key), "file": str(output), "dry_run": settings.dry_run,
    }  # fmt: skip
    if settings.dry_run:
        printing.emit(data, "nothing was signed: --dry-run", as_json=settings.as_json)
        return
    for _, token in where(workspace, [] if software else [public_key]):
        printing.say(f"asks      {token} for {public_key}")
    desk.agree_on(said.request, clock, expect, clock_checked=clock_checked)
    jwt = _signed(workspace, said, public_key, software)
    atomic.write_new({output: f"{jwt.text}\n"})
    printing.emit(data, f"{output}: witnessed by {public_key}", as_json=settings.as_json)


def _content(
    workspace: CommandWorkspace, request_file: Path, first_use: tuple[str, ...], public_key: PublicKey
) -> tuple[StatementContent, int]:
    """Show a request, and return what *public_key* signs of it, and the clock by which it was judged."""
    if key_requests.is_request(request_file):
        request = key_requests.read(request_file)
        key_requests.show(request, tell_words=False)
        return key_requests.content(request, public_key), workspace.now
    review_context = desk.review_context_of(workspace, request_file, first_use)
    report = review_context.judge()
    desk.show(workspace, review_context, report, tell_words=False)
    report.require_clean()
    _require_listed(review_context, public_key)
    return statement_content(review_context, report), review_context.clock


def _signed(
    workspace: CommandWorkspace, said: StatementContent, public_key: PublicKey, software: SoftwareKey | None
) -> Jwt[Any]:
    one = said.draft(public_key, workspace.now)
    if software is not None:
        return one.complete(software.sign(one.signing_input))
    with open_tokens(workspace) as tokens:
        (jwt,) = tokens.sign([one])
        return jwt


def _require_listed(review_context: ReviewContext, public_key: PublicKey) -> None:
    """Raise `Refused` for a key that the policy does not list: the statement would count for nothing."""
    why = witness_problem(public_key, review_context.policy.witnesses, review_context.request.signers)
    if why:
        raise Refused(why, "[witnesses] of the policy lists who counts")


def _software(path: Path) -> SoftwareKey:
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name a file with a seed, S…")
    file_kind.require(data, path, file_kind.SEED)
    tell_open_file(path)
    try:
        return SoftwareKey.parse(data.decode("ascii", "replace").strip())
    except SeedlessError as error:
        raise UsageError(f"{shown(path)} holds no seed: {error.message}", error.hint) from error
