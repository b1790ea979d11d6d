"""What the commands of a ceremony share: arguments, options, and the files that they read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.ceremony.judgement import EVERYTHING
from seedless.cli.key_options import public_key_type
from seedless.nkey import Role
from seedless.store import atomic

if TYPE_CHECKING:
    from seedless.file_kind import FileKind
    from seedless.nkey import PublicKey

FirstUse: TypeAlias = "tuple[str | PublicKey, ...]"
FILE = click.Path(path_type=Path)
request_argument = click.argument("request_file", metavar="REQUEST", type=FILE)
result_argument = click.argument("result_file", metavar="RESULT", type=FILE)
output_option = click.option(
    "--output", "-o", type=FILE, metavar="FILE", required=True,
    help="Write it here (0600); a file that exists is not replaced.",
)  # fmt: skip
operator_key_option = click.option(
    "--operator-key", required=True, type=public_key_type(Role.OPERATOR), metavar="O…",
    help="The public key of the operator that is pinned.",
)  # fmt: skip
expect_option = click.option(
    "--expect", metavar="DIGEST",
    help="Go on only if this is the digest of the request; nobody is asked then.",
)  # fmt: skip
clock_checked_option = click.option(
    "--clock-checked", is_flag=True, help="Confirm that the clock of this machine is right."
)


first_use_option = click.option(
    "--first-use", multiple=True, metavar="KEY|all", type=public_key_type(word=EVERYTHING),
    help="Take the jwt of this key that the request brings as the current one: the ledger does not know it.",
)  # fmt: skip


def read_ceremony(request: Path, result: Path) -> tuple[bytes, bytes]:
    """Return the files of a ceremony; where the request is one to create keys, the result is of that kind."""
    of_keys = is_of(request, file_kind.KEY_REQUEST)
    kinds = (
        (file_kind.KEY_RESULT, file_kind.KEY_TRANSCRIPT)
        if of_keys
        else (file_kind.RESULT, file_kind.TRANSCRIPT)
    )
    asked = documents.read(request, file_kind.KEY_REQUEST if of_keys else file_kind.REQUEST)
    return asked, documents.read(result, *kinds)


def is_of(path: Path, kind: FileKind) -> bool:
    """Report whether a file of *kind* lies at *path*."""
    return file_kind.identify(atomic.read(path) or b"") is kind


def statement_text(path: Path) -> str:
    """Return the statement of a witness in the file *path*, as text."""
    return documents.read(path, file_kind.STATEMENT).decode("ascii", "replace").strip()
