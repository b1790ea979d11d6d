"""Options that allow what a JetStream client does, instead of the subjects of it (`claims.jetstream`)."""

from __future__ import annotations

from typing import Any

import click

from seedless.cli.command import GroupedOption

HEADING = "JetStream permissions"

_HELP = {
    "allow_js_publish": ("STREAM:SUBJECT", "Publish the subject, with acks"),
    "allow_js_consume": ("STREAM[:CONSUMER]", "Consume a stream, or use a consumer"),
    "allow_kv": ("BUCKET[:read|write]", "Use a key-value bucket [read]"),
    "allow_object_store": ("BUCKET[:read|write]", "Use an object store [read]"),
    "allow_js_manage": ("STREAM", "Create, change and delete the stream"),
}


def _option(name: str, **attributes: Any) -> Any:  # noqa: ANN401 - click's
    flag = f"--{name.replace('_', '-')}"
    decorator = click.option(flag, name, cls=GroupedOption, heading=HEADING, **attributes)
    decorator.__name__ = name
    return decorator


OPTIONS = [
    *(
        _option(name, multiple=True, metavar=metavar, help=f"{words}; repeatable.")
        for name, (metavar, words) in _HELP.items()
    ),
    _option("js_domain", metavar="DOMAIN", help="Where these streams are."),
    _option("inbox_prefix", metavar="PREFIX", help="Of the client [default: _INBOX]."),
]
