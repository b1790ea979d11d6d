"""Options that allow what a JetStream client does, instead of its subjects (`claims.jetstream`)."""

from __future__ import annotations

from typing import Any

import click

from seedless.cli.command import GroupedOption

HEADING = "JetStream permissions"

_HELP = {
    "allow_js_publish": ("STREAM:SUBJECT", "Publish the subject, with acks of the stream"),
    "allow_js_consume": ("STREAM[:CONSUMER]", "Consume a stream: by all consumers, or an existing one"),
    "allow_kv": ("BUCKET[:read|write]", "Read a key-value bucket, or write it too"),
    "allow_object_store": ("BUCKET[:read|write]", "Read an object store, or write it too"),
    "allow_js_manage": ("STREAM", "Create, change, purge and delete a stream and its consumers"),
}


def _option(name: str, **attributes: Any) -> Any:  # noqa: ANN401 - click's
    flag = f"--{name.replace('_', '-')}"
    decorator = click.option(flag, name, cls=GroupedOption, heading=HEADING, **attributes)
    decorator.__name__ = name
    return decorator


OPTIONS = [
    *(
        _option(name, multiple=True, metavar=metavar, help=f"{words}; may be repeated.")
        for name, (metavar, words) in _HELP.items()
    ),
    _option("js_domain", metavar="DOMAIN", help="The JetStream domain of these permissions."),
    _option("inbox_prefix", metavar="PREFIX", help="The inbox prefix of the client [default: _INBOX]."),
]
