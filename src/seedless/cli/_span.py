"""A span of time as the value of an option."""

from __future__ import annotations

import click

from seedless import units
from seedless.text import quoted


class SpanType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """`90s`, `12h`, `30d`, `1y`, in seconds."""

    name = "span"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        if isinstance(value, int):
            return value
        if not units.is_span(value):
            self.fail(f"{quoted(value)} is no span of time: write 12h, 30d, 1y", param, ctx)
        return units.parse_span(value)


SPAN = SpanType()
