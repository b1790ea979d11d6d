"""`seedless ceremony replay`: a past ceremony held again, without its keys."""

from __future__ import annotations

from pathlib import Path

import click

from seedless.ceremony import documents
from seedless.ceremony.offline import REQUEST_NAME, RESULT_NAME
from seedless.ceremony.replay import replay as hold_again
from seedless.cli import _io
from seedless.cli._options import Settings, json_options

_FOUND = 3


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@json_options
def replay(settings: Settings, *, folder: Path) -> int:
    """Hold a past ceremony again, without its keys.

    DIR has its request.json and result.json. Everything is computed anew but the signatures, which are
    verified; exit code 3 unless every byte agrees. Whom to trust is another question: ask `ceremony check`.

    \b
    Example:
      seedless ceremony replay ~/.local/share/seedless/ceremonies/6f0c…
    """
    request, result = (documents.read(folder / name) for name in (REQUEST_NAME, RESULT_NAME))
    done = hold_again(request, result)
    data = {"agrees": done.agrees, "text": done.text, "signatures": done.signatures}
    _io.emit(data, f"{done.text}; {done.signatures} signatures verify", as_json=settings.as_json)
    return 0 if done.agrees else _FOUND
