"""`seedless ceremony review` and `ceremony witness`: judge and show a request, and sign that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.app.ceremonies import is_key_request
from seedless.app.key_names import known_titles, titled
from seedless.ceremony import documents
from seedless.cli.ceremony import options
from seedless.cli.ceremony.confirmation import confirmed
from seedless.cli.command import command
from seedless.cli.key.import_ import warn_of_open_file
from seedless.cli.key_options import public_key_type
from seedless.cli.options import ceremony_options, judge_options
from seedless.cli.render.ceremony import review_data, show_review, show_tokens
from seedless.cli.render.keygen import request_data, show_request
from seedless.errors import UsageError
from seedless.key_store import read_seed
from seedless.keygen.request import parse
from seedless.store import atomic

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.app.ceremony_reviews import CeremonyConsent, WitnessStatement
    from seedless.cli.workspace import CommandWorkspace
    from seedless.nkey import PublicKey
    from seedless.seeds import SoftwareKey


@command()
@options.request_argument
@options.first_use_option
@click.option("--checklist", type=options.FILE, metavar="FILE", help="Write a page to print.")
@judge_options
def review(
    workspace: CommandWorkspace,
    *,
    request_file: Path,
    first_use: options.FirstUse,
    checklist: Path | None,
) -> None:
    """Check and show a request, without token or PIN.

    It goes by the policy, the ledger and the clock of this machine. Findings about the request are shown
    first; exit code 3 when one is an error. Then come the changes, those that widen access first, the digest
    of the policy, and the digest of the request in words.

    \b
    Example:
      seedless ceremony review request.json --policy policy.toml \\
          --checklist checklist.txt
    """
    if options.is_of(request_file, file_kind.KEY_REQUEST):
        data = documents.read(request_file, file_kind.KEY_REQUEST)
        asked = parse(data)
        show_request(asked)
        to_print = workspace.ceremonies.review_keys(data).checklist()
        if checklist is not None:
            atomic.write_new({checklist: to_print})
        workspace.emit(request_data(asked), f"sha256 {asked.digest}")
        return
    reviewed = workspace.ceremonies.review(documents.read(request_file, file_kind.REQUEST), first_use)
    show_review(workspace, reviewed)
    reviewed.report.require_clean()
    if checklist is not None:
        atomic.write_new({checklist: reviewed.checklist()})
    workspace.emit(review_data(reviewed), f"sha256 {reviewed.request.digest}")


@command()
@options.request_argument
@click.option("--key-file", type=options.FILE, metavar="FILE", help="Your key: a file with its seed.")
@click.option("--key", type=public_key_type(), metavar="PUBKEY", help="Your key, on a token.")
@options.first_use_option
@options.expect_option
@options.clock_checked_option
@options.output_option
@ceremony_options
def witness(
    workspace: CommandWorkspace,
    *,
    request_file: Path,
    key_file: Path | None,
    key: PublicKey | None,
    first_use: options.FirstUse,
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
      seedless ceremony witness request.json --policy policy.toml \\
          --key-file ada.nk -o ada.witness
    """
    if (key_file is None) == (key is None):
        raise UsageError("your key is in a file or on a token", "give one of --key-file and --key")
    atomic.require_new(output)
    request = documents.read(request_file, file_kind.REQUEST, file_kind.KEY_REQUEST)  # before a seed is read
    software = read_seed(key_file) if key_file else None
    if key_file:
        warn_of_open_file(key_file)
    statement = _shown_statement(workspace, request, first_use, software or key)
    content = statement.content
    data = {
        "request": content.request, "policy": content.policy, "lifted": list(content.waived),
        "expires": content.expires, "witness": str(statement.witness), "file": str(output),
        "dry_run": workspace.options.dry_run,
    }  # fmt: skip
    if workspace.options.dry_run:
        workspace.emit(data, "nothing was signed: --dry-run")
        return

    def approve(statement: WitnessStatement) -> CeremonyConsent:
        show_tokens(statement.tokens(), known_titles(workspace))
        return confirmed(content.request, statement.clock, expect, clock_checked=clock_checked)

    jwt = statement.sign(approve=approve)
    atomic.write_new({output: f"{jwt.text}\n"})
    workspace.emit(data, f"{output}: witnessed by {titled(workspace, str(statement.witness))}")


def _shown_statement(
    workspace: CommandWorkspace,
    request: bytes,
    first_use: options.FirstUse,
    key: SoftwareKey | PublicKey | None,
) -> WitnessStatement:
    """Show a request, and return what *key* signs of it."""
    if key is None:
        raise UsageError("there is no key to sign with")
    if is_key_request(request):
        show_request(parse(request), with_words=False)
        return workspace.ceremonies.key_statement(request, key)
    review = workspace.ceremonies.review(request, first_use)
    show_review(workspace, review, with_words=False)
    return review.statement(key)
